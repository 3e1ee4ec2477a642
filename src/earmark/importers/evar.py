"""EVAR: `results/scores.csv` with columns representation, task, score, run_id and report, one line a run.

The name of a representation is that of its class, so that two checkpoints share it: where a task has several runs of
one name, each keeps its run_id beside it, and none is averaged. A score is the mean over folds, and which metric it is
the file does not say. Source: facts/evaluation.md, sections 4 and 11; the columns: lineareval.py.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("scores.csv",)
COLUMNS = ("representation", "task", "score", "run_id")


def read(path: Path) -> Iterator[Result]:
    """Yield a row for each run in the file."""
    lines = list(base.records(path))
    missing = [name for name in COLUMNS if not lines or name not in lines[0]]
    if missing:
        raise base.wrong(path, f"the columns {', '.join(COLUMNS)}", f"none named {', '.join(missing)}")
    counts = Counter((line["representation"], line["task"]) for line in lines)
    for line in lines:
        shared = counts[line["representation"], line["task"]] > 1
        yield base.row(
            "EVAR",
            "score",
            base.number(path, line["score"], f"the score of run '{line['run_id']}'"),
            task=line["task"],
            dataset=line["task"],
            representation=f"{line['representation']} {line['run_id']}" if shared else line["representation"],
            probe="EVAR",
        )
