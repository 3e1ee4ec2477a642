"""The tree of errors. Each carries the exit code the command line ends with.

EarmarkError                70  our bug, if it is nothing below
├── UserError                2  the user's mistake: one message, no traceback
│   ├── SpecError            2  an experiment file: file:line:column
│   ├── UnknownName          2  a name that no room knows; offers the nearest
│   ├── DataError            2  a dataset, manifest or label that cannot be used
│   └── AudioError           2  an audio file that cannot be read (a run lists it and goes on)
├── StoreError              70  something that the store does not hold, or must not
├── Refused                  1  a gate or a check said no
└── MissingPart              4  something to install or fetch; the message holds the line to type
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


class EarmarkError(Exception):
    """Base of everything earmark raises on purpose."""

    exit_code = 70

    def __reduce__(self) -> tuple[object, ...]:
        # What a worker raises comes home by pickle, which would call __init__ with the message alone.
        return _again, (type(self), self.args), vars(self)


def _again(kind: type[EarmarkError], said: tuple[object, ...]) -> EarmarkError:
    return kind.__new__(kind, *said)


class UserError(EarmarkError):
    """The user's mistake: says what was expected, what came, and what to do."""

    exit_code = 2


class SpecError(UserError):
    """A wrong experiment file, with the place in it."""

    def __init__(self, message: str, path: Path | str, line: int, column: int) -> None:
        super().__init__(f"{path}:{line}:{column}: {message}")
        self.path, self.line, self.column = path, line, column


class UnknownName(UserError):
    """A name that no room knows."""

    def __init__(self, noun: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"Unknown {noun} '{name}'.{hint(name, names)} Known: {', '.join(names)}.")


class DataError(UserError):
    """A dataset, manifest or label that cannot be used as asked."""


class AudioError(UserError):
    """An audio file that cannot be read; `reason` is the part after the path."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class StoreError(EarmarkError):
    """Something that the store does not hold, or must not."""


class Refused(EarmarkError):
    """A gate or a check said no."""

    exit_code = 1


class MissingPart(EarmarkError):
    """Something to install or fetch; the message holds the line to type."""

    exit_code = 4


def hint(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name that is nearest, whole or up to its first dash, or nothing."""

    def nearness(one: str) -> tuple[float, float, str]:
        whole, stem = (difflib.SequenceMatcher(None, part, name).ratio() for part in (one, one.partition("-")[0]))
        return max(whole, stem), whole, one

    nearest = max(map(nearness, known), default=(0.0, 0.0, ""))
    return f" Did you mean '{nearest[2]}'?" if nearest[0] >= 0.5 else ""
