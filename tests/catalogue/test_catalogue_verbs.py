"""`earmark catalogue …`: what is printed, and how it ends."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from earmark import catalogue, cli
from earmark.cli.catalogue import seconds_of
from tests.catalogue.sounding_files import NETWORK, folder_of, sounding


def verb(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, ["catalogue", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr + str(done.exception or "")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "music", 4)


@pytest.fixture
def cat(tmp_path: Path, music: Path) -> Path:
    assert verb("add", tmp_path / "cat", music, "-r", NETWORK, "--segment", "0.25", "--jobs", "1")[0] == 0
    return tmp_path / "cat"


def test_add_says_what_it_did_and_the_second_time_that_there_was_nothing(cat: Path, music: Path) -> None:
    sounding(music / "new.wav", 9)
    (music / "notes.txt").write_text("no audio")
    code, said, remarks = verb("add", cat, music, "--jobs", "1")
    assert code == 0
    assert "1 heard (0 changed), 0 there already (copies, or another add), 4 as they were" in said
    assert "skipped, not audio by their names: 1" in remarks
    code, said, _ = verb("add", cat, music, "--json", "--jobs", "1")
    assert (code, json.loads(said)["n_heard"], json.loads(said)["n_same"]) == (0, 0, 5)


def test_broken_files_end_with_3_their_kinds_and_the_command_that_tries_again(cat: Path, music: Path) -> None:
    (music / "a.wav").write_text("text")
    (music / "b.wav").touch()
    code, _, remarks = verb("add", cat, music, "--jobs", "1")
    assert code == 3
    assert "2 files could not be heard" in remarks
    assert "1 empty, such as" in remarks
    assert f"earmark catalogue add {cat} --retry" in remarks
    assert verb("add", cat, "--retry", "--jobs", "1")[0] == 3


def test_removed_files_are_counted_aloud(cat: Path, music: Path) -> None:
    (music / "00.wav").unlink()
    assert "1 file no longer there, still in the catalogue; --prune drops them" in verb("add", cat, music)[1]
    assert "1 file dropped" in verb("add", cat, music, "--prune")[1]


def test_a_plan_says_what_it_would_take_and_adds_nothing(tmp_path: Path, music: Path) -> None:
    code, said, _ = verb("add", tmp_path / "cat", music, "-r", NETWORK, "--plan", "--jobs", "2")
    assert code == 0
    assert "4 files to hear, 0 as they were" in said
    assert "with 2 processes, by 4 files timed" in said
    assert catalogue.load(tmp_path / "cat").n_tracks == 0
    found = catalogue.plan(tmp_path / "cat", [music])
    assert found.n_files == 4
    assert found.audio_hours == pytest.approx(4 * 0.5 / 3600, rel=0.01)


def test_search_prints_tracks_and_with_segments_where(cat: Path, music: Path) -> None:
    code, said, remarks = verb("search", cat, music / "00.wav", "-k", "2")
    assert code == 0
    assert said.splitlines()[1].split() == ["1.0000", "0:00.00", "0:00.50", "00.wav"]
    assert "4 tracks compared, exactly" in remarks
    found = json.loads(verb("search", cat, "00.wav", "--segments", "--between", "0.2-0.5", "--json")[1])
    assert {(hit["start_s"], hit["end_s"]) for hit in found["hits"]} == {(0.25, 0.5)}
    assert len(found["hits"]) == 3


def test_info_tells_the_form_and_the_counts(cat: Path) -> None:
    told = json.loads(verb("info", cat, "--json")[1])
    assert (told["representation"], told["tracks"], told["rows"]) == (NETWORK, 4, {"tracks": 4, "segments": 8})
    assert told["audio_hours"] == pytest.approx(2 / 3600)
    assert "representation: logmel" in verb("info", cat)[1]
    assert "rows: 4 tracks, 8 segments" in verb("info", cat)[1]


def test_verify_and_compact_end_with_0_on_a_sound_catalogue(cat: Path) -> None:
    assert verb("verify", cat)[:2] == (0, f"{cat}: nothing damaged\n")
    assert "1 now" in verb("compact", cat)[1]
    (rows,) = cat.glob("*.f32")
    rows.write_bytes(bytes(rows.stat().st_size))
    assert verb("verify", cat)[0] == 1


AS_PARQUET = """
import sys, lance, polars
polars.DataFrame(lance.dataset(sys.argv[1]).to_table()).write_parquet(sys.argv[2])
"""


def _with_lance(*words: str | Path) -> str:
    """Run Python apart: a process that has imported Lance warns whenever it forks, which other tests do."""
    if importlib.util.find_spec("lance") is None:
        pytest.skip("lance is not installed: scripts/bootstrap lance")
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("ending", [".parquet", ".npy", ".lance"])
def test_an_export_has_the_rows_and_what_they_are_of(cat: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"rows{ending}"
    if ending == ".lance":
        said = _with_lance("-m", "earmark", "catalogue", "export", cat, out, "--segments")
        _with_lance("-c", AS_PARQUET, out, tmp_path / "lance.parquet")
    else:
        said = verb("export", cat, out, "--segments")[1]
    assert "8 rows" in said
    names = tmp_path / "rows.files.parquet"
    if ending == ".npy":
        rows, table = np.load(out).reshape(8, -1), pl.read_parquet(names)
    else:
        table = pl.read_parquet(out if ending == ".parquet" else tmp_path / "lance.parquet")
        rows = np.array(table["embedding"].to_list(), np.float32)
    opened = catalogue.load(cat)
    (block,) = opened.blocks("segment")
    np.testing.assert_array_equal(rows, block.rows.reshape(8, -1))
    assert table["key"].to_list() == list(block.keys)
    assert table["end_s"].to_list() == block.times_s[:, 1].tolist()
    assert set(table["id"]) == {"00.wav", "02.wav", "deeper/01.wav", "deeper/03.wav"}
    code, _, remarks = verb("export", cat, out)
    assert (code, "is there. Remove it, or name another file" in remarks) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "CAT", "nothing.wav"), "is no file here, and no id of the catalogue"),
        (("export", "CAT", "x.csv"), "Expected a file that ends in .parquet, .npy, .lance, got 'x.csv'"),
        (("add", "CAT"), "Nothing to add: give a folder of audio"),
        (("info", "nowhere"), "Expected a catalogue, a folder with catalogue.json in it"),
        (("search", "CAT", "x", "--between", "3"), "expected --between such as 30-60, got '3'"),
        (("add", "new", "music", "-r", NETWORK, "--segment", "nan"), "Expected seconds above 0 for --segment, got nan"),
        (("add", "new", "music", "-r", NETWORK, "--segment", "inf"), "Expected seconds above 0 for --segment, got inf"),
        (("add", "new", "music", "-r", NETWORK, "--segment", "1", "--hop", "nan"), "above 0 for --hop, got nan"),
        (("add", "CAT", "music", "--jobs", "-3"), "should be greater than or equal to 0"),
        (("add", "CAT", "music", "--plan", "--jobs", "-2"), "should be greater than or equal to 0"),
    ],
)
def test_a_mistake_is_one_message(arguments: tuple[str, ...], message: str, cat: Path) -> None:
    _, said, remarks = verb(*(str(cat) if one == "CAT" else one for one in arguments))
    assert message in " ".join(remarks.replace("│", " ").split())
    assert said == ""


def test_what_a_file_calls_itself_acts_on_no_terminal(tmp_path: Path) -> None:
    sounding(tmp_path / "a.wav", 1)
    sounding(tmp_path / "query.wav", 2)
    (tmp_path / "m.csv").write_text("path,id,genre\na.wav,\x1b[31mred\u202e,\x1b]0;title\x07\n")
    assert verb("add", tmp_path / "cat", tmp_path / "m.csv", "-r", NETWORK, "--jobs", "1")[0] == 0
    said = verb("search", tmp_path / "cat", tmp_path / "query.wav")[1]
    assert "[U+001B][31mred[U+202E]" in "".join(said.split())
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def test_times_are_two_numbers() -> None:
    assert seconds_of("30-60.5") == (30.0, 60.5)
    assert seconds_of(None) is None


@pytest.mark.parametrize("name", catalogue.__all__)
def test_a_name_of_the_room_is_there_and_documented(name: str) -> None:
    assert getattr(catalogue, name).__doc__
