"""Clips through everything that is wanted of them, nothing twice.

A clip is decoded once, deformed once a chain, resampled once a rate, and goes through a representation once for all
the layers that are wanted. A long clip that is heard clean is decoded again for each rate instead, in blocks, so
that no more of it lies in memory than the samples of one rate. A deformation needs all of its clip at once, and
while it works up to six times its samples: 1 GB for a quarter of an hour at 44.1 kHz.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float32

from earmark import audio, deformations
from earmark.deformations import Chain
from earmark.errors import AudioError, UserError
from earmark.experiment import devices
from earmark.experiment.costs import Cost, peak_bytes
from earmark.experiment.jobs import ClipWork
from earmark.experiment.keys import Want
from earmark.experiment.passes import Pass, passes
from earmark.nouns import Card, Clip
from earmark.representations import base, features
from earmark.representations.base import Representation
from earmark.representations.embed import BATCH_ON_GPU, Finished, Loop, device_of

Samples = Float32[np.ndarray, " samples"]
AtRate = Callable[[int], Samples]


class Answer(NamedTuple):
    """What came of some wants of a clip: the vectors of a pass, or the reason why there are none."""

    work: ClipWork
    wants: tuple[Want, ...]
    outcome: "Vectors | str"


class Vectors(NamedTuple):
    """A pass that went well: the card of what it went through, and the device it was computed on."""

    made_by: Pass
    vectors: Float32[np.ndarray, "..."]
    card: Card
    device: str


class _Tag(NamedTuple):
    work: ClipWork
    wants: tuple[Want, ...]


@cache
def representation(name: str, device: str) -> Representation:
    """Return a representation on a device; one that is no torch module stays where it is."""
    loaded = base.load(name)
    devices.prepare(device)
    return loaded.to(device) if isinstance(loaded, torch.nn.Module) else loaded


def batch_of(device: str, *, is_batchable: bool) -> int:
    """Return how many segments of one length go through together: many on a GPU, if that changes no number."""
    return BATCH_ON_GPU if device != devices.CPU and is_batchable else 1


@dataclass
class OnePass:
    """Everything wanted of the clips of a shard. `audio_s` counts each clip once a chain.

    `alone` names the representations that must not hear two clips at once.
    """

    device: str
    alone: frozenset[str] = frozenset()
    audio_s: float = 0.0
    _loops: dict[Pass, Loop[_Tag]] = field(default_factory=dict, init=False)
    _n_bytes: dict[Pass, int] = field(default_factory=dict, init=False)
    _owners: dict[str, features.OfClip] = field(default_factory=dict, init=False)

    def hear(self, work: ClipWork) -> Iterator[Answer]:
        """Yield what is known after this clip: on a GPU clips wait for others of their length."""
        owned = [
            want for want in work.wants if isinstance(representation(want.choice.name, self.device), features.OfClip)
        ]
        yield from (self._given(work, want) for want in owned)
        if owned:
            work = replace(work, wants=tuple(want for want in work.wants if want not in owned))
        if not work.wants:
            return
        try:
            sound = _open(work)
        except AudioError as error:
            yield Answer(work, work.wants, error.reason)
            return
        for chain in dict.fromkeys(want.chain for want in work.wants):
            wants = tuple(want for want in work.wants if want.chain == chain)
            try:
                at_rate = sound.under(chain, wants[0].seed)
            except UserError as error:
                yield Answer(work, wants, str(error))
                continue
            self.audio_s += sound.length_s
            yield from self._through(work, wants, at_rate)

    def _given(self, work: ClipWork, want: Want) -> Answer:
        """Return the clip's own embedding, which was computed elsewhere and of which no audio is asked."""
        name = want.choice.name
        if name not in self._owners:  # anew, for its files may have changed since this process began
            self._owners[name] = cast(features.OfClip, base.load(name))
        owner = self._owners[name]
        try:
            vectors = _own_vectors(owner, work.placed.clip, want)
        except UserError as error:
            return Answer(work, (want,), str(error))
        made_by = Pass(name, None, None, want.choice.precision, want.grain, None)
        return Answer(work, (want,), Vectors(made_by, vectors, owner.card, devices.CPU))

    def rest(self) -> Iterator[Answer]:
        """Yield what still waited."""
        for made_by, loop in self._loops.items():
            yield from self._answers(made_by, loop.rest())

    def _through(self, work: ClipWork, wants: Sequence[Want], at_rate: AtRate) -> Iterator[Answer]:
        """Take one chain of a clip through its passes, all of one rate before the next, so that each is made once."""
        served, wrong = self._passes(wants)
        yield from (Answer(work, (want,), reason) for want, reason in wrong.items())
        rates = {one: self._loop(one).representation.card.sample_rate for one in served}
        for rate in sorted(set(rates.values())):
            chosen = [one for one in served if rates[one] == rate]
            try:
                samples = at_rate(rate)
            except AudioError as error:
                yield Answer(work, tuple(want for one in chosen for want in served[one]), error.reason)
                continue
            for one in chosen:
                yield from self._answers(one, self._loop(one).add(_Tag(work, served[one]), samples))

    def _passes(self, wants: Iterable[Want]) -> tuple[dict[Pass, tuple[Want, ...]], dict[Want, str]]:
        """Return the passes that serve all wants, and the wants for layers that do not exist, with the reason."""
        right: list[Want] = []
        wrong: dict[Want, str] = {}
        for want in wants:
            choice, card = want.choice, representation(want.choice.name, self.device).card
            try:
                base.check_call(torch.zeros(1, card.min_samples), choice.layers, card)
            except UserError as error:
                wrong[want] = str(error)
            else:
                right.append(want)
        return passes(right), wrong

    def _loop(self, one: Pass) -> Loop[_Tag]:
        if one not in self._loops:
            network = representation(one.name, self.device)
            batch = batch_of(device_of(network).type, is_batchable=one.name not in self.alone)
            bf16 = one.precision == "bf16"
            self._loops[one] = Loop(network, one.layers, one.segment_s, one.segment_hop_s, batch, one.grain, bf16)
        return self._loops[one]

    def _answers(self, one: Pass, finished: Iterable[Finished[_Tag]]) -> Iterator[Answer]:
        for (work, wants), answer in finished:
            if isinstance(answer, UserError):
                yield Answer(work, wants, str(answer))
            else:
                yield from self._finite(one, work, wants, answer)

    def _finite(self, one: Pass, work: ClipWork, wants: tuple[Want, ...], vectors: np.ndarray) -> Iterator[Answer]:
        """Refuse the wants whose own layers hold a number that is not finite, and only those."""
        kept = tuple(want for want in wants if np.isfinite(one.of(want, vectors)).all())
        lost = tuple(want for want in wants if want not in kept)
        if kept:
            loop, n_bytes = self._loop(one), sum(one.of(want, vectors).nbytes for want in kept)
            self._n_bytes[one] = self._n_bytes.get(one, 0) + n_bytes
            yield Answer(work, kept, Vectors(one, vectors, loop.representation.card, loop.device.type))
        if lost:
            yield Answer(work, lost, f"'{one.name}' gave numbers that are not finite")

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What each pass has cost so far."""
        return tuple(self._cost(one, loop) for one, loop in self._loops.items() if loop.audio_s)

    def _cost(self, one: Pass, loop: Loop[_Tag]) -> Cost:
        card = loop.representation.card
        return Cost(
            representation=one.name,
            segment_s=one.segment_s,
            segment_hop_s=one.segment_hop_s,
            device=loop.device.type,
            audio_s=loop.audio_s,
            seconds=loop.seconds,
            peak_bytes=peak_bytes(),
            batch=loop.batch,
            n_parameters=card.n_parameters,
            dim=card.dim,
            layers=card.layers if one.layers is None else len(one.layers),
            n_bytes=self._n_bytes.get(one, 0),
        )


def _own_vectors(owner: features.OfClip, clip: Clip, want: Want) -> Float32[np.ndarray, "..."]:
    """Return what is wanted of a clip's own frames. Raises UserError for what cannot be had of them."""
    if want.chain.steps:
        raise UserError(f"'{owner.card.name}': features were computed of clean audio, not under '{want.chain.name}'")
    if want.choice.segment_s is not None:
        raise UserError(
            f"'{owner.card.name}': features were computed elsewhere and cannot be cut. Leave segment_s out."
        )
    base.check_call(torch.zeros(1, owner.card.min_samples), want.choice.layers, owner.card)
    own = owner.of_clip(clip.id)
    if want.grain == "frames":
        frames = own.swapaxes(0, 1)
        return frames if want.choice.layers is None else frames[:, list(want.choice.layers)]
    exact = own.astype(np.float64)
    vectors = np.stack([exact.mean(1), exact.std(1)], axis=1).astype(np.float32)
    if want.choice.layers is not None:
        vectors = vectors[list(want.choice.layers)]
    return vectors if want.grain == "clip" else vectors[None]


def _open(work: ClipWork) -> "_Whole | _Streamed":
    """Return a clip in the way that suits its length. Raises AudioError when it cannot be read."""
    clip = work.placed.clip
    if not any(want.chain.steps for want in work.wants):
        length_s = seconds_of(clip)
        if length_s > audio.STREAMED_ABOVE_S:
            return _Streamed(clip, length_s)
    return _Whole(audio.read(clip.path, None, clip.start_s, clip.end_s))


def seconds_of(clip: Clip) -> float:
    """Return the length of a clip, read from the head of its file. Raises AudioError when that cannot be."""
    end_s = audio.info(clip.path).duration_s if clip.end_s is None else clip.end_s
    return end_s - (clip.start_s or 0.0)


@dataclass(frozen=True)
class _Whole:
    """A clip whose samples lie in memory at their own rate."""

    sound: audio.Audio

    @property
    def length_s(self) -> float:
        return len(self.sound.samples) / self.sound.sample_rate

    def under(self, chain: Chain, seed: int | None) -> AtRate:
        """Return the samples under a chain, by rate. Raises a UserError when the chain cannot be applied."""
        samples, rate = self.sound
        if seed is not None:
            samples = deformations.apply(chain, samples, rate, seed)
        return lambda wanted: audio.resample(samples, rate, wanted)


@dataclass(frozen=True)
class _Streamed:
    """A long clip, heard clean, of which only the samples at one rate are ever held."""

    clip: Clip
    length_s: float

    def under(self, chain: Chain, seed: int | None) -> AtRate:
        clip = self.clip
        return lambda wanted: audio.read(clip.path, wanted, clip.start_s, clip.end_s).samples
