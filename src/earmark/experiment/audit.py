"""The leakage audit: what the parts of a split share that they should not. Of every run, and of a dataset.

It changes no score and drops no clip: it says what was found, and what could not be looked at, and why.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from earmark import identity, places
from earmark.analysis import leakage
from earmark.analysis.leakage import Matches, Near, Region
from earmark.datasets import splits
from earmark.datasets._finding import Finding
from earmark.datasets._labels import classes_of
from earmark.datasets.base import Dataset
from earmark.deformations import CLEAN
from earmark.errors import DataError
from earmark.experiment import engines, leaks, work
from earmark.experiment.jobs import ClipWork, Shard
from earmark.experiment.keys import Facts, Keys
from earmark.experiment.leaks import KINDS, MOST_LEAKS, Audit, Check, Kind, Leak, Tally
from earmark.experiment.pairings import Pairing, Part
from earmark.experiment.plan import SHARD_CLIPS, Plan
from earmark.experiment.progress import bar
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.subjects import Placed, Subject
from earmark.representations.embed import STATISTICS, Grain
from earmark.store import Store

VERSION = 1
"""Raised whenever the near-duplicates of the same embeddings would be others."""

ROLES = ("train", "valid", "test")
PAIRS = (("test", "train"), ("test", "valid"), ("valid", "train"))
REMEDIES: Mapping[Kind, str] = {
    "group": "Move each group into one part: scores would be too high.",
    "audio": "Keep one of each, or give them one group, so that no split parts them.",
    "near": "Listen to some: copies belong into one part, sounds made alike may stay.",
}
CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Case:
    """One partition to be audited: the clips of "train", "valid" and "test", and the label that is learnt."""

    task: str
    label: str
    dataset: str
    split: str
    fold: int
    parts: Mapping[str, tuple[Placed, ...]]

    @classmethod
    def of(cls, subject: Subject) -> "Case":
        """Return the case of a subject of an experiment."""
        parts = dict(zip(ROLES, (subject.train, subject.valid, subject.test), strict=True))
        return cls(subject.task.name, subject.task.label, subject.dataset, subject.split, subject.fold, parts)


def of_run(plan: Plan, keys: Keys, store: Store) -> tuple[Audit, ...]:
    """Return the audit of every subject of a plan: near-duplicates by each representation whose embeddings are there.

    What is computed from embeddings is kept in the store under their keys, so a second run reads it.
    """
    subjects: dict[int, Subject] = {}
    pairings: dict[int, dict[object, Pairing]] = {}
    for pairing in (scoring.pairing for scoring in plan.asked.answers):
        name = id(pairing.subject)
        subjects[name] = pairing.subject
        choice = pairing.choice
        # What is pooled and how it is probed changes nothing here.
        same = choice.name, choice.layers, choice.reduce, choice.segment_s, choice.segment_hop_s
        pairings.setdefault(name, {}).setdefault(same, pairing)
    audits = []
    for name, subject in subjects.items():
        heard = (
            (one.choice, dict(zip(ROLES, (one.train, one.valid, one.tests[CLEAN.name]), strict=True)))
            for one in pairings[name].values()
        )
        audits.append(of_case(Case.of(subject), keys, store, heard))
    return tuple(dict.fromkeys(audits))


def of_dataset(
    dataset: Dataset, representation: str = "logmel", jobs: int = 1, label: str | None = None, quiet: bool = False
) -> tuple[Audit, ...]:
    """Return the audit of every official split of a dataset, and of the drawn one of a label that has none.

    `label`: that one only. Clips whose file is not there are left out. Embeddings go into the store, so that a
    second check, or a run, finds them there. Where a label cannot be split, the reason stands in its checks.
    """
    store, choice = Store(places.store_folder()), RepresentationChoice(representation)
    facts = {part.name: Facts.of(part.name) for part in choice.parts}
    keys = Keys(facts, lambda placed: store.remember_hash(placed.clip.path))
    placed = {clip.id: Placed(dataset.name, clip) for clip in dataset.clips if clip.path.is_file()}
    _embed(placed.values(), keys, store, choice, jobs, quiet)
    audits = []
    for name in dataset.labels if label is None else (label,):
        try:
            found = splits.resolve(dataset, None, name, "all")
        except DataError as error:
            checks = tuple(Check(kind, reason=str(error)) for kind in KINDS)
            audits.append(Audit(name, dataset.name, "none", 0, checks))
            continue
        for one in found:
            ids = one.split.train, one.split.valid, one.split.test
            parts = {role: tuple(placed[i] for i in some if i in placed) for role, some in zip(ROLES, ids, strict=True)}
            case = Case(name, name, dataset.name, one.name, one.fold, parts)
            heard = {role: _heard(part, keys, store, choice) for role, part in parts.items()}
            audits.append(of_case(case, keys, store, [(choice, heard)]))
    return tuple(audits)


def _embed(
    placed: Iterable[Placed], keys: Keys, store: Store, choice: RepresentationChoice, jobs: int, quiet: bool
) -> None:
    wants = [(one, keys.wants(one, CLEAN, choice)) for one in placed]
    here = store.has(want.key for _, found in wants for want in found)
    left = [(one, tuple(want for want in found if want.key not in here)) for one, found in wants]
    works = [ClipWork(one, keys.hash_of(one), found) for one, found in left if found]
    groups = [tuple(works[start : start + SHARD_CLIPS]) for start in range(0, len(works), SHARD_CLIPS)]
    shards = [
        Shard(identity.key_of(shard=[want.key for one in group for want in one.wants]), group) for group in groups
    ]
    with engines.Local(store.root, jobs) as engine, bar("embed", len(works), quiet) as shown:
        for done in engine.map(shards, work.embed_shard):
            shown.advance(done.items, done.audio_s)
    store.refresh()


def _heard(placed: Sequence[Placed], keys: Keys, store: Store, choice: RepresentationChoice) -> Part:
    """Return the clips that have an embedding, with their keys."""
    named = [(one, tuple(want.key for want in keys.wants(one, CLEAN, choice))) for one in placed]
    kept = [(one, found) for one, found in named if store.has(found) == set(found)]
    parts = tuple(zip(*(found for _, found in kept), strict=True)) if kept else ((),) * len(choice.parts)
    return Part(tuple(one for one, _ in kept), parts)


def of_case(
    case: Case, keys: Keys, store: Store, heard: Iterable[tuple[RepresentationChoice, Mapping[str, Part]]]
) -> Audit:
    """Return the audit of one partition; `heard` are the clean embeddings of each part by each representation."""
    checks = [_groups(case), _audio(case, keys), *(_near(case, keys, store, choice, parts) for choice, parts in heard)]
    return Audit(case.task, case.dataset, case.split, case.fold, tuple(checks))


def _groups(case: Case) -> Check:
    every = [one for part in case.parts.values() for one in part]
    groups = _group_names(every)
    classes = [classes_of(one.clip.targets[case.label]) for one in every]
    if not any(groups):
        return Check("group", reason="no clip names its group")
    if leakage.groups_name(groups, classes):
        return Check(
            "group", reason=f"each class of '{case.label}' lies in one group, so no split can hold groups apart"
        )

    def match(clips: Sequence[Placed], others: Sequence[Placed]) -> Matches:
        position = leakage.shared_groups(_group_names(clips), _group_names(others))
        return Matches(position, np.ones(len(position)))

    return _between(case, "group", match)


def _audio(case: Case, keys: Keys) -> Check:
    def match(clips: Sequence[Placed], others: Sequence[Placed]) -> Matches:
        return leakage.overlaps([_region(one, keys) for one in clips], [_region(one, keys) for one in others])

    return _between(case, "audio", match)


def _between(case: Case, kind: Kind, match: Callable[[Sequence[Placed], Sequence[Placed]], Matches]) -> Check:
    tallies: list[Tally] = []
    listed: list[Leak] = []
    for part, other in PAIRS:
        clips, others = case.parts[part], case.parts[other]
        found = _leaks(case, kind, None, part, clips, [(other, one) for one in others], match(clips, others))
        tallies.append(Tally(part, other, len(found), len(clips)))
        listed += found
    return Check(kind, None, "", tuple(tallies), tuple(listed[:MOST_LEAKS]))


def _leaks(
    case: Case,
    kind: Kind,
    representation: str | None,
    part: str,
    clips: Sequence[Placed],
    others: Sequence[tuple[str, Placed]],
    found: Matches,
) -> list[Leak]:
    """Return the matches of a part's clips as leaks; `others` come with the part each belongs to."""
    listed = []
    for row in np.flatnonzero(found.position >= 0).tolist():
        role, other = others[found.position[row]]
        place = case.task, case.dataset, case.split, case.fold, part, clips[row].clip.id, role, other.clip.id
        listed.append(Leak(kind, *place, round(float(found.alike[row]), 4), representation))
    return listed


def _group_names(placed: Iterable[Placed]) -> list[tuple[str, str] | None]:
    return [(one.dataset, one.clip.group) if one.clip.group else None for one in placed]


def _region(placed: Placed, keys: Keys) -> Region:
    clip = placed.clip
    return Region(keys.hash_of(placed), clip.start_s or 0.0, np.inf if clip.end_s is None else clip.end_s)


def _near(case: Case, keys: Keys, store: Store, choice: RepresentationChoice, heard: Mapping[str, Part]) -> Check:
    layered = choice.layers is not None or choice.reduce == "concat"
    name = f"{choice.name}, layers {choice.layer_name}" if layered else choice.name
    every = frozenset(key for part in heard.values() for key in part.embeddings)
    if not heard["train"].clips or not heard["test"].clips or store.has(every) != every:
        return Check(
            "near", name, "the embeddings are not there: they were left for another time, or every clip failed"
        )
    near = _judged(store, choice, heard)
    judged_by = (round(one, 6) for one in (near.threshold, near.inside_train, near.inside_test))
    if near.reason:
        return Check("near", name, near.reason, (), (), *judged_by)
    clips = heard["test"].clips
    others = [(role, one) for role in ("train", "valid") for one in heard[role].clips]
    for row in np.flatnonzero(near.matches.position >= 0).tolist():
        pair = clips[row], others[near.matches.position[row]][1]
        if leakage.overlaps([_region(pair[0], keys)], [_region(pair[1], keys)]).position[0] >= 0:
            near.matches.position[row] = -1  # told under identical audio
    found = _leaks(case, "near", name, "test", clips, others, near.matches)
    counts = Counter(leak.other_part for leak in found)
    tallies = tuple(Tally("test", other, counts[other], len(clips)) for other in ("train", "valid"))
    return Check("near", name, "", tallies, tuple(found[:MOST_LEAKS]), *judged_by)


def _judged(store: Store, choice: RepresentationChoice, heard: Mapping[str, Part]) -> Near:
    """Return the near-duplicates among embeddings, which the store remembers under the embeddings' keys."""
    groups = {role: _group_names(part.clips) for role, part in heard.items()}
    keys = {role: part.keys for role, part in heard.items()}
    key = identity.key_of(leakage=VERSION, reduce=choice.reduce, keys=keys, groups=groups)
    if not store.file("leakage", key, ".json"):
        train, valid, test = (_vectors(store, heard[role], choice) for role in ROLES)
        valid = valid.reshape(len(valid), train.shape[1])
        near = leakage.near_duplicates(train, valid, test, groups["train"], groups["test"])
        matches = {name: array.tolist() for name, array in near.matches._asdict().items()}
        store.put_file("leakage", key, ".json", json.dumps(near._asdict() | {"matches": matches}).encode())
    kept = json.loads(store.read_file("leakage", key, ".json"))
    position, alike = kept["matches"]["position"], kept["matches"]["alike"]
    return Near(**kept | {"matches": Matches(np.array(position, np.int64), np.array(alike))})


def _vectors(store: Store, part: Part, choice: RepresentationChoice) -> Float32[np.ndarray, "clips dim"]:
    """Return the mean over time of each clip, and over layers unless they are laid side by side."""
    if not part.clips:
        return np.zeros((0, 0), np.float32)
    return np.concatenate([_means(store, keys, part.grain, choice) for keys in part.parts], axis=1)


def _means(
    store: Store, keys: Sequence[str], grain: Grain, choice: RepresentationChoice
) -> Float32[np.ndarray, "clips dim"]:
    mean, found = STATISTICS.index("mean"), []
    for start in range(0, len(keys), CHUNK_ROWS):
        for rows in store.get_each(keys[start : start + CHUNK_ROWS]):
            layers = (
                rows[:, mean] if grain == "clip" else (rows if grain == "frames" else rows[:, :, mean]).mean(axis=0)
            )
            found.append(layers.mean(axis=0) if choice.reduce == "mean" else layers.reshape(-1))
    return np.stack(found)


def findings(audits: Iterable[Audit], kinds: Iterable[Kind] = tuple(KINDS)) -> list[Finding]:
    """Return what was found as findings of a check: errors for groups and audio, warnings for near-duplicates."""
    wanted, found = set(kinds), []
    for audit in audits:
        for check in (one for one in audit.checks if one.kind in wanted):
            if check.reason:
                found.append(Finding("info", f"{check.what} not audited: {check.reason}", (), "Nothing to do."))
            for tally in (one for one in check.tallies if one.leaks):
                about = tuple(f"{one.clip} = {one.other_clip}" for one in check.between(tally))
                what = f"{audit.where}: {leaks.sentence(check, tally)}"
                found.append(Finding("warning" if check.kind == "near" else "error", what, about, REMEDIES[check.kind]))
    unique = {(one.severity, one.what): one for one in found}
    return list(unique.values())
