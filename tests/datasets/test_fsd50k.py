"""FSD50K is read as it was published: labels with those above them, the publisher's split and HEAR's, uploaders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import fsd50k, names
from earmark.datasets.base import Dataset
from earmark.datasets.get import get
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.datasets.learning import learnt
from tests.miniatures import fsd50k as miniature

TRUTH, METADATA = "FSD50K.ground_truth", "FSD50K.metadata"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fsd50k")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "fsd50k"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("fsd50k", published)


def test_a_row_is_a_clip_with_its_labels_and_its_uploader(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 44
    clip = found.by_id["64007"]
    assert clip.path == published / "FSD50K.dev_audio/64007.wav"
    assert clip.targets == {"tags": miniature.SOUNDS[0]}
    assert clip.group == "train_0"
    assert found.clips[-1].path.parent == published / "FSD50K.eval_audio"
    assert found.notes == ()


def test_the_split_is_the_publishers_and_eval_is_the_test_part(found: Dataset) -> None:
    (split,) = found.splits["official"]
    assert (len(split.train), len(split.valid), len(split.test)) == (24, 8, 12)
    assert {str(found.by_id[name].group)[:4] for name in split.valid} == {"val_"}
    assert {found.by_id[name].path.parent.name for name in split.test} == {"FSD50K.eval_audio"}


def test_hears_split_is_the_same_without_what_lasts_too_long(found: Dataset) -> None:
    (whole,), (hear,) = found.splits["official"], found.splits["hear"]
    assert set(whole.train) - set(hear.train) == {str(miniature.TOO_LONG)}
    assert (hear.valid, hear.test) == (whole.valid, whole.test)
    assert len(fsd50k.TOO_LONG) == 12


def test_every_law_holds_and_all_files_are_there(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()


def test_without_the_metadata_clips_have_no_groups_and_a_note_says_so(root: Path, found: Dataset) -> None:
    shutil.rmtree(root / METADATA)
    other = names.load("fsd50k", root)
    assert {clip.group for clip in other.clips} == {None}
    assert len(other.notes) == 2
    assert "the clips of dev have no groups, for FSD50K.metadata is not there. Type: earmark get" in other.notes[0]


def test_the_archives_of_labels_unpack_to_what_is_read(root: Path, found: Dataset) -> None:
    packed = miniature.archive(root)
    sources = [one for one in found.card.sources if one.holds == "labels"]
    assert packed == [root / one.path for one in sources]
    for name in (TRUTH, METADATA):
        shutil.rmtree(root / name)
    for path, source in zip(packed, sources, strict=True):
        archives.unpack([path], root / str(source.unpack_into))
    assert names.load("fsd50k", root).version == found.version


def test_get_makes_the_audio_of_the_pieces_as_they_lie(
    root: Path, found: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tuple(replace(one, checksum="") for one in found.card.sources)
    monkeypatch.setattr(fsd50k, "CARDS", {"": replace(found.card, sources=sources)})
    packed = [*miniature.archive(root), *miniature.split(root)]
    assert packed == [root / one.path for one in sources], "the pieces stand in order"
    for name in (TRUTH, METADATA, *fsd50k.AUDIO.values()):
        shutil.rmtree(root / name)
    got = get("fsd50k", root)
    assert got.dataset is not None
    assert got.dataset.version == found.version
    assert conformance.broken_by_dataset(got.dataset) == ()
    assert set(root.rglob("*.z*")) == set(packed), "no joined copy is left"


@pytest.mark.parametrize(
    "lost",
    [f"{TRUTH}/vocabulary.csv", f"{TRUTH}/dev.csv", f"{TRUTH}/eval.csv", "FSD50K.dev_audio", "FSD50K.eval_audio"],
)
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset fsd50k"):
        names.load("fsd50k", root)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("dev.csv", "mids,split", "mids,part", "with the columns fname, labels, split; it lacks split"),
        ("dev.csv", ",val\n", ",valid\n", "a split of train or val, got 'valid'"),
        ("eval.csv", "Crushing", "Crash", "expected labels of vocabulary.csv .* got 'Crash'"),
        ("eval.csv", "Crushing", "", "expected labels of vocabulary.csv .* got ''"),
        ("vocabulary.csv", "0,", "0,0,", "expected rows of a number, a label and a mid, without a head"),
    ],
)
def test_another_table_is_refused(root: Path, file: str, old: str, new: str, message: str) -> None:
    table = root / TRUTH / file
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"{message}[\s\S]*earmark get dataset fsd50k --only labels"):
        names.load("fsd50k", root)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "expected JSON, but"), (json.dumps({"64007": {}}), "clips by id, each with its uploader")],
)
def test_metadata_that_is_not_as_published_is_refused(root: Path, text: str, message: str) -> None:
    (root / METADATA / "dev_clips_info_FSD50K.json").write_text(text)
    with pytest.raises(DataError, match=message):
        names.load("fsd50k", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'fsd50k:dev'"):
        fsd50k.load("dev", root)
    with pytest.raises(UnknownName, match="fsd50k"):
        names.load("fsd50k:dev", root)


def test_on_the_miniature_labels_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("fsd50k_hear", "fsd50k", published, "average_precision", tmp_path, monkeypatch)
    assert {(row.split, row.n) for row in scores} == {("hear", 12)}
    assert min(row.value or 0 for row in scores) > 0.8
