"""What a call may reach beside its argument: the global generators, and torch's settings of the whole process.

They are only looked at and put back; nothing is drawn from them.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch


class _Global(NamedTuple):
    """Something that the whole process shares: how it is read, and how it is set to what was read."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _precision() -> str:
    """Return the precision of float32 products; torch refuses to say when both of its ways of setting it were used."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return "mixed"


def _set_precision(value: str) -> None:
    if value != "mixed":
        torch.set_float32_matmul_precision(value)


# numpy's state holds an array, which has no single answer to whether it is equal.
GENERATORS = {
    "torch": _Global(
        lambda: torch.get_rng_state().numpy().tobytes(), lambda state: torch.set_rng_state(_tensor(state))
    ),
    "numpy": _Global(lambda: _plain(np.random.get_state()), np.random.set_state),  # noqa: NPY002 - nobody may draw from it
    "python": _Global(random.getstate, random.setstate),
}
SETTINGS = {
    "the number of threads": _Global(torch.get_num_threads, torch.set_num_threads),
    "the default dtype": _Global(torch.get_default_dtype, torch.set_default_dtype),
    "the grad mode": _Global(torch.is_grad_enabled, torch.set_grad_enabled),
    "the precision of float32 products": _Global(_precision, _set_precision),
    "the use of deterministic algorithms": _Global(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms
    ),
}


class Surroundings(NamedTuple):
    """The state of the process at one moment: each generator's, and each setting's, by name."""

    generators: Mapping[str, object]
    settings: Mapping[str, object]

    def moved_generators(self, later: "Surroundings") -> tuple[str, ...]:
        """Return the generators that were drawn from, or seeded, between here and `later`."""
        return tuple(name for name, state in self.generators.items() if later.generators[name] != state)

    def changed_settings(self, later: "Surroundings") -> tuple[str, ...]:
        """Return the settings that another value was given to, with both values."""
        pairs = ((name, value, later.settings[name]) for name, value in self.settings.items())
        return tuple(f"{name} from {value} to {now}" for name, value, now in pairs if value != now)


def look() -> Surroundings:
    """Return the surroundings as they are now."""
    return Surroundings(
        {name: one.read() for name, one in GENERATORS.items()}, {name: one.read() for name, one in SETTINGS.items()}
    )


@contextmanager
def restored() -> Iterator[None]:
    """Put back, after what runs inside, every generator and setting that it left changed."""
    before = look()
    try:
        yield
    finally:
        for shared, values in ((GENERATORS, before.generators), (SETTINGS, before.settings)):
            for name, one in shared.items():
                if one.read() != values[name]:
                    one.write(values[name])


def _plain(state: Any) -> tuple[object, ...]:
    kind, keys, *rest = state
    return (kind, tuple(keys.tolist()), *rest)


def _tensor(state: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)
