"""Writes the golden tables: every preset by every writer, of one fixed set of rows.

Run from the root of the repository: python -m tests.golden.tables.make. Look at what changed before it is kept.

The rows are made up, and have what tables must say something of: a score that is missing, one that is undefined, one
that is NaN, intervals that are too narrow or hold the constant predictor, a tie, clips that failed, a representation
that was never checked, a metric of which less is better, scores of labels and of single seeds.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

from earmark.analysis import layouts, writers
from earmark.analysis.grid import Grid
from earmark.experiment import costs, results
from earmark.experiment.costs import Cost
from earmark.nouns import Result
from earmark.runs import tabling
from earmark.show.grids import unbroken
from tests.analysis.test_tables import CONSTANT, row

HERE = Path(__file__).parent
ENDINGS = {"terminal": "txt", "markdown": "md", "latex": "tex", "html": "html", "csv": "csv"}
SYSTEMS = (("logmel", "all", 0.0), ("mert-v1-95m", "4", 0.2), ("mert-v1-95m", "6", 0.25))
PROBES = (("M1", "mir_ref-fixed", 0.0), ("linear", "mule2022", 0.05))
CONDITIONS = (("clean", None, 0.1), ("snr@20", 20.0, 0.05), ("snr@0", 0.0, 0.0))
SPEED = Cost("logmel", 4.0, 4.0, "cpu", 7200.0, 10.0, 1_500_000_000, 8, 0, 128, 1, 8_000_000)


def rows() -> Iterator[Result]:
    """Yield the rows of a task whose metric is better the higher, and of one whose metric is an error."""
    yield from (replace(CONSTANT, n_failed=2), replace(CONSTANT, average="macro", value=0.05))
    error = {"task": "tempo", "metric": "mean_absolute_error", "average": None, "n": 96, "n_groups": None}
    yield changed(CONSTANT, **error, value=30.0, ci_low=25.0, ci_high=35.0)
    for (representation, layer, gain), (probe, preset, more), (chain, severity, most) in product(
        SYSTEMS, PROBES, CONDITIONS
    ):
        name = {"representation": representation, "layer": layer, "probe": probe, "preset": preset}
        one = row(
            **name,
            deformation=chain,
            severity=severity,
            unverified=representation != "logmel",
            licence="" if representation == "logmel" else "non-commercial",
        )
        score = 0.3 + gain + more + most
        for seed, offset in ((None, 0.0), (0, -0.01), (1, 0.01)):
            each = replace(one, seed=seed, n_seeds=2 if seed is None else 1)
            yield from _scores(each, round(score + offset, 4))
            yield changed(each, **error, **_around(40 - 30 * (score + offset), 4.0))


def changed(one: Result, **changes: object) -> Result:
    """Return a row with other values, by the names of its fields."""
    return replace(one, **changes)  # type: ignore[arg-type]  # real fields


def _scores(one: Result, score: float) -> Iterator[Result]:
    place = (one.representation, one.layer, one.probe, one.deformation)
    if place == ("mert-v1-95m", "6", "M1", "snr@0"):
        return
    micro = changed(one, **_around(score, 0.04), narrow=one.probe == "linear" and one.layer == "4")
    if place == ("logmel", "all", "M1", "snr@20"):
        micro = replace(one, value=None, ci_low=None, ci_high=None)
    if place == ("logmel", "all", "linear", "snr@20"):
        micro = replace(one, value=float("nan"), ci_low=float("nan"), ci_high=float("nan"))
    yield micro
    yield changed(one, average="macro", **_around(score - 0.1, 0.2))
    yield changed(one, average=None, label="piano", n=48, **_around(score + 0.1, 0.05))


def _around(value: float, half: float) -> dict[str, float]:
    return {"value": round(value, 4), "ci_low": round(value - half, 4), "ci_high": round(value + half, 4)}


def grids() -> Mapping[str, tuple[Grid, ...]]:
    """Return the tables of each preset, read from a folder as they are for a user."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        results.write_rows(folder, list(rows()))
        costs.add(folder, [SPEED, replace(SPEED, representation="mert-v1-95m", n_parameters=94_371_712, seconds=900.0)])
        of_scores = {
            name: tabling.tables(folder, preset=name, is_tied=_is_tied, deviations=True) for name in layouts.LAYOUTS
        }
        return {**of_scores, tabling.COST: tabling.tables(folder, preset=tabling.COST)}


def _is_tied(best: Result, other: Result) -> bool:
    return abs((best.value or 0.0) - (other.value or 0.0)) <= 0.05 and best.metric == "accuracy"


def written() -> dict[str, str]:
    """Return the content of each golden file by its name; the terminal's show deviations of seeds, others intervals."""
    found = {}
    for preset, some in grids().items():
        lines = [line for one in some for line in unbroken(one, "seeds")]
        found[f"{preset}.{ENDINGS['terminal']}"] = "\n".join(line.rstrip() for line in lines) + "\n"
        for form, write in writers.WRITERS.items():
            found[f"{preset}.{ENDINGS[form]}"] = write(some, "interval") + "\n"
    return found


if __name__ == "__main__":
    for name, content in written().items():
        (HERE / name).write_text(content, "utf-8", newline="\n")
