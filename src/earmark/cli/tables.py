"""The verb that prints tables of runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.app import EVALUATE, app
from earmark.cli.options import Json

if TYPE_CHECKING:
    from earmark.analysis.grid import Grid
    from earmark.analysis.pivot import Tied

ROBUSTNESS = "robustness"

Runs = Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="ids or folders (default: the latest run)")]
Metric = Annotated[str | None, typer.Option(help="another metric than the task's first")]
Average = Annotated[str | None, typer.Option(help="micro or macro")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="all_deform_all_models, deformations, probes, everything, layers, protocol, scores, cost or robustness"
    ),
]
Rows = Annotated[
    str | None, typer.Option(help="columns of the results that name the lines, such as representation,probe")
]
Columns = Annotated[str | None, typer.Option(help="columns of the results that name the columns, such as deformation")]
Freeze = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="keep one value of a column: deformation=clean (again for another)"),
]
Label = Annotated[str | None, typer.Option(help="the scores of this label alone")]
Showing = Annotated[
    Literal["value", "interval", "seeds"],
    typer.Option(help="beside a score: nothing, its interval, or its deviation over seeds"),
]
BoldWithin = Annotated[float, typer.Option(min=0.0, help="bold is also what is so near to the best score")]
Ties = Annotated[bool, typer.Option("--ties", help="mark what a paired test does not tell from the best")]
Per = Annotated[
    str | None, typer.Option(help="an attribute that the experiment names under per: a column for each value")
]
Folds = Annotated[bool, typer.Option("--folds", help="also a table of each fold")]
Form = Annotated[
    Literal["terminal", "markdown", "latex", "html", "csv"], typer.Option("--as", help="how it is written")
]
Published = Annotated[
    bool, typer.Option("--published", help="beside scores that papers printed, where protocol and split are the same")
]
Paper = Annotated[
    list[str] | None,
    typer.Option(metavar="TABLE", help="also a published table, as printed, such as 'wav2vec2_music, Table I'"),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="the same as --as markdown")]


@app.command(rich_help_panel=EVALUATE)
def table(
    runs: Runs = None,
    metric: Metric = None,
    average: Average = None,
    preset: Preset = None,
    rows: Rows = None,
    columns: Columns = None,
    freeze: Freeze = None,
    label: Label = None,
    show: Showing = "interval",
    bold_within: BoldWithin = 0.0,
    ties: Ties = False,
    per: Per = None,
    folds: Folds = False,
    published: Published = False,
    paper: Paper = None,
    form: Form = "terminal",
    markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Print the tables of a run, or of several side by side."""
    from earmark.experiment import results
    from earmark.runs import tabling
    from earmark.show import grids as showing

    names = runs or ["latest"]
    if as_json:
        showing.rows(row for name in names for row in results.rows(results.find(name)))
        return
    if markdown and form not in ("terminal", "markdown"):
        raise typer.BadParameter(f"--markdown is --as markdown: leave out that or --as {form}")
    frozen = _frozen(freeze, label)
    asked = preset or rows or columns or frozen or bold_within or ties
    if preset == ROBUSTNESS:
        made = _degraded(names, metric, average, alone=not (rows or columns or frozen or ties or per or folds))
    elif published:
        made = _beside_published(names, metric, average, alone=not (asked or per or folds))
    elif asked or show == "seeds" or len(names) > 1:
        if per is not None or folds:
            raise typer.BadParameter("--per and --folds are of the table of one run: leave out what else was asked")
        axes, is_tied = (_names(rows), _names(columns)), _tied(names) if ties else None
        seeds = show == "seeds"
        made = tabling.tables(names, metric, average, preset, *axes, frozen, bold_within, is_tied, deviations=seeds)
    else:
        made = results.grids(names[0], metric, average, per, folds)
    if paper:
        from earmark.published.printed import as_printed

        made = (*made, *map(as_printed, paper))
    _write(made, "markdown" if markdown else form, show)


def _write(grids: "Sequence[Grid]", form: str, show: Literal["value", "interval", "seeds"]) -> None:
    from earmark.analysis.writers import WRITERS
    from earmark.show import grids as showing

    if form == "terminal":
        showing.grids(grids, show)
    else:
        print(WRITERS[form](grids, show))


def _degraded(runs: Sequence[str], metric: str | None, average: str | None, *, alone: bool) -> "tuple[Grid, ...]":
    from earmark.experiment import results
    from earmark.runs import degradation

    if not alone:
        raise typer.BadParameter(f"--preset {ROBUSTNESS} has a layout of its own: leave out what else was asked")
    return degradation.tables([results.find(one) for one in runs], metric, average)


def _tied(runs: Sequence[str]) -> "Tied":
    from earmark.runs.ties import Ties

    return Ties(runs).holds


def _beside_published(
    runs: Sequence[str], metric: str | None, average: str | None, *, alone: bool
) -> "tuple[Grid, ...]":
    """Return runs' scores beside published ones; say which were not shown, and why."""
    from earmark.published import beside
    from earmark.show.said import remark

    if not alone:
        raise typer.BadParameter("--published has a layout of its own: leave out what else was asked")
    found = [beside(run, metric, average) for run in runs]
    if not any(one.grids for one in found):
        remark("note: no published score may stand beside those of this run")
    for refusal in (refusal for one in found for refusal in one.refused):
        remark(f"note: not shown: {refusal}")
    return tuple(grid for one in found for grid in one.grids)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text else ()


def _frozen(freeze: list[str] | None, label: str | None) -> Mapping[str, str]:
    pairs = [one.partition("=") for one in freeze or ()]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise typer.BadParameter(f"expected --freeze column=value, got '{wrong[0]}'")
    return {name: value for name, _, value in pairs} | ({} if label is None else {"label": label})
