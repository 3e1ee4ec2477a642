"""The figures of a run, in sections of its page, each with the same numbers as a table."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from earmark.analysis import series
from earmark.analysis.grid import Grid
from earmark.analysis.lines import Plot
from earmark.counted import counted
from earmark.deformations import CLEAN
from earmark.errors import DataError
from earmark.experiment import costs
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.reports import _sweeps, charts, heat, rank_diagram
from earmark.reports._provenance import whole
from earmark.reports._scores import Scores, scores
from earmark.reports.figures import Figure, svg
from earmark.runs import degradation, sizes, tabling
from earmark.runs.comparison import Comparison, Ranked

MOST_HEAT_LINES = 40
MOST_PLOTS = 12
"""Of one kind on a page: a run of a hundred tasks has its numbers in the tables."""

SEVERAL = "Every system on every task. Colours compare systems within a task, since metrics differ."
ONE = "Every system under every condition. Colours compare systems under the same one."
LOST = "What is lost as audio is deformed ever more."
MOVED = (
    "Deformed audio moves embeddings. Drift is the mean cosine distance from a clip to its deformed self; relative "
    "drift counts it in distances between different clips, so that 1 is as far as another clip. Self-retrieval is the "
    "share of deformed clips of which no clean clip is nearer than their own. Equivariance is the share of the move "
    "that a linear map foresees on clips it was not fitted on; constant shift the share that one shift for all clips "
    "foresees."
)


@dataclass(frozen=True)
class Picture:
    """A figure as an SVG element, what is to be said below it, and its numbers as a table."""

    title: str
    svg: str
    notes: tuple[str, ...]
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A part of the page: its id, its head, how to read it, figures and tables, and what was left out."""

    name: str
    head: str
    lede: str
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Scores, ...] = ()
    note: str = ""


def sections(run: Run, comparison: Comparison | None) -> tuple[Section, ...]:
    """Return the sections of a run that have anything to show. Raises MissingPart where nothing can be drawn."""
    rows = whole(run)
    found = (
        _of_pictures(
            "overview",
            "At a glance",
            SEVERAL if len(_tasks(rows)) > 1 else ONE,
            [*_heat_map(run), *_ranks(comparison)],
        ),
        _of_plots(
            "layers",
            "Layer by layer",
            "Where in a network a task is solved: each point is a probe on one layer alone.",
            series.layers(rows),
        ),
        _robustness(run),
        _of_plots(
            "labels",
            "With fewer labels",
            "How much is left when a probe is fitted on a share of the training clips.",
            series.label_efficiency(rows),
        ),
        _of_plots(
            "probes",
            "Simpler and larger probes",
            "What a larger probe adds: what a simple one reads out is there plainly, the rest must be dug for.",
            series.complexity(run.rows, sizes.of_run(run.folder)),
        ),
        _costs(run),
    )
    return tuple(one for one in found if one.pictures or one.grids)


def _of_plots(
    name: str, head: str, lede: str, plots: Sequence[Plot], draw: Callable[[Plot], Figure] = charts.plot
) -> Section:
    return _of_pictures(name, head, lede, [_picture(one, draw) for one in plots[:MOST_PLOTS]], len(plots))


def _of_pictures(name: str, head: str, lede: str, pictures: Sequence[Picture], n: int = 0) -> Section:
    left_out = n - len(pictures)
    more = f"Left out: {counted(left_out, 'more figure')} of this kind; the tables have the numbers."
    note = more if left_out > 0 else ""
    return Section(name, head, lede, tuple(pictures), note=note)


def _picture(one: Plot, draw: Callable[[Plot], Figure]) -> Picture:
    lines = tuple(
        (
            ", ".join(filter(None, (line.name, point.said if point.said != point.x else ""))),
            point.x if isinstance(point.x, str) else f"{point.x:,.4g}",
            "undefined" if point.value is None else f"{point.value:.3f}",
            "" if point.low is None or point.high is None else f"{point.low:.3f} to {point.high:.3f}",
        )
        for line in one.series
        for point in line.points
    )
    head = ("system", one.x_name, one.y_name, "interval")
    return _framed(draw(one), one.title, one.notes, head, lines)


def _framed(
    figure: Figure, title: str, notes: Sequence[str], head: tuple[str, ...], lines: tuple[tuple[str, ...], ...]
) -> Picture:
    """Return a figure whose title the page writes: there it wraps, and can be searched and copied."""
    said = figure.get("title", {}).get("subtitle", ())
    subtitle = (said,) if isinstance(said, str) else tuple(said)
    bare = {name: value for name, value in figure.items() if name != "title"}
    return Picture(title, svg(bare), (" ".join(subtitle), *notes), head, lines)


def _heat_map(run: Run) -> Iterator[Picture]:
    """Yield systems by tasks on clean audio, or by conditions where there is one task; none where there is nothing."""
    scored = whole(run)
    tasks = _tasks(scored)
    heard = list(dict.fromkeys(row.deformation for row in scored))
    usual = CLEAN.name if CLEAN.name in heard else (heard or [""])[0]
    column_by = ("task",) if len(tasks) > 1 else ("deformation",)
    freeze = {"deformation": usual} if len(tasks) > 1 else {}
    try:
        (grid,) = tabling.tables(
            run, rows=("representation", "layer", "pool", "probe"), columns=column_by, freeze=freeze
        )
    except DataError:  # more varies than two axes can show; the tables show all of it
        return
    if 1 < len(grid.row_heads) <= MOST_HEAT_LINES and len(grid.column_heads) > 1:
        head = (*grid.row_by, *(", ".join(one) for one in grid.column_heads))
        lines = ((*head, *texts) for head, texts in zip(grid.row_heads, grid.texts("interval"), strict=True))
        yield _framed(heat.heat_map(grid), grid.title, grid.remarks("value"), head, tuple(lines))


def _tasks(rows: Iterable[Result]) -> set[tuple[str, str, str]]:
    return {(row.task, row.dataset, row.split) for row in rows}


def _ranks(comparison: Comparison | None) -> Iterator[Picture]:
    ranked: Ranked | None = comparison.ranking if comparison else None
    if comparison is None or ranked is None:
        return
    cliques = "; ".join(" = ".join(one) for one in ranked.cliques) or "none"
    reading = (
        f"Friedman's test that all are alike: p = {ranked.p:.4f}. Not told apart: {cliques}. "
        "Tasks that share clips count as if they did not."
    )
    lines = tuple((name, f"{rank:.2f}") for name, rank in ranked.systems)
    title = f"Mean ranks over {ranked.n_tasks} tasks"
    figure = rank_diagram.ranks(ranked, comparison.level)
    yield _framed(figure, title, (reading,), ("system", "mean rank"), lines)


def _robustness(run: Run) -> Section:
    """Return scores over severities and, where the run measured it, how far embeddings moved."""
    plots = series.degradation(whole(run), _sweeps.units(_sweeps.chains(run.folder)))
    try:
        grids = degradation.tables([run.folder])
    except DataError:  # neither a sweep nor a deformation in this run
        grids = ()
    drawn = [_picture(one, charts.plot) for one in plots[:MOST_PLOTS]]
    lede = " ".join(said for said, shown in ((LOST, plots), (MOVED, grids)) if shown)
    section = _of_pictures("robustness", "Robustness", lede, drawn, len(plots))
    return _with_grids(section, grids)


def _with_grids(section: Section, grids: Sequence[Grid]) -> Section:
    return Section(section.name, section.head, section.lede, section.pictures, tuple(map(scores, grids)), section.note)


def _costs(run: Run) -> Section:
    """Return scores over speed, and what representations cost, as far as this run computed their embeddings."""
    measured = costs.read(run.folder)
    speeds = {one.representation: one.x_realtime for one in measured if one.x_realtime}
    plots = series.cost(whole(run), speeds)
    drawn = [_picture(one, charts.cost_against_score) for one in plots[:MOST_PLOTS]]
    lede = "Speed is seconds of audio heard in a second of computing, on one core or GPU; measured while embedding."
    section = _of_pictures("cost", "Cost against score", lede, drawn, len(plots))
    return _with_grids(section, tabling.tables(run, preset=tabling.COST)) if measured else section
