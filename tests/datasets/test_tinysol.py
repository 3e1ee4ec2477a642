"""TinySOL is read as it was published: labels, the authors' folds, and which notes are one recording."""

import csv
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import names, splits, tinysol
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.miniatures import tinysol as miniature

TABLE = "annotation/TinySOL_metadata.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tinysol")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "tinysol"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("tinysol", published)


def test_a_row_is_a_clip_with_five_labels(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 84
    clip = found.by_id["Vn-ord-G4-mf-4c-N"]
    assert clip.path == published / "audio/Strings/Violin/ordinario/Vn-ord-G4-mf-4c-N.wav"
    assert clip.targets == {
        "instrument": "Violin",
        "family": "Strings",
        "pitch": 67,
        "pitch_class": "G",
        "register": "4",
    }
    assert found.by_id["BTb-ord-G#3-pp-N-T22d"].targets["pitch_class"] == "G#"
    assert found.version.startswith("6.0+")


def test_the_pitch_in_a_name_is_the_pitch_class_and_register(found: Dataset) -> None:
    for clip in found.clips:
        assert clip.id.split("-")[2] == f"{clip.targets['pitch_class']}{clip.targets['register']}"


def test_every_instrument_and_family_is_in_every_part_of_every_fold(found: Dataset) -> None:
    for fold in found.splits["folds"]:
        for ids in (fold.train, fold.valid, fold.test):
            assert len({found.by_id[one].targets["instrument"] for one in ids}) == 14
            assert len({found.by_id[one].targets["family"] for one in ids}) == 4


def test_fold_i_validates_on_part_i_and_tests_on_the_next(found: Dataset, published: Path) -> None:
    with (published / TABLE).open(newline="") as file:
        part = {Path(row["Path"]).stem: int(row["Fold"]) for row in csv.DictReader(file)}
    folds = found.splits["folds"]
    assert len(folds) == 5
    for number, fold in enumerate(folds):
        test = (number + 1) % 5
        assert set(fold.valid) == {name for name in part if part[name] == number}
        assert set(fold.test) == {name for name in part if part[name] == test}
        assert set(fold.train) == {name for name in part if part[name] not in (number, test)}
    assert sorted(name for fold in folds for name in fold.test) == sorted(part)


@pytest.mark.parametrize("label", ["instrument", "family"])
def test_the_folds_are_the_default_for_what_they_were_made_for(found: Dataset, label: str) -> None:
    assert splits.resolve(found, None, label)[0].split == found.splits["folds"][0]
    assert [one.fold for one in splits.resolve(found, None, label, "all")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("label", ["pitch_class", "register"])
def test_other_labels_get_a_drawn_split_that_keeps_recordings_whole(found: Dataset, label: str) -> None:
    (drawn,) = splits.resolve(found, None, label)
    assert drawn.name == "random-0.8-0.1-0.1"
    assert "groups kept whole" in drawn.note
    where = [
        {found.by_id[one].group for one in ids} for ids in (drawn.split.train, drawn.split.valid, drawn.split.test)
    ]
    assert not where[0] & where[1]
    assert not where[0] & where[2]
    assert not where[1] & where[2]


@pytest.mark.parametrize(
    ("note", "source"),
    [
        ("BTb-ord-F#1-pp-N-N", "BTb-ord-F#1-pp-N-N"),
        ("BTb-ord-G1-pp-N-R100u", "BTb-ord-F#1-pp-N-N"),
        ("BTb-ord-F2-pp-N-T25u_R100u", "BTb-ord-E2-pp-N-T25u"),
        ("BTb-ord-E2-pp-N-T25u", "BTb-ord-E2-pp-N-T25u"),
        ("ASax-ord-A3-mf-N-R100d", "ASax-ord-A#3-mf-N-N"),
        ("Vn-ord-D#7-mf-1c-T22d_R100u", "Vn-ord-D7-mf-1c-T22d"),
        ("Vn-ord-B3-ff-4c-R100d", "Vn-ord-C4-ff-4c-N"),
        ("Vn-ord-C4-ff-4c-R100u", "Vn-ord-B3-ff-4c-N"),
    ],
)
def test_a_resampled_note_and_its_neighbour_are_one_recording(note: str, source: str) -> None:
    assert tinysol.recording(note) == source


def test_each_resampled_note_of_the_set_shares_a_group_with_a_note_that_is_there(found: Dataset) -> None:
    resampled = [clip for clip in found.clips if "R100" in clip.id]
    assert len(resampled) == 14
    assert all(clip.group in found.by_id and clip.group != clip.id for clip in resampled)


def test_the_only_law_broken_is_the_leak_that_the_card_admits(found: Dataset) -> None:
    assert all("split 'folds'" in law and "groups are in" in law for law in conformance.broken_by_dataset(found))
    (card,) = found.card.splits
    assert "resampled" in card.leak


def test_a_missing_file_is_not_there_but_listed(root: Path) -> None:
    (root / "audio/Winds/Oboe/ordinario").rename(root / "elsewhere")
    found = names.load("tinysol", root)
    assert len(found.clips) == 84
    assert sum(not clip.path.is_file() for clip in found.clips) == 6


@pytest.mark.parametrize("lost", [TABLE, "audio"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset tinysol"):
        names.load("tinysol", root)


def _beside(root: Path) -> None:
    (root / TABLE).rename(root / "TinySOL_metadata.csv")


def _nested(root: Path) -> None:
    (root / "audio").rename(root / "TinySOL")
    (root / "audio").mkdir()
    (root / "TinySOL").rename(root / "audio" / "TinySOL")


def _named(root: Path) -> None:
    (root / "audio").rename(root / "TinySOL")


def _flat(root: Path) -> None:
    for family in (root / "audio").iterdir():
        family.rename(root / family.name)


@pytest.mark.parametrize("unpacked", [_beside, _nested, _named, _flat])
def test_what_was_unpacked_by_hand_is_the_same_dataset(
    root: Path, found: Dataset, unpacked: Callable[[Path], None]
) -> None:
    unpacked(root)
    other = names.load("tinysol", root)
    assert other.version == found.version
    assert all(clip.path.is_file() for clip in other.clips)


def test_the_archive_unpacks_to_what_is_read(tmp_path: Path, found: Dataset) -> None:
    table, packed = miniature.archive(tmp_path / "offered")
    places = {one.holds: one for one in found.card.sources}
    root = tmp_path / "root"
    labels = root / places["labels"].path
    labels.parent.mkdir(parents=True)
    shutil.copy(table, labels)
    with tarfile.open(packed) as tar:
        assert all(member.name == "." or member.name.startswith("./") for member in tar)
    archives.unpack([packed], root / str(places["audio"].unpack_into))
    assert conformance.broken_by_dataset(names.load("tinysol", root)) == conformance.broken_by_dataset(found)
    assert names.load("tinysol", root).version == found.version


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Pitch ID", "Pitch", "it lacks Pitch ID"),
        ("N-N.wav,0,", "N-N.wav,5,", r"expected a Fold of 0, 1, 2, 3, 4 .* got '5'"),
        (",C3,48,", ",C3,low,", "MIDI number as Pitch ID, got '0' and 'low'"),
    ],
)
def test_another_table_is_refused(root: Path, old: str, new: str, message: str) -> None:
    table = root / TABLE
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        names.load("tinysol", root)


def test_a_table_without_rows_is_refused(root: Path) -> None:
    (root / TABLE).write_text(",".join(miniature.HEADER) + "\n")
    with pytest.raises(DataError, match="it lacks rows"):
        names.load("tinysol", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'tinysol:brass'"):
        tinysol.load("brass", root)
    with pytest.raises(UnknownName, match="tinysol"):
        names.load("tinysol:brass", root)


def test_a_table_in_another_encoding_is_named_with_its_place(root: Path) -> None:
    table = root / "annotation" / "TinySOL_metadata.csv"
    content = table.read_bytes()
    table.write_bytes(content + b"\xe9")
    with pytest.raises(DataError, match=rf"expected UTF-8 text \(.* at byte {len(content)}\)\. Type: earmark get"):
        tinysol.load("", root)


def test_a_row_that_is_cut_short_is_named(root: Path) -> None:
    table = root / "annotation" / "TinySOL_metadata.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:5], lines[5].rsplit(",", 8)[0], *lines[6:]]))
    with pytest.raises(DataError, match="expected a Fold of 0, 1, 2, 3, 4 and a MIDI number as Pitch ID"):
        tinysol.load("", root)
