"""The verb that writes the page of a run."""

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.app import EVALUATE, app

CLIPS = 60


@app.command(rich_help_panel=EVALUATE)
def report(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="a run's id or folder, or 'latest'")] = "latest",
    embed_audio: Annotated[
        bool, typer.Option("--embed-audio", help="put short excerpts into the page, where the data's licence allows it")
    ] = False,
    clips: Annotated[int, typer.Option(min=0, help="how many clips are pictured, errors first")] = CLIPS,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="the file (default: report.html in the run's folder)")
    ] = None,
) -> None:
    """Write the page of a run: one HTML file with tables, figures, and confusions that can be heard."""
    from earmark.reports import page
    from earmark.show.said import remark

    made = page.report(run_name, embed_audio, clips, output)
    for note in made.notes:
        remark(f"note: {note}")
    remark(f"{made.n_bytes / 1e6:.1f} MB")
    print(made.file)
