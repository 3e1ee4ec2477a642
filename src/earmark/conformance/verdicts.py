"""Laws, trials of them, and verdicts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from earmark.errors import UserError

# What code of somebody else ends in when it is wrong. Missing packages and weights are not its fault, and pass.
CRASHES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, UserError)

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Law(Generic[Subject]):
    """A law: its name, what a broken one makes wrong, and the trial, which yields a sentence for each thing broken.

    `needs` names the laws without which the question makes no sense. `not_asked` says why it is not put to a subject,
    or "".
    """

    name: str
    matters: str
    trial: Callable[[Subject], Iterator[str]]
    needs: tuple[str, ...] = ()
    not_asked: Callable[[Subject], str] | None = None


@dataclass(frozen=True)
class Verdict:
    """What a trial found: `broken` says what broke (None: nothing did), `matters` what number would be wrong.

    A law that was not asked says why in `not_asked`, and is neither kept nor broken.
    """

    law: str
    broken: str | None
    matters: str
    not_asked: str | None = None

    @property
    def holds(self) -> bool:
        """Say whether the law was asked and kept."""
        return self.broken is None and self.not_asked is None

    def __str__(self) -> str:
        if self.broken is None:
            return f"{self.law}: " + (f"not asked, {self.not_asked}" if self.not_asked else "ok")
        return f"{self.law}: {self.broken}. {self.matters}"


def summary(found: Sequence[Verdict]) -> str:
    """Return how many laws were kept, which were broken, and how many were not asked, in half a line."""
    if not found:
        return "no law applies"
    broken = [one.law for one in found if one.broken]
    kept = sum(one.holds for one in found)
    said = [f"{kept} of {len(found)} laws kept"]
    if broken:
        said.append(f"{len(broken)} broken ({', '.join(broken)})")
    if not_asked := len(found) - kept - len(broken):
        said.append(f"{not_asked} not asked")
    return ", ".join(said)


def verdicts(laws: Sequence[Law[Subject]], subject: Subject) -> tuple[Verdict, ...]:
    """Put each law to the subject in order. A crash inside a trial breaks the law that is on trial."""
    found: dict[str, Verdict] = {}
    lost: set[str] = set()  # broken, or resting on what is broken; a law that does not apply is not lost
    for law in laws:
        failed = [name for name in law.needs if name in lost]
        reason = f"'{failed[0]}' does not hold" if failed else law.not_asked(subject) if law.not_asked else ""
        broken = None if reason else _tried(law, subject)
        found[law.name] = Verdict(law.name, broken, law.matters, reason or None)
        if failed or broken:
            lost.add(law.name)
    return tuple(found.values())


def _tried(law: Law[Subject], subject: Subject) -> str | None:
    try:
        return "; ".join(law.trial(subject)) or None
    except UserError as error:
        return f"audio that the card allows was refused: {error}".rstrip(".")
    except CRASHES as error:
        return f"audio that the card allows ended in {type(error).__name__}: {error}".rstrip(".")
