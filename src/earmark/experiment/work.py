"""What a worker does: embed the clips of a shard, fit a stack of probes, score a probe under its conditions.

Each function takes one job and the folder of the store, and leaves its answer in the store. They run on one
thread each, in this process or another; nothing here knows which.
"""

import io
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from earmark import identity
from earmark.analysis.tables import seen_as
from earmark.errors import DataError, UserError
from earmark.experiment import calibrated, devices, scoring, vectors
from earmark.experiment.costs import Cost
from earmark.experiment.jobs import CODELENGTHS, PREDICTIONS, PROBE, SCORE, ClipWork, Fit, FoldMean, Scoring, Shard
from earmark.experiment.keys import Want
from earmark.experiment.one_pass import OnePass, Vectors
from earmark.experiment.pairings import Pairing, Part
from earmark.experiment.scoring import Heard
from earmark.metrics import measure
from earmark.nouns import Failure
from earmark.probes import fit as probes
from earmark.probes.base import AnyRecipe, Examples, Problem
from earmark.probes.base import Job as ProbeJob
from earmark.probes.codelength import online_codelength
from earmark.probes.monitors import Monitor
from earmark.probes.select import Selected
from earmark.representations.embed import STATISTICS
from earmark.store import Store


@dataclass(frozen=True)
class Done:
    """What a job reports: items dealt with, seconds of audio they took in, the clips that failed, what it cost.

    `refused` says why a probe could not be fitted, or its codelength measured: what it is of, and the reason.
    """

    items: int
    audio_s: float = 0.0
    failures: tuple[Failure, ...] = ()
    costs: tuple[Cost, ...] = ()
    refused: str = ""


@cache
def _opened(root: Path) -> Store:
    return Store(root)


def _store(root: Path) -> Store:
    """Return the store with what other processes appended since this one last looked."""
    store = _opened(root)
    store.refresh()
    return store


def embed_shard(shard: Shard, root: Path, device: str = devices.CPU, alone: frozenset[str] = frozenset()) -> Done:
    """Embed every clip of a shard on a device: what is wanted of a clip is made in one go (see `one_pass`)."""
    store = _store(root)
    hearing, failures = OnePass(device, alone), list[Failure]()
    known, made = store.has(want.key for work in shard.works for want in work.wants), dict[str, list[str]]()
    with store.writer() as writer:
        for work, wants, outcome in chain(chain.from_iterable(map(hearing.hear, shard.works)), hearing.rest()):
            if isinstance(outcome, str):
                failures += _failed(store, work, wants, outcome)
                continue
            for want in wants:
                vectors = outcome.made_by.of(want, outcome.vectors)
                writer.put(want.key, vectors, _provenance(work, want, outcome))
            made.setdefault(outcome.device, []).extend(want.key for want in wants if want.key not in known)
    devices.remember(store, shard.name, made)
    n_wants = sum(len(work.wants) for work in shard.works)
    return Done(n_wants, hearing.audio_s, tuple(failures), hearing.costs)


def _provenance(work: ClipWork, want: Want, made: Vectors) -> Mapping[str, object]:
    clip, card = work.placed.clip, made.card
    return {
        "dataset": work.placed.dataset,
        "clip": clip.id,
        "audio_sha256": work.audio_sha256,
        "chain": [{"type": step.type, "params": dict(step.params)} for step in want.chain.steps],
        "chain_seed": want.seed,
        "representation": card.name,
        "card_version": card.version,
        "layers": want.choice.layers,
        "segment_s": want.choice.segment_s,
        "segment_hop_s": want.choice.segment_hop_s,
        "precision": want.choice.precision,
        "grain": want.grain,
        "statistics": STATISTICS,
        "device": made.device,
    }


def _failed(store: Store, work: ClipWork, wants: Iterable[Want], reason: str) -> list[Failure]:
    """Remember under the embedding's key that this content cannot be embedded, so that no run tries it twice."""
    placed = work.placed
    failure = Failure(placed.dataset, placed.clip.id, placed.clip.path.as_posix(), reason)
    for want in wants:
        store.put_file("failures", want.key, ".json", json.dumps(vars(failure), ensure_ascii=False).encode())
    return [failure]


def examples(store: Store, part: Part, pairing: Pairing) -> Examples:
    """Return what a probe sees of a part, and the targets of its clips."""
    targets = pairing.subject.targets(part.clips)
    if not part.clips:  # what learns from nothing
        return Examples(np.empty((0, 1, 1), np.float32), targets)
    if part.grain == "clip":
        clips, stored = None, [store.get(keys) for keys in part.parts]
    else:
        ragged = [store.get_each(keys) for keys in part.parts]
        counts = _counted(ragged, part, pairing)
        clips, stored = np.repeat(np.arange(len(counts)), counts), [np.concatenate(rows) for rows in ragged]
    return Examples(vectors.side_by_side(stored, part.grain, pairing.choice), targets, clips)


def _counted(ragged: Sequence[Sequence[np.ndarray]], part: Part, pairing: Pairing) -> Sequence[int]:
    """Return how many rows each clip has. Raises DataError where the parts of a joined name differ in that."""
    counts = [[len(rows) for rows in of_part] for of_part in ragged]
    for placed, *of_clip in zip(part.clips, *counts, strict=True):
        if len(set(of_clip)) > 1:
            raise DataError(
                f"Expected the parts of '{pairing.choice.name}' to have as many {part.grain} each, to stand side by "
                f"side; of '{placed.clip.id}' they have {' and '.join(map(str, of_clip))}. Join them as one vector a "
                "clip, or use one of them alone."
            )
    return counts[0]


def fit_probe(job: Fit, root: Path, device: str = devices.CPU) -> Done:
    """Fit the stack of one recipe's seeds, networks on a device, and keep each probe under its key."""
    store = _store(root)
    devices.prepare(device)
    recipes = [_chosen(store, key) for key in job.follows] or [job.recipe] * len(job.keys)
    jobs = [ProbeJob(recipe, identity.seed_for("probe", key)) for recipe, key in zip(recipes, job.keys, strict=True)]
    try:
        problem = _problem(store, job.pairing, device)
        fitted = probes.fit(problem, jobs)
    except UserError as error:
        return Done(len(jobs), refused=_refused(job, error))
    for key, probe in zip(job.keys, fitted, strict=True):
        saved = probe.to_bytes()
        store.put_file("probes", key, PROBE, saved)
        calibrated.keep(store, key, saved, probe, problem.valid)
    devices.remember(store, job.keys[0], {device: job.keys})
    return Done(len(jobs))


def calibration(store: Store, job: Scoring, key: str) -> bytes | None:
    """Return the file of a probe's calibration, made now where the store has none and can; None where it cannot.

    The probes of runs that are older than calibrations are calibrated so. A fine-tuned network's head is not: how that
    network hears the validation clips is not in the store.
    """
    saved, valid = store.read_file("probes", key, PROBE), job.pairing.valid
    found = calibrated.kept(store, key, saved)
    if found is None and valid.clips and not job.tuned and store.has(valid.embeddings) == valid.embeddings:
        calibrated.keep(store, key, saved, probes.restore(saved), examples(store, valid, job.pairing))
        found = calibrated.kept(store, key, saved)
    return found


def _refused(job: Fit, error: UserError) -> str:
    """Return which probe on what could not be fitted, and why."""
    subject, choice = job.pairing.subject, job.pairing.choice
    heard = seen_as(choice.name, choice.layer_name, job.pairing.pool_name)
    return f"{subject.task.name} on {subject.dataset}, fold {subject.fold}: {heard}, {job.probe.name}: {error}"


def _chosen(store: Store, key: str) -> AnyRecipe:
    """Return what a probe chose among candidates, as a recipe to fit elsewhere."""
    probe = probes.restore(store.read_file("probes", key, PROBE))
    return probe.settled if isinstance(probe, Selected) else probe.recipe


def code_targets(job: Fit, root: Path, device: str = devices.CPU) -> Done:
    """Measure how many bits the training targets take by a recipe, for each seed."""
    store = _store(root)
    devices.prepare(device)
    try:
        problem = _problem(store, job.pairing, device)
        seeds = [identity.seed_for("codelength", key) for key in job.keys]
        measured = [online_codelength(problem, job.recipe, seed) for seed in seeds]
    except UserError as error:
        return Done(len(job.keys), refused=_refused(job, error))
    for key, found in zip(job.keys, measured, strict=True):
        kept = {"bits": found.bits, "uniform_bits": found.uniform_bits, "n": len(problem.train.targets)}
        portions = [vars(one) for one in found.portions]
        store.put_file(CODELENGTHS.folder, key, CODELENGTHS.suffix, json.dumps(kept | {"portions": portions}).encode())
    return Done(len(job.keys))


def _problem(store: Store, pairing: Pairing, device: str) -> Problem:
    subject = pairing.subject
    return Problem(
        subject.task.kind,
        examples(store, pairing.train, pairing),
        examples(store, pairing.valid, pairing),
        len(subject.classes),
        subject.classes,
        _key_score(subject.classes) if subject.task.kind == "key" else None,
        device,
    )


def _key_score(classes: tuple[str, ...]) -> Monitor:
    """Return the validation score of key probes: the metric they are judged by, of which `probes` knows nothing."""
    return lambda targets, scores: float(measure("key_score", "key", targets, scores, classes).averages["micro"][0])


def score_probe(job: Scoring, root: Path) -> Done:
    """Score a probe, all seeds, under each condition; keep predictions and numbers under the condition's key."""
    store = _store(root)
    for name, key in job.conditions.items():
        started = time.perf_counter()
        part = job.pairing.tests[name]
        predictions = _constant(job, part) if job.probe is None else _predictions(store, job, part)
        buffer = io.BytesIO()
        scoring.prediction_table(job, part, predictions).write_parquet(buffer)
        store.put_file("scores", key, PREDICTIONS, buffer.getvalue())
        _keep_numbers(store, key, [job], [Heard(job.pairing.subject, part, predictions)], started)
    return Done(len(job.conditions))


def score_folds(job: FoldMean, root: Path) -> Done:
    """Score a system over the folds of a split, under each condition, by the predictions that the store holds."""
    store = _store(root)
    for name, key in job.conditions.items():
        started, folds = time.perf_counter(), list[Heard]()
        for one in job.folds:
            part, table = one.pairing.tests[name], store.read_file("scores", one.conditions[name], PREDICTIONS)
            scores = pl.read_parquet(io.BytesIO(table), columns=["scores"])["scores"].to_list()
            predictions = np.array(scores, np.float32).reshape(-1, len(part.clips), len(one.pairing.subject.classes))
            folds.append(Heard(one.pairing.subject, part, predictions))
        _keep_numbers(store, key, job.folds, folds, started)
    return Done(len(job.conditions))


def _keep_numbers(store: Store, key: str, jobs: Sequence[Scoring], folds: Sequence[Heard], started: float) -> None:
    numbers = [vars(number) for number in scoring.numbers(jobs[0], folds)]
    device = devices.of(
        store, frozenset().union(*(one.part.embeddings for one in folds), *(j.probe_keys for j in jobs))
    )
    answer = {"numbers": numbers, "device": device, "seconds": round(time.perf_counter() - started, 3)}
    store.put_file("scores", key, SCORE, json.dumps(answer, ensure_ascii=False).encode())


def _predictions(store: Store, job: Scoring, part: Part) -> np.ndarray:
    """Return (seeds, clips, outputs)."""
    if job.tuned:
        heard = [examples(store, replace(part, parts=(keys,)), job.pairing) for keys in part.parts]
    else:
        heard = [examples(store, part, job.pairing)] * len(job.probe_keys)
    fitted = [probes.restore(store.read_file("probes", key, PROBE)) for key in job.probe_keys]
    each = zip(fitted, heard, strict=True)
    return np.stack([probe.predict(one.embeddings, one.clips) for probe, one in each])


def _constant(job: Scoring, part: Part) -> np.ndarray:
    """Return what one predicts who knows the training targets and hears nothing: class shares or means."""
    subject = job.pairing.subject
    targets = subject.targets(job.pairing.train.clips)
    if subject.task.kind in ("multilabel", "regression"):
        prior = targets.mean(axis=0)
    else:
        prior = np.bincount(targets, minlength=len(subject.classes)) / len(targets)
    return np.broadcast_to(prior, (1, len(part.clips), len(prior)))
