"""Beatport EDM Key is read as it was published and as mirdata leaves it: one key or none, artists kept together."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark import conformance, metrics
from earmark.audio import info
from earmark.datasets import beatport_key, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from tests.miniatures import beatport_key as miniature

FIRST = "100066 DJ 00 & Co. - Tune - Part 0 (Original Mix)"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("beatport_key")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "beatport_key"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("beatport-key", published)


def number(place: int) -> str:
    return str(100066 + 101 * place)


def test_a_track_is_a_clip_by_the_number_that_beatport_gave_it(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 56
    clip = found.by_id["100066"]
    assert clip.path == published / "audio" / f"{FIRST}.mp3"
    assert clip.targets == {"key": "C minor", "genre": "House"}
    assert clip.group == "DJ 00 & Co."
    assert found.version.startswith("1.0.0+")
    header = info(clip.path)
    assert (header.sample_rate, header.channels) == (44100, 2)


def test_every_law_of_a_dataset_holds(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("D minor", "D minor"),
        ("A minor ", "A minor"),
        ("Bb major", "A# major"),
        ("F#_ minor", "F# minor"),
        ("Db major\n", "C# major"),
        ("A minor |", "A minor"),
        ("A minor | C major", None),
        ("A minor | X", None),
        ("C# other", None),
        ("X", None),
        ("x", None),
        ("-", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_one_major_or_minor_key_is_read_and_nothing_else(text: str, key: str | None) -> None:
    assert beatport_key.read_key(text).key == key


def test_clips_without_one_key_carry_none_and_are_counted(found: Dataset) -> None:
    keyed = [clip for clip in found.clips if "key" in clip.targets]
    assert len(keyed) == 48
    assert {clip.targets["key"] for clip in keyed} < set(metrics.KEYS)
    assert found.notes == (
        "8 of 56 clips carry no 'key': 3 with none, 1 with one that is neither major nor minor, 4 with several",
    )
    (drawn,) = splits.resolve(found, None, "key")
    assert "8 of 56 clips have no 'key' and are left out" in drawn.note


def test_a_genre_is_read_where_there_is_metadata_with_exactly_one(found: Dataset) -> None:
    assert found.by_id[number(2)].targets["genre"] == "Drum & Bass"
    assert found.by_id[number(4)].targets["genre"] == "Techno"
    for without in (1, 10, 12):  # no metadata, two genres, none
        assert "genre" not in found.by_id[number(without)].targets


def test_metadata_as_published_and_as_mirdata_rewrites_it_are_one(root: Path, found: Dataset) -> None:
    texts = {path: path.read_text("utf-8") for path in (root / "meta").iterdir()}
    assert any(": nan," in text for text in texts.values())
    assert any(": null," in text for text in texts.values())
    for path, text in texts.items():
        path.write_text(text.replace(": nan,", ": null,"), "utf-8")
        assert json.loads(path.read_text("utf-8"))["bpm"] is None
    assert names.load("beatport-key", root).version == found.version


def test_artists_who_share_a_track_are_one_group(found: Dataset) -> None:
    assert {found.by_id[number(place)].group for place in (4, 48, 50)} == {"Ada One"}
    assert found.by_id[number(9)].group == "DJ 09 & Co."
    chain = [["C", "B"], ["D"], ["A"], ["B", "A"], ["E", "D"], ["C"]]
    assert beatport_key.artist_groups(chain) == ["A", "D", "A", "A", "D", "A"]


def test_a_drawn_split_has_every_key_in_each_part_and_parts_no_artist(found: Dataset) -> None:
    (drawn,) = splits.resolve(found, None, "key")
    parts = [[found.by_id[one] for one in ids] for ids in (drawn.split.train, drawn.split.valid, drawn.split.test)]
    for part in parts:
        assert len({clip.targets["key"] for clip in part}) == 12
    groups = [{clip.group for clip in part} for part in parts]
    assert not (groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2])


def test_a_name_is_one_artist_whatever_tool_unpacked_it(root: Path) -> None:
    scrambled = "\u0393\u00c7\u00f6"  # a dash, U+2014, as code page 437
    for folder in ("audio", "keys", "meta"):
        for path in (root / folder).glob(f"{number(14)} *"):
            path.rename(path.with_name(path.name.replace("DJ 14", f"DJ {scrambled}")))
    found = names.load("beatport-key", root)
    assert found.by_id[number(14)].group == "DJ \u2014 & Co."
    (path,) = (root / "keys").glob(f"{number(14)} *")
    path.rename(path.with_name(path.name.replace(scrambled, "\u2014")))
    mixed = names.load("beatport-key", root)
    assert mixed.version == found.version
    assert mixed.by_id[number(14)].path.is_file()


def test_an_accent_is_no_scrambled_name(root: Path) -> None:
    path = root / "keys" / f"{FIRST}.txt"
    path.rename(path.with_name("100066 Mécanique - Inertia (Original Mix).txt"))
    assert names.load("beatport-key", root).by_id["100066"].group == "Mécanique"


def test_a_missing_sound_is_not_there_but_listed(root: Path) -> None:
    (root / "audio" / f"{FIRST}.mp3").unlink()
    found = names.load("beatport-key", root)
    assert found.by_id["100066"].path == root / "audio" / f"{FIRST}.mp3"
    assert len(found.clips) == 56


@pytest.mark.parametrize("lost", ["audio", "keys", "meta"])
def test_a_missing_folder_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}' there[\s\S]*earmark get dataset beatport-key"):
        names.load("beatport-key", root)


def _in_its_own_folder(root: Path) -> None:
    (root / "audio").rename(root / "sound")
    (root / "audio").mkdir()
    (root / "sound").rename(root / "audio" / "audio")


def _in_the_archives_folder(root: Path) -> None:
    (root / "original_metadata").mkdir()
    (root / "meta").rename(root / "original_metadata" / "meta")


def _with_hidden_files(root: Path) -> None:
    (root / "keys" / f"._{FIRST}.txt").write_bytes(b"\x00\x05\x16\x07\xff")


@pytest.mark.parametrize("unpacked", [_in_its_own_folder, _in_the_archives_folder, _with_hidden_files])
def test_what_was_unpacked_by_hand_is_the_same_dataset(
    root: Path, found: Dataset, unpacked: Callable[[Path], None]
) -> None:
    unpacked(root)
    other = names.load("beatport-key", root)
    assert other.version == found.version
    assert conformance.broken_by_dataset(other) == ()


def test_the_archives_unpack_to_what_is_read(tmp_path: Path, found: Dataset) -> None:
    packed = {path.name: path for path in miniature.archive(tmp_path / "offered")}
    root = tmp_path / "root"
    assert {Path(source.path).name for source in found.card.sources} == packed.keys()
    for source in found.card.sources:
        with zipfile.ZipFile(packed[Path(source.path).name]) as file:
            file.extractall(root / str(source.unpack_into))
    other = names.load("beatport-key", root)
    assert other.version == found.version
    assert conformance.broken_by_dataset(other) == ()


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"genres": [{"id": 3}]}', '{"genres": [3]}', "[]"])
def test_metadata_that_cannot_be_read_is_refused_with_its_name(root: Path, text: str) -> None:
    (root / "meta" / f"{FIRST}.json").write_text(text)
    with pytest.raises(DataError, match=r"100066[^:]*: expected JSON with a list of genres"):
        names.load("beatport-key", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'beatport-key:mini'"):
        beatport_key.load("mini", root)
    with pytest.raises(UnknownName, match="beatport-key"):
        names.load("beatport-key:mini", root)


def test_text_in_another_encoding_is_named_with_its_place(root: Path) -> None:
    key = next((root / "keys").glob("100066*"))
    key.write_bytes("D minor é".encode("latin-1"))
    with pytest.raises(DataError, match=r"100066[^:]*: expected UTF-8 text \(.* at byte 8\)\. Unpack keys\.zip again"):
        beatport_key.load("", root)
    key.write_bytes(b"\xef\xbb\xbfD minor")
    assert beatport_key.load("", root).by_id["100066"].targets["key"] == "D minor"
    next((root / "meta").glob("*.json")).write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"expected UTF-8 text .* Unpack original_metadata\.zip again"):
        beatport_key.load("", root)
