"""What differs between two runs: files, software, data, numbers, and which of these by more than chance."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from earmark.analysis import tables
from earmark.counted import counted
from earmark.experiment import ingredients, results
from earmark.experiment.ingredients import Difference
from earmark.experiment.probe_folders import CARD, TUNED
from earmark.experiment.results import Run
from earmark.identity import canonical_json
from earmark.nouns import Result
from earmark.runs import two_runs
from earmark.runs.changes import Changes

MEASURED = ("value", "ci_low", "ci_high", "n_seeds", "n", "n_groups", "n_failed", "n_labels")
MOST_SHOWN = 20
NAMED_BY = ("name", "only", "preset", "task", "train")
"""What entries of an experiment file are called by; without any of these, as steps of a chain, their order counts."""


@dataclass(frozen=True)
class Number:
    """A number of results.jsonl in two runs: the row in words, the field of it, and by how much it differs."""

    where: str
    field: str
    old: float | None
    new: float | None

    @property
    def difference(self) -> float | None:
        """New − old; None where one is undefined."""
        return None if self.old is None or self.new is None else self.new - self.old


@dataclass(frozen=True)
class Numbers:
    """The rows of two runs: how many both have, which numbers differ in these, and what only one has.

    Of those that differ scores of all clips over all seeds stand first, then those of seeds and labels, then intervals
    and counts, in each the greatest difference first.
    """

    n_rows: int
    differing: tuple[Number, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether both runs have the same rows with the same numbers."""
        return not (self.differing or self.only_old or self.only_new)

    @property
    def markdown(self) -> str:
        """How many numbers differ, and the first of them."""
        n = len(self.differing)
        differ = f"{n} number{'s' * (n > 1)} of them differ{'s' * (n == 1)}" if n else "no number of them differs"
        alike = f"In both runs: {counted(self.n_rows, 'row')}, and {differ}."
        absent = [f"Only in the {which} run: {counted(len(names), 'row')}." for which, names in self._only if names]
        lines = [
            _line(f"{one.where}, {one.field}", _number(one.old), _number(one.new), one.difference)
            for one in self.differing
        ]
        lines += [f"- only in the {which} run: {name}" for which, names in self._only for name in names]
        return "\n".join((f"**Numbers**: {' '.join((alike, *absent))}", "", *_first(lines))).rstrip()

    @property
    def _only(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return ("old", self.only_old), ("new", self.only_new)


@dataclass(frozen=True)
class Diff:
    """What differs from an old run to a new one."""

    old: str
    new: str
    config: tuple[Difference, ...]
    software: tuple[Difference, ...]
    data: tuple[Difference, ...]
    numbers: Numbers
    changes: Changes
    notes: tuple[str, ...]

    @property
    def markdown(self) -> str:
        """All of it, long lists cut short and counted."""
        found = {"Experiment file": self.config, "Software and machine": self.software, "Data and weights": self.data}
        blocks = [f"**From {self.old} to {self.new}**", *(listing(what, each) for what, each in found.items())]
        blocks.append(self.numbers.markdown)
        return "\n\n".join(filter(None, (*blocks, self.changes.markdown, *self.notes)))


def diff(
    old: Run | Path | str,
    new: Run | Path | str,
    metric: str | None = None,
    average: str | None = None,
    renamed: Mapping[str, str] | None = None,
    permutations: int | None = None,
) -> Diff:
    """Return what differs from an old run to a new one; a run is given as such, by its folder, id or "latest".

    The other arguments are those of `two_runs.changes`. Raises UnknownName for a run that is not there.
    """
    one, other = opened(old), opened(new)
    found = two_runs.changes(one, other, metric, average, renamed, permutations)
    notes = [] if found.scores else ["The runs have no score in common, so none is compared."]
    for run in (one, other):
        if ingredients.read(run.folder) is None:
            notes.append(f"'{run.folder.name}' has no {ingredients.FILE}: its audio and labels are not compared.")
    return Diff(
        one.folder.name,
        other.folder.name,
        config(one.folder, other.folder),
        software(one.folder, other.folder),
        data(one.folder, other.folder),
        numbers(one.rows, other.rows),
        found,
        tuple(notes),
    )


def opened(run: Run | Path | str) -> Run:
    """Return a run, given as such, by its folder, its id or "latest"."""
    return run if isinstance(run, Run) else results.read(results.find(run))


def config(old: Path, new: Path) -> tuple[Difference, ...]:
    """Return what two runs' files of what was asked say otherwise; entries of lists are known by their names."""
    return tuple(_of_any("", _yaml(results.asked(old)), _yaml(results.asked(new))))


def software(old: Path, new: Path) -> tuple[Difference, ...]:
    """Return the versions, and the machine, that differ; of fine-tuned networks also device and threads."""
    found = _of_any("", _json(old / "environment.json"), _json(new / "environment.json"))
    return (*found, *_of_any("", _learnt_on(old), _learnt_on(new)))


def _learnt_on(folder: Path) -> dict[str, object]:
    """Return, by its name, what each fine-tuned network of a run was trained on: other threads give other bits."""
    cards = {file.parent.name: json.loads(file.read_bytes()) for file in folder.glob(f"{TUNED}/*/{CARD}")}
    return {name: {key: card.get(key) for key in ("device", "threads")} for name, card in cards.items()}


def data(old: Path, new: Path) -> tuple[Difference, ...]:
    """Return which audio, labels, splits and weights differ; nothing where a run does not say what it was made of."""
    one, other = ingredients.read(old), ingredients.read(new)
    return tuple(ingredients.differences(one, other)) if one and other else ()


def numbers(old: Sequence[Result], new: Sequence[Result], tolerance: float = 0.0) -> Numbers:
    """Return which numbers of two runs' rows differ by more than `tolerance`: scores, intervals and counts."""
    one, other = _by_name(old), _by_name(new)
    both = [name for name in one if name in other]
    found = [
        (one[name], Number(name, field, getattr(one[name], field), getattr(other[name], field)))
        for name in both
        for field in MEASURED
        if not _is_equal(getattr(one[name], field), getattr(other[name], field), tolerance)
    ]
    differing = [number for _, number in sorted(found, key=_by_weight)]
    only = [tuple(name for name in ours if name not in theirs) for ours, theirs in ((one, other), (other, one))]
    return Numbers(len(both), tuple(differing), *only)


def _by_weight(found: tuple[Result, Number]) -> tuple[bool, bool, bool, float]:
    row, number = found
    difference = np.inf if number.difference is None else abs(number.difference)
    return number.field != MEASURED[0], row.label is not None, row.seed is not None, -difference


def _is_equal(old: float | None, new: float | None, tolerance: float) -> bool:
    if old is None or new is None:
        return old is new
    return old == new or abs(new - old) <= tolerance


def _by_name(rows: Sequence[Result]) -> dict[str, Result]:
    """Return rows by what they are of, in words. Rows that are of the same, such as other segments, are numbered."""
    found: dict[str, Result] = {}
    for row in rows:
        name, count = _row(row), 1
        while f"{name}{f' #{count}' * (count > 1)}" in found:
            count += 1
        found[f"{name}{f' #{count}' * (count > 1)}"] = row
    return found


def _row(row: Result) -> str:
    fold = "mean of folds" if row.fold is None else f"fold {row.fold}"
    share = f", {row.train_share:.3g} of the training clips" * (row.train_share < 1)
    seed = "all seeds" if row.seed is None else f"seed {row.seed}"
    system = f"{tables.seen_as(row.representation, row.layer, row.pool)}, {row.probe}"
    which = "".join(f" ({one})" for one in (row.average, row.label) if one)
    where = f"{row.task} on {row.dataset}, split {row.split}, {fold}{share}"
    return f"{where}: {system}, {row.deformation}, {seed}: {row.metric}{which}"


def _yaml(file: Path | None) -> object:
    return {} if file is None else YAML(typ="safe").load(file.read_text("utf-8"))


def _json(file: Path) -> object:
    return json.loads(file.read_bytes()) if file.is_file() else {}


def _of_any(where: str, old: object, new: object) -> Iterator[Difference]:
    """Yield what differs between two plain values, as deep as both have the same shape."""
    if old == new:
        return
    one, other = _named(old), _named(new)
    if one is None or other is None:
        yield Difference(where, _text(old), _text(new))
        return
    for name in sorted({*one, *other}):
        yield from _of_any(f"{where}.{name}".lstrip("."), one.get(name), other.get(name))


def _named(value: object) -> Mapping[str, object] | None:
    """Return what a value holds, by name; None where it holds nothing, or things without names."""
    if isinstance(value, dict):
        return {str(name): one for name, one in value.items()}
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    found: dict[str, object] = {}
    for one in sorted(value, key=canonical_json):
        given = next((one[key] for key in NAMED_BY if key in one), None)
        if given is None:
            return None
        name = ", ".join(given) if isinstance(given, list) else str(given["name"] if isinstance(given, dict) else given)
        found[f"{name} #{sum(other.startswith(name) for other in found) + 1}" if name in found else name] = one
    return found


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def listing(what: str, found: Sequence[Difference]) -> str:
    """Return differences as a list of Markdown, the first of them and how many there are."""
    if not found:
        return f"**{what}**: no difference."
    lines = [_line(one.where, one.old, one.new) for one in found]
    return "\n".join((f"**{what}**: {len(found)} difference{'s' * (len(found) > 1)}.", "", *_first(lines)))


def _line(where: str, old: str | None, new: str | None, difference: float | None = None) -> str:
    by = "" if difference is None else f" ({difference:+.3g})"
    return f"- {where}: {'absent' if old is None else old} → {'absent' if new is None else new}{by}"


def _first(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - MOST_SHOWN
    return [*lines[:MOST_SHOWN], f"- … and {rest} more (--json has all)"] if rest > 0 else [*lines]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6g}"
