"""What the store promises: a row that was acknowledged reads back, bit for bit, and nothing wrong ever does."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from earmark.identity import file_sha256
from earmark.store import Store, StoreError, shards

ORIGIN = {"clip": "notes/Fühling.wav", "layers": [0, 1], "segment_s": 5.0}


def row(number: int, dim: int = 8) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(number)).standard_normal(dim, dtype=np.float32)


def fill(root: Path, numbers: Iterable[int], provenance: Mapping[str, object] = ORIGIN) -> Store:
    """Put rows by their number in one short run."""
    store = Store(root)
    with store.writer() as writer:
        for number in numbers:
            writer.put(f"k{number}", row(number), provenance)
    return store


def assert_holds(store: Store, numbers: Iterable[int]) -> None:
    numbers = list(numbers)
    np.testing.assert_array_equal(store.get([f"k{n}" for n in numbers]), np.stack([row(n) for n in numbers]))


def only(root: Path, pattern: str) -> Path:
    (path,) = root.glob(pattern)
    return path


def test_what_one_store_flushed_another_reads(tmp_path: Path) -> None:
    mine, other = Store(tmp_path), Store(tmp_path)
    with mine.writer() as writer:
        writer.put("k1", row(1), ORIGIN)
        assert mine.has(["k1"]) == set(), "not acknowledged yet"
        writer.flush()
        assert mine.has(["k1", "k2"]) == {"k1"}
        assert other.has(["k1"]) == set()
        other.refresh()
        assert_holds(other, [1])
        writer.put("k2", row(2), ORIGIN)
    other.refresh()
    assert_holds(other, [2, 1, 2])
    assert_holds(Store(tmp_path), [2, 1])


@settings(max_examples=25)
@given(
    arrays(
        np.float32,
        array_shapes(max_dims=4, max_side=5),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_every_finite_array_reads_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    with store.writer() as writer:
        writer.put("plain", array, {})
        writer.put("turned", array.T, {})
    assert store.get(["plain"])[0].tobytes() == array.tobytes()
    np.testing.assert_array_equal(store.get(["turned"])[0], array.T)


def test_rows_come_in_the_order_of_the_keys_from_any_shard(tmp_path: Path) -> None:
    for first in range(0, 30, 5):
        fill(tmp_path, range(first, first + 5))
    store = Store(tmp_path)
    assert store.n_shards == 6
    assert_holds(store, np.random.Generator(np.random.PCG64(0)).permutation(30).tolist())
    assert store.get(["k3", "k4"]).dtype == np.float32


def test_where_a_row_comes_from_reads_back_and_by_eye(tmp_path: Path) -> None:
    store = fill(tmp_path, [1, 2])
    assert store.provenance("k2") == ORIGIN
    assert '"clip": "notes/Fühling.wav"' in only(tmp_path, "embeddings/*.provenance.jsonl").read_text("utf-8")


def test_putting_a_key_again_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path, [1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with Store(tmp_path).writer() as writer:
        writer.put("k1", row(1), ORIGIN)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_writers_of_one_key_read_as_one_row(tmp_path: Path) -> None:
    first, second = Store(tmp_path), Store(tmp_path)
    for store in (first, second):
        with store.writer() as writer:
            writer.put("k1", row(1), ORIGIN)
    assert_holds(Store(tmp_path), [1])
    assert first.compact().n_shards_after == 1
    assert_holds(second, [1])


@pytest.mark.parametrize(
    ("key", "array", "provenance", "message"),
    [
        ("k", np.zeros(3), {}, r"float32 for k, got float64 \(3,\). Cast with astype"),
        ("k", np.zeros(3, np.int16), {}, r"float32 for k, got int16"),
        ("k", [0.0], {}, "float32 for k, got list"),
        ("k", np.zeros((2, 0), np.float32), {}, r"got float32 \(2, 0\)"),
        ("k", np.array([1, np.nan, np.inf], np.float32), {}, "finite numbers for k, got 2 of 3 NaN or infinite"),
        ("../k", row(1), {}, r"Expected a key of letters, .* got '../k'"),
        ("k", row(1), {"model": object()}, "plain JSON values for k, but: Object of type object"),
        ("k", row(1), {"rate": np.nan}, "plain JSON values for k, but: Out of range float"),
    ],
)
def test_what_must_not_be_stored_is_refused(
    tmp_path: Path, key: str, array: np.ndarray, provenance: Mapping[str, object], message: str
) -> None:
    store = Store(tmp_path)
    with store.writer() as writer:
        writer.put("k1", row(1), ORIGIN)
        with pytest.raises(StoreError, match=message):
            writer.put(key, array, provenance)
    assert store.has([key]) == set()
    assert_holds(Store(tmp_path), [1])


def test_numbers_whose_squares_overflow_are_finite_all_the_same(tmp_path: Path) -> None:
    large = np.full(4, 3e38, np.float32)
    store = Store(tmp_path)
    with store.writer() as writer:
        writer.put("large", large, {})
    np.testing.assert_array_equal(store.get(["large"])[0], large)


def test_what_cannot_be_got_is_named(tmp_path: Path) -> None:
    store = fill(tmp_path, [1])
    with store.writer() as writer:
        writer.put("wide", row(2, dim=9), ORIGIN)
    with pytest.raises(StoreError, match=r"of the key 'absent' in .* it is not there"):
        store.get(["k1", "absent"])
    with pytest.raises(StoreError, match=re.escape("one shape, got 2 keys and the shapes [(8,), (9,)]")):
        store.get(["k1", "wide"])
    with pytest.raises(StoreError, match="got 0 keys"):
        store.get([])


def test_rows_are_flushed_by_number_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    with store.writer(flush_every=2) as writer:
        for number in range(5):
            writer.put(f"k{number}", row(number), ORIGIN)
        assert len(store.has(f"k{number}" for number in range(5))) == 4
        monkeypatch.setattr(shards, "FLUSH_BYTES", 2 * row(0).nbytes)
        writer.put("k5", row(5), ORIGIN)
        assert len(store.has(f"k{number}" for number in range(6))) == 6


def test_a_full_shard_is_followed_by_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 3 * row(0).nbytes)
    store = Store(tmp_path)
    with store.writer(flush_every=2) as writer:
        for number in range(10):
            writer.put(f"k{number}", row(number), ORIGIN)
    assert store.n_shards == 3
    assert_holds(Store(tmp_path), range(10))


def test_work_is_kept_when_the_writer_is_left_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Store(tmp_path).writer() as writer:  # noqa: PT012 - the error must fall inside
        writer.put("k1", row(1), ORIGIN)
        raise ZeroDivisionError
    assert_holds(Store(tmp_path), [1])


def test_a_writer_is_not_for_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path).writer() as writer:
        writer.put("k1", row(1), ORIGIN)
        with monkeypatch.context() as child:
            child.setattr("os.getpid", lambda: -1)
            with pytest.raises(StoreError, match="Open one writer a process"):
                writer.flush()
    assert_holds(Store(tmp_path), [1])


def test_a_flush_that_fails_is_made_good_in_a_shard_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    with store.writer() as writer:
        writer.put("k1", row(1), ORIGIN)
        writer.flush()
        writer.put("k2", row(2), ORIGIN)
        with monkeypatch.context() as disk:
            disk.setattr("os.fsync", _full)
            with pytest.raises(OSError, match="No space left"):
                writer.flush()
        assert store.has(["k2"]) == set()
        writer.put("k3", row(3), ORIGIN)
    assert_holds(Store(tmp_path), [1, 2, 3])
    assert store.n_shards == 2


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_whole_files_read_back_and_putting_them_again_is_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.file("probes", "p1", ".bin") is None
    for _ in range(2):
        path = store.put_file("probes", "p1", ".bin", b"weights", ORIGIN)
        assert path == store.file("probes", "p1", ".bin") == tmp_path / "probes" / "p1.bin"
        assert store.read_file("probes", "p1", ".bin") == b"weights"
        assert sorted(each.name for each in path.parent.iterdir()) == [path.name, path.name + ".provenance.json"]
    assert store.verify() == []
    path.write_bytes(b"weight5")
    assert ["p1.bin: damaged" in problem for problem in store.verify()] == [True]


def test_whole_files_need_no_provenance(tmp_path: Path) -> None:
    path = Store(tmp_path).put_file("scores", "s1", ".json", b"{}")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "key", "message"),
    [
        ("embeddings", "p1", r"one of calibrations, .*, verdicts, got 'embeddings'"),
        ("../probes", "p1", r"Expected a kind of whole files, .* got '\.\./probes'"),
        ("probes", "a/b", r"Expected a name of letters, .* got 'a/b\.bin'"),
        ("probes", "absent", r"absent\.bin; it is not there, or damaged\. Ask file\(\) first"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, kind: str, key: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Store(tmp_path).read_file(kind, key, ".bin")


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = tmp_path / "a.wav"
    audio.write_bytes(b"one")
    store = Store(tmp_path / "store")
    for content in (b"one", b"two"):
        audio.write_bytes(content)
        assert store.remember_hash(audio) == file_sha256(audio), "even when size stays and little time has passed"
    monkeypatch.setattr("earmark.store.hashes.file_sha256", unreadable)
    assert Store(tmp_path / "store").remember_hash(audio) == file_sha256(audio)
    audio.write_bytes(b"three")
    with pytest.raises(AssertionError, match="read again"):
        store.remember_hash(audio)


def unreadable(path: Path) -> str:
    raise AssertionError(f"{path} was read again")


def quickest_s(*calls: Callable[[], object]) -> float:
    """CPU seconds of the quickest call: what it costs where nobody else disturbs."""
    seconds = []
    for call in calls:
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return min(seconds)


def test_2500_known_files_are_hashed_in_a_fifth_of_a_second(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.wav" for number in range(2500)]
    for path in paths:
        path.write_bytes(b"")
    first = [*map(Store(tmp_path / "store").remember_hash, paths)]
    stores = [Store(tmp_path / "store") for _ in range(3)]
    assert quickest_s(*(lambda store=store: [*map(store.remember_hash, paths)] for store in stores)) < 0.2
    assert [*map(stores[0].remember_hash, paths)] == first


def test_an_index_of_100_000_rows_is_read_in_a_second(tmp_path: Path) -> None:
    (tmp_path / "embeddings").mkdir()
    lines = (f'{{"key":"{n:032x}","offset":{4 * n},"shape":[1],"crc32":{n}}}\n' for n in range(100_000))
    (tmp_path / "embeddings" / "shard-0.jsonl").write_text("".join(lines))
    (tmp_path / "embeddings" / "shard-0.f32").write_bytes(bytes(400_000))
    assert quickest_s(*[lambda: Store(tmp_path)] * 3) < 1
    assert len(Store(tmp_path).has(f"{n:032x}" for n in range(100_001))) == 100_000


def test_the_store_needs_no_torch() -> None:
    program = "import sys, earmark.store; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
