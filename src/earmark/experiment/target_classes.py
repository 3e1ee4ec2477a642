"""What a clip's target is to a task: class names in one order, numbers, and the exact frequency behind a class."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from earmark.datasets._labels import is_number
from earmark.errors import DataError
from earmark.metrics import hz_of_midi, normalise_key
from earmark.nouns import Clip, Kind
from earmark.tasks import Task


def classes_of(
    task: Task, train: Sequence[Clip], others: Sequence[Clip], crossed: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the class names in their one order, and notes on classes that no probe can learn.

    Raises DataError where there is nothing to learn, and for a `crossed` test dataset with classes of its own.
    """
    if task.kind == "regression":
        widths = {len(class_names(one, task)) for one in (*train, *others)}
        if len(widths) > 1:
            raise DataError(f"Expected as many numbers of '{task.label}' in every clip, got {sorted(widths)}.")
        [width] = widths
        return tuple(f"{task.label}[{i}]" if width > 1 else task.label for i in range(width)), ()
    seen = {name for one in train for name in class_names(one, task)}
    unseen = {name for one in others for name in class_names(one, task)} - seen
    if unseen and crossed:
        raise DataError(
            f"The test dataset has classes of '{task.label}' that the training dataset lacks: "
            f"{', '.join(sorted(unseen)[:8])}. A crossed experiment needs the same labels."
        )
    if len(seen | unseen) < (1 if task.kind == "multilabel" else 2):
        only = ", ".join(sorted(seen)) or "none"
        raise DataError(
            f"Expected clips that differ in '{task.label}', and all have {only}: there is nothing to learn."
        )
    notes = (f"no training clip has: {', '.join(sorted(unseen)[:8])}",) if unseen else ()
    order = (lambda name: (int(name), name)) if task.kind == "pitch" else (lambda name: (0, name))
    return tuple(sorted(seen | unseen, key=order)), notes


_READERS: Mapping[Kind, Callable[[object], str]] = {
    "pitch": lambda value: str(round(float(str(value)))),
    "key": lambda value: normalise_key(str(value)),
}


def class_names(clip: Clip, task: Task) -> tuple[str, ...]:
    """Return the class names of a clip's target (multilabel: any number; regression: the numbers as text)."""
    values = _values(clip, task)
    if task.kind not in ("multilabel", "regression") and len(values) != 1:
        raise DataError(
            f"Task '{task.name}' is {task.kind}: clip '{clip.id}' must have one {task.label}, has {values}."
        )
    if task.kind in ("pitch", "regression") and not all(map(is_number, values)):
        raise DataError(
            f"Task '{task.name}' is {task.kind}: clip '{clip.id}' must have a number as {task.label}, "
            f"one that float32 holds, has {values}."
        )
    return tuple(_READERS.get(task.kind, str)(one) for one in values)


def _values(clip: Clip, task: Task) -> tuple[object, ...]:
    value = clip.targets[task.label]
    return value if isinstance(value, tuple) else (value,)


def target_hz(clips: Sequence[Clip], task: Task) -> Float[np.ndarray, " clips"] | None:
    """Return the exact frequencies of the clips of a pitch task, in Hz; None where their classes say all there is."""
    if task.kind != "pitch":
        return None
    midi = np.array([float(str(_values(clip, task)[0])) for clip in clips])
    return hz_of_midi(midi) if (midi % 1).any() else None
