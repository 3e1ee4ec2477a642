"""A saved probe says of a catalogue what it says of the files, and refuses embeddings that are not its own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import earmark
from earmark import catalogue, cli
from earmark.catalogue import tagging
from earmark.errors import DataError, Refused, UserError
from tests.experiment.layered import NAME
from tests.test_run import EXPERIMENT, make_tones

Wish = dict[str, object]


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    return make_tones(tmp_path / "audio", each=4)


def probe_of(tmp_path: Path, representation: str, aggregation: str = "embedding_mean", probe: str = "") -> Path:
    """Return the folder of a probe that was fitted on the tones."""
    text = EXPERIMENT.format(folder=tmp_path / "audio")
    lines = [
        f"    representations: [{representation}]" if "representations:" in one else one for one in text.split("\n")
    ]
    lines = [f"    probes: [{probe}]" if "probes:" in one and probe else one for one in lines]
    written = "\n".join(lines).replace("kind: multiclass}", f"kind: multiclass, aggregation: {aggregation}}}")
    (tmp_path / "tones.yml").write_text(written.replace("seeds: [0, 1]", "seeds: [0]"))
    run = earmark.run(tmp_path / "tones.yml", quiet=True)
    (only,) = (run.folder / "probes").iterdir()
    return only


@pytest.mark.parametrize(
    ("representation", "aggregation", "wish"),
    [
        ("{name: logmel, pool: [mean, std]}", "embedding_mean", {"pool": ["mean", "std"]}),
        ("{name: logmel}", "embedding_mean", {}),
        ("{name: logmel, segment_s: 0.2}", "embedding_mean", {"segment_s": 0.2, "keeps": "both"}),
        ("{name: logmel, segment_s: 0.2}", "prediction", {"segment_s": 0.2, "keeps": "segments"}),
        (f"{{name: '{NAME}', layers: [3, 1], reduce: concat}}", "embedding_mean", {"layers": [3, 1]}),
    ],
)
def test_a_catalogue_is_tagged_as_its_files_are_predicted(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, representation: str, aggregation: str, wish: Wish
) -> None:
    probe = probe_of(tmp_path, representation, aggregation)
    catalogue.add(tmp_path / "cat", [tones], representation.split("name: ")[1].split(",")[0].strip("'}"), **wish)  # type: ignore[arg-type]  # of several kinds
    told = earmark.predict([tones], probe)
    expected = {path.as_posix(): row for path, row in zip(told.paths, told.scores, strict=True)}
    for n_rows in (8192, 3):  # a track's segments may go on in the next block
        monkeypatch.setattr(
            catalogue.Catalogue,
            "blocks",
            lambda self, level, n=n_rows, real=catalogue.Catalogue.blocks: real(self, level, n),
        )
        (tmp_path / "tags.parquet").unlink(missing_ok=True)
        tagging.tag(tmp_path / "cat", probe).write(tmp_path / "tags.parquet")
        found = pl.read_parquet(tmp_path / "tags.parquet")
        assert sorted(found["path"]) == sorted(expected)
        for line in found.iter_rows(named=True):
            scores = [line[f"score:{name}"] for name in told.card.classes]
            np.testing.assert_allclose(scores, expected[line["path"]], atol=1e-5)


def test_segments_are_tagged_one_by_one(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "{name: logmel}")
    catalogue.add(tmp_path / "cat", [tones], "logmel", segment_s=0.2)
    (block,) = tagging.tag(tmp_path / "cat", probe, level="segment").blocks()
    assert len(block.keys) == len(block.said.scores) == catalogue.load(tmp_path / "cat").n_rows("segment") == 36
    assert sorted(set(block.times_s[:, 0].tolist())) == pytest.approx([0.0, 0.2, 0.4], abs=0.002)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"representation": "chroma"}, "hears logmel; these embeddings are of 'chroma'"),
        ({"segment_s": 0.2}, r"segments \(length, hop in s\) \(None, None\) there, \(0.2, None\) here"),
        ({"pool": ["std"]}, r"pooling \('mean',\) there, \('std',\) here"),
    ],
)
def test_embeddings_of_another_kind_are_refused(tones: Path, tmp_path: Path, wish: Wish, message: str) -> None:
    probe = probe_of(tmp_path, "{name: logmel}")
    catalogue.add(tmp_path / "cat", [tones], **{"representation": "logmel", **wish})  # type: ignore[arg-type]  # of several kinds
    with pytest.raises(DataError, match=message):
        tagging.tag(tmp_path / "cat", probe)


def test_embeddings_of_other_weights_are_refused_also_where_the_probe_has_travelled(
    tones: Path, tmp_path: Path
) -> None:
    probe = probe_of(tmp_path, "{name: logmel}").rename(tmp_path / "travelled")
    catalogue.add(tmp_path / "cat", [tones], "logmel")
    assert sum(len(one.keys) for one in tagging.tag(tmp_path / "cat", probe).blocks()) == 12
    card = json.loads((probe / "card.json").read_text())
    card["hears"]["logmel"]["weights_sha256"] = "ab" * 32
    (probe / "card.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match=r"was fitted on 'logmel' of version 1, weights abababababab; here"):
        tagging.tag(tmp_path / "cat", probe)


def test_a_probe_of_segments_takes_none_of_another_length_also_one_by_one(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "{name: logmel, segment_s: 0.2}", "prediction")
    catalogue.add(tmp_path / "cat", [tones], "logmel", segment_s=0.25, segment_hop_s=0.2)
    with pytest.raises(DataError, match=r"segments \(length, hop in s\) \(0\.2, None\) there, \(0\.25, 0\.2\) here"):
        tagging.tag(tmp_path / "cat", probe, level="segment")


def test_names_act_on_no_terminal_and_are_formulas_in_no_spreadsheet(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "{name: logmel}")
    names = ("=HYPERLINK(1).wav", "a\x1b[31mb.wav")
    for name in names:
        shutil.copy(sorted(tones.rglob("*.wav"))[0], tmp_path / name)
    catalogue.add(tmp_path / "cat", [tmp_path / name for name in names], "logmel")
    tags = tagging.tag(tmp_path / "cat", probe)
    tags.write(tmp_path / "tags.csv")
    tags.write(tmp_path / "tags.parquet")
    found = {
        ending: pl.read_csv(tmp_path / "tags.csv") if ending == "csv" else pl.read_parquet(tmp_path / "tags.parquet")
        for ending in ("csv", "parquet")
    }
    assert set(found["csv"]["id"]) == {"'=HYPERLINK(1).wav", "a[U+001B][31mb.wav"}
    assert set(found["parquet"]["id"]) == set(names)
    assert found["csv"].columns == found["parquet"].columns
    done = CliRunner().invoke(cli.app, ["catalogue", "tag", str(tmp_path / "cat"), "--probe", str(probe)])
    assert "a[U+001B][31mb.wav\t" in done.stdout
    assert "\x1b" not in done.stdout


def test_heads_of_columns_are_no_formulas_either(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "{name: logmel}")
    catalogue.add(tmp_path / "cat", [tones], "logmel")
    tags = tagging.tag(tmp_path / "cat", probe)
    classes = ("lo\x1bw", *tags.saved.card.classes[1:])
    odd = replace(tags, saved=replace(tags.saved, card=replace(tags.saved.card, classes=classes)))
    odd.write(tmp_path / "tags.csv")
    assert "score:lo[U+001B]w" in pl.read_csv(tmp_path / "tags.csv").columns


def test_a_probe_of_frames_is_refused(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "logmel", probe="{kind: mlp, hidden_units: [], epochs: 2, pool_frames: mean}")
    catalogue.add(tmp_path / "cat", [tones], "logmel")
    with pytest.raises(DataError, match="hears every frame, and a catalogue has one vector"):
        tagging.tag(tmp_path / "cat", probe)


def test_the_verb_prints_a_line_a_track_or_writes_a_file(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "{name: logmel}")
    catalogue.add(tmp_path / "cat", [tones], "logmel")
    command = ["catalogue", "tag", str(tmp_path / "cat"), "--probe", str(probe), "--unsure", "0.9"]
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == 12
    assert {line[0].split("/")[0] for line in lines} == {"low", "middle", "high"}
    assert all(line[1] == "unsure" if float(line[2]) < 0.9 else line[1] in ("low", "middle", "high") for line in lines)
    assert "calibrated on 3 validation clips" in done.stderr
    told = CliRunner().invoke(cli.app, [*command, "--json"])
    assert len([json.loads(line)["score:low"] for line in told.stdout.splitlines()]) == 12
    written = CliRunner().invoke(cli.app, [*command, "-o", str(tmp_path / "tags.csv")])
    assert written.exit_code == 0, written.output
    assert len(pl.read_csv(tmp_path / "tags.csv")) == 12


def test_a_file_of_another_ending_or_that_is_there_is_refused(tones: Path, tmp_path: Path) -> None:
    probe = probe_of(tmp_path, "{name: logmel}")
    catalogue.add(tmp_path / "cat", [tones], "logmel")
    tags = tagging.tag(tmp_path / "cat", probe)
    with pytest.raises(UserError, match=r"ends in \.parquet or \.csv"):
        tags.write(tmp_path / "tags.txt")
    (tmp_path / "tags.csv").write_text("mine")
    with pytest.raises(Refused, match="is there"):
        tags.write(tmp_path / "tags.csv")
