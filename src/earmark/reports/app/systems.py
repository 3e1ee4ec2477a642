"""The controls that choose one file of predictions of one run: task, system, deformation."""

from collections.abc import Callable, Sequence

from earmark.errors import DataError
from earmark.reports.app import held
from earmark.reports.app.address import Address
from earmark.reports.app.held import Opened
from earmark.runs.predictions import Predicted


def chosen(asked: Address, run: Opened) -> Predicted:
    """Draw the controls and return the file of predictions that they choose. Raises DataError where there is none."""
    found: Sequence[Predicted] = held.predicted(run)
    if not found:
        raise DataError(f"The run '{run.path.name}' predicted nothing but by the constant predictor. Add a probe.")
    for name, label, told in CONTROLS:
        words = told(found)
        value = asked.one(name, label, tuple(dict.fromkeys(words)))
        found = [one for one, word in zip(found, words, strict=True) if word == value]
    return found[0]


def _tasks(found: Sequence[Predicted]) -> list[str]:
    """Return what each file is of: its task, and what else tells it from others of the same task."""
    alike: dict[str, set[tuple[str, str, int, float]]] = {}
    for one in found:
        alike.setdefault(one.task, set()).add((one.dataset, one.split, one.fold, one.train_share))
    return [one.task if len(alike[one.task]) == 1 else _in_full(one) for one in found]


def _in_full(one: Predicted) -> str:
    share = f", {one.train_share:.3g} of the training clips" if one.train_share < 1 else ""
    return f"{one.task} on {one.dataset}, {one.split} fold {one.fold}{share}"


CONTROLS: tuple[tuple[str, str, Callable[[Sequence[Predicted]], list[str]]], ...] = (
    ("task", "Task", _tasks),
    ("system", "System", lambda found: [one.system for one in found]),
    ("deformation", "Deformation", lambda found: [one.deformation for one in found]),
)
"""The names of controls in the address, their labels, and what they offer for each file that is left."""
