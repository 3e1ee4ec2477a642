"""Mean ranks of systems over tasks, drawn as a critical-difference diagram."""

from typing import Any

from earmark.reports.figures import Figure, plain, styled
from earmark.runs.comparison import FEW_TASKS, Ranked

Spec = dict[str, Any]

AXIS_PIXELS, ROW_PIXELS, CLIQUE_PIXELS, BAR_Y, AXIS_Y = 320, 22, 10, 18, 56
MOST_LETTERS, LABEL_PIXELS = 42, 300
MARGIN = 0.04
"""Of the width, between the ends of the axis and the labels."""


def ranks(found: Ranked, level: float = 0.95) -> Figure:
    """Return mean ranks on an axis, the best on the left; a thick bar joins systems that are not told apart.

    The bar above the axis is the critical difference. Source: Demšar 2006, JMLR 7, section 3.2.2 and figure 1.
    """
    places = [place for _, place in found.systems]
    lowest, highest = 1.0, float(len(found.systems))
    reach = (highest - lowest) * MARGIN
    first_row = AXIS_Y + 24 + CLIQUE_PIXELS * len(found.cliques)
    half = (len(places) + 1) // 2
    rows, texts = list[Spec](), list[Spec]()
    for number, (name, place) in enumerate(found.systems):
        is_left = number < half
        depth = number if is_left else len(places) - 1 - number
        y, end = first_row + ROW_PIXELS * depth, lowest - reach if is_left else highest + reach
        rows += [{"x": place, "x2": place, "y": AXIS_Y, "y2": y}, {"x": place, "x2": end, "y": y, "y2": y}]
        texts.append({"x": end, "y": y, "text": f"{_cut(plain(name))}  {place:.2f}", "is_left": is_left})
    ranks_of = dict(found.systems)
    cliques = [
        {
            "x": min(ranks_of[name] for name in clique) - reach / 2,
            "x2": max(ranks_of[name] for name in clique) + reach / 2,
            "y": AXIS_Y + 16 + CLIQUE_PIXELS * number,
        }
        for number, clique in enumerate(found.cliques)
    ]
    height = first_row + ROW_PIXELS * half
    figure = {
        "width": AXIS_PIXELS,
        "height": height,
        "layer": [
            _rules(_scale(found) + rows, 1.2),
            _rules(cliques, 5),
            _texts([one for one in texts if one["is_left"]], "right"),
            _texts([one for one in texts if not one["is_left"]], "left"),
            _texts(_numbers(found), "center"),
        ],
        "encoding": {
            "x": _hidden("x", [lowest - reach, highest + reach]),
            "y": _hidden("y", [0, height], is_reversed=True),
        },
    }
    told = "; ".join(" = ".join(clique) for clique in found.cliques) or "none"
    listed = "; ".join(f"{name} {place:.2f}" for name, place in found.systems)
    title = f"Mean ranks over {found.n_tasks} tasks"
    reading = f"1 is best. A bar joins systems that are not told apart (Nemenyi, {level:.0%})."
    if found.n_tasks < FEW_TASKS:
        reading += f" {found.n_tasks} tasks are few: hardly anything can be told apart."
    return styled(figure, title, f"Rank diagram. {title}. {listed}. Not told apart: {told}.", reading)


def _cut(name: str) -> str:
    """Return a name that leaves room for the rank behind it."""
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def _scale(found: Ranked) -> list[Spec]:
    """Return the axis with its ticks, and the bar of the critical difference above it, as far as the axis goes."""
    highest = len(found.systems)
    end = min(1 + found.critical_difference, highest)
    ticks: list[Spec] = [{"x": place, "x2": place, "y": AXIS_Y - 5, "y2": AXIS_Y} for place in range(1, highest + 1)]
    edges: list[Spec] = [{"x": place, "x2": place, "y": BAR_Y - 4, "y2": BAR_Y + 4} for place in (1, end)]
    bars: list[Spec] = [
        {"x": 1, "x2": highest, "y": AXIS_Y, "y2": AXIS_Y},
        {"x": 1, "x2": end, "y": BAR_Y, "y2": BAR_Y},
    ]
    return bars + ticks + edges


def _numbers(found: Ranked) -> list[Spec]:
    highest = len(found.systems)
    step = 1 + highest // 12
    beyond = ", beyond the axis" if found.critical_difference > highest - 1 else ""
    said = f"critical difference {found.critical_difference:.2f}{beyond}"
    middle = (1 + min(1 + found.critical_difference, highest)) / 2
    ticks = [{"x": place, "y": AXIS_Y - 13, "text": str(place)} for place in range(1, highest + 1, step)]
    return [{"x": middle, "y": BAR_Y - 12, "text": said}, *ticks]


def _hidden(field: str, domain: list[float], is_reversed: bool = False) -> Spec:
    scale = {"domain": domain, "nice": False, "zero": False, "reverse": is_reversed}
    return {"field": field, "type": "quantitative", "axis": None, "scale": scale}


def _rules(rows: list[Spec], width: float) -> Spec:
    ends = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
    values = [{"y2": row["y"], **row} for row in rows]
    mark = {"type": "rule", "strokeWidth": width, "strokeCap": "round" if width > 2 else "butt"}
    return {"data": {"values": values}, "mark": mark, "encoding": ends}


def _texts(rows: list[Spec], align: str) -> Spec:
    shift = {"right": -6, "left": 6}.get(align, 0)
    mark = {"type": "text", "align": align, "dx": shift, "limit": LABEL_PIXELS, "baseline": "middle"}
    return {"data": {"values": rows}, "mark": mark, "encoding": {"text": {"field": "text", "type": "nominal"}}}
