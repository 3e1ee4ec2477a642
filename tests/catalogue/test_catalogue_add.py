"""`earmark.catalogue.add`: what is heard, what is not heard again, and what becomes of files that change or go."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import earmark
from earmark import catalogue, identity
from earmark.catalogue import listing, reader, upkeep, working
from earmark.errors import DataError, Refused, UserError
from tests.catalogue.sounding_files import NETWORK, RATE, folder_of, held, sounding


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "music", 5)


@pytest.fixture
def cat(tmp_path: Path, music: Path) -> Path:
    """A catalogue of the five files."""
    catalogue.add(tmp_path / "cat", [music], NETWORK)
    return tmp_path / "cat"


def rows_by_id(cat: Path, level: reader.Level = "track") -> dict[str, np.ndarray]:
    opened = catalogue.load(cat)
    found = dict[str, list[np.ndarray]]()
    for block in opened.blocks(level, n_rows=3):
        named = opened.named(block.keys)
        for key, row in zip(block.keys, block.rows, strict=True):
            found.setdefault(named[key][0].id, []).append(row)
    return {name: np.stack(rows) for name, rows in found.items()}


def test_the_rows_are_those_of_embed(cat: Path, music: Path) -> None:
    found = rows_by_id(cat)
    expected = earmark.embed([music], NETWORK)
    assert len(found) == 5
    for path, vectors in zip(expected.paths, expected.vectors, strict=True):
        np.testing.assert_array_equal(found[path.relative_to(music).as_posix()][0], vectors[-1:, :1])


def test_segments_and_the_whole_track_are_those_of_embed_and_of_its_segments(tmp_path: Path, music: Path) -> None:
    network, cat = "random:hubert-tiny", tmp_path / "deep"
    catalogue.add(cat, [music], network, layers=[1, 3], pool=["mean", "std"], segment_s=0.2, segment_hop_s=0.1)
    tracks, segments = rows_by_id(cat), rows_by_id(cat, "segment")
    expected = earmark.embed([music], network, layers=[1, 3], segment_s=0.2, segment_hop_s=0.1)
    for path, vectors in zip(expected.paths, expected.vectors, strict=True):
        name = path.relative_to(music).as_posix()
        np.testing.assert_array_equal(tracks[name][0], vectors)
        piece = tmp_path / "piece.wav"
        soundfile.write(piece, soundfile.read(path, frames=round(0.2 * RATE))[0], RATE)
        alone = earmark.embed([piece], network, layers=[1, 3]).vectors[0]
        assert len(segments[name]) == 4
        # Cut before and after resampling differ at the edges.
        np.testing.assert_allclose(segments[name][0], alone, atol=0.05)


def test_a_long_file_is_heard_in_blocks_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = sounding(tmp_path / "long.flac", 7, 9.3, 44100)
    catalogue.add(tmp_path / "at-once", [long], NETWORK, segment_s=0.7, segment_hop_s=0.3)
    monkeypatch.setattr("earmark.audio.STREAMED_ABOVE_S", 0.5)
    monkeypatch.setattr("earmark.audio.BLOCK_FRAMES", 5000)
    catalogue.add(tmp_path / "in-blocks", [long], NETWORK, segment_s=0.7, segment_hop_s=0.3)
    assert held(tmp_path / "in-blocks") == held(tmp_path / "at-once")
    expected = earmark.embed([long], NETWORK, segment_s=0.7, segment_hop_s=0.3).vectors[0]
    np.testing.assert_array_equal(rows_by_id(tmp_path / "in-blocks")["long.flac"][0], expected[:, :1])


def test_nothing_is_heard_twice(cat: Path, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = held(cat)
    monkeypatch.setattr(working, "_look", lambda one: pytest.fail(f"{one.path} was read"))
    again = catalogue.add(cat, [music])
    assert (again.n_heard, again.n_there, again.n_same) == (0, 0, 5)
    assert held(cat) == before


def test_a_touched_file_is_read_and_not_heard(cat: Path, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(music / "00.wav", ns=(1, 1))
    monkeypatch.setattr(working, "hear_once", lambda *_: pytest.fail("it was heard"))
    assert catalogue.add(cat, [music]).n_there == 1
    assert catalogue.add(cat, [music]).n_same == 5


def test_new_and_changed_files_are_heard_and_the_old_content_is_let_go(cat: Path, music: Path) -> None:
    old = rows_by_id(cat)["00.wav"]
    sounding(music / "new.wav", 50)
    sounding(music / "00.wav", 51, 0.7)
    done = catalogue.add(cat, [music])
    assert (done.n_heard, done.n_changed, done.n_same) == (2, 1, 4)
    found = rows_by_id(cat)
    assert len(found) == 6
    assert not np.array_equal(found["00.wav"], old)
    assert catalogue.load(cat).n_tracks == 6
    sounding(music / "00.wav", 0)
    assert catalogue.add(cat, [music]).n_heard == 1, "what was let go and is back is heard again"
    np.testing.assert_array_equal(rows_by_id(cat)["00.wav"], old)


def test_copies_have_one_row_and_both_names(cat: Path, music: Path) -> None:
    shutil.copy(music / "00.wav", music / "copy.wav")
    done = catalogue.add(cat, [music])
    assert (done.n_heard, done.n_there) == (0, 1)
    opened = catalogue.load(cat)
    assert opened.n_tracks == 5
    (names,) = (each for each in opened.named(opened.contents()).values() if len(each) == 2)
    assert {one.id for one in names} == {"00.wav", "copy.wav"}


def test_a_moved_file_is_told_and_keeps_its_row(cat: Path, music: Path) -> None:
    (music / "00.wav").rename(music / "moved.wav")
    done = catalogue.add(cat, [music])
    assert (done.n_heard, done.n_there, done.n_moved, done.n_removed) == (0, 1, 1, 0)
    assert sorted(rows_by_id(cat)) == ["02.wav", "04.wav", "deeper/01.wav", "deeper/03.wav", "moved.wav"]


def test_a_removed_file_stays_until_it_is_pruned(cat: Path, music: Path) -> None:
    (music / "00.wav").unlink()
    kept = catalogue.add(cat, [music])
    assert (kept.n_removed, kept.pruned, len(rows_by_id(cat))) == (1, False, 5)
    dropped = catalogue.add(cat, [music], prune=True)
    assert (dropped.n_removed, dropped.pruned, len(rows_by_id(cat))) == (1, True, 4)
    assert catalogue.load(cat).n_tracks == 4
    assert catalogue.add(cat, [music], prune=True).n_removed == 0


def test_what_another_source_brought_is_not_pruned(cat: Path, music: Path, tmp_path: Path) -> None:
    other = folder_of(tmp_path / "other", 2, 0.6)
    catalogue.add(cat, [other])
    shutil.rmtree(other / "deeper")
    assert catalogue.add(cat, [music], prune=True).n_removed == 0
    assert catalogue.load(cat).n_tracks == 7


def test_a_manifest_brings_ids_regions_and_labels(tmp_path: Path, music: Path) -> None:
    table = tmp_path / "songs.csv"
    lines = ["path,id,start_s,end_s,genre,bpm", "music/00.wav,a,0,0.25,rock,120", "music/00.wav,b,0.25,0.5,jazz,90"]
    table.write_text("\n".join([*lines, "music/02.wav,c,,,rock,100"]))
    done = catalogue.add(tmp_path / "cat", [table], NETWORK)
    assert done.n_heard == 3
    opened = catalogue.load(tmp_path / "cat")
    named = {one.id: one for one in listing.entries(opened.files)}
    assert (named["b"].start_s, named["b"].end_s, json.loads(named["b"].labels)) == (
        0.25,
        0.5,
        {"genre": "jazz", "bpm": 90},
    )
    assert len({one.key for one in named.values()}) == 3
    table.write_text(table.read_text().replace("jazz", "folk"))
    again = catalogue.add(tmp_path / "cat", [table])
    assert (again.n_heard, again.n_there, again.n_same) == (0, 1, 2)
    assert json.loads(catalogue.load(tmp_path / "cat").files.filter(id="b")["labels"].item())["genre"] == "folk"


def test_the_number_of_processes_changes_nothing(cat: Path, music: Path, tmp_path: Path) -> None:
    catalogue.add(tmp_path / "two", [music], NETWORK, jobs=2)
    assert held(tmp_path / "two") == held(cat)


def test_two_processes_that_add_the_same_files_make_no_duplicates_and_lose_nothing(tmp_path: Path) -> None:
    music = folder_of(tmp_path / "music", 24, 0.3)
    catalogue.add(tmp_path / "alone", [music], NETWORK)
    both = [
        threading.Thread(target=catalogue.add, args=(tmp_path / "cat", [music], NETWORK), kwargs={"jobs": 2})
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert held(tmp_path / "cat") == held(tmp_path / "alone")
    n_rows = sum(len(part.records) for part in catalogue.load(tmp_path / "cat").parts)
    assert n_rows == 24, "who comes second to a shard finds it heard"


def test_a_catalogue_refuses_another_form(cat: Path, music: Path) -> None:
    with pytest.raises(UserError, match=r"holds representation logmel, not mfcc\. A catalogue has one form"):
        catalogue.add(cat, [music], "mfcc")
    with pytest.raises(UserError, match=r"holds segment_s None, not 2\.0"):
        catalogue.add(cat, [music], segment_s=2.0)


def test_a_catalogue_refuses_other_weights(cat: Path, music: Path) -> None:
    file = cat / "catalogue.json"
    file.write_text(file.read_text().replace('"weights_sha256": ""', '"weights_sha256": "abc"'))
    with pytest.raises(DataError, match="are of another 'logmel': weights_sha256 abc there, none here"):
        catalogue.add(cat, [music])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda root: catalogue.add(root / "x"), "Nothing to add"),
        (lambda root: catalogue.add(root / "x", [root]), "give --representation, such as logmel"),
        (lambda root: catalogue.add(root / "x", [root / "no"], NETWORK), "'.*no' is not there"),
        (lambda root: catalogue.add(root / "x", [root / "no.csv"], NETWORK), "Expected a manifest at '.*no.csv'"),
        (lambda root: catalogue.add(root / "x", [root], NETWORK), "holds no audio: expected files such as"),
        (lambda root: catalogue.add(root / "x", [root], NETWORK, layers=[1]), "has layers 0 to 0; got"),
        (lambda root: catalogue.add(root / "x", [root], NETWORK, segment_hop_s=1), "the length of a segment beside"),
        (lambda root: catalogue.add(root / "x", [root], NETWORK, pool=["meen"]), "Did you mean 'mean'"),
        (lambda root: catalogue.load(root), "Expected a catalogue, a folder with catalogue.json in it"),
    ],
)
def test_a_mistake_is_told(call: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        call(tmp_path)


def test_pruning_waits_for_nobody(cat: Path, music: Path) -> None:
    with upkeep.locked(cat, 1), pytest.raises(Refused, match="is being added to"):
        catalogue.compact(cat)


def test_content_is_known_by_its_first_sixteen_bytes(cat: Path, music: Path) -> None:
    sums = {identity.file_sha256(path)[:32] for path in music.rglob("*.wav")}
    assert set(catalogue.load(cat).contents()) == sums
    assert catalogue.load(cat).has([*sums, "0" * 32]) == sums
