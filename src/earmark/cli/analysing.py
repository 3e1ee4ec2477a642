"""The verbs that look inside representations: analyse layers, analyse codes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.app import TRAIN, app
from earmark.cli.data import layer_numbers
from earmark.cli.options import Folder, Json, Quiet

if TYPE_CHECKING:
    from earmark.catalogue.recordings import Recordings

analyse = typer.Typer(help="Look inside representations: what layers keep, what codes mean.", no_args_is_help=True)
app.add_typer(analyse, name="analyse", rich_help_panel=TRAIN)

Audio = Annotated[list[Path] | None, typer.Argument(metavar="AUDIO...", help="audio files, or folders of them")]
Dataset = Annotated[str | None, typer.Option(help="the clips of a dataset in place of files")]
Number = Annotated[int | None, typer.Option(metavar="N", min=1, help="so many recordings alone, always the same")]
Middle = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0, help="of a recording, so much of its middle (default: 4; 0: all of it)"),
]
Weighting = Annotated[
    Literal["x", "y", "smaller", "mean"],
    typer.Option(help="of PWCCA: what weighs is what layers are held against (x), the layer (y), the smaller, or both"),
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="where the network computes")]
Plot = Annotated[Path | None, typer.Option(help="draw it: FILE.svg, .png, .html or .json")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="write every number: FILE.json or .csv")]


@analyse.command()
def layers(
    audio: Audio = None,
    representation: Annotated[
        list[str] | None, typer.Option("-r", "--representation", help="again for another line in the same figure")
    ] = None,
    against: Annotated[
        str,
        typer.Option(help="a layer's number; 'convolutions', as the paper; or a representation, such as logmel"),
    ] = "0",
    against_layer: Annotated[int, typer.Option(min=0, help="where --against is a representation: its layer")] = 0,
    measure: Annotated[Literal["pwcca", "svcca", "cca", "cka"], typer.Option()] = "pwcca",
    intervals: Annotated[
        bool,
        typer.Option("--intervals/--no-intervals", help="of 95 %, which take most of the memory"),
    ] = True,
    weighting: Weighting = "smaller",
    dataset: Dataset = None,
    folder: Folder = None,
    clips: Number = None,
    middle: Middle = None,
    device: Device = "auto",
    plot: Plot = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """How similar each layer is to an earlier one, frame by frame, beside what chance gives."""
    if not representation:
        raise typer.BadParameter("give a representation with layers: -r wav2vec2-base")
    from earmark.catalogue import layers as comparing
    from earmark.catalogue import recordings
    from earmark.experiment import devices
    from earmark.show import analyses

    analyses.require_writable(out, plot)
    found = comparing.layers(
        recordings.drawn(_recordings(audio, dataset, folder, None), clips),
        representation,
        against=against,
        against_layer=against_layer,
        measure=measure,
        weighting=weighting,
        middle_s=recordings.MIDDLE_S if middle is None else middle or None,
        intervals=intervals,
        device=devices.choose(device),
        quiet=quiet,
    )
    analyses.layers(found, plot, out, as_json)
    raise typer.Exit(3 if found.failures else 0)


@analyse.command()
def codes(
    representation: Annotated[str, typer.Option("-r", "--representation", help="one with codes: encodec-24khz")],
    dataset: Annotated[str, typer.Option(help="whose recordings and labels; --dataset folder --dir FOLDER for yours")],
    label: Annotated[str, typer.Option(help="a label of classes")],
    folder: Folder = None,
    groups: Annotated[
        str | None, typer.Option(help="groups (codebooks) that are one code, such as 0-1 (default: two, or the first)")
    ] = None,
    clips: Number = None,
    middle: Middle = None,
    device: Device = "auto",
    plot: Plot = None,
    by_frames: Annotated[
        bool, typer.Option("--by-frames", help="in the figure, a code is as wide as it is frequent")
    ] = False,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Which codes go with which labels: counts, purity, mutual information, beside those of shuffled labels."""
    numbers = None if groups is None else layer_numbers(groups)
    from earmark.catalogue import codes as counting
    from earmark.catalogue import recordings
    from earmark.experiment import devices
    from earmark.show import analyses

    analyses.require_writable(out, plot)
    heard = recordings.drawn(_recordings(None, dataset, folder, label), clips)
    found = counting.codes(
        heard,
        representation,
        label,
        groups=numbers,
        middle_s=recordings.MIDDLE_S if middle is None else middle or None,
        device=devices.choose(device),
        quiet=quiet,
    )
    analyses.codes(found, plot, by_frames, out, as_json)
    raise typer.Exit(3 if found.failures else 0)


def _recordings(audio: list[Path] | None, dataset: str | None, folder: Path | None, label: str | None) -> "Recordings":
    from earmark.catalogue import recordings

    if bool(audio) == bool(dataset):
        raise typer.BadParameter("give audio files or folders, or --dataset NAME")
    return recordings.of_files(audio) if audio else recordings.of_dataset(str(dataset), folder, label)
