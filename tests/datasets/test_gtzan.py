"""GTZAN is read as it lies about: archive or copy, the published lists, the artists, and the file that is broken."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import earmark
from earmark import conformance
from earmark.datasets import gtzan, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.miniatures import gtzan as miniature

LISTS = (
    "train_filtered.txt",
    "valid_filtered.txt",
    "test_filtered.txt",
    "f1_train_groups.txt",
    "f1_evaluate_groups.txt",
)

FITTING = "epochs: 300, patience: 50, learning_rate: 0.01, batch_size: 16, standardise: true"  # for so few clips


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gtzan")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "gtzan"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("gtzan", published)


def test_an_excerpt_is_a_clip_with_its_folder_as_genre_and_its_artist_as_group(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 83
    clip = found.by_id["hiphop.00002"]
    assert clip.path == published / "genres/hiphop/hiphop.00002.wav"
    assert clip.targets == {"genre": "hiphop"}
    assert clip.group == found.by_id["hiphop.00000"].group == "artist 40"
    assert found.by_id["rock.00007"].group is None, "the list of artists has no faulty excerpt"


def test_the_split_is_the_three_lists_in_their_order_without_the_broken_file(found: Dataset, published: Path) -> None:
    (split,) = found.splits["fault_filtered"]
    for part, ids in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        lines = (published / "splits" / f"{part}_filtered.txt").read_text().splitlines()
        assert list(ids) == [Path(line).stem for line in lines if line != miniature.BROKEN]
    assert not [one for one in (*split.train, *split.valid, *split.test) if one.endswith("00007")]
    assert "jazz.00054" not in found.by_id
    assert any("jazz.00054 (cannot be decoded" in note for note in found.notes)


def test_the_split_is_the_default_and_its_card_counts_what_is_left_of_443() -> None:
    (card,) = gtzan.CARD.splits
    assert card.sizes == ((443 - len(gtzan.CARD.bad), 197, 290),)
    assert gtzan.CARD.n_clips == 1000 - len(gtzan.CARD.bad)


def test_the_folds_of_hear_are_not_claimed_and_drawn_ones_keep_artists_whole(found: Dataset) -> None:
    assert set(found.splits) == {"fault_filtered"}
    folds = splits.resolve(found, None, "genre", "kfold-4")
    for fold in folds:
        parts = [{found.by_id[one].group for one in ids} - {None} for ids in (fold.split.train, fold.split.test)]
        assert not parts[0] & parts[1]


def test_every_law_holds_and_the_one_artist_in_two_parts_is_the_one_that_the_card_names(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()
    (split,) = found.splits["fault_filtered"]
    parts = [{found.by_id[one].group for one in ids} for ids in (split.train, split.valid, split.test)]
    assert parts[0] & parts[2] == {"artist 138"}
    assert not parts[1] & (parts[0] | parts[2])
    assert all(one in found.card.splits[0].leak for one in miniature.STRADDLING)


def _kaggle(root: Path) -> None:
    (root / "Data").mkdir()
    (root / "genres").rename(root / "Data" / "genres_original")


def _mirdata(root: Path) -> None:
    (root / "gtzan_genre").mkdir()
    (root / "genres").rename(root / "gtzan_genre" / "genres")


def _flat(root: Path) -> None:
    for folder in (root / "genres", root / "splits"):
        for path in folder.iterdir():
            path.rename(root / path.name)


def _sun(root: Path) -> None:
    for path in (root / "genres").glob("*/*.wav"):
        path.rename(path.with_suffix(".au"))


@pytest.mark.parametrize("copied", [_kaggle, _mirdata, _flat, _sun])
def test_every_copy_is_the_same_dataset(root: Path, found: Dataset, copied: Callable[[Path], None]) -> None:
    copied(root)
    other = names.load("gtzan", root)
    assert other.version == found.version
    assert all(clip.path.is_file() for clip in other.clips)


def test_a_file_of_a_list_that_is_not_there_is_listed_and_one_of_no_list_is_too(root: Path) -> None:
    (root / "genres/blues/blues.00000.wav").unlink()
    (root / "genres/blues/._blues.00001.wav").write_bytes(b"\0\5\x16\7")
    found = names.load("gtzan", root)
    assert not found.by_id["blues.00000"].path.exists()
    assert found.by_id["blues.00000"].path.name == "blues.00000.wav"
    assert found.by_id["blues.00007"].path.is_file()
    assert len(found.clips) == 83


@pytest.mark.parametrize("lost", [*(f"splits/{name}" for name in LISTS), "genres"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root.parent / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset gtzan"):
        names.load("gtzan", root)


def test_the_sources_are_the_five_lists_and_the_archive_which_unpacks_to_what_is_read(
    root: Path, found: Dataset
) -> None:
    labels = {source.path for source in found.card.sources if source.holds == "labels"}
    assert labels == {f"splits/{name}" for name in LISTS}
    assert all("master" not in source.url for source in found.card.sources), "a branch may move, a commit may not"
    (audio,) = (source for source in found.card.sources if source.holds == "audio")
    packed = miniature.archive(root)
    assert [root / audio.path] == packed
    archives.unpack(packed, root / str(audio.unpack_into))
    assert names.load("gtzan", root).version == found.version


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        (
            "train_filtered.txt",
            "<html>",
            r"txt:44: expected a file once, such as blues/blues\.00029\.wav, got '<html>'",
        ),
        ("test_filtered.txt", "jazz/jazz.00005.wav", "expected a file once"),
        ("f1_train_groups.txt", "./blues_00012.wav 1", "a file and its artist's number with a tab"),
        ("f1_evaluate_groups.txt", "./polka_00012.wav\t1", "a file and its artist's number with a tab"),
    ],
)
def test_a_list_that_is_not_as_published_is_refused_with_its_line(
    root: Path, name: str, line: str, message: str
) -> None:
    path = root / "splits" / name
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(DataError, match=rf"{message}[\s\S]*earmark get dataset gtzan --only labels"):
        names.load("gtzan", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'gtzan:mini'"):
        gtzan.load("mini", root)
    with pytest.raises(UnknownName, match="gtzan"):
        names.load("gtzan:mini", root)


def test_on_the_miniature_genre_is_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "gtzan.yml"
    file.write_text(
        f"""name: gtzan-miniature
resamples: 20
experiments:
  - task: gtzan_genre
    datasets: [{{name: gtzan, dir: {published}}}]
    representations: [logmel]
    probes: [{{preset: mir_ref-fixed, only: [M1], {FITTING}}}]
    seeds: [0]
"""
    )
    done = earmark.run(file, quiet=True)
    assert not done.failures
    scores = [row for row in done.rows if row.probe != "constant" and row.metric == "accuracy" and row.label is None]
    assert {row.split for row in scores} == {"fault_filtered"}
    assert min(row.value or 0 for row in scores) > 0.5, "ten genres: chance is 0.1"
    assert {row.n for row in scores} == {21}
