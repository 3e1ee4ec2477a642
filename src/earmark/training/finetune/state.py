"""Where a fine-tuning stands, on the disk: replaced as a whole, so that after any crash it goes on from there."""

import io
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earmark import durable
from earmark.errors import UserError
from earmark.probes.network_probe import Check
from earmark.training.finetune.recipe import Keep

Tensors = Mapping[str, Tensor]


@dataclass
class State:
    """Everything that the next step depends on, after `step` steps.

    `body`, `head` and `optimiser` are empty before the first. `total` is the sum of losses in the epoch so far. `best`
    and `best_head` are the tensors after the epoch that is kept.
    """

    step: int = 0
    total: float = 0.0
    seconds: float = 0.0
    body: Tensors = field(default_factory=dict)
    head: Tensors = field(default_factory=dict)
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    best: Tensors = field(default_factory=dict)
    best_head: Tensors = field(default_factory=dict)
    curve: list[Check] = field(default_factory=list)

    @property
    def lowest(self) -> Check:
        """The epoch of the lowest validation loss, the first of equal ones."""
        return min(self.curve, key=lambda one: one.valid_loss)

    def kept(self, keep: Keep) -> Check:
        """Return the epoch that is kept: of equal scores the one of the lower loss. No score is the lowest."""
        match keep:
            case "loss":
                return self.lowest
            case "last":
                return self.curve[-1]
        return max(
            self.curve, key=lambda one: (-math.inf if math.isnan(one.valid_score) else one.valid_score, -one.valid_loss)
        )

    def is_over(self, epochs: int, patience: int) -> bool:
        """Say whether all epochs are done, or so many since the lowest loss."""
        done = len(self.curve)
        return done >= epochs or (done > 0 and done - self.lowest.epoch >= patience)


def read(file: Path, key: str) -> State:
    """Return the state of a file, that before the first step where there is none. Raises UserError for a wrong one."""
    if not file.is_file():
        return State()
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"'{file}' is damaged: {error}. Remove it, and that fine-tuning begins anew.") from error
    if found.pop("key") != key:
        raise UserError(f"'{file}' is of another fine-tuning. Name another folder by -o, or remove that one.")
    return State(**found | {"curve": [Check(*one) for one in found["curve"]]})


def write(file: Path, key: str, state: State) -> None:
    """Replace the state on the disk. Raises UserError where that is full."""
    buffer = io.BytesIO()
    torch.save({**vars(state), "curve": [tuple(one) for one in state.curve], "key": key}, buffer)
    try:
        durable.write_file(file, buffer.getvalue())
    except OSError as error:
        raise UserError(
            f"Expected to write '{file}', but: {error.strerror}. Make room, and go on with --resume."
        ) from error


def curve(state: State) -> list[dict[str, float]]:
    """Return the epochs as plain values."""
    return [one._asdict() for one in state.curve]
