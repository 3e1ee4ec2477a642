"""Figures: what is drawn is what was measured, and it can be read by all, on any ground, whatever labels say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import pytest

from earmark.analysis.grid import Grid
from earmark.analysis.lines import Plot, Point, Series
from earmark.reports import charts, figures, heat, rank_diagram
from earmark.reports.figures import INK, Figure
from tests.reports.drawings import RANKED, SVG, contrast, drawn, grid_of, luminance, texts

HOSTILE = (
    "<script>alert(1)</script>",
    "\"quoted\" & 'single' \\ back",
    "\u202eright to left עברית",
    "emoji 🎺",
    "x" * 300,
    "datum.value + ${1} {{2}}",
    '\\" + 1 + "\\',
    "line\nbreak\x00\x0b null",
    "",
)
GROUNDS = ((255, 255, 255), (20, 22, 26))


def line(name: str, *values: float | None, is_faint: bool = False) -> Series:
    points = [Point(float(x), y, *((None, None) if y is None else (y - 0.1, y + 0.1))) for x, y in enumerate(values)]
    return Series(name, tuple(points), is_faint)


def plot_of(*series: Series, **other: Any) -> Plot:
    return Plot("a title", "layer", "accuracy (micro)", series, **other)


COST = Plot(
    "a title",
    "× real time",
    "accuracy (micro)",
    (Series("slow", (Point(10.0, 0.9, 0.8, 1.0, "M1"),)), Series("fast", (Point(1e4, 0.5, 0.4, 0.6, "M1"),))),
    is_log=True,
)
BESIDE = Series("beside", (Point(0.0, 0.5, 0.4, 0.6), Point(1.0, 0.6), Point("clean", 0.7, 0.6, 0.8)))
FIGURES = {
    "lines": charts.plot(plot_of(line("a", 0.1, 0.2, 0.3), line("b", 0.3, 0.2, 0.1), constant=0.05)),
    "beside": charts.plot(plot_of(BESIDE, line("b", 0.2, 0.1), is_falling=True)),
    "places": charts.plot(plot_of(Series("a", (Point("M1", 0.1), Point("M3", 0.2))))),
    "many": charts.plot(plot_of(*(line(f"r{place}", 0.1, place / 20, is_faint=place > 7) for place in range(12)))),
    "nothing": charts.plot(plot_of(line("a", None, None))),
    "no lines": charts.plot(plot_of()),
    "cost": charts.cost_against_score(COST),
    "heat": heat.heat_map(grid_of([[0.1, 0.5], [0.9, None]], constant=0)),
    "empty heat": heat.heat_map(Grid("a grid", ("a",), ("b",), (), (), ())),
    "ranks": rank_diagram.ranks(RANKED),
}


# All figures


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_valid_vega_lite(name: str) -> None:
    altair.Chart.from_dict(FIGURES[name])
    json.dumps(FIGURES[name], allow_nan=False)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_one_image_with_a_text_and_ink_in_the_colour_of_the_page(name: str) -> None:
    root = drawn(FIGURES[name])
    assert root.get("role") == "img"
    assert root.get("aria-label") == FIGURES[name]["description"]
    assert not [one for one in root.iter() if one is not root and ("role" in one.attrib or "aria-label" in one.attrib)]
    used = {one.get(key) for one in root.iter() for key in ("fill", "stroke")}
    assert "currentColor" in used
    assert INK not in used
    assert "white" not in used


def test_a_wide_figure_is_not_made_so_small_that_it_cannot_be_read() -> None:
    wide = grid_of([[0.5] * 16, [0.4] * 16], [f"system {number}" for number in range(16)])
    root = drawn(heat.heat_map(wide))
    assert float(root.attrib["width"]) > 600
    least = figures.SMALLEST * float(root.attrib["width"])
    assert f"min-width: max(26rem, {least:.0f}px)" in root.attrib["style"]


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_figure_is_drawn_the_same_twice(name: str) -> None:
    assert figures.svg(FIGURES[name]) == figures.svg(FIGURES[name])


def test_ids_of_two_figures_in_one_page_differ_and_lead_somewhere() -> None:
    clipped = [replace(COST, title=title) for title in ("one", "two")]
    specs = [
        figures.styled(
            {
                "mark": {"type": "bar", "clip": True},
                "data": {"values": [{"x": 1}]},
                "encoding": {"x": {"field": "x", "type": "quantitative"}},
            },
            one.title,
            "",
        )
        for one in clipped
    ]
    roots = [drawn(spec) for spec in specs]
    ids = [{one.get("id") for one in root.iter() if one.get("id")} for root in roots]
    assert ids[0]
    assert not ids[0] & ids[1]
    for root, own in zip(roots, ids, strict=True):
        links = {match for one in root.iter() for value in one.attrib.values() for match in figures.LINK.findall(value)}
        assert links <= own


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_text_and_break_no_figure(label: str, tmp_path: Path) -> None:
    every = [
        charts.plot(plot_of(line(label, 0.1, 0.2), line("b", 0.2, 0.1))),
        charts.plot(Plot(label, label, label, (Series("a", (Point(label, 0.5, 0.4, 0.6, label),)),))),
        charts.cost_against_score(replace(COST, series=(replace(COST.series[0], name=label), COST.series[1]))),
        heat.heat_map(grid_of([[0.1, 0.2], [0.3, 0.4]], (label, "b"))),
        rank_diagram.ranks(replace(RANKED, systems=((label, 1.0), ("b", 2.0)), cliques=((label, "b"),))),
    ]
    for figure in every:
        root = drawn(figure)
        assert not list(root.iter(f"{SVG}script"))
        assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
            "svg",
            "g",
            "path",
            "rect",
            "line",
            "text",
            "tspan",
            "title",
            "defs",
            "clipPath",
        }
        assert float(root.get("width", "inf")) < 1000
        assert float(root.get("height", "inf")) < 1000
    if label == HOSTILE[0]:
        assert all(any(label in text for text in texts(figure)) for figure in (every[0], every[2], every[4]))
        figures.save(every[0], tmp_path / "hostile.html")
        assert label not in (tmp_path / "hostile.html").read_text("utf-8")


def test_what_is_written_for_paper_is_black_on_white(tmp_path: Path) -> None:
    figures.save(FIGURES["lines"], tmp_path / "lines.svg")
    text = (tmp_path / "lines.svg").read_text("utf-8")
    assert figures.BLACK in text
    assert INK not in text
    assert 'fill="white"' in text
    figures.save(FIGURES["lines"], tmp_path / "lines.png")
    assert (tmp_path / "lines.png").read_bytes().startswith(b"\x89PNG")


def test_texts_are_cut_into_lines_and_say_when_something_is_missing() -> None:
    assert figures.wrapped("one two three", 7, 2) == ["one two", "three"]
    assert figures.wrapped("one two three four", 7, 2) == ["one two", "three …"]
    assert figures.wrapped("a pitch_class_of_all b", 12, 3) == ["a pitch_", "class_of_all", "b"]
    assert figures.wrapped("x" * 20, 8, 3) == ["x" * 8, "x" * 8, "x" * 4]
    assert figures.plain("a\n\x00b\ud800") == "a b "


# Lines


def test_every_series_has_its_own_colour_shape_and_name_in_the_legend() -> None:
    figure = FIGURES["many"]
    shown = [f"r{place}" for place in range(8)]
    assert len(set(charts.COLOURS)) == len(set(charts.SHAPES)) == len(charts.DASHES) == 8
    assert [text for text in texts(figure) if text.startswith("r")] == shown
    points = [one for one in drawn(figure).iter(f"{SVG}path") if one.find(f"{SVG}title") is not None]
    assert len({one.get("fill") for one in points}) == 8


@pytest.mark.parametrize("colour", charts.COLOURS[:-1])
@pytest.mark.parametrize("ground", GROUNDS)
def test_colours_of_series_have_a_contrast_of_3_to_light_and_dark_ground(colour: str, ground: tuple[int, ...]) -> None:
    assert contrast(luminance(colour), heat._luminance(ground)) >= 3


def test_points_say_what_they_are_under_the_pointer() -> None:
    titles = ["".join(one.itertext()) for one in drawn(FIGURES["lines"]).iter(f"{SVG}title")]
    assert "a, layer 2: 0.3 [0.200, 0.400]" in titles
    assert len(titles) == 6


def test_a_gap_breaks_a_line_and_its_band() -> None:
    whole = charts.plot(plot_of(line("a", 0.1, 0.2, 0.3, 0.4, 0.5)))
    broken = charts.plot(plot_of(line("a", 0.1, 0.2, None, 0.4, 0.5)))

    def strokes(figure: Figure) -> int:
        return sum(
            one.get("stroke") == charts.COLOURS[0] and one.get("stroke-width") == "2" for one in drawn(figure).iter()
        )

    assert (strokes(whole), strokes(broken)) == (1, 2)


def test_what_is_beside_the_axis_is_a_panel_with_its_name() -> None:
    assert len(FIGURES["beside"]["hconcat"]) == 2
    assert "clean" in texts(FIGURES["beside"])
    assert "hconcat" not in FIGURES["lines"]
    assert {"M1", "M3"} <= set(texts(FIGURES["places"]))


def test_the_constant_predictor_is_a_line_with_its_name() -> None:
    assert "constant predictor" in texts(FIGURES["lines"])
    assert "constant predictor" not in texts(FIGURES["many"])


def test_the_text_of_a_figure_says_what_it_is_of() -> None:
    said = FIGURES["lines"]["description"]
    assert said == "Line chart. a title. accuracy (micro) by layer, from 0.100 to 0.300, of a; b."
    assert FIGURES["nothing"]["description"].endswith("accuracy (micro) by layer, all undefined, of a.")


def test_the_cost_figure_names_what_is_beaten_by_none() -> None:
    worse = Series("worse", (Point(5.0, 0.4, 0.3, 0.5, "M1"),))
    said = charts.cost_against_score(replace(COST, series=(*COST.series, worse)))["description"]
    unbeaten = said.partition("Beaten by none in both: ")[2]
    assert "slow" in unbeaten
    assert "fast" in unbeaten
    assert "worse" not in unbeaten


def test_where_points_stand_above_each_other_only_the_best_has_its_name() -> None:
    crowd = Series("crowd", tuple(Point(100.0, 0.5 + step / 10, None, None, f"M{step}") for step in range(4)))
    assert "M3" in texts(charts.cost_against_score(replace(COST, series=(crowd,))))
    assert "M2" not in texts(charts.cost_against_score(replace(COST, series=(crowd,))))
    assert "M0" in texts(charts.cost_against_score(replace(COST, series=(crowd,), lower_is_better=True)))
    assert "M2" in texts(charts.plot(replace(COST, series=(crowd,), x_name="fitted parameters")))
