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
from pathlib import Path

import numpy as np

from earmark import audio, deformations, identity
from earmark.errors import AudioError, UserError
from earmark.experiment import scoring
from earmark.experiment.keys import Want
from earmark.experiment.plan import PREDICTIONS, PROBE, SCORE, ClipWork, Fit, Part, Scoring, Shard
from earmark.experiment.spec import RepresentationChoice
from earmark.metrics import measure
from earmark.nouns import Failure
from earmark.probes.fit import fit as fit_stack
from earmark.probes.monitors import Monitor
from earmark.probes.saved import Fitted
from earmark.representations import base
from earmark.representations.base import Representation
from earmark.representations.embed import STATISTICS, clip_embedding
from earmark.store import Store, Writer


@dataclass(frozen=True)
class Done:
    """What a job reports: items dealt with, seconds of audio they took in, and the clips that failed."""

    items: int
    audio_s: float = 0.0
    failures: tuple[Failure, ...] = ()


@cache
def _opened(root: Path) -> Store:
    return Store(root)


def _store(root: Path) -> Store:
    """Return the store with what other processes appended since this one last looked."""
    store = _opened(root)
    store.refresh()
    return store


@cache
def _representation(name: str) -> Representation:
    return base.load(name)


def embed_shard(shard: Shard, root: Path) -> Done:
    """Embed every clip of a shard: one decode a clip, one deformation a chain, one pass a representation."""
    store = _store(root)
    seconds, failures = 0.0, []
    with store.writer() as writer:
        for work in shard.works:
            try:
                sound = audio.read(work.placed.clip.path, None, work.placed.clip.start_s, work.placed.clip.end_s)
            except AudioError as error:
                failures += _failed(store, work, work.wants, error.reason)
                continue
            done = _embed_clip(work, sound, writer)
            seconds += len(sound.samples) / sound.sample_rate * len({want.chain for want in work.wants})
            for want, reason in done.items():
                failures += _failed(store, work, (want,), reason)
    return Done(sum(len(work.wants) for work in shard.works), seconds, tuple(failures))


def _embed_clip(work: ClipWork, sound: audio.Audio, writer: Writer) -> dict[Want, str]:
    """Put the embeddings of one decoded clip into the store; return the wants that could not be met, with reasons."""
    refused: dict[Want, str] = {}
    for chain in dict.fromkeys(want.chain for want in work.wants):
        wants = [want for want in work.wants if want.chain == chain]
        try:
            rates = _Rates(_deformed(sound, wants[0]), sound.sample_rate)
        except UserError as error:
            refused |= dict.fromkeys(wants, str(error))
            continue
        for want in wants:
            representation, choice = _representation(want.choice.name), want.choice
            samples = rates.at(representation.card.sample_rate)
            try:
                vector = clip_embedding(representation, samples, choice.layers, choice.segment_s, choice.segment_hop_s)
            except UserError as error:
                refused[want] = str(error)
                continue
            if np.isfinite(vector).all():
                writer.put(want.key, vector, _provenance(work, want, representation))
            else:
                refused[want] = f"'{choice.name}' gave numbers that are not finite"
    return refused


def _deformed(sound: audio.Audio, want: Want) -> np.ndarray:
    if want.seed is None:
        return sound.samples
    return deformations.apply(want.chain, sound.samples, sound.sample_rate, want.seed)


class _Rates:
    """The samples of one clip at the rates that are asked for, each resampled once."""

    def __init__(self, samples: np.ndarray, sample_rate: int) -> None:
        self._found = {sample_rate: samples}
        self._source = sample_rate

    def at(self, sample_rate: int) -> np.ndarray:
        if sample_rate not in self._found:
            self._found[sample_rate] = audio.resample(self._found[self._source], self._source, sample_rate)
        return self._found[sample_rate]


def _provenance(work: ClipWork, want: Want, representation: Representation) -> Mapping[str, object]:
    clip, card = work.placed.clip, representation.card
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
    for chain, key in job.conditions.items():
        started = time.perf_counter()
        part = job.pairing.tests[chain]
        predictions = _constant(job, part) if job.probe is None else _predictions(store, job, part)
        numbers = [vars(number) for number in scoring.numbers(job, part, predictions)]
        buffer = io.BytesIO()
        scoring.prediction_table(job, part, predictions).write_parquet(buffer)
        store.put_file("scores", key, PREDICTIONS, buffer.getvalue())
        answer = {"numbers": numbers, "device": "cpu", "seconds": round(time.perf_counter() - started, 3)}
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
