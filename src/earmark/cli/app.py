"""The command `earmark` and what all its verbs share: version, how much is said."""

import logging
import sys
from typing import Annotated

import typer

from earmark import __version__

EVALUATE, TRAIN, USE = "Evaluate", "Train, and look inside", "Embed, predict, search"
SHARE, LOOK_UP = "Compare and share", "Look up, and keep house"
PANELS: tuple[object, ...] = (EVALUATE, TRAIN, USE, SHARE, LOOK_UP)
"""Of the verbs, as --help shows them."""

app = typer.Typer(
    help="Learn, embed, probe, compare and understand music audio representations.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit: 0 done · 1 a check said no · 2 your mistake · 3 done, some clips failed · 4 something to install · "
    "70 our bug · 130 interrupted, resumable.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"earmark {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say the version")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="say more on stderr")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="say everything on stderr")] = False,
) -> None:
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setLevel(level)  # of the handler: a run's own log hears more
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", handlers=[stderr])
