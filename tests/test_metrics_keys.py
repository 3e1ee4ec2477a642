"""Laws of keys: their spellings, and the weighted score. Oracle: mir_eval."""

import mir_eval.key
import numpy as np
import pytest

from earmark.errors import DataError
from earmark.metrics import KEYS, measure, normalise_key


def test_key_score_equals_mir_eval_for_every_pair_of_keys() -> None:
    for true, name in enumerate(KEYS):
        for guess, other in enumerate(KEYS):
            found = measure("key_score", "key", np.array([true]), np.eye(24)[[guess]], KEYS)
            assert found.averages["micro"][0] == mir_eval.key.weighted_score(name, other)


@pytest.mark.parametrize(
    ("true", "guess", "score"),
    [
        ("C major", "G major", 0.5),
        ("C major", "F major", 0.0),
        ("A minor", "E minor", 0.5),
        ("C major", "A minor", 0.3),
        ("A minor", "C major", 0.3),
        ("C major", "C minor", 0.2),
        ("C major", "D major", 0.0),
        ("B# minor", "C minor", 1.0),
        ("Cb major", "b MAJOR", 1.0),
        ("Db minor", "c# minor", 1.0),
    ],
)
def test_key_score_of_named_relations(true: str, guess: str, score: float) -> None:
    sample = np.array([0]), np.array([[0.0, 1.0]]), (true, guess)
    assert measure("key_score", "key", *sample).averages["micro"][0] == score
    assert measure("accuracy", "key", *sample).averages["micro"][0] == float(score == 1)


def test_key_score_is_averaged_over_clips_and_over_true_keys() -> None:
    classes = ("C major", "G major", "A minor")
    found = measure("key_score", "key", np.array([0, 0, 0, 1]), np.eye(3)[[0, 1, 2, 2]], classes)
    assert found.averages["micro"][0] == pytest.approx((1 + 0.5 + 0.3 + 0) / 4)
    assert found.averages["macro"][0] == pytest.approx((0.6 + 0) / 2)
    assert found.left_out == ("A minor",)


def test_the_symmetric_key_score_differs_only_in_the_fifth_below() -> None:
    for true, name in enumerate(KEYS):
        for guess, other in enumerate(KEYS):
            sample = np.array([true]), np.eye(24)[[guess]], KEYS
            is_fifth_below = name.split()[1] == other.split()[1] and (guess - true) % 12 == 5
            plain, symmetric = (measure(one, "key", *sample).averages for one in ("key_score", "key_score_symmetric"))
            assert symmetric["micro"][0] == (0.5 if is_fifth_below else plain["micro"][0])
            assert symmetric["macro"][0] == symmetric["micro"][0]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *[("C:maj", "C major"), ("Cm", "C minor"), ("A minor ", "A minor"), ("Bb Major", "A# major")],
        *[("B# minor", "C minor"), ("Cb major", "B major"), ("bb minor", "A# minor"), ("BB MINOR", "A# minor")],
        *[("F♯ minor", "F# minor"), ("E♭:min", "D# minor"), ("Eb", "D# major"), ("CM", "C major")],
        *[("F-sharp minor", "F# minor"), ("b flat major", "A# major"), ("Fbb major", "D# major"), ("bm", "B minor")],
        *[("B minor", "B minor"), ("E_major", "E major"), ("c#m", "C# minor")],
    ],
)
def test_every_usual_spelling_of_a_key_is_read(name: str, key: str) -> None:
    assert normalise_key(name) == key
    assert normalise_key(key) == key


@pytest.mark.parametrize("name", ["", "H minor", "X", "c", "C dorian", "C other", "no key", "C major minor", "minor"])
def test_what_is_no_key_is_refused_by_name(name: str) -> None:
    with pytest.raises(DataError, match=f"'{name}' is not a major or minor key. Write a tonic and a mode"):
        normalise_key(name)
