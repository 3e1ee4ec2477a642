"""What happens beside an `add`: disks that come and go, others who add or compact, files that end it or are none."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark import catalogue, identity
from earmark.catalogue import finding, form, planning, reader, upkeep, working
from earmark.catalogue.form import Wish
from earmark.errors import DataError, UserError
from tests.catalogue.sounding_files import NETWORK, folder_of, held, sounding
from tests.serve import moody

SCRIPT = "from earmark import catalogue; print(catalogue.add('cat', ['music'], 'logmel').n_heard)"
"""As a user would write it: nothing guards the call against being imported again."""


def tracks(cat: Path) -> int:
    return reader.load(cat).n_tracks


def test_a_script_goes_on_after_a_kill_and_hears_the_same(tmp_path: Path) -> None:
    folder_of(tmp_path / "music", 2)
    catalogue.add(tmp_path / "undisturbed", [tmp_path / "music"], NETWORK)
    form.open_or_make(tmp_path / "cat", Wish(NETWORK))
    key = identity.file_sha256(tmp_path / "music" / "00.wav")[:32]
    (tmp_path / "cat" / "trying").mkdir()
    (tmp_path / "cat" / "trying" / key).touch()  # as it stands when the process is killed at this file
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "2\n"
    assert held(tmp_path / "cat")["rows"] == held(tmp_path / "undisturbed")["rows"]


def test_many_files_that_end_their_process_are_each_told_and_the_rest_is_heard(tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(4):
        level = np.full(8000 + number, moody.DIES, np.float32)
        soundfile.write(folder / f"deadly{number}.wav", level, 8000, subtype="FLOAT")
    for number in range(12):
        sounding(folder / f"{number}.wav", number)
    done = catalogue.add(tmp_path / "cat", [folder], moody.NAME, jobs=2)
    assert (done.n_heard, done.kinds) == (12, {"deadly": 4})
    assert not list((tmp_path / "cat" / "trying").iterdir())


def test_a_file_that_ends_its_process_ends_no_plan(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music" / "a.wav", np.full(8000, moody.DIES, np.float32), 8000, subtype="FLOAT")
    form.open_or_make(tmp_path / "cat", Wish(moody.NAME))
    told = planning.plan(tmp_path / "cat", [tmp_path / "music"])
    assert (told.n_files, told.n_timed, told.seconds) == (1, 0, None)


def test_a_folder_that_cannot_be_looked_into_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    music, cat, scan = folder_of(tmp_path / "music", 4), tmp_path / "cat", os.scandir
    catalogue.add(cat, [music], NETWORK)

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "deeper":
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        done = catalogue.add(cat, [music], prune=True)
    assert (done.n_removed, [Path(one.path).name for one in done.failures]) == (0, ["deeper"])
    assert tracks(cat) == 4
    assert catalogue.add(cat, [music], prune=True).failures == ()


def test_what_cannot_be_read_for_a_while_stays_and_is_not_heard_again(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "disk", 3), tmp_path / "cat"
    manifest = tmp_path / "all.jsonl"
    manifest.write_text("".join(json.dumps({"path": str(one)}) + "\n" for one in sorted(music.rglob("*.wav"))))
    sounding(tmp_path / "here.wav", 9)
    with manifest.open("a") as file:
        file.write(json.dumps({"path": str(tmp_path / "here.wav")}) + "\n")
    catalogue.add(cat, [manifest], NETWORK)
    music.rename(tmp_path / "away")
    gone = catalogue.add(cat, [manifest])
    assert (gone.kinds, tracks(cat)) == ({"missing": 3}, 4)
    assert catalogue.search(cat, tmp_path / "away" / "00.wav", 1).hits[0].score > 0.999
    (tmp_path / "away").rename(music)
    back = catalogue.add(cat, [manifest])
    assert (back.n_heard, back.failures, tracks(cat)) == (0, (), 4)


def test_pruning_leaves_what_another_has_said_since(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 2), tmp_path / "cat"
    catalogue.add(cat, [music], NETWORK)
    (music / "00.wav").rename(tmp_path / "00.wav")
    before = finding.todo(reader.load(cat), [music])
    assert len(before.removed) == 1
    (tmp_path / "00.wav").rename(music / "00.wav")
    os.utime(music / "00.wav", ns=(1, 1))
    catalogue.add(cat, [music])
    assert upkeep.settle(cat, before.removed, True).n_removed == 0
    assert tracks(cat) == 2


def test_a_source_that_is_gone_can_be_pruned_and_an_empty_folder_cannot(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 2), tmp_path / "cat"
    one = sounding(tmp_path / "one.wav", 7)
    catalogue.add(cat, [music, one, music / "00.wav"], NETWORK)
    one.unlink()
    assert catalogue.add(cat, [one], prune=True).n_removed == 1
    (music / "00.wav").unlink()
    assert catalogue.add(cat, [music], prune=True).n_removed == 1, "it was named by itself, and lies in the folder"
    (music / "deeper" / "01.wav").unlink()
    with pytest.raises(UserError, match="holds no audio"):  # as where a disk is not mounted
        catalogue.add(cat, [music], prune=True)
    assert tracks(cat) == 1


def test_failures_are_those_of_the_sources(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 1), tmp_path / "cat"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.wav").write_text("no audio")
    assert len(catalogue.add(cat, [tmp_path / "bad"], NETWORK).failures) == 1
    assert catalogue.add(cat, [music]).failures == ()
    assert len((cat / "failures.jsonl").read_text().splitlines()) == 1


def test_regions_of_a_file_read_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read, sha256 = sounding(tmp_path / "a.wav", 1, 2.0), list[Path](), identity.file_sha256
    lines = [{"path": str(path), "start_s": at / 4, "end_s": at / 4 + 0.25} for at in range(8)]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))

    def counted(one: Path) -> str:
        read.append(one)
        return sha256(one)

    monkeypatch.setattr("earmark.catalogue.working.identity.file_sha256", counted)
    assert catalogue.add(tmp_path / "cat", [tmp_path / "all.jsonl"], NETWORK).n_heard == 8
    assert len(read) == 1


def test_what_is_no_file_or_vanishes_fails_and_the_rest_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    music, hear = folder_of(tmp_path / "music", 3), working.hear_once
    os.mkfifo(music / "pipe.wav")

    def vanishing(network: Any, how: Any, one: Any) -> Any:
        found = hear(network, how, one)
        if one.id == "00.wav":
            Path(one.path).unlink()
        return found

    monkeypatch.setattr(working, "hear_once", vanishing)
    done = catalogue.add(tmp_path / "cat", [music], NETWORK)
    assert (done.n_heard, done.kinds) == (2, {"unreadable": 1, "changing": 1})


def test_one_source_may_stand_alone(tmp_path: Path) -> None:
    assert catalogue.add(tmp_path / "cat", str(folder_of(tmp_path / "music", 1)), NETWORK).n_heard == 1


def test_a_shard_waits_for_whoever_merges_and_its_writer_begins_anew(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 4), tmp_path / "cat"
    how = form.open_or_make(cat, Wish(NETWORK))
    files = finding.todo(reader.load(cat), [music]).files
    shards = [working.Shard(str(cat), how, 1, "cpu", files[at : at + 2]) for at in (0, 2)]
    assert working.hear_shard(shards[0], cat).n_heard == 2
    with upkeep.locked(cat, fcntl.LOCK_EX | fcntl.LOCK_NB):
        late = threading.Thread(target=working.hear_shard, args=(shards[1], cat))
        late.start()
        late.join(0.5)
        assert late.is_alive()
    late.join(60)
    catalogue.compact(cat)
    sounding(music / "new.wav", 50)
    (new,) = finding.todo(reader.load(cat), [music]).files
    assert working.hear_shard(working.Shard(str(cat), how, 1, "cpu", (new,)), cat).n_heard == 1
    assert tracks(cat) == 5
    assert catalogue.verify(cat) == []


def test_a_catalogue_that_was_compacted_under_a_reader_says_so(tmp_path: Path) -> None:
    music, cat = folder_of(tmp_path / "music", 2), tmp_path / "cat"
    catalogue.add(cat, [music / "00.wav"], NETWORK)
    catalogue.add(cat, [music])
    opened = reader.load(cat)
    catalogue.compact(cat)
    assert opened.n_tracks == 2
    with pytest.raises(DataError, match="was compacted since it was opened, or damaged"):
        catalogue.search(opened, music / "00.wav", 1)
    assert len(catalogue.search(reader.load(cat), music / "00.wav", 2).hits) == 2
