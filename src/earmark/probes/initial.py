"""The weights that a network begins with."""

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
import torch

from earmark.probes.networks import Network, Weights, views, zeros
from earmark.probes.recipe import Initialisation

Draw = Callable[[np.random.Generator, int, int, int], np.ndarray]


def initial(network: Network, how: Initialisation, rng: np.random.Generator) -> Weights:
    """Return the first weights of one slot, drawn as float32, dense layer by dense layer: weight, then bias.

    glorot_uniform: weights uniform in ±√(6 / (inputs + outputs)), biases 0; the default of Keras' Dense. Source:
    Glorot & Bengio 2010. hear_uniform, hear_normal: the same spread, uniform or normal, times √2 from the second
    layer on; biases uniform in ±√(1 / inputs). Source: HEAR's evaluation kit, which leaves biases to torch's Linear.
    torch: weights and biases uniform in ±√(1 / inputs), as torch's Linear. Scales of batch norms are 1; the weights
    of layers and the direction of frames 0, which is the plain mean.
    """
    weights = zeros(network, 1)
    named = {
        name: view
        for flat, parts in zip(weights, network.parts, strict=True)
        for name, view in views(flat, parts).items()
    }
    for depth, kernel in enumerate(network.kernels):
        fan_in, fan_out = kernel.shape
        drawn = KERNELS[how](rng, depth, fan_in, fan_out)
        named[kernel.name][0, :fan_in, :fan_out] = torch.from_numpy(drawn)
        if how != "glorot_uniform":
            bias = _uniform(rng, (fan_out,), sqrt(1 / fan_in))
            named[f"dense.{depth}.bias"][0, 0, :fan_out] = torch.from_numpy(bias)
    for name, view in named.items():
        if name.endswith((".scale", ".variance")):
            view[0, 0, : network.sizes[int(name.split(".")[1]) + 1]] = 1
    return weights


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], limit: float) -> np.ndarray:
    drawn: np.ndarray = (2 * rng.random(shape, dtype=np.float32) - 1) * np.float32(limit)
    return drawn


def _glorot_uniform(rng: np.random.Generator, _depth: int, fan_in: int, fan_out: int) -> np.ndarray:
    return _uniform(rng, (fan_in, fan_out), np.sqrt(6 / (fan_in + fan_out)))


def _hear_uniform(rng: np.random.Generator, depth: int, fan_in: int, fan_out: int) -> np.ndarray:
    return _uniform(rng, (fan_in, fan_out), _gain(depth) * sqrt(6 / (fan_in + fan_out)))


def _hear_normal(rng: np.random.Generator, depth: int, fan_in: int, fan_out: int) -> np.ndarray:
    drawn: np.ndarray = rng.standard_normal((fan_in, fan_out), dtype=np.float32)
    return drawn * np.float32(_gain(depth) * sqrt(2 / (fan_in + fan_out)))


def _torch(rng: np.random.Generator, _depth: int, fan_in: int, fan_out: int) -> np.ndarray:
    return _uniform(rng, (fan_in, fan_out), sqrt(1 / fan_in))


def _gain(depth: int) -> float:
    return sqrt(2) if depth else 1.0


KERNELS: Mapping[Initialisation, Draw] = {
    "glorot_uniform": _glorot_uniform,
    "hear_uniform": _hear_uniform,
    "hear_normal": _hear_normal,
    "torch": _torch,
}
