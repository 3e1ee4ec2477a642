"""Pickles and arrays of others give their values, and never run what they name."""

from pathlib import Path

import numpy as np
import pytest

from earmark.datasets import _arrays
from earmark.errors import DataError
from tests.miniatures import msd as miniature

# A vector of two numbers as Python 2 and its numpy wrote it: text in S lines, the buffer with escapes.
PYTHON_2 = (
    b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(I2\nI1\ntp6\n"
    b"cnumpy\ndtype\np7\n(S'f8'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\n"
    b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?'\np13\ntp14\nb."
)


def test_a_pickle_that_asks_for_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "list.cP"
    file.write_bytes(b"cos\nsystem\n(S'touch harmed'\ntR.")
    with pytest.raises(
        DataError, match=r"expected a pickle of plain values, but: it asks for 'os\.system', which is code"
    ):
        _arrays.pickled(file, "Fetch it again.")


def test_arrays_and_text_of_python_2_are_read(tmp_path: Path) -> None:
    file = tmp_path / "vector.cP"
    file.write_bytes(PYTHON_2)
    found = _arrays.pickled(file, "")
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [[0.0], [1.0]]
    file.write_bytes(miniature.python2({miniature.TRACKS[0]: np.eye(2)}))
    assert b"S'TR" in file.read_bytes()
    mapped = _arrays.pickled(file, "")
    assert isinstance(mapped, dict)
    assert mapped[miniature.TRACKS[0]].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"ids\.npy: expected a numpy array, but: Object arrays cannot be loaded"):
        _arrays.array(tmp_path / "ids.npy", "Fetch it again.")
