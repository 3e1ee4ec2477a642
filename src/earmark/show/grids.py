"""Grids of scores in the terminal."""

from rich.table import Table
from rich.text import Text

from earmark.analysis import escapes
from earmark.analysis.grid import Grid, Show


def rendered(grid: Grid, show: Show = "interval") -> Table:
    """Return a grid as rich prints it, the best of each condition in bold, and what it holds as text."""
    table = Table(
        title=_text(grid.title),
        caption=_text(" ".join(grid.remarks(show))),
        title_justify="left",
        caption_justify="left",
        title_style="bold",
    )
    for name in grid.row_by:
        table.add_column(_text(name))
    for head in grid.column_heads:
        table.add_column(_text(", ".join(filter(None, head))))
    for head, texts, cells in zip(grid.row_heads, grid.texts(show), grid.cells, strict=True):
        numbers = (_text(text, "bold" if cell.best else "") for text, cell in zip(texts, cells, strict=True))
        table.add_row(*map(_text, head), *numbers)
    return table


def _text(text: str, style: str = "") -> Text:
    """Return text as it is: in a string rich would take "[red]" for a colour."""
    return Text(escapes.plain(text), style)
