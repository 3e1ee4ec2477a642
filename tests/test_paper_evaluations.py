"""The evaluations of three papers, as data: all their datasets and probes are named, and on miniatures they run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import earmark
from earmark.datasets import names
from earmark.experiment import estimate, presets, spec
from tests.miniatures import (
    all_music_moods,
    annotated_vocalset,
    emomusic,
    giantsteps_key,
    gtzan,
    hear_task,
    magnatagatune,
    msd,
    mtg_jamendo,
    mumu,
    nsynth,
)

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
MSD = ("msds", "msd50", "msd100", "msd500")
HEAR = (
    hear_task.multiclass("nsynth_pitch-v2.2.3-50h", hear_task.TVT),
    hear_task.multiclass("tfds_gtzan-1.0.0-full", hear_task.folds_of(10)),
    hear_task.multiclass("speech_commands-v0.0.2-full", hear_task.TVT),
    hear_task.multiclass("tfds_crema_d-1.0.0-full", hear_task.folds_of(5)),
    hear_task.multilabel("fsd50k-v1.0-full", hear_task.TVT),
    hear_task.multiclass("esc50-v2.0.0-full", hear_task.folds_of(5)),
)
SMALL = (
    "experiments.*.representations=[logmel]",
    "experiments.*.probes=[{preset: mir_ref-fixed, only: [M1], epochs: 2}]",
    "experiments.*.seeds=[0]",
    "resamples=20",
)
DATASETS = {
    "mule": {
        *("magnatagatune", "gtzan", "nsynth", "emomusic", "giantsteps-key", "mumu", "all-music-moods"),
        *("mtg-jamendo:top50", "mtg-jamendo:all", "mtg-jamendo:moodtheme", *(f"msd:{one}" for one in MSD)),
    },
    "hear_encodecmae": {
        *("hear-task:nsynth_pitch-50h", "hear-task:tfds_gtzan", "hear-task:speech_commands"),
        *("hear-task:tfds_crema_d", "hear-task:fsd50k", "hear-task:esc50"),
    },
    "wav2vec2_music": {"nsynth", "annotated-vocalset"},
}


def _msd(root: Path) -> None:
    msd.make(root)
    for variant in MSD[1:]:
        msd.LABELS[variant](root)


def _hear(root: Path) -> None:
    for one in HEAR:
        hear_task.write(root, one)


MAKE: Mapping[str, Callable[[Path], object]] = {
    "magnatagatune": magnatagatune.make,
    "gtzan": gtzan.make,
    "nsynth": nsynth.make,
    "emomusic": emomusic.make,
    "giantsteps_key": giantsteps_key.make,
    "mtg_jamendo": mtg_jamendo.make,
    "msd": _msd,
    "mumu": mumu.make,
    "all_music_moods": all_music_moods.make,
    "annotated_vocalset": annotated_vocalset.make,
    "hear_task": _hear,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, where the runs go too."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _make(name: str) -> None:
    """Write the miniatures of an experiment's datasets into the home."""
    for folder in dict.fromkeys(names.home(one) for one in DATASETS[name]):
        MAKE[folder.name](folder)


@pytest.mark.parametrize("name", DATASETS)
def test_with_nothing_here_it_plans_and_lists_what_is_missing(name: str, home: Path) -> None:
    found = estimate.plan(EXPERIMENTS / f"{name}.yml")
    assert {one.name for one in found.missing if one.noun == "dataset"} == DATASETS[name]
    assert found.jobs == 0
    assert {one.name for one in found.missing if one.noun == "representation"} == {
        "mule": {"mule", "mule-mono", "musicnn-msd"},
        "hear_encodecmae": {
            *("encodec-24khz", "wav2vec2-large"),
            *(f"encodecmae-{one}" for one in ("r", "small", "base", "base-st", "large", "large-st")),
        },
        "wav2vec2_music": {"wav2vec2-base", "crepe-full", "crepe-full-pitch-midi", "crepe-full-pitch-hz"},
    }[name]


def test_mule_asks_for_fifteen_evaluations_each_with_a_probe_of_its_own() -> None:
    blocks = spec.load(EXPERIMENTS / "mule.yml").blocks
    assert len(blocks) == 15
    asked = [probe.name for block in blocks for probe in block.probes]
    assert len(set(asked)) == 15
    published = {*presets.find("mule2022").probes}
    assert {*asked} - published == {"mumu"}
    assert published <= {*asked}


def test_each_network_is_cut_as_the_preset_has_it(home: Path) -> None:
    for name in DATASETS:
        assert [note for note in estimate.plan(EXPERIMENTS / f"{name}.yml").notes if "segment" in note] == []


def test_the_tasks_of_folds_are_scored_on_all_of_them() -> None:
    blocks = spec.load(EXPERIMENTS / "hear_encodecmae.yml").blocks
    folded = {block.task.task.name for block in blocks if block.datasets[0].split_type == "all"}
    assert folded == {"hear_gtzan", "hear_crema_d", "hear_esc50"}
    assert folded == {block.task.task.name for block in blocks if block.task.task.split == "folds"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_tasks"), [("mule", 15), ("hear_encodecmae", 6)])
def test_on_miniatures_it_runs_to_the_papers_table(name: str, n_tasks: int, home: Path) -> None:
    _make(name)
    planned = estimate.plan(EXPERIMENTS / f"{name}.yml", overrides=SMALL[:1])
    assert planned.missing == ()
    assert planned.jobs
    done = earmark.run(EXPERIMENTS / f"{name}.yml", overrides=SMALL, quiet=True)
    assert not done.failures
    probed = [row for row in done.rows if row.probe != "constant" and row.label is None]
    assert len({(row.task, row.dataset) for row in probed}) == n_tasks
    assert {row.unverified for row in probed} == {True}, "a miniature's numbers must not pass for the dataset's"
