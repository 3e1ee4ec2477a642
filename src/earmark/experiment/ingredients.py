"""What the numbers of a run are made of besides its file: audio, labels, parts of splits, representations.

ingredients.json    checksums and versions; two runs of one file whose ingredients agree should agree in every number
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from earmark import identity
from earmark.experiment.study import Study
from earmark.experiment.subjects import Placed, Subject
from earmark.experiment.target_classes import class_names

FILE = "ingredients.json"
SCHEMA = 1
MISSING = "missing"
ROLES = ("train", "valid", "test")


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in two runs; None where a run has it not."""

    where: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Heard:
    """A clip of a run: sha256 of its file, its region in seconds, and a short key of its target by label."""

    audio: str
    region: tuple[float | None, float | None]
    targets: Mapping[str, str]


@dataclass(frozen=True)
class Ingredients:
    """All that a run was made of.

    `clips` are by dataset and id. `parts` and `representations` hold plain facts by name, such as a key of the clips
    of a part, or the sha256 of weights. `files` are the sha256 of what deformations read.
    """

    clips: Mapping[str, Mapping[str, Heard]]
    parts: Mapping[str, Mapping[str, str]]
    representations: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str]


def of_study(prepared: Study) -> Ingredients:
    """Return the ingredients of an experiment whose data is at hand, in an order of their own."""
    subjects = [one for found in prepared.subjects.values() for one in found]
    clips: dict[str, dict[str, Heard]] = {}
    for subject in subjects:
        for placed in (*subject.train, *subject.valid, *subject.test):
            known = clips.setdefault(placed.dataset, {}).get(placed.clip.id)
            clips[placed.dataset][placed.clip.id] = _heard(prepared, subject, placed, known)
    facts = {
        name: {
            "version": str(one.card.version),
            "weights_sha256": one.card.weights_sha256,
            "code_sha256": one.code_sha256,
        }
        for name, one in prepared.keys.facts.items()
    }
    return Ingredients(
        {name: dict(sorted(found.items())) for name, found in sorted(clips.items())},
        dict(sorted((_name(one), _part(one)) for one in subjects)),
        dict(sorted(facts.items())),
        dict(sorted((path, sha) for found in prepared.keys.files.values() for path, sha in found.items())),
    )


def _heard(prepared: Study, subject: Subject, placed: Placed, known: Heard | None) -> Heard:
    hz = subject.target_hz([placed])
    exact = {} if hz is None else {"hz": hz.tolist()}
    target = {subject.task.label: identity.key_of(target=class_names(placed.clip, subject.task), **exact)[:8]}
    if known is not None:
        return known if target.items() <= known.targets.items() else _with(known, target)
    sha256 = prepared.keys.hash_of(placed)
    is_missing = sha256.startswith("missing:")  # what follows is a path of this machine
    return Heard(MISSING if is_missing else sha256, (placed.clip.start_s, placed.clip.end_s), target)


def _with(known: Heard, target: Mapping[str, str]) -> Heard:
    return Heard(known.audio, known.region, dict(sorted({**known.targets, **target}.items())))


def _name(subject: Subject) -> str:
    fold = f" fold {subject.fold}" if subject.fold else ""
    return f"{subject.task.name} on {subject.dataset}, split {subject.split}{fold}"


def _part(subject: Subject) -> dict[str, str]:
    parts = zip(ROLES, (subject.train, subject.valid, subject.test), strict=True)
    return {"version": subject.dataset_version} | {
        role: f"{len(part)} clips, key {identity.key_of(ids=[(one.dataset, one.clip.id) for one in part])[:8]}"
        for role, part in parts
    }


def to_json(found: Ingredients) -> bytes:
    """Return the content of ingredients.json."""
    return json.dumps({"schema": SCHEMA, **asdict(found)}, ensure_ascii=False, separators=(",", ":")).encode()


def read(folder: Path) -> Ingredients | None:
    """Return what the run of a folder was made of; None where an older earmark made it."""
    if not (folder / FILE).is_file():
        return None
    read = json.loads((folder / FILE).read_bytes())
    clips = {
        dataset: {name: Heard(one["audio"], tuple(one["region"]), one["targets"]) for name, one in found.items()}
        for dataset, found in read["clips"].items()
    }
    return Ingredients(clips, read["parts"], read["representations"], read["files"])


def differences(old: Ingredients, new: Ingredients) -> Iterator[Difference]:
    """Yield what is not the same: files and labels clip by clip, then parts, representations, files."""
    for dataset in sorted({*old.clips, *new.clips}):
        yield from _of_clips(dataset, old.clips.get(dataset, {}), new.clips.get(dataset, {}))
    for name in ("parts", "representations"):
        yield from _of_facts(getattr(old, name), getattr(new, name), "" if name == "parts" else "representation ")
    yield from of_values("deformations read ", old.files, new.files)


def _of_clips(dataset: str, old: Mapping[str, Heard], new: Mapping[str, Heard]) -> Iterator[Difference]:
    for clip in sorted({*old, *new}):
        where, one, other = f"{dataset}: {clip}", old.get(clip), new.get(clip)
        if one is None or other is None:
            yield Difference(where, _short(one.audio) if one else None, _short(other.audio) if other else None)
            continue
        if one.audio != other.audio:
            yield Difference(f"{where}: audio", _short(one.audio), _short(other.audio))
        if one.region != other.region:
            yield Difference(f"{where}: region in seconds", _span(one), _span(other))
        both = sorted({*one.targets} & {*other.targets})  # a task that one run lacks is a difference of their files
        for label in both:
            if one.targets[label] != other.targets[label]:
                yield Difference(f"{where}: {label}", f"key {one.targets[label]}", f"key {other.targets[label]}")


def _short(sha256: str) -> str:
    return sha256 if sha256 == MISSING else f"sha256 {sha256[:12]}…"


def _span(heard: Heard) -> str:
    start, end = heard.region
    return f"{0 if start is None else start:g} to {'its end' if end is None else f'{end:g}'}"


def _of_facts(
    old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]], before: str
) -> Iterator[Difference]:
    for name in sorted({*old} & {*new}):  # what one run lacks is a difference of their files
        yield from of_values(f"{before}{name}: ", old[name], new[name])


def of_values(before: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    """Yield the values that differ under a name, or that one side lacks; `before` begins what names them."""
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Difference(f"{before}{name}", old.get(name), new.get(name))
