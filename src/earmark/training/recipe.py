"""How long, in which portions and by which rule a network is trained: numbers alone. Pure."""

from dataclasses import dataclass
from typing import Literal

from earmark.errors import UserError
from earmark.training.schedules import Schedule

Precision = Literal["float32", "bf16", "float64"]


@dataclass(frozen=True)
class Adam:
    """Adam with decoupled weight decay. Defaults: Baevski et al. 2020, in the details of its published code."""

    betas: tuple[float, float] = (0.9, 0.98)
    epsilon: float = 1e-6
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Recipe:
    """Training in numbers.

    A step sees `segments_per_step` segments, over all devices together. A device takes `segments_at_once` at a time:
    that decides its memory, and what is drawn for whom, but not the rule of a step. `clip_norm` bounds the gradient of
    a step; None: nothing does. `keep_checkpoints` counts the latest; those of step 0 and of the best validation stay
    besides.
    """

    n_steps: int
    segments_per_step: int
    segments_at_once: int
    schedule: Schedule
    adam: Adam = Adam()
    clip_norm: float | None = None
    precision: Precision = "float32"
    seed: int = 0
    save_every_steps: int = 1000
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        least = (self.n_steps, self.segments_per_step, self.segments_at_once, self.save_every_steps)
        if min(least, default=0) < 1:
            raise UserError(
                f"Expected steps, segments per step, segments at once and steps between saves of at least 1, got "
                f"{', '.join(map(str, least))}."
            )

    def portions(self, device: int, n_devices: int) -> tuple[range, ...]:
        """Return which segments of a step a device takes, a portion at a time; positions count over all devices.

        Portions of one step differ by at most one segment over the devices, so none waits long for another. Raises
        UserError where a device would get none.
        """
        if self.segments_per_step < n_devices:
            raise UserError(
                f"Expected at least one segment a step for each of {n_devices} devices, got {self.segments_per_step}. "
                "Take a larger batch, or fewer devices."
            )
        first, end = (self.segments_per_step * one // n_devices for one in (device, device + 1))
        starts = range(first, end, self.segments_at_once)
        return tuple(range(start, min(start + self.segments_at_once, end)) for start in starts)

    def n_portions(self, n_devices: int) -> int:
        """Return the number of portions of a step over all devices."""
        return sum(len(self.portions(device, n_devices)) for device in range(n_devices))
