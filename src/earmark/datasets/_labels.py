"""What a target holds, and whether groups tell a label's classes apart."""

from collections.abc import Iterable, Sequence

import numpy as np

from earmark.analysis import leakage
from earmark.nouns import Clip, Target


def classes_of(target: Target) -> tuple[str, ...]:
    """Return the class names of a target; none where it is a number to be regressed."""
    return tuple(str(value) for value in _values(target) if not isinstance(value, float))


def numbers_of(target: Target) -> tuple[float, ...]:
    """Return the numbers of a target that is to be regressed; none where it is a class."""
    return tuple(value for value in _values(target) if isinstance(value, float))


def is_number(value: object) -> bool:
    """Say whether one value of a target, which may be text, is a number that float32 can hold."""
    try:
        return bool(abs(float(str(value))) <= float(np.finfo(np.float32).max))
    except ValueError:
        return False


def groups_name(clips: Iterable[Clip], label: str) -> bool:
    """Say whether the groups of clips name their label; clips without it do not count. See `leakage.groups_name`."""
    labelled = [clip for clip in clips if label in clip.targets]
    groups = [clip.group for clip in labelled]
    return leakage.groups_name(groups, [classes_of(clip.targets[label]) for clip in labelled])


def _values(target: Target) -> Sequence[object]:
    return target if isinstance(target, tuple) else (target,)
