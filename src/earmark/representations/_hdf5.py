"""The one file that imports h5py, which reads the weights that Keras writes."""

import io
from typing import Any

from earmark.errors import MissingPart


def opened(content: bytes, name: str) -> Any:
    """Return the content of an HDF5 file, for the weights of `name`.

    Raises MissingPart without h5py, with the line to type; OSError for content of another kind, or damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingPart(f"The weights of '{name}' are read by h5py. Type: pip install 'earmark[hdf5]'") from error
    return h5py.File(io.BytesIO(content))
