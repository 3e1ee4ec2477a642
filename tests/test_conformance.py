"""Every plug-in keeps the laws, and a plug-in that breaks one is told which."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from earmark import conformance, deformations, lookup
from earmark.datasets.base import Dataset
from earmark.deformations import Chain
from earmark.errors import MissingPart, UserError
from earmark.nouns import Clip, Split
from earmark.representations import base
from earmark.representations.base import check_call
from earmark.representations.logmel import CARD

SEEDS = {"openl3": "@1"}  # of its four channels those of seed 0 hear little but what depends on the file's rate


def of_every_file() -> Iterator[str]:
    """Yield, of each file with cards, what needs no weights: random ones of its tiny variants, or what has none.

    Not what a network answers (a pitch): with random weights it answers the same to any sound.
    """
    for name in lookup.names("representations"):
        module = lookup.find("representations", name).module
        tiny = [
            variant for variant in module.CARDS if "tiny" in variant.split("-") and "pitch" not in variant.split("-")
        ]
        yield from (f"random:{name}-{variant}{SEEDS.get(name, '')}" for variant in tiny)
        if not tiny and module.CARDS:
            yield f"{name}-{next(iter(module.CARDS))}".removesuffix("-")


@pytest.mark.parametrize("name", tuple(of_every_file()))
def test_every_representation_keeps_every_law(name: str) -> None:
    try:
        representation = base.load(name)
    except MissingPart as missing:
        pytest.skip(str(missing))
    assert conformance.broken_by_representation(representation) == ()


@pytest.mark.parametrize("chain", deformations.PRESETS.values(), ids=lambda chain: chain.name)
def test_every_chain_keeps_every_law(chain: Chain) -> None:
    assert conformance.broken_by_chain(chain) == ()


class Toy:
    """A representation that keeps the laws: one number a frame of 512 samples; its children break one each."""

    card = dataclasses.replace(CARD, name="toy", dim=1, min_samples=512, frame_rate_hz=CARD.sample_rate / 512)

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        check_call(audio, layers, self.card)
        return self.frames(audio)[:, None]

    def frames(self, audio: Tensor) -> Tensor:
        return audio.unfold(1, 512, 512).mean(-1, keepdim=True)


class MindsItsMates(Toy):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) - audio.mean()


class FailsOnSilence(Toy):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) / audio.abs().amax(1)[:, None, None]


class WritesOnItsInput(Toy):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio.mul_(0.5))


class IsRandom(Toy):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) + torch.rand(1)


class TakesAnything(Toy):
    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        return self.frames(audio.reshape(audio.shape[0], -1))[:, None]


class HasThreeAxes(Toy):
    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        return self.frames(audio)


@pytest.mark.parametrize(
    ("representation", "law"),
    [
        (MindsItsMates(), "batch mates change numbers"),
        (FailsOnSilence(), "silence gave numbers that are not finite"),
        (WritesOnItsInput(), "changed in place"),
        (IsRandom(), "twice gave different numbers"),
        (TakesAnything(), "stereo was not refused"),
        (TakesAnything(), "one sample too few ended in RuntimeError"),
        (HasThreeAxes(), "expected (3, 1, frames, 1)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_representation_that_breaks_a_law_is_told(representation: Toy, law: str) -> None:
    assert any(law in line for line in conformance.broken_by_representation(representation))


def test_a_representation_from_anywhere_is_found_by_its_path() -> None:
    found = base.load("tests.test_conformance:Toy")
    assert conformance.broken_by_representation(found) == ()
    assert len(base.code_sha256(found)) == 64, "its file is part of the key"
    assert base.code_sha256(base.load("logmel")) == ""


def test_what_is_no_representation_is_refused() -> None:
    with pytest.raises(UserError, match="a callable with a `card"):
        base.load("os.path:sep")


def dataset(tmp_path: Path, test: tuple[str, ...], groups: tuple[str, str] = ("one", "two")) -> Dataset:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"x")
    clips = tuple(
        Clip(name, tmp_path / f"{name}.wav", targets={"label": name}, group=group)
        for name, group in zip("ab", groups, strict=True)
    )
    return Dataset("toy", "1", tmp_path, clips, {"given": (Split(("a",), (), test),)})


def test_a_dataset_that_keeps_the_laws_is_told_nothing(tmp_path: Path) -> None:
    assert conformance.broken_by_dataset(dataset(tmp_path, ("b",))) == ()


def test_a_dataset_that_breaks_a_law_is_told(tmp_path: Path) -> None:
    assert "in train and in test" in conformance.broken_by_dataset(dataset(tmp_path, ("a",)))[0]
    assert "clips that do not exist" in conformance.broken_by_dataset(dataset(tmp_path, ("c",)))[0]
    assert "1 group is in train" in conformance.broken_by_dataset(dataset(tmp_path, ("b",), ("one", "one")))[0]
