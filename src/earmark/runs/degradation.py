"""What of a run's scores is left under severity sweeps, and how far its embeddings moved: the preset `robustness`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.analysis import drift, robustness
from earmark.analysis.grid import NOT_SCORED, UNDEFINED, Cell, Grid
from earmark.analysis.robustness import Degradation
from earmark.analysis.stats import Estimate
from earmark.analysis.tables import clips_said
from earmark.deformations import CLEAN, severity_of, sweep_of
from earmark.errors import DataError
from earmark.experiment import drifts
from earmark.experiment.drifts import Drift
from earmark.metrics import find
from earmark.runs import bouts, predictions
from earmark.runs.predictions import Predicted

Of = tuple[str, ...]
READING = "area: mean score drop over the severities of a sweep, 0 = nothing lost; at: the severity of the worst score."
ABSENT = Cell(None, None, None, missing=NOT_SCORED)


@dataclass(frozen=True)
class Curve:
    """A system's degradation under one sweep, on one partition of a task; a score is the mean over seeds and folds."""

    predicted: Predicted
    sweep: str
    metric: str
    average: str
    n: int
    n_groups: int | None
    method: str
    of: Degradation


def curves(run_folder: Path, metric: str | None = None, average: str | None = None) -> tuple[Curve, ...]:
    """Return the curve of every system under every sweep of a run, each from the clips heard under all conditions.

    `metric` None takes each task's first. () where the run sweeps nothing.
    """
    systems: dict[Of, list[Predicted]] = {}
    for one in predictions.index(run_folder):
        if one.deformation == CLEAN.name or severity_of(one.deformation) is not None:
            systems.setdefault(_system(one), []).append(one)
    swept = [part for part in systems.values() if any(one.deformation != CLEAN.name for one in part)]
    return tuple(curve for part in swept for curve in _curves(part, metric, average))


def _system(one: Predicted) -> Of:
    of_task = one.task, one.dataset, one.split, str(one.train_share)
    return *of_task, one.representation, one.layer, one.pool, one.probe


def _curves(part: Sequence[Predicted], metric: str | None, average: str | None) -> Iterator[Curve]:
    """Yield the curves of one system: its conditions meet as systems do, so that all are on the same resamples."""
    conditions = [replace(one, representation=one.deformation, layer="", pool="", probe="") for one in part]
    bout = bouts.meet(conditions, metric, average)
    estimates = {one.deformation: bout.estimates(one.system)[0] for one in conditions if one.system in bout.systems}
    less_is_better = not find(bout.metric, bout.kind).higher_is_better
    sweeps: dict[str, dict[float, Estimate]] = {}
    for name, estimate in estimates.items():
        sweep, severity = sweep_of(name), severity_of(name)
        if sweep is not None and severity is not None:
            sweeps.setdefault(sweep, {})[severity] = estimate
    for sweep, deformed in sweeps.items() if CLEAN.name in estimates else ():
        found = robustness.degradation(estimates[CLEAN.name], deformed, less_is_better, bout.ci_level, bout.units)
        n_groups = len(set(bout.groups)) if bout.groups else None
        method = f"{bout.ci_level:.0%} interval: {found.drops[0].interval.method}, paired"
        yield Curve(part[0], sweep, bout.metric, bout.average, len(bout.clips), n_groups, method, found)


def tables(run_folders: Sequence[Path], metric: str | None = None, average: str | None = None) -> tuple[Grid, ...]:
    """Return a table of each task, a line a system: clean score, and of each sweep the worst score and the area.

    Then one of each measure of `analysis.drift` on each dataset, a line a representation, a column a deformation.
    Raises DataError where runs have neither, or where a sweep has other severities in another run.
    """
    found = [curve for folder in run_folders for curve in curves(folder, metric, average)]
    tasks: dict[Of, list[Curve]] = {}
    for curve in found:
        tasks.setdefault((*_system(curve.predicted)[:4], curve.metric, curve.average), []).append(curve)
    moved = [row for folder in run_folders for row in drifts.read(folder)]
    if not found and not moved:
        raise DataError("These runs deform nothing. Write deformations into the experiment, such as a severity sweep.")
    return (*(_scores(part) for part in tasks.values()), *_moves(moved))


def _scores(found: Sequence[Curve]) -> Grid:
    sweeps = list(dict.fromkeys(curve.sweep for curve in found))
    ranges = {sweep: [curve.of.severities for curve in found if curve.sweep == sweep] for sweep in sweeps}
    for sweep in sweeps:
        robustness.require_same_severities(sweep, ranges[sweep])
    cells: dict[Of, dict[tuple[str, str], Cell]] = {}
    for curve in found:
        line = cells.setdefault(_system(curve.predicted)[4:], {})
        named = f"{curve.sweep} {_range(curve.of.severities)}"
        for head, cell in (
            (("", "clean"), _cell(curve.of.clean)),
            ((named, "worst"), _cell(curve.of.scores[curve.of.worst])),
            ((named, "at"), Cell(curve.of.severities[curve.of.worst], None, None)),
            ((named, "area"), _cell(curve.of.area)),
        ):
            _put(line, head, cell, curve.predicted.system)
    heads = list(dict.fromkeys(head for line in cells.values() for head in line))
    first = found[0]
    clips = "; ".join(dict.fromkeys(clips_said(one.n, one.n_groups, one.metric) for one in found))
    share = first.predicted.train_share
    of_share = f", {share:.3g} of the training clips" if share < 1 else ""
    where = f"{first.predicted.task} on {first.predicted.dataset}, split {first.predicted.split}{of_share}"
    return _grid(
        f"{where}: {first.metric} ({first.average}), {clips}",
        ("representation", "layer", "pool", "probe"),
        ("sweep", "what"),
        cells,
        heads,
        first.method,
        (READING,),
        tuple("g" if what == "at" else ".3f" for _, what in heads),
    )


def _put(line: dict[tuple[str, str], Cell], head: tuple[str, str], cell: Cell, system: str) -> None:
    """Put a cell into a line; the same number from another run stays one, and another number is refused."""
    if line.setdefault(head, cell).value != cell.value:
        raise DataError(
            f"Two of these runs have other numbers for '{system}', {' '.join(filter(None, head))}, and its line has "
            "one. Make a table of each run."
        )


def _range(severities: Sequence[float]) -> str:
    return "…".join(dict.fromkeys(f"{one:g}" for one in (severities[0], severities[-1])))


def _moves(found: Iterable[Drift]) -> Iterator[Grid]:
    parts: dict[tuple[str, str], list[Drift]] = {}
    for row in found:
        parts.setdefault((row.measure, row.dataset), []).append(row)
    for (measure, dataset), rows in sorted(parts.items(), key=lambda one: drift.MEASURES.index(one[0][0])):
        cells: dict[Of, dict[tuple[str, str], Cell]] = {}
        for row in rows:
            cell = Cell(row.value, row.low, row.high, missing="" if row.value is not None else UNDEFINED)
            line = cells.setdefault((row.representation, row.layer, row.pool), {})
            _put(line, (row.deformation, ""), cell, row.representation)
        heads = list(dict.fromkeys((row.deformation, "") for row in rows))
        notes = tuple(dict.fromkeys(f"undefined: {row.note}." for row in rows if row.note))
        methods = dict.fromkeys(row.ci_method for row in rows if row.low is not None)
        method = f"{rows[0].ci_level:.0%} interval: {'; '.join(methods)}" if methods else ""
        clips = "; ".join(dict.fromkeys(clips_said(row.n, row.n_groups, measure) for row in rows))
        title = f"{measure} of embeddings, {clips} of {dataset}"
        grid = _grid(title, ("representation", "layer", "pool"), ("deformation", ""), cells, heads, method, notes)
        yield replace(grid, over_seeds=False)


def _grid(
    title: str,
    row_by: Of,
    column_by: tuple[str, str],
    cells: Mapping[Of, Mapping[tuple[str, str], Cell]],
    heads: Sequence[tuple[str, str]],
    interval: str,
    notes: tuple[str, ...],
    forms: tuple[str, ...] = (),
) -> Grid:
    """Return a grid; a name of an axis that says nothing, or the same of all lines, is left out."""
    shown = [place for place in range(len(row_by)) if place == 0 or len({line[place] for line in cells}) > 1]
    levels = [place for place in range(2) if any(head[place] for head in heads)]
    return Grid(
        title,
        tuple(row_by[place] for place in shown),
        tuple(column_by[place] for place in levels),
        tuple(tuple(line[place] for place in shown) for line in cells),
        tuple(tuple(head[place] for place in levels) for head in heads),
        tuple(tuple(line.get(head, ABSENT) for head in heads) for line in cells.values()),
        interval,
        notes,
        forms,
    )


def _cell(found: Estimate | None) -> Cell:
    if found is None or found.value != found.value:
        return Cell(None, None, None, missing=UNDEFINED)
    return Cell(found.value, found.interval.low, found.interval.high)
