"""SF-NFNet: two paths of residual blocks without normalisation, a slow wide one and a fast narrow one that feeds it.

Source: Wang et al. 2021, Towards Learning Universal Audio Representations, section 3; Brock et al. 2021,
High-Performance Large-Scale Image Recognition Without Normalization, sections 3 and 4; and McCallum et al. 2022 (seed
004, section 2.2), whose published network it is, to the last of 62,345,742 parameters.
*Differs from NFNet*, as MULE does: β of a stage's first block is not that of a reset deviation, GELU is the exact one.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Self, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.representations.mule.settings import Pair, Path, Settings

GELU_GAIN = 1.7015043497085571
"""Gives GELU of a standard normal variable the deviation 1. Source: Brock et al. 2021, in the details of their code."""
LEAST_VARIANCE = 1e-4
NARROWING = 2
"""Of channels inside a block, and of the layer that squeezes and excites."""


class Conv(nn.Module):
    """A convolution whose weights are standardised per output channel, then scaled by a gain that is learned.

    Weights: (w − mean) · gain / √max(n · variance, 1e-4) over the n inputs of an output. Output sizes are ⌈n / stride⌉:
    what is missing is padded with zeros, the odd one at the end, as TensorFlow's "same" does.
    """

    frozen: Tensor | None

    def __init__(self, n_in: int, n_out: int, kernel: Pair = (1, 1), stride: Pair = (1, 1), groups: int = 1) -> None:
        super().__init__()
        self.stride, self.groups, self.kernel = stride, groups, kernel
        self.weight = nn.Parameter(torch.zeros(n_out, n_in // groups, *kernel))
        self.gain = nn.Parameter(torch.ones(n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.register_buffer("frozen", None, persistent=False)  # a buffer moves to the device of the rest

    def standardised(self) -> Float[Tensor, "out in height width"]:
        """Return the weights that are convolved with."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        fan_in = self.weight[0].numel()
        return (self.weight - mean) * (
            (variance * fan_in).clamp_min(LEAST_VARIANCE).rsqrt() * self.gain.view(-1, 1, 1, 1)
        )

    def forward(self, x: Float[Tensor, "batch in bands frames"]) -> Float[Tensor, "batch out bands frames"]:
        """Return the convolution."""
        weight = self.standardised() if self.frozen is None else self.frozen
        before, after = zip(*map(_same, x.shape[2:], self.kernel, self.stride), strict=True)
        if before != after:
            x = functional.pad(x, (before[1], after[1], before[0], after[0]))
            before = (0, 0)
        return functional.conv2d(x, weight, self.bias, self.stride, before, groups=self.groups)


class Block(nn.Module):
    """A residual block: x + α · gain · f(β · gelu(x)), the branch squeezed and excited, and left out now and then.

    The first of a stage is a transition: its shortcut is a convolution of β · gelu(x), averaged over `stride` bands.
    """

    def __init__(self, n_in: int, n_out: int, path: Path, stride: int, is_transition: bool, beta: float) -> None:
        super().__init__()
        width = n_out // NARROWING
        groups = max(width // path.group_size, 1)
        self.beta, self.stride = beta, stride
        self.convs = nn.ModuleList(
            (
                Conv(n_in, width),
                Conv(width, width, (1, 3), (stride, 1), groups),
                Conv(width, width, (3, 1), groups=groups),
                Conv(width, n_out),
            )
        )
        self.squeeze = nn.Linear(n_out, n_out // NARROWING)
        self.excite = nn.Linear(n_out // NARROWING, n_out)
        self.gain = nn.Parameter(torch.zeros(()))
        self.shortcut = Conv(n_in, n_out) if is_transition else None

    def forward(
        self, x: Float[Tensor, "batch in bands frames"], share: Float[Tensor, " batch"] | float
    ) -> Float[Tensor, "batch out bands frames"]:
        """Return the block's sum; `share` is what is taken of the branch: α, or 0 in the rows where it is left out."""
        active = scaled_gelu(x) * self.beta
        branch = self.convs[0](active)
        for conv in self.convs[1:]:
            branch = conv(scaled_gelu(branch))
        excited = torch.sigmoid(self.excite(functional.relu(self.squeeze(branch.mean((2, 3))))))
        weight = 2.0 * excited * self.gain * (share[:, None] if isinstance(share, Tensor) else share)
        if self.shortcut is not None:
            x = self.shortcut(_averaged(active, self.stride))
        return torch.addcmul(x, branch, weight[:, :, None, None])


class SfNfNet(nn.Module):
    """The network: log-mel slices to one embedding each. Its weights are to be drawn, or loaded."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings, slow, fast = settings, settings.slow, settings.fast
        self.slow_stem, self.fast_stem = _stem(slow), _stem(fast)
        slow_in = [before + added for before, added in zip(_widths(slow), settings.fused, strict=True)]
        self.slow_stages, self.fast_stages = _stages(settings, slow, slow_in), _stages(settings, fast, _widths(fast))
        self.fusions = nn.ModuleList(
            nn.Sequential(Conv(width, squeezed, (1, 7), (1, 4)), Conv(squeezed, fused))
            for width, squeezed, fused in zip(_widths(fast), settings.squeezed, settings.fused, strict=True)
        )

    def forward(
        self, slices: Float[Tensor, "batch 1 bands frames"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch dim"]:
        """Return the embeddings of slices of any number of frames.

        While training, branches are left out by the generator, drawn on the CPU: for each row and block, in the order
        of the blocks, first those of the slow path in a stage.
        """
        slow, fast = self.slow_stem(slices), self.fast_stem(slices)
        number = 0
        for fusion, slow_blocks, fast_blocks in zip(self.fusions, self.slow_stages, self.fast_stages, strict=True):
            slow = torch.cat([slow, fusion(fast)], 1)
            slow = self._through(slow_blocks, slow, number, generator)
            fast = self._through(fast_blocks, fast, number, generator)
            number += len(cast(nn.ModuleList, slow_blocks))
        return scaled_gelu(torch.cat([slow.mean((2, 3)), fast.mean((2, 3))], 1))

    def draw(self, generator: torch.Generator) -> None:
        """Draw random weights: normal of variance 1 / n over n inputs, Glorot's for dense layers, and no bias."""
        for module in self.modules():
            if isinstance(module, Conv):
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5, generator=generator)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)

    def freeze(self) -> None:
        """Standardise all weights once and for all: for a network that is not trained any more.

        They are laid out with the channels last, and what is convolved with them follows: a fifth faster on a CPU.
        """
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, Conv):
                module.frozen = module.standardised().contiguous(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> Self:
        """Take training up, or end it. A network that learns standardises its weights anew in each call."""
        if mode:
            self._thaw()
        return super().train(mode)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let weights have gradients, or not; those that have are standardised anew in each call."""
        if requires_grad:
            self._thaw()
        return super().requires_grad_(requires_grad)

    def _thaw(self) -> None:
        for module in self.modules():
            if isinstance(module, Conv):
                module.frozen = None

    def _through(self, stage: nn.Module, x: Tensor, first: int, generator: torch.Generator | None) -> Tensor:
        """Return what the blocks of a stage make of it; `first` is the number of its first among all."""
        for number, block in enumerate(cast(nn.ModuleList, stage), start=first):
            x = block(x, self._share(x, number, generator))
        return x

    def _share(self, x: Tensor, number: int, generator: torch.Generator | None) -> Float[Tensor, " batch"] | float:
        """Return what is taken of a branch: α, in training 0 for a row in `skip_rate · number / blocks` of cases."""
        alpha, rate = self.settings.alpha, self.settings.skip_rate * number / sum(self.settings.depths)
        if not self.training or not rate:
            return alpha
        if generator is None:
            raise UserError(
                "Expected a generator: a network in training leaves branches out by chance. Give one, or call .eval()."
            )
        return alpha * (torch.rand(len(x), generator=generator) >= rate).to(x)


def scaled_gelu(x: Tensor) -> Tensor:
    """Return GELU, by the error function, times a gain that keeps the deviation."""
    return functional.gelu(x) * GELU_GAIN


def _stem(path: Path) -> nn.Sequential:
    """Return four convolutions with an activation between them, and none in the end."""
    channels, shapes = (1, *path.stem_channels), zip(path.stem_kernels, path.stem_strides, strict=True)
    layers: list[nn.Module] = []
    for (n_in, n_out), (kernel, stride) in zip(pairwise(channels), shapes, strict=True):
        layers += [Conv(n_in, n_out, kernel, stride), _ScaledGelu()]
    return nn.Sequential(*layers[:-1])


class _ScaledGelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return scaled_gelu(x)


def _widths(path: Path) -> tuple[int, ...]:
    """Return the channels that come to each stage from the one before it."""
    return (path.stem_channels[-1], *path.channels[:-1])


def _stages(settings: Settings, path: Path, widths: "list[int] | tuple[int, ...]") -> nn.ModuleList:
    return nn.ModuleList(
        nn.ModuleList(_blocks(settings.alpha, path, n_in, n_out, depth, is_first=not number))
        for number, (n_in, n_out, depth) in enumerate(zip(widths, path.channels, settings.depths, strict=True))
    )


def _blocks(alpha: float, path: Path, n_in: int, n_out: int, depth: int, is_first: bool) -> Iterator[Block]:
    """Yield the blocks of a stage; β is one over the deviation that is expected of what comes in."""
    variance = 1.0 if is_first else 1.0 + alpha**2
    for number in range(depth):
        is_transition = not number
        stride = 2 if is_transition and not is_first else 1
        yield Block(n_in if is_transition else n_out, n_out, path, stride, is_transition, 1.0 / math.sqrt(variance))
        variance += alpha**2


def _same(length: int, kernel: int, stride: int) -> Pair:
    """Return how many zeros TensorFlow's "same" puts before and after an axis."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _averaged(
    x: Float[Tensor, "batch channels bands frames"], stride: int
) -> Float[Tensor, "batch channels bands frames"]:
    """Return means over `stride` bands; an odd one in the end stays alone."""
    if stride == 1:
        return x
    return functional.avg_pool2d(x, (stride, 1), ceil_mode=True, count_include_pad=False)
