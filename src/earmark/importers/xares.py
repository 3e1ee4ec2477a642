"""X-ARES: `TASK/checkpoints/ENCODER/mlp_score.txt` and `knn_score.txt`: a score, and the number of clips scored.

Which metric it is the file does not say: it is the task's, and called `score` here. In tasks with folds the checkpoint
is chosen on the test fold. Source: facts/evaluation.md, sections 5 and 11; the second line: xares/task.py.
"""

from collections.abc import Iterator
from pathlib import Path

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("mlp_score.txt", "knn_score.txt")
WHERE = "TASK/checkpoints/ENCODER/mlp_score.txt"


def read(path: Path) -> Iterator[Result]:
    """Yield the row of one file of two lines."""
    task, checkpoints, encoder = base.folders(path, 3, WHERE)
    if checkpoints != "checkpoints":
        raise base.wrong(path, f"the file at {WHERE}", f"the folder '{checkpoints}' above '{encoder}'")
    if path.name not in PATTERNS:
        raise base.wrong(path, " or ".join(PATTERNS), f"'{path.name}'")
    lines = base.text(path).split()
    if not lines:
        raise base.wrong(path, "a score and the number of clips scored, a line each", "nothing")
    size = base.number(path, lines[1], "the number of clips scored") if len(lines) > 1 else 0.0
    yield base.row(
        "X-ARES",
        "score",
        base.number(path, lines[0], "the score"),
        task=task,
        dataset=task,
        representation=encoder,
        probe=path.name.partition("_")[0],
        # Its text calls the second number a weight too; only whole numbers are clips.
        n=int(size) if size.is_integer() else 0,
    )
