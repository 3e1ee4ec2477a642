"""How long does a table of many result rows take? Goal: 200,000 rows in a second, from rows in memory to Markdown."""

import time
from collections.abc import Iterator
from itertools import product

from bench.ratio import Cost
from earmark.analysis import writers
from earmark.analysis.layouts import LAYOUTS
from earmark.analysis.pivot import pivot
from earmark.nouns import Result

ROUNDS = 3
SCORES = (("accuracy", "micro", None), ("accuracy", "macro", None), ("accuracy", None, "a"), ("accuracy", None, "b"))
SCORES_OF = (*SCORES, ("f1", "macro", None))


def measure() -> Iterator[Cost]:
    """Yield what each preset takes of the same rows: the quickest of some goes."""
    rows = list(_rows())
    for name, layout in LAYOUTS.items():
        seconds = []
        for _ in range(ROUNDS):
            started = time.process_time()
            grids = pivot(rows, layout)
            writers.markdown(grids)
            seconds.append(time.process_time() - started)
        cells = sum(len(grid.row_heads) * len(grid.column_heads) for grid in grids)
        outcome = f"{len(grids)} tables, {cells:,} cells; goal ≤ 1 s"
        yield Cost(f"preset {name} of {len(rows):,} rows in memory, to Markdown", min(seconds), outcome)


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
