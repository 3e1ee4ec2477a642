"""From stored embeddings to what a probe sees: pooled, layers reduced, the parts of a joined name side by side."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from earmark.experiment.spec import RepresentationChoice
from earmark.representations.embed import STATISTICS, Grain

Array = np.ndarray


def side_by_side(
    stored: Sequence[Float32[Array, "rows layers ..."]], grain: Grain, choice: RepresentationChoice
) -> Float32[Array, "rows layers dim"]:
    """Return the rows of a probe; `stored` has an array a part: (rows, layers, 2, dim), of frames without the 2.

    One layer when they are averaged. Parts stand side by side, each reduced by itself; laid out layer by layer first
    where layers are not averaged.
    """
    pooled = stored if grain == "frames" else [_pooled(one, choice) for one in stored]
    found = [_reduced(one, choice) for one in pooled]
    if len(found) == 1:
        return found[0]
    return np.concatenate([one.reshape(len(one), 1, -1) for one in found], axis=2)


def _pooled(stored: Float32[Array, "rows layers 2 dim"], choice: RepresentationChoice) -> Array:
    return np.concatenate([stored[:, :, STATISTICS.index(name)] for name in choice.pool], axis=-1)


def _reduced(pooled: Float32[Array, "rows layers dim"], choice: RepresentationChoice) -> Array:
    if choice.reduce != "mean":
        return pooled
    mean: Array = pooled.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return mean
