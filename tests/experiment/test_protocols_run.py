"""Every preset through a whole run, cut short: on each kind of task, on folds, and side by side as shipped."""

import json
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

import earmark
from earmark.experiment import spec
from earmark.experiment.presets import presets
from earmark.experiment.results import Run
from earmark.nouns import Kind
from earmark.probes.select import Selected
from tests.experiment.specimens import EXPERIMENTS
from tests.miniatures import beatport_key, magnatagatune, tinysol
from tests.test_run import make_tones

# The probe of those presets that have one for each dataset, by the kind of its dataset's task.
OF_KIND: dict[Kind, str] = {
    "multiclass": "gtzan",
    "multilabel": "mtt",
    "key": "giantsteps_key",
    "pitch": "nsynth_pitch",
    "regression": "emo",
}
MINIATURES: dict[str, tuple[Kind, ModuleType, str]] = {
    "tinysol_instrument": ("multiclass", tinysol, "tinysol"),
    "magnatagatune_top50": ("multilabel", magnatagatune, "magnatagatune"),
    "beatport_key": ("key", beatport_key, "beatport_key"),
    "tinysol_pitch": ("pitch", tinysol, "tinysol"),
    "audio_centroid": ("regression", tinysol, "tinysol"),
}
AVERAGED, APART = "{name: logmel, segment_s: 3, segment_hop_s: 2}", "{name: logmel, segment_s: 0.2}"
OF_NOTES = "{name: logmel, segment_s: 1, segment_hop_s: 1}"  # as mule2022 cuts those of NSynth


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    return tmp_path / "home"


@pytest.fixture
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(home))
    return home


def fitting(kind: Kind, aggregation: str) -> list[str]:
    """Every preset of an aggregation as a file has it, three steps long, with its probe for a kind of task."""
    written = []
    for name, one in presets().items():
        only = [probe for probe in one.names if probe == OF_KIND[kind]] if "emo" in one.names else [*one.names]
        only = [f"{name}~3"] if one.grid else only
        if only and one.defaults["aggregation"] == aggregation:
            small = "batch_size: 8, hidden_units: [16]" if one.grid else "batch_size: 8"  # so that no batch is empty
            written.append(f"{{preset: {name}~3, only: [{', '.join(only)}], {small}}}")
    return written


def experiment(folder: Path, task: str, kind: Kind, dataset: str) -> Path:
    """Write a file with a block for the presets that average embeddings, and one for those that average predictions."""
    blocks = [
        f"  - {{task: {{name: {task}, aggregation: {aggregation}}}, datasets: [{dataset}], "
        f"representations: [{heard}], probes: [{', '.join(probes)}]}}"
        for aggregation, heard in (("embedding_mean", OF_NOTES if kind == "pitch" else AVERAGED), ("prediction", APART))
        if (probes := fitting(kind, aggregation))
    ]
    file = folder / "protocols.yml"
    file.write_text("\n".join(["experiments:", *blocks, "resamples: 20", ""]))
    return file


def of_protocols(run: Run) -> pl.DataFrame:
    """The rows of a run's first metric and average, of everything that is no constant."""
    averages = run.frame.filter(pl.col("label").is_null(), pl.col("seed").is_null(), pl.col("probe") != "constant")
    first = averages.row(0, named=True)
    return averages.filter(pl.col("metric") == first["metric"], pl.col("average").eq_missing(first["average"]))


@pytest.mark.parametrize("task", MINIATURES)
def test_every_preset_that_goes_with_a_kind_of_task_runs_on_a_miniature_under_its_short_name(
    task: str, own_home: Path, tmp_path: Path
) -> None:
    kind, miniature, dataset = MINIATURES[task]
    miniature.make(own_home / "data" / dataset)
    run = earmark.run(experiment(tmp_path, task, kind, dataset), quiet=True)
    rows = of_protocols(run)
    asked = [choice for block in spec.load(run.folder / "experiment.yml").blocks for choice in block.probes]
    assert set(rows["preset"]) == {choice.preset for choice in asked}
    assert all(name.endswith("~3") for name in rows["preset"])
    assert all(name.startswith(preset) for preset, name in rows.select("preset", "probe").iter_rows())
    assert rows["value"].null_count() == 0
    assert not run.failures
    assert not [note for note in run.notes if "is published with" in note]
    for preset, pool in rows.select("preset", "pool").iter_rows():
        assert pool == ("segments, mean" if preset.startswith("marble") else "mean")


def test_every_preset_goes_with_some_kind_of_task() -> None:
    assert len(presets()) == 9
    assert len(fitting("multiclass", "embedding_mean") + fitting("multiclass", "prediction")) == len(presets())


def tones(folder: Path, preset: str, task: str = "") -> Path:
    """Write a file of one preset on the folds of a folder of tones."""
    make_tones(folder / "audio", each=6)
    file = folder / "tones.yml"
    data = f"datasets: [{{name: folder, dir: {folder / 'audio'}, split_type: kfold-3}}]"
    block = f"task: {{name: tone, label: label, kind: multiclass{task}}}, {data}, representations: [{APART}]"
    file.write_text(f"experiments: [{{{block}, probes: [{preset}]}}]\nresamples: 20\n")
    return file


def test_hear_chooses_among_its_eight_points_in_the_first_fold_and_uses_the_winner_in_the_others(
    own_home: Path, tmp_path: Path
) -> None:
    run = earmark.run(tones(tmp_path, "hear2021~3"), quiet=True)
    index = [json.loads(line) for line in (run.folder / "predictions" / "index.jsonl").read_text().splitlines()]
    fitted = {
        one["fold"]: earmark.load_probe(run.folder / "probes" / key)
        for one in index
        for key in one["probes"].values()
        if one["probe"] == "hear2021~3"
    }
    chosen = [fitted[fold] for fold in (0, 1, 2)]
    assert all(isinstance(one, Selected) for one in chosen)
    first, *others = (one for one in chosen if isinstance(one, Selected))
    assert [len(one.trials) for one in (first, *others)] == [8, 1, 1]
    assert {one.chosen for one in others} == {first.chosen}
    assert of_protocols(run).filter(pl.col("fold").is_null())["n"].to_list() == [18]


def test_marble_predicts_segments_and_every_clip_of_every_fold_is_scored_once(own_home: Path, tmp_path: Path) -> None:
    run = earmark.run(tones(tmp_path, "{preset: marble1~3, only: [gtzan]}", ", aggregation: prediction"), quiet=True)
    rows = of_protocols(run).filter(pl.col("fold").is_null()).select("pool", "probe", "preset", "n").rows()
    assert rows == [("segments, mean", "marble1~3/gtzan", "marble1~3", 18)]


def test_a_run_remarks_that_of_a_protocol_only_the_probes_are_followed(own_home: Path, tmp_path: Path) -> None:
    run = earmark.run(tones(tmp_path, "{preset: marble1~3, only: [gtzan]}"), quiet=True)
    (said,) = [note for note in run.notes if "marble1~3" in note]
    assert said == (
        "tone: marble1~3 is published with aggregation: prediction; here it is aggregation: embedding_mean. "
        "Only its probes are the protocol's."
    )


def test_a_probe_with_segments_of_its_own_is_remarked_on_by_these(own_home: Path, tmp_path: Path) -> None:
    both = "{preset: mule2022~3, only: [gtzan, nsynth_instrument]}"
    notes = earmark.run(tones(tmp_path, both), quiet=True).notes
    here = "here it is segment_s: 0.2, no segment_hop_s. Only its probes are the protocol's."
    assert [note for note in notes if "is published with" in note] == [
        f"tone: mule2022~3 is published with segment_s: 3, segment_hop_s: 2; {here}",
        f"tone: mule2022~3/nsynth_instrument is published with segment_s: 4, segment_hop_s: 4; {here}",
    ]


def test_the_shipped_experiment_has_every_preset_and_follows_what_each_says_beside_its_probes() -> None:
    blocks = spec.load(EXPERIMENTS / "protocols.yml").blocks
    named = {str(probe.preset).partition("~")[0] for block in blocks for probe in block.probes}
    assert named == set(presets())


@pytest.mark.slow
def test_the_shipped_experiment_runs_on_a_part_of_the_built_in_data() -> None:
    file = EXPERIMENTS / "protocols.yml"
    # Clips enough that mir_ref fills a batch of 277; and the two grids of HEAR narrower than 1,024.
    fewer = [f"experiments.{place}.datasets=[{{name: studio, subset: 480}}]" for place in (0, 1, 4)]
    narrow = [f"experiments.0.probes.{place}.hidden_units=[32]" for place in (2, 3)]
    run = earmark.run(file, overrides=[*fewer, *narrow, "resamples=20"], overwrite="always", quiet=True)
    systems = {(block.task.task.name, probe.name) for block in spec.load(file).blocks for probe in block.probes}
    rows = run.frame.filter(pl.col("seed").is_null(), pl.col("label").is_null(), pl.col("probe") != "constant")
    assert set(rows.select("task", "probe").iter_rows()) == systems
    assert not run.failures
    assert not [note for note in run.notes if "is published with" in note]
    assert len(earmark.table(run).split("split program: accuracy")) == 3, "a table of families, and one of pitches"
