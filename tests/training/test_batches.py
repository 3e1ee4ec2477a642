"""Batches of several tensors: stacked, split into portions and moved leaf by leaf, through the whole trainer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import identity
from earmark.representations.checkpoint import Contents
from earmark.representations.objective import Measured, Objective, Step
from earmark.training.batch import Batch
from earmark.training.job import Hardware, Training, Validation
from earmark.training.recipe import Recipe
from earmark.training.schedules import Schedule
from earmark.training.stream import Stream, stacked
from earmark.training.trainer import fit

N_FRAMES, DIM, N_CODES = 5, 3, 4


class Named(NamedTuple):
    """Frames, and a number for each."""

    frames: Any
    codes: Any


@dataclass(frozen=True)
class NamedSegments:
    segment_s: float = 0.25

    def __len__(self) -> int:
        return 31

    def at(self, epoch: int, index: int) -> Named:
        rng = identity.generator("named", epoch, index)
        frames: NDArray[np.float16] = rng.standard_normal((N_FRAMES, DIM)).astype(np.float16)
        return Named(frames, rng.integers(0, N_CODES, N_FRAMES).astype(np.int16))


class Classifier(Objective):
    """Softmax regression of each frame's number; counts differ from segment to segment."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(DIM, N_CODES, generator=generator))

    def forward(self, segments: Named, generator: torch.Generator, whole: Measured | None = None) -> Step:
        assert isinstance(segments, Named)
        assert segments.frames.dtype == self.weight.dtype
        assert segments.codes.dtype == torch.int16
        counted = segments.codes > 0
        nats = nn.functional.cross_entropy(
            (segments.frames @ self.weight).transpose(1, 2), segments.codes.long(), reduction="none"
        )
        count = counted.sum().to(nats.dtype)
        return Step(
            Measured((nats * counted).sum(), count), {"counted": Measured(count, count.new_tensor(counted.numel()))}
        )


@dataclass(frozen=True)
class ClassifierSystem:
    name: str = "classifier"
    sample_rate: int = 8

    def build(self, seed: int) -> Objective:
        return Classifier(seed)

    def contents(self, objective: Objective) -> Contents:
        return Contents(objective.state_dict(), {"model_type": "classifier"}, {"sampling_rate": self.sample_rate})


def training(folder: Path, **numbers: object) -> Training:
    given: dict[str, Any] = {"n_steps": 5, "segments_per_step": 6, "segments_at_once": 6, "precision": "float64"}
    recipe = Recipe(schedule=Schedule(0.1, 1), **(given | numbers))
    about = {"trained_on": "noise", "objective": "to name", "licence": "CC0-1.0"}
    made = Training("named", ClassifierSystem(), recipe, NamedSegments, folder, about)
    return replace(made, validation=Validation(NamedSegments, 7))


def curve(folder: Path) -> list[Mapping[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def weight(folder: Path) -> Tensor:
    state: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    found: Tensor = state["objective"]["weight"]
    return found


def test_stacking_keeps_names_and_types() -> None:
    made = stacked([NamedSegments().at(0, index) for index in range(3)])

    assert isinstance(made, Named)
    assert (made.frames.shape, made.frames.dtype) == ((3, N_FRAMES, DIM), torch.float16)
    assert (made.codes.shape, made.codes.dtype) == ((3, N_FRAMES), torch.int16)
    assert np.array_equal(made.codes[2], NamedSegments().at(0, 2).codes)


def test_arrays_that_are_not_named_are_stacked_as_one() -> None:
    found = stacked([np.full(2, number, np.float32) for number in range(3)])

    assert isinstance(found, Tensor)
    assert torch.equal(found, torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))


def test_a_portion_has_its_segments_of_each_tensor() -> None:
    whole = Stream(NamedSegments(), 3).between(10, 17)
    batch = Batch(whole, (range(4, 7), range(7, 11)), True, 0)
    parts = [part for part, _ in batch.parts(torch.zeros(1, dtype=torch.float64))]

    assert isinstance(whole, Named)
    assert all(isinstance(part, Named) for part in parts)
    for place in (0, 1):
        assert torch.equal(torch.cat([part[place] for part in parts]), whole[place].to(parts[0][place].dtype))
    assert (parts[0][0].dtype, parts[0][1].dtype, len(parts[0][0])) == (torch.float64, torch.int16, 3)


def test_a_step_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    fit(training(tmp_path, n_steps=1, save_every_steps=1), Hardware())
    own = Classifier(0).double()
    batch = Stream(NamedSegments(), 0).between(0, 6)
    with torch.no_grad():
        loss = own(Named(batch[0].double(), batch[1]), torch.Generator()).loss

    assert curve(tmp_path)[0]["loss"] == pytest.approx(float(loss.total / loss.count), rel=1e-12)


@pytest.mark.parametrize("hardware", [Hardware(), Hardware(readers=1), Hardware(n_devices=2)])
def test_portions_readers_and_devices_change_no_gradient(hardware: Hardware, tmp_path: Path) -> None:
    fit(training(tmp_path / "whole"), Hardware())
    fit(training(tmp_path / "split", segments_at_once=2), hardware)

    assert float((weight(tmp_path / "whole") - weight(tmp_path / "split")).abs().max()) < 1e-10
    for one, other in zip(curve(tmp_path / "whole"), curve(tmp_path / "split"), strict=True):
        assert one == pytest.approx(other, rel=1e-10)


def test_audio_is_counted_in_seconds_of_segments(tmp_path: Path) -> None:
    last = fit(training(tmp_path), Hardware())

    assert json.loads((last / "card.json").read_text())["audio_s"] == 5 * 6 * 0.25
