"""The index of a catalogue of 1,000,000 embeddings × 768: making it, what it finds, and how much sooner.

Rows are drawn about 5,000 centres in 64 dimensions, turned into 768 and blurred there, so that some are alike and none
is another. Searching is held against the exact one of the same catalogue, with the same queries: new rows of that kind.
What the exact search finds is what is to be found.
"""

import resource
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bench.catalogue import DIM, N_QUERIES, K, form_of_bench, track
from bench.ratio import Cost, NotHere, Ratio, compare
from earmark import identity
from earmark.catalogue import approximate, form, reader, searching
from earmark.catalogue.writing import Writer
from earmark.errors import MissingPart

N, N_CENTRES, N_LATENT, SPREAD, BLUR = 1_000_000, 5_000, 64, 0.5, 0.1
AT_ONCE = 20_000


def measure() -> Iterator[Ratio | Cost]:
    """Yield what making the index takes, how many of the nearest it finds, and the ratio of the two searches."""
    try:
        faiss = approximate._faiss()
    except MissingPart as error:
        raise NotHere(str(error)) from error
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        root = Path(folder)
        (root / form.FILE).write_text(form_of_bench())
        queries = _fill(root)
        opened, started, clock = reader.load(root), time.process_time(), time.perf_counter()
        path = approximate.build(opened, "track")
        took, clock = time.process_time() - started, time.perf_counter() - clock
        held_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        yield Cost(
            f"make the index of {N:,} × {DIM}",
            took,
            f"{clock:.0f} s by the clock; {path.stat().st_size / 1e6:,.0f} MB beside {N * DIM * 4 / 1e6:,.0f} MB of "
            f"rows; at most {held_gb:.1f} GB resident, mapped rows included",
        )
        exact = searching.nearest(opened, queries, K)
        started = time.process_time()
        found = searching.nearest(opened, queries, K, approximately=True)
        took = time.process_time() - started
        shared = [len(set(a) & set(b)) for a, b in zip(exact.tracks.tolist(), found.tracks.tolist(), strict=True)]
        yield Cost(
            f"of the {K} nearest of {N:,} found by the index",
            took,
            f"{np.mean(shared):.2f} on average of {N_QUERIES} queries, {min(shared)} at the least; "
            f"{found.n_searched:,} rows compared exactly",
        )
        for some in (queries[:1], queries):
            yield compare(
                f"the {K} nearest of {N:,} for {len(some)} queries at once",
                ("by the index", partial(searching.nearest, opened, some, K, approximately=True)),
                ("exactly", partial(searching.nearest, opened, some, K)),
                rounds=3,
            )


def _fill(root: Path) -> np.ndarray:
    """Write the rows to a catalogue, and return queries of the same kind."""
    rng = identity.generator("bench", "catalogue_index")
    centres = rng.standard_normal((N_CENTRES, N_LATENT), dtype=np.float32)
    turn = rng.standard_normal((N_LATENT, DIM), dtype=np.float32) / np.float32(np.sqrt(N_LATENT))

    def drawn(n: int) -> np.ndarray:
        latent = centres[rng.integers(N_CENTRES, size=n)] + SPREAD * rng.standard_normal((n, N_LATENT), np.float32)
        rows: np.ndarray = (latent @ turn + BLUR * rng.standard_normal((n, DIM), np.float32)).astype(np.float32)
        return rows

    writer = Writer(root, DIM, 1)
    for first in range(0, N, AT_ONCE):
        rows = drawn(AT_ONCE)
        for at in range(AT_ONCE):
            one = track(first + at, rows[at : at + 1])
            writer.put(one.entry, one)
    writer.flush()
    return drawn(N_QUERIES)
