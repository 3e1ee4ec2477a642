"""What layers keep of something: each layer of representations against a layer, the convolutions, or another one.

With `against="convolutions"`, PWCCA, and half of MusicNet this is Figure 3 of Ragano et al. 2023. Every number comes
with what chance gives: see `analysis.cca`.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from earmark.analysis import cca, stats
from earmark.analysis.cca import Measure, Moments, Weighting
from earmark.catalogue.recordings import MIDDLE_S, Recordings, frames, heard_s, middle, nearest, parts
from earmark.errors import UserError
from earmark.experiment import devices, one_pass
from earmark.experiment.progress import bar
from earmark.identity import generator
from earmark.nouns import Card, Clip, Failure
from earmark.representations.base import Representation

Array = np.ndarray
CONVOLUTIONS = "convolutions"
MUCH_BY_CHANCE = 0.5
REFERENCE, FIRST_LAYER = 0, 1
"""Places among the views of a recording: what layers are held against, then layers."""


@dataclass(frozen=True)
class LayerRow:
    """How similar a layer is to what it is held against, over `n_frames` frames of `n_recordings`.

    `value` None: undefined, for one of the two never changes. `low` and `high`: its 95 % interval by leaving out one of
    `n_parts` parts of the recordings at a time (see `stats.jackknife`), None where it was not asked for or there is a
    single part. `by_gaussians`: the same measure of as many frames of
    independent Gaussians that have the covariances of the two. `by_others`: of the layer against the frames of other
    recordings, None with a single one. Neighbouring frames are alike, so there are fewer independent ones than frames:
    `by_others` knows that, and is the higher.
    """

    representation: str
    layer: int
    against: str
    measure: str
    weighting: str | None
    value: float | None
    low: float | None
    high: float | None
    by_gaussians: float | None
    by_others: float | None
    n_frames: int
    n_recordings: int
    n_parts: int
    dim: int
    dim_against: int


@dataclass(frozen=True)
class Layers:
    """Rows by representation and layer, the recordings that could not be used, and what to say of the numbers."""

    recordings: str
    middle_s: float | None
    rows: tuple[LayerRow, ...]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


class _Convolutions(NamedTuple):
    """The convolutions of a network as a representation of one layer."""

    network: Callable[[torch.Tensor], torch.Tensor]
    card: Card

    def __call__(
        self, audio: Float[torch.Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[torch.Tensor, "batch layers frames dim"]:
        return self.network(audio)[:, None]


class _Against(NamedTuple):
    """What layers are held against: a layer of a representation, or of the same one (`network` None)."""

    said: str
    network: Representation | None
    layer: int


def layers(
    recordings: Recordings,
    representations: Sequence[str],
    *,
    against: str = "0",
    against_layer: int = 0,
    measure: Measure = "pwcca",
    weighting: Weighting = "smaller",
    middle_s: float | None = MIDDLE_S,
    intervals: bool = True,
    device: str = devices.CPU,
    quiet: bool = True,
) -> Layers:
    """Return how similar each layer of each representation is to what it is held against, frame by frame.

    `against`: a layer of the same representation by its number; "convolutions", of a network of the wav2vec 2.0 family;
    or another representation, of which `against_layer` counts, and of which the frame nearest in time is taken.
    `weighting` (of PWCCA): x is what layers are held against, y the layer. `middle_s` None: all of each recording.
    `intervals` False saves most of the memory, and half of the time. Raises UserError where nothing is left to compare.
    """
    rows: list[LayerRow] = []
    failures: dict[tuple[str, str], Failure] = {}
    for name in dict.fromkeys(representations):
        network = one_pass.representation(name, device)
        held = _against(name, network, against, against_layer, device)
        numbers = [layer for layer in range(network.card.layers) if held.network is not None or layer != held.layer]
        if not numbers:
            raise UserError(f"'{name}' has layer {held.layer} alone: hold it against another one, such as logmel.")
        part_of = np.zeros(len(recordings.clips), int)
        if intervals:
            part_of = parts(recordings.clips, [heard_s(clip, middle_s) for clip in recordings.clips])
        gathered = _gathered(recordings, network, held, numbers, middle_s, part_of, quiet)
        failed = gathered.failures
        failures |= {(one.clip, one.reason): one for one in failed}
        if not gathered.n_used:
            raise UserError(f"No recording could be used by '{name}'. The first: {failed[0].path}: {failed[0].reason}")
        with bar(f"{name}, layers", len(numbers), quiet) as progress:
            for row in _rows(name, numbers, held, gathered, measure, weighting):
                rows.append(row)
                progress.advance(1)
    return Layers(recordings.name, middle_s, tuple(rows), tuple(failures.values()), tuple(_notes(rows)))


def _against(name: str, network: Representation, against: str, layer: int, device: str) -> _Against:
    card = network.card
    if against.isdecimal():
        if int(against) >= card.layers:
            raise UserError(f"'{name}' has layers 0 to {card.layers - 1}; got {against} to hold them against.")
        return _Against(f"layer {against}", None, int(against))
    if against == CONVOLUTIONS:
        heard = getattr(network, CONVOLUTIONS, None)
        if heard is None:
            raise UserError(f"'{name}' shows no convolutions of its own. Hold its layers against 0, or against logmel.")
        return _Against(CONVOLUTIONS, cast(Representation, _Convolutions(heard, replace(card, layers=1))), 0)
    other = one_pass.representation(against, device)
    if not 0 <= layer < other.card.layers:
        raise UserError(f"'{against}' has layers 0 to {other.card.layers - 1}; got {layer} to hold others against.")
    return _Against(f"{against}, layer {layer}" if other.card.layers > 1 else against, other, layer)


class _Gathered(NamedTuple):
    """Moments of the views of each part of the recordings that has any, and of all with the reference of others."""

    parts: list[Moments]
    others: Moments
    n_used: int
    failures: tuple[Failure, ...]


def _gathered(
    recordings: Recordings,
    network: Representation,
    held: _Against,
    numbers: Sequence[int],
    middle_s: float | None,
    part_of: Int[Array, " recordings"],
    quiet: bool,
) -> _Gathered:
    """Hear every recording once; the first waits for the last, whose reference it is held against as another's."""
    pairs = [(REFERENCE, FIRST_LAYER + place) for place in range(len(numbers))]
    found, others = defaultdict[int, Moments](lambda: Moments(pairs)), Moments(pairs)
    failures, n_used = list[Failure](), 0
    first: _Views | None = None
    before: _Views | None = None
    with bar(network.card.name, len(recordings.clips), quiet) as progress:
        for clip, part in zip(recordings.clips, part_of.tolist(), strict=True):
            progress.advance(1)
            try:
                now = _views(clip, network, held, numbers, middle_s)
            except UserError as error:
                failures.append(recordings.failure(clip, error))
                continue
            n_used += 1
            found[part].add([now.reference, *now.layers])
            if before is None:
                first = now
            else:
                others.add(now.beside(before.reference))
            before = now
    if first is not None and before is not None:
        others.add(first.beside(before.reference))
    return _Gathered(list(found.values()), others, n_used, tuple(failures))


class _Views(NamedTuple):
    """What a recording's frames are in the reference and in each layer, the same frames in all."""

    reference: Float32[Array, "frames dim"]
    layers: Float32[Array, "layers frames dim"]

    def beside(self, other: Float32[Array, "other_frames dim"]) -> list[Float32[Array, "frames _"]]:
        """Return the layers beside the reference of another recording, stretched to as many frames."""
        return [_stretched(other, len(self.reference)), *self.layers]


def _views(
    clip: Clip, network: Representation, held: _Against, numbers: Sequence[int], middle_s: float | None
) -> _Views:
    samples = middle(clip, network.card.sample_rate, middle_s)
    if held.network is None:
        found = frames(network, samples, [held.layer, *numbers])
        return _Views(found[0], found[1:])
    found = frames(network, samples, numbers)
    if held.network.card.sample_rate != network.card.sample_rate:
        samples = middle(clip, held.network.card.sample_rate, middle_s)
    (reference,) = frames(held.network, samples, [held.layer])
    return _Views(_stretched(reference, found.shape[1]), found)


def _stretched(view: Float32[Array, "frames dim"], n: int) -> Float32[Array, "n dim"]:
    return view if len(view) == n else view[list(nearest(n, len(view)))]


def _rows(
    name: str,
    numbers: Sequence[int],
    held: _Against,
    gathered: _Gathered,
    measure: Measure,
    weighting: Weighting,
) -> Iterable[LayerRow]:
    every, noise = gathered.parts, None
    for place, layer in enumerate(numbers, start=FIRST_LAYER):
        both = cca.together(every, REFERENCE, place)
        dim_against, dim = both.xy.shape
        if noise is None:
            noise = cca.independent(both.n, dim_against, dim, generator("analyse", "null", both.n, dim_against, dim))
        others = gathered.others.covariances(REFERENCE, place) if gathered.n_used > 1 else None
        value = cca.measured(both, measure, weighting)
        left = [every[:part] + every[part + 1 :] for part in range(len(every))] if len(every) > 1 else []
        without = [cca.measured(cca.together(some, REFERENCE, place), measure, weighting) for some in left]
        interval = stats.jackknife(value, without, bounds=(0.0, 1.0))
        yield LayerRow(
            representation=name,
            layer=layer,
            against=held.said,
            measure=measure,
            weighting=weighting if measure == "pwcca" else None,
            value=_known(value),
            low=_known(interval.low),
            high=_known(interval.high),
            by_gaussians=_known(cca.measured(cca.coloured(noise, both), measure, weighting)),
            by_others=None if others is None else _known(cca.measured(others, measure, weighting)),
            n_frames=both.n,
            n_recordings=gathered.n_used,
            n_parts=len(every),
            dim=dim,
            dim_against=dim_against,
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _notes(rows: Sequence[LayerRow]) -> Iterable[str]:
    """Yield what makes the numbers hard to read."""
    for name in dict.fromkeys(row.representation for row in rows):
        of_it = [row for row in rows if row.representation == name]
        most = max((row.by_others or row.by_gaussians or 0.0) for row in of_it)
        if most > MUCH_BY_CHANCE:
            one = of_it[0]
            yield (
                f"Chance alone gives '{name}' up to {most:.2f}: {one.n_frames:,} frames of {one.n_recordings} "
                f"recordings are few for {one.dim_against} and {one.dim} dimensions. Give more recordings."
            )
