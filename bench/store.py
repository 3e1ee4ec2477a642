"""The store against one .npy a clip, written and read as anyone would: np.save without fsync, np.load by path.

The store does more in its time: it checks and sums every row, syncs every thousand, and keeps where each comes from.
Before a round the disk is synced, off the clock, or our fsync would pay for the files that np.save left unwritten.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import torch

from bench.ratio import Ratio, compare
from earmark import identity
from earmark.store import Store

N_ROWS, DIM, N_READ = 20_000, 768, 1_000
ROUNDS = 5
CLOCKS: Mapping[str, Callable[[], float]] = {"CPU": time.process_time, "wall": time.perf_counter}
PROVENANCE = {"dataset": "studio", "clip": "notes/041-60.wav", "representation": "logmel", "segment_s": 5.0}


def measure() -> list[Ratio]:
    """Return the ratios of writing 20,000 rows of 768 and of reading 1,000 of them at random."""
    torch.set_num_threads(1)
    rng = identity.generator("bench", "store")
    rows = rng.standard_normal((N_ROWS, DIM), dtype=np.float32)
    keys = [identity.key_of(row=number) for number in range(N_ROWS)]
    chosen = [keys[number] for number in rng.permutation(N_ROWS)[:N_READ]]
    with tempfile.TemporaryDirectory() as folder:
        fresh = (Path(folder) / str(number) for number in count())
        return [
            *(_written(name, fresh, keys, rows, {}) for name in CLOCKS),
            _written("CPU", fresh, keys, rows, PROVENANCE),
            *(_read(name, fresh, keys, rows, chosen) for name in CLOCKS),
        ]


def _put(root: Path, keys: list[str], rows: np.ndarray, provenance: Mapping[str, object]) -> Store:
    store = Store(root)
    with store.writer() as writer:
        for key, row in zip(keys, rows, strict=True):
            writer.put(key, row, provenance)
    return store


def _save(root: Path, keys: list[str], rows: np.ndarray, provenance: Mapping[str, object]) -> None:
    root.mkdir()
    for key, row in zip(keys, rows, strict=True):
        np.save(root / f"{key}.npy", row)
        if provenance:
            (root / f"{key}.json").write_text(json.dumps(provenance))


def settled(clock: Callable[[], float], warm_bytes: int = 0) -> Callable[[], float]:
    """Return a clock that syncs the disk when it is read and stands still meanwhile.

    It also takes so much memory and frees it: a virtual machine's host takes free memory back, and to get it again
    may take longer than to write it to the disk, for whoever comes first.
    """
    stood_s = 0.0

    def read() -> float:
        nonlocal stood_s
        now, shown = clock(), clock() - stood_s
        os.sync()
        np.ones(warm_bytes, np.uint8)
        stood_s += clock() - now
        return shown

    return read


def _written(
    clock: str, fresh: Iterator[Path], keys: list[str], rows: np.ndarray, provenance: Mapping[str, object]
) -> Ratio:
    return compare(
        f"write {N_ROWS:,} × {DIM}{' and where each comes from' if provenance else ''} ({clock})",
        ("earmark store", lambda: _put(next(fresh), keys, rows, provenance)),
        (".npy and .json a clip" if provenance else ".npy a clip", lambda: _save(next(fresh), keys, rows, provenance)),
        goal=20 if clock == "CPU" and not provenance else None,
        rounds=ROUNDS,
        clock=settled(CLOCKS[clock]),
    )


def _read(clock: str, fresh: Iterator[Path], keys: list[str], rows: np.ndarray, chosen: list[str]) -> Ratio:
    store, folder = _put(next(fresh), keys, rows, PROVENANCE), next(fresh)
    _save(folder, keys, rows, {})
    paths = [folder / f"{key}.npy" for key in chosen]
    return compare(
        f"read {N_READ:,} of {N_ROWS:,} rows at random ({clock})",
        ("earmark store", lambda: store.get(chosen)),
        (".npy a clip", lambda: np.stack([np.load(path) for path in paths])),
        goal=10 if clock == "CPU" else None,
        clock=CLOCKS[clock],
    )
