"""What is printed of text that others wrote: it may name itself anything, and shall act on no terminal."""

import sys

from earmark.analysis import escapes


def said(text: str) -> str:
    """Return lines of text in which what acts on a terminal or turns the line is named, as `escapes.plain` does."""
    return "\n".join(map(escapes.plain, text.split("\n")))


def remark(text: str) -> None:
    """Say something on stderr."""
    print(said(text), file=sys.stderr)
