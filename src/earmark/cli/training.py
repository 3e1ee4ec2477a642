"""The verbs of training: what a network learns from."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.app import TRAIN, app
from earmark.cli.options import Jobs, Quiet, Set, cores

corpus = typer.Typer(help="Make a corpus to train on.", no_args_is_help=True)
app.add_typer(corpus, name="corpus", rich_help_panel=TRAIN)


@corpus.command()
def build(
    sources: Annotated[list[str], typer.Argument(metavar="FOLDER…", help="folders of audio, or dataset:NAME")],
    out: Annotated[Path, typer.Option("-o", "--out", help="the folder of the corpus")],
    rate: Annotated[int, typer.Option(metavar="HZ", help="the sample rate of all tracks")] = 16000,
    jobs: Annotated[int | None, typer.Option(min=1, help="threads (default: all cores); changes no byte")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="where the files of the one dataset:NAME lie")] = None,
    excerpt_s: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="one fixed piece of each clip, so long, in place of all of it"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="begin anew where there is a corpus")] = False,
    quiet: Quiet = False,
) -> None:
    """Decode all audio once, to int16 mono in one file. A killed build goes on; broken clips are listed (exit 3)."""
    from earmark.show import training

    is_complete = training.built(sources, out, rate, jobs or cores(), folder, excerpt_s, overwrite, quiet)
    raise typer.Exit(0 if is_complete else 3)


@corpus.command()
def labels(
    folder: Annotated[Path, typer.Argument(metavar="CORPUS", help="the folder of a corpus")],
    source: Annotated[str, typer.Argument(metavar="LABELS", help="a table with a column id (.csv), or dataset:NAME")],
    out: Annotated[Path, typer.Option("-o", "--out", help="the file of labels (.jsonl)")],
    label: Annotated[
        str | None, typer.Option(help="the column, or the dataset's label, where there are several")
    ] = None,
    least: Annotated[int, typer.Option(min=1, metavar="N", help="leave out tags on fewer than N tracks")] = 1,
    data_folder: Annotated[Path | None, typer.Option("--dir", help="where the files of dataset:NAME lie")] = None,
) -> None:
    """Give the tracks of a corpus tags to be trained by. Tracks without are counted, and not trained on."""
    from earmark.show import training

    training.labelled(folder, source, out, label, least, data_folder)


@app.command(rich_help_panel=TRAIN)
def pretrain(
    file: Annotated[Path, typer.Argument(metavar="CONFIG", help="a file (YAML), or a shipped one by its name: tiny")],
    corpus_folder: Annotated[
        Path | None, typer.Option("--corpus", help="the folder that `earmark corpus build` made")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the folder of it all (default: pretrained/NAME)")] = (
        None
    ),
    resume: Annotated[bool, typer.Option("--resume", help="go on where it was interrupted, even killed")] = False,
    overrides: Set = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="where to compute")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="how many of them")] = 1,
    readers: Annotated[int, typer.Option(min=0, help="processes that read segments, for each device")] = 0,
    quiet: Quiet = False,
) -> None:
    """Train a representation without labels. `path:` and the folder that is printed name it everywhere."""
    from earmark.show import pretraining

    pretraining.pretrained(file, corpus_folder, out, resume, overrides or (), device, devices, readers, quiet)


@app.command(rich_help_panel=TRAIN)
def finetune(
    file: Annotated[Path, typer.Argument(metavar="CONFIG", help="a file (YAML), or a shipped one by its name: tiny")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="the folder of it all (default: runs/NAME)")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where it was interrupted, even killed")] = False,
    overrides: Set = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="where to compute")] = "auto",
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Train a network further for one task, score it, and save it with its predictor. The folder is a run."""
    from earmark.show import finetuning

    is_complete = finetuning.finetuned(file, out, resume, overrides or (), device, jobs or cores(), quiet)
    raise typer.Exit(0 if is_complete else 3)
