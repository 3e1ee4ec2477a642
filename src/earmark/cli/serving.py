"""The verb that serves the live app."""

import importlib.util
from typing import Annotated

import typer

from earmark.cli.app import app as commands
from earmark.errors import MissingPart


@commands.command()
def app(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN…", help="ids or folders (default: the latest run)")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="where it listens (default: the first free one from 8501)")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="print the address only")] = False,
) -> None:
    """Open the live app of runs: tables that re-shape, confusions to listen to, maps, two runs side by side."""
    if importlib.util.find_spec("streamlit") is None:
        raise MissingPart("The app needs Streamlit. Install it: pip install 'earmark[app]'")
    from earmark.reports.app import serving

    serving.app(runs or ["latest"], port, browser=not no_browser)
