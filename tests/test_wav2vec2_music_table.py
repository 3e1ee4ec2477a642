"""Table I of wav2vec 2.0 on music: on miniatures of NSynth and Annotated-VocalSet the whole chain gives its shape."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.datasets import names
from earmark.experiment import results, spec
from earmark.experiment.finetune import finetune
from earmark.published.printed import as_printed
from earmark.representations import checkpoint
from earmark.runs import tabling
from earmark.training.systems import Wav2Vec2System
from tests.miniatures import annotated_vocalset, nsynth

SHIPPED = Path(__file__).parent.parent / "experiments" / "wav2vec2_music.yml"
SUNG = "nsynth→annotated-vocalset"
CENTS = ("raw_pitch_accuracy_50_cents", "raw_pitch_accuracy_100_cents")
# The networks of the file, and what stands in for them: of equal kinds, but small and with random weights.
SMALL = {
    "{name: wav2vec2-base, layers: [12]}, crepe-full]": "'path:music']",
    "crepe-full-pitch": "random:crepe-tiny-pitch",
    "[wav2vec2_music]": "[{preset: wav2vec2_music, epochs: 2}]",
    "seeds: [0, 1, 2]": "seeds: [0, 1]",
    "name: wav2vec2-music": "name: small\nresamples: 20",
}
TUNED = f"""\
name: tuned
representation: path:music
task: nsynth_pitch
datasets: [nsynth, {{train: nsynth, test: annotated-vocalset}}]
metrics: [accuracy, {", ".join(CENTS)}]
modes: [FT1, FT2]
epochs: 1
resamples: 20
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both miniatures, and a network of the mel kind in the folder `music`."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    nsynth.make(names.home("nsynth"))
    annotated_vocalset.make(names.home("annotated-vocalset"))
    system = Wav2Vec2System("wav2vec2-mel-tiny", {"network": {"num_hidden_layers": 1}})
    card = {"trained_on": "nothing", "objective": "none", "licence": "none", "steps": 0}
    checkpoint.write(tmp_path / "music", system.contents(system.build(0)), card)
    return tmp_path


def small() -> str:
    """Return the shipped file with small stand-ins for its networks."""
    text = SHIPPED.read_text(encoding="utf-8")
    for theirs, ours in SMALL.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    return text


def test_notes_are_scored_by_the_probe_of_nsynth_and_by_one_that_heard_singing() -> None:
    blocks = spec.load(SHIPPED).blocks
    asked = {(one.task.task.name, one.datasets[0].train, one.datasets[0].test) for one in blocks}
    assert asked == {
        ("nsynth_pitch", "nsynth", "nsynth"),
        ("nsynth_family", "nsynth", "nsynth"),
        ("nsynth_pitch", "nsynth", "annotated-vocalset"),
        ("vocalset_pitch", "annotated-vocalset", "annotated-vocalset"),
    }


@pytest.mark.slow
def test_on_miniatures_the_whole_chain_gives_the_shape_of_the_papers_table(home: Path) -> None:
    (home / "small.yml").write_text(small(), encoding="utf-8")
    (home / "tuned.yml").write_text(TUNED)
    frozen = earmark.run(home / "small.yml", run_id="frozen", quiet=True)
    assert not frozen.failures
    finetune(home / "tuned.yml", folder=home / "runs" / "tuned", quiet=True, say=lambda text: None)
    (grid,) = tabling.tables(
        ["frozen", "tuned"], rows=("representation", "probe"), columns=("dataset", "task", "metric")
    )
    heads = [head[:3] for head in grid.column_heads]
    paper = [("nsynth", "nsynth_pitch", "accuracy"), ("nsynth", "nsynth_family", "accuracy")]
    paper += [(SUNG, "nsynth_pitch", metric) for metric in CENTS]
    assert {*paper} <= {*heads}
    lines = {head[:2]: cells for head, cells in zip(grid.row_heads, grid.cells, strict=True)}
    tuned = [("path:music", f"finetune-{mode}") for mode in ("frozen_cnn", "full")]
    crepe = [("random:crepe-tiny-pitch-midi", "mean in cents"), ("random:crepe-tiny-pitch-hz", "mean in Hz")]
    assert {*lines} == {("constant", "constant"), ("path:music", "linear"), *tuned, *crepe}
    scored = {name: {head for head, cell in zip(heads, cells, strict=True) if cell.value is not None}
              for name, cells in lines.items()}  # fmt: skip
    assert {*paper} <= scored["path:music", "linear"]
    for one in (*tuned, *crepe):
        assert scored[one] & {*paper} == {*paper} - {paper[1]}
    every = names.load("annotated-vocalset").splits["zero_shot"][0]
    assert {row.n for row in frozen.rows if row.dataset == SUNG} == {len(every.test)}


@pytest.mark.slow
def test_a_pitch_that_is_read_asks_for_no_embedding_of_a_training_clip(home: Path) -> None:
    text = small()
    (home / "read.yml").write_text(
        text[: text.index("experiments:")] + "experiments:\n  - {<<: [*zero_shot, *in_hz]}\n"
    )
    done = earmark.run(home / "read.yml", run_id="read", quiet=True)
    n_test = len(names.load("annotated-vocalset").splits["zero_shot"][0].test)
    assert len(list((home / "runs" / "read" / "probes").iterdir())) == 1
    assert earmark.plan(home / "read.yml").embeddings.total == n_test
    rows = [row for row in done.rows if row.probe == "mean in Hz" and row.metric in CENTS and row.label is None]
    assert {row.n for row in rows} == {n_test}
    assert results.read(home / "runs" / "read").rows


def test_published_tables_are_printed_whole_with_the_reasons_why_none_stands_beside_ours() -> None:
    found = as_printed("wav2vec2_music, Table I")
    lines = {head[0]: [cell.value for cell in cells] for head, cells in zip(found.row_heads, found.cells, strict=True)}
    assert lines["w2v Music FT2"] == [0.671, 0.862, 0.9, 0.75]
    assert lines["CREPE"] == [0.928, 0.961, 0.9, None]
    assert len(found.row_heads) == 9
    assert "w2v Music FT1: the network was fine-tuned." in found.notes
    assert as_printed("wav2vec2_music_first, Table 1").cells[0][1].value == 0.64


def test_a_table_of_a_run_has_published_ones_below_it(home: Path) -> None:
    (home / "least.yml").write_text(
        "experiments: [{task: nsynth_family, representations: [logmel], probes: [{kind: knn}]}]"
    )
    earmark.run(home / "least.yml", run_id="least", quiet=True)
    done = CliRunner().invoke(cli.app, ["table", "least", "--as", "markdown", "--paper", "wav2vec2_music, Table I"])
    assert done.exit_code == 0, done.output
    assert "| CREPE |  | 0.928 | 0.961 | 0.900 | – |" in done.stdout
    wrong = CliRunner().invoke(cli.app, ["table", "least", "--paper", "wav2vec2_music, Table 1"])
    assert "Unknown published table 'wav2vec2_music, Table 1'. Did you mean" in str(wrong.exception)
