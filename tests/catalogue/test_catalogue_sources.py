"""Sources that lie in one another, name the same files, come and go: nothing is there twice, and nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from earmark import catalogue
from earmark.catalogue import listing, planning, reader
from earmark.errors import DataError, UserError
from tests.catalogue.sounding_files import NETWORK, folder_of, sounding


def named(cat: Path) -> list[tuple[str, str]]:
    """Return the id of each file, with its labels."""
    return sorted((one.id, one.labels) for one in listing.entries(reader.load(cat).files))


def test_what_cannot_be_read_and_then_is_gone_stays_until_it_is_pruned(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 2), tmp_path / "cat"
    sounding(tmp_path / "disk" / "x.wav", 9)
    (music / "x.wav").symlink_to(tmp_path / "disk" / "x.wav")
    catalogue.add(cat, [music], NETWORK)
    (tmp_path / "disk").rename(tmp_path / "away")
    assert catalogue.add(cat, [music]).kinds == {"missing": 1}
    assert catalogue.search(cat, "x.wav", 1).hits[0].id != "x.wav", "its embedding is there, and found by its id"
    (music / "x.wav").unlink()
    assert catalogue.add(cat, [music]).n_removed == 1
    assert reader.load(cat).n_tracks == 3
    assert catalogue.add(cat, [music], prune=True).n_removed == 1
    assert reader.load(cat).n_tracks == 2


def test_conditions_also_find_what_cannot_be_read_now(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 3), tmp_path / "cat"
    lines = (f"music/{path.relative_to(music)},rock\n" for path in sorted(music.rglob("*.wav")))
    (tmp_path / "m.csv").write_text("path,genre\n" + "".join(lines))
    catalogue.add(cat, [tmp_path / "m.csv"], NETWORK)
    (music / "02.wav").rename(tmp_path / "away.wav")
    catalogue.add(cat, [tmp_path / "m.csv"])
    assert catalogue.verify(cat) == []
    assert len(catalogue.search(cat, tmp_path / "away.wav", 5, where=["genre=rock"]).hits) == 3


def test_a_path_with_two_dots_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music, cat = folder_of(tmp_path / "music", 3), tmp_path / "cat"
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "m.csv").write_text("path\n../music/00.wav\n")
    catalogue.add(cat, [music], NETWORK)
    monkeypatch.chdir(tmp_path / "lists")
    done = catalogue.add(cat, ["../music", "m.csv"])
    assert (done.n_heard, len(named(cat))) == (0, 3)
    (music / "02.wav").unlink()
    assert catalogue.add(cat, ["../music"], prune=True).n_removed == 1
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    sounding(tmp_path / "elsewhere" / "other.wav", 5)
    catalogue.add(cat, [tmp_path / "link" / ".." / "other.wav"])
    assert len(named(cat)) == 3, "behind a link two dots lead where the link leads"


def test_what_a_source_within_another_has_lost_is_dropped_by_both(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 4), tmp_path / "cat"
    (tmp_path / "m.csv").write_text("path\nmusic/00.wav\nmusic/02.wav\n")
    catalogue.add(cat, [music, music / "deeper", tmp_path / "m.csv"], NETWORK)
    (music / "deeper" / "01.wav").unlink()
    (music / "02.wav").unlink()
    assert catalogue.add(cat, [music]).n_removed == 2
    assert catalogue.add(cat, [music], prune=True).n_removed == 2
    assert [name for name, _ in named(cat)] == ["deeper/03.wav", "music/00.wav"]


def test_what_a_manifest_names_keeps_its_name_and_labels_beside_a_folder(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 2), tmp_path / "cat"
    (tmp_path / "m.csv").write_text("path,genre\nmusic/00.wav,rock\n")
    catalogue.add(cat, [tmp_path / "m.csv", music], NETWORK)
    expected = [("deeper/01.wav", "{}"), ("music/00.wav", json.dumps({"genre": "rock"}))]
    assert named(cat) == expected
    assert catalogue.add(cat, [music]).n_same == 2
    assert named(cat) == expected
    (tmp_path / "m.csv").write_text("path,genre\nmusic/00.wav,pop\n")
    catalogue.add(cat, [tmp_path / "m.csv"])
    assert named(cat)[1] == ("music/00.wav", json.dumps({"genre": "pop"}))


def test_one_file_under_two_names_of_a_manifest_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "music", 1)
    (tmp_path / "m.csv").write_text("path,id\nmusic/00.wav,a\nmusic/../music/00.wav,b\n")
    with pytest.raises(DataError, match="as 'a' and as 'b'"):
        catalogue.add(tmp_path / "cat", [tmp_path / "m.csv"], NETWORK)


def test_a_source_that_was_pruned_away_may_be_pruned_again(tmp_path: Path) -> None:
    music, other, cat = folder_of(tmp_path / "music", 1), tmp_path / "other", tmp_path / "cat"
    files = [sounding(other / f"{seed}.wav", seed) for seed in (7, 8)]
    catalogue.add(cat, [music, other], NETWORK)
    for one in files:
        one.unlink()
    other.rmdir()
    assert planning.plan(cat, [music, other], prune=True).n_removed == 2
    assert catalogue.add(cat, [music, other], prune=True).n_removed == 2
    assert catalogue.add(cat, [music, other], prune=True).n_removed == 0
    with pytest.raises(UserError, match="is not there"):
        catalogue.add(cat, [other])


def test_a_folder_that_was_closed_is_heard_by_a_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music, cat, scan = folder_of(tmp_path / "music", 4), tmp_path / "cat", os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "deeper":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        assert len(catalogue.add(cat, [music], NETWORK).failures) == 1
        assert len(catalogue.add(cat, retry=True).failures) == 1
    done = catalogue.add(cat, retry=True)
    assert (done.n_heard, done.failures, len(named(cat))) == (2, (), 4)


def test_what_is_heard_apart_finds_no_modules_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit(9)\n")
    program = "from earmark.catalogue import apart; print(apart.call(abs, -1))"
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_a_hop_that_leaves_audio_unheard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a hop of at most the segment's length"):
        catalogue.add(tmp_path / "cat", [folder_of(tmp_path / "music", 1)], NETWORK, segment_s=0.1, segment_hop_s=0.2)
    assert not (tmp_path / "cat").exists()


def test_a_backslash_in_a_manifest_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    folder_of(tmp_path / "music", 1)
    (tmp_path / "m.csv").write_text("path\nmusic\\00.wav\nmusic/00.wav\n")
    (failed,) = catalogue.add(tmp_path / "cat", [tmp_path / "m.csv"], NETWORK).failures
    assert (failed.state, failed.reason) == ("missing", "no such file.")


@pytest.mark.parametrize(("stored", "written"), [("e\u0301.wav", "é.wav"), ("é.wav", "e\u0301.wav")])
def test_accents_may_be_written_in_either_form(tmp_path: Path, stored: str, written: str) -> None:
    sounding(tmp_path / stored, 1)
    (tmp_path / "m.csv").write_text(f"path\n{written}\n", "utf-8")
    assert catalogue.add(tmp_path / "cat", [tmp_path / "m.csv"], NETWORK).n_heard == 1
