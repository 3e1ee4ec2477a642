"""Many small dense networks of one shape as one: their weights are stacked and multiplied together.

A slot's numbers never depend, to the bit, on how many other slots there are or where it sits (one CPU thread).
Three things make that so: at least two slots (one takes another matrix kernel); every width padded with
zeros to WIDTH, so that each slot begins on a cache line and no vector loop ends in a scalar tail, which rounds
differently; and one batch size for all slots. The padding stays zero: its gradient is.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from earmark.nouns import Kind

WIDTH = 32


class Layer(NamedTuple):
    """Views into the flat parameters of a stack, or into their gradients."""

    weight: Float[Tensor, "slots inputs outputs"]
    bias: Float[Tensor, "slots 1 outputs"]


def padded(width: int) -> int:
    """Return the width with its padding: the next multiple of WIDTH."""
    return -(-width // WIDTH) * WIDTH


def n_parameters(sizes: Sequence[int]) -> int:
    """Return the length of one slot's flat parameters, padding included; `sizes` runs from inputs to outputs."""
    return sum((padded(fan_in) + 1) * padded(fan_out) for fan_in, fan_out in pairwise(sizes))


def layers(flat: Float[Tensor, "slots parameters"], sizes: Sequence[int]) -> list[Layer]:
    """Return the dense layers of a stack as views into its flat parameters (weight, then bias, layer by layer)."""
    found, start = [], 0
    for fan_in, fan_out in pairwise(map(padded, sizes)):
        middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        weight = flat[:, start:middle].view(-1, fan_in, fan_out)
        found.append(Layer(weight, flat[:, middle:end].unsqueeze(1)))
        start = end
    return found


def glorot(sizes: Sequence[int], rng: np.random.Generator) -> Float[Tensor, " parameters"]:
    """Return one slot's first parameters: weights uniform in ±√(6 / (inputs + outputs)), biases 0.

    Source: Glorot & Bengio 2010; the default of Keras' Dense. Drawn as float32, layer by layer, (inputs, outputs).
    """
    flat = torch.zeros(1, n_parameters(sizes))
    for layer, (fan_in, fan_out) in zip(layers(flat, sizes), pairwise(sizes), strict=True):
        limit = np.float32(np.sqrt(6 / (fan_in + fan_out)))
        drawn = (2 * rng.random((fan_in, fan_out), dtype=np.float32) - 1) * limit
        layer.weight[0, :fan_in, :fan_out] = torch.from_numpy(drawn)
    return flat[0]


def forward(
    stack: Sequence[Layer],
    inputs: Float[Tensor, "slots batch inputs"],
    dropout: Sequence[Float[Tensor, "slots batch units"]] = (),
) -> list[Tensor]:
    """Return the input of every layer, then the output of the last (no activation).

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

    By hand, because there is nothing to it and autograd's bookkeeping would cost more than the arithmetic.
    """
    for depth in reversed(range(len(stack))):
        torch.bmm(activations[depth].mT, error, out=gradients[depth].weight)
        torch.sum(error, dim=1, keepdim=True, out=gradients[depth].bias)
        if depth:
            error = torch.bmm(error, stack[depth].weight.mT).mul_(activations[depth] > 0)
            if dropout:
                error.mul_(dropout[depth - 1])


def activate(kind: Kind, outputs: Float[Tensor, "*batch outputs"]) -> Float[Tensor, "*batch outputs"]:
    """Return what a kind of task predicts: probabilities of classes, of each label, or the values themselves."""
    if kind == "regression":
        return outputs
    return torch.sigmoid(outputs) if kind == "multilabel" else torch.softmax(outputs, dim=-1)
