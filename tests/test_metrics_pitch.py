"""Laws of the pitch metrics. Oracle: mir_eval's raw pitch and raw chroma accuracy."""

import mir_eval.melody
import numpy as np
import pytest
from hypothesis import given, settings

from earmark.errors import DataError
from earmark.metrics import METRICS, hz_of_midi, is_within_cents, measure
from earmark.nouns import Kind
from tests.metric_samples import SEEDS, Sample, draw, one, values


def test_midi_numbers_are_equal_temperament_about_440_hz() -> None:
    np.testing.assert_allclose(hz_of_midi(np.array([69, 81, 60])), [440, 880, 261.6255653], rtol=1e-9)
    assert float(hz_of_midi(np.array(69.5))) == pytest.approx(440 * 2 ** (0.5 / 12))


@pytest.mark.parametrize("tolerance_cents", [50, 100])
@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_shares_within_a_tolerance_equal_mir_eval(tolerance_cents: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    true_hz = hz_of_midi(rng.uniform(36, 84, 60))
    guess_hz = true_hz * 2 ** (rng.normal(0, 80, 60) / 1200 + rng.integers(-2, 3, 60) * (rng.random(60) < 0.3))
    voiced, cents = np.ones(60), [mir_eval.melody.hz2cents(hz) for hz in (true_hz, guess_hz)]
    series = voiced, cents[0], voiced, cents[1]
    pitch = mir_eval.melody.raw_pitch_accuracy(*series, cent_tolerance=tolerance_cents)
    chroma = mir_eval.melody.raw_chroma_accuracy(*series, cent_tolerance=tolerance_cents)
    assert is_within_cents(true_hz, guess_hz, tolerance_cents).mean() == pytest.approx(pitch, abs=1e-12)
    forgiven = is_within_cents(true_hz, guess_hz, tolerance_cents, forgive_octaves=True)
    assert forgiven.mean() == pytest.approx(chroma, abs=1e-12)


def test_an_error_of_exactly_the_tolerance_is_within_it_for_every_pair_of_neighbours() -> None:
    hz = hz_of_midi(np.arange(128))
    assert is_within_cents(hz[:-1], hz[1:], 100).all()
    assert is_within_cents(hz[1:], hz[:-1], 100).all()
    assert not is_within_cents(hz[1:], hz[:-1], 99.99).any()
    assert is_within_cents(hz[:-13], hz[13:], 100, forgive_octaves=True).all()


def test_a_sung_note_between_two_classes_is_near_the_lower_by_a_quarter_tone_and_the_upper_by_a_semitone() -> None:
    sung_hz, classes_hz = np.full(3, hz_of_midi(np.array(60.4))), hz_of_midi(np.array([60, 61, 62]))
    assert is_within_cents(sung_hz, classes_hz, 50).tolist() == [True, False, False]
    assert is_within_cents(sung_hz, classes_hz, 100).tolist() == [True, True, False]


def test_a_clip_without_a_frequency_is_refused() -> None:
    with pytest.raises(DataError, match=r"above 0 Hz\. Leave clips without pitch out"):
        is_within_cents(np.array([0.0]), np.array([440.0]), 50)


# On classes


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_on_classes_a_quarter_tone_is_no_tolerance(seed: int) -> None:
    sample = draw("pitch", seed)
    for near, exact in (("raw_pitch_accuracy", "accuracy"), ("chroma_accuracy", "pitch_class_accuracy")):
        within = measure(f"{near}_50_cents", "pitch", *sample)
        np.testing.assert_array_equal(values(within), values(measure(exact, "pitch", *sample)))


def test_neighbours_and_octaves_are_forgiven_only_by_the_metrics_that_say_so() -> None:
    # True pitch C4; predicted: itself, an octave above, a semitone above, B5, a whole tone above.
    sample = Sample(np.zeros(5, int), np.eye(5), ("60", "72", "61", "83", "62"))
    expected = {
        "accuracy": 1 / 5,
        "pitch_class_accuracy": 2 / 5,
        "raw_pitch_accuracy_50_cents": 1 / 5,
        "raw_pitch_accuracy_100_cents": 2 / 5,
        "chroma_accuracy_50_cents": 2 / 5,
        "chroma_accuracy_100_cents": 4 / 5,
    }
    assert {name: one(name, "pitch", sample, "micro") for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("name", ["pitch_class_accuracy", "raw_pitch_accuracy_50_cents", "chroma_accuracy_100_cents"])
def test_pitch_classes_must_be_midi_numbers(name: str) -> None:
    with pytest.raises(DataError, match=r"MIDI numbers .* got 'a'"):
        measure(name, "pitch", np.array([0, 1]), np.eye(2), ("a", "b"))


# On exact frequencies


@pytest.mark.parametrize("tolerance_cents", [50, 100])
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_of_exact_targets_the_scores_of_a_probe_equal_mir_eval(tolerance_cents: int, seed: int) -> None:
    classes = tuple(map(str, range(57, 75)))
    rng = np.random.default_rng(seed)
    midi, guesses = rng.uniform(57, 74, 60), rng.random((60, len(classes)))
    guesses[np.arange(60), np.clip(np.rint(midi - 57).astype(int) + rng.integers(-1, 2, 60), 0, 17)] += 1
    sample = Sample(np.rint(midi).astype(int) - 57, guesses, classes)
    said_hz = hz_of_midi(57 + guesses.argmax(axis=1))
    voiced, cents = np.ones(60), [mir_eval.melody.hz2cents(hz) for hz in (hz_of_midi(midi), said_hz)]
    for name, theirs in (
        ("raw_pitch_accuracy", mir_eval.melody.raw_pitch_accuracy),
        ("chroma_accuracy", mir_eval.melody.raw_chroma_accuracy),
    ):
        ours = measure(f"{name}_{tolerance_cents}_cents", "pitch", *sample, target_hz=hz_of_midi(midi))
        expected = theirs(voiced, cents[0], voiced, cents[1], cent_tolerance=tolerance_cents)
        assert float(ours.averages["micro"][0]) == pytest.approx(expected, abs=1e-12)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_the_frequencies_of_the_classes_say_no_more_than_the_classes(seed: int) -> None:
    sample = draw("pitch", seed)
    exact = hz_of_midi(np.array([int(name) for name in sample.classes]))[sample.targets]
    for name in METRICS:
        if "pitch" in METRICS[name].kinds:
            given = measure(name, "pitch", *sample, target_hz=exact)
            np.testing.assert_array_equal(values(given), values(measure(name, "pitch", *sample)))


def test_a_note_is_wrong_by_its_own_cents_and_not_by_those_of_its_class() -> None:
    # 60.4, heard as 60 and 61: the first lies within a quarter tone, both lie within a semitone.
    sample, sung = Sample(np.zeros(2, int), np.eye(2), ("60", "61")), np.full(2, hz_of_midi(np.array(60.4)))
    near = [measure(f"raw_pitch_accuracy_{c}_cents", "pitch", *sample, target_hz=sung) for c in (50, 100)]
    assert [float(one.averages["micro"][0]) for one in near] == [0.5, 1.0]
    flat = measure("raw_pitch_accuracy_100_cents", "pitch", *sample, target_hz=np.full(2, hz_of_midi(np.array(59.6))))
    assert float(flat.averages["micro"][0]) == 0.5, "61 is 140 cents from 59.6, and 100 from its class"


@pytest.mark.parametrize(
    ("kind", "target_hz"),
    [("pitch", [440.0]), ("pitch", [440.0, 0.0]), ("pitch", [440.0, np.nan]), ("multiclass", [440.0, 440.0])],
)
def test_frequencies_that_no_clip_can_have_are_refused(kind: Kind, target_hz: list[float]) -> None:
    with pytest.raises(
        DataError, match="Expected target_hz to be the frequencies above 0 Hz of the 2 clips of a pitch"
    ):
        measure("accuracy", kind, np.array([0, 1]), np.eye(2), ("60", "61"), target_hz=np.array(target_hz))
