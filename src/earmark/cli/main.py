"""Running the command line: an error of ours is one message and its exit code, any other is our bug."""

import errno
import sys
import traceback
from types import TracebackType
from typing import Any

import typer

from earmark.cli import (  # noqa: F401  # their verbs join the app
    analysing,
    catalogue,
    coding,
    data,
    experiments,
    exporting,
    imports,
    pages,
    runs,
    serving,
    store,
    tables,
    tagging,
    training,
)
from earmark.cli.app import PANELS, app
from earmark.errors import EarmarkError

# --help shows the panels in the order of their first verbs.
app.registered_commands.sort(key=lambda one: ([*PANELS, one.rich_help_panel]).index(one.rich_help_panel))

INTERRUPTED = 130
MAKE_ROOM = "Make room"
NO_ROOM = {
    errno.ENOSPC: MAKE_ROOM,
    errno.EDQUOT: MAKE_ROOM,
    errno.EFBIG: "Raise the limit on the size of a file (`ulimit -f`)",
}
NOT_ALLOWED = "Change who may write and read there, or name another place"
ANOTHER = "Name another place"
REFUSED = {
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.EROFS: NOT_ALLOWED,
    errno.EEXIST: ANOTHER,
    errno.ENOTDIR: ANOTHER,
    errno.EISDIR: ANOTHER,
    errno.ENAMETOOLONG: ANOTHER,
    errno.ELOOP: ANOTHER,
}
"""What the system says of a path that somebody named: nothing to go on with until another is named, or it changes."""


def _our_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    traceback.print_exception(kind, error, trace)
    print("This is a bug in earmark. Please report it with the lines above.", file=sys.stderr)
    sys.exit(70)


def _again(command: Any) -> str:
    """Return how to go on with what was typed: verbs that have --resume refuse a folder of theirs without it."""
    verb = next((command.commands[one] for one in sys.argv[1:] if one in command.commands), command)
    needs_resume = any(one.name == "resume" for one in verb.params) and "--resume" not in sys.argv
    return "run the same command again" + " with --resume" * needs_resume


def _number(error: OSError) -> int | None:
    """Return the number of an error; polars raises the class alone, and says the rest in words."""
    of_class = {PermissionError: errno.EACCES, FileExistsError: errno.EEXIST}
    return of_class.get(type(error)) if error.errno is None else error.errno


def main() -> None:
    """Run the command line; errors of ours end with their exit code and one message, others are our bugs."""
    sys.excepthook = _our_bug
    command = typer.main.get_command(app)
    try:
        command()  # not app(): it would put a hook of its own in place of ours
    except EarmarkError as error:
        from earmark.show.said import remark

        remark(f"earmark: {error}")
        sys.exit(error.exit_code)
    except OSError as error:
        number = _number(error)
        if number in NO_ROOM:
            what_to_do = f"{NO_ROOM[number]}, and {_again(command)}"
        elif number in REFUSED:
            what_to_do = REFUSED[number]
        else:
            raise
        from earmark.show.said import remark

        where = f" ('{error.filename}')" if error.filename else ""
        remark(f"earmark: {error.strerror or error}{where}. {what_to_do}.")
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has caught the interrupt, and says nothing
            print(f"earmark: interrupted; {_again(command)} to go on.", file=sys.stderr)
        raise
