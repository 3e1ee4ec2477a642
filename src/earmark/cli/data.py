"""The verbs of data and representations: list, describe, check, get, embed; and doctor."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.app import app
from earmark.cli.options import Folder, Jobs, Json, Label, Quiet, cores


@app.command(name="list")
def list_(
    noun: Annotated[str, typer.Argument(help="dataset, task, representation, deformation, probe, metric or run")],
    markdown: Annotated[bool, typer.Option("--markdown", help="of datasets: print a page of all their cards")] = False,
    as_json: Json = False,
) -> None:
    """List the names that can be written in an experiment file."""
    if noun.removesuffix("s") in ("dataset", "task"):
        from earmark.show import data

        if noun.startswith("task"):
            data.task_list(as_json)
        else:
            data.datasets(as_json, markdown)
        return
    from earmark.show import runs

    runs.names(noun)


@app.command()
def describe(
    noun: Annotated[Literal["dataset", "representation", "task"], typer.Argument()],
    name: Annotated[str, typer.Argument()],
    folder: Folder = None,
    label: Label = None,
    plot: Annotated[Path | None, typer.Option(help="draw the label's counts: FILE.svg, .png, .html or .json")] = None,
    as_json: Json = False,
) -> None:
    """Describe a dataset (clips, hours, labels by split, durations, rates), a task on its dataset, a representation."""
    if noun == "representation":
        from earmark.show import runs

        runs.description(name, as_json)
        return
    from earmark.show import data

    data.description(noun, name, folder, label, plot, as_json)


@app.command()
def check(
    noun: Annotated[Literal["dataset", "representation", "experiment"], typer.Argument()],
    name: Annotated[str, typer.Argument(help="a name; of an experiment, its file")],
    folder: Folder = None,
    label: Label = None,
    with_audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="of a dataset: embed it, and compare the parts of its splits")
    ] = True,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Check your data, a representation or an experiment file; exit 1 when something is wrong."""
    if noun == "dataset":
        from earmark.show import data

        is_right = data.dataset_verdict(name, folder, label, as_json, with_audit, jobs or cores())
    else:
        from earmark.show import runs

        is_right = runs.verdict(noun, name)
    if not is_right:
        raise typer.Exit(1)


@app.command()
def get(
    noun: Annotated[Literal["dataset"], typer.Argument()],
    name: Annotated[str, typer.Argument()],
    folder: Folder = None,
    only: Annotated[Literal["audio", "labels"] | None, typer.Option(help="one side of it")] = None,
    subset: Annotated[int | None, typer.Option(metavar="N", help="N clips, where clips can be had alone")] = None,
    stratify: Annotated[bool, typer.Option("--stratify", help="draw the subset in proportion to its labels")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="hash what is there already once more")] = False,
    jobs: Annotated[int, typer.Option(help="files fetched at once")] = 4,
    quiet: Quiet = False,
) -> None:
    """Fetch a dataset: resumable, verified; says what you must do where a program may not fetch it."""
    from earmark.show import data

    data.got(name, folder, only, subset, stratify, jobs, verify, quiet)


@app.command()
def embed(
    paths: Annotated[list[Path], typer.Argument(help="audio files")],
    representation: Annotated[str, typer.Option("-r", "--representation")] = "logmel",
    out: Annotated[Path, typer.Option("-o", "--out", help="where to write (.npz)")] = Path("embeddings.npz"),
) -> None:
    """Embed audio files: mean and standard deviation over time of every layer."""
    from earmark import catalogue
    from earmark.show import runs

    found = catalogue.embed(paths, representation)
    runs.embedded(found, out)
    raise typer.Exit(3 if found.failures else 0)


@app.command()
def doctor() -> None:
    """Look at what is installed here and whether it can work."""
    from earmark import doctor as doctor_

    found = doctor_.examine()
    for one in found:
        print(f"{one.level:>7}  {one.what}")
    if any(one.level == "error" for one in found):
        raise typer.Exit(4)
