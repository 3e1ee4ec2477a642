"""Where representations compute and networks are fitted: which device is meant, and which made an embedding or a probe.

The device is no part of a key, since it changes numbers by less than anyone measures (1e-4); but it is remembered:
in the provenance of each row, and in `devices/` by the keys of a shard, or of a stack of probes, that no CPU made.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import torch

from earmark.errors import UnknownName, UserError
from earmark.store import Store

Device = Literal["auto", "cpu", "cuda"]
CPU, KIND, SUFFIX = "cpu", "devices", ".json"


def choose(asked: str, elsewhere: bool = False) -> str:
    """Return the device for "auto" (a GPU where there is one), "cpu" or "cuda".

    With `elsewhere` other machines compute, and "cuda" is taken at its word. Raises a UserError for "cuda" where torch
    finds none.
    """
    if asked not in get_args(Device):
        raise UnknownName("device", asked, get_args(Device))
    here = torch.cuda.is_available()
    if asked == "cuda" and not (here or elsewhere):
        raise UserError(f"Expected a GPU for device 'cuda'; torch {torch.__version__} finds none. Write cpu, or auto.")
    return "cuda" if here and asked != "cpu" else CPU


def prepare(device: str) -> None:
    """Make the arithmetic of a device float32: a GPU rounds convolutions to TF32 unless it is told not to."""
    if device != CPU:
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def remember(store: Store, shard: str, made: Mapping[str, Collection[str]]) -> None:
    """Remember the keys that each device made of a shard, or a stack. What the CPU makes needs no word."""
    other = {device: sorted(keys) for device, keys in made.items() if device != CPU and keys}
    if other:
        store.put_file(KIND, shard, SUFFIX, json.dumps(other).encode())


def of(store: Store, keys: Iterable[str]) -> str:
    """Return the device that made the embeddings and probes of these keys, or several: "cpu, cuda"."""
    left, found = set(keys), set[str]()
    for path in (store.root / KIND).glob(f"*{SUFFIX}"):
        for device, made in _read(path).items():
            found |= {device} if left & made else set()
            left -= made
    return ", ".join(sorted(found | ({CPU} if left else set())))


@cache
def _read(path: Path) -> Mapping[str, frozenset[str]]:
    """Return the keys by the device that made them."""
    found: Mapping[str, list[str]] = json.loads(path.read_bytes())
    return {device: frozenset(keys) for device, keys in found.items()}
