"""What a pre-training leaves in its folder: the state to go on from, the curve, checkpoints.

`state.pt` holds everything that the next step depends on, and is replaced as a whole; `curve.jsonl` has one line a
step; `checkpoints/NAME-step-N` are representations. Killed at any moment, a run goes on from the last state.
"""

import io
import json
import pickle
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from earmark import durable
from earmark.errors import UserError
from earmark.representations import checkpoint
from earmark.representations.checkpoint import Contents
from earmark.representations.objective import Alarm

STATE, CURVE, CHECKPOINTS = "state.pt", "curve.jsonl", "checkpoints"
REMEMBERED = 500  # no signature of a lost run looks further back
SUMMED_UP = 100

Reading = Mapping[str, float]


@dataclass
class State:
    """Where training stands after `step` steps. `history` is the first reading and the latest ones.

    `epoch` is the reading over the latest whole epoch, `epoch_sums` what is added up of the one after it.
    """

    step: int = 0
    audio_s: float = 0.0
    seconds: float = 0.0
    objective: Mapping[str, Tensor] = field(default_factory=dict)
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    validations: list[dict[str, float]] = field(default_factory=list)
    epoch: dict[str, float] = field(default_factory=dict)
    epoch_sums: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    is_stopped: bool = False

    @property
    def best(self) -> int:
        """The number of the validation with the lowest loss, the first of equal ones."""
        losses = [one["loss"] for one in self.validations]
        return losses.index(min(losses)) if losses else 0

    def remember(self, reading: dict[str, float]) -> None:
        """Add a step's reading and forget what nobody will ask for."""
        self.history = [*self.history[:1], *self.history[1:][-REMEMBERED + 1 :], reading]

    def note(self, alarms: Sequence[Alarm]) -> tuple[Alarm, ...]:
        """Keep the alarms whose name was not raised before, and return these."""
        new = tuple(one for one in alarms if one.name not in {known.name for known in self.alarms})
        self.alarms += new
        return new

    def summary(self) -> dict[str, float]:
        """Return the mean of what was read in the latest steps, at most a hundred."""
        latest = self.history[-SUMMED_UP:]
        names = [name for name in latest[-1] if name != "step"] if latest else []
        return {name: sum(one[name] for one in latest) / len(latest) for name in names}


@dataclass(frozen=True)
class Ledger:
    """The folder of one pre-training; `identity` is the key of everything that decides its weights."""

    folder: Path
    name: str
    identity: str

    def begin(self, resume: bool) -> None:
        """Take away what was written after the last state, or all of it where there is none.

        Raises UserError where a run is there and `resume` was not asked, or where it is another one.
        """
        if (self.folder / STATE).is_file() and not resume:
            raise UserError(
                f"'{self.folder}' holds a pre-training already. Go on with it by --resume, or name another by -o."
            )
        done = self.state().step
        for unacknowledged in (one for one in self.checkpoints() if _step_of(one) > done or not done):
            shutil.rmtree(unacknowledged)
        lines = [line for line in self._lines() if line["step"] < done]
        durable.write_file(self.folder / CURVE, "".join(map(_line, lines)).encode())

    def state(self) -> State:
        """Return the state to go on from, that of step 0 where there is none. Raises UserError as `begin` does."""
        file = self.folder / STATE
        return self._read(file) if file.is_file() else State()

    def save(self, state: State) -> None:
        """Replace the state on the disk. Raises UserError where that is full."""
        buffer = io.BytesIO()
        alarms = [tuple(one) for one in state.alarms]
        torch.save({**vars(state), "alarms": alarms, "identity": self.identity}, buffer)
        try:
            durable.write_file(self.folder / STATE, buffer.getvalue())
        except OSError as error:
            raise UserError(
                f"Expected to write '{self.folder / STATE}', but: {error.strerror}. Make room, and go on with --resume."
            ) from error

    def add(self, reading: Reading) -> None:
        """Add a step's reading to the curve."""
        durable.append(self.folder / CURVE, _line(reading).encode(), sync=False)

    def checkpoint(
        self, step: int, contents: Contents, card: Mapping[str, object], keep: int, also: Collection[int] = (0,)
    ) -> Path:
        """Write the checkpoint of a step and return it; the latest `keep` stay, and those of the steps in `also`."""
        folder = self.folder / CHECKPOINTS / f"{self.name}-step-{step}"
        checkpoint.write(folder, contents, card)
        for old in self.checkpoints()[:-keep]:
            if _step_of(old) not in also:
                shutil.rmtree(old)
        return folder

    def checkpoints(self) -> list[Path]:
        """Return the folders of all checkpoints, by their steps."""
        return sorted((self.folder / CHECKPOINTS).glob(f"{self.name}-step-*"), key=_step_of)

    def _read(self, file: Path) -> State:
        try:
            found = torch.load(file, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise UserError(f"'{file}' is damaged: {error}. Restore it, or begin in a new folder.") from error
        if found.pop("identity") != self.identity:
            raise UserError(
                f"'{self.folder}' holds a pre-training of other settings, or of another corpus. Go on with the "
                "settings of its config.yml, or name another folder."
            )
        found["alarms"] = [Alarm(*one) for one in found["alarms"]]
        return State(**found)

    def _lines(self) -> list[dict[str, float]]:
        """Return the whole lines of the curve: a kill may have cut the last one."""
        file = self.folder / CURVE
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _line(reading: Reading) -> str:
    return json.dumps(reading) + "\n"


def _step_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])
