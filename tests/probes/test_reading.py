"""Pitches that are read and not learned: as scores of classes they lose nothing, and probes are scored as before."""

import numpy as np
import pytest

from earmark.errors import DataError, UnknownName, UserError
from earmark.metrics import hz_of_midi, measure
from earmark.metrics.pitch import read_scores
from earmark.probes import fit, reading
from earmark.probes.base import Examples, Fitted, Job, Problem

CLASSES = ("40", "60", "61", "62", "90")
CENTS = {50: "raw_pitch_accuracy_50_cents", 100: "raw_pitch_accuracy_100_cents"}


def examples(pitches: list[float]) -> Examples:
    return Examples(np.array(pitches, np.float32)[:, None, None], np.zeros(len(pitches), np.int64))


def problem(pitches: list[float], kind: str = "pitch") -> Problem:
    return Problem(kind, examples([]), examples(pitches), len(CLASSES), CLASSES)  # type: ignore[arg-type]


def read(unit: str = "midi", valid: tuple[float, ...] = ()) -> Fitted:
    (found,) = fit.fit(problem(list(valid)), [Job(reading.Recipe(unit), 0)])  # type: ignore[arg-type]
    return found


def test_a_reading_is_scored_in_cents_from_what_was_read_and_not_from_a_class() -> None:
    true_midi = np.array([60.0, 60.0, 60.0, 60.0, 61.3])
    read_midi = np.array([60.49, 60.51, 60.99, 61.01, 61.81])
    targets = np.array([1, 1, 1, 1, 2])
    predictions = read().predict(read_midi[:, None, None].astype(np.float32))
    for cents, name in CENTS.items():
        found = measure(name, "pitch", targets, predictions, CLASSES, target_hz=hz_of_midi(true_midi))
        expected = np.mean(np.abs(read_midi - true_midi) * 100 <= cents)
        assert found.averages["micro"][0] == pytest.approx(expected)
    assert read_scores(read_midi, CLASSES).argmax(axis=1).tolist() == [1, 2, 2, 2, 3]


def test_a_reading_far_from_every_class_keeps_its_distance() -> None:
    predictions = read().predict(np.array([[[20.0]], [[107.0]]], np.float32))
    exact = hz_of_midi(np.array([20.3, 107.3]))
    found = measure(CENTS[50], "pitch", np.array([0, 4]), predictions, CLASSES, target_hz=exact)
    assert found.averages["micro"][0] == 1
    assert predictions.argmax(axis=1).tolist() == [0, 4]


def test_probabilities_and_votes_are_of_their_classes_as_they_were() -> None:
    votes = np.eye(5)[[1, 2, 3]]
    soft = 0.6 * votes + 0.4 / 5
    targets = np.array([1, 1, 1])
    for predictions in (votes, soft, -1 + 2 * votes, 3 * votes):
        found = measure(CENTS[100], "pitch", targets, predictions, CLASSES)
        assert found.averages["micro"][0] == pytest.approx(2 / 3)


def test_hertz_and_midi_numbers_are_read_alike() -> None:
    midi = np.array([39.7, 60.2, 75.0])
    hz = hz_of_midi(midi).astype(np.float32)[:, None, None]
    np.testing.assert_allclose(
        read("hz").predict(hz), read().predict(midi.astype(np.float32)[:, None, None]), rtol=1e-5
    )


def test_segments_of_a_clip_are_averaged_in_the_unit_that_was_read() -> None:
    hz, clips = np.array([[[220.0]], [[880.0]], [[440.0]]], np.float32), np.array([0, 0, 1])
    found = read("hz").predict(hz, clips)
    np.testing.assert_allclose(found, read("hz").predict(np.array([[[550.0]], [[440.0]]], np.float32)), rtol=1e-6)


def test_nothing_is_learned_and_the_validation_clips_are_scored_where_there_are_any() -> None:
    assert np.isnan(read().valid_score)
    assert read(valid=(40.2, 40.4)).valid_score == 1.0
    assert read(valid=(40.2, 60.0)).valid_score == 0.5


def test_a_saved_reading_reads_the_same() -> None:
    first = read("hz", (400.0,))
    again = fit.restore(first.to_bytes())
    hz = np.array([[[100.0]], [[443.0]]], np.float32)
    np.testing.assert_array_equal(again.predict(hz), first.predict(hz))
    assert again.to_bytes() == first.to_bytes()
    assert (again.recipe, again.classes, again.kind) == (first.recipe, CLASSES, "pitch")


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(UnknownName, match="unit of a pitch"):
        reading.Recipe("cents")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="A reading is of pitch, and this task is multiclass"):
        fit.fit(problem([40.0], "multiclass"), [Job(reading.Recipe(), 0)])
    with pytest.raises(DataError, match=r"\(…, 1, 1\)"):
        read().predict(np.zeros((2, 1, 3), np.float32))
    with pytest.raises(DataError, match="frequencies above 0 Hz"):
        read("hz").predict(np.zeros((2, 1, 1), np.float32))


def test_half_a_semitone_is_within_fifty_cents_on_either_side() -> None:
    midi = np.arange(30, 80)
    classes = tuple(map(str, midi))
    for apart in (-0.5, 0.5):
        scores = read_scores(midi + apart, classes).astype(np.float32)
        found = measure(CENTS[50], "pitch", np.arange(50), scores, classes)
        assert found.averages["micro"][0] == 1.0


def test_the_classes_near_what_was_read_are_the_likelier() -> None:
    scores = read_scores(np.array([61.2]), ("40", "60", "61", "62", "80"))[0]
    assert np.argsort(-scores).tolist() == [2, 3, 1, 4, 0]


def test_margins_of_a_classifier_are_no_reading() -> None:
    margins = np.array([[-1.3, 2.4, -2.2, -1.1, -1.7]])
    found = measure(CENTS[50], "pitch", np.array([1]), margins, CLASSES)
    assert found.averages["micro"][0] == 1.0
