"""A grid of scores as a heat map."""

from collections.abc import Iterable, Sequence
from typing import Any

from earmark.analysis.grid import Cell, Grid
from earmark.analysis.selection import CONSTANT
from earmark.counted import counted
from earmark.reports.figures import INK, Figure, plain, styled, wrapped

RAMP = ((247, 251, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107))
"""From light to dark, about even to the eye. Source: ColorBrewer 2, "Blues"."""
READING = "The darker, the nearer to the best of its column."
DARK, LIGHT = "#000000", "#ffffff"
CELL_WIDTH, CELL_HEIGHT = 94, 28
HEAD_LETTERS, HEAD_LINES = 14, 6
LINE_PIXELS = 14
MIDDLE_LUMINANCE = 0.179
"""Where black and white have the same contrast, 4.58."""


def heat_map(grid: Grid) -> Figure:
    """Return a grid as coloured cells, the number in each with its signs, the best of a comparison in bold.

    Columns may be of different metrics, so the darkness of a cell says where in its own column it lies: from the
    constant predictor's score (without one: from the worst) to the best. The contrast of a number to its cell is 4.5 or
    more. Where there is no number a cell is empty, and says why.
    """
    lines = [plain(", ".join(_parts(head))) for head in grid.row_heads]
    texts, depths = grid.texts("value"), _depths(grid)
    cells = [
        _cell(line, column, cell, texts[line][column], depths[column][line])
        for line, row in enumerate(grid.cells)
        for column, cell in enumerate(row)
    ]
    width, height = CELL_WIDTH * len(grid.column_heads), CELL_HEIGHT * len(lines)
    heads = [{"at": 0, "middle": (place + 0.5) * CELL_HEIGHT, "text": name} for place, name in enumerate(lines)]
    tops = [
        {"middle": (place + 0.5) * CELL_WIDTH, "at": -8 - LINE_PIXELS * (len(parts) - 1 - number), "text": part}
        for place, head in enumerate(grid.column_heads)
        for parts in [_broken(head)]
        for number, part in enumerate(parts)
    ]
    figure = {
        "width": width,
        "height": height,
        "layer": [
            _rectangles(cells),
            _texts(cells, {"align": "center"}, "centre", "middle"),
            _texts(heads, {"align": "right", "dx": -8}, "at", "middle"),
            _texts(tops, {"align": "center"}, "middle", "at"),
        ],
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, width], "nice": False}},
            "y": {
                "field": "y",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [0, height], "nice": False, "reverse": True},
            },
        },
    }
    said = (
        f"Heat map. {grid.title}. {counted(len(lines), 'line')}, {counted(len(grid.column_heads), 'column')}. {READING}"
    )
    return styled(figure, grid.title, said, READING)


def _cell(line: int, column: int, cell: Cell, text: str, depth: float | None) -> dict[str, Any]:
    fill = None if depth is None else _colour(depth)
    return {
        "x": column * CELL_WIDTH + 1,
        "x2": (column + 1) * CELL_WIDTH - 1,
        "y": line * CELL_HEIGHT + 1,
        "y2": (line + 1) * CELL_HEIGHT - 1,
        "middle": (line + 0.5) * CELL_HEIGHT,
        "centre": (column + 0.5) * CELL_WIDTH,
        "text": text,
        "fill": "transparent" if fill is None else _hex(fill),
        "ink": INK if fill is None else (LIGHT if _luminance(fill) < MIDDLE_LUMINANCE else DARK),
        "weight": "bold" if cell.best else "normal",
    }


def _depths(grid: Grid) -> list[list[float | None]]:
    """Return how far each cell is from the worst (0) to the best (1) of its column, column by column.

    Where nothing is told from the constant predictor none is best, and all are 0.
    """
    constant = next((place for place, head in enumerate(grid.row_heads) if CONSTANT in head), None)
    found = []
    for column in range(len(grid.column_heads)):
        cells = [row[column] for row in grid.cells]
        values = [cell.value for cell in cells]
        known = [value for value in values if value is not None]
        best = [cell.value for cell in cells if cell.best and cell.value is not None] or [max(known, default=0.0)]
        worst = max(known, key=lambda value: abs(value - best[0]), default=0.0)
        if constant is not None and (base := cells[constant].value) is not None:
            worst = base
        extent = 0.0 if constant is not None and not any(cell.best for cell in cells) else best[0] - worst
        shares = [None if one is None else (one - worst) / extent if extent else 0.0 for one in values]
        found.append([None if share is None else min(1.0, max(0.0, share)) for share in shares])
    return found


def _colour(depth: float) -> tuple[float, ...]:
    place = depth * (len(RAMP) - 1)
    start = min(int(place), len(RAMP) - 2)
    return tuple(a + (b - a) * (place - start) for a, b in zip(RAMP[start], RAMP[start + 1], strict=True))


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(channel):02x}" for channel in colour)


def _luminance(colour: Sequence[float]) -> float:
    """Return the relative luminance of an sRGB colour. Source: WCAG 2.2, "relative luminance"."""
    shares = [channel / 255 for channel in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rectangles(cells: Iterable[dict[str, Any]]) -> dict[str, Any]:
    of_cell = {
        "x2": {"field": "x2"},
        "y2": {"field": "y2"},
        "fill": {"field": "fill", "scale": None, "type": "nominal"},
    }
    mark = {"type": "rect", "stroke": INK, "strokeOpacity": 0.25}
    return {"data": {"values": list(cells)}, "mark": mark, "encoding": of_cell}


def _texts(rows: Iterable[dict[str, Any]], mark: dict[str, Any], x: str, y: str) -> dict[str, Any]:
    """Return a layer of texts that are data, so that none of them is read as anything else."""
    values = [{"ink": INK, "weight": "normal"} | row for row in rows]
    encoding = {
        "x": {"field": x, "type": "quantitative"},
        "y": {"field": y, "type": "quantitative"},
        "text": {"field": "text", "type": "nominal"},
        "color": {"field": "ink", "type": "nominal", "scale": None},
    }
    bold = {"fontWeight": {"expr": "datum.weight"}}
    return {
        "data": {"values": values},
        "mark": {"type": "text", "baseline": "middle", **mark, **bold},
        "encoding": encoding,
    }


def _parts(head: Sequence[str]) -> list[str]:
    """Return what a head says, once: the constant predictor is both representation and probe."""
    return [part for part in dict.fromkeys(head) if part]


def _broken(head: Sequence[str]) -> list[str]:
    """Return the lines of a column's head: its parts one below the other, the first and the last whole if they fit."""
    lines = [line for part in _parts(head) for line in wrapped(part, HEAD_LETTERS, HEAD_LINES)]
    return lines if len(lines) <= HEAD_LINES else [*lines[: HEAD_LINES - 2], "…", lines[-1]]
