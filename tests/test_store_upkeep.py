"""Looking after a store: what is damaged is told and never read, and merging shards loses nothing."""

from pathlib import Path

import pytest

from earmark.errors import Refused
from earmark.identity import file_sha256
from earmark.store import Store, StoreError
from tests.test_store import ORIGIN, assert_holds, fill, only, row, unreadable


def test_torn_ends_are_passed_over_and_told(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    assert Store(tmp_path).verify() == []
    with only(tmp_path, "embeddings/shard-????????????????.jsonl").open("ab") as index:
        index.write(b'{"key":"k3","off')
    with only(tmp_path, "embeddings/*.f32").open("ab") as data:
        data.write(b"abc")
    store = Store(tmp_path)
    assert_holds(store, range(3))
    assert store.has(["k3"]) == set()
    torn, tail = store.verify()
    assert "torn last line" in torn
    assert "its last 3 bytes are in no index" in tail


def test_strange_lines_and_rows_beyond_the_data_are_passed_over_and_told(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    with only(tmp_path, "embeddings/shard-????????????????.jsonl").open("ab") as index:
        index.write(b'\x00\x00\n{"key":"no-row"}\n')
    data = only(tmp_path, "embeddings/*.f32")
    data.write_bytes(data.read_bytes()[:-1])
    store = Store(tmp_path)
    assert store.has(["k0", "k1", "k2", "no-row"]) == {"k0", "k1"}
    found = "\n".join(store.verify())
    for told in (r"\x00\x00", "no-row", "KeyError('offset')", "ends at byte 95, before the end of the row k2"):
        assert told in found


@pytest.mark.parametrize("position", [0, 31, 32, 95])
def test_a_damaged_row_is_told_and_never_read(tmp_path: Path, position: int) -> None:
    store = fill(tmp_path, range(3))
    data = only(tmp_path, "embeddings/*.f32")
    content = bytearray(data.read_bytes())
    content[position] ^= 1
    data.write_bytes(content)
    damaged = position // row(0).nbytes
    assert [f"k{damaged} is damaged; `earmark store repair` removes it" in one for one in store.verify()] == [True]
    with pytest.raises(
        StoreError, match=rf"The row k{damaged} in .* is damaged.* `earmark store repair` drops such rows"
    ):
        store.get([f"k{damaged}"])
    sound = sorted({0, 1, 2} - {damaged})
    assert_holds(store, sound)
    assert store.compact().dropped == (f"k{damaged}",)
    assert store.verify() == []
    assert store.has(["k0", "k1", "k2"]) == {f"k{number}" for number in sound}
    assert_holds(fill(tmp_path, [damaged]), range(3))


def test_compacting_tells_the_rows_of_a_shard_that_was_cut(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    data = only(tmp_path, "embeddings/*.f32")
    data.write_bytes(data.read_bytes()[: row(0).nbytes + 1])
    assert Store(tmp_path).compact(everything=True).dropped == ("k1", "k2")
    assert Store(tmp_path).verify() == []
    assert_holds(Store(tmp_path), [0])


def test_a_row_of_a_cut_shard_that_is_sound_elsewhere_is_not_dropped(tmp_path: Path) -> None:
    cut, _ = twins(tmp_path)
    cut.write_bytes(cut.read_bytes()[: row(0).nbytes + 1])
    assert Store(tmp_path).compact().dropped == ()
    assert_holds(Store(tmp_path), range(3))


def twins(root: Path) -> list[Path]:
    """Two shards of the same three rows, the one that is read first before the other."""
    late = Store(root)
    fill(root, range(3))
    with late.writer() as writer:
        for number in range(3):
            writer.put(f"k{number}", row(number), ORIGIN)
    return sorted((root / "embeddings").glob("*.f32"))


def test_a_damaged_row_is_read_where_it_is_sound(tmp_path: Path) -> None:
    first, second = twins(tmp_path)
    first.write_bytes(bytes(row(0).nbytes) + first.read_bytes()[row(0).nbytes :])
    store = Store(tmp_path)
    assert_holds(store, [2, 0, 1, 0])
    second.write_bytes(bytes(row(0).nbytes) + second.read_bytes()[row(0).nbytes :])
    with pytest.raises(StoreError, match=r"The row k0 in .* is damaged"):
        store.get(["k0"])
    assert_holds(store, [2, 1])


def test_a_twin_that_another_process_has_compacted_away_is_found_where_it_is_now(tmp_path: Path) -> None:
    first, _ = twins(tmp_path)
    first.write_bytes(bytes(row(0).nbytes) + first.read_bytes()[row(0).nbytes :])
    reader = Store(tmp_path)
    Store(tmp_path).compact()
    assert_holds(reader, range(3))


def test_compacting_keeps_every_row_and_where_it_comes_from(tmp_path: Path) -> None:
    for number in range(7):
        fill(tmp_path, [number], {"number": number})
    reader = Store(tmp_path)
    assert Store(tmp_path).compact() == (7, 1, ())
    assert len(list((tmp_path / "embeddings").iterdir())) == 3
    for store in (reader, Store(tmp_path)):  # one that had read the old shards, one that never saw them
        assert_holds(store, range(7))
    assert [Store(tmp_path).provenance(f"k{number}") for number in range(7)] == [{"number": n} for n in range(7)]
    assert Store(tmp_path).compact() == (1, 1, ()), "nothing is left to merge"


def test_large_shards_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, range(10))
    large = only(tmp_path, "embeddings/*.f32")
    monkeypatch.setattr("earmark.store.upkeep.SHARD_BYTES", 10 * row(0).nbytes)
    for number in (10, 11):
        fill(tmp_path, [number])
    assert Store(tmp_path).compact() == (3, 2, ())
    assert large.exists()
    assert_holds(Store(tmp_path), range(12))


def test_a_copy_in_a_sound_shard_outlives_a_damaged_one(tmp_path: Path) -> None:
    late = Store(tmp_path)
    fill(tmp_path, [1])
    with late.writer() as writer:
        writer.put("k1", row(1), ORIGIN)
    first = min((tmp_path / "embeddings").glob("*.f32"))
    first.write_bytes(bytes(len(first.read_bytes())))
    store = Store(tmp_path)
    assert store.compact() == (2, 1, ())
    assert_holds(store, [1])


def test_nobody_compacts_under_a_writer(tmp_path: Path) -> None:
    store = fill(tmp_path, [1])
    with store.writer(), store.writer(), pytest.raises(Refused, match=r"is being written to\. Compact it when no run"):
        store.compact()
    assert store.compact().n_shards_after == 1


def test_compacting_merges_hashes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode())
        Store(tmp_path / "store").remember_hash(path)
    Store(tmp_path / "store").compact()
    assert len(list((tmp_path / "store" / "hashes").iterdir())) == 1
    monkeypatch.setattr("earmark.store.hashes.file_sha256", unreadable)
    again = Store(tmp_path / "store")
    assert [again.remember_hash(path) for path in paths] == [file_sha256(path) for path in paths]


def test_a_key_that_rotted_in_an_index_is_told_and_compacted_away(tmp_path: Path) -> None:
    for number in range(2):
        fill(tmp_path, [number])
    index = next(one for one in sorted((tmp_path / "embeddings").glob("*.jsonl")) if "provenance" not in one.name)
    index.write_bytes(index.read_bytes().replace(b'"key":"k', b'"key":"%'))
    assert any(f"{index}: passed over the line" in one for one in Store(tmp_path).verify())
    Store(tmp_path).compact()
    assert Store(tmp_path).verify() == []
