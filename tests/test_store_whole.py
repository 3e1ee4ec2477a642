"""Whole files that were cut short count as not there, whatever they hold; sound ones are never taken for cut."""

import io
import json
import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save

from earmark.store import Store


def parquet() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"clip": ["a", "b"], "scores": [[0.5, 0.5], [1.0, 0.0]]}).write_parquet(buffer)
    return buffer.getvalue()


SOUND = {
    ".json": json.dumps({"numbers": [{"value": 0.5}, {"value": None}], "seconds": 1.25}).encode(),
    ".parquet": parquet(),
    ".safetensors": save({"weight": np.ones((3, 2), np.float32), "none": np.ones((0,), np.float32)}, {"card": "{}"}),
}


@pytest.mark.parametrize("suffix", SOUND)
def test_a_file_cut_anywhere_is_not_there_until_it_is_put_again(suffix: str, tmp_path: Path) -> None:
    store, content = Store(tmp_path), SOUND[suffix]
    for length in range(len(content)):
        path = store.put_file("scores", f"k{length}", suffix, content)
        assert store.file("scores", f"k{length}", suffix) == path
        path.write_bytes(content[:length])
        assert store.file("scores", f"k{length}", suffix) is None
    store.put_file("scores", "k3", suffix, content)
    assert store.read_file("scores", "k3", suffix) == content


@pytest.mark.parametrize("suffix", SOUND)
def test_a_file_of_something_else_is_not_there_and_is_said_once(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    path = store.put_file("scores", "k", suffix, b"\x08" + bytes(7) + b"[1, 2, ]")
    with caplog.at_level(logging.WARNING, "earmark.store"):
        assert [store.file("scores", "k", suffix) for _ in range(3)] == [None] * 3
    assert caplog.messages == [f"{path} is damaged: it is passed over and computed again"]
    assert store.verify() == [f"{path}: damaged; the next run that needs it computes it again"]


def test_files_of_other_suffixes_may_hold_anything(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.put_file("scores", "k", ".bin", b"")
    assert store.file("scores", "k", ".bin") == path
    assert store.verify() == []
