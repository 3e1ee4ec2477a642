"""A representation of many layers that counts its calls, and shards of work for it."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from earmark.deformations import CLEAN, Chain
from earmark.experiment.jobs import ClipWork, Shard
from earmark.experiment.keys import Facts, Keys
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.subjects import Placed
from earmark.nouns import Clip
from earmark.representations import base
from earmark.representations.logmel import CARD
from earmark.store import Store

RATE, FRAME = 8000, 80
NAME = "tests.experiment.layered:Layered"
FOUR_SETS = ((6,), (4, 5, 6), (2,), (6, 0))


class Layered:
    """Eight layers of frames of 80 samples; the class writes down the layers of every call."""

    card = dataclasses.replace(
        CARD, name="layered", sample_rate=RATE, frame_rate_hz=RATE / FRAME, dim=FRAME, layers=8, min_samples=FRAME
    )
    calls: ClassVar[list[Sequence[int] | None]] = []

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        wanted = base.check_call(audio, layers, self.card)
        Layered.calls.append(layers)
        frames = audio.unfold(1, FRAME, FRAME)
        return torch.stack([torch.sin(frames * (1 + layer)) for layer in wanted], dim=1)


class Times(NamedTuple):
    """How often a function was called, by its last arguments."""

    calls: list[tuple[object, ...]]


def count(monkeypatch: pytest.MonkeyPatch, room: object, name: str) -> Times:
    """Count the calls of a function from here on, and let it do its work."""
    original: Callable[..., object] = getattr(room, name)
    times = Times([])

    def counted(*arguments: object) -> object:
        times.calls.append(arguments[1:])
        return original(*arguments)

    monkeypatch.setattr(room, name, counted)
    return times


def wav(path: Path, seconds: float = 1.0, rate: int = 22050) -> Path:
    rng = np.random.Generator(np.random.PCG64(len(path.name)))
    soundfile.write(path, 0.1 * rng.standard_normal(round(seconds * rate)), rate, subtype="PCM_16")
    return path


def shard(paths: Sequence[Path], choices: Sequence[RepresentationChoice], chains: Sequence[Chain] = (CLEAN,)) -> Shard:
    names = {choice.name for choice in choices}
    keys = Keys({name: Facts(base.load(name).card) for name in names}, lambda placed: placed.clip.id)
    works = []
    for path in paths:
        placed = Placed("here", Clip(path.name, path))
        wants = tuple(want for chain in chains for choice in choices for want in keys.wants(placed, chain, choice))
        works.append(ClipWork(placed, path.name, wants))
    return Shard("shard", tuple(works))


def choices(*layers: tuple[int, ...] | None, name: str = NAME) -> list[RepresentationChoice]:
    return [RepresentationChoice(name, one) for one in layers]


def stored(store: Store, made: Shard) -> list[np.ndarray]:
    """The rows of a shard in the order of its wants."""
    store.refresh()
    return [store.get([want.key])[0] for one in made.works for want in one.wants]
