"""What a run would take: jobs, what is there already, seconds, bytes. Nothing is computed but a short timing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark import audio, identity
from earmark.errors import AudioError
from earmark.experiment.plan import Count, Fit, Plan
from earmark.experiment.readiness import Missing
from earmark.experiment.run import run_folder
from earmark.experiment.study import study
from earmark.representations import base, features
from earmark.representations.embed import STATISTICS, clip_embedding

TIMED_S = 10.0
SECONDS_PER_DEFORMATION = 1 / 150  # of one second of audio: an MP3 round trip, the dearest of the usual ones
FLOPS, SECONDS_PER_STEP = 2e10, 2e-4  # what two matrix products and one optimiser step cost on one core


@dataclass(frozen=True)
class Estimate:
    """A plan in numbers. Seconds are of one core, and those of probes an upper bound: most stop early."""

    run: str
    jobs: int
    embeddings: Count
    probes: Count
    scores: Count
    failed: int
    audio_hours: float
    embed_seconds: float
    probe_seconds: float
    bytes_to_store: int
    notes: tuple[str, ...]
    licences: tuple[str, ...]
    missing: tuple[Missing, ...]


def plan(
    source: Path | str, *, overrides: Sequence[str] = (), run_id: str | None = None, overwrite: str = "only-missing"
) -> Estimate:
    """Return what `run` of the same file would do. The answer changes nothing on disk."""
    prepared = study(source, overrides)
    found = prepared.plan(force=("embed", "probe", "score") if overwrite == "always" else ())
    hours, seconds = _embedding_cost(found)
    cards = [facts.card for facts in prepared.keys.facts.values()]
    sizes = {card.name: 4 * len(STATISTICS) * card.dim * card.layers for card in cards}
    wants = [want for shard in found.shards for work in shard.works for want in work.wants]
    return Estimate(
        run=run_folder(prepared.asked, run_id).name,
        jobs=found.jobs,
        embeddings=found.embeddings,
        probes=found.probes,
        scores=found.scores,
        failed=len(found.failed),
        audio_hours=hours,
        embed_seconds=seconds,
        probe_seconds=sum(_probe_seconds(fit) for fit in found.fits),
        bytes_to_store=sum(sizes.get(want.choice.name, 0) for want in wants),
        notes=prepared.notes,
        licences=tuple(f"{card.name}: {card.licence}" for card in cards),
        missing=prepared.missing,
    )


def _embedding_cost(found: Plan) -> tuple[float, float]:
    """Return hours of audio to hear and seconds to embed it, from a timing of each representation on noise."""
    cost: dict[str, float] = {}
    heard, seconds = 0.0, 0.0
    for work in (work for shard in found.shards for work in shard.works):
        clip = work.placed.clip
        try:
            length = audio.info(clip.path).duration_s
        except AudioError:
            continue
        length = (clip.end_s if clip.end_s is not None else length) - (clip.start_s or 0.0)
        heard += length
        for want in work.wants:
            name = want.choice.name
            if name not in cost:
                cost[name] = _seconds_per_second(name)
            seconds += length * (cost[name] + (SECONDS_PER_DEFORMATION if want.chain.steps else 0.0))
    return heard / 3600, seconds


def _seconds_per_second(name: str) -> float:
    """Time a representation on ten seconds of noise."""
    representation = base.load(name)
    if isinstance(representation, features.OfClip):
        return 0.0  # it is read, not computed
    rng = identity.generator("estimate", name)
    noise = (0.1 * rng.standard_normal(round(TIMED_S * representation.card.sample_rate))).astype(np.float32)
    clip_embedding(representation, noise)
    started = time.process_time()
    clip_embedding(representation, noise)
    return (time.process_time() - started) / TIMED_S


def _probe_seconds(fit: Fit) -> float:
    """Return the most a stack can take: all epochs, forward and backward."""
    recipe, n = fit.probe.recipe, len(fit.pairing.train.keys)
    steps = recipe.epochs * -(-n // recipe.batch_size) * len(fit.seeds)
    width = sum(size if isinstance(size, int) else 400 for size in recipe.hidden_units) + 100
    return steps * (SECONDS_PER_STEP + 6 * recipe.batch_size * width * 256 / FLOPS)
