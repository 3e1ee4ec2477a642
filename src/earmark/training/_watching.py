"""What is read of a pre-training while it goes on: kept in its state, shown live, and said in its card."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from earmark.representations.objective import Alarm, Measured, Objective, Step, means
from earmark.training.job import Say, Training
from earmark.training.ledger import State

SAY_EVERY_S = 5.0
LOSS = "loss"


@dataclass
class Watch:
    """Reads every step, epoch and validation. `says`: this process shows them; all others only keep the same state.

    An epoch is read as one: sums and counts of all its steps are added, so its used codes are those that any step of
    it used. A step in which an epoch ends, and another begins, is of the one that ends.
    """

    training: Training
    state: State
    objective: Objective
    n_segments: int
    says: bool
    say: Say
    loggers: list[Any]
    said_s: dict[str, float] = field(default_factory=dict)

    def step(self, measured: Step, also: Mapping[str, float]) -> None:
        """Read the step that was just counted."""
        state = self.state
        reading = {"step": state.step - 1, **self._read(measured), **also}
        state.remember(reading)
        if self.says:
            self.training.ledger.add(reading)
        self._show(reading, "")
        self._add(measured)
        self._watch()
        self._tell(reading[LOSS])

    def validation(self, measured: Step) -> dict[str, float]:
        """Read held-out segments; the reading is one of `state.validations`."""
        reading = {"step": self.state.step, **self._read(measured)}
        self.state.validations.append(reading)
        self._show(reading, "validation_")
        self._watch()
        return reading

    def card(self) -> dict[str, object]:
        """Return what a card says of the run; `epoch` is the latest whole one, or 0 and what was heard of the first."""
        state, training = self.state, self.training
        so_far = {"epoch": 0, **self._read(_joined(state.epoch_sums))} if state.epoch_sums else {}
        return {
            **training.about,
            "name": training.name,
            "representation": training.system.name,
            "recipe": asdict(training.recipe),
            "steps": state.step,
            "audio_s": state.audio_s,
            "monitors": state.summary(),
            "epoch": state.epoch or so_far,
            "validation": state.validations,
            "alarms": [alarm._asdict() for alarm in state.alarms],
            "torch": torch.__version__,
        }

    def _read(self, measured: Step) -> dict[str, float]:
        loss = float(measured.loss.total / measured.loss.count)
        return {LOSS: loss, **self.objective.read(means(measured.monitors))}

    def _add(self, measured: Step) -> None:
        """Add a step to its epoch, and read the epoch where it ends."""
        state, n_new = self.state, self.training.recipe.segments_per_step
        state.epoch_sums = _summed(state.epoch_sums, measured)
        ended = state.step * n_new // self.n_segments
        if ended == (state.step - 1) * n_new // self.n_segments:
            return
        reading = self._read(_joined(state.epoch_sums))
        state.epoch, state.epoch_sums = {"epoch": ended, **reading}, {}
        self._show({"step": state.step - 1, **reading}, "epoch_")
        words = self.objective.words(reading)
        if self._may_say("epoch"):
            self.say(f"epoch {ended:,}, loss {reading[LOSS]:.4f}" + f", {words}" * bool(words))

    def _watch(self) -> None:
        history = self.state.history
        found = (*_lost(history), *self.objective.alarms(history, self.state.validations))
        for alarm in self.state.note(found):
            if self.says:
                self.say(f"alarm: {alarm.text}")

    def _tell(self, loss: float) -> None:
        """Say where training stands, not too often."""
        state, n_steps = self.state, self.training.recipe.n_steps
        if not (self._may_say("step") or (self.says and state.step == n_steps)):
            return
        left_s = state.seconds / state.step * (n_steps - state.step)
        speed = state.audio_s / state.seconds
        self.say(
            f"step {state.step:,}/{n_steps:,}, loss {loss:.4f}, {speed:,.0f}× real time, about {left_s:,.0f} s left"
        )

    def _may_say(self, what: str) -> bool:
        """Return whether it is time to say a thing again."""
        if not self.says or self.state.seconds - self.said_s.get(what, 0.0) < SAY_EVERY_S:
            return False
        self.said_s[what] = self.state.seconds
        return True

    def _show(self, reading: Mapping[str, float], prefix: str) -> None:
        named = {f"{prefix}{name}": value for name, value in reading.items()}
        for logger in self.loggers if self.says else ():
            logger.log_metrics(named, step=self.state.step - 1)


def _lost(history: Sequence[Mapping[str, float]]) -> tuple[Alarm, ...]:
    """Return the alarm of a loss that is no number, from which no objective comes back."""
    if not history or math.isfinite(history[-1][LOSS]):
        return ()
    step = int(history[-1]["step"])
    text = f"not_finite at step {step}: the loss is {history[-1][LOSS]}. Stop, and begin anew with a lower rate."
    return (Alarm("not_finite", step, text),)


def _summed(sums: Mapping[str, tuple[torch.Tensor, torch.Tensor]], measured: Step) -> dict[str, Any]:
    """Return sums and counts with those of a step added, as what can be saved."""
    new = {LOSS: measured.loss, **{f"of {name}": one for name, one in measured.monitors.items()}}
    parts = {name: Measured(one.total.cpu(), one.count.cpu()) for name, one in new.items()}
    return {
        name: (one.total + sums[name][0], one.count + sums[name][1]) if sums else (one.total, one.count)
        for name, one in parts.items()
    }


def _joined(sums: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> Step:
    """Return the step that all that was added would be."""
    monitors = {name.removeprefix("of "): Measured(*one) for name, one in sums.items() if name != LOSS}
    return Step(Measured(*sums[LOSS]), monitors)
