"""A figure of lines before it is drawn: scores of systems on one task, placed on an axis, and what to say of them."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from earmark.analysis.grid import NARROW_BECAUSE, is_defined, notes_of
from earmark.analysis.selection import CONSTANT, Key, getter, text_of
from earmark.analysis.tables import clips_said, lower_is_better, seen_as
from earmark.nouns import Result

CLEAN, SPEED = "clean", "× real time"
MOST_LINES = 8
MOST_NAMED = 5
WIDE = 30.0
"""An axis whose values span more than this factor is logarithmic."""
SYSTEM = ("representation", "layer", "pool", "probe", "preset", "run")
"""The columns of a row that tell systems apart."""


@dataclass(frozen=True)
class Point:
    """A score with its interval at `x`. A text as `x` is a place beside the axis: "clean", "all".

    `value` None: there is no number, and the line has a gap. `said` names the point where its line does not.
    """

    x: float | str
    value: float | None
    low: float | None = None
    high: float | None = None
    said: str = ""


@dataclass(frozen=True)
class Series:
    """A line: its points by ascending x, then those beside the axis. `is_faint`: one of too many to tell apart."""

    name: str
    points: tuple[Point, ...]
    is_faint: bool = False


@dataclass(frozen=True)
class Plot:
    """What a figure shows, before it is drawn. `notes` are sentences to stand below it.

    `constant`: the score of the predictor that hears nothing. `is_log`: the x axis is logarithmic; `is_falling`: it
    runs from high to low.
    """

    title: str
    x_name: str
    y_name: str
    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()
    constant: float | None = None
    is_log: bool = False
    is_falling: bool = False
    lower_is_better: bool = False

    @property
    def has_line(self) -> bool:
        """Whether a series has two places on the axis or more."""
        return any(len({point.x for point in one.points if not isinstance(point.x, str)}) > 1 for one in self.series)

    @property
    def numbers(self) -> tuple[float, ...]:
        """Every place on the axis that is taken, without those beside it."""
        return tuple(point.x for one in self.series for point in one.points if not isinstance(point.x, str))

    @property
    def sides(self) -> tuple[str, ...]:
        """Every place beside the axis, in the order in which they come."""
        return tuple(dict.fromkeys(p.x for one in self.series for p in one.points if isinstance(p.x, str)))


def plot_of(
    rows: Sequence[Result],
    line_by: Sequence[str],
    x_of: Callable[[Result], float | str],
    x_name: str,
    said: Callable[[Result], str] = lambda _: "",
) -> Plot:
    """Return the figure of rows that are all of one task; `line_by`: the columns that tell lines apart."""
    line_of = getter(tuple(line_by))
    systems = [row for row in rows if row.probe != CONSTANT]
    lines: dict[Key, list[Result]] = {}
    for row in systems:
        lines.setdefault(line_of(row), []).append(row)
    names = _names({key: dict(zip(line_by, key, strict=True)) for key in lines})
    first, lower = systems[0], lower_is_better(systems[0].metric)
    series = [
        Series(names[key], tuple(sorted((_point(row, x_of(row), said(row)) for row in line), key=_order)))
        for key, line in lines.items()
    ]
    shown, faint = _faint(series, lower)
    constants = {row.value for row in rows if row.probe == CONSTANT and is_defined(row.value)}
    varies = (f"The constant predictor scores {_range(constants)}.",) if len(constants) > 1 else ()
    made = Plot(
        _title(systems),
        x_name,
        f"{first.metric} ({first.average})" if first.average else first.metric,
        shown,
        (*_notes(systems), *_undefined(series), *varies, *faint),
        constants.pop() if len(constants) == 1 else None,
        lower_is_better=lower,
    )
    return replace(made, is_log=_is_wide(made.numbers))


def front(plot: Plot) -> tuple[Point, ...]:
    """Return the points that no other beats both in x and in score (the Pareto front), by ascending x."""
    sign = -1 if plot.lower_is_better else 1
    points = [point for one in plot.series for point in one.points if _is_placed(point)]
    points.sort(key=lambda point: (-_x(point), -sign * (point.value or 0.0)))
    best, kept = -math.inf, list[Point]()
    for point in points:
        if sign * (point.value or 0.0) > best:
            best = sign * (point.value or 0.0)
            kept.append(point)
    return tuple(reversed(kept))


def _title(rows: Sequence[Result]) -> str:
    """Return what all scores of a figure have in common."""
    row, shares, heard = rows[0], {row.train_share for row in rows}, {row.deformation for row in rows}
    fold = ", mean of its folds" if row.fold is None else f", fold {row.fold}" if row.fold else ""
    share = f", {row.train_share:.3g} of the training clips" if len(shares) == 1 and shares != {1.0} else ""
    condition = f", {row.deformation}" if len(heard) == 1 and heard != {CLEAN} else ""
    return f"{row.task} on {row.dataset}, split {row.split}{fold}{share}{condition}"


def _point(row: Result, x: float | str, said: str) -> Point:
    if not is_defined(row.value):
        return Point(x, None, None, None, said)
    low, high = (edge if is_defined(edge) else None for edge in (row.ci_low, row.ci_high))
    return Point(x, row.value, low, high, said)


def _order(point: Point) -> tuple[bool, float]:
    """Sort numbers by size, then texts as they come."""
    return (True, 0.0) if isinstance(point.x, str) else (False, point.x)


def _names(lines: Mapping[Key, Mapping[str, object]]) -> dict[Key, str]:
    """Return the names of lines: the representation, and what else tells some of them apart."""
    varies = {
        name
        for name in SYSTEM
        if len({str(line.get(name)) for line in lines.values()}) > 1 and name != "representation"
    }
    named = {}
    for key, line in lines.items():
        seen = {name: str(line.get(name) or "") if name in varies else "" for name in SYSTEM}
        parts = [seen_as(str(line["representation"]), seen["layer"], seen["pool"]), seen["probe"]]
        named[key] = ", ".join(filter(None, [*parts, seen["preset"] * (not seen["probe"]), seen["run"]]))
    if len(set(named.values())) < len(named):  # two presets may have a probe of one name
        return {key: f"{name}, {lines[key].get('preset') or 'no preset'}" for key, name in named.items()}
    return named


def _faint(series: Sequence[Series], lower: bool) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    """Return series of which at most MOST_LINES, the best on average, are not faint; and what is to be said of it."""
    if len(series) <= MOST_LINES:
        return tuple(series), ()
    sign = 1 if lower else -1
    ranked = sorted(range(len(series)), key=lambda place: _mean(series[place], sign))
    kept = set(ranked[:MOST_LINES])
    faint = tuple(replace(one, is_faint=place not in kept) for place, one in enumerate(series))
    return faint, (f"Of {len(series)} lines the {MOST_LINES} best on average have a colour; the others are grey.",)


def _mean(one: Series, sign: int) -> float:
    """Return the mean score times the sign; infinity where there is none, so that it sorts last."""
    values = [point.value for point in one.points if point.value is not None]
    return sign * math.fsum(values) / len(values) if values else math.inf


def _notes(rows: Sequence[Result]) -> Iterator[str]:
    """Yield of how much the scores are, how their intervals were made, and what speaks against them."""
    counts = dict.fromkeys(clips_said(row.n, row.n_groups, row.metric) for row in rows)
    seeds = sorted({row.n_seeds for row in rows})
    said = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    yield f"{'; '.join(counts)}. Mean over {said} seed{'s' * (seeds != [1])}."
    methods: dict[float, dict[str, None]] = {}
    for row in rows:
        if is_defined(row.ci_low):
            methods.setdefault(row.ci_level, {})[row.ci_method] = None
    if methods:
        yield "; ".join(f"{level:.0%} interval: {'; '.join(some)}" for level, some in methods.items()) + "."
    for name in ("probe", "pool"):
        values = {getattr(row, name) for row in rows}
        if len(values) == 1 and values != {""}:
            yield f"All with {name} {values.pop()}."
    narrow = sum(row.narrow for row in rows)
    if narrow:
        yield f"{narrow} of {len(rows)} intervals are too narrow to be believed: {NARROW_BECAUSE}."
    yield from notes_of(rows)


def _range(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{min(known):.3f} to {max(known):.3f}"


def _undefined(series: Iterable[Series]) -> Iterator[str]:
    """Yield where there is no number."""
    places = [
        f"{one.name} at {point.said or text_of(point.x)}"
        for one in series
        for point in one.points
        if point.value is None
    ]
    if places:
        yield f"Undefined, no number for these clips: {listed(places)}."


def listed(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _is_wide(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) > WIDE * min(values)


def _is_placed(point: Point) -> bool:
    return point.value is not None and not isinstance(point.x, str)


def _x(point: Point) -> float:
    return math.nan if isinstance(point.x, str) else point.x
