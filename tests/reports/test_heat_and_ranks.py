"""Heat maps and rank diagrams: the numbers of a grid, read by all; ranks at their places."""

from dataclasses import replace

import pytest

from earmark.reports import heat, rank_diagram
from tests.reports.drawings import RANKED, contrast, grid_of, luminance, texts

RANKS = rank_diagram.ranks(RANKED)

# Heat map


def test_the_numbers_of_a_heat_map_are_those_of_the_grid_with_their_signs() -> None:
    grid = grid_of([[0.1, 0.5], [0.9, None]])
    marked = replace(grid, cells=((replace(grid.cells[0][0], untold=True), grid.cells[0][1]), grid.cells[1]))
    assert {"0.100°", "0.500", "0.900", "undefined"} <= set(texts(heat.heat_map(marked)))


def test_numbers_in_cells_have_a_contrast_of_4_5_whatever_the_score() -> None:
    figure = heat.heat_map(grid_of([[step / 200] for step in range(201)], ["a"] * 201))
    cells = figure["layer"][0]["data"]["values"]
    assert len({one["fill"] for one in cells}) > 150
    assert min(contrast(luminance(one["fill"]), luminance(one["ink"])) for one in cells) >= 4.5


def test_the_darkness_of_a_cell_is_its_place_between_the_constant_predictor_and_the_best() -> None:
    grid = grid_of([[0.5], [0.75], [1.0], [0.4]], constant=0)
    best = replace(grid, cells=(*grid.cells[:2], (replace(grid.cells[2][0], best=True),), grid.cells[3]))
    cells = heat.heat_map(best)["layer"][0]["data"]["values"]
    first = [luminance(one["fill"]) for one in cells]
    assert first[0] == first[3] == max(first)
    assert first[0] > first[1] > first[2]


def test_of_an_error_the_least_is_the_darkest() -> None:
    grid = grid_of([[4.0], [3.0], [2.0]], constant=0)
    best = replace(grid, cells=(*grid.cells[:2], (replace(grid.cells[2][0], best=True),)))
    fills = [luminance(one["fill"]) for one in heat.heat_map(best)["layer"][0]["data"]["values"]]
    assert fills[0] > fills[1] > fills[2]


@pytest.mark.parametrize("is_best", [True, False])
def test_where_no_system_is_better_than_the_constant_predictor_none_is_dark(is_best: bool) -> None:
    grid = grid_of([[2.0], [3.0], [1.9]], constant=0)  # an error, or a score: what is greater may be worse
    constant = replace(grid.cells[0][0], best=is_best)
    figure = heat.heat_map(replace(grid, cells=((constant,), *grid.cells[1:])))
    fills = {one["fill"] for one in figure["layer"][0]["data"]["values"]}
    assert fills == {"#f7fbff"}


# Ranks


def test_ranks_are_at_their_places_with_a_bar_for_each_clique() -> None:
    said = texts(RANKS)
    assert {"critical difference 1.10", "1", "2", "3"} <= set(said)
    assert [text.split() for text in said if text.startswith(("a ", "b ", "c "))] == [
        ["a", "1.20"],
        ["b", "2.00"],
        ["c", "2.80"],
    ]
    bars = RANKS["layer"][1]["data"]["values"]
    overhang = 2.0 - bars[1]["x"]
    assert 0 < overhang < 0.1
    assert [(bar["x"], bar["x2"]) for bar in bars] == [
        (pytest.approx(1.2 - overhang), pytest.approx(2.0 + overhang)),
        (pytest.approx(2.0 - overhang), pytest.approx(2.8 + overhang)),
    ]


def test_a_critical_difference_beyond_the_axis_is_cut_and_said() -> None:
    figure = rank_diagram.ranks(replace(RANKED, critical_difference=7.0))
    assert "critical difference 7.00, beyond the axis" in texts(figure)
    assert max(row["x2"] for row in figure["layer"][0]["data"]["values"]) <= 3.2


def test_few_tasks_are_said_to_be_few() -> None:
    assert "4 tasks are few" in " ".join(RANKS["title"]["subtitle"])
    assert "few" not in " ".join(texts(rank_diagram.ranks(replace(RANKED, n_tasks=12))))
