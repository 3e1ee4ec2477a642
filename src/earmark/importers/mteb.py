"""mteb: `MODEL/REVISION/TASK.json`, with scores by split and subset, and those of each of its experiments.

Their accuracy is over a few samples a label or five plain folds: not the protocol of any paper on music, so no preset
is claimed. Source: facts/evaluation.md, sections 6 and 11.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("*.json",)
MAIN = "main_score"
OURS: Mapping[str, tuple[str, str | None]] = {"accuracy": ("accuracy", "micro"), "f1": ("f1", "macro")}


def read(path: Path) -> Iterator[Result]:
    """Yield the rows of one task: for each split and subset the means, then each experiment as a seed."""
    if path.name == "model_meta.json":
        return
    model, _ = base.folders(path, 2, "MODEL/REVISION/TASK.json")
    said = base.mapping(path, "an object with 'task_name' and 'scores'")
    if "task_name" not in said or not isinstance(said.get("scores"), dict):
        raise base.wrong(path, "an object with 'task_name' and 'scores'", f"the keys {list(said)}")
    for split, entries in said["scores"].items():
        for entry in entries:
            subset = entry.get("hf_subset", "default")
            known = {
                "task": said["task_name"],
                "dataset": said["task_name"] if subset == "default" else f"{said['task_name']}:{subset}",
                "dataset_version": said.get("dataset_revision") or base.UNKNOWN,
                "split": split,
                "representation": model.replace("__", "/"),
                "probe": "mteb",
                "seconds": float(said.get("evaluation_time") or 0.0),
            }
            yield from _entry(entry, known)


def _entry(entry: Mapping[str, Any], known: dict[str, Any]) -> Iterator[Result]:
    # Some tasks keep what belongs to an experiment in other shapes than one mapping of numbers.
    experiments = [one for one in entry.get("scores_per_experiment") or () if isinstance(one, dict)]
    main = entry.get(MAIN)
    yield from _rows(base.numbers(entry), main, known | {"n_seeds": max(1, len(experiments))})
    for seed, one in enumerate(experiments):
        yield from _rows(base.numbers(one), None, known | {"seed": seed})


def _rows(scores: Mapping[str, float], main: float | None, known: dict[str, Any]) -> Iterator[Result]:
    """Yield each metric, the main one first: `main_score` is a row only where no metric equals it."""
    others = {name: value for name, value in scores.items() if name != MAIN}
    same = [name for name, value in others.items() if value == main]
    if main is not None and not same:
        yield base.row("mteb", MAIN, main, **known)
    for name in [*same, *(name for name in others if name not in same)]:
        metric, average = OURS.get(name, (name, None))
        yield base.row("mteb", metric, others[name], average=average, **known)
