"""AudioSet is read as far as it was fetched: the lists as published, files by the name of their video."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import audioset, get, names
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName
from tests.datasets.learning import learnt
from tests.miniatures import audioset as miniature


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("audioset")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "audioset"))


@pytest.fixture(scope="module")
def full(published: Path) -> Dataset:
    return names.load("audioset:full", published)


def test_a_segment_whose_file_is_here_is_a_clip_by_its_video(full: Dataset, published: Path) -> None:
    assert len(full.clips) == 16 + 12 + 12 - len(miniature.GONE)
    clip = full.by_id["--bal03_-xY"]
    assert clip.path == published / "audios/balanced_train_segments/Y--bal03_-xY.wav"
    assert clip.targets == {"tags": ('Shofar, "horn"', "Speech")}
    assert all(one.path.is_file() for one in full.clips)


def test_what_is_gone_is_counted_by_list(full: Dataset) -> None:
    assert full.notes == (
        "audioset:full: of 16 segments of balanced_train_segments.csv, 15 have a file here",
        "audioset:full: of 12 segments of unbalanced_train_segments.csv, 11 have a file here",
    )


def test_the_lists_are_the_parts_of_the_split(full: Dataset, published: Path) -> None:
    balanced, unbalanced, test = (
        {video for video in one.videos if video not in miniature.GONE} for one in miniature.LISTS
    )
    (fold,) = full.splits["official"]
    assert (set(fold.train), fold.valid, set(fold.test)) == (balanced | unbalanced, (), test)
    (fold,) = names.load("audioset", published).splits["official"]
    assert (set(fold.train), set(fold.test)) == (balanced, test)


def test_what_is_trained_on_has_nothing_of_the_evaluation_list(published: Path) -> None:
    found = names.load("audioset:train", published)
    assert not found.splits
    assert not {clip.id for clip in found.clips} & {*miniature.LISTS[2].videos}
    assert len(found.clips) == 26


def test_it_keeps_the_laws(full: Dataset) -> None:
    assert conformance.broken_by_dataset(full) == ()


def test_the_plain_name_is_the_balanced_part(published: Path) -> None:
    found = names.load("audioset", published)
    assert found.name == "audioset:balanced"
    assert found.version == names.load("audioset:balanced", published).version


@pytest.mark.parametrize(
    "stem", ["{}", "Y{}", "{}_30", "{}_30_40", "{}_30.000_40.000", "{}-30-40", "Y{}_30.000_40.000"]
)
@pytest.mark.parametrize("video", ["--PJHxphWEs", "Yabc_defghi", "_0123456-_Y", "YYYYYYYYYYY", "abc_0123_45"])
def test_a_file_is_of_its_video_however_downloads_name_it(stem: str, video: str) -> None:
    assert audioset._video(stem.format(video), {video, "another-one"}) == video


@pytest.mark.parametrize("stem", ["cover", "Ycover_30_40", "--PJHxphWEs_copy", "Z--PJHxphWEs"])
def test_other_files_are_of_no_video(stem: str) -> None:
    assert audioset._video(stem, {"--PJHxphWEs"}) is None


def test_lists_beside_the_audio_are_found(root: Path, full: Dataset) -> None:
    for file in (root / "metadata").iterdir():
        file.rename(root / file.name)
    assert names.load("audioset:full", root).version == full.version


def test_two_files_of_one_video_are_named(root: Path) -> None:
    shutil.copy(root / "audios/eval_segments/eval_03-abc.flac", root / "audios/eval_03-abc_30_40.flac")
    with pytest.raises(DataError, match=r"Two files are of the video eval_03-abc: .* remove one file"):
        names.load("audioset", root)


def test_without_audio_it_says_what_to_bring(root: Path) -> None:
    shutil.rmtree(root / "audios")
    with pytest.raises(MissingPart, match=r"has no audio in .* bring a copy of yours"):
        names.load("audioset", root)


@pytest.mark.parametrize("lost", ["eval_segments.csv", "class_labels_indices.csv"])
def test_a_missing_list_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / "metadata" / lost).unlink()
    with pytest.raises(MissingPart, match=rf"expected '{lost}' .*get dataset audioset:balanced --only labels "):
        names.load("audioset", root)


def test_it_cannot_be_fetched_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"cannot be fetched by a program .* on YouTube and may not be passed on"):
        get.get("audioset", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", 30.000, 40.000", ",30.000,40.000", r"eval_segments\.csv:4: expected a line such as --PJHxphWEs, 30\.000"),
        ("eval_02-abc,", "eval_02,", r"eval_segments\.csv:6: expected a line such as"),
        ("/m/0k4j", "/m/other", r"eval_02-abc is of /m/other, of which class_labels_indices\.csv knows nothing"),
    ],
)
def test_another_list_is_refused(root: Path, old: str, new: str, message: str) -> None:
    table = root / "metadata" / "eval_segments.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        names.load("audioset", root)


def test_a_variant_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(UnknownName, match="audioset:balanced"):
        names.load("audioset:strong", root)


def test_its_tags_can_be_learnt(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = "{name: audioset_tags, label: tags, kind: multilabel}"
    rows = learnt(task, "audioset", published, "average_precision", tmp_path, monkeypatch)
    assert [row.unverified for row in rows] == [True] * len(rows)
    assert max(row.value or 0 for row in rows) > 0.6
