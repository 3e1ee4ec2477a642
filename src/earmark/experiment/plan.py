"""The plan: which embeddings, probes and scores an experiment needs, and which the store already holds.

It reads cards, clip hashes and the store's index, and changes nothing. Its jobs are named by their content;
engines schedule them and know nothing else.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from earmark import audio, identity
from earmark.deformations import CLEAN, Chain
from earmark.experiment.keys import Keys, Want
from earmark.experiment.spec import Block, Experiment, ProbeChoice, RepresentationChoice
from earmark.experiment.subjects import Placed, Subject
from earmark.metrics import defaults
from earmark.store import Store

SHARD_CLIPS = 64
PROBE_VERSION, SCORE_VERSION = 1, 1


@dataclass(frozen=True)
class ClipWork:
    """A clip that is decoded once for all the embeddings wanted of it."""

    placed: Placed
    audio_sha256: str
    wants: tuple[Want, ...]


@dataclass(frozen=True)
class Shard:
    """The unit of embedding work, named by its content."""

    name: str
    works: tuple[ClipWork, ...]


@dataclass(frozen=True)
class Part:
    """Clips with an embedding, and those embeddings' keys in the same order."""

    clips: tuple[Placed, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Pairing:
    """A subject seen through one representation. `tests` holds the test clips by the name of the chain."""

    subject: Subject
    choice: RepresentationChoice
    train: Part
    valid: Part
    tests: Mapping[str, Part]
    key: str


@dataclass(frozen=True)
class Fit:
    """One probe to fit, all seeds in one stack; `keys` are the probes' keys in the order of the seeds."""

    pairing: Pairing
    probe: ProbeChoice
    seeds: tuple[int, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Scoring:
    """A probe scored under its conditions: chain name → key of the answer. No probe: the constant predictor."""

    pairing: Pairing
    probe: ProbeChoice | None
    seeds: tuple[int, ...]
    probe_keys: tuple[str, ...]
    metrics: tuple[str, ...]
    conditions: Mapping[str, str]
    resamples: int
    ci_level: float


@dataclass(frozen=True)
class Count:
    """How many there are of something, and how many of them are still to be made."""

    total: int
    missing: int


@dataclass(frozen=True)
class Plan:
    """What is to be done (`shards`, `fits`, `scorings`) and everything that the answer is made of (`answers`)."""

    shards: tuple[Shard, ...]
    fits: tuple[Fit, ...]
    scorings: tuple[Scoring, ...]
    answers: tuple[Scoring, ...]
    embeddings: Count
    probes: Count
    scores: Count
    failed: frozenset[str]

    @property
    def jobs(self) -> int:
        """Number of jobs still to run."""
        return len(self.shards) + len(self.fits) + len(self.scorings)


def make(
    experiment: Experiment,
    subjects: Mapping[Block, Sequence[Subject]],
    keys: Keys,
    store: Store,
    force: Collection[str] = (),
) -> Plan:
    """Return the plan. `force` names stages ("embed", "probe", "score") to do again though the store has them."""
    wanted = _wanted(experiment, subjects, keys)
    here = store.has(wanted)
    failed = frozenset(key for key in wanted.keys() - here if _has_failed(store, key))
    missing = {key: work for key, work in wanted.items() if "embed" in force or (key not in here and key not in failed)}
    answers, fits = [], []
    for block in experiment.blocks:
        for subject in subjects[block]:
            pairings = [_pairing(subject, choice, block.deformations, keys, failed) for choice in block.representations]
            hearing_nothing = min(pairings, key=lambda pairing: pairing.key)  # whichever comes first in the file
            answers.append(_scoring(experiment, block, hearing_nothing, None))
            for pairing in pairings:
                for probe in block.probes:
                    fits.append(_fit(pairing, probe, sorted(block.seeds)))
                    answers.append(_scoring(experiment, block, pairing, fits[-1]))
    to_fit = [_without(fit, store, "probe" in force) for fit in fits]
    to_score = [_unscored(scoring, store, "score" in force) for scoring in answers]
    return Plan(
        shards=_shards(missing, keys),
        fits=tuple(fit for fit in to_fit if fit.seeds),
        scorings=tuple(scoring for scoring in to_score if scoring.conditions),
        answers=tuple(answers),
        embeddings=Count(len(wanted), len(missing)),
        probes=Count(len({key for fit in fits for key in fit.keys}), len({k for fit in to_fit for k in fit.keys})),
        scores=Count(_conditions(answers), _conditions(to_score)),
        failed=failed,
    )


def _has_failed(store: Store, key: str) -> bool:
    """Return whether a clip is known to be impossible to embed, for a reason that still holds."""
    if store.file("failures", key, ".json") is None:
        return False
    return not audio.is_outdated(str(json.loads(store.read_file("failures", key, ".json"))["reason"]))


def _conditions(scorings: Iterable[Scoring]) -> int:
    return len({key for scoring in scorings for key in scoring.conditions.values()})


def _wanted(
    experiment: Experiment, subjects: Mapping[Block, Sequence[Subject]], keys: Keys
) -> dict[str, tuple[Placed, Want]]:
    """Return every embedding the experiment reads: all roles clean, the test clips also deformed."""
    wanted: dict[str, tuple[Placed, Want]] = {}
    for block in experiment.blocks:
        for subject in subjects[block]:
            for choice in block.representations:
                for placed in (*subject.train, *subject.valid, *subject.test):
                    want = keys.want(placed, CLEAN, choice)
                    wanted[want.key] = (placed, want)
                for chain in block.deformations:
                    for placed in subject.test:
                        want = keys.want(placed, chain, choice)
                        wanted[want.key] = (placed, want)
    return wanted


def _shards(missing: Mapping[str, tuple[Placed, Want]], keys: Keys) -> tuple[Shard, ...]:
    """Return the missing embeddings by clip, in shards of clips, each named by the keys it will fill."""
    wants: dict[tuple[str, str], list[Want]] = {}
    placed_by: dict[tuple[str, str], Placed] = {}
    for placed, want in missing.values():
        name = (placed.dataset, placed.clip.id)
        placed_by[name] = placed
        wants.setdefault(name, []).append(want)
    works = [ClipWork(placed_by[name], keys.hash_of(placed_by[name]), tuple(wants[name])) for name in sorted(wants)]
    shards = []
    for start in range(0, len(works), SHARD_CLIPS):
        part = tuple(works[start : start + SHARD_CLIPS])
        shards.append(Shard(identity.key_of(shard=[want.key for work in part for want in work.wants]), part))
    return tuple(shards)


def _pairing(
    subject: Subject, choice: RepresentationChoice, chains: Sequence[Chain], keys: Keys, failed: Collection[str]
) -> Pairing:
    def part(placed: Sequence[Placed], chain: Chain) -> Part:
        pairs = [(one, keys.want(one, chain, choice).key) for one in placed]
        kept = [(one, key) for one, key in pairs if key not in failed]
        return Part(tuple(one for one, _ in kept), tuple(key for _, key in kept))

    train, valid = part(subject.train, CLEAN), part(subject.valid, CLEAN)
    key = identity.key_of(
        train=train.keys,
        valid=valid.keys,
        train_targets=subject.targets(train.clips).tolist(),
        valid_targets=subject.targets(valid.clips).tolist(),
        classes=subject.classes,
        kind=subject.task.kind,
        reduce=choice.reduce,
        pool=choice.pool,
    )
    return Pairing(subject, choice, train, valid, {c.name: part(subject.test, c) for c in (CLEAN, *chains)}, key)


def _fit(pairing: Pairing, probe: ProbeChoice, seeds: Sequence[int]) -> Fit:
    keys = tuple(
        identity.key_of(probe=PROBE_VERSION, data=pairing.key, recipe=vars(probe.recipe), seed=seed) for seed in seeds
    )
    return Fit(pairing, probe, tuple(seeds), keys)


def _scoring(experiment: Experiment, block: Block, pairing: Pairing, fit: Fit | None) -> Scoring:
    """Return what is scored: a probe under every chain; the constant predictor, which hears nothing, only clean."""
    subject = pairing.subject
    probe_keys = fit.keys if fit else (identity.key_of(constant=pairing.key),)
    metrics = block.metrics or defaults(subject.task.kind)
    conditions = {
        chain: identity.key_of(
            score=SCORE_VERSION,
            probes=probe_keys,
            test=part.keys,
            targets=subject.targets(part.clips).tolist(),
            clips=[one.clip.id for one in part.clips],
            groups=[one.clip.group for one in part.clips],
            task=subject.task.name,
            metrics=sorted(metrics),
            resamples=experiment.resamples,
            ci_level=experiment.ci_level,
        )
        for chain, part in pairing.tests.items()
        if fit or chain == CLEAN.name
    }
    probe, seeds = (fit.probe, fit.seeds) if fit else (None, ())
    return Scoring(pairing, probe, seeds, probe_keys, metrics, conditions, experiment.resamples, experiment.ci_level)


def _without(fit: Fit, store: Store, force: bool) -> Fit:
    """Return a fit with only the seeds that the store lacks."""
    pairs = [(s, k) for s, k in zip(fit.seeds, fit.keys, strict=True) if force or not store.file("probes", k, PROBE)]
    return replace(fit, seeds=tuple(seed for seed, _ in pairs), keys=tuple(key for _, key in pairs))


def _unscored(scoring: Scoring, store: Store, force: bool) -> Scoring:
    """Return a scoring with only the conditions that the store lacks."""
    left = {chain: key for chain, key in scoring.conditions.items() if force or not store.file("scores", key, SCORE)}
    return replace(scoring, conditions=left)


PROBE, SCORE, PREDICTIONS = ".safetensors", ".json", ".parquet"
