"""Which ways through representations serve what is wanted of a clip: one for all layers, so nothing is heard twice."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from earmark.experiment.keys import Want
from earmark.experiment.spec import Precision
from earmark.representations.embed import Grain


@dataclass(frozen=True)
class Pass:
    """One way through one representation; `layers` are those of every want that it serves (None: all)."""

    name: str
    segment_s: float | None
    segment_hop_s: float | None
    precision: Precision
    grain: Grain
    layers: tuple[int, ...] | None

    def of(self, want: Want, vectors: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """Return what one want asked for, of what all of them did (see `embed.Finished` for the axes)."""
        if want.choice.layers is None:
            return vectors
        axis = 0 if self.grain == "clip" else 1
        held = range(vectors.shape[axis]) if self.layers is None else self.layers
        return vectors.take([held.index(layer) for layer in want.choice.layers], axis)


def passes(wants: Iterable[Want]) -> dict[Pass, tuple[Want, ...]]:
    """Return the passes that serve the wants of one clip under one chain: one for all layers of a representation."""
    groups: dict[tuple[str, float | None, float | None, Precision, Grain], list[Want]] = {}
    for want in wants:
        choice = want.choice
        way = choice.name, choice.segment_s, choice.segment_hop_s, choice.precision, want.grain
        groups.setdefault(way, []).append(want)
    return {Pass(*way, _union(group)): tuple(group) for way, group in groups.items()}


def _union(wants: Iterable[Want]) -> tuple[int, ...] | None:
    """Return the layers that any of the wants asks for, from the first to the deepest; None: all of them."""
    asked: set[int] = set()
    for want in wants:
        if want.choice.layers is None:
            return None
        asked.update(want.choice.layers)
    return tuple(sorted(asked))
