"""The Million Song Dataset is read as it was published: five sets of tags, their parts, previews in two layouts."""

import pickle
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import conformance
from earmark.datasets import msd, names, splits
from earmark.datasets.base import Dataset
from earmark.datasets.get import get
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.tasks import find_task
from tests.datasets.learning import learnt
from tests.miniatures import msd as miniature
from tests.sources.flaky_server import FlakyServer

TRACKS = miniature.TRACKS


@pytest.fixture(autouse=True)
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of msds is cut where the miniature's parts meet."""
    monkeypatch.setattr(msd, "N_TRAIN", 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    roots = {variant: tmp_path_factory.mktemp(variant) for variant in miniature.LABELS}
    for variant, root in roots.items():
        miniature.make(root, variant)
    return roots


@pytest.fixture
def root(made: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made["msds"], tmp_path / "msd"))


def loaded(made: dict[str, Path], variant: str) -> Dataset:
    return names.load(f"msd:{variant}", made[variant])


@pytest.mark.parametrize("variant", miniature.LABELS)
def test_every_set_keeps_the_laws_and_has_the_published_parts(made: dict[str, Path], variant: str) -> None:
    found = loaded(made, variant)
    assert conformance.broken_by_dataset(found) == ()
    ((name, (split,)),) = found.splits.items()
    assert [name] == [card.name for card in found.card.splits]
    for part, numbers in miniature.SPLIT.items():
        assert getattr(split, part) == tuple(TRACKS[number] for number in numbers)
    assert found.notes == ()


@pytest.mark.parametrize("variant", miniature.LABELS)
def test_a_track_has_the_tags_whose_columns_are_set(made: dict[str, Path], variant: str) -> None:
    found = loaded(made, variant)
    known = {
        "msds": miniature.TAGS,
        "msd100": tuple(f"cleaned {number:03d}" for number in range(100)),
    }.get(variant, miniature.CLEANED)
    for number, track in enumerate(TRACKS):
        assert found.by_id[track].targets["tags"] == miniature.tags_of(number, known)
        assert found.by_id[track].group == miniature.artist(number)


def test_tags_are_spelt_as_published(made: dict[str, Path]) -> None:
    spelt = {str(tag) for clip in loaded(made, "msds").clips for tag in clip.targets["tags"]}  # type: ignore[union-attr]
    assert {"Mellow", "Hip-Hop", "House"} <= spelt


def test_the_plain_name_is_msds_and_each_task_names_a_split_of_its_card() -> None:
    assert msd.CARDS[""] is msd.CARDS["msds"]
    for variant, name in {**{one: one for one in miniature.LABELS}, "cals": "msd_cals"}.items():
        task = find_task(name)
        assert task.dataset == f"msd:{variant}"
        assert task.split in {card.name for card in msd.CARDS[variant].splits}


def test_the_cards_count_what_the_parts_add_up_to() -> None:
    for variant in ("msds", "cals"):
        card = msd.CARDS[variant]
        assert sum(card.splits[0].sizes[0]) == card.n_clips
    assert msd.CARDS["msds"].splits[0].sizes[0][0] == 201_680


def test_previews_by_number_are_the_same_dataset(made: dict[str, Path], tmp_path: Path) -> None:
    miniature.make(tmp_path, "msds", by_number=True)
    found = names.load("msd", tmp_path)
    assert found.version == loaded(made, "msds").version
    assert found.by_id[TRACKS[0]].path == tmp_path / "songs" / "8" / "9" / "8947470.clip.mp3"
    assert conformance.broken_by_dataset(found) == ()


@pytest.mark.parametrize("place", ["songs", "previews", "."])
def test_previews_are_found_where_users_keep_them_and_through_a_link(root: Path, place: str, tmp_path: Path) -> None:
    (root / "audio").rename(tmp_path / "kept")
    if place == ".":
        for letter in (tmp_path / "kept").iterdir():
            (root / letter.name).symlink_to(letter)
    else:
        (root / place).symlink_to(tmp_path / "kept")
    found = names.load("msd", root)
    assert all(clip.path.is_file() for clip in found.clips)


def test_a_track_without_a_number_is_counted_and_has_no_file(tmp_path: Path) -> None:
    miniature.make(tmp_path, "msds", by_number=True)
    numbers = dict.fromkeys(TRACKS[:-2], "8947470")
    (tmp_path / "lastfm_annotation" / "MSD_id_to_7D_id.pkl").write_bytes(pickle.dumps(numbers))
    found = names.load("msd", tmp_path)
    assert found.notes == ("2 of 48 tracks without a number of 7digital's: no file is looked for",)
    assert not found.by_id[TRACKS[-1]].path.is_file()


def test_without_the_table_of_songs_no_artist_is_known_and_a_note_says_so(root: Path) -> None:
    (root / "track_metadata.db").unlink()
    found = names.load("msd", root)
    assert {clip.group for clip in found.clips} == {None}
    assert "the artist of 48 of 48 tracks is not known" in found.notes[0]
    assert "track_metadata.db" in found.notes[0]


def test_an_artist_in_two_parts_is_known_of_msds_and_told_of_the_others(made: dict[str, Path], tmp_path: Path) -> None:
    laws = {}
    for variant in ("msds", "msd50"):
        root = Path(shutil.copytree(made[variant], tmp_path / variant))
        with closing(sqlite3.connect(root / "track_metadata.db")) as base:
            base.execute("UPDATE songs SET artist_id = 'ARX'")
            base.commit()
        laws[variant] = conformance.broken_by_dataset(names.load(f"msd:{variant}", root))
    assert laws["msds"] == ()
    assert any("1 group is in train and in test, first: ARX" in law for law in laws["msd50"])


def test_a_file_that_is_no_table_of_songs_is_refused(root: Path) -> None:
    (root / "track_metadata.db").write_bytes(b"no base")
    with pytest.raises(DataError, match=r"track_metadata\.db: expected a table 'songs' with track_id and artist_id"):
        names.load("msd", root)


def test_the_folder_of_the_archive_is_found_above_or_below(root: Path, made: dict[str, Path]) -> None:
    (root / "dataset").mkdir()
    (root / "lastfm_annotation").rename(root / "dataset" / "lastfm_annotation")
    assert names.load("msd", root).version == loaded(made, "msds").version


def test_without_audio_what_to_bring_is_said(root: Path) -> None:
    shutil.rmtree(root / "audio")
    with pytest.raises(MissingPart, match=r"has no audio in .*audio/A/D/I/TRAADIN128F931D672\.mp3"):
        names.load("msd", root)
    (root / "songs" / "8" / "9").mkdir(parents=True)
    (root / "songs" / "8" / "9" / "8947470.clip.mp3").write_bytes(b"x")
    with pytest.raises(MissingPart, match=r"named by 7digital's numbers, and MSD_id_to_7D_id\.pkl"):
        names.load("msd", root)


@pytest.mark.parametrize("file", ["50tagList.txt", "filtered_list_test.cP", "msd_id_to_tag_vector.cP"])
def test_missing_labels_are_named(root: Path, file: str) -> None:
    (root / "lastfm_annotation" / file).unlink()
    with pytest.raises(MissingPart, match=f"expected 'lastfm_annotation/{file}' there"):
        names.load("msd", root)


def test_audio_is_never_fetched_and_labels_only_where_a_program_can(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"cannot be fetched by a program \(dead link.*--only labels\. The audio is"):
        get("msd", tmp_path)
    with pytest.raises(MissingPart, match=r"Google Drive folder.*tag-based-music-retrieval"):
        get("msd:msd50", tmp_path, only="labels")


def test_labels_are_fetched_alone_where_the_audio_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made").mkdir()
    miniature.make(tmp_path / "made", "cals")
    packed = tmp_path / "dataset.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(tmp_path / "made" / "dataset", "dataset")
    with FlakyServer({"dataset.tar.gz": packed.read_bytes()}) as server:
        card = msd.CARDS["cals"]
        ours = tuple(replace(one, url=server.url("dataset.tar.gz")) for one in card.sources)
        monkeypatch.setitem(msd.CARDS, "cals", replace(card, sources=ours))
        got = get("msd:cals", tmp_path / "root", only="labels")
    assert got.dataset is None
    assert (tmp_path / "root" / "dataset" / "cals_annotation" / "cals_tags.npy").is_file()


def _short(root: Path) -> None:
    vectors = {track: np.zeros((49, 1)) for track in TRACKS}
    (root / "lastfm_annotation" / "msd_id_to_tag_vector.cP").write_bytes(pickle.dumps(vectors))


def _lost(root: Path) -> None:
    (root / "lastfm_annotation" / "msd_id_to_tag_vector.cP").write_bytes(pickle.dumps({}))


def _list(root: Path) -> None:
    (root / "lastfm_annotation" / "msd_id_to_tag_vector.cP").write_bytes(pickle.dumps([]))


def _songs(root: Path) -> None:
    (root / "lastfm_annotation" / "filtered_list_test.cP").write_bytes(pickle.dumps(["SOAAAAA128F0000000"]))


def _page(root: Path) -> None:
    (root / "lastfm_annotation" / "filtered_list_test.cP").write_bytes(b"<html>")


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (_short, r"msd_id_to_tag_vector\.cP: expected 50 numbers of 'TRAAAAA128F0000000'"),
        (_lost, "expected 50 numbers of 'TRAAAAA128F0000000', got None"),
        (_list, "expected a vector of tags by track, got list"),
        (_songs, "expected track ids such as TRAADIN128F931D672, got 'SOAAAAA128F0000000'"),
        (_page, r"filtered_list_test\.cP: expected a pickle of plain values, but: .* Fetch the labels again"),
    ],
)
def test_labels_that_are_not_as_published_are_refused(root: Path, spoilt: Callable[[Path], None], message: str) -> None:
    spoilt(root)
    with pytest.raises(DataError, match=message):
        names.load("msd", root)


@pytest.mark.parametrize(
    ("variant", "file", "value", "message"),
    [
        (
            "msd50",
            "reproducible_splits/sub_test_ids.npy",
            ["99//TRAAAAA128F0000000"],
            "expected 48 rows .* got '99//TR",
        ),
        ("msd50", "reproducible_splits/sub_tags.npy", ["one"], "expected a row of 1 tags for each track"),
        ("cals", "dataset/cals_annotation/test_ids.npy", [TRACKS[0]], "expected an id for each of 8 rows, got 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    made: dict[str, Path], tmp_path: Path, variant: str, file: str, value: list[str], message: str
) -> None:
    root = Path(shutil.copytree(made[variant], tmp_path / variant))
    np.save(root / file, np.array(value))
    with pytest.raises(DataError, match=message):
        names.load(f"msd:{variant}", root)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "msd500_annotation/track_tags.tsv",
            "\tgenre\t100\n",
            "\n",
            r"track_tags\.tsv:1: expected track, tag, cleaned",
        ),
        ("cals_annotation/msd_splits.tsv", "clip_ids", "ids", "with the columns clip_ids, splits; it lacks clip_ids"),
    ],
)
def test_tables_of_msd500_that_are_not_as_published_are_refused(
    made: dict[str, Path], tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    root = Path(shutil.copytree(made["msd500"], tmp_path / "msd500"))
    table = root / "dataset" / file
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        names.load("msd:msd500", root)


def test_a_tag_that_was_not_chosen_is_left_out_and_a_track_with_no_other_is_no_clip(made: dict[str, Path]) -> None:
    found = loaded(made, "msd500")
    assert "TRZZZZZ128F0000003" not in found.by_id
    assert "seen live" not in str(found.by_id[TRACKS[0]].targets["tags"])


def test_the_split_is_the_default(made: dict[str, Path]) -> None:
    assert [one.name for one in splits.resolve(loaded(made, "msd100"), None, "tags")] == ["won2021"]


def test_another_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="msd:msd50"):
        names.load("msd:msd5", tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'msd:msd50'"):
        msd.load("msd5", tmp_path)


def test_on_the_miniature_tags_are_learnt_from_log_mel(
    made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("msd50", "msd:msd50", made["msd50"], "roc_auc", tmp_path, monkeypatch)
    assert {(row.split, row.n, row.unverified) for row in scores} == {("won2021", 8, True)}
    assert min(row.value or 0 for row in scores) > 0.9
