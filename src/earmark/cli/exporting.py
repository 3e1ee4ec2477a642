"""The verb that writes a representation for other toolkits."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.app import USE, app


@app.command(rich_help_panel=USE)
def export(
    representation: Annotated[str, typer.Argument(help="its name, such as path:FOLDER of a checkpoint")],
    folder: Annotated[Path, typer.Argument(help="a new folder")],
    form: Annotated[Literal["hear", "xares", "mteb", "transformers", "onnx"], typer.Option("--as", help="for whom")],
    probe: Annotated[Path | None, typer.Option(help="of onnx: a saved probe behind it, runs/RUN/probes/KEY")] = None,
    layer: Annotated[int | None, typer.Option(help="of hear, xares and mteb (default: the last)")] = None,
    run: Annotated[str | None, typer.Option(help="of transformers: a run whose scores its page shows")] = None,
) -> None:
    """Write a representation as a HEAR, X-ARES or mteb module, a transformers folder, or an ONNX file."""
    from earmark import exports
    from earmark.show.said import remark

    done = exports.export(representation, folder, form, probe=probe, layer=layer, run=run)
    for note in done.notes:
        remark(f"note: {note}")
    for file in done.files:
        print(file)
    remark(f"Use: {done.use}")
