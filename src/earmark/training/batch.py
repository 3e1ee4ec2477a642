"""A batch in portions: what is measured of it, and the gradient, are those of the whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from earmark import identity
from earmark.representations.objective import Gathered, Heard, Measured, Objective, Step, added

Sum = Callable[[Tensor], Tensor]
"""Adds a tensor over all devices."""


@dataclass(frozen=True)
class Batch:
    """What one device hears of a batch, and in which portions (positions count over all devices).

    `is_split`: there are several portions, over all devices. `seed` and the place of a portion decide what is drawn.
    """

    segments: Heard
    portions: tuple[range, ...]
    is_split: bool
    seed: int

    def parts(self, like: Tensor) -> Iterator[tuple[Heard, torch.Generator]]:
        """Yield each portion on the device of `like`, with a new generator; whole numbers keep their type."""
        first = self.portions[0].start
        for portion in self.portions:
            seed = identity.seed_for("portion", self.seed, portion.start) % 2**63  # what torch takes
            part = _part(self.segments, slice(portion.start - first, portion.stop - first), like)
            yield part, torch.Generator().manual_seed(seed)


def measure(objective: Objective, batch: Batch, sum_: Sum, learn: Callable[[Tensor], object] | None = None) -> Step:
    """Return loss and monitors over all portions of all devices, in double precision and without gradient.

    `learn` is given the loss of each portion, to add its gradient; without it none is computed.
    """
    like = next(objective.parameters())
    whole = _survey(objective, batch, like, sum_)
    steps = []
    for portion, (part, generator) in zip(batch.portions, batch.parts(like), strict=True):
        known = replace(whole, first=portion.start) if isinstance(whole, Gathered) else whole
        with torch.set_grad_enabled(learn is not None):
            one = objective(part, generator, known)
        if learn is not None:
            learn(one.loss.total)
        steps.append(Step(_exact(one.loss), {name: _exact(value) for name, value in one.monitors.items()}))
    monitors = {name: _everywhere(added(one.monitors[name] for one in steps), sum_) for name in steps[0].monitors}
    return Step(_everywhere(added(one.loss for one in steps), sum_), monitors)


def gradient_norm(part: nn.Module) -> float:
    """Return the Euclidean norm of the gradients of a part, 0 where it has none."""
    return float(get_total_norm([one.grad for one in part.parameters() if one.grad is not None]))


def _part(segments: Heard, which: slice, like: Tensor) -> Heard:
    """Return some of the segments on the device of `like`, fractions in its type."""
    if isinstance(segments, Tensor):
        dtype = like.dtype if segments.is_floating_point() else segments.dtype
        return segments[which].to(like.device, dtype, non_blocking=True)
    kind: Any = type(segments)
    return cast(Heard, kind(*(_part(leaf, which, like) for leaf in segments)))


@torch.no_grad()
def _survey(objective: Objective, batch: Batch, like: Tensor, sum_: Sum) -> Measured | Gathered | None:
    """Return what the loss must know of the whole batch; None: nothing."""
    if not batch.is_split:
        return None
    found = [objective.survey(part, generator) for part, generator in batch.parts(like)]
    if rows := [one.rows for one in found if isinstance(one, Gathered)]:
        return Gathered(_one_after_the_other(torch.cat(rows), batch.portions[0].start, sum_))
    known = [one for one in found if isinstance(one, Measured)]
    return _everywhere(added(known), sum_) if known else None


def _one_after_the_other(rows: Tensor, first: int, sum_: Sum) -> Tensor:
    """Return the rows of all devices: each adds its own to noughts, which changes no digit."""
    n_rows = int(sum_(torch.full((), float(len(rows)), dtype=torch.float64, device=rows.device)))
    everyone = rows.new_zeros(n_rows, *rows.shape[1:])
    everyone[first : first + len(rows)] = rows
    return sum_(everyone)


def _everywhere(measured: Measured, sum_: Sum) -> Measured:
    # Devices add in place, and an objective may give one tensor under several names.
    return Measured(sum_(measured.total.clone()), sum_(measured.count.clone()))


def _exact(measured: Measured) -> Measured:
    # Counts of samples outgrow single precision.
    return Measured(measured.total.detach().double(), measured.count.detach().double())
