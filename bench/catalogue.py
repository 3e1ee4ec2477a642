"""A catalogue of 10,000, 100,000 and 1,000,000 embeddings × 768: adding, opening, searching, and how it grows.

Adding is held against one file of the same rows, written as they lie and synced as often, by the clock; it also joins
rows, and writes and syncs names, records and checksums. Before each, the disk is synced and memory taken and freed: see
`settled`. Without that the ratio of the same code went from 0.4× to 2.2×, by who had to wait for memory.

Searching is held against the bare product of the same mapped matrix with the same 50 queries. Rows are random: what
they are of takes nothing here.
"""

import gc
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bench.ratio import Cost, Ratio, compare
from bench.store import settled
from earmark import identity
from earmark.catalogue import form, reader, searching
from earmark.catalogue.form import Wish
from earmark.catalogue.listing import Entry
from earmark.catalogue.parts import ROWS, Track
from earmark.catalogue.writing import FLUSH_BYTES, Writer

SIZES, DIM, N_QUERIES, K = (10_000, 100_000, 1_000_000), 768, 50, 10
DRAWN = 20_000
"""Rows are drawn once and written again and again."""
WRITTEN_BYTES = 3_600
"""Of a row, its record and name, and some more."""
FLUSH_ROWS = -(-FLUSH_BYTES // (4 * DIM))
ADD_GOAL, SEARCH_GOAL = 0.5, 1 / 1.5


def measure() -> Iterator[Ratio | Cost]:
    """Yield for each size what adding, opening and searching take, and the two ratios."""
    torch.set_num_threads(1)
    rows = identity.generator("bench", "catalogue").standard_normal((DRAWN, DIM), dtype=np.float32)
    queries = rows[:N_QUERIES] + np.float32(0.5)
    how = form_of_bench()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for n in SIZES:
            root, plain = Path(folder) / "cat", Path(folder) / "plain"
            tracks = _tracks(rows, n)
            yield compare(
                f"add {n:,} × {DIM} (clock)",
                ("earmark catalogue", partial(_add, root, how, tracks)),
                ("a file, synced at the same rows", partial(_write, plain, rows, n)),
                goal=ADD_GOAL if n == max(SIZES) else None,
                rounds=5,
                clock=settled(time.perf_counter, n * WRITTEN_BYTES),
            )
            plain.unlink()
            del tracks
            yield _opened(root, n)
            opened = reader.load(root)
            (part,) = opened.parts
            matrix = np.memmap(part.stem.with_suffix(ROWS), np.float32, "r").reshape(-1, DIM)
            yield compare(
                f"the {K} nearest of {n:,} for {N_QUERIES} queries at once",
                ("earmark, the file mapped", partial(searching.nearest, opened, queries, K)),
                ("the bare product, the file mapped", partial(np.matmul, queries, matrix.T)),
                goal=SEARCH_GOAL if n == max(SIZES) else None,
                rounds=3,
            )
            yield _memory(opened, queries, n)
            del opened, part, matrix
            shutil.rmtree(root)


def _tracks(rows: np.ndarray, n: int) -> list[Track]:
    """Return what is to be added: names as a real collection has them, and a row each."""
    found = [track(number, rows[number % len(rows) :][:1]) for number in range(n)]
    gc.freeze()  # or each collection would go through all of them, and all that was imported
    return found


def track(number: int, row: np.ndarray) -> Track:
    """Return a track of one row, by its number."""
    path = f"/music/artist-{number // 100:05d}/track-{number:07d}.flac"
    sha256 = hashlib.sha256(path.encode()).hexdigest()
    entry = Entry(sha256[:32], path, path, "/music", None, None, sha256, 20_000_000, number, 200.0)
    return Track(entry, row, ((0.0, 200.0),), (True,))


def _add(root: Path, how: str, tracks: Sequence[Track]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / form.FILE).write_text(how)
    writer = Writer(root, DIM, 1)
    for track in tracks:
        writer.put(track.entry, track)
    writer.flush()


def form_of_bench() -> str:
    """Return the form of a network that has as wide a row as this bench."""
    with tempfile.TemporaryDirectory() as folder:
        form.open_or_make(Path(folder), Wish("logmel"))
        return (Path(folder) / form.FILE).read_text().replace('"dim": 128', f'"dim": {DIM}')


def _write(path: Path, rows: np.ndarray, n: int) -> None:
    path.unlink(missing_ok=True)
    with path.open("ab", buffering=0) as file:
        for first in range(0, n, FLUSH_ROWS):
            place = first % (len(rows) - FLUSH_ROWS)
            file.write(rows[place:][: min(FLUSH_ROWS, n - first)].data.cast("B"))
            os.fsync(file.fileno())


def _opened(root: Path, n: int) -> Cost:
    started, clock = time.process_time(), time.perf_counter()
    opened = reader.load(root)
    n_tracks = opened.n_tracks
    took, clock = time.process_time() - started, time.perf_counter() - clock
    named = _took(lambda: len(opened.files))
    return Cost(
        f"open a catalogue of {n:,}",
        took,
        f"{clock:.2f} s by the clock; goal ≤ 1 s. {n_tracks:,} tracks; reading all names, when they are "
        f"asked for, {named:.1f} s more",
    )


def _took(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _memory(opened: reader.Catalogue, queries: np.ndarray, n: int) -> Cost:
    """Return what a search holds of its own, mapped pages not counted, beside the size of the data."""
    before, highest = _own_bytes(), 0
    started = time.process_time()
    for one in opened.stretches("track"):
        scores = queries @ one.rows.T
        highest = max(highest, _own_bytes())
        del scores
    took = time.process_time() - started
    started_with = _own_bytes()
    held = np.concatenate([block.rows for block in opened.blocks("track")])
    all_bytes = _own_bytes() - started_with
    outcome = (
        f"{max(0, highest - before) / 1e6:.0f} MB of its own beside {held.nbytes / 1e6:,.0f} MB of data when mapped; "
        f"asked to hold all of it, {all_bytes / held.nbytes:.2f} of the data (goal ≤ 1.5)"
    )
    return Cost(f"memory to go through {n:,}", took, outcome)


def _own_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(kilobytes) * 1024
