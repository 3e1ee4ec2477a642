"""What is drawn of confusions and maps: every number of them, by place, and no more classes than can be read."""

import numpy as np
import pytest

from earmark.reports.app import pictures


def values(spec: pictures.Spec) -> list[pictures.Spec]:
    found: list[pictures.Spec] = spec["data"]["values"]
    return found


def drawn(counts: np.ndarray, chosen: tuple[int, int] = (0, 0)) -> pictures.Spec:
    rows, columns = ([f"{name}{place}" for place in range(n)] for name, n in zip("ab", counts.shape, strict=True))
    return pictures.heat_map(rows, columns, counts, range(counts.shape[0]), range(counts.shape[1]), chosen)


def test_a_heat_map_holds_every_count_and_its_share_of_the_row() -> None:
    counts = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 1.5]])
    found = {(one["row"], one["column"]): one for one in values(drawn(counts, (2, 0)))}
    assert {place: one["clips"] for place, one in found.items()} == dict(np.ndenumerate(counts))
    assert [found[0, column]["share"] for column in range(3)] == [0.75, 0.25, 0]
    assert [found[1, column]["share"] for column in range(3)] == [0, 0, 0]
    assert [place for place, one in found.items() if one["chosen"]] == [(2, 0)]
    assert [found[place]["number"] for place in ((0, 0), (2, 0))] == ["3", "0.5"]


def test_numbers_are_read_on_every_shade() -> None:
    pale, dark = (np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) for code in (pictures.PALE, pictures.DARK))
    for share in np.linspace(0, 1, 101):
        behind = luminance(pale + share * (dark - pale))
        ink = 1.0 if share > pictures.DARK_ABOVE else 0.0
        low, high = sorted((behind, ink))
        assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, 1.4.3, AA


def luminance(colour: np.ndarray) -> float:
    """Return the relative luminance of red, green and blue, 0 to 255. Source: WCAG 2.2."""
    shares = colour / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_of_many_classes_those_with_most_errors_are_drawn_in_their_order() -> None:
    counts = np.eye(900) * 10
    counts[850, 3] = 5
    counts[7, 8] = 2
    shown = pictures.shown_classes(counts, ~np.eye(900, dtype=bool))
    assert len(shown) == pictures.MOST_CLASSES
    assert list(shown) == sorted(shown)
    assert {850, 3, 7, 8} <= set(shown)


def test_of_few_classes_all_are_drawn() -> None:
    assert list(pictures.shown_classes(np.eye(5), ~np.eye(5, dtype=bool))) == [0, 1, 2, 3, 4]


def test_of_labels_those_missed_or_wrongly_given_count() -> None:
    counts = np.zeros((60, 3))
    counts[50, 1] = 3
    is_error = np.ones((60, 3), bool)
    is_error[:, 0] = False
    assert 50 in pictures.shown_classes(counts, is_error)


def mapped(targets: list[str], numbers: list[float] | None = None) -> pictures.Spec:
    points = np.arange(2.0 * len(targets)).reshape(-1, 2)
    clips = [f"clip{place}" for place in range(len(targets))]
    return pictures.embedding_map(points, clips, targets, [None] * len(targets), numbers, ("x", "y"), 1)


def test_a_map_holds_every_clip_at_its_place() -> None:
    found = values(mapped(["a", "b", "a"]))
    assert [(one["place"], one["x"], one["y"], one["target"]) for one in found] == [
        (0, 0.0, 1.0, "a"),
        (1, 2.0, 3.0, "b"),
        (2, 4.0, 5.0, "a"),
    ]
    assert [one["chosen"] for one in found] == [False, True, False]


@pytest.mark.parametrize("n_names", [1, 8, 9, 30])
def test_each_colour_of_a_map_has_a_name_and_a_shape_and_the_rarest_share_one(n_names: int) -> None:
    spec = mapped([f"name{place}" for place in range(n_names)])
    encoding = spec["layer"][0]["encoding"]
    domain = encoding["color"]["scale"]["domain"]
    assert {one["colour"] for one in values(spec)} == set(domain)
    assert len(domain) == min(n_names, pictures.MOST_COLOURS + 1) == len(encoding["color"]["scale"]["range"])
    assert len(encoding["shape"]["scale"]["range"]) == len(domain)


def test_numbers_are_coloured_by_their_size() -> None:
    spec = mapped(["1", "2"], [1.0, 2.0])
    assert [one["colour"] for one in values(spec)] == [1.0, 2.0]
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == [1.0, 2.0]


def test_one_point_has_room_around_it() -> None:
    low, high = mapped(["a"])["encoding"]["x"]["scale"]["domain"]
    assert low < 0 < high
