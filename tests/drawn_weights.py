"""Weights that anybody can draw again, for networks too large to keep: the same in earmark's tests and in a golden's
own environment, which has numpy and not earmark.
"""

import math
import zlib
from collections.abc import Sequence

import numpy as np


def drawn(name: str, shape: Sequence[int]) -> np.ndarray:
    """Return float32 numbers of a parameter, that its name and shape alone decide.

    Of two axes and more: uniform, with the variance that keeps a signal's through a ReLU (2 / fan in); of one axis,
    and of none: 0.5 to 1.5 where the name ends with "weight", "var" or "gamma", else -0.1 to 0.1.
    """
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"{name} {tuple(shape)}".encode())))
    uniform = rng.random(tuple(shape), dtype=np.float32)
    if len(shape) > 1:
        reach = math.sqrt(6.0 / math.prod(shape[1:]))
        return ((2.0 * uniform - 1.0) * np.float32(reach)).astype(np.float32)
    if name.endswith(("weight", "var", "gamma")):
        return (uniform + np.float32(0.5)).astype(np.float32)
    return ((2.0 * uniform - 1.0) * np.float32(0.1)).astype(np.float32)


def sound(seed: int, n_samples: int) -> np.ndarray:
    """Return noise that swells from silence, with a click in its middle: float32 within -1 and 1."""
    uniform = np.random.Generator(np.random.PCG64(seed)).random(n_samples)
    swelling = (2.0 * uniform - 1.0) * np.linspace(0.0, 0.5, n_samples)
    swelling[n_samples // 2] = 1.0
    return swelling.astype(np.float32)
