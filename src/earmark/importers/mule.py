"""MULE: `DATASET/METRIC.csv` of its published results: a line a model, a column a tag or class.

Tags have no column of their mean: it is computed here, and equals the paper's. `precision_micro_…` of classes is
accuracy. Source: facts/evaluation.md, sections 7 and 11; the columns: supporting_data/results of
music-audio-representations.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("*.csv",)
MODEL = "model-name"
WHOLE: Mapping[str, tuple[str, str | None]] = {
    "weighted": ("key_score", "micro"),
    "r2_a": ("r2_arousal", None),
    "r2_v": ("r2_valence", None),
    "precision_micro_class_micro_update": ("accuracy", "micro"),
}
TAGGED = {"map_": "average_precision", "roc-auc_": "roc_auc"}
CLASS = re.compile(r"precision_class_<(.*)>_micro")


def read(path: Path) -> Iterator[Result]:
    """Yield the rows of one file: for each model the whole, then each label."""
    (dataset,) = base.folders(path, 1, "DATASET/METRIC.csv")
    for line in base.records(path):
        if MODEL not in line:
            raise base.wrong(path, f"a column '{MODEL}'", f"the columns {list(line)[:5]}")
        known = {"task": dataset, "dataset": dataset, "representation": line[MODEL], "probe": "MULE"}
        scores = {
            name: base.number(path, value, f"'{name}' of '{line[MODEL]}'")
            for name, value in line.items()
            if name not in ("", MODEL) and value != ""
        }
        found = [*_rows(scores, known)]
        if not found:
            raise base.wrong(path, "columns such as map_TAG, roc-auc_TAG, weighted or r2_a", f"{list(scores)[:5]}")
        yield from found


def _rows(scores: Mapping[str, float], known: dict[str, Any]) -> Iterator[Result]:
    for name in scores:
        if name in WHOLE:
            metric, average = WHOLE[name]
            yield base.row("MULE", metric, scores[name], average=average, **known)
    for prefix, metric in TAGGED.items():
        tags = base.numbers({name: value for name, value in scores.items() if name.startswith(prefix)}, prefix)
        if tags:
            yield base.row("MULE", metric, fmean(tags.values()), average="macro", n_labels=len(tags), **known)
        for tag, value in tags.items():
            yield base.row("MULE", metric, value, label=tag, **known)
    for name, value in scores.items():
        named = CLASS.fullmatch(name)
        if named:
            yield base.row("MULE", "precision", value, label=named[1], **known)
