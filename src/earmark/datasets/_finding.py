"""What a check of a dataset found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from earmark.datasets.records import Record

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing found: `what`, the ids of the clips (or names of files, classes) it is about, what to do."""

    severity: Severity
    what: str
    about: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Report:
    """All that was found in a dataset, errors first; the record to keep where its card has nothing against it."""

    dataset: str
    version: str
    n_clips: int
    findings: tuple[Finding, ...]
    record: Record | None = None

    @property
    def ok(self) -> bool:
        """Whether no finding is an error: none would make a score wrong, or leave a clip out."""
        return not any(finding.severity == "error" for finding in self.findings)

    def joined_by(self, more: Iterable[Finding]) -> "Report":
        """Return the report with further findings, errors first."""
        return replace(self, findings=by_severity([*self.findings, *more]))


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with the errors first, then the warnings, in the order given."""
    return tuple(sorted(findings, key=lambda finding: get_args(Severity).index(finding.severity)))


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
