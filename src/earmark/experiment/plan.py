"""The plan: which embeddings, probes and scores an experiment needs, and which the store already holds.

It reads cards, clip hashes and the store's index, and changes nothing. Its jobs are named by their content;
engines schedule them and know nothing else.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TypeVar

from earmark import audio, identity
from earmark.deformations import CLEAN
from earmark.experiment.asked import Asked, of_experiment
from earmark.experiment.jobs import (
    CODELENGTHS,
    PREDICTIONS,
    PROBES,
    SCORE,
    ClipWork,
    Fit,
    FoldMean,
    Made,
    Scoring,
    Shard,
)
from earmark.experiment.keys import Keys, Want
from earmark.experiment.pairings import grain_of, grains_of
from earmark.experiment.spec import Block, Experiment
from earmark.experiment.subjects import Placed, Subject
from earmark.probes import kinds
from earmark.store import Store

SHARD_CLIPS = 64
Score = TypeVar("Score", Scoring, FoldMean)


@dataclass(frozen=True)
class Count:
    """How many there are of something, and how many of them are still to be made."""

    total: int
    missing: int


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order, and everything that was `asked`.

    `codings` are codelengths to measure, `averages` scores over the folds of a split.
    """

    shards: tuple[Shard, ...]
    fits: tuple[Fit, ...]
    codings: tuple[Fit, ...]
    scorings: tuple[Scoring, ...]
    averages: tuple[FoldMean, ...]
    asked: Asked
    embeddings: Count
    probes: Count
    scores: Count
    failed: frozenset[str]

    @property
    def jobs(self) -> int:
        """Number of jobs still to run."""
        return sum(map(len, (self.shards, self.fits, self.codings, self.scorings, self.averages)))


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
    failed = frozenset(key for key in wanted.keys() - here if has_failed(store, key))
    missing = {key: work for key, work in wanted.items() if "embed" in force or (key not in here and key not in failed)}
    asked = of_experiment(experiment, subjects, keys, failed)
    to_fit = [_without(fit, store, "probe" in force, PROBES) for fit in asked.fits]
    to_code = [_without(coding, store, "probe" in force, CODELENGTHS) for coding in asked.codings]
    to_score = [unscored(scoring, store, "score" in force) for scoring in asked.answers]
    to_average = [unscored(mean, store, "score" in force) for mean in asked.means]
    return Plan(
        shards=shards_of(missing, keys),
        fits=tuple(fit for fit in to_fit if fit.seeds),
        codings=tuple(coding for coding in to_code if coding.seeds),
        scorings=tuple(scoring for scoring in to_score if scoring.conditions),
        averages=tuple(mean for mean in to_average if mean.conditions),
        asked=asked,
        embeddings=Count(len(wanted), len(missing)),
        probes=Count(_seeds([*asked.fits, *asked.codings]), _seeds([*to_fit, *to_code])),
        scores=Count(_conditions([*asked.answers, *asked.means]), _conditions([*to_score, *to_average])),
        failed=failed,
    )


def has_failed(store: Store, key: str) -> bool:
    """Return whether a clip is known to be impossible to embed, for a reason that still holds."""
    if store.file("failures", key, ".json") is None:
        return False
    return not audio.is_outdated(str(json.loads(store.read_file("failures", key, ".json"))["reason"]))


def _seeds(fits: Iterable[Fit]) -> int:
    return len({key for fit in fits for key in fit.keys})


def _conditions(scorings: Iterable[Scoring | FoldMean]) -> int:
    return len({key for scoring in scorings for key in scoring.conditions.values()})


def _wanted(
    experiment: Experiment, subjects: Mapping[Block, Sequence[Subject]], keys: Keys
) -> dict[str, tuple[Placed, Want]]:
    """Return every embedding the experiment reads: all roles clean, the test clips also deformed."""
    wanted: dict[str, tuple[Placed, Want]] = {}
    for block in experiment.blocks:
        for subject in subjects[block]:
            for choice in block.representations:
                for grain in grains_of(block):
                    learns = any(kinds.is_fitted(one.recipe) for one in block.probes if grain_of(block, one) == grain)
                    for chain in (CLEAN, *block.deformations):
                        every = learns and chain == CLEAN
                        heard = (*subject.train, *subject.valid, *subject.test) if every else subject.test
                        for placed in heard:
                            wants = keys.wants(placed, chain, choice, grain)
                            wanted.update((want.key, (placed, want)) for want in wants)
    return wanted


def shards_of(missing: Mapping[str, tuple[Placed, Want]], keys: Keys) -> tuple[Shard, ...]:
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


def _without(fit: Fit, store: Store, force: bool, made: Made) -> Fit:
    """Return a fit with only the seeds that the store lacks."""
    left = [force or not store.file(made.folder, key, made.suffix) for key in fit.keys]
    return replace(
        fit,
        seeds=tuple(compress(fit.seeds, left)),
        keys=tuple(compress(fit.keys, left)),
        follows=tuple(compress(fit.follows, left)),
    )


def unscored(scoring: Score, store: Store, force: bool) -> Score:
    """Return a scoring with only the conditions that the store lacks."""
    kept = (SCORE, PREDICTIONS) if isinstance(scoring, Scoring) else (SCORE,)
    left = {
        chain: key
        for chain, key in scoring.conditions.items()
        if force or not all(store.file("scores", key, suffix) for suffix in kept)
    }
    return replace(scoring, conditions=left)
