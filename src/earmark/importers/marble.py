"""MARBLE: a table of runs exported from its tracker as CSV or JSON, since it keeps no file of results itself.

A run is a line with its name and columns such as `test_acc`, `test_ap`, `test_aucroc`, `test_arousal_r2`, `test_r2`
(version 1), or `test/acc` (version 2); in JSON also under "summary". Keys are scored there by several ways to average,
`test_ensemble_…`, the best of which is chosen on the test clips: those keep their name. Source: facts/evaluation.md,
sections 2 and 11.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.importers import base
from earmark.nouns import Result

PATTERNS = ("*.csv", "*.json")
PREFIXES = ("test_", "test/")
DIMENSIONS = ("arousal", "valence")
LEFT_OUT = ("loss",)


def read(path: Path) -> Iterator[Result]:
    """Yield the rows of every run in an export. `task` and `dataset` are read where the export has such columns."""
    found = list(_runs(path))
    for run in found:
        name = run.get("Name", run.get("name", ""))
        scores = {
            key[len(prefix) :]: run[key]
            for key in run
            for prefix in PREFIXES
            if key.startswith(prefix) and run[key] != ""
        }
        known = {key: run[key] for key in ("task", "dataset") if run.get(key)}
        for metric, value in scores.items():
            if metric not in LEFT_OUT:
                yield _row(metric, base.number(path, str(value), f"'{metric}' of run '{name}'"), name, known)
    if not any(key.startswith(PREFIXES) for run in found for key in run):
        raise base.wrong(path, "runs with scores such as 'test_acc' or 'test/acc'", f"{len(found)} runs without any")


def _runs(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix.lower() == ".csv":
        yield from base.records(path)
        return
    said = base.loaded(path, "a list of runs")
    for run in said if isinstance(said, list) else [said]:
        if not isinstance(run, dict):
            raise base.wrong(path, "a list of runs, each an object", f"a {type(run).__name__} in it")
        summary = run.get("summary", {})
        yield {**run, **(summary if isinstance(summary, dict) else {})}


def _row(name: str, value: float, run: str, known: Mapping[str, str]) -> Result:
    said: dict[str, Any] = {"representation": run, "probe": "MARBLE", **known}
    for dimension in DIMENSIONS:
        if name == f"{dimension}_r2":
            return base.row("MARBLE", "r2", value, label=dimension, **said)
    metric, average = base.METRICS.get(name, (name, None))
    return base.row("MARBLE", metric, value, average=average, **said)
