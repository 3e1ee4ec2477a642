"""Rows of results as lines of a figure: scores over layers, severities, shares of the labels, sizes of probes, speed.

A figure is of one task on one partition by its first metric; a line is a system. What is on no axis is the usual one:
clean audio and all training clips, where there are such scores. Every score is the mean over seeds, and of several
folds their mean where there is one.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from earmark.analysis.lines import CLEAN, SPEED, SYSTEM, Plot, listed, plot_of
from earmark.analysis.selection import CONSTANT, Key, choose, getter
from earmark.analysis.tables import seen_as
from earmark.nouns import Result

PLACE = ("task", "dataset", "dataset_version", "split", "fold", "metric", "average")
OPEN = ("task", "dataset", "dataset_version", "split", *SYSTEM, "train_share", "deformation", "severity")
"""Columns of which every value is wanted; of the others `choose` takes what stands for all."""

_place_of = getter(PLACE)
_system_of = getter(SYSTEM)
_view = getter(("representation", "layer", "pool"))


def layers(rows: Iterable[Result]) -> tuple[Plot, ...]:
    """Return a figure of each task on which some system was scored at two layers or more.

    What hears several layers at once ("all", "4-8") stands beside the axis.
    """
    held = _usual(_chosen(rows), "deformation", "train_share")
    line = [name for name in SYSTEM if name != "layer"]
    plots = (plot_of(part, line, lambda row: _number(row.layer), "layer") for part in _parts(held))
    return tuple(plot for plot in plots if plot.has_line)


def degradation(rows: Iterable[Result], units: Mapping[str, str] | None = None) -> tuple[Plot, ...]:
    """Return a figure of each task and severity sweep; the score of clean audio stands beside the axis.

    The rows of a sweep have a deformation "name@value". `units`: what its values are counted in, by its name. The axis
    runs as the experiment does, so that what is beside it is beside its first value.
    """
    held = _usual(_chosen(rows), "train_share")
    clean = [row for row in held if row.deformation == CLEAN]
    plots = []
    for part in _parts([row for row in held if row.severity is not None], _sweep):
        sweep, place = _sweep(part[0]), _place_of(part[0])
        unit = (units or {}).get(sweep)
        beside = [row for row in clean if _place_of(row) == place]
        plot = plot_of([*part, *beside], SYSTEM, _severity, f"{sweep} ({unit})" if unit else f"severity of {sweep}")
        order = [row.severity for row in part if row.severity is not None]
        plots.append(replace(plot, title=f"{plot.title}, {sweep}", is_falling=order[0] > order[-1]))
    return tuple(plots)


def label_efficiency(rows: Iterable[Result]) -> tuple[Plot, ...]:
    """Return a figure of each task on which some system was fitted on two shares of the training clips or more."""
    held = _usual(_chosen(rows), "deformation")
    plots = (plot_of(part, SYSTEM, attrgetter("train_share"), "share of the training clips") for part in _parts(held))
    return tuple(replace(plot, is_log=True) for plot in plots if plot.has_line)


def complexity(rows: Iterable[Result], sizes: Mapping[str, int] | None = None) -> tuple[Plot, ...]:
    """Return a figure of each task on which some representation has two probes or more.

    `sizes`: how many parameters were fitted, by the key of a probe (`runs.sizes`); of the seeds the mean is shown.
    What has none, such as nearest neighbours, stands beside the axis under its name. Without any sizes the probes are
    places in the order of the experiment, and no line joins them.
    """
    every = list(rows)
    held = _usual(_chosen(every), "deformation", "train_share")
    known = _mean_sizes(every, sizes or {})

    def place(row: Result) -> float | str:
        return known.get(_fitted(row), row.probe)

    line = [name for name in SYSTEM if name != "probe"]
    plots = [plot_of(part, line, place, "fitted parameters", lambda row: row.probe) for part in _parts(held)]
    kept = [plot for plot in plots if any(len(one.points) > 1 for one in plot.series)]
    return tuple(replace(plot, x_name=plot.x_name if plot.numbers else "probe") for plot in kept)


def cost(rows: Iterable[Result], x_realtime: Mapping[str, float]) -> tuple[Plot, ...]:
    """Return a figure of each task: scores over how fast representations are; a representation is a series.

    `x_realtime`: seconds of audio a second of computing, by representation; the parts of a joined one ("a+b") add up.
    What has no speed is left out and named in a note. () where fewer than two representations have one.
    """
    held = _usual(_chosen(rows), "deformation", "train_share")
    speeds = {row.representation: _speed(row.representation, x_realtime) for row in held if row.probe != CONSTANT}
    unknown = [name for name, speed in speeds.items() if speed is None]
    timed = [row for row in held if row.representation not in unknown]
    note = (f"Not timed in these runs: {listed(unknown)}.",) if unknown else ()
    views = Counter(row.representation for row in {_view(row): row for row in timed}.values())

    def told(row: Result) -> str:
        return row.probe if views[row.representation] < 2 else f"{seen_as('', row.layer, row.pool)} {row.probe}".strip()

    plots = []
    for part in _parts(timed):
        plot = plot_of(part, ("representation",), lambda row: speeds[row.representation] or 0.0, SPEED, told)
        if len(plot.series) > 1:
            plots.append(replace(plot, is_log=True, notes=(*plot.notes, *note)))
    return tuple(plots)


def _chosen(rows: Iterable[Result]) -> list[Result]:
    """Return the rows that stand for all seeds, labels and folds, by each task's first metric."""
    held = list(rows)
    if all(row.probe == CONSTANT for row in held):
        return []
    found = choose(held, OPEN, {}, None, None)
    return [*found.rows, *found.constants]


def _usual(rows: Sequence[Result], *names: str) -> list[Result]:
    """Return the rows of clean audio, and of the largest share of the training clips, task by task."""
    kept = list(rows)
    for name in names:
        usual: dict[Key, object] = {}
        for row in kept:
            value, place = getattr(row, name), _place_of(row)
            before = usual.setdefault(place, value)
            if value == CLEAN if name == "deformation" else value > before:
                usual[place] = value
        kept = [row for row in kept if getattr(row, name) == usual[_place_of(row)]]
    return kept


def _parts(rows: Iterable[Result], by: Callable[[Result], str] = lambda row: "") -> list[list[Result]]:
    """Return the rows of each figure, those of the constant predictor with each of its task."""
    parts: dict[tuple[Key, str], list[Result]] = {}
    constants: dict[Key, list[Result]] = {}
    for row in rows:
        if row.probe == CONSTANT:
            constants.setdefault(_place_of(row), []).append(row)
        else:
            parts.setdefault((_place_of(row), by(row)), []).append(row)
    return [[*part, *constants.get(place, ())] for (place, _), part in parts.items()]


def _number(text: str) -> float | str:
    return float(text) if text.isdecimal() and text.isascii() else text or "?"


def _sweep(row: Result) -> str:
    return row.deformation.rpartition("@")[0] or row.deformation


def _severity(row: Result) -> float | str:
    return CLEAN if row.severity is None else row.severity


def _speed(name: str, x_realtime: Mapping[str, float]) -> float | None:
    """Return how fast a representation is; of a joined one each part takes its time."""
    speeds = [x_realtime.get(part.strip()) for part in name.split("+")]
    known = [speed for speed in speeds if speed]
    return 1 / math.fsum(1 / speed for speed in known) if len(known) == len(speeds) else None


def _fitted(row: Result) -> Key:
    return *_place_of(row)[:4], row.train_share, *_system_of(row)


def _mean_sizes(rows: Iterable[Result], sizes: Mapping[str, int]) -> dict[Key, float]:
    """Return how many parameters the probes of each system have, the mean over their seeds."""
    found: dict[Key, dict[str, int]] = {}
    for row in rows:
        if row.probe_key in sizes:
            found.setdefault(_fitted(row), {})[row.probe_key] = sizes[row.probe_key]
    return {key: math.fsum(some.values()) / len(some) for key, some in found.items()}
