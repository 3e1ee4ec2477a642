"""The verbs of what a corpus is coded by: codes, the codebooks behind them, and how much each leaves over."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.options import Json, Quiet
from earmark.cli.training import corpus

CorpusFolder = Annotated[Path, typer.Argument(metavar="CORPUS", help="the folder of a corpus")]
Codec = Annotated[str | None, typer.Option(help="an EnCodec (encodec-24khz); alone where no --targets are given")]
InputsName = Annotated[Literal["encodec", "mel256", "mel128"] | None, typer.Option(help="what the network hears")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="where to compute")]
Seed = Annotated[int, typer.Option(help="of everything that is drawn")]


@corpus.command()
def codes(
    folder: CorpusFolder,
    out: Annotated[Path, typer.Option("-o", "--out", help="the folder of frames and codes")],
    targets: Annotated[list[Path] | None, typer.Option(help="a folder of `corpus targets`; several add up")] = None,
    codec: Codec = None,
    inputs: InputsName = None,
    streams: Annotated[int, typer.Option(min=1, help="codebooks of the codec")] = 8,
    alone: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="code pieces this long one by one, as in training without cached codes"),
    ] = None,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="begin anew where there are codes")] = False,
    quiet: Quiet = False,
) -> None:
    """Hear and code every track once, for EncodecMAE to train on. A killed run goes on."""
    from earmark.show import coding

    coding.coded(folder, out, targets or [], codec, inputs, streams, alone, device, overwrite, quiet)


@corpus.command()
def targets(
    folder: CorpusFolder,
    out: Annotated[Path, typer.Option("-o", "--out", help="the folder of the codebooks")],
    of: Annotated[str | None, typer.Option(metavar="NAME", help="a teacher: k-means of a layer of it")] = None,
    layer: Annotated[int | None, typer.Option(min=0, help="of the teacher (default: its last)")] = None,
    inputs: InputsName = None,
    streams: Annotated[int | None, typer.Option(min=1, help="codebooks (default: 4; of a teacher 1)")] = None,
    n_codes: Annotated[int | None, typer.Option("--codes", min=2, help="of each (default: 256; of a teacher 1024)")] = (
        None
    ),
    segments: Annotated[int | None, typer.Option(min=1, help="of 4 s (default: 380; for a teacher 10,000)")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="of these (default: all; for a teacher 10,000)")] = None,
    seed: Seed = 0,
) -> None:
    """Fit codebooks by k-means: residual ones to mel frames, or one to a layer of a network trained before."""
    from earmark.show import coding

    coding.fitted(folder, out, of, layer, inputs, streams, n_codes, segments, frames, seed)


@corpus.command()
def gamma(
    folder: CorpusFolder,
    targets: Annotated[Path | None, typer.Option(help="a folder of `corpus targets`")] = None,
    codec: Codec = None,
    streams: Annotated[int, typer.Option(min=1, help="codebooks of the codec")] = 8,
    segments: Annotated[int, typer.Option(min=1, help="of 4 s")] = 150,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure what each codebook leaves over, and the weights of the loss that follow from it."""
    from earmark.show import coding

    coding.weighed(folder, targets, codec, streams, segments, seed, as_json)
