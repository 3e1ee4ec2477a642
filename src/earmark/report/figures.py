"""Figures, drawn by Altair and written as SVG, PNG, HTML or Vega-Lite JSON, offline."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from earmark import durable
from earmark.datasets.check import Description, LabelDescription
from earmark.errors import MissingPart, UserError

PARTS = {"train": "#4c78a8", "valid": "#f2b701", "test": "#c0392b", "no part": "#9aa0a6"}
BAR_PIXELS = 18
WIDTH_PIXELS = 560
PNG_SCALE = 2.0


def label_counts(described: Description, label: LabelDescription) -> dict[str, Any]:
    """Return a bar chart of how many clips each class has, stacked by the parts of the first split (Vega-Lite).

    Source: Plachouras 2023, section 3.1, figures 3 to 8. Differs: clips are stacked by part, most frequent first.
    """
    alt = _altair()
    rows = [
        {"class": name, "part": part, "clips": count}
        for name, total, parts in label.classes
        for part, count in _with_rest(total, parts).items()
        if count
    ]
    order = [name for name, *_ in label.classes]
    there = [part for part in PARTS if any(row["part"] == part for row in rows)]
    colour = alt.Color("part:N", sort=there, title=None).scale(domain=there, range=[PARTS[part] for part in there])
    said = f"{label.n_clips:,} clips, {len(label.classes)} classes, split {label.split or 'none'}"
    title = alt.Title(
        f"{label.name} in {described.name}", subtitle=f"{said}; version {described.version}", anchor="start"
    )
    chart = alt.Chart(alt.Data(values=rows)).mark_bar()
    chart = chart.encode(
        y=alt.Y("class:N", sort=order, title=None, axis=alt.Axis(labelLimit=240)),
        x=alt.X("sum(clips):Q", title="clips", axis=alt.Axis(tickMinStep=1, format=",d")),
        color=colour,
        order=alt.Order("rank:Q"),
        tooltip=["class:N", "part:N", "sum(clips):Q"],
    ).transform_calculate(rank=f"indexof({list(PARTS)}, datum.part)")
    drawn: dict[str, Any] = chart.properties(title=title, width=WIDTH_PIXELS, height=alt.Step(BAR_PIXELS)).to_dict()
    return drawn


def _with_rest(total: int, parts: Any) -> dict[str, int]:
    """Return the clips of each part, and those of none."""
    found = dict(parts)
    return found | {"no part": total - sum(found.values())}


def save(figure: dict[str, Any], path: Path) -> None:
    """Write a figure; the ending of the name says as what."""
    converter = _vl_convert()
    text = json.dumps(figure)
    makers: dict[str, Callable[[], bytes]] = {
        ".svg": lambda: converter.vegalite_to_svg(text).encode(),
        ".png": lambda: converter.vegalite_to_png(text, scale=PNG_SCALE),
        ".html": lambda: str(converter.vegalite_to_html(text, bundle=True)).encode(),
        ".json": lambda: json.dumps(figure, indent=1).encode(),
    }
    if path.suffix not in makers:
        raise UserError(f"Expected a figure's name to end in {', '.join(makers)}, got '{path.name}'.")
    durable.write_file(path, makers[path.suffix]())


def _altair() -> ModuleType:
    try:
        import altair
    except ImportError as error:
        raise _missing() from error
    return altair


def _vl_convert() -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        raise _missing() from error
    return vl_convert


def _missing() -> MissingPart:
    return MissingPart("Figures need Altair and vl-convert. Type: pip install 'earmark[report]'")
