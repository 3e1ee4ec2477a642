"""The verb that takes result files of other toolkits."""

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.app import SHARE, app


@app.command("import", rich_help_panel=SHARE)
def import_(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="mir-ref, hear, marble, xares, evar, mteb, mule")
    ],
    path: Annotated[Path, typer.Argument(metavar="FILE", help="a file of results, or a folder of them")],
    run_name: Annotated[str, typer.Option("-o", metavar="RUN", help="name or folder of the run to write")],
    task: Annotated[str | None, typer.Option(help="the task, where the files do not say it")] = None,
    dataset: Annotated[str | None, typer.Option(help="the dataset, where the files do not say it")] = None,
    representation: Annotated[
        str | None, typer.Option(help="the representation, where the files do not say it")
    ] = None,
) -> None:
    """Make a run of another toolkit's result files, marked unverified. Pickles are refused."""
    from earmark import importers
    from earmark.show.said import remark

    found = importers.read(format_name, path, task=task, dataset=dataset, representation=representation)
    for note in found.notes:
        remark(f"note: {note}")
    folder = importers.into(found, run_name)
    print(f"Numbers: {len(found.rows)}, files: {len(found.files)}. Results: {folder}")
