"""The verbs of data and representations: list, describe, check, get, embed; and doctor."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.app import LOOK_UP, USE, app
from earmark.cli.options import Accuracy, Folder, Jobs, Json, Label, Quiet, Raw, Unsure, cores


@app.command(name="list", rich_help_panel=LOOK_UP)
def list_(
    noun: Annotated[str, typer.Argument(help="dataset, task, representation, deformation, probe, metric or run")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="of datasets, representations, probes: print the page of them all")
    ] = False,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="of representations: only those that may be used commercially")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the names that can be written in an experiment file."""
    match noun.removesuffix("s"):
        case "dataset":
            from earmark.show import data

            data.datasets(as_json, markdown)
        case "task":
            from earmark.show import data

            data.task_list(as_json)
        case "representation":
            from earmark.show import representations

            representations.names(as_json, markdown, commercial)
        case _:
            from earmark.show import runs

            runs.names(noun, markdown, as_json)


@app.command(rich_help_panel=LOOK_UP)
def describe(
    noun: Annotated[Literal["dataset", "representation", "task", "corpus"], typer.Argument()],
    name: Annotated[str, typer.Argument(help="a name; of a corpus, its folder")],
    folder: Folder = None,
    label: Label = None,
    plot: Annotated[Path | None, typer.Option(help="draw the label's counts: FILE.svg, .png, .html or .json")] = None,
    as_json: Json = False,
) -> None:
    """Describe a dataset (clips, hours, labels, durations, rates), a task on its dataset, a representation, corpus."""
    if noun == "corpus":
        from earmark.show import training

        training.corpus_description(name, as_json)
        return
    if noun == "representation":
        from earmark.show import representations

        representations.description(name, as_json)
        return
    from earmark.show import data

    data.description(noun, name, folder, label, plot, as_json)


@app.command(rich_help_panel=LOOK_UP)
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
    elif noun == "representation":
        from earmark.show import representations

        is_right = representations.verdict(name, as_json)
    else:
        from earmark.show import runs

        is_right = runs.experiment_verdict(name)
    if not is_right:
        raise typer.Exit(1)


@app.command(rich_help_panel=LOOK_UP)
def get(
    noun: Annotated[Literal["dataset", "weights"], typer.Argument()],
    name: Annotated[str, typer.Argument(help="of weights: the representation's name, or hf:ORG/NAME")],
    folder: Folder = None,
    only: Annotated[Literal["audio", "labels"] | None, typer.Option(help="one side of a dataset")] = None,
    subset: Annotated[int | None, typer.Option(metavar="N", help="N clips, where clips can be had alone")] = None,
    stratify: Annotated[bool, typer.Option("--stratify", help="draw the subset in proportion to its labels")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="hash what is there already once more")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="reach no network, as EARMARK_OFFLINE=1 says too")] = False,
    jobs: Annotated[int, typer.Option(help="files fetched at once")] = 4,
    quiet: Quiet = False,
) -> None:
    """Fetch a dataset, or weights: resumable, verified; says what you must do where a program may not fetch it."""
    if noun == "weights":
        from earmark.show import representations

        if folder or only or subset or stratify:
            raise typer.BadParameter("--dir, --only, --subset and --stratify are of datasets")
        representations.got(name, jobs, verify, offline, quiet)
        return
    from earmark.show import data

    data.got(name, folder, only, subset, stratify, jobs, verify, offline, quiet)


@app.command(rich_help_panel=USE)
def embed(
    paths: Annotated[list[Path], typer.Argument(metavar="AUDIO...", help="audio files, or folders of them")],
    representation: Annotated[str, typer.Option("-r", "--representation")] = "logmel",
    layers: Annotated[str | None, typer.Option(help="such as 6 or 4,5,6 or 4-8 (default: all)")] = None,
    segment: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="length of a segment (default: the file)")
    ] = None,
    hop: Annotated[float | None, typer.Option(metavar="SECONDS", help="from one segment to the next")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="FILE.npz, .npy or .parquet")] = Path("embeddings.npz"),
) -> None:
    """Embed audio files: mean and standard deviation over time of each layer. Broken files are listed (exit 3)."""
    numbers = None if layers is None else layer_numbers(layers)
    from earmark.catalogue import embedding
    from earmark.show import representations

    representations.require_writable(out)
    found = embedding.embed(paths, representation, layers=numbers, segment_s=segment, segment_hop_s=hop)
    representations.embedded(found, out)
    raise typer.Exit(3 if found.failures else 0)


@app.command(rich_help_panel=USE)
def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PROBE AUDIO...", help="the folder of a saved probe; audio files, or folders of them"),
    ],
    probe: Annotated[Path | None, typer.Option("-p", "--probe", help="the probe, where all others are audio")] = None,
    unsure: Unsure = None,
    accuracy: Accuracy = None,
    raw: Raw = False,
    as_json: Json = False,
) -> None:
    """Say what a saved probe (runs/RUN/probes/KEY) hears in audio files. Broken files are listed (exit 3)."""
    if probe is None:
        probe, *paths = paths
    if not paths:
        raise typer.BadParameter("give audio after the probe: earmark predict runs/RUN/probes/KEY AUDIO...")
    from earmark.catalogue import prediction
    from earmark.show import predictions

    found = prediction.predict(paths, probe, unsure=unsure, accuracy=accuracy, is_calibrated=not raw)
    predictions.predicted(found, as_json)
    raise typer.Exit(3 if found.failures else 0)


def layer_numbers(text: str) -> list[int]:
    """Return the numbers of "4,5,6" or "4-8" or a mixture of both, in their order."""
    numbers: list[int] = []
    for part in text.split(","):
        if not (found := re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)):
            raise typer.BadParameter(f"expected layers such as 6 or 4,5,6 or 4-8, got '{text}'")
        numbers += range(int(found[1]), int(found[2] or found[1]) + 1)
    return numbers


@app.command(rich_help_panel=LOOK_UP)
def doctor() -> None:
    """Look at what is installed here and whether it can work."""
    from earmark import doctor as doctor_

    found = doctor_.examine()
    for one in found:
        print(f"{one.level:>7}  {one.what}")
    if any(one.level == "error" for one in found):
        raise typer.Exit(4)
