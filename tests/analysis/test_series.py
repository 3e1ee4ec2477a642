"""Lines of figures from rows: what stands on the axis, what beside it, and what is said of what is missing."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from earmark.analysis import series
from earmark.analysis.lines import MOST_LINES, Plot, Point, Series, front
from earmark.nouns import Result
from tests.runs.made_rows import ROW

CONSTANT = replace(ROW, representation="constant", probe="constant", value=0.2, n_seeds=1, ci_low=None, ci_high=None)


def row(representation: str, value: float | None = 0.5, **other: object) -> Result:
    return replace(ROW, representation=representation, value=value, **other)  # type: ignore[arg-type]


def places(one: Series) -> list[float | str]:
    return [point.x for point in one.points]


def values(one: Series) -> list[float | None]:
    return [point.value for point in one.points]


def layered(layers: Sequence[str], name: str = "mert") -> list[Result]:
    return [row(name, (10 + place) / 100, layer=layer) for place, layer in enumerate(layers)]


# Layers


def test_layers_stand_by_number_and_several_at_once_beside_the_axis() -> None:
    (plot,) = series.layers([CONSTANT, *layered(["all", "10", "2", "0", "4-8"])])
    (line,) = plot.series
    assert places(line) == [0, 2, 10, "all", "4-8"]
    assert values(line) == [0.13, 0.12, 0.11, 0.1, 0.14]
    assert (plot.constant, plot.x_name, plot.y_name) == (0.2, "layer", "accuracy (micro)")
    assert plot.sides == ("all", "4-8")


def test_a_representation_of_one_layer_is_a_point_beside_the_lines_of_others() -> None:
    (plot,) = series.layers([*layered(["0", "1"]), row("logmel", 0.4, layer="all")])
    assert [(one.name, places(one)) for one in plot.series] == [("mert", [0, 1]), ("logmel", ["all"])]


def test_rows_without_two_layers_of_a_system_make_no_figure_of_layers() -> None:
    assert series.layers([row("a", layer="3"), row("b", layer="4")]) == ()
    assert series.layers([CONSTANT]) == series.layers([]) == ()


def test_only_clean_audio_and_the_means_over_seeds_labels_and_folds_are_drawn() -> None:
    wanted = layered(["0", "1"])
    others = [
        *(replace(one, deformation="snr0", value=0.9) for one in wanted),
        *(replace(one, seed=0, value=0.8) for one in wanted),
        *(replace(one, label="a", average=None, value=0.7) for one in wanted),
        *(replace(one, train_share=0.1, value=0.6) for one in wanted),
        *(replace(one, metric="f1", average="macro", value=0.55) for one in wanted),
    ]
    (plot,) = series.layers([*wanted, *others])
    assert values(plot.series[0]) == [0.1, 0.11]
    assert plot.title == "made on made, split random"


def test_without_clean_audio_the_title_says_what_was_heard() -> None:
    (plot,) = series.layers([replace(one, deformation="snr0") for one in layered(["0", "1"])])
    assert plot.title == "made on made, split random, snr0"


def test_each_task_has_its_own_figure_with_its_own_constant() -> None:
    first, second = layered(["0", "1"]), [replace(one, task="other") for one in layered(["0", "1"])]
    plots = series.layers([CONSTANT, *first, replace(CONSTANT, task="other", value=0.3), *second])
    assert [(plot.title.split()[0], plot.constant) for plot in plots] == [("made", 0.2), ("other", 0.3)]


# What is missing


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_score_that_is_no_number_is_a_gap_and_is_named(value: float | None) -> None:
    rows = layered(["0", "1", "2"])
    (plot,) = series.layers([rows[0], replace(rows[1], value=value), rows[2]])
    assert values(plot.series[0]) == [0.1, None, 0.12]
    assert "Undefined, no number for these clips: mert at 1." in plot.notes


def test_of_many_undefined_scores_the_first_are_named_and_the_others_counted() -> None:
    rows = [replace(one, value=None) for one in layered([str(number) for number in range(8)])]
    (plot,) = series.layers(rows)
    assert any(note.endswith("mert at 4 and 3 more.") for note in plot.notes)


def test_notes_say_of_how_much_the_scores_are_and_how_sure() -> None:
    rows = [replace(one, n_groups=12, narrow=True, probe="M3") for one in layered(["0", "1"])]
    (plot,) = series.layers(rows)
    assert plot.notes[0] == "200 test clips in 12 groups. Mean over 2 seeds."
    assert "95% interval: made." in plot.notes
    assert "All with probe M3." in plot.notes
    assert any(note.startswith("2 of 2 intervals are too narrow to be believed") for note in plot.notes)


def test_of_too_many_lines_the_best_stay_in_colour_and_a_note_says_so() -> None:
    scores = np.random.default_rng(0).permutation(12) / 20
    rows = [row(f"r{place}", float(score), layer=layer) for place, score in enumerate(scores) for layer in ("0", "1")]
    (plot,) = series.layers(rows)
    vivid = {one.name for one in plot.series if not one.is_faint}
    assert vivid == {f"r{place}" for place in np.argsort(-scores)[:MOST_LINES]}
    assert [one.name for one in plot.series] == [f"r{place}" for place in range(12)]
    assert any("the others are grey" in note for note in plot.notes)
    errors = [replace(one, metric="mean_error") for one in rows]
    (plot,) = series.layers(errors)
    assert {one.name for one in plot.series if not one.is_faint} == {f"r{p}" for p in np.argsort(scores)[:MOST_LINES]}


def test_lines_are_named_by_what_tells_them_apart() -> None:
    alike = [replace(one, pool="mean") for one in (*layered(["0", "1"], "a"), *layered(["0", "1"], "b"))]
    assert [one.name for one in series.layers(alike)[0].series] == ["a", "b"]
    pools = [*layered(["0", "1"]), *(replace(one, pool="max", probe="M3") for one in layered(["0", "1"]))]
    assert [one.name for one in series.layers(pools)[0].series] == ["mert, M1", "mert (max), M3"]
    presets = [replace(one, preset=preset) for one in layered(["0", "1"]) for preset in ("x", "y")]
    assert [one.name for one in series.layers(presets)[0].series] == ["mert, x", "mert, y"]
    runs = [replace(one, run=run) for one in layered(["0", "1"]) for run in ("old", "new")]
    assert [one.name for one in series.layers(runs)[0].series] == ["mert, old", "mert, new"]


# Severities


def swept(severities: Sequence[float], name: str = "noise") -> list[Result]:
    return [row("a", 0.5 + one / 100, deformation=f"{name}@{one:g}", severity=one) for one in severities]


def test_a_sweep_is_a_curve_with_clean_audio_beside_its_axis() -> None:
    (plot,) = series.degradation([CONSTANT, row("a", 0.9), *swept([40, 20, 0])], {"noise": "SNR, dB"})
    assert places(plot.series[0]) == [0, 20, 40, "clean"]
    assert values(plot.series[0])[-1] == 0.9
    assert (plot.title, plot.x_name) == ("made on made, split random, noise", "noise (SNR, dB)")
    assert plot.constant == 0.2


def test_the_axis_of_a_sweep_runs_as_the_experiment_does() -> None:
    assert series.degradation(swept([40, 20, 0]))[0].is_falling
    assert not series.degradation(swept([0, 20, 40]))[0].is_falling
    assert series.degradation(swept([8000, 1000, 100]))[0].is_log
    assert not series.degradation(swept([40, 20, 0]))[0].is_log


def test_the_name_of_a_sweep_is_what_stands_before_the_last_at() -> None:
    plots = series.degradation([*swept([1, 2], "a@b"), *swept([3, 4], "c")])
    assert [plot.x_name for plot in plots] == ["severity of a@b", "severity of c"]


def test_deformations_without_a_severity_are_no_curve() -> None:
    assert series.degradation([row("a"), row("a", deformation="snr@15")]) == ()


# Shares of the labels


def test_shares_of_the_training_clips_are_a_line_on_a_logarithmic_axis() -> None:
    rows = [row("a", 0.5 + share / 10, train_share=share) for share in (1.0, 0.01, 0.1)]
    (plot,) = series.label_efficiency([CONSTANT, *rows])
    assert places(plot.series[0]) == [0.01, 0.1, 1.0]
    assert plot.is_log
    assert series.label_efficiency(rows[:1]) == ()


def test_a_constant_predictor_that_differs_by_share_is_said_and_not_drawn() -> None:
    rows = [row("a", train_share=share) for share in (0.1, 1.0)]
    constants = [replace(CONSTANT, value=value, train_share=share) for value, share in ((0.1, 0.1), (0.2, 1.0))]
    (plot,) = series.label_efficiency([*constants, *rows])
    assert plot.constant is None
    assert "The constant predictor scores 0.100 to 0.200." in plot.notes


# Probes


def test_probes_stand_by_the_mean_number_of_parameters_of_their_seeds() -> None:
    rows = [
        *(row("a", 0.6, probe=probe) for probe in ("M3", "M1", "knn")),
        *(row("a", 0.6, probe="M3", seed=seed, probe_key=f"M3-{seed}") for seed in (0, 1)),
        row("a", 0.6, probe="M1", seed=0, probe_key="M1-0"),
    ]
    (plot,) = series.complexity(rows, {"M3-0": 1000, "M3-1": 3000, "M1-0": 10})
    (line,) = plot.series
    assert [(point.x, point.said) for point in line.points] == [(10, "M1"), (2000, "M3"), ("knn", "knn")]
    assert (plot.x_name, plot.is_log) == ("fitted parameters", True)


def test_without_sizes_probes_are_places_in_the_order_of_the_experiment() -> None:
    (plot,) = series.complexity([row("a", probe=probe) for probe in ("M3", "M1")])
    assert (places(plot.series[0]), plot.x_name, plot.has_line) == (["M3", "M1"], "probe", False)
    assert series.complexity([row("a"), row("b")]) == ()


def test_probes_of_two_protocols_are_not_joined() -> None:
    rows = [row("a", probe=probe, preset=probe[0]) for probe in ("x1", "x2", "y1")]
    (plot,) = series.complexity(rows)
    assert [(one.name, places(one)) for one in plot.series] == [("a, x", ["x1", "x2"]), ("a, y", ["y1"])]


# Cost


def test_a_joined_representation_takes_the_time_of_its_parts() -> None:
    (plot,) = series.cost([CONSTANT, row("a"), row("b"), row("a+b"), row("new")], {"a": 100.0, "b": 50.0})
    speeds = {one.name: one.points[0].x for one in plot.series}
    assert speeds == {"a": 100.0, "b": 50.0, "a+b": pytest.approx(1 / (1 / 100 + 1 / 50))}
    assert "Not timed in these runs: new." in plot.notes
    assert series.cost([row("a"), row("new")], {"a": 100.0}) == ()


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_the_front_is_what_no_other_point_beats_in_both(lower_is_better: bool) -> None:
    rng = np.random.default_rng(1)
    points = [Point(float(x), float(y)) for x, y in rng.integers(0, 12, (40, 2))]
    plot = Plot(
        "", "", "", (Series("a", (*points, Point("beside", 99.0), Point(99.0, None))),), lower_is_better=lower_is_better
    )
    sign = -1 if lower_is_better else 1

    def is_beaten(one: Point) -> bool:
        at = (one.x, sign * (one.value or 0.0))
        others = [(other.x, sign * (other.value or 0.0)) for other in points]
        return any(other != at and other[0] >= at[0] and other[1] >= at[1] for other in others)  # type: ignore[operator]

    wanted = {(one.x, one.value) for one in points if not is_beaten(one)}
    found = front(plot)
    assert {(one.x, one.value) for one in found} == wanted
    assert [one.x for one in found] == sorted(one.x for one in found)
