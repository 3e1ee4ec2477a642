"""The pictures that are clicked, as Vega-Lite: a confusion heat map, and a map of embeddings. Plain values, no screen.

What is chosen is told by places (`row`, `column`, `place`), never by labels, which may be anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from earmark.analysis import escapes

Array = np.ndarray
Spec = dict[str, Any]

CELL, CLIP = "cell", "clip"
"""What the selections are called."""
MOST_CLASSES = 40
MOST_NUMBERED = 26
ROW_PIXELS, COLUMN_PIXELS = 26, 30
BESIDE_PIXELS = 190
"""What a heat map needs for the names of its rows."""
MAP_PIXELS = 540
ROOM = 0.04
LABEL_PIXELS = 150
MOST_COLOURS = 8
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
"""Source: Okabe & Ito 2008, without black and yellow, which one of the two themes hides; the last two are added."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
SCALE = ("#4c6fd6", "#1b9e77", "#c98a00")
"""Of numbers, low to high: seen on white and on black."""
OTHERS, GREY = "all others", "#8a8f98"
RING = "#d55e00"
INK = {"labelColor": "currentColor", "titleColor": "currentColor"}
"""Of axes and legends: the colour that the page writes in, light or dark."""
STEPS = {"type": "symbol", "symbolType": "square", "symbolSize": 180, "symbolOpacity": 1, "symbolStrokeWidth": 0}
"""A legend of colours in steps: one that runs is found by the page's address, which changes with every click."""
SHARES = (0, 0.25, 0.5, 0.75, 1)
PALE, DARK = "#eef3f8", "#08306b"
DARK_ABOVE = 0.63
"""Where, from pale to dark, white begins to be better read than black: its luminance is 0.18."""


def shown_classes(counts: Float[Array, "rows columns"], is_error: Bool[Array, "rows columns"]) -> Sequence[int]:
    """Return the rows that a heat map has place for: those with most errors, in their own order."""
    errors = np.where(is_error, counts, 0.0)
    wrong = errors.sum(axis=1)
    if counts.shape[0] <= counts.shape[1]:  # of classes: also what is said wrongly
        wrong = wrong + errors.sum(axis=0)[: len(wrong)]
    first = np.argsort(-wrong, kind="stable")[:MOST_CLASSES]
    return tuple(sorted(first.tolist()))


def heat_map(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Float[Array, "rows columns"],
    shown_rows: Sequence[int],
    shown_columns: Sequence[int],
    chosen: tuple[int, int],
) -> Spec:
    """Return counts of clips as a heat map: a row a target, a column what was said, coloured by its share."""
    totals = np.maximum(counts.sum(axis=1), 1e-12)
    said, true = _visible(columns), _visible(rows)
    values = [
        {
            "row": row,
            "column": column,
            "target": true[row],
            "said": said[column],
            "clips": round(float(counts[row, column]), 2),
            "share": round(float(counts[row, column] / totals[row]), 4),
            "number": _number(float(counts[row, column])),
            "chosen": (row, column) == chosen,
        }
        for row in shown_rows
        for column in shown_columns
    ]
    x = _names("said", [said[place] for place in shown_columns], -40)
    y = _names("target", [true[place] for place in shown_rows], 0)
    ring = {"type": "rect", "filled": False, "stroke": RING, "strokeWidth": 3, "cornerRadius": 2}
    has_numbers = len(shown_columns) <= MOST_NUMBERED
    return {
        "data": {"values": values},
        "height": {"step": ROW_PIXELS},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {"x": x, "y": y},
        "layer": [_squares(), *([_numbers()] if has_numbers else []), _chosen(ring)],
        "config": {"view": {"stroke": None}},
    }


def _squares() -> Spec:
    colour = {
        "field": "share",
        "type": "quantitative",
        "scale": {"range": [PALE, DARK], "domain": [0, 1], "interpolate": "rgb"},
        "legend": {**_legend("share of row"), **STEPS, "values": SHARES, "format": ".0%", "orient": "top"},
    }
    tooltip = [
        {"field": "target", "title": "target"},
        {"field": "said", "title": "said"},
        {"field": "clips", "title": "clips, mean over seeds"},
        {"field": "share", "title": "share of the target's clips", "format": ".0%"},
    ]
    return {
        "mark": {"type": "rect", "cursor": "pointer", "cornerRadius": 2},
        "params": [{"name": CELL, "select": {"type": "point", "fields": ["row", "column"]}}],
        "encoding": {"color": colour, "tooltip": tooltip},
    }


def _chosen(mark: Spec) -> Spec:
    """Return what is drawn around what is chosen."""
    return {"mark": mark, "transform": [{"filter": "datum.chosen"}]}


def _legend(title: str) -> Spec:
    return {**INK, "title": title, "labelLimit": LABEL_PIXELS}


def _numbers() -> Spec:
    colour = {"condition": {"test": f"datum.share > {DARK_ABOVE}", "value": "#ffffff"}, "value": "#000000"}
    return {
        "mark": {"type": "text", "fontSize": 11, "tooltip": False, "cursor": "pointer"},
        "transform": [{"filter": "datum.clips > 0"}],
        "encoding": {"text": {"field": "number"}, "color": colour},
    }


def _visible(names: Sequence[str]) -> Sequence[str]:
    """Return names in which nothing turns the line, unless two of them would then be one."""
    found = [escapes.plain(name) for name in names]
    return found if len(set(found)) == len(set(names)) else names


def least_width_px(n_columns: int) -> int:
    """Return the width below which a heat map cannot be read, and is scrolled."""
    return BESIDE_PIXELS + COLUMN_PIXELS * n_columns


def _names(field: str, shown: Sequence[str], angle: int) -> Spec:
    """Return an axis of names in their order."""
    axis = {
        **INK,
        "labelLimit": LABEL_PIXELS,
        "labelAngle": angle,
        "labelOverlap": False,
        "labelFlush": False,
        "ticks": False,
        "domain": False,
    }
    return {"field": field, "type": "ordinal", "scale": {"domain": list(shown)}, "title": field, "axis": axis}


def _number(count: float) -> str:
    return f"{count:.0f}" if float(count).is_integer() else f"{count:.1f}"


def embedding_map(
    points: Float[Array, "clips 2"],
    clips: Sequence[str],
    targets: Sequence[str],
    groups: Sequence[str | None],
    numbers: Sequence[float] | None,
    axes: tuple[str, str],
    chosen: int | None,
) -> Spec:
    """Return clips as points of a plane; `numbers`: targets that are coloured by their size, None: by their name."""
    targets = _visible(targets)
    common = [name for name, _ in Counter(targets).most_common(MOST_COLOURS)]
    named = [target if target in common else OTHERS for target in targets]
    values = [
        {
            "place": place,
            "x": float(points[place, 0]),
            "y": float(points[place, 1]),
            "clip": clips[place],
            "target": targets[place],
            "group": groups[place] or "",
            "colour": named[place] if numbers is None else numbers[place],
            "chosen": place == chosen,
        }
        for place in range(len(clips))
    ]
    dots = {
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.8, "cursor": "pointer"},
        "params": [{"name": CLIP, "select": {"type": "point", "fields": ["place"]}}],
        "encoding": {
            **(_by_number(numbers) if numbers else _by_name(common, has_others=OTHERS in named)),
            "tooltip": [{"field": name} for name in ("clip", "target", "group")],
        },
    }
    ring = {"type": "point", "filled": False, "stroke": RING, "strokeWidth": 3, "size": 320}
    return {
        "data": {"values": values},
        "height": MAP_PIXELS,
        "encoding": {field: _span(field, points[:, at], axes[at]) for at, field in enumerate("xy")},
        "layer": [dots, _chosen(ring)],
    }


def _span(field: str, places: Float[Array, " clips"], title: str) -> Spec:
    """Return an axis over all points, with a little room around them; its numbers mean nothing."""
    low, high = float(places.min()), float(places.max())
    room = ROOM * (high - low) or 1.0
    axis = {**INK, "labels": False, "ticks": False, "domain": False}
    scale = {"domain": [low - room, high + room], "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def _by_number(numbers: Sequence[float]) -> Spec:
    scale = {"range": SCALE, "domain": [min(numbers), max(numbers)], "interpolate": "rgb"}
    return {
        "color": {"field": "colour", "type": "quantitative", "scale": scale, "legend": {**_legend("target"), **STEPS}}
    }


def _by_name(common: Sequence[str], *, has_others: bool) -> Mapping[str, Spec]:
    domain = [*common, *([OTHERS] if has_others and OTHERS not in common else [])]
    colours = [*COLOURS[: len(common)], GREY][: len(domain)]
    shapes = [*SHAPES[: len(common)], "circle"][: len(domain)]
    legend = {**_legend("target"), "orient": "bottom", "columns": 4}
    return {
        "color": {
            "field": "colour",
            "type": "nominal",
            "scale": {"domain": domain, "range": colours},
            "legend": legend,
        },
        "shape": {"field": "colour", "type": "nominal", "scale": {"domain": domain, "range": shapes}, "legend": legend},
    }
