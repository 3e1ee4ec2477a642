"""Grids of scores and rows of results, printed."""

import sys
from collections.abc import Iterable, Iterator

from rich.box import HEAVY_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from earmark.analysis import escapes
from earmark.analysis.grid import Grid, Show
from earmark.nouns import Result


def grids(found: Iterable[Grid], show: Show = "interval") -> None:
    """Print grids of scores: folded into the width of a terminal, the best in bold; elsewhere no line is broken."""
    for one in found:
        if sys.stdout.isatty():
            Console().print(folded(one, show))
        else:
            print(*unbroken(one, show), sep="\n")


def rows(found: Iterable[Result]) -> None:
    """Print rows as JSON lines."""
    for row in found:
        print(escapes.json(vars(row)))


def folded(grid: Grid, show: Show = "interval") -> Table:
    """Return a grid as rich prints it, the best of each condition in bold, and what it holds as text."""
    table = Table(
        title=_text(grid.title),
        caption=_text(" ".join(grid.remarks(show))),
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )
    for name in _heads(grid):
        table.add_column(_text(name))
    for head, texts, cells in zip(grid.row_heads, grid.texts(show), grid.cells, strict=True):
        numbers = (_text(text, "bold" if cell.best else "") for text, cell in zip(texts, cells, strict=True))
        table.add_row(*map(_text, head), *numbers)
    return table


def _heads(grid: Grid) -> tuple[str, ...]:
    return (*grid.row_by, *(", ".join(filter(None, head)) for head in grid.column_heads))


def _text(text: str, style: str = "") -> Text:
    """Return text as it is: in a string rich would take "[red]" for a colour."""
    return Text(escapes.plain(text), style)


def unbroken(grid: Grid, show: Show = "interval") -> Iterator[str]:
    """Yield the lines of a grid as rich draws them where there is room, six times as fast as it."""
    body = [(*head, *texts) for head, texts in zip(grid.row_heads, grid.texts(show), strict=True)]
    heads, *lines = ([*map(escapes.plain, line)] for line in (_heads(grid), *body))
    widths = [max(map(cell_len, column)) for column in zip(heads, *lines, strict=True)]
    padded = [width + 2 for width in widths]
    yield escapes.plain(grid.title)
    yield HEAVY_HEAD.get_top(padded)
    yield _line(heads, widths, HEAVY_HEAD.head_vertical)
    yield HEAVY_HEAD.get_row(padded, "head")
    yield from (_line(line, widths, HEAVY_HEAD.mid_vertical) for line in lines)
    yield HEAVY_HEAD.get_bottom(padded)
    yield escapes.plain(" ".join(grid.remarks(show)))


def _line(cells: Iterable[str], widths: Iterable[int], rule: str) -> str:
    filled = (text + " " * (width - cell_len(text)) for text, width in zip(cells, widths, strict=True))
    return f"{rule} {f' {rule} '.join(filled)} {rule}"
