"""The verbs of the store: what is damaged in it, its repair, and what may go."""

import re
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.app import LOOK_UP, app
from earmark.cli.options import Json

store = typer.Typer(help="Look after the store: what was computed, and is found again.", no_args_is_help=True)
app.add_typer(store, name="store", rich_help_panel=LOOK_UP)

Folder = Annotated[Path | None, typer.Argument(metavar="STORE", help="the folder of a store (default: EARMARK_HOME's)")]
POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes_of(given: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", given)
    if found is None:
        raise typer.BadParameter(f"expected a size such as 500MB or 20GB, got '{given}'")
    return round(float(found[1]) * POWERS[found[2]])


@store.command()
def verify(folder: Folder = None, as_json: Json = False) -> None:
    """Read everything, and say what is not as it was written. Ends with 1 where something is damaged."""
    from earmark.show import store as showing

    raise typer.Exit(0 if showing.verified(folder, as_json) else 1)


@store.command()
def repair(folder: Folder = None, as_json: Json = False) -> None:
    """Drop what is damaged, merge small shards, clear what crashes left. Refused while a run is writing."""
    from earmark.show import store as showing

    showing.repaired(folder, as_json)


@store.command()
def compact(folder: Folder = None, as_json: Json = False) -> None:
    """Write all rows anew, in the order of their keys: stores of the same content are the same bytes then."""
    from earmark.show import store as showing

    showing.compacted(folder, as_json)


@store.command()
def gc(
    folder: Folder = None,
    keep_runs: Annotated[
        list[str] | None, typer.Option("--keep-runs", metavar="RUN", help="keep what this run refers to; repeatable")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="only what was written longer ago")
    ] = None,
    until: Annotated[
        int | None, typer.Option(parser=_bytes_of, metavar="SIZE", help="only until the store is so small: 20GB")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="remove it; without, it is only told")] = False,
    as_json: Json = False,
) -> None:
    """Say what may go, the oldest first, or remove it (--yes). All of it can be computed again."""
    from earmark.show import store as showing

    showing.collected(folder, keep_runs or (), older_than, until, yes, as_json)
