"""Scores as lines over an axis, and cost against score. A figure is Vega-Lite; `figures` writes it.

Series differ in colour, in the shape of their points and in dashes. The colours are those of Okabe and Ito 2008, "Color
Universal Design", which are told apart with any colour vision. *Differs*: orange, sky blue and purple are darker and
yellow is brown, so that each has a contrast of 3 to white and to near-black.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from earmark.analysis.lines import SPEED, Plot, Point, Series, front
from earmark.reports.figures import INK, WIDTH_PIXELS, Figure, plain, styled

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b5679a", "#b07b00", "#3290c8", "#8a6d3b", INK)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 2], [1, 3], [10, 4], [6, 2, 2, 2, 2, 2])
HEIGHT_PIXELS = 260
SIDE_PIXELS = 64
MOST_BANDS = 3
"""With more lines than this intervals are bars, for bands would hide each other."""
MOST_TICKS, MOST_NAMED = 14, 24
VIVID, FAINT = {"filter": "!datum.is_faint"}, {"filter": "datum.is_faint"}
KNOWN = {"filter": "isValid(datum.value)"}
NAMED = {"filter": "datum.is_named"}
UNBROKEN = {"field": "part", "type": "nominal"}
"""The part of a line between two gaps."""

Spec = dict[str, Any]


def plot(found: Plot) -> Figure:
    """Return lines with the intervals of their points; what is beside the axis stands on its left."""
    panels = [_side(found)] if found.sides else []
    panels += [_main(found)] if found.numbers or not panels else []
    body = panels[0] if len(panels) == 1 else {"hconcat": panels, "spacing": 8, "resolve": {"scale": {"y": "shared"}}}
    return styled(body, found.title, f"Line chart. {_described(found)}")


def cost_against_score(found: Plot) -> Figure:
    """Return points of score over speed; a dashed line joins those that no other beats in both."""
    at, best = {"x": _x(found)}, front(found)
    step = {"type": "line", "strokeDash": [3, 3], "color": INK, "interpolate": "step-before"}
    steps = {"data": {"values": [{"x": one.x, "value": one.value} for one in best]}, "mark": step, "encoding": at}
    body = _body(found, [one for one in _values(found) if not one["is_beside"]], WIDTH_PIXELS)
    body["layer"] += [steps, *_bars(found, at), *_points(found, at)]
    unbeaten = "; ".join(_told(found, one, point) for one in found.series for point in one.points if point in best)
    said = f"Points of score over speed. {_described(found)} Beaten by none in both: {unbeaten}."
    return styled(body, f"{found.title}: cost against score", said)


def _main(found: Plot) -> Spec:
    """Return the panel of the axis."""
    at = {"x": _x(found)}
    body = _body(found, [one for one in _values(found) if not one["is_beside"]], WIDTH_PIXELS)
    body["width"] -= min(len(found.sides), 3) * SIDE_PIXELS
    if found.sides:
        body["encoding"]["y"]["axis"] = {"labels": False, "title": None, "ticks": False, "domain": False}
    has_bands = sum(not one.is_faint for one in found.series) <= MOST_BANDS
    body["layer"] += [*(_bands if has_bands else _bars)(found, at), *_lines(found, at), *_points(found, at)]
    return body


def _side(found: Plot) -> Spec:
    """Return the panel of places beside the axis; without any axis its places have the axis' name."""
    x = {
        "field": "x",
        "type": "nominal",
        "sort": [plain(side) for side in found.sides],
        "title": None if found.numbers else plain(found.x_name),
    }
    axis = {"labelAngle": 0 if len(found.sides) < 8 else -40, "labelLimit": 90}
    shift = {"field": "name", "type": "nominal", "sort": _names(found)}
    at = {"x": {**x, "axis": axis}, "xOffset": shift}
    n_places = max(len(found.sides), 1)
    width = SIDE_PIXELS * n_places if found.numbers else max(WIDTH_PIXELS, SIDE_PIXELS * n_places)
    body = _body(found, [one for one in _values(found) if one["is_beside"]], width, is_named=not found.numbers)
    body["layer"] += [*_bars(found, at), *_points(found, at)]
    return body


def _body(found: Plot, values: Sequence[Spec], width: int, is_named: bool = True) -> Spec:
    """Return a panel with the score of the constant predictor and nothing else."""
    y = {"field": "value", "type": "quantitative", "title": plain(found.y_name), "scale": {"zero": False, "padding": 6}}
    layers: list[Spec] = []
    if found.constant is not None:
        data = {"values": [{"value": found.constant}]}
        layers = [{"data": data, "mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.8}}]
        if is_named:
            side, place = ("left", 0) if _is_freer_first(found) else ("right", "width")
            text = {"type": "text", "text": "constant predictor", "align": side, "dy": -7, "fontStyle": "italic"}
            layers.append({"data": data, "mark": text, "encoding": {"x": {"value": place}}})
    return {
        "data": {"values": list(values)},
        "width": width,
        "height": HEIGHT_PIXELS,
        "encoding": {"y": y},
        "layer": layers,
    }


def _is_freer_first(found: Plot) -> bool:
    """Return whether the scores keep further away from the constant predictor's where the axis begins."""
    ends = (min, max)[found.is_falling], (max, min)[found.is_falling]

    def room(at: float) -> float:
        points = [point for one in found.series for point in one.points if point.x == at and point.value is not None]
        return min((abs((point.value or 0.0) - (found.constant or 0.0)) for point in points), default=0.0)

    return bool(found.numbers) and room(ends[0](found.numbers)) > room(ends[1](found.numbers))


def _x(found: Plot) -> Spec:
    """Return the axis; where the places that are taken are few and round, each has its tick."""
    places = sorted(set(found.numbers))
    form = ".3~s" if places and max(places) >= 10_000 else ".3~r"
    axis: Spec = {"format": form, "labelOverlap": "greedy", "grid": False}
    if len(places) <= MOST_TICKS and all(place == float(f"{place:.2g}") for place in places):
        axis["values"] = places
    scale = {"type": "log" if found.is_log else "linear", "zero": False, "nice": False, "padding": 12}
    scale["reverse"] = found.is_falling
    return {"field": "x", "type": "quantitative", "title": plain(found.x_name), "axis": axis, "scale": scale}


def _lines(found: Plot, at: Spec) -> Iterator[Spec]:
    names = {"detail": [{"field": "name", "type": "nominal"}, UNBROKEN]}
    if any(one.is_faint for one in found.series):
        grey = {"type": "line", "color": INK, "opacity": 0.4, "strokeWidth": 1}
        yield {"transform": [FAINT, KNOWN], "mark": grey, "encoding": {**at, **names}}
    dashes = {"field": "name", "type": "nominal", "scale": _scale(found, DASHES), "legend": None}
    encoding = {**at, "color": _colour(found), "strokeDash": dashes, "detail": UNBROKEN}
    yield {"transform": [VIVID, KNOWN], "mark": {"type": "line", "strokeWidth": 2}, "encoding": encoding}


def _points(found: Plot, at: Spec) -> Iterator[Spec]:
    shape = {"field": "name", "type": "nominal", "scale": _scale(found, SHAPES), "legend": _legend(found)}
    told = {"field": "told", "type": "nominal"}
    encoding = {**at, "color": _colour(found), "shape": shape, "tooltip": told, "description": told}
    yield {
        "transform": [VIVID, KNOWN],
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": encoding,
    }
    named = [one for one in found.series for point in one.points if point.said and not isinstance(point.x, str)]
    if "xOffset" not in at and 0 < len(named) <= MOST_NAMED:
        # Points of one representation cost the same and stand above each other: only the best has room for its name.
        shift = {"dx": 9, "align": "left"} if found.x_name == SPEED else {"dy": -12}
        text = {"text": {"field": "said", "type": "nominal"}}
        yield {"transform": [VIVID, KNOWN, NAMED], "mark": {"type": "text", **shift}, "encoding": {**at, **text}}
    if any(one.is_faint for one in found.series) and "xOffset" in at:
        grey = {"type": "point", "filled": True, "size": 20, "color": INK, "opacity": 0.4}
        yield {"transform": [FAINT, KNOWN], "mark": grey, "encoding": {**at, "description": told}}


def _bands(found: Plot, at: Spec) -> Iterator[Spec]:
    yield _interval(found, at, {"type": "area", "opacity": 0.2})


def _bars(found: Plot, at: Spec) -> Iterator[Spec]:
    yield _interval(found, at, {"type": "rule", "strokeWidth": 1.4, "opacity": 0.55})


def _interval(found: Plot, at: Spec, mark: Spec) -> Spec:
    y = {"field": "low", "type": "quantitative", "title": plain(found.y_name)}
    encoding = {**at, "y": y, "y2": {"field": "high"}, "color": _colour(found), "detail": UNBROKEN}
    known = {"filter": "isValid(datum.low) && isValid(datum.high)"}
    return {"transform": [VIVID, known], "mark": mark, "encoding": encoding}


def _colour(found: Plot) -> Spec:
    return {"field": "name", "type": "nominal", "scale": _scale(found, COLOURS), "legend": _legend(found)}


def _legend(found: Plot) -> Spec:
    longest = max((len(name) for name in _names(found)), default=0)
    return {"columns": 4 if longest < 14 else 3 if longest < 20 else 2 if longest < 32 else 1}


def _scale(found: Plot, looks: Sequence[Any]) -> Spec:
    names = _names(found)
    return {"domain": names, "range": list(looks[: len(names)])}


def _names(found: Plot) -> list[str]:
    return [plain(one.name) for one in found.series if not one.is_faint]


def _values(found: Plot) -> list[Spec]:
    """Return the points as rows: a gap in a line ends one part of it."""
    rows: list[Spec] = []
    for one in found.series:
        part, known = 0, [point.value for point in one.points if point.value is not None]
        best = (min if found.lower_is_better else max)(known, default=None)
        first_best = next((place for place, point in enumerate(one.points) if point.value == best), None)
        for place, point in enumerate(one.points):
            is_beside = isinstance(point.x, str)
            part += point.value is None
            rows.append(
                {
                    "name": plain(one.name),
                    "x": plain(point.x) if isinstance(point.x, str) else point.x,
                    "value": point.value,
                    "low": point.low,
                    "high": point.high,
                    "part": part,
                    "is_beside": is_beside,
                    "is_faint": one.is_faint,
                    "said": plain(point.said),
                    "is_named": found.x_name != SPEED or place == first_best,
                    "told": _told(found, one, point),
                }
            )
    return rows


def _told(found: Plot, one: Series, point: Point) -> str:
    """Return a point in words: "logmel, layer 6: 0.83 [0.79, 0.87]"."""
    interval = "" if point.low is None or point.high is None else f" [{point.low:.3f}, {point.high:.3f}]"
    said = f", {point.said}" if point.said and point.said != point.x else ""
    return plain(f"{one.name}{said}, {found.x_name} {_short(point.x)}: {_short(point.value)}{interval}")


def _short(value: float | str | None) -> str:
    if value is None:
        return "undefined"
    return value if isinstance(value, str) else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _described(found: Plot) -> str:
    """Return a figure in words, for who cannot see it; the numbers belong into a table beside it."""
    values = [point.value for one in found.series for point in one.points if point.value is not None]
    extent = f", from {min(values):.3f} to {max(values):.3f}" if values else ", all undefined"
    names = "; ".join(one.name for one in found.series[: len(COLOURS)])
    more = f" and {len(found.series) - len(COLOURS)} more" if len(found.series) > len(COLOURS) else ""
    return f"{found.title}. {found.y_name} by {found.x_name}{extent}, of {names}{more}."
