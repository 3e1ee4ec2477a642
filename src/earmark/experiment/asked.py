"""What a subject asks for: every probe on every representation, what they are scored by, and under which keys."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from earmark import identity
from earmark.deformations import CLEAN
from earmark.experiment.jobs import CODELENGTHS, PROBES, Fit, Made, Scoring
from earmark.experiment.keys import Keys
from earmark.experiment.pairings import Pairing, grain_of, grains_of, pair, with_share
from earmark.experiment.spec import Block, Experiment, ProbeChoice, RepresentationChoice
from earmark.experiment.subjects import Subject, members
from earmark.metrics import code_sha256, defaults
from earmark.probes import kinds
from earmark.probes.base import AnyRecipe, told
from earmark.probes.select import Recipe as Choice

SCORE_VERSION = 2


class OfSubject(NamedTuple):
    """What is to be fitted, what is to be coded, and the scores that answer."""

    fits: list[Fit]
    codings: list[Fit]
    answers: list[Scoring]


def of_subject(experiment: Experiment, block: Block, subject: Subject, keys: Keys, failed: frozenset[str]) -> OfSubject:
    """Return what a subject asks for: every probe on every representation, at each share of the training clips."""
    seen = {
        (choice, grain): pair(subject, choice, grain, block.deformations, keys, failed)
        for choice in block.representations
        for grain in grains_of(block)
    }
    hearing_nothing = min(seen.values(), key=lambda pairing: pairing.key)  # whichever comes first in the file
    found, seeds = OfSubject([], [], []), sorted(block.seeds)
    for share in block.train_shares or (1.0,):
        constant = with_share(hearing_nothing, share, seeds[0])
        found.answers.append(_scoring(experiment, block, constant, (), share))
        for choice in block.representations:
            for probe in block.probes:
                pairing = seen[choice, grain_of(block, probe)]
                recipe = probe.recipe if choice.reduce != "best" else _of_layers(probe.recipe, _n_layers(choice, keys))
                fits = _fits(pairing, probe, recipe, seeds, share)
                found.fits.extend(fits)
                found.answers.append(_scoring(experiment, block, pairing, fits, share))
                if block.codelength and share == 1:
                    found.codings.append(_fit(pairing, probe, recipe, seeds, CODELENGTHS))
    return found


def _n_layers(choice: RepresentationChoice, keys: Keys) -> int:
    return keys.facts[choice.name].card.layers if choice.layers is None else len(choice.layers)


def _of_layers(recipe: AnyRecipe, n_layers: int) -> AnyRecipe:
    """Return the recipe of a probe that chooses, on the validation clips, which layer it sees."""
    layers = tuple(range(n_layers))
    return replace(recipe, layers=layers) if isinstance(recipe, Choice) else Choice((recipe,), layers)


def _fits(
    pairing: Pairing, probe: ProbeChoice, recipe: AnyRecipe, seeds: Sequence[int], share: float
) -> tuple[Fit, ...]:
    """Return one stack for all seeds; of a share of the training clips one a seed, since each draws its own."""
    if share == 1:
        return (_fit(pairing, probe, recipe, seeds),)
    return tuple(_fit(with_share(pairing, share, seed), probe, recipe, (seed,)) for seed in seeds)


def _fit(
    pairing: Pairing, probe: ProbeChoice, recipe: AnyRecipe, seeds: Sequence[int], what: Made | None = None
) -> Fit:
    made, code = what or PROBES, kinds.code_sha256(recipe)
    fixed = {made.name: made.version, "data": pairing.key, "recipe": told(recipe)}
    fixed |= {"code_sha256": code} if code else {}  # of a user's own class
    keys = tuple(identity.key_of(**fixed, seed=seed) for seed in seeds)
    return Fit(pairing, probe, recipe, tuple(seeds), keys)


def _scoring(experiment: Experiment, block: Block, pairing: Pairing, fits: Sequence[Fit], share: float) -> Scoring:
    """Return what is scored: a probe under every chain; the constant predictor, which hears nothing, only clean."""
    subject = pairing.subject
    probe_keys = tuple(key for fit in fits for key in fit.keys) or (identity.key_of(constant=pairing.key),)
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
            metrics={name: code_sha256(name) for name in metrics},
            resamples=experiment.resamples,
            ci_level=experiment.ci_level,
            **({"per": members(part.clips, sorted(block.per))} if block.per else {}),
        )
        for chain, part in pairing.tests.items()
        if fits or chain == CLEAN.name
    }
    return Scoring(
        pairing=pairing,
        probe=fits[0].probe if fits else None,
        seeds=tuple(seed for fit in fits for seed in fit.seeds),
        probe_keys=probe_keys,
        metrics=metrics,
        conditions=conditions,
        resamples=experiment.resamples,
        ci_level=experiment.ci_level,
        per=block.per,
        train_share=share,
    )
