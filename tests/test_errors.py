"""What a worker raises comes home by pickle: the same kind of error, with its text and what it holds."""

import pickle

import pytest

from earmark.errors import AudioError, DataError, EarmarkError, MissingPart, SpecError, UnknownName


@pytest.mark.parametrize(
    "error",
    [
        UnknownName("probe", "mpl", ["mlp", "knn"]),
        AudioError("a.wav", "it is empty"),
        SpecError("Unknown key 'x'.", "x.yml", 3, 5),
        DataError("Expected clips, got none."),
        MissingPart("pip install it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_from_a_worker(error: EarmarkError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
