"""What a worker does: embed the clips of a shard, fit a stack of probes, score a probe under its conditions.

Each function takes one job and the folder of the store, and leaves its answer in the store. They run on one
thread each, in this process or another; nothing here knows which.
"""

import io
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np

from earmark import identity
from earmark.experiment import devices, scoring
from earmark.experiment.costs import Cost
from earmark.experiment.keys import Want
from earmark.experiment.one_pass import OnePass, Vectors
from earmark.experiment.plan import PREDICTIONS, PROBE, SCORE, ClipWork, Fit, Part, Scoring, Shard
from earmark.experiment.spec import RepresentationChoice
from earmark.metrics import measure
from earmark.nouns import Failure
from earmark.probes.fit import fit as fit_stack
from earmark.probes.monitors import Monitor
from earmark.probes.saved import Fitted
from earmark.representations.embed import STATISTICS
from earmark.store import Store


@dataclass(frozen=True)
class Done:
    """What a job reports: items dealt with, seconds of audio they took in, the clips that failed, what it cost."""

    items: int
    audio_s: float = 0.0
    failures: tuple[Failure, ...] = ()
    costs: tuple[Cost, ...] = ()


@cache
def _opened(root: Path) -> Store:
    return Store(root)


def _store(root: Path) -> Store:
    """Return the store with what other processes appended since this one last looked."""
    store = _opened(root)
    store.refresh()
    return store


def embed_shard(shard: Shard, root: Path, device: str = devices.CPU) -> Done:
    """Embed every clip of a shard on a device: what is wanted of a clip is made in one go (see `one_pass`)."""
    store = _store(root)
    hearing, failures = OnePass(device), list[Failure]()
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


def vectors(store: Store, part: Part, choice: RepresentationChoice) -> np.ndarray:
    """Return the probe's input: (clips, layers, statistics × dim), one layer when they are averaged."""
    stored = store.get(part.keys)
    pooled = np.concatenate([stored[:, :, STATISTICS.index(name)] for name in choice.pool], axis=-1)
    if choice.reduce == "mean":
        pooled = pooled.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return pooled


def fit_probe(job: Fit, root: Path) -> Done:
    """Fit the stack of one recipe's seeds and keep each probe under its key."""
    store, pairing = _store(root), job.pairing
    subject = pairing.subject
    fitted = fit_stack(
        job.probe.recipe,
        subject.task.kind,
        (vectors(store, pairing.train, pairing.choice), subject.targets(pairing.train.clips)),
        (vectors(store, pairing.valid, pairing.choice), subject.targets(pairing.valid.clips)),
        n_outputs=len(subject.classes),
        seeds=[identity.seed_for("probe", key) for key in job.keys],
        classes=subject.classes,
        monitor=_key_score(subject.classes) if subject.task.kind == "key" else None,
    )
    for key, probe in zip(job.keys, fitted, strict=True):
        store.put_file("probes", key, PROBE, probe.to_bytes())
    return Done(len(fitted))


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
        numbers = [vars(number) for number in scoring.numbers(job, part, predictions)]
        buffer = io.BytesIO()
        scoring.prediction_table(job, part, predictions).write_parquet(buffer)
        store.put_file("scores", key, PREDICTIONS, buffer.getvalue())
        device = devices.of(store, part.keys)
        answer = {"numbers": numbers, "device": device, "seconds": round(time.perf_counter() - started, 3)}
        store.put_file("scores", key, SCORE, json.dumps(answer, ensure_ascii=False).encode())
    return Done(len(job.conditions))


def _predictions(store: Store, job: Scoring, part: Part) -> np.ndarray:
    """Return (seeds, clips, outputs)."""
    embeddings = vectors(store, part, job.pairing.choice)
    probes = [Fitted.from_bytes(store.read_file("probes", key, PROBE)) for key in job.probe_keys]
    return np.stack([probe.predict(embeddings) for probe in probes])


def _constant(job: Scoring, part: Part) -> np.ndarray:
    """Return what one predicts who knows the training targets and hears nothing: class shares or means."""
    subject = job.pairing.subject
    targets = subject.targets(job.pairing.train.clips)
    if subject.task.kind in ("multilabel", "regression"):
        prior = targets.mean(axis=0)
    else:
        prior = np.bincount(targets, minlength=len(subject.classes)) / len(targets)
    return np.broadcast_to(prior, (1, len(part.clips), len(prior)))
