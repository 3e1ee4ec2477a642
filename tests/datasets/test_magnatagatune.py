"""MagnaTagATune in its real layout: tags as published, folders as splits, the clips that no tag of the 50 names."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from earmark import audio, conformance
from earmark.datasets import magnatagatune, names, splits
from earmark.datasets._labels import classes_of
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.nouns import Clip, Source
from tests.miniatures import magnatagatune as miniature

TRACK = "artist_1-album_d-01-piece"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("magnatagatune")
    miniature.make(folder)
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return magnatagatune.load("", root)


def ids_in(dataset: Dataset, folders: str) -> set[str]:
    return {clip.id for clip in dataset.clips if clip.path.parent.name in folders}


def tags_of(clip: Clip, label: str = "tags") -> set[str]:
    return set(classes_of(clip.targets[label]))


def untagged(dataset: Dataset) -> set[str]:
    return {clip.id for clip in dataset.clips if clip.targets["tags"] == ()}


def test_the_miniature_keeps_the_laws_of_a_dataset(dataset: Dataset) -> None:
    assert conformance.broken_by_dataset(dataset) == ()
    assert dataset.name == "magnatagatune"
    assert len(dataset.clips) == 74


def test_a_clip_has_its_published_id_its_file_and_the_track_of_its_name(root: Path, dataset: Dataset) -> None:
    clip = dataset.by_id["2"]
    assert clip.path == root / "mp3" / "0" / "artist_0-album_0-01-piece-0-29.mp3"
    assert clip.group == "artist_0-album_0-01-piece"
    found = audio.info(clip.path)
    assert (found.sample_rate, found.channels) == (16000, 1)


def test_tags_are_of_the_50_and_all_tags_keep_every_spelling(dataset: Dataset) -> None:
    clip = next(clip for clip in dataset.clips if "clasical" in tags_of(clip, "all_tags"))
    assert tags_of(clip) == tags_of(clip, "all_tags") - {"clasical"}
    assert {"classical", "beat", "beats"} <= tags_of(clip)
    assert dataset.labels == ("all_tags", "tags")


def test_the_50_tags_are_columns_of_the_188() -> None:
    assert len(set(magnatagatune.TOP_50)) == 50
    assert len(set(miniature.TAGS)) == 188
    assert set(magnatagatune.TOP_50) < set(miniature.TAGS)


def test_folders_are_the_splits_train_0_to_b_valid_c_test_d_to_f(dataset: Dataset) -> None:
    (split,) = dataset.splits["with_untagged"]
    assert set(split.train) == ids_in(dataset, "0123456789ab")
    assert set(split.valid) == ids_in(dataset, "c")
    assert set(split.test) == ids_in(dataset, "def")


def test_won2020_is_the_same_without_the_clips_that_have_none_of_the_50_tags(dataset: Dataset) -> None:
    (won,), (whole,) = dataset.splits["won2020"], dataset.splits["with_untagged"]
    assert len(untagged(dataset)) == 4
    for part, every in zip((won.train, won.valid, won.test), (whole.train, whole.valid, whole.test), strict=True):
        assert untagged(dataset) & set(every)
        assert set(part) == set(every) - untagged(dataset)


def test_won2020_is_the_default_for_the_50_tags_and_not_offered_for_all_of_them(dataset: Dataset) -> None:
    assert [found.name for found in splits.resolve(dataset, None, "tags")] == ["won2020"]
    assert [found.name for found in splits.resolve(dataset, None, "all_tags", "all")] == ["with_untagged"]


def test_every_one_of_the_50_tags_is_in_each_part_of_the_miniature(dataset: Dataset) -> None:
    (split,) = dataset.splits["won2020"]
    for part in (split.train, split.valid, split.test):
        tags = {tag for name in part for tag in tags_of(dataset.by_id[name])}
        assert tags == set(magnatagatune.TOP_50)


def test_the_published_sizes_are_those_of_the_clips_without_the_three_broken_ones() -> None:
    won, whole = magnatagatune.CARD.splits
    assert sum(won.sizes[0]) == 21_108
    assert sum(whole.sizes[0]) == magnatagatune.CARD.n_clips == 25_863 - len(magnatagatune.CARD.bad)


def test_the_three_files_of_no_bytes_are_left_out_of_clips_and_splits_and_named(root: Path, dataset: Dataset) -> None:
    bad = {"35644", "55753", "57881"}
    table = (root / "annotations_final.csv").read_text("utf-8")
    assert all(f'\n"{name}"\t' in table for name in bad)
    assert not bad & dataset.by_id.keys()
    assert not bad & {name for split in dataset.splits["with_untagged"] for name in split.train}
    assert [note for note in dataset.notes if "35644" in note and "norine_braun" in note]
    assert len(dataset.notes) == 3


def test_excerpts_of_a_track_are_a_group_and_artists_lie_in_train_and_in_test(dataset: Dataset) -> None:
    assert len([clip for clip in dataset.clips if clip.group == TRACK]) == 2
    (split,) = dataset.splits["won2020"]
    parts = [{str(dataset.by_id[name].group).partition("-")[0] for name in ids} for ids in (split.train, split.test)]
    assert parts[0] & parts[1]
    assert all("Artists straddle" in card.leak for card in dataset.card.splits)


@pytest.mark.parametrize("folder", ["mp3", "audio", "."])
def test_audio_is_found_where_users_unpack_it(root: Path, dataset: Dataset, folder: str) -> None:
    (root / "mp3").rename(root / "unpacked")
    (root / folder).mkdir(exist_ok=True)
    for part in (root / "unpacked").iterdir():
        part.rename(root / folder / part.name)
    found = magnatagatune.load("", root)
    assert found.by_id["2"].path == root / folder / "0" / "artist_0-album_0-01-piece-0-29.mp3"
    assert conformance.broken_by_dataset(found) == ()
    assert found.version == dataset.version


def test_annotations_may_lie_in_a_metadata_folder(root: Path, dataset: Dataset) -> None:
    (root / "metadata").mkdir()
    (root / "annotations_final.csv").rename(root / "metadata" / "annotations_final.csv")
    assert magnatagatune.load("", root).version == dataset.version


def test_a_single_missing_file_stays_listed(root: Path, dataset: Dataset) -> None:
    dataset.by_id["2"].path.unlink()
    assert "2" in magnatagatune.load("", root).by_id


def test_missing_annotations_or_audio_are_named_with_the_line_to_type(root: Path) -> None:
    (root / "mp3").rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=r"expected 'mp3/0' there\. Type: earmark get dataset magnatagatune"):
        magnatagatune.load("", root)
    (root / "annotations_final.csv").unlink()
    with pytest.raises(MissingPart, match=r"'annotations_final\.csv'.*earmark get dataset magnatagatune"):
        magnatagatune.load("", root)


@pytest.mark.parametrize(
    ("published", "changed", "message"),
    [
        ('"\t"', '","', r"tabs between clip_id.*head of 1 cells"),
        ('"clip_id"', '"id"', r"tabs between clip_id.*head of 190 cells"),
        ('"guitar"', '"gitarre"', r"the 50 most frequent among them"),
        ('\n"2"\t"0"\t', '\n"2"\t"0.5"\t', r":2: expected a clip id, 188 cells of 0 or 1"),
        ('\n"2"\t"0"\t', '\n"2"\t', r":2: .*got 189 cells that end in '0/artist"),
        ("0/artist_0-album_0-01-piece-0-29.mp3", "", r":2: .*got 190 cells that end in ''"),
    ],
)
def test_annotations_that_are_not_as_published_are_refused(
    root: Path, published: str, changed: str, message: str
) -> None:
    table = root / "annotations_final.csv"
    table.write_text(table.read_text("utf-8").replace(published, changed), "utf-8")
    with pytest.raises(DataError, match=message):
        magnatagatune.load("", root)


def test_a_variant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no variants, got 'magnatagatune:top50'\. Write 'magnatagatune'"):
        magnatagatune.load("top50", tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'magnatagatune'"):
        names.load("magnatagatune:top50", tmp_path)


def test_the_three_parts_are_one_archive_that_unpacks_to_what_is_read(root: Path, dataset: Dataset) -> None:
    parts = miniature.archive(root)
    sources = [source for source in magnatagatune.CARD.sources if source.part_of == "mp3.zip"]
    assert [Path(source.path).name for source in sources] == [part.name for part in parts]
    assert {(source.unpack_into, source.holds) for source in sources} == {("mp3", "audio")}
    (root / "mp3").rename(root / "before")
    joined = root / "joined.zip"
    joined.write_bytes(b"".join((root / source.path).read_bytes() for source in sources))
    with zipfile.ZipFile(joined) as file:
        file.extractall(root / str(sources[0].unpack_into))
    found = magnatagatune.load("", root)
    assert found.version == dataset.version
    assert conformance.broken_by_dataset(found) == ()


def test_every_source_has_an_md5_a_licence_and_a_mirror_of_the_same_name() -> None:
    def is_whole(source: Source) -> bool:
        name = source.url.rpartition("/")[2]
        same = all(mirror.endswith(f"/{name}") for mirror in source.mirrors)
        return same and bool(source.mirrors) and source.checksum.startswith("md5:") and len(source.checksum) == 36

    assert len(magnatagatune.CARD.sources) == 4
    assert all(is_whole(source) and "BY-NC-SA" in source.licence for source in magnatagatune.CARD.sources)
    assert sum(source.size_bytes or 0 for source in magnatagatune.CARD.sources) == 2_972_769_864


def test_the_miniature_is_the_same_each_time_and_its_sound_tells_its_tags(tmp_path: Path, dataset: Dataset) -> None:
    miniature.make(tmp_path / "again")
    again = magnatagatune.load("", tmp_path / "again")
    assert [clip.path.read_bytes() for clip in again.clips] == [clip.path.read_bytes() for clip in dataset.clips]
    for clip in dataset.clips[:48]:
        samples = audio.read(clip.path).samples
        loudest_hz = 16000 / len(samples) * np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax()
        kind = round(np.log(loudest_hz / 150) / np.log(1.45))
        assert magnatagatune.TOP_50[kind] in tags_of(clip)


def test_a_table_in_another_encoding_or_that_is_no_table_is_named_with_its_place(root: Path) -> None:
    table = root / "annotations_final.csv"
    content = table.read_bytes()
    table.write_bytes(b"\xef\xbb\xbf" + content)
    assert len(magnatagatune.load("", root).clips) > 40
    table.write_bytes(content + b"\xe9")
    with pytest.raises(DataError, match=rf"expected UTF-8 text \(.* at byte {len(content)}\)\. Fetch the file again"):
        magnatagatune.load("", root)
    table.write_bytes(content + b'"' + b"x" * 200_000)
    with pytest.raises(DataError, match=r"csv:\d+: expected a table, but: field larger .* Fetch the file again"):
        magnatagatune.load("", root)
