"""What a run would take: jobs, what is there already, seconds, bytes. Nothing is computed but a short timing."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark import identity, licences
from earmark.errors import AudioError, UserError
from earmark.experiment import devices, one_pass, permitted
from earmark.experiment.jobs import Fit, Shard
from earmark.experiment.keys import Facts, Want
from earmark.experiment.passes import Pass, passes
from earmark.experiment.plan import Count
from earmark.experiment.readiness import Missing
from earmark.experiment.run import run_folder
from earmark.experiment.study import study
from earmark.nouns import Card
from earmark.probes import select
from earmark.probes.base import AnyRecipe
from earmark.probes.codelength import SHARES
from earmark.probes.recipe import Recipe
from earmark.representations.embed import STATISTICS, clip_embedding, segments

TIMED_S = 10.0
SECONDS_PER_DEFORMATION = 1 / 150  # of one second of audio: an MP3 round trip, the dearest of the usual ones
FLOAT32_BYTES = 4
FLOPS, SECONDS_PER_STEP = 2e10, 2e-4  # what two matrix products and one optimiser step cost on one core
SECONDS_PER_QUICK_FIT = 1.0


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
    source: Path | str,
    *,
    overrides: Sequence[str] = (),
    run_id: str | None = None,
    overwrite: str = "only-missing",
    commercial: bool = False,
    unverified: bool = False,
) -> Estimate:
    """Return what `run` of the same file would do. The answer changes nothing on disk.

    Only labels that are computed from the audio are kept in the store, for a plan needs them, as a run does. Raises
    as `study` does, and a UserError for layers or segments that a representation cannot give of any clip.
    """
    prepared = study(source, (*overrides, *permitted.said(commercial, unverified)))
    found = prepared.plan(force=("embed", "probe", "score") if overwrite == "always" else ())
    facts = prepared.keys.facts
    heard = hearing(found.shards, facts, cache(_seconds_per_second))
    cards = [one.card for one in facts.values()]
    return Estimate(
        run=run_folder(prepared.asked, run_id).name,
        jobs=found.jobs,
        embeddings=found.embeddings,
        probes=found.probes,
        scores=found.scores,
        failed=len(found.failed),
        audio_hours=heard.audio_hours,
        embed_seconds=heard.seconds,
        probe_seconds=sum(_probe_seconds(fit) for fit in found.fits)
        + sum(_probe_seconds(coding, SHARES[:-1]) for coding in found.codings),
        bytes_to_store=heard.n_bytes,
        notes=prepared.notes,
        licences=tuple(f"{card.name}: {licences.terms(card.licence)} ({card.licence})" for card in cards),
        missing=prepared.missing,
    )


class Hearing(NamedTuple):
    """Hours of audio to decode, seconds of one core to deform and embed it, and bytes of embeddings."""

    audio_hours: float
    seconds: float
    n_bytes: int


def hearing(shards: Iterable[Shard], facts: Mapping[str, Facts], cost: Callable[[Pass], float]) -> Hearing:
    """Return what the clips of shards take, a second of audio in a pass taking `cost`, each pass counted once.

    Clips that cannot be read take nothing, and what was computed elsewhere only its bytes.
    """
    heard_s, seconds, n_bytes = 0.0, 0.0, 0
    for work in (work for shard in shards for work in shard.works):
        wants = [want for want in work.wants if not facts[want.choice.name].by_clip]
        try:
            length_s = one_pass.seconds_of(work.placed.clip)
        except AudioError:
            continue
        heard_s += length_s if wants else 0.0
        n_bytes += sum(_n_bytes(want, facts[want.choice.name].card, length_s) for want in work.wants)
        for chain in dict.fromkeys(want.chain for want in wants):
            needed = passes(want for want in wants if want.chain == chain)
            a_second = sum(map(cost, needed)) + (SECONDS_PER_DEFORMATION if chain.steps else 0.0)
            seconds += length_s * a_second
    return Hearing(heard_s / 3600, seconds, n_bytes)


def _n_bytes(want: Want, card: Card, length_s: float) -> int:
    """Return the bytes of an embedding: nothing of a clip that is too short to have one."""
    choice, n_samples = want.choice, round(length_s * card.sample_rate)
    try:
        n_segments = len(segments(n_samples, card, choice.segment_s, choice.segment_hop_s))
    except UserError:
        return 0
    n_frames = round(length_s * card.frame_rate_hz) or n_segments
    n_statistics = len(STATISTICS)
    n_vectors = {"clip": n_statistics, "segments": n_statistics * n_segments, "frames": n_frames}[want.grain]
    return FLOAT32_BYTES * n_vectors * card.dim * (card.layers if choice.layers is None else len(choice.layers))


def _seconds_per_second(made_by: Pass) -> float:
    """Time a pass on ten seconds of noise, or on as much as its network takes at once."""
    representation = one_pass.representation(made_by.name, devices.CPU)
    card, rng = representation.card, identity.generator("estimate", made_by.name)
    n_samples = max(round(TIMED_S * card.sample_rate), card.min_samples)
    n_samples = n_samples if card.max_samples is None else min(n_samples, card.max_samples)
    noise = (0.1 * rng.standard_normal(n_samples)).astype(np.float32)
    how = made_by.layers, made_by.segment_s, made_by.segment_hop_s
    clip_embedding(representation, noise, *how)
    started = time.process_time()
    clip_embedding(representation, noise, *how)
    return (time.process_time() - started) * card.sample_rate / n_samples


def _probe_seconds(fit: Fit, shares: Sequence[float] = (1.0,)) -> float:
    """Return the most a stack can take, fitted on each share of its clips.

    For networks all epochs, forward and backward; other kinds are quick.
    """
    sizes = [math.ceil(share * len(fit.pairing.train.keys)) for share in shares]
    return sum(_fit_seconds(recipe, n_clips) for recipe in _trained(fit.recipe) for n_clips in sizes) * len(fit.seeds)


def _trained(recipe: AnyRecipe) -> Sequence[AnyRecipe]:
    """Return what is fitted for a recipe: itself, or every candidate on every layer."""
    return [one.recipe for one in recipe.candidates] if isinstance(recipe, select.Recipe) else [recipe]


def _fit_seconds(recipe: AnyRecipe, n_clips: int) -> float:
    if not isinstance(recipe, Recipe):
        return SECONDS_PER_QUICK_FIT
    steps = recipe.steps or recipe.epochs * -(-n_clips // recipe.batch_size)
    width = sum(size if isinstance(size, int) else 400 for size in recipe.hidden_units) + 100
    return steps * (SECONDS_PER_STEP + 6 * min(recipe.batch_size, n_clips) * width * 256 / FLOPS)
