"""The embeddings that a run's test clips had are found again in the store, as its probes saw them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import DataError
from earmark.experiment import study as studies
from earmark.experiment import work
from earmark.experiment.results import Run
from earmark.experiment.study import Study
from earmark.runs import embeddings, predictions
from earmark.runs.predictions import Predicted
from tests.reports import app_runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on tones, with probes that see clips, and one that sees frames."""
    folder = tmp_path_factory.mktemp("embedded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(folder / "home"))
        patch.setenv("EARMARK_RUNS", str(folder / "runs"))
        return app_runs.audible(folder, extra=["{kind: mlp, name: pooling, pool_frames: attention, epochs: 1}"])


@pytest.fixture(autouse=True)
def home(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home of the run."""
    monkeypatch.setenv("EARMARK_HOME", str(run.folder.parents[1] / "home"))


@pytest.fixture
def study(run: Run) -> Study:
    """The study of the run."""
    return embeddings.remade(run.folder)


def systems(run: Run) -> Sequence[Predicted]:
    return [one for one in predictions.index(run.folder) if one.probe != "constant"]


def test_every_system_has_the_vectors_that_its_probe_was_scored_on(run: Run, study: Study) -> None:
    plan = studies.study(run.folder / "experiment.yml", quiet=True).plan()
    seen = {
        (one.pairing.choice.name, one.pairing.pool_name, chain): work.examples(
            study.store, one.pairing.tests[chain], one.pairing
        )
        for one in plan.asked.answers
        if one.probe is not None
        for chain in one.conditions
    }
    for of in systems(run):
        found, expected = embeddings.test_embeddings(study, of), seen[of.representation, of.pool, of.deformation]
        rows = expected.embeddings.reshape(len(expected.embeddings), -1)
        if expected.clips is not None:
            rows = np.stack([rows[expected.clips == clip].mean(axis=0) for clip in range(len(found.clips))])
        assert found.vectors == pytest.approx(rows, rel=1e-5, abs=1e-5)
        assert found.clips == of.read().clips
        assert found.n_missing == 0
    assert {of.pool for of in systems(run)} == {"mean", "frames"}


def test_targets_are_those_of_the_predictions(run: Run, study: Study) -> None:
    of = systems(run)[0]
    answers = of.read()
    assert embeddings.test_embeddings(study, of).targets == tuple(of.classes[target] for target in answers.targets)


def test_a_deformation_moves_the_vectors_and_not_the_clips(run: Run, study: Study) -> None:
    clean, noisy = (
        embeddings.test_embeddings(study, next(of for of in systems(run) if of.deformation == name))
        for name in ("clean", "snr0 **b**")
    )
    assert clean.clips == noisy.clips
    assert not np.allclose(clean.vectors, noisy.vectors)


def test_another_store_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"holds no embedding of 'chroma' .* set EARMARK_HOME"):
        embeddings.test_embeddings(embeddings.remade(run.folder), systems(run)[0])


def test_a_system_that_the_experiment_has_not_is_said(run: Run, study: Study) -> None:
    with pytest.raises(DataError, match="is not in the run's experiment as it is read here"):
        embeddings.test_embeddings(study, replace(systems(run)[0], representation="logmel"))


def test_a_run_without_its_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected experiment\.yml"):
        embeddings.remade(tmp_path)
