"""Many small networks of one shape as one: their weights are stacked and multiplied together.

A slot's numbers never depend, to the bit, on how many other slots there are or where it sits (one CPU thread).
Three things make that so: at least two slots (one takes another matrix kernel); every width padded with zeros, to
LINE, so that each slot begins on a cache line, and to CURVE where an exponential is taken of it, so that no vector
loop of one ends in a scalar tail, which rounds differently; and one batch size for all slots. The padding stays zero:
its gradient is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from earmark.probes.recipe import Activation, Loss

LINE, CURVE = 16, 32
ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "sigmoid": torch.sigmoid,
}
Views = Mapping[str, Tensor]


class Part(NamedTuple):
    """A named array of a network, its shape, and the room that it takes with its padding."""

    name: str
    shape: tuple[int, ...]
    room: tuple[int, ...]


class Weights(NamedTuple):
    """What a stack has learned: three flat tensors (slots, numbers). Only `running` is not learned by gradients."""

    kernels: Tensor
    others: Tensor
    running: Tensor

    def of(self, places: Sequence[int]) -> "Weights":
        """Return a copy of some slots' weights."""
        return Weights(*(rows_at(flat, places) for flat in self))

    def at(self, place: int) -> "Weights":
        """Return one slot's weights, as views."""
        return Weights(*(flat[place : place + 1] for flat in self))

    def to(self, device: str) -> "Weights":
        """Return them on a device: themselves if they are there."""
        return Weights(*(flat.to(device) for flat in self))

    @property
    def are_finite(self) -> bool:
        """Whether there is no NaN and no infinity among them: both ends of a range show either."""
        ends = [end for flat in self if flat.numel() for end in (flat.amin(), flat.amax())]
        return bool(torch.isfinite(torch.stack(ends)).all())


@dataclass(frozen=True)
class Network:
    """The shape of a network: dense layers, and what may stand before them.

    `sizes` runs from inputs to outputs. `n_weighed`: so many layers of a representation are summed under the softmax
    of learned weights (0: none). `attends`: the frames of a clip are summed under the softmax over them of a·x, `a`
    learned. Both begin as the plain mean. Source: Peters et al. 2018, §3.2 (layers); Safari et al. 2020, §2
    (frames). Differs: Peters et al. also scale the sum, which the dense layer does as well.
    """

    sizes: tuple[int, ...]
    activation: Activation = "relu"
    batch_norm: bool = False
    n_weighed: int = 0
    attends: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is dense layers with ReLU and nothing else, so that `forward` and `backward` know it."""
        return self.activation == "relu" and not (self.batch_norm or self.n_weighed or self.attends)

    @property
    def rooms(self) -> tuple[int, ...]:
        """Its sizes with their padding."""
        hidden = LINE if self.activation in ("relu", "leaky_relu") else CURVE
        return (
            padded(self.sizes[0]),
            *(padded(units, hidden) for units in self.sizes[1:-1]),
            padded(self.sizes[-1], CURVE),
        )

    @property
    def kernels(self) -> list[Part]:
        """Its matrices (inputs, outputs)."""
        pairs = zip(pairwise(self.sizes), pairwise(self.rooms), strict=True)
        return [Part(f"dense.{depth}.weight", *pair) for depth, pair in enumerate(pairs)]

    @property
    def others(self) -> list[Part]:
        """Its vectors: biases, batch norms' scales and shifts, the weights of layers, the direction of frames."""
        found = [self._vector(f"dense.{depth}.bias", depth + 1) for depth in range(len(self.sizes) - 1)]
        for depth in range(len(self.sizes) - 2 if self.batch_norm else 0):
            found += [self._vector(f"norm.{depth}.{name}", depth + 1) for name in ("scale", "shift")]
        if self.n_weighed:
            found.append(Part("layers.weight", (self.n_weighed,), (1, padded(self.n_weighed))))
        return [*found, self._vector("frames.weight", 0)] if self.attends else found

    @property
    def running(self) -> list[Part]:
        """The running means and variances of its batch norms."""
        names = [(depth, name) for depth in range(len(self.sizes) - 2) for name in ("mean", "variance")]
        return [self._vector(f"norm.{depth}.{name}", depth + 1) for depth, name in names if self.batch_norm]

    @property
    def parts(self) -> tuple[list[Part], list[Part], list[Part]]:
        """What each of the flat tensors of `Weights` holds."""
        return self.kernels, self.others, self.running

    def _vector(self, name: str, place: int) -> Part:
        return Part(name, (self.sizes[place],), (1, self.rooms[place]))


class Layer(NamedTuple):
    """A dense layer of every slot, or its gradient."""

    weight: Float[Tensor, "slots inputs outputs"]
    bias: Float[Tensor, "slots 1 outputs"]


def padded(width: int, to: int = LINE) -> int:
    """Return the width with its padding: the next multiple of `to`."""
    return -(-width // to) * to


def zeros(network: Network, n_slots: int) -> Weights:
    """Return the flat tensors of a stack, all zero."""
    return Weights(*(torch.zeros(n_slots, sum(prod(one.room) for one in parts)) for parts in network.parts))


def rows_at(flat: Float[Tensor, "slots numbers"], places: Sequence[int]) -> Float[Tensor, "places numbers"]:
    """Return a copy of some rows, made without an index that would have to move to their device."""
    return torch.cat([flat[place : place + 1] for place in places])


def views(flat: Float[Tensor, "slots numbers"], parts: Sequence[Part]) -> dict[str, Tensor]:
    """Return the parts of a flat tensor by name, padded, as views: (slots, inputs, outputs) or (slots, 1, units)."""
    found, start = {}, 0
    for part in parts:
        end = start + prod(part.room)
        found[part.name] = flat[:, start:end].view(-1, *part.room)
        start = end
    return found


def unpadded(weights: Weights, network: Network) -> dict[str, Tensor]:
    """Return every part of the first slot by name, without padding, as views."""
    named = {}
    for flat, parts in zip(weights, network.parts, strict=True):
        for part, view in zip(parts, views(flat, parts).values(), strict=True):
            cut = view[0] if len(part.shape) > 1 else view[0, 0]
            for axis, length in enumerate(part.shape):
                cut = cut.narrow(axis, 0, length)
            named[part.name] = cut
    return named


def layers(named: Views) -> list[Layer]:
    """Return the dense layers among views."""
    n_layers = sum(name.endswith(".bias") for name in named)
    return [Layer(named[f"dense.{depth}.weight"], named[f"dense.{depth}.bias"]) for depth in range(n_layers)]


def forward(
    stack: Sequence[Layer],
    inputs: Float[Tensor, "slots batch inputs"],
    dropout: Sequence[Float[Tensor, "slots batch units"]] = (),
) -> list[Tensor]:
    """Return the input of every dense layer, then the output of the last, of a plain network.

    `dropout` holds, in training, a factor for each unit of each hidden layer: 0, or 1 / (1 − p).
    """
    activations = [inputs]
    for depth, layer in enumerate(stack, start=1):
        activations.append(torch.baddbmm(layer.bias, activations[-1], layer.weight))
        if depth < len(stack):
            activations[-1].relu_()
            if dropout:
                activations[-1].mul_(dropout[depth - 1])
    return activations


def backward(
    stack: Sequence[Layer],
    gradients: Sequence[Layer],
    activations: Sequence[Tensor],
    error: Float[Tensor, "slots batch outputs"],
    dropout: Sequence[Float[Tensor, "slots batch units"]] = (),
) -> None:
    """Write the gradient of the loss into `gradients`; `error` is its gradient by the outputs of `forward`.

    By hand, because there is nothing to it and autograd's bookkeeping would cost more than the arithmetic. The
    activations are used up.
    """
    for depth in reversed(range(len(stack))):
        torch.bmm(activations[depth].mT, error, out=gradients[depth].weight)
        torch.sum(error, dim=1, keepdim=True, out=gradients[depth].bias)
        if depth:
            # As numbers, in place: a mask of truth values would be turned into numbers first.
            error = torch.bmm(error, stack[depth].weight.mT).mul_(activations[depth].gt_(0))
            if dropout:
                error.mul_(dropout[depth - 1])


def outputs(
    network: Network,
    named: Views,
    inputs: Float[Tensor, "slots batch *frames_layers inputs"],
    present: Bool[Tensor, "slots batch frames"] | None = None,
    dropout: Sequence[Float[Tensor, "slots batch units"]] = (),
    is_training: bool = False,
) -> Float[Tensor, "slots batch outputs"]:
    """Return the outputs of any network, for autograd. In training the running numbers of batch norms move.

    `inputs`: a frame axis where the network attends, then a layer axis where it weighs layers. `present` says which
    frames there are; the rest fill up the shorter clips and count nothing.
    """
    values = inputs
    if network.n_weighed:
        shares = torch.softmax(named["layers.weight"][..., : network.n_weighed], dim=-1)
        values = (values * shares.view(len(shares), *[1] * (values.ndim - 3), -1, 1)).sum(dim=-2)
    if network.attends:
        values = _attended(values, named["frames.weight"], present)
    for depth, units in enumerate(network.sizes[1:], start=0):
        values = torch.baddbmm(named[f"dense.{depth}.bias"], values, named[f"dense.{depth}.weight"])
        if depth < len(network.sizes) - 2:
            if network.batch_norm:
                values = _normalised(values, named, depth, is_training)
            values = ACTIVATIONS[network.activation](values)
            if network.activation == "sigmoid":  # the only one that makes something of padding
                values = functional.pad(values[..., :units], (0, values.shape[-1] - units))
            values = values * dropout[depth] if dropout else values
    return values


def _attended(
    values: Float[Tensor, "slots batch frames inputs"],
    direction: Float[Tensor, "slots 1 inputs"],
    present: Bool[Tensor, "slots batch frames"] | None,
) -> Float[Tensor, "slots batch inputs"]:
    heard = torch.matmul(values, direction.unsqueeze(-1)).squeeze(-1)
    heard = heard if present is None else heard.masked_fill(~present, -torch.inf)
    return torch.matmul(torch.softmax(heard, dim=-1).unsqueeze(-2), values).squeeze(-2)


def _normalised(
    values: Float[Tensor, "slots batch units"], named: Views, depth: int, is_training: bool
) -> Float[Tensor, "slots batch units"]:
    """Return the values under torch's BatchNorm1d (momentum 0.1, ε 1e-5), each slot by itself."""
    names = ("mean", "variance", "scale", "shift")
    each = zip(values, *(named[f"norm.{depth}.{name}"][:, 0] for name in names), strict=True)
    normed = [functional.batch_norm(one, mean, var, scale, shift, is_training) for one, mean, var, scale, shift in each]
    return torch.stack(normed)


def activate(loss: Loss, answer: Float[Tensor, "*batch outputs"]) -> Float[Tensor, "*batch outputs"]:
    """Return what outputs say: probabilities of classes, of each output by itself, or values as they are."""
    if loss == "squared":
        return answer
    return torch.sigmoid(answer) if loss == "binary" else torch.softmax(answer, dim=-1)
