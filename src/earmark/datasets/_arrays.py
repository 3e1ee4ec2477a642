"""Arrays and pickles that somebody else wrote: numbers, text, containers and numpy arrays out of them, and no code.

Lists of the Million Song Dataset are published as pickles of Python 2. A pickle may name any function to be called, so
those of arrays are known here and everything else is refused.
"""

import codecs
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import DataError

# numpy's own function, under whatever name this version has for it.
_REBUILD: Any = np.zeros(1).__reduce__()[0]
KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy._core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which is code")
        return KNOWN[module, name]


def pickled(path: Path, remedy: str) -> object:
    """Return the value in a pickle, or raise a DataError, which ends with the remedy, for code and for what is broken.

    Bytes of Python 2 are read as Latin-1 text, as numpy needs it.
    """
    try:
        with path.open("rb") as file:
            return _Plain(file, encoding="latin1").load()
    # What is no pickle ends in whatever its bytes happen to mean.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"{path}: expected a pickle of plain values, but: {error}. {remedy}") from error


def array(path: Path, remedy: str) -> np.ndarray:
    """Return the array in a .npy file that holds no objects, or raise a DataError, which ends with the remedy."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: expected a numpy array, but: {error}. {remedy}") from error
    return found
