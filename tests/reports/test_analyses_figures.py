"""Figures of layers and codes: chance is always drawn, and the map shows the shares that were counted."""

import base64
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from earmark.analysis import codes as counting
from earmark.analysis.codes import Counts
from earmark.catalogue.codes import CodeRow, Codes
from earmark.catalogue.layers import LayerRow, Layers
from earmark.reports import analyses
from earmark.reports.figures import Figure
from tests.reports.drawings import drawn, texts

ROW = LayerRow("a", 0, "layer 0", "pwcca", "smaller", 0.9, 0.85, 0.95, 0.1, 0.2, 1000, 5, 5, 16, 16)


def layers_of(*rows: LayerRow, **other: Any) -> Layers:
    return Layers("files", 4.0, rows, (), (), **other)


def lines(name: str, *values: float | None, gaussians: float = 0.1, others: float | None = 0.2) -> list[LayerRow]:
    row = replace(ROW, representation=name, by_gaussians=gaussians, by_others=others)
    return [replace(row, layer=layer, value=value) for layer, value in enumerate(values)]


def codes_of(frames: np.ndarray, labels: tuple[str, ...]) -> Codes:
    counts = Counts(np.arange(len(frames))[:, None], labels, frames)
    said = counting.summary(counts)
    return Codes(counts, (CodeRow("net", "set", "family", (0,), 9, 1024, said, said, {}, 1),), ())


def pixels_of(figure: Figure) -> np.ndarray:
    """Return the places in the palette of the picture in a map."""
    png = base64.b64decode(figure["layer"][0]["mark"]["url"].partition(",")[2])
    at = png.index(b"IDAT")
    rows = zlib.decompress(png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at])])
    return np.frombuffer(rows, np.uint8).reshape(figure["height"], figure["width"] + 1)[:, 1:]


def test_chance_is_drawn_once_where_it_is_the_same_for_all() -> None:
    plot = analyses.similarity_plot(layers_of(*lines("a", 0.9, 0.8), *lines("b", 0.7, 0.6, others=0.21)))
    assert [one.name for one in plot.series] == ["a", "b", "chance: other recordings", "chance: Gaussians"]
    assert [point.value for point in plot.series[2].points] == [0.21, 0.21]  # the highest


def test_chance_is_drawn_for_each_where_it_differs() -> None:
    plot = analyses.similarity_plot(layers_of(*lines("a", 0.9, 0.8), *lines("b", 0.7, 0.6, others=0.5)))
    assert [one.name for one in plot.series] == ["a", "b", "chance, a", "chance, b", "chance: Gaussians"]


def test_chance_of_a_single_recording_is_that_of_gaussians_alone() -> None:
    plot = analyses.similarity_plot(layers_of(*lines("a", 0.9, 0.8, others=None)))
    assert [one.name for one in plot.series] == ["a", "chance: Gaussians"]


def test_of_many_representations_chance_is_grey_and_the_title_says_so() -> None:
    plot = analyses.similarity_plot(layers_of(*(one for name in "abcdefg" for one in lines(name, 0.9, 0.8))))
    assert [one.is_faint for one in plot.series] == [False] * 7 + [True] * 2
    assert "grey: what chance gives" in plot.title


def test_the_figure_of_layers_says_measure_reference_and_recordings() -> None:
    said = " ".join(texts(analyses.similarity(layers_of(*lines("a", 0.9, None, 0.7)))))
    assert "PWCCA of each layer with layer 0; the middle 4 s of 5 recordings" in said
    assert "chance: Gaussians" in said


def test_a_map_has_labels_by_frequency_and_shares_as_colours() -> None:
    figure = analyses.code_map(codes_of(np.array([[1, 3], [0, 6]]), ("brass", "organ")))
    pixels = pixels_of(figure)
    assert [text for text in texts(figure) if "%" in text] == ["organ (90%)", "brass (10%)"]
    assert pixels[0, 0] == 255  # organ, of the code that is organ's alone
    assert pixels[0, -1] == round(0.75 * 255)
    assert (pixels[-1, 0], pixels[-1, -1]) == (0, round(0.25 * 255))


@pytest.mark.parametrize(("by_frames", "place"), [(False, 0.5), (True, 0.9)])
def test_columns_are_equally_wide_or_as_wide_as_codes_are_frequent(by_frames: bool, place: float) -> None:
    figure = analyses.code_map(codes_of(np.array([[90, 0], [0, 10]]), ("brass", "organ")), by_frames)
    assert np.flatnonzero(pixels_of(figure)[0]).max() == place * figure["width"] - 1
    assert ("as wide as they are frequent" in figure["description"]) is by_frames


def test_more_codes_than_pixels_are_averaged() -> None:
    frames = np.tile(np.array([[1, 1]]), (5 * analyses.MAP_WIDTH, 1))
    pixels = pixels_of(analyses.code_map(codes_of(frames, ("brass", "organ"))))
    assert pixels.shape[1] == analyses.MAP_WIDTH
    assert set(pixels.ravel().tolist()) == {255}  # one half is the most


def test_a_map_of_many_labels_names_as_many_as_there_is_room_for() -> None:
    frames = np.eye(112, dtype=np.int64)
    figure = analyses.code_map(codes_of(frames, tuple(str(place) for place in range(112))))
    assert figure["height"] == 112 * analyses.LEAST_LINE
    assert len([text for text in texts(figure) if "%" in text]) == 28


def test_a_map_says_what_chance_gives_and_is_one_picture_for_a_screen_reader() -> None:
    root = drawn(analyses.code_map(codes_of(np.array([[1, 3], [0, 6]]), ("brass", "<b>organ"))))
    assert "by chance" in root.get("aria-label", "")
    assert root.get("role") == "img"
