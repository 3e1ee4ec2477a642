"""Figures as Vega-Lite, written as SVG, PNG, HTML or JSON, offline.

A figure is a dictionary. What is ink in it (text, axes, rules) has one colour, INK, which reads on white and on black;
written, it becomes that of its surroundings: `svg` takes the text colour of the page, `save` black on white.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

from earmark import durable
from earmark.counted import counted
from earmark.datasets.check import Description, LabelDescription
from earmark.errors import MissingPart, UserError

Figure = dict[str, Any]

INK, BLACK = "#767677", "#1a1a1b"
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
"""All as wide as the one that texts were measured with; what is in their place may be wider, hence the margin."""
MARGIN_PIXELS = 16
TEXT_PIXELS = 12
LONGEST_PIXELS = 230
WIDTH_PIXELS = 480
BAR_PIXELS = 18
PNG_SCALE = 2.0
SMALLEST = 0.75
"""Of its own size: a wider figure is scrolled in a page, for its words could not be read."""
PARTS = {"train": "#3f7fb8", "valid": "#b8860b", "test": "#c2452d", "no part": "#8a8a8a"}
SVG = "http://www.w3.org/2000/svg"
JOINTS = re.compile(r".+?(?:[-_:/→]+|$)")
LINK = re.compile(r"url\(#([^)]+)\)")
STAND_IN = "\ufdd0"
"""No character, so that it is in no text."""
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")


def plain(text: str) -> str:
    """Return a text that any file can hold: line breaks and control characters become one space."""
    return UNPRINTABLE.sub(" ", text)


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Return a text in lines of at most `width` characters, at most so many lines; the last says … if it was cut.

    A word longer than a line is broken behind its signs, such as _ and :, if it has any.
    """
    lines = [""]
    for word in plain(text).split():
        gap = " "
        for piece in JOINTS.findall(word) if len(word) > width else [word]:
            for part in [piece[start : start + width] for start in range(0, len(piece), width)]:
                if lines[-1] and len(lines[-1]) + len(part) + len(gap) > width:
                    lines.append("")
                lines[-1] = f"{lines[-1]}{gap}{part}".strip()
                gap = ""
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1][: width - 2]} …"]


def styled(figure: Mapping[str, Any], title: str, description: str, beneath: str = "") -> Figure:
    """Return a figure with a title, what is said beneath it, its text alternative, and the look of all figures."""
    axis = {
        "labelFontSize": TEXT_PIXELS,
        "titleFontSize": TEXT_PIXELS,
        "titleFontWeight": "normal",
        "titleLimit": WIDTH_PIXELS,
        "titlePadding": 8,
        "labelLimit": LONGEST_PIXELS,
        "gridColor": INK,
        "gridOpacity": 0.2,
        **{f"{part}Color": INK for part in ("label", "title", "tick", "domain")},
    }
    legend = {
        "labelFontSize": TEXT_PIXELS,
        "labelLimit": LONGEST_PIXELS,
        "orient": "bottom",
        "symbolSize": 90,
        "symbolOpacity": 1,
        "symbolStrokeWidth": 0,
        "symbolDash": [],
        "columnPadding": 18,
        "title": None,
        "labelColor": INK,
    }
    subtitle = {
        "subtitle": wrapped(beneath, 84, 3),
        "subtitleColor": INK,
        "subtitleFontSize": TEXT_PIXELS,
        "subtitlePadding": 6,
    }
    return {
        "title": {
            "text": wrapped(title, 72, 3),
            "anchor": "start",
            "fontSize": TEXT_PIXELS + 1,
            "color": INK,
            "offset": 12,
            **(subtitle if beneath else {}),
        },
        "description": plain(description),
        "background": "transparent",
        "padding": {"left": MARGIN_PIXELS, "right": MARGIN_PIXELS, "top": 5, "bottom": 5},
        **figure,
        "config": {
            "font": "sans-serif",
            "axis": axis,
            "legend": legend,
            "view": {"stroke": None},
            # Only points say what they are; what Vega would say of the others is an expression made of titles.
            "mark": {"aria": False},
            "point": {"aria": True},
            "rule": {"color": INK},
            "text": {"color": INK, "fontSize": TEXT_PIXELS, "limit": LONGEST_PIXELS},
        },
    }


def label_counts(described: Description, label: LabelDescription) -> Figure:
    """Return a bar chart of how many clips each class has, stacked by the parts of the first split.

    Source: Plachouras 2023, section 3.1, figures 3 to 8. Differs: clips are stacked by part, most frequent first.
    """
    order = [plain(name) for name, *_ in label.classes]
    rows = [
        {"class": plain(name), "part": part, "clips": clips}
        for name, total, parts in label.classes
        for part, clips in _with_rest(total, parts).items()
        if clips
    ]
    there = [part for part in PARTS if any(row["part"] == part for row in rows)]
    said = f"{counted(label.n_clips, 'clip')}, {counted(len(label.classes), 'class')}, split {label.split or 'none'}"
    title = f"{label.name} in {described.name}: {said}; version {described.version}"
    figure = {
        "data": {"values": rows},
        "transform": [{"calculate": f"indexof({list(PARTS)}, datum.part)", "as": "rank"}],
        "mark": "bar",
        "width": WIDTH_PIXELS,
        "height": {"step": BAR_PIXELS},
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": order, "title": None},
            "x": {
                "field": "clips",
                "type": "quantitative",
                "aggregate": "sum",
                "title": "clips",
                "axis": {"tickMinStep": 1, "format": ",d"},
            },
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": there, "range": [PARTS[part] for part in there]},
            },
            "order": {"field": "rank", "type": "quantitative"},
            "tooltip": [{"field": name, "type": "nominal"} for name in ("class", "part", "clips")],
        },
    }
    return styled(figure, title, f"Bar chart: clips of each class, stacked by part. {title}.")


def _with_rest(total: int, parts: Sequence[tuple[str, int]] | Mapping[str, int]) -> dict[str, int]:
    """Return the clips of each part, and those of none."""
    found = dict(parts)
    return found | {"no part": total - sum(found.values())}


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element to stand in a page, where ink has the colour of the page's text.

    It is one image to a screen reader, with the figure's description as its text; marks that say what they are have
    it as a title, which a browser shows under the pointer. Ids are of this figure alone, so that a page may hold many.
    """
    root = _drawn(figure)
    for element in root.iter():
        _recolour(element, "currentColor")
    least = SMALLEST * float(root.get("width", "0").removesuffix("px"))
    root.set("style", f"max-width: 100%; min-width: max(26rem, {least:.0f}px); height: auto; overflow: visible")
    return ElementTree.tostring(root, encoding="unicode")


def save(figure: Figure, path: Path) -> None:
    """Write a figure, black on white; the ending of the name says as what."""
    on_white = figure | {"background": "white"}
    text = json.dumps(on_white).replace(f'"{INK}"', f'"{BLACK}"')
    makers: dict[str, Callable[[], bytes]] = {
        ".svg": lambda: ElementTree.tostring(_drawn(json.loads(text)), encoding="utf-8"),
        ".png": lambda: bytes(_vl_convert().vegalite_to_png(text, scale=PNG_SCALE)),
        ".html": lambda: _html(text).encode(),
        ".json": lambda: json.dumps(on_white, indent=1).encode(),
    }
    if path.suffix not in makers:
        raise UserError(f"Expected a figure's name to end in {', '.join(makers)}, got '{path.name}'.")
    durable.write_file(path, makers[path.suffix]())


def _html(text: str) -> str:
    """Return a page with a figure. vl-convert puts texts into a script as they are: no label may end it."""
    page = str(_vl_convert().vegalite_to_html(text.replace("<", STAND_IN), bundle=True))
    return page.replace(STAND_IN, "\\u003c")


def _drawn(figure: Figure) -> ElementTree.Element:
    """Return a figure as SVG that is one image, with ids of its own and without what only a script would need."""
    ElementTree.register_namespace("", SVG)
    text = json.dumps(figure)
    root = ElementTree.fromstring(_vl_convert().vegalite_to_svg(text))
    name = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    numbers = count()
    ids = {old: f"{name}-{next(numbers)}" for element in root.iter() if (old := element.get("id"))}
    for element in root.iter():
        said = element.get("aria-label")
        if said and element.tag == f"{{{SVG}}}path" and element.get("aria-roledescription") == "point":
            ElementTree.SubElement(element, f"{{{SVG}}}title").text = said
        for key in [key for key in element.attrib if key.startswith("aria-") or key in ("role", "class", "tabindex")]:
            del element.attrib[key]
        for key, value in element.attrib.items():
            element.set(key, ids.get(value, value) if key == "id" else LINK.sub(lambda m: f"url(#{ids[m[1]]})", value))
        if element.get("font-family"):
            del element.attrib["font-family"]
    root.set("font-family", FONT)
    root.set("role", "img")
    root.set("aria-label", figure["description"])
    return root


def _recolour(element: ElementTree.Element, colour: str) -> None:
    for key in ("fill", "stroke"):
        if element.get(key) == INK:
            element.set(key, colour)


def _vl_convert() -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        raise MissingPart("Figures need vl-convert. Type: pip install 'earmark[report]'") from error
    return vl_convert
