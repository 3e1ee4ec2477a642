"""Grids as text: Markdown, LaTeX, HTML, CSV. Whatever they hold appears as text; the best is bold."""

import csv as of_csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from earmark.analysis import escapes
from earmark.analysis.grid import Cell, Grid, Show


class Span(NamedTuple):
    """A head over `width` columns, from the column `start` (from 0)."""

    text: str
    start: int
    width: int


def spans(grid: Grid) -> list[list[Span]]:
    """Return the heads of a grid's columns, a list for each name of their axis; equal neighbours are one."""
    levels = []
    for level in range(len(grid.column_by)):
        found, start = list[Span](), 0
        for head, some in groupby(grid.column_heads, key=lambda head: head[: level + 1]):
            width = len(list(some))
            found.append(Span(head[-1], start, width))
            start += width
        levels.append(found)
    return levels


def markdown(found: Iterable[Grid], show: Show = "interval") -> str:
    """Return grids as Markdown tables, each with its title and how to read it."""
    return "\n\n".join("\n".join(_markdown(grid, show)) for grid in found)


def _markdown(grid: Grid, show: Show) -> Iterator[str]:
    heads = [*grid.row_by, *(", ".join(filter(None, head)) for head in grid.column_heads)]
    yield f"**{escapes.markdown(grid.title).strip()}**"
    yield ""
    yield _piped(map(escapes.markdown, heads))
    yield _piped(["---"] * len(heads))
    for head, texts, cells in zip(grid.row_heads, grid.texts(show), grid.cells, strict=True):
        numbers = (f"**{text}**" if cell.best else text for text, cell in zip(texts, cells, strict=True))
        yield _piped((*map(escapes.markdown, head), *numbers))
    yield ""
    yield escapes.markdown(" ".join(grid.remarks(show)))


def _piped(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def latex(found: Iterable[Grid], show: Show = "interval") -> str:
    r"""Return grids as LaTeX tables with the rules of booktabs, which the document's head must load."""
    head = "% \\usepackage{booktabs}\n"
    return head + "\n\n".join("\n".join(_latex(grid, show)) for grid in found)


def _latex(grid: Grid, show: Show) -> Iterator[str]:
    n_heads = len(grid.row_by)
    yield "\\begin{table}\n\\centering"
    yield f"\\caption{{{escapes.latex(grid.title)}}}"
    yield f"\\begin{{tabular}}{{{'l' * n_heads}{'r' * len(grid.column_heads)}}}\n\\toprule"
    *upper, lowest = spans(grid)
    for level in upper:
        blank = " & " * n_heads
        yield (
            blank
            + " & ".join(f"\\multicolumn{{{one.width}}}{{c}}{{{escapes.latex(one.text)}}}" for one in level)
            + r" \\"
        )
        yield " ".join(
            f"\\cmidrule(lr){{{n_heads + one.start + 1}-{n_heads + one.start + one.width}}}" for one in level
        )
    heads = (*grid.row_by, *(one.text for one in lowest for _ in range(one.width)))
    yield " & ".join(map(escapes.latex, heads)) + r" \\"
    yield "\\midrule"
    for head, texts, cells in zip(grid.row_heads, grid.texts(show), grid.cells, strict=True):
        numbers = [escapes.latex(text) for text in texts]
        numbers = [f"\\textbf{{{text}}}" if cell.best else text for text, cell in zip(numbers, cells, strict=True)]
        yield " & ".join((*map(escapes.latex, head), *numbers)) + r" \\"
    yield "\\bottomrule\n\\end{tabular}"
    yield f"\\par\\footnotesize {escapes.latex(' '.join(grid.remarks(show)))}"
    yield "\\end{table}"


def html(found: Iterable[Grid], show: Show = "interval") -> str:
    """Return grids as HTML tables, to be put into a page: no styles, no scripts, ASCII."""
    return "\n".join("\n".join(_html(grid, show)) for grid in found)


def _html(grid: Grid, show: Show) -> Iterator[str]:
    yield f'<table class="earmark">\n<caption dir="auto">{escapes.html(grid.title)}</caption>\n<thead>'
    levels = spans(grid)
    for level in levels:
        corner = (
            "".join(f'<th scope="col">{escapes.html(name)}</th>' for name in grid.row_by)
            if level is levels[-1]
            else f'<td colspan="{len(grid.row_by)}"></td>'
        )
        heads = (
            f'<th scope="{"colgroup" if one.width > 1 else "col"}" colspan="{one.width}" dir="auto">'
            f"{escapes.html(one.text)}</th>"
            for one in level
        )
        yield f"<tr>{corner}{''.join(heads)}</tr>"
    yield "</thead>\n<tbody>"
    for head, texts, cells in zip(grid.row_heads, grid.texts(show), grid.cells, strict=True):
        names = "".join(f'<th scope="row" dir="auto">{escapes.html(name)}</th>' for name in head)
        yield f"<tr>{names}{''.join(map(_html_cell, texts, cells))}</tr>"
    yield f'</tbody>\n</table>\n<p dir="auto">{escapes.html(" ".join(grid.remarks(show)))}</p>'


def _html_cell(text: str, cell: Cell) -> str:
    said = escapes.html(text)
    return f"<td><strong>{said}</strong></td>" if cell.best else f"<td>{said}</td>"


def csv(found: Iterable[Grid], show: Show = "interval") -> str:
    """Return grids as CSV, numbers in full: the score, then low and high, or deviation and seeds, of each column.

    Several grids follow one another, an empty line between them, each under its title. A number that is missing is
    an empty cell. Text that a spreadsheet would compute has an apostrophe before it.
    """
    grids, buffer = list(found), io.StringIO()
    lines = of_csv.writer(buffer, lineterminator="\n")
    for number, grid in enumerate(grids):
        if number:
            lines.writerow(())
        if len(grids) > 1:
            lines.writerow((escapes.csv(grid.title),))
        heads = [" ".join(filter(None, head)) for head in grid.column_heads]
        parts = PARTS[show]
        lines.writerow(map(escapes.csv, (*grid.row_by, *(f"{head}{part}" for head in heads for part in parts))))
        for head, cells in zip(grid.row_heads, grid.cells, strict=True):
            lines.writerow((*map(escapes.csv, head), *(read(cell) for cell in cells for read in parts.values())))
    return buffer.getvalue().rstrip("\n")


Read = Callable[[Cell], float | None]
PARTS: Mapping[Show, Mapping[str, Read]] = {
    "value": {"": lambda cell: cell.value},
    "interval": {"": lambda cell: cell.value, " low": lambda cell: cell.low, " high": lambda cell: cell.high},
    "seeds": {
        "": lambda cell: cell.value,
        " deviation": lambda cell: cell.seed_deviation,
        " seeds": lambda cell: cell.n_seeds,
    },
}
"""What CSV says of a cell, by what is added to the head of its column."""

WRITERS: Mapping[str, Callable[[Sequence[Grid], Show], str]] = {
    "markdown": markdown,
    "latex": latex,
    "html": html,
    "csv": csv,
}
"""By the names that `earmark table --as` takes."""
