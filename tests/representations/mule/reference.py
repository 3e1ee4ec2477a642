"""MULE's parts written the long way, one number at a time, from the facts that earmark is made from."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from earmark.representations.mule.settings import SQUARE, TALL, Pair, Path, Settings

# What tests/golden/mule/make.py builds: grouped convolutions, stages of one block and of two.
SMALL = Settings(
    slow=Path(
        stem_channels=(4, 4, 6, 8),
        stem_kernels=(TALL, TALL, TALL, SQUARE),
        stem_strides=((2, 8), (1, 1), (1, 1), (2, 2)),
        channels=(8, 16, 24, 24),
        group_size=4,
    ),
    fast=Path(
        stem_channels=(2, 2, 4, 4),
        stem_kernels=(SQUARE, SQUARE, SQUARE, SQUARE),
        stem_strides=((2, 2), (1, 1), (1, 1), (2, 2)),
        channels=(4, 8, 8, 8),
        group_size=2,
    ),
    depths=(1, 2, 1, 1),
    squeezed=(2, 2, 4, 4),
    fused=(4, 8, 8, 12),
)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Normal random numbers in double precision."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(module: torch.nn.Module, seed: int = 0) -> None:
    """Give a module random numbers in double precision, gains and biases too."""
    module.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)


def begins(length: int, kernel: int, stride: int) -> list[int]:
    """Where each output of an axis begins to look: TensorFlow's "same", below 0 where it looks at zeros."""
    n_out = math.ceil(length / stride)
    lacking = max((n_out - 1) * stride + kernel - length, 0)
    return [number * stride - lacking // 2 for number in range(n_out)]


def standardised(weight: Tensor, gain: Tensor) -> Tensor:
    """Each filter less its mean, over the root of n times its variance, times its gain."""
    filters = []
    for one, scale in zip(weight, gain, strict=True):
        values = one.flatten().tolist()
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        filters.append((one - mean) * scale / math.sqrt(max(variance * len(values), 1e-4)))
    return torch.stack(filters)


def convolved(x: Tensor, state: Mapping[str, Tensor], stride: Pair = (1, 1)) -> Tensor:
    """Of one clip, (channels, bands, frames): each output on its own. The weight says how many groups there are."""
    weight = standardised(state["weight"], state["gain"])
    n_out, n_in, height, width = weight.shape
    groups = len(x) // n_in
    rows, columns = begins(x.shape[1], height, stride[0]), begins(x.shape[2], width, stride[1])
    found = torch.zeros(n_out, len(rows), len(columns), dtype=x.dtype)
    for out in range(n_out):
        first = out // (n_out // groups) * n_in
        for row, top in enumerate(rows):
            for column, left in enumerate(columns):
                total = state["bias"][out]
                for down in range(height):
                    for right in range(width):
                        if 0 <= top + down < x.shape[1] and 0 <= left + right < x.shape[2]:
                            seen = x[first : first + n_in, top + down, left + right]
                            total = total + seen @ weight[out, :, down, right]
                found[out, row, column] = total
    return found


def gelu(x: Tensor) -> Tensor:
    """1.7015… · x · Φ(x)."""
    return 1.7015043497085571 * x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def block(x: Tensor, state: Mapping[str, Tensor], beta: float, alpha: float, stride: int) -> Tensor:
    """Of one clip: a residual block."""

    def of(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(f"{name}."): one for key, one in state.items() if key.startswith(f"{name}.")}

    into = gelu(x) * beta
    branch = convolved(into, of("convs.0"))
    branch = convolved(gelu(branch), of("convs.1"), (stride, 1))
    branch = convolved(gelu(branch), of("convs.2"))
    branch = convolved(gelu(branch), of("convs.3"))
    means = branch.mean((1, 2))
    squeezed = (state["squeeze.weight"] @ means + state["squeeze.bias"]).clamp_min(0)
    excited = 2 / (1 + torch.exp(-(state["excite.weight"] @ squeezed + state["excite.bias"])))
    branch = branch * excited[:, None, None] * state["gain"] * alpha
    if "shortcut.weight" in state:
        rows = [into[:, first : first + stride].mean(1) for first in range(0, into.shape[1], stride)]
        x = convolved(torch.stack(rows, 1), of("shortcut"))
    return x + branch
