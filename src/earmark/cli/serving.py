"""The verbs that serve: the live app, and the HTTP service."""

import importlib.util
import math
import os
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.app import EVALUATE, USE
from earmark.cli.app import app as commands
from earmark.errors import MissingPart, UserError


@commands.command(rich_help_panel=EVALUATE)
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


@commands.command(rich_help_panel=USE)
def serve(
    representation: Annotated[
        str | None, typer.Option("-r", "--representation", help="what /embed embeds by, such as logmel")
    ] = None,
    probes: Annotated[
        list[Path] | None,
        typer.Option("-p", "--probe", help="the folder of a saved probe for /predict; may come twice"),
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", metavar="STORE", help="the catalogue that /search searches")
    ] = None,
    host: Annotated[str, typer.Option(help="the address it listens at; beyond this machine a token is needed")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="where it listens; 0: the first free one")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="processes that decode and embed, of one thread each")] = 1,
    waiting: Annotated[int, typer.Option(min=0, help="requests that may wait; more are sent away with 429")] = 8,
    upload_mb: Annotated[float, typer.Option("--upload-mb", help="the largest upload")] = 50,
    duration_s: Annotated[float, typer.Option("--duration-s", help="the longest audio")] = 600,
    work_s: Annotated[
        float, typer.Option("--work-s", help="a worker that takes longer over one upload is killed")
    ] = 60,
) -> None:
    """Serve /embed, /predict and /search over HTTP, uploads decoded apart. The token is read from EARMARK_TOKEN."""
    if any(importlib.util.find_spec(one) is None for one in ("fastapi", "uvicorn", "python_multipart")):
        raise MissingPart("The service needs FastAPI. Install it: pip install 'earmark[serve]'")
    if not 0 < upload_mb < math.inf:
        raise UserError(f"Expected --upload-mb above 0, such as 50; got {upload_mb:g}.")
    from earmark.serve import start
    from earmark.serve.limits import Limits
    from earmark.serve.offer import Offer

    start.start(
        Offer(representation, tuple(map(str, probes or ())), None if catalogue is None else str(catalogue)),
        Limits(int(upload_mb * 1e6), duration_s=duration_s, work_s=work_s, workers=workers, waiting=waiting),
        host=host,
        port=port,
        token=os.environ.get("EARMARK_TOKEN") or None,
    )
