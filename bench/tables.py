"""How long does a table of many result rows take? Goal: 200,000 rows in a second, the start of the program included."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from bench.ratio import Cost, Ratio, compare
from earmark.analysis import writers
from earmark.analysis.layouts import LAYOUTS
from earmark.analysis.pivot import pivot
from earmark.experiment import results
from earmark.nouns import Result
from earmark.runs import tabling

ROUNDS = 3
GOAL = "goal ≤ 1 s"
SCORES = (("accuracy", "micro", None), ("accuracy", "macro", None), ("accuracy", None, "a"), ("accuracy", None, "b"))
SCORES_OF = (*SCORES, ("f1", "macro", None))
COMMANDS = ((), ("--as", "markdown"), ("--preset", "everything"), ("--show", "seeds"), ("--label", "a"))


def measure() -> Iterator[Cost | Ratio]:
    """Yield what each preset takes of rows in memory, the whole command of rows on disk, and two ways to read them."""
    rows = list(_rows())
    for name, layout in LAYOUTS.items():
        seconds = []
        for _ in range(ROUNDS):
            started = time.process_time()
            grids = pivot(rows, layout)
            writers.markdown(grids)
            seconds.append(time.process_time() - started)
        cells = sum(len(grid.row_heads) * len(grid.column_heads) for grid in grids)
        outcome = f"{len(grids)} tables, {cells:,} cells; {GOAL}"
        yield Cost(f"preset {name} of {len(rows):,} rows in memory, to Markdown", min(seconds), outcome)
    with tempfile.TemporaryDirectory() as place:
        folder, lines = Path(place) / "run", Path(place) / "lines"
        for one in (folder, lines):
            one.mkdir()
            results.write_rows(one, rows)
        (lines / results.TABLE).unlink()
        yield from (_command(folder, options, len(rows)) for options in COMMANDS)
        yield compare(
            f"preset scores of {len(rows):,} rows on disk",
            ("results.parquet, the rows it needs", lambda: tabling.tables(folder)),
            ("results.jsonl, every line", lambda: tabling.tables(lines)),
            rounds=ROUNDS,
        )


def _command(folder: Path, options: Sequence[str], n_rows: int) -> Cost:
    """Return what the whole command takes of a run's folder: the quickest of some goes."""
    command = [sys.executable, "-m", "earmark", "table", str(folder), *options]
    taken = []
    for _ in range(ROUNDS):
        before, started = _of_children(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        taken.append((_of_children() - before, time.perf_counter() - started))
    said = " ".join(("earmark table", *options))
    return Cost(f"`{said}` of {n_rows:,} rows on disk", min(taken)[0], f"{min(taken)[1]:.2f} s by the clock; {GOAL}")


def _of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _rows() -> Iterator[Result]:
    systems = product(range(10), range(20), range(5), range(10), (None, 0, 1, 2), SCORES_OF)
    for task, representation, probe, chain, seed, (metric, average, label) in systems:
        yield Result(
            run="bench",
            task=f"task{task}",
            dataset="made",
            dataset_version="1",
            split="random",
            fold=0,
            train_share=1.0,
            representation=f"representation{representation}",
            layer="all",
            pool="mean",
            deformation=f"chain{chain}",
            severity=None,
            probe=f"M{probe}",
            preset="mir_ref-fixed",
            seed=seed,
            n_seeds=3 if seed is None else 1,
            metric=metric,
            average=average,
            label=label,
            value=(task * 7 + representation * 13 + probe * 5 + chain * 3) % 97 / 97,
            ci_low=0.0,
            ci_high=1.0,
            ci_level=0.95,
            ci_method="percentile bootstrap over 100 clips, 1000 resamples",
            n=100,
            n_groups=None,
            n_failed=0,
            n_labels=2,
            unverified=False,
            embedding_key="e",
            probe_key="p",
            code_version="0",
            device="cpu",
            seconds=0.0,
        )
