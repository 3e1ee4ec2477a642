"""Grids and ranks to draw, and what a drawing says."""

from collections.abc import Sequence
from xml.etree import ElementTree

from earmark.analysis.grid import Cell, Grid
from earmark.reports import figures, heat
from earmark.reports.figures import Figure
from earmark.runs.comparison import Ranked

SVG = "{http://www.w3.org/2000/svg}"


def grid_of(values: Sequence[Sequence[float | None]], names: Sequence[str] = "abcdefgh", constant: int = -1) -> Grid:
    cells = tuple(
        tuple(Cell(one, None, None, missing="" if one is not None else "undefined") for one in row) for row in values
    )
    heads = tuple(
        ("constant", "constant") if place == constant else (names[place], "M1") for place in range(len(values))
    )
    columns = tuple((name, "accuracy") for name in names[: len(values[0])])
    return Grid("a grid", ("representation", "probe"), ("task", "metric"), heads, columns, cells)


RANKED = Ranked((("a", 1.2), ("b", 2.0), ("c", 2.8)), 4, 0.01, 1.1, (("a", "b"), ("b", "c")))


def drawn(figure: Figure) -> ElementTree.Element:
    return ElementTree.fromstring(figures.svg(figure))


def texts(figure: Figure) -> list[str]:
    return ["".join(one.itertext()) for one in drawn(figure).iter(f"{SVG}text")]


def luminance(colour: str) -> float:
    return heat._luminance([int(colour[place : place + 2], 16) for place in (1, 3, 5)])


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
