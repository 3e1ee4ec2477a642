"""The weights that their authors published, for the tests that need them: fetched once, or the test is left out."""

from pathlib import Path

import pytest

from earmark import places
from earmark.errors import DataError, MissingPart
from earmark.representations import get


def fetched(name: str) -> Path:
    """Return the folder of the weights of a representation. Skips the test where pip is not or reaches no index."""
    (weights,) = get.wanted(name)
    try:
        get.get(weights)
    except MissingPart as missing:
        pytest.skip(str(missing))
    except DataError as error:
        if "pip ended with" not in str(error):
            raise
        pytest.skip("offline: pip cannot reach an index")
    return places.weights_folder(weights.name)
