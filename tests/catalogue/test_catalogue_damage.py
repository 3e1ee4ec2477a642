"""Bytes that rot in a catalogue: each loss is told, no other track suffers, and what a crash leaves is no loss."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark import catalogue
from earmark.catalogue import listing, parts, writing
from earmark.catalogue.listing import FILES, SCHEMA
from earmark.catalogue.parts import RECORD, RECORDS, ROWS
from earmark.store import lines
from tests.catalogue.sounding_files import NETWORK, folder_of, held
from tests.full_disk import full_from

N = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of five files, one part; the third has labels."""
    root = tmp_path_factory.mktemp("rot")
    folder_of(root / "music", N, 0.3)
    lines_of = [f"music/{path.relative_to(root / 'music')}" for path in sorted((root / "music").rglob("*.wav"))]
    (root / "m.csv").write_text(
        "path,genre\n" + "\n".join(f"{one},{'rock' * (at == 2)}" for at, one in enumerate(lines_of))
    )
    catalogue.add(root / "cat", [root / "m.csv"], NETWORK)
    return root / "cat"


@pytest.fixture
def cat(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "cat"))


def only(cat: Path, suffix: str) -> Path:
    (path,) = cat.glob("*" + suffix)
    return path


def flip(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def harm(cat: Path) -> list[str]:
    return [one for one in catalogue.verify(cat) if "harmless" not in one]


@pytest.mark.parametrize("record", range(N))
@pytest.mark.parametrize("at", [0, 16, 28, 32, 34, 35, 36])
def test_a_bit_flipped_in_a_record_is_told_and_takes_one_sound_track_with_it_at_most(
    cat: Path, made: Path, record: int, at: int
) -> None:
    sound = set(catalogue.load(cat).contents())
    flip(only(cat, RECORDS), record * RECORD.itemsize + at)
    told = harm(cat)
    assert any(f"row {record} is damaged; compact drops its track" in one for one in told)
    assert len(sound.intersection(catalogue.load(cat).contents())) >= N - 2
    catalogue.compact(cat)
    assert harm(cat) == []
    assert len(sound.intersection(catalogue.load(cat).contents())) >= N - 2
    catalogue.add(cat, [made.parent / "m.csv"])
    assert held(cat)["rows"] == held(made)["rows"]


@pytest.mark.parametrize("bit", [1, 17, 18, 31])
def test_no_file_gets_the_rows_of_another_where_a_record_lost_its_end(cat: Path, made: Path, bit: int) -> None:
    """After the next add each file has its own rows again, once, though nobody has looked for damage."""
    flip(only(cat, RECORDS), 32 + bit // 8, bit % 8)
    catalogue.add(cat, [made.parent / "m.csv"])
    expected = {one.key: made_rows.tobytes() for one, made_rows in rows_of(made)}
    assert {one.key: found.tobytes() for one, found in rows_of(cat)} == expected
    assert sorted(key for block in catalogue.load(cat).blocks() for key in block.keys) == sorted(expected)


def rows_of(cat: Path) -> list[tuple[listing.Entry, np.ndarray]]:
    opened = catalogue.load(cat)
    return [(one, opened.rows_of(one.key)) for one in listing.entries(opened.files)]


@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
def test_rows_whose_every_line_is_damaged_are_left_out_of_exports_and_tags(
    cat: Path, tmp_path: Path, name: str
) -> None:
    flip(only(cat, FILES), 5, 7)
    more = folder_of(tmp_path / "more", 1, 0.7)
    catalogue.add(cat, [more])
    last = max(cat.glob("*" + FILES))
    flip(last, 5, 7)
    assert catalogue.export(cat, tmp_path / name).n_rows == N - 1


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(("suffix", "act"), [(ROWS, cut), (ROWS, Path.unlink), (RECORDS, Path.unlink)])
def test_rows_or_records_that_were_cut_or_removed_are_told_as_lost(
    cat: Path, suffix: str, act: Callable[[Path], None]
) -> None:
    act(only(cat, suffix))
    kept = set(catalogue.load(cat).contents())
    lost = [one.path for one in listing.entries(catalogue.load(cat).files) if one.key not in kept]
    told = harm(cat)
    assert len(lost) >= N / 2
    assert all(f"{path}: its rows are lost; the next add hears it" in told for path in lost)
    assert ("ends before the rows of its last" in " ".join(told)) == (suffix == ROWS)


def test_records_that_end_before_those_of_rows_in_between_are_told_as_lost(cat: Path) -> None:
    path = only(cat, RECORDS)
    content = path.read_bytes()
    path.write_bytes(content[: RECORD.itemsize] + content[2 * RECORD.itemsize :])
    assert any("its rows are lost" in one for one in harm(cat))


@pytest.mark.parametrize(("torn", "k"), [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3)])
def test_what_a_full_disk_tears_of_the_first_batch_or_a_later_one_is_harmless(
    tmp_path: Path, torn: int, k: int
) -> None:
    writer = writing.Writer(tmp_path, 4, 1)
    for batch in range(torn + 1):
        for number in range(3):
            entry = listing.Entry(f"{3 * batch + number:032x}", f"/{number}", "", "", None, None, "", 1, 1, 1.0)
            writer.put(entry, parts.Track(entry, np.ones((1, 4), np.float32), ((0.0, 1.0),), (True,)))
        with full_from(k if batch == torn else 99), suppress(OSError):
            writer.flush()
    (part,) = parts.list_parts(tmp_path, 4)
    assert len(part.records) == 3 * torn + (k == 3 + (not torn))
    assert (part.damaged().tolist(), part.n_cut) == ([], 0)
    assert part.named_before_rows() <= part.recorded()


def test_zeros_that_a_power_loss_leaves_behind_the_records_are_harmless(cat: Path) -> None:
    with only(cat, ROWS).open("ab") as rows, only(cat, RECORDS).open("ab") as records:
        rows.write(np.ones((2, catalogue.load(cat).form.width), np.float32).tobytes())
        records.write(bytes(2 * RECORD.itemsize))
    assert catalogue.load(cat).n_tracks == N
    assert catalogue.verify(cat)
    assert harm(cat) == []


def test_of_a_damaged_line_both_readers_take_the_same_and_verify_tells_it(cat: Path) -> None:
    path = only(cat, FILES)
    content, stem = path.read_bytes(), path.with_name(path.name.removesuffix(FILES))
    rng = np.random.Generator(np.random.PCG64(8))
    n_lines = content.count(b"\n")
    for at in range(content.index(b"\n") + 1):
        path.write_bytes(content)
        flip(path, at, int(rng.integers(8)))
        one_by_one = lines.read(path, listing._entry)
        slow = pl.DataFrame([vars(one) for one in one_by_one.items], schema=SCHEMA)
        assert listing.read([stem]).equals(slow), path.read_bytes()[: at + 20]
        assert (len(slow) == n_lines) == (listing.problems(stem) == [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.none() | st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))
def test_both_readers_give_back_whatever_was_written(
    tmp_path: Path, text: str, number: float | None, integer: int
) -> None:
    key = "0" * 32
    entry = listing.Entry(key, text, text, text, number, number, key, integer, integer, number, state=text, reason=text)
    stem = tmp_path / "part"
    stem.with_suffix(FILES).write_bytes(listing.written([entry, entry]))
    assert list(listing.entries(listing.read([stem]))) == [entry, entry]
    assert lines.read(stem.with_suffix(FILES), listing._entry).items == [entry, entry]


@pytest.mark.parametrize(("old", "new"), [(b'"key":"', b'"key":"u'), (b'"labels"', b'"lacels"'), (b'"key"', b'Xkey"')])
def test_a_damaged_line_stops_nothing_else(cat: Path, tmp_path: Path, made: Path, old: bytes, new: bytes) -> None:
    path = only(cat, FILES)
    content = path.read_bytes()
    at = content.index(old)
    path.write_bytes(content[:at] + new + content[at + len(new) :])
    (told,) = harm(cat)
    assert "passed over the line" in told
    some = catalogue.load(cat).files["id"].to_list()
    assert len(some) == N - 1
    assert len(catalogue.search(cat, some[0], k=N).hits) == N - 2
    for ending in (".parquet", ".npy"):
        assert catalogue.export(cat, tmp_path / f"out{ending}").n_rows == N - 1
    assert np.load(tmp_path / "out.npy").shape[0] == len(pl.read_parquet(tmp_path / "out.files.parquet")) == N - 1
    assert catalogue.add(cat, [made.parent / "m.csv"]).n_there == 1
    assert len(catalogue.load(cat).files) == N


def test_a_whole_listing_is_read_at_once(cat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "read", lambda *_: pytest.fail("line by line"))
    assert len(catalogue.load(cat).files) == N
