"""What a leakage audit says: the values, the words, and how they are read from a file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["group", "audio", "near"]
KINDS: Mapping[Kind, str] = {"group": "groups", "audio": "identical audio", "near": "near-duplicates"}

SCHEMA = 1
MOST_LEAKS = 1000


@dataclass(frozen=True)
class Leak:
    """A clip of one part and the clip of another that gives it away.

    `alike` is 1 for a shared group; for audio the share of the shorter clip that both hold; for near-duplicates
    1 − cosine distance as `leakage.near_duplicates` measures it, in `representation`.
    """

    kind: Kind
    task: str
    dataset: str
    split: str
    fold: int
    part: str
    clip: str
    other_part: str
    other_clip: str
    alike: float
    representation: str | None = None


class Tally(NamedTuple):
    """How many of the `n` clips of `part` leak from `other_part`."""

    part: str
    other_part: str
    leaks: int
    n: int


@dataclass(frozen=True)
class Check:
    """One kind of leak, looked for on one partition. `reason` says why it could not be looked for, else "".

    `tallies` count all, `leaks` lists the first 1,000. Distances are those of `leakage.Near`, None for other kinds.
    """

    kind: Kind
    representation: str | None = None
    reason: str = ""
    tallies: tuple[Tally, ...] = ()
    leaks: tuple[Leak, ...] = ()
    threshold: float | None = None
    inside_train: float | None = None
    inside_test: float | None = None

    @property
    def what(self) -> str:
        """What was looked for, in words: "near-duplicates (logmel)"."""
        return KINDS[self.kind] + (f" ({self.representation})" if self.representation else "")

    def between(self, tally: Tally) -> list[Leak]:
        """Return those listed that a tally counts."""
        return [one for one in self.leaks if (one.part, one.other_part) == (tally.part, tally.other_part)]


@dataclass(frozen=True)
class Audit:
    """All that was looked for on one partition of a task's data."""

    task: str
    dataset: str
    split: str
    fold: int
    checks: tuple[Check, ...]

    @property
    def where(self) -> str:
        """The partition in words."""
        return f"{self.dataset}, split {self.split}, fold {self.fold}"


def notes(audits: Iterable[Audit]) -> tuple[str, ...]:
    """Return a sentence for each kind of leak between two parts, with its tasks where not all of them have it."""
    tasks_of: dict[str, dict[str, None]] = {}
    said: dict[tuple[str, str], dict[str, None]] = {}
    for audit in audits:
        tasks_of.setdefault(audit.where, {})[audit.task] = None
        for check in audit.checks:
            for tally in (one for one in check.tallies if one.leaks):
                pair = next((f"{one.clip} and {one.other_clip}" for one in check.between(tally)), "none listed")
                found = f"{sentence(check, tally)} (such as {pair})"
                said.setdefault((audit.where, found), {})[audit.task] = None
    some = {key: "" if len(tasks) == len(tasks_of[key[0]]) else f" ({', '.join(tasks)})" for key, tasks in said.items()}
    return tuple(f"{where}{some[where, found]}: {found}" for where, found in said)


def sentence(check: Check, tally: Tally) -> str:
    """Return what was found between two parts: "12 of 340 test clips share their group with train clips"."""
    singular, plural = {"group": ("shares its", "share their"), "audio": ("holds", "hold"), "near": ("is", "are")}[
        check.kind
    ]
    rest = {
        "group": f"group with {tally.other_part} clips",
        "audio": f"the same audio as {tally.other_part} clips",
        "near": f"nearly the same as {tally.other_part} clips to {check.representation}",
    }[check.kind]
    verb = singular if tally.leaks == 1 else plural
    return f"{tally.leaks} of {tally.n} {tally.part} clips {verb} {rest}"


def summary(audits: Iterable[Audit]) -> str:
    """Return one line: what was audited, whether anything was found, and what was not audited for which reason."""
    pairs = [(audit, check) for audit in audits for check in audit.checks]
    done: dict[Kind, dict[str, None]] = {}
    for _, check in pairs:
        if not check.reason:
            done.setdefault(check.kind, {})[check.representation or ""] = None
    names = [KINDS[kind] + (f" ({', '.join(by)})" if any(by) else "") for kind, by in done.items()]
    left = dict.fromkeys(f"{check.what} on {audit.dataset}: {check.reason}" for audit, check in pairs if check.reason)
    leaky = {audit.where for audit, check in pairs if any(one.leaks for one in check.tallies)}
    n = len({audit.where for audit, _ in pairs})
    found = f"something found in {len(leaky)} of {n} partitions, see the notes" if leaky else "nothing found"
    said = f"audited: {', '.join(names)}: {found}." if names else ""
    return " ".join(filter(None, (said, f"Not audited: {'; '.join(left)}." if left else "")))


def from_json(content: bytes) -> tuple[Audit, ...]:
    """Return the audits of a run's leakage.json."""
    audits = json.loads(content)["audits"]
    return tuple(Audit(**{**one, "checks": tuple(map(_check, one["checks"]))}) for one in audits)


def _check(plain: Mapping[str, Any]) -> Check:
    tallies = tuple(Tally(**one) for one in plain["tallies"])
    return Check(**{**plain, "tallies": tallies, "leaks": tuple(Leak(**one) for one in plain["leaks"])})
