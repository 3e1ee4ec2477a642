"""The bytes of a fitted probe: one safetensors file, whose head says what kind of probe it is and how it was made."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from earmark.errors import DataError

FORMAT = 2
NOT_SAVED = "Expected a probe saved by earmark, got other or damaged bytes. Fit it again."


class Saved(NamedTuple):
    """A probe in parts: the name of its kind, plain values, arrays."""

    probe: str
    fields: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def pack(saved: Saved) -> bytes:
    """Return the bytes of a probe. The same probe gives the same bytes."""
    head = {"probe": saved.probe, "format": FORMAT, **saved.fields}
    arrays = {name: np.ascontiguousarray(array) for name, array in saved.arrays.items()}
    # One entry only: safetensors writes several in no fixed order.
    return bytes(safetensors.numpy.save(arrays, {"earmark.probe": json.dumps(head, sort_keys=True)}))


def unpack(content: bytes) -> Saved:
    """Return the parts of a probe that `pack` wrote; raise DataError for anything else."""
    fields = _fields(content)
    try:
        return Saved(fields.pop("probe"), fields, safetensors.numpy.load(content))
    except (KeyError, ValueError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise DataError(NOT_SAVED) from error


def _fields(content: bytes) -> dict[str, Any]:
    # The head of a safetensors file: its length in 8 bytes, then JSON.
    end = 8 + int.from_bytes(content[:8], "little")
    try:
        fields: dict[str, Any] = json.loads(json.loads(content[8:end])["__metadata__"]["earmark.probe"])
        form, n_bytes = fields["format"], end + _payload(content[8:end])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise DataError(NOT_SAVED) from error
    if form != FORMAT:
        raise DataError(f"Expected a saved probe of format {FORMAT}, got {form}. Fit it again.")
    if len(content) < n_bytes:
        raise DataError("Expected a whole saved probe, got one that is cut short. Fit it again.")
    return fields


def _payload(head: bytes) -> int:
    entries = json.loads(head).items()
    return max(int(entry["data_offsets"][1]) for name, entry in entries if name != "__metadata__")
