"""mir_ref: `logs/RUN/TASK/DATASET_FEATURE_model-I/clean_metrics.json`, and `deform_K_metrics.json` beside it.

A file is scikit-learn's classification report, with `weighted_accuracy` for keys, or ROC-AUC and average precision.
Scenarios and probes are known by their place in the configuration alone, so they keep it for a name. Its test clips are
those of the full batches. Source: facts/evaluation.md, sections 1 and 11.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("*_metrics.json",)
WHERE = "TASK/DATASET_FEATURE_model-I/clean_metrics.json"
FOLDER = re.compile(r"(?P<dataset>.+)_(?P<feature>[^_]+)_(?P<model>model-\d+)(?P<again>.*)")
REPORTED = ("micro", "macro")


def read(path: Path) -> Iterator[Result]:
    """Yield the rows of one file of metrics."""
    task, folder = base.folders(path, 2, WHERE)
    named = FOLDER.fullmatch(folder)
    if named is None:
        raise base.wrong(path, f"the file at {WHERE}", f"the folder '{folder}'")
    said = base.mapping(path, "an object of metrics")
    known: dict[str, Any] = {
        "task": task,
        "dataset": named["dataset"],
        "representation": named["feature"],
        "probe": named["model"] + named["again"],
        "pool": "mean",
        "deformation": path.name.removesuffix("_metrics.json"),
    }
    found = [*_scores(said, known), *_report(said, known)]
    if not found:
        raise base.wrong(path, "a classification report, or roc_auc and average_precision", f"the keys {list(said)}")
    yield from found


def _scores(said: Mapping[str, Any], known: dict[str, Any]) -> Iterator[Result]:
    keyed = said.get("weighted_accuracy", {})
    for average in REPORTED:
        if average in keyed:
            yield base.row("mir_ref", "key_score", keyed[average], average=average, **known)
    for metric in ("roc_auc", "average_precision"):
        if metric in said:
            yield base.row("mir_ref", metric, said[metric], average="macro", **known)


def _report(said: Mapping[str, Any], known: dict[str, Any]) -> Iterator[Result]:
    """Yield F1 of the report: micro, macro, then each class, which is known by its number alone."""
    reports = {name: one for name, one in said.items() if isinstance(one, dict) and "f1-score" in one}
    if "accuracy" in said:
        yield base.row("mir_ref", "accuracy", said["accuracy"], average="micro", **known)
    for average in REPORTED:
        if f"{average} avg" in reports:
            one = reports[f"{average} avg"]
            yield base.row("mir_ref", "f1", one["f1-score"], average=average, n=int(one["support"]), **known)
    for name, one in reports.items():
        if not name.endswith(" avg"):
            yield base.row("mir_ref", "f1", one["f1-score"], label=name, n=int(one["support"]), **known)
