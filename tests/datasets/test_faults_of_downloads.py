"""Real downloads have byte-order marks, other line ends, empty lines, and lie too deep or packed: read, or said so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from earmark.datasets import names
from earmark.datasets.base import need
from earmark.errors import DataError, MissingPart
from tests.miniatures import all_music_moods, emomusic, fma, giantsteps_key, gtzan, msd, mumu, musicnet


def _msd500(root: Path) -> None:
    msd.make(root, "msd500")


MADE: dict[str, Callable[[Path], object]] = {
    "all-music-moods": all_music_moods.make,
    "emomusic": emomusic.make,
    "fma": fma.make,
    "giantsteps-key": giantsteps_key.make,
    "gtzan": gtzan.make,
    "msd": msd.make,
    "msd:msd500": _msd500,
    "mumu": mumu.make,
    "musicnet": musicnet.make,
}
TABLES = (".csv", ".tsv", ".txt")
MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


@pytest.mark.parametrize("name", MADE)
def test_marks_line_ends_and_empty_lines_change_nothing(name: str, tmp_path: Path) -> None:
    MADE[name](tmp_path)
    before = names.load(name, tmp_path)
    tables = [path for path in sorted(tmp_path.rglob("*")) if path.suffix in TABLES]
    assert tables
    for path in tables:
        lines = path.read_bytes().decode().replace("\r\n", "\n")
        path.write_bytes(f"{MARK}{lines}\n\n".replace("\n", "\r\n").encode())
    after = names.load(name, tmp_path)
    assert (after.version, after.notes) == (before.version, before.notes)


def test_excerpts_of_gtzan_are_found_below_a_folder_of_the_copy_and_its_pictures_are_not_taken_for_them(
    tmp_path: Path,
) -> None:
    gtzan.make(tmp_path)
    before = names.load("gtzan", tmp_path)
    (tmp_path / "archive" / "Data").mkdir(parents=True)
    (tmp_path / "genres").rename(tmp_path / "archive" / "Data" / "genres_original")
    picture = tmp_path / "archive" / "Data" / "Images" / "blues" / "blues00000.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"\x89PNG")
    after = names.load("gtzan", tmp_path)
    assert after.version == before.version
    assert all(clip.path.is_file() for clip in after.clips)


def test_a_copy_that_lies_one_or_two_folders_too_deep_is_named(tmp_path: Path) -> None:
    for depth in ("a [copy]", "b/c"):
        root = tmp_path / depth[0]
        (root / depth / "labels").mkdir(parents=True)
        (root / depth / "labels" / "all.csv").touch()
        with pytest.raises(MissingPart) as said:
            need(root / "labels" / "all.csv", "gtzan", root)
        assert f"It is in '{root / depth}': add --dir {root / depth}, or move what is there up." in str(said.value)


def test_archives_that_nobody_unpacked_are_named_and_nothing_is_said_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"dir: in the experiment\)$"):
        need(tmp_path / "fma_small", "fma", tmp_path)
    for name in ("fma_small.zip", "fma_metadata.zip"):
        (tmp_path / name).touch()
    with pytest.raises(MissingPart, match=r"Not unpacked there: fma_metadata\.zip, fma_small\.zip\.$"):
        need(tmp_path / "fma_small", "fma", tmp_path)


def test_a_row_that_is_cut_short_is_told_by_its_line_and_never_dropped(tmp_path: Path) -> None:
    fma.make(tmp_path)
    genres = tmp_path / "fma_metadata" / "genres.csv"
    genres.write_text(genres.read_text() + "9999\n")
    with pytest.raises(DataError, match=r"genres\.csv:7: expected 5 cells, got 1\. Type: earmark get dataset fma"):
        names.load("fma", tmp_path)
