"""What every importer shares: a row with all that a file of another toolkit leaves unsaid, and reading such a file."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.deformations import CLEAN
from earmark.errors import DataError
from earmark.nouns import Result

UNKNOWN = "unknown"
"""What stands where a row must hold a word and the file has none."""

# Toolkits' names of what is one of our metrics: ours, and the average.
METRICS: Mapping[str, tuple[str, str | None]] = {
    "acc": ("accuracy", "micro"),
    "accuracy": ("accuracy", "micro"),
    "top1_acc": ("accuracy", "micro"),
    "pitch_acc": ("accuracy", "micro"),
    "chroma_acc": ("pitch_class_accuracy", "micro"),
    "ap": ("average_precision", "macro"),
    "map": ("average_precision", "macro"),
    "mAP": ("average_precision", "macro"),
    "aucroc": ("roc_auc", "macro"),
    "roc-auc": ("roc_auc", "macro"),
    "d_prime": ("d_prime", "macro"),
    "r2": ("r2", "macro"),
}


def row(toolkit: str, metric: str, value: float | None, **known: Any) -> Result:
    """Return a row of what is known, under the names of `Result`; the rest is None, "", 0 or UNKNOWN.

    It is `unverified`, and has no interval and no keys, since nothing but a number came. NaN is an undefined score.
    """
    unsaid: dict[str, Any] = {
        "run": "",
        "task": "",
        "dataset": UNKNOWN,
        "dataset_version": UNKNOWN,
        "split": UNKNOWN,
        "fold": None,
        "train_share": 1.0,
        "representation": "",
        "layer": "",
        "pool": "",
        "deformation": CLEAN.name,
        "severity": None,
        "probe": UNKNOWN,
        "preset": None,
        "seed": None,
        "n_seeds": 1,
        "average": None,
        "label": None,
        "ci_low": None,
        "ci_high": None,
        "ci_level": 0.95,
        "ci_method": f"none: imported from {toolkit}",
        "n": 0,
        "n_groups": None,
        "n_failed": 0,
        "n_labels": 0,
        "embedding_key": "",
        "probe_key": "",
        "code_version": toolkit,
        "device": UNKNOWN,
        "seconds": 0.0,
    }
    score = None if value is None or math.isnan(value) else float(value)
    return Result(metric=metric, value=score, unverified=True, **{**unsaid, **known})


def numbers(said: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the entries that are numbers and whose name begins with `prefix`, without it, in order."""
    return {
        name.removeprefix(prefix): float(value)
        for name, value in said.items()
        if name.startswith(prefix) and isinstance(value, int | float) and not isinstance(value, bool)
    }


def mapping(path: Path, expected: str) -> Mapping[str, Any]:
    """Return the JSON object of a file. Raises DataError, with what was expected, for anything else."""
    found = loaded(path, expected)
    if not isinstance(found, dict):
        raise wrong(path, expected, f"a JSON {type(found).__name__}")
    return found


def loaded(path: Path, expected: str) -> object:
    """Return what a JSON file holds. Raises DataError for a file that is no JSON."""
    try:
        found: object = json.loads(text(path))
    except json.JSONDecodeError as error:
        raise wrong(path, expected, f"no JSON ({error.msg}, line {error.lineno})") from error
    return found


def records(path: Path) -> Iterator[dict[str, str]]:
    """Yield the lines of a CSV file by the names of its header, "" where a line is short."""
    for line in csv.DictReader(io.StringIO(text(path), newline=""), restval=""):
        yield {name: value for name, value in line.items() if name is not None}


def text(path: Path) -> str:
    """Return the text of a file. Raises DataError for one that is not UTF-8."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(path, "text in UTF-8", "other bytes") from error


def number(path: Path, written: str, what: str) -> float:
    """Return a number from its text. Raises DataError, which names what it should be."""
    try:
        return float(written)
    except ValueError as error:
        raise wrong(path, f"{what} as a number", repr(written)) from error


def wrong(path: Path, expected: str, came: str) -> DataError:
    """Return the error of a file that is not what its toolkit writes."""
    return DataError(f"{path}: expected {expected}, found {came}. Give the file as the toolkit wrote it.")


def folders(path: Path, count: int, expected: str) -> tuple[str, ...]:
    """Return the names of the last folders above a file, the innermost last. Raises DataError for too few of them."""
    names = path.absolute().parts[:-1]
    if len(names) <= count:
        raise wrong(path, f"the file at {expected}", "fewer folders above it")
    return names[-count:]
