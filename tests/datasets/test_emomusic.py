"""EmoMusic is read as it was published: two numbers a song, and the parts that a hash of its artist decides."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import earmark
from earmark import conformance
from earmark.datasets import emomusic, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.miniatures import emomusic as miniature

SONGS, RATINGS = "annotations/songs_info.csv", "annotations/static_annotations.csv"

FITTING = "epochs: 300, patience: 50, learning_rate: 0.01, batch_size: 16, standardise: true"  # for so few clips


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("emomusic")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "emomusic"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("emomusic", published)


def test_a_song_has_arousal_before_valence_and_each_alone_as_rated(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 60
    clip = found.by_id["3"]
    assert clip.path == published / "clips_45seconds/3.mp3"
    assert clip.targets == {"emotion": (2.375, 3.2), "arousal": 2.375, "valence": 3.2, "genre": "Folk"}
    assert found.by_id["10"].group == "band h", "without the tab after the name"


def test_the_parts_are_those_of_the_published_rule(found: Dataset) -> None:
    (split,) = found.splits["castellon2021"]
    train, valid, test = (list[str]() for _ in range(3))
    for place, song in enumerate(miniature.SONGS):
        letters = [letter for letter in miniature.artist(place).lower() if ord(letter) < 128]
        name = " ".join("".join(one for one in letters if one.isalpha() or one.isspace()).split())
        tenth = int(hashlib.sha1(name.encode()).hexdigest(), 16) % 10
        (test if place % 6 == 5 else train if tenth < 8 else valid).append(str(song))
    assert split == type(split)(tuple(train), tuple(valid), tuple(test))
    assert min(len(train), len(valid), len(test)) > 5


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Björk!", "bjrk"), (" Two\tWords ", "two words"), ("AC/DC 2", "acdc"), ("東京", ""), ("Tom  Jones", "tom jones")],
)
def test_an_artist_is_hashed_by_small_ascii_letters_alone(name: str, plain: str) -> None:
    assert emomusic.plain_artist(name) == plain


def test_names_that_are_hashed_alike_are_one_group_and_a_name_of_other_letters_keeps_its_own(found: Dataset) -> None:
    group = {place: found.by_id[str(miniature.SONGS[place])].group for place in miniature.ODD}
    assert group == {0: "bjrk", 1: "bjrk", 2: "two words", 3: "two words", 4: "東京"}


def test_train_and_valid_share_no_artist(found: Dataset) -> None:
    (split,) = found.splits["castellon2021"]
    train, valid = ({found.by_id[one].group for one in ids} for ids in (split.train, split.valid))
    assert not train & valid
    assert conformance.broken_by_dataset(found) == ()
    assert "not known" in found.card.splits[0].leak


@pytest.mark.parametrize("label", ["emotion", "arousal", "valence", "genre"])
def test_the_split_is_the_default_of_every_label(found: Dataset, label: str) -> None:
    assert splits.resolve(found, None, label)[0].name == "castellon2021"


def _flat(root: Path) -> None:
    for path in (root / "annotations").iterdir():
        path.rename(root / path.name)


def _nested(root: Path) -> None:
    (root / "clips_45sec").mkdir()
    (root / "clips_45seconds").rename(root / "clips_45sec" / "clips_45seconds")


@pytest.mark.parametrize("unpacked", [_flat, _nested])
def test_what_was_unpacked_by_hand_is_the_same_dataset(
    root: Path, found: Dataset, unpacked: Callable[[Path], None]
) -> None:
    unpacked(root)
    other = names.load("emomusic", root)
    assert other.version == found.version
    assert all(clip.path.is_file() for clip in other.clips)


def test_the_archives_unpack_to_what_is_read(root: Path, found: Dataset) -> None:
    packed = miniature.archive(root)
    assert [root / source.path for source in found.card.sources] == packed
    for source, path in zip(found.card.sources, packed, strict=True):
        archives.unpack([path], root / str(source.unpack_into))
    assert names.load("emomusic", root).version == found.version


@pytest.mark.parametrize("lost", [SONGS, RATINGS, "clips_45seconds"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset emomusic"):
        names.load("emomusic", root)


def test_a_song_without_its_file_is_listed(root: Path) -> None:
    (root / "clips_45seconds/3.mp3").unlink()
    assert not names.load("emomusic", root).by_id["3"].path.exists()


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        (SONGS, "Mediaeval 2013 set", "set", "it lacks Mediaeval 2013 set"),
        (SONGS, "evaluation", "test", r"csv:7: expected a song number .* development or evaluation, got 7, 7\.mp3"),
        (SONGS, "\n3,", "\nthree,", "expected a song number that comes once"),
        (SONGS, "\n3,", "\n2,", "expected a song number that comes once"),
        (RATINGS, "\n3,2.375,", "\n3,9.5,", "ratings from 1 to 9"),
        (RATINGS, "\n3,2.375,", "\n3,,", "ratings from 1 to 9"),
        (RATINGS, "\n3,2.375,1.5,3.2,1.1", "\n3,2.375", r"csv:3: expected 5 cells, got 2"),
        (RATINGS, "\n3,", "\n1003,", r"Song 3 of songs_info\.csv has no row in static_annotations\.csv"),
    ],
)
def test_a_table_that_is_not_as_published_is_refused(root: Path, table: str, old: str, new: str, message: str) -> None:
    text = (root / table).read_bytes().decode().replace("\r\n", "\n")
    assert old in text
    (root / table).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"{message}[\s\S]*Type: earmark get dataset emomusic --only labels"):
        names.load("emomusic", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'emomusic:deam'"):
        emomusic.load("deam", root)
    with pytest.raises(UnknownName, match="emomusic"):
        names.load("emomusic:deam", root)


def test_on_the_miniature_both_numbers_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "emomusic.yml"
    file.write_text(
        f"""name: emomusic-miniature
resamples: 20
experiments:
  - task: emomusic
    datasets: [{{name: emomusic, dir: {published}}}]
    representations: [logmel]
    probes: [{{preset: mir_ref-fixed, only: [M1], {FITTING}}}]
    seeds: [0]
"""
    )
    done = earmark.run(file, quiet=True)
    assert not done.failures
    scores = {row.label: row.value or 0 for row in done.rows if row.probe != "constant" and row.metric == "r2"}
    assert {"emotion[0]", "emotion[1]"} < scores.keys()
    assert min(scores.values()) > 0.5
