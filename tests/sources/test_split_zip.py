"""A zip in pieces (z01, z02, … zip) is unpacked from them as they lie, as whoever cut it up meant."""

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from earmark.errors import DataError
from earmark.sources import archives
from tests.sources.archive_bytes import SPLIT, content, refusal, split_zip, zipped

TREE = {"set/a.wav": bytes(range(256)) * 300, "set/b.wav": b"", "set/deep/ü.csv": b"x;y\n", "readme": b"hello" * 900}


@pytest.fixture(autouse=True)
def _no_sync_of_every_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)


def pieces(folder: Path, archive: bytes, piece_bytes: int) -> list[Path]:
    """Write an archive in pieces of so many bytes, named as `zip -s` does."""
    cuts = range(0, len(archive), piece_bytes)
    names = [*(f"set.z{number:02}" for number in range(1, len(cuts))), "set.zip"]
    for name, cut in zip(names, cuts, strict=True):
        (folder / name).write_bytes(archive[cut : cut + piece_bytes])
    return [folder / name for name in names]


@hypothesis.given(
    st.dictionaries(st.text("abcü", min_size=1), st.binary(max_size=300), min_size=1, max_size=5),
    st.integers(64, 2000),
    st.booleans(),
    st.binary(max_size=40),
)
def test_wherever_an_archive_was_cut_all_of_it_is_unpacked(
    tree: dict[str, bytes], piece_bytes: int, is_wide: bool, comment: bytes
) -> None:
    hypothesis.assume(b"PK" not in comment)
    with tempfile.TemporaryDirectory() as name:
        parts = pieces(Path(name), split_zip(tree, piece_bytes, is_wide=is_wide, comment=comment), piece_bytes)
        archives.unpack(parts, Path(name) / "out")
        assert content(Path(name) / "out") == tree


@pytest.mark.parametrize("options", [[], ["-fz"], ["-0"]])
def test_what_debians_zip_split_is_unpacked(options: list[str], tmp_path: Path) -> None:
    if shutil.which("zip") is None:
        pytest.skip("zip is not installed: apt-get install zip")
    tree = TREE | {f"set/{number}.bin": os.urandom(50_000) for number in range(4)}
    for path, held in tree.items():
        (tmp_path / "from" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / path).write_bytes(held)
    command = ["zip", "-q", "-r", "-s", "64k", *options, "../packed.zip", "."]
    subprocess.run(command, cwd=tmp_path / "from", check=True)
    parts = [*sorted(tmp_path.glob("packed.z[0-9]*")), tmp_path / "packed.zip"]
    assert len(parts) >= 4
    archives.unpack(parts, tmp_path / "out")
    assert content(tmp_path / "out") == tree


def test_pieces_of_more_than_four_gigabytes_together_are_read(tmp_path: Path) -> None:
    far = 5 << 30
    (tmp_path / "set.z01").write_bytes(SPLIT)
    with (tmp_path / "set.z01").open("r+b") as file:
        file.truncate(far)  # a hole: no disk is taken
    archive = split_zip({"a": b"one", "b": b"two"}, 1 << 31)
    told = archive[4:].replace(struct.pack("<I", 4), struct.pack("<I", 0))  # the first member begins the second piece
    names = bytearray(told)
    for name, offset in ((b"a", 0), (b"b", told.rindex(b"PK\x03\x04"))):
        entry = names.index(b"PK\x01\x02", 0 if name == b"a" else names.index(b"PK\x01\x02") + 1)
        struct.pack_into("<H", names, entry + 34, 1)
        struct.pack_into("<I", names, entry + 42, offset)
    struct.pack_into("<HH", names, names.rindex(b"PK\x05\x06") + 4, 1, 1)
    struct.pack_into("<I", names, names.rindex(b"PK\x05\x06") + 16, names.index(b"PK\x01\x02"))
    (tmp_path / "set.zip").write_bytes(names)
    archives.unpack([tmp_path / "set.z01", tmp_path / "set.zip"], tmp_path / "out")
    assert content(tmp_path / "out") == {"a": b"one", "b": b"two"}


@pytest.mark.parametrize("marker", [SPLIT, b"PK00"])
def test_what_was_to_be_split_and_fitted_into_one_piece_is_unpacked(marker: bytes, tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(marker + zipped(TREE))
    archives.unpack([tmp_path / "set.zip"], tmp_path / "out")
    assert content(tmp_path / "out") == TREE


def test_a_piece_too_few_is_told_by_how_many_there_are(tmp_path: Path) -> None:
    parts = pieces(tmp_path, split_zip(TREE, 20_000), 20_000)
    assert len(parts) == 5
    said = refusal([*parts[:2], *parts[3:]], tmp_path)
    assert "was split into 5 pieces, and 4 came" in said
    assert "Fetch them all, and name them in order" in said


@pytest.mark.parametrize("is_wide", [False, True])
def test_pieces_in_another_order_are_refused(is_wide: bool, tmp_path: Path) -> None:
    parts = pieces(tmp_path, split_zip(TREE, 20_000, is_wide=is_wide), 20_000)
    assert "is damaged" in refusal([parts[0], parts[2], parts[1], *parts[3:]], tmp_path)


@hypothesis.settings(max_examples=200)
@hypothesis.given(st.integers(1, 400), st.binary(min_size=1, max_size=4), st.booleans())
def test_a_damaged_table_is_refused_or_says_the_same(from_end: int, bytes_there: bytes, is_wide: bool) -> None:
    tree = {"a": b"one" * 20, "b": b"two"}
    archive = bytearray(split_zip(tree, 100, is_wide=is_wide))
    place = max(4, len(archive) - from_end)
    damaged = (bytes(archive[:place]) + bytes_there + bytes(archive[place + len(bytes_there) :]))[: len(archive)]
    with tempfile.TemporaryDirectory() as name:
        try:
            archives.unpack(pieces(Path(name), damaged, 100), Path(name) / "out")
        except DataError:
            assert content(Path(name) / "out") == {}
        else:
            assert set(content(Path(name) / "out").values()) <= {*tree.values(), b""}
