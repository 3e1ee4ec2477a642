"""What the service takes on: sizes, seconds, how many at once."""

import math
from dataclasses import dataclass

from earmark.errors import UserError

LONGEST_WORK_S = 86_400.0


@dataclass(frozen=True)
class Limits:
    """How much one request may take, and how many are taken at once.

    `upload_s`: until an upload is whole. `duration_s`: of audio in it. `work_s`: from the moment that a worker begins,
    decoding and embedding. `memory_bytes`: what a worker may take beyond what its networks take. `waiting`: requests
    taken beside those at work.
    """

    upload_bytes: int = 50_000_000
    upload_s: float = 30.0
    duration_s: float = 600.0
    work_s: float = 60.0
    memory_bytes: int = 4 << 30
    workers: int = 1
    waiting: int = 8

    def __post_init__(self) -> None:
        fine = {name: math.isfinite(value) and value > 0 for name, value in vars(self).items()}
        fine |= {"waiting": self.waiting >= 0, "work_s": fine["work_s"] and self.work_s <= LONGEST_WORK_S}
        if wrong := [name for name, is_fine in fine.items() if not is_fine]:
            raise UserError(
                f"Expected finite limits above 0 (waiting may be 0, and work_s is at most {LONGEST_WORK_S:,.0f}); got "
                f"{', '.join(f'{name} {vars(self)[name]}' for name in wrong)}."
            )

    @property
    def at_once(self) -> int:
        """How many requests are taken before others are sent away."""
        return self.workers + self.waiting
