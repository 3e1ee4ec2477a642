"""Figures of what is inside a representation: similarity over layers, and which codes go with which labels."""

import base64
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from earmark.analysis.codes import Counts, arranged
from earmark.analysis.lines import MOST_LINES, Plot, Point, Series
from earmark.catalogue.codes import CodeRow, Codes
from earmark.catalogue.layers import LayerRow, Layers
from earmark.reports import charts
from earmark.reports.figures import Figure, plain, styled
from earmark.reports.heat import RAMP
from earmark.runs import png

Array = np.ndarray
NAMES = {"pwcca": "PWCCA", "svcca": "SVCCA", "cca": "mean CCA", "cka": "linear CKA"}
CHANCE = {"by_others": ("chance: other recordings", "chance"), "by_gaussians": ("chance: Gaussians", "Gaussians")}
"""What a line of chance is called: where it is that of all representations, and before the name of one."""
ALIKE = 0.02
"""Lines of chance that differ by no more are drawn as one, the highest."""
MAP_WIDTH, MAP_HEIGHT = 560, 420
LINE_PIXELS, LEAST_LINE, TEXT_LINE = 28, 4, 13
COLOURS = 256


def similarity(found: Layers) -> Figure:
    """Return similarity by layer, a line for each representation, with what chance gives."""
    return charts.plot(similarity_plot(found))


def similarity_plot(found: Layers) -> Plot:
    """Return the lines of `similarity`. Where they are too many for a colour each, those of chance are grey."""
    names = list(dict.fromkeys(row.representation for row in found.rows))
    by_name = [[row for row in found.rows if row.representation == name] for name in names]
    measured = [_series(rows[0].representation, rows, "value") for rows in by_name]
    chance = [one for field in CHANCE for one in _chance(by_name, field)]
    is_faint = len(measured) + len(chance) > MOST_LINES
    if is_faint:
        chance = [Series(one.name, one.points, is_faint=True) for one in chance]
    first, cut = found.rows[0], "all" if found.middle_s is None else f"the middle {found.middle_s:g} s"
    most = max(row.n_recordings for row in found.rows)
    return Plot(
        f"{NAMES[first.measure]} of each layer with {first.against}; {cut} of {most:,} recordings ({found.recordings})"
        + ("; grey: what chance gives" if is_faint else ""),
        "layer",
        f"{NAMES[first.measure]} with {first.against}",
        (*measured, *chance),
        found.notes,
    )


def _series(name: str, rows: Sequence[LayerRow], field: str) -> Series:
    limits = [(row.low, row.high) if field == "value" else (None, None) for row in rows]
    points = (Point(row.layer, getattr(row, field), *ends) for row, ends in zip(rows, limits, strict=True))
    return Series(name, tuple(points))


def _chance(by_name: Sequence[Sequence[LayerRow]], field: str) -> Iterator[Series]:
    """Yield the lines of chance, those that are alike as one: the highest of them."""
    groups: list[list[Series]] = []
    for rows in by_name:
        one = _series(rows[0].representation, rows, field)
        home = next((some for some in groups if _are_alike(some[0], one)), None)
        if home is not None:
            home.append(one)
        elif any(point.value is not None for point in one.points):
            groups.append([one])
    for some in groups:
        name = CHANCE[field][0] if len(groups) == 1 else f"{CHANCE[field][1]}, {some[0].name}"
        at_layers = zip(*(one.points for one in some), strict=True)
        yield Series(name, tuple(max(points, key=lambda point: point.value or 0.0) for points in at_layers))


def _are_alike(one: Series, other: Series) -> bool:
    """Return whether two lines have the same places, and nowhere differ by more than ALIKE."""
    return [point.x for point in one.points] == [point.x for point in other.points] and all(
        abs((a.value or 0.0) - (b.value or 0.0)) <= ALIKE for a, b in zip(one.points, other.points, strict=True)
    )


def code_map(found: Codes, by_frames: bool = False) -> Figure:
    """Return P(label | code) as a map: a line for each label, the most frequent on top, a column for each used code.

    Codes stand by their likeliest label. Columns are equally wide, or, `by_frames`, as wide as codes are frequent:
    a code that was chosen once is wholly of one label, and many of these make a diagonal of any codes at all. Where
    columns are more than there are pixels, a pixel is the mean of what it covers. Source: Figures 1 and 2 of Ragano et
    al. 2023, whose columns are equally wide.
    """
    counts, row = arranged(found.counts), found.rows[0]
    line = int(np.clip(MAP_HEIGHT // len(counts.labels), LEAST_LINE, LINE_PIXELS))
    weights = counts.frames.sum(axis=1) if by_frames else np.ones(len(counts.codes))
    shares = _widened(counts.label_given_code.T, weights)
    top = float(shares.max())
    pixels = np.repeat(np.round(shares / top * (COLOURS - 1)).astype(np.uint8), line, axis=0)
    height, width = pixels.shape
    address = "data:image/png;base64," + base64.b64encode(png.picture(pixels, _palette())).decode()
    image = {"type": "image", "url": address, "width": width, "height": height, "align": "left", "baseline": "top"}
    corner = {"x": {"value": 0}, "y": {"value": 0}}
    figure = {
        "width": width,
        "height": height,
        "layer": [
            {"data": {"values": [{}]}, "mark": image, "encoding": corner},
            _label_texts(counts, line),
        ],
    }
    title = f"P({row.label} | code): {row.representation} on {row.dataset}, {_codes_said(row)}"
    beneath = (
        f"{row.found.n_used:,} used codes, by their likeliest {row.label}"
        f"{', as wide as they are frequent' if by_frames else ''}; white is 0, dark blue {top:.2f}. "
        f"PNMI {_number(row.found.pnmi)}{_between(row, 'pnmi')} ({_number(row.chance.pnmi)} by chance), "
        f"label purity {row.found.label_purity:.3f}{_between(row, 'label_purity')} ({row.chance.label_purity:.3f})."
    )
    return styled(figure, title, f"Heat map. {title}. {beneath}", beneath)


def _codes_said(row: CodeRow) -> str:
    groups = ", ".join(map(str, row.groups))
    return f"groups {groups} as one code" if len(row.groups) > 1 else f"group {groups}"


def _between(row: CodeRow, name: str) -> str:
    found = row.intervals.get(name)
    return "" if found is None or np.isnan(found.low) else f" [{found.low:.3f}, {found.high:.3f}]"


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.3f}"


def _widened(shares: Float[Array, "labels codes"], weights: Float[Array, " codes"]) -> Float[Array, "labels pixels"]:
    """Return columns of pixels, as wide for each code as its weight; a pixel is the mean of what it covers."""
    ends = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
    below = np.concatenate([np.zeros((len(shares), 1)), np.cumsum(shares * np.diff(ends), axis=1)], axis=1)
    pixels = np.linspace(0.0, 1.0, MAP_WIDTH + 1)
    at = np.stack([np.interp(pixels, ends, line) for line in below])
    return np.asarray(np.clip(np.diff(at, axis=1) * MAP_WIDTH, 0.0, 1.0))


def _palette() -> UInt8[Array, "colours 3"]:
    ramp = np.array([(255, 255, 255), *RAMP[1:]], float)
    at = np.linspace(0, len(ramp) - 1, COLOURS)
    channels = [np.interp(at, np.arange(len(ramp)), channel) for channel in ramp.T]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


def _label_texts(counts: Counts, line: int) -> Figure:
    """Return the names of the labels beside their lines, each with its share of the frames; some, where all collide."""
    often = counts.frames.sum(axis=0)
    step = -(-TEXT_LINE // line)
    rows = [
        {"at": (place + 0.5) * line, "text": plain(f"{counts.labels[place]} ({often[place] / often.sum():.0%})")}
        for place in range(0, len(counts.labels), step)
    ]
    y = {"field": "at", "type": "quantitative", "axis": None, "scale": None}
    mark = {"type": "text", "align": "right", "baseline": "middle", "dx": -8}
    text = {"field": "text", "type": "nominal"}
    return {"data": {"values": rows}, "mark": mark, "encoding": {"x": {"value": 0}, "y": y, "text": text}}
