"""EncodecMAE by the trainer: from cached codes, from audio, and the same either way."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from earmark import identity
from earmark.errors import UserError
from earmark.representations.checkpoint import Contents
from earmark.representations.encodecmae import front as fronts
from earmark.representations.encodecmae import inputs, targets
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.inputs import EncodecFrames, Mel128
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import TINY, Settings
from earmark.representations.encodecmae.targets import Coded
from earmark.representations.objective import Objective
from earmark.training import coded, coding, segments
from earmark.training.corpus import Corpus
from earmark.training.job import Hardware, Training
from earmark.training.recipe import Recipe
from earmark.training.schedules import Schedule
from earmark.training.stream import Segments, Stream
from earmark.training.trainer import fit
from tests.training.made_codes import noisy_corpus, small_front

SEGMENT_S = 0.8
SMALL = replace(TINY, dim=16, heads=2, head_dim=8, encoder_layers=2, ffn_dim=24, n_streams=2, n_codes=6, gamma=None)


@dataclass(frozen=True)
class SmallMAE:
    """A miniature of EncodecMAE; `front` names the folder of its inputs and targets, None: only codes are heard."""

    settings: Settings
    front: Path | None
    name: str = "small-mae"
    sample_rate: int = 16000

    def build(self, seed: int) -> Objective:
        if self.front is None:
            return EncodecMAE(self.settings, seed)
        found = fronts.load(self.front)
        return EncodecMAE(self.settings, seed, found.inputs, found.targets)

    def contents(self, objective: Objective) -> Contents:
        return Contents(objective.state_dict(), {"model_type": "small"}, {"sampling_rate": self.sample_rate})


@dataclass(frozen=True)
class Made:
    """The same segments twice: as audio, and coded alone."""

    corpus: Corpus
    codes: coded.Codes

    @property
    def audio(self) -> segments.Grid:
        return segments.grid(self.corpus, SEGMENT_S, SEGMENT_S)

    @property
    def cached(self) -> coded.CodedSegments:
        return coded.segments(self.audio, self.codes)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    corpus = noisy_corpus(tmp_path / "corpus")
    return Made(corpus, coding.code(corpus, small_front(), tmp_path / "codes", alone_s=SEGMENT_S))


def training(folder: Path, system: SmallMAE, heard: Segments, **numbers: Any) -> Training:
    given = {"n_steps": 4, "segments_per_step": 6, "segments_at_once": 6, "save_every_steps": 2, **numbers}
    about = {"trained_on": "noise", "objective": "that of EncodecMAE", "licence": "CC0-1.0"}
    return Training("small", system, Recipe(schedule=Schedule(1e-2, 1), **given), partial(_given, heard), folder, about)


def _given(heard: Segments) -> Segments:
    return heard


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "curve.jsonl").read_text().splitlines()]


def test_codes_from_the_cache_train_as_audio_does(made: Made, tmp_path: Path) -> None:
    """But for what float16 rounds off the frames."""
    by_audio = training(tmp_path / "audio", SmallMAE(SMALL, made.codes.front), made.audio)
    by_codes = training(tmp_path / "cached", SmallMAE(SMALL, None), made.cached)
    for one in (by_audio, by_codes):
        fit(one, Hardware())

    assert losses(tmp_path / "cached") == pytest.approx(losses(tmp_path / "audio"), rel=5e-3)
    assert losses(tmp_path / "cached")[0] == pytest.approx(losses(tmp_path / "audio")[0], abs=1e-4)
    assert losses(tmp_path / "cached")[3] < losses(tmp_path / "cached")[0]


def test_two_devices_change_no_gradient_of_cached_codes(made: Made, tmp_path: Path) -> None:
    """Counts of hidden and of visible frames are those of both."""
    exact: dict[str, Any] = {"precision": "float64", "n_steps": 1, "segments_per_step": 4, "segments_at_once": 2}
    state = []
    for name, hardware in (("one", Hardware()), ("two", Hardware(n_devices=2))):
        fit(training(tmp_path / name, SmallMAE(SMALL, None), made.cached, **exact), hardware)
        state.append(torch.load(tmp_path / name / "state.pt", weights_only=True)["objective"])

    assert max(float((state[0][name] - state[1][name]).abs().max()) for name in state[0]) < 1e-10


class Interrupted(Exception):
    """Stands for whatever ends a run."""


@dataclass
class Breaking:
    """Segments that can be asked for a number of times only."""

    heard: Segments
    left: int

    @property
    def segment_s(self) -> float:
        return self.heard.segment_s

    def __len__(self) -> int:
        return len(self.heard)

    def at(self, epoch: int, index: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Interrupted
        return self.heard.at(epoch, index)


def test_a_run_goes_on_with_the_statistics_and_codebooks_that_it_began_with(made: Made, tmp_path: Path) -> None:
    heard = made.audio
    whole = training(tmp_path / "whole", SmallMAE(SMALL, made.codes.front), heard)
    cut = training(tmp_path / "cut", SmallMAE(SMALL, made.codes.front), heard)
    fit(whole, Hardware())
    with pytest.raises(Interrupted):
        fit(replace(cut, segments=partial(_given, Breaking(heard, 4 * 6))), Hardware())
    assert cut.ledger.state().step == 2
    fit(cut, Hardware(), resume=True)
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True)["objective"] for name in ("whole", "cut")]

    assert torch.equal(states[0]["targets.codebooks"], fronts.load(made.codes.front).parts[0].codebooks)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def heard_of(stream: Stream, first: int) -> Tensor:
    found = stream.between(first, first + 6)
    assert isinstance(found, Tensor)
    return found


def test_what_is_not_fitted_is_fitted_before_the_first_step_and_stays(made: Made) -> None:
    heard = Mel128()
    objective = EncodecMAE(SMALL, 0, heard, targets.of_inputs(heard, 2, 6))
    stream = Stream(made.audio, 0)
    objective.prepare(heard_of(stream, 0))
    before = {name: one.clone() for name, one in objective.state_dict().items()}
    objective.prepare(heard_of(stream, 6))
    optimiser = torch.optim.AdamW([one for one in objective.parameters() if one.requires_grad], 0.1)
    objective.train()
    step = objective(heard_of(stream, 6), torch.Generator().manual_seed(0))
    step.loss.total.backward()
    optimiser.step()
    changed = {name for name, one in objective.state_dict().items() if not torch.equal(one, before[name])}

    assert {"inputs.mean", "inputs.spread", "targets.codebooks"} <= set(before) - changed
    assert any(name.startswith("network.") for name in changed)


def test_one_setting_changes_what_is_heard_and_nothing_else(tmp_path: Path) -> None:
    """The codec's miniature as inputs, or mel frames beside its codes: the network but for its first projection."""
    codec = inputs.load_codec("random:encodec-tiny")
    audio = 0.1 * torch.randn(2, 96000, generator=torch.Generator().manual_seed(0))
    shapes = []
    for heard in (EncodecFrames(codec), inputs.inputs("mel256")):
        made = Front(heard, targets.of_codec(codec, heard, 2))
        settings = replace(SMALL, targets="codec", n_codes=1024)
        objective = EncodecMAE(settings, 0, *made)
        loss = objective(audio, torch.Generator().manual_seed(identity.seed_for("test") % 2**63)).loss
        assert torch.isfinite(loss.total)
        shapes.append({name: one.shape for name, one in objective.network.named_parameters()})

    assert [name for name in shapes[0] if shapes[0][name] != shapes[1][name]] == ["encoder.project.weight"]


def test_codes_of_other_targets_are_an_error_when_they_are_heard(made: Made) -> None:
    objective = EncodecMAE(replace(SMALL, n_streams=3))
    batch = Stream(made.cached, 0).between(0, 2)
    assert isinstance(batch, Coded)
    with pytest.raises(UserError, match=r"Expected codes \(clips, 3 streams, 40 frames\), got \(2, 2, 40\)"):
        objective(Coded(batch.frames.float(), batch.codes), torch.Generator())
