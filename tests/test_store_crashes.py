"""Pulling the plug on the store: at each of its steps once, and by kill -9 at random moments."""

import inspect
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from earmark.store import Store

KILLED = 137


def row(number: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(number)).standard_normal(8, dtype=np.float32)


def session(root: Path) -> None:
    """A run: embeds, telling what is acknowledged, keeps a probe and remembers a hash."""
    store = Store(root)
    with store.writer(flush_every=2) as writer:
        for number in range(5):
            writer.put(f"k{number}", row(number), {"number": number})
            for known in sorted(store.has(f"k{each}" for each in range(5))):
                print(known, flush=True)
    store.put_file("probes", "p", ".bin", b"weights", {"recipe": "M1"})
    store.remember_hash(Path(inspect.__file__))


def tidy(root: Path) -> None:
    """Merge what runs left."""
    Store(root).compact()


def forever(root: Path) -> None:
    """Embed without end, telling what is acknowledged."""
    start = len(list(root.rglob("*.f32"))) * 1_000_000
    with Store(root).writer() as writer:
        for number in itertools.count(start):
            writer.put(f"k{number}", row(number), {"number": number})
            if number % 7 == 0:
                writer.flush()
                print(number, flush=True)


def pulled_at(k: int, program: Callable[[Path], None], root: Path) -> tuple[int, list[str]]:
    """Run a program in a process that dies at its k-th step; return its exit status and the words it said."""
    process = start(program, root, k)
    said, _ = process.communicate()
    return process.returncode, said.split()


def start(program: Callable[[Path], None], root: Path, k: int = 0) -> subprocess.Popen[str]:
    imports = (
        "import inspect, itertools, sys\nfrom pathlib import Path\nimport numpy as np\nfrom earmark.store import Store"
    )
    source = f"{imports}\n{inspect.getsource(row)}\n{inspect.getsource(program)}\n{program.__name__}(Path(sys.argv[1]))"
    environment = {**os.environ, "EARMARK_DIE_AT": str(k), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", source, str(root)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def content(root: Path) -> object:
    """All that a store holds, wherever it lies."""
    store = Store(root)
    keys = sorted(store.has(f"k{number}" for number in range(5)))
    rows = store.get(keys).tobytes() if keys else b""
    found = store.file("probes", "p", ".bin")
    return keys, rows, [store.provenance(key) for key in keys], found and found.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> object:
    """What an uninterrupted session comes to."""
    root = tmp_path_factory.mktemp("whole")
    session(root)
    assert Store(root).verify() == []
    return content(root)


def test_dying_at_each_step_loses_nothing_acknowledged_and_resumes_to_the_same(tmp_path: Path, whole: object) -> None:
    for k in itertools.count(1):
        root = tmp_path / str(k)
        status, acknowledged = pulled_at(k, session, root)
        if status == 0:
            break
        assert status == KILLED
        store = Store(root)
        assert store.has(acknowledged) == set(acknowledged)
        assert all("harmless" in problem for problem in store.verify())
        for number in range(5):
            if store.has([f"k{number}"]):
                np.testing.assert_array_equal(store.get([f"k{number}"])[0], row(number))
        session(root)
        assert content(root) == whole
        store.compact()
        assert (content(root), store.verify(), store.n_shards) == (whole, [], 1)
    assert k > 30, "a session writes, syncs and renames many times"


def test_dying_at_each_step_of_compacting_loses_nothing(tmp_path: Path, whole: object) -> None:
    for k in itertools.count(1):
        root = tmp_path / str(k)
        pulled_at(12, session, root)
        session(root)
        assert Store(root).n_shards > 1
        status, _ = pulled_at(k, tidy, root)
        assert content(root) == whole
        if status == 0:
            break
        assert status == KILLED
        Store(root).compact()
        assert (content(root), Store(root).verify(), Store(root).n_shards) == (whole, [], 1)
    assert k > 10, "compacting writes, syncs and removes many times"


def test_ten_random_kills_lose_no_acknowledged_row(tmp_path: Path) -> None:
    chosen = np.random.Generator(np.random.PCG64(9)).integers(1, 40, size=10)
    acknowledged = []
    for n_told in chosen.tolist():
        process = start(forever, tmp_path)
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(n_told)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        acknowledged += [number for last in told for number in range(last // 1_000_000 * 1_000_000, last + 1)]
    store = Store(tmp_path)
    numbers = sorted(set(acknowledged))
    found = store.get([f"k{number}" for number in numbers])
    np.testing.assert_array_equal(found, np.stack([row(number) for number in numbers]))
    assert all("harmless" in problem for problem in store.verify())
    store.compact()
    np.testing.assert_array_equal(store.get([f"k{number}" for number in numbers]), found)


def test_two_processes_that_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    processes = [start(forever, tmp_path / "store") for _ in range(2)]
    told = []
    for _ in range(30):
        for process in processes:
            assert process.stdout is not None
            told.append(int(process.stdout.readline()))
    for process in processes:
        process.kill()
        process.communicate()
    store = Store(tmp_path / "store")
    assert store.n_shards == 2
    keys = [f"k{number}" for number in sorted(set(told))]
    np.testing.assert_array_equal(store.get(keys), np.stack([row(int(key[1:])) for key in keys]))
