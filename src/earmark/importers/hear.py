"""HEAR: `MODULE/TASK/test.predicted-scores.json` of hear-eval-kit.

The file has a block "test", or one a fold beside "aggregated_scores". Which grid was searched it does not say, so no
preset is claimed. Predictions lie beside it as pickles, which are never read. Source: facts/evaluation.md, sections 3
and 11; where the file lies: hear-eval-kit's README.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("test.predicted-scores.json",)
TOGETHER = "aggregated_scores"


def read(path: Path) -> Iterator[Result]:
    """Yield the rows of one file of scores: the mean over folds first, then each fold."""
    module, task = base.folders(path, 2, "MODULE/TASK/test.predicted-scores.json")
    said = base.mapping(path, "an object with the scores of 'test' or of folds")
    folds = {name: one for name, one in said.items() if isinstance(one, dict) and "test_score" in one}
    if not folds:
        raise base.wrong(path, "a block with 'test_score'", f"the keys {list(said)}")
    known = {"task": task, "dataset": task, "split": "HEAR", "representation": module, "probe": "hear-eval-kit"}
    if TOGETHER in said:
        means = base.numbers(said[TOGETHER], "test_")
        mean = {name.removesuffix("_mean"): value for name, value in means.items() if name.endswith("_mean")}
        yield from _rows(mean, known | {"fold": None})
    elif len(folds) > 1:
        raise base.wrong(path, f"'{TOGETHER}' beside {len(folds)} folds", "none")
    for number, name in enumerate(sorted(folds)):
        yield from _rows(base.numbers(folds[name], "test_"), known | {"fold": number})


def _rows(scores: Mapping[str, float], known: dict[str, Any]) -> Iterator[Result]:
    """Yield each metric, the primary one first: the one that equals `score`, which is a row only where none does."""
    primary = scores.get("score")
    others = {name: value for name, value in scores.items() if name not in ("score", "loss")}
    same = [name for name, value in others.items() if value == primary]
    if primary is not None and not same:
        yield base.row("HEAR", "score", primary, **known)
    for name in [*same, *(name for name in others if name not in same)]:
        metric, average = base.METRICS.get(name, (name, None))
        yield base.row("HEAR", metric, others[name], average=average, **known)
