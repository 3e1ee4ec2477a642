"""Metrics of pitch: how far, in cents, the predicted frequency lies from the true one.

The predicted pitch is the class of the greatest score; classes are MIDI numbers as text. The true one is exact where
it is known better than by its class: a sung note of MIDI 60.4 is of class 60, and 40 cents from it.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from earmark.errors import DataError
from earmark.metrics.base import Array, Scores, Weights
from earmark.metrics.classes import mean_by_class

UNREAD = -1.0
_SCORE_ROUNDING, _MIDI_DECIMALS = 1e-3, 5  # a reading is kept in float32, which costs it up to 4e-4 cents
_ROUNDING_CENTS = 1e-6  # what a frequency in float64 loses on its way through Hz is below 1e-9


def hz_of_midi(midi: Num[Array, "..."]) -> Float[Array, "..."]:
    """Return the frequency of MIDI numbers, which may be fractional: equal temperament, A4 = 69 = 440 Hz."""
    return np.asarray(440.0 * 2.0 ** ((np.asarray(midi, float) - 69) / 12))


def read_scores(midi: Float[Array, " clips"], classes: tuple[str, ...]) -> Float[Array, "clips classes"]:
    """Return pitches that were read, not predicted by a probe, as scores of classes, none of their cents lost.

    The nearest class has the frequency that was read, divided by its own; every other has −1 and less, by semitones,
    which no probability is: the nearer it is, the higher. A pitch beyond the classes is that of the last of them to
    whoever asks for classes alone.
    """
    apart = np.asarray(midi, float)[:, None] - _midi_numbers(classes)
    nearest = np.abs(apart).argmin(axis=1)
    scores: np.ndarray = UNREAD - np.abs(apart)
    rows = np.arange(len(apart))
    scores[rows, nearest] = 2.0 ** (apart[rows, nearest] / 12)
    return scores


def is_within_cents(
    target_hz: Float[Array, " clips"],
    predicted_hz: Float[Array, " clips"],
    tolerance_cents: float,
    forgive_octaves: bool = False,
) -> Bool[Array, " clips"]:
    """Return which predicted frequencies are at most `tolerance_cents` from the true ones, or from an octave of them.

    A quarter tone is 50 cents, a semitone 100. The mean over clips is what mir_eval calls raw pitch accuracy (raw
    chroma accuracy where octaves are forgiven), all frames being voiced. Raises DataError for frequencies not above
    0. Source: the definition in Salamon et al. 2014, "Melody extraction from polyphonic music signals", and RP1/4
    and RP1/2 of Ragano et al. 2023 (§IV.A). *Differs* from mir_eval: an error of exactly the tolerance is
    within it; mir_eval's "less than" would leave a semitone between two classes to the rounding of their Hz.
    """
    true, guess = np.asarray(target_hz, float), np.asarray(predicted_hz, float)
    if not ((true > 0).all() and (guess > 0).all()):
        raise DataError("Expected frequencies above 0 Hz. Leave clips without pitch out of a pitch task.")
    apart_cents = np.abs(1200 * np.log2(guess / true))
    if forgive_octaves:
        apart_cents = np.abs(apart_cents - 1200 * np.round(apart_cents / 1200))
    return np.asarray(apart_cents <= tolerance_cents + _ROUNDING_CENTS)


def raw_pitch_accuracy(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
    target_hz: Float[Array, " clips"] | None = None,
    *,
    tolerance_cents: float,
) -> Scores:
    """Return the share of clips predicted within a tolerance: micro over clips, by true MIDI number, macro over those.

    `target_hz`: the true frequencies; without them those of the classes, so that 50 cents equals accuracy, and 100
    cents also takes the semitone above and below. The predicted one is that of a class: of a note that lies between
    two, within 50 cents is the nearer, within 100 are both.
    """
    true_hz, guess_hz = _frequencies(targets, predictions, classes, target_hz)
    return mean_by_class(is_within_cents(true_hz, guess_hz, tolerance_cents), targets, classes, weights)


def chroma_accuracy(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
    target_hz: Float[Array, " clips"] | None = None,
    *,
    tolerance_cents: float,
) -> Scores:
    """Return `raw_pitch_accuracy` with octaves forgiven; of classes and 50 cents it equals `pitch_class_accuracy`."""
    true_hz, guess_hz = _frequencies(targets, predictions, classes, target_hz)
    is_right = is_within_cents(true_hz, guess_hz, tolerance_cents, forgive_octaves=True)
    return mean_by_class(is_right, targets, classes, weights)


def pitch_class_accuracy(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the share of clips whose pitch is right but for the octave.

    The predicted pitch is the one of the greatest score, its octave then forgotten: scores of octaves are not
    added. By true MIDI number, and macro over those.
    """
    midi = _midi_numbers(classes)
    apart = midi[targets] - midi[predictions.argmax(axis=1)]
    return mean_by_class(apart % 12 == 0, targets, classes, weights)


def _frequencies(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    target_hz: Float[Array, " clips"] | None,
) -> tuple[Float[Array, " clips"], Float[Array, " clips"]]:
    """Return the true and the predicted frequency of each clip in Hz; a reading's is exact (see `read_scores`)."""
    midi = _midi_numbers(classes)
    guess, best = midi[predictions.argmax(axis=1)], predictions.max(axis=1).astype(float)
    read = np.round(guess + 12 * np.log2(np.where(best > 0, best, 1.0)), _MIDI_DECIMALS)
    guess_hz = hz_of_midi(np.where(_is_read(predictions, read, midi), read, guess))
    return hz_of_midi(midi)[targets] if target_hz is None else target_hz, guess_hz


def _is_read(
    predictions: Float[Array, "clips classes"], midi: Float[Array, " clips"], classes: Int[Array, " classes"]
) -> Bool[Array, " clips"]:
    """Return which rows are as `read_scores` makes them of these pitches: what no probe says by chance."""
    expected = UNREAD - np.abs(midi[:, None] - classes)
    n_alike = (np.abs(predictions - expected) < _SCORE_ROUNDING).sum(axis=1)
    is_read: np.ndarray = (n_alike == len(classes) - 1) & (len(classes) > 1)
    return is_read


def _midi_numbers(classes: tuple[str, ...]) -> Int[Array, " classes"]:
    wrong = [name for name in classes if not name.isdecimal()]
    if wrong:
        raise DataError(f"Expected MIDI numbers as classes of a pitch task, such as '60', got '{wrong[0]}'.")
    return np.array([int(name) for name in classes])
