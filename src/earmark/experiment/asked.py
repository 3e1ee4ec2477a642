"""What a subject asks for: every probe on every representation, what they are scored by, and under which keys."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from earmark import identity
from earmark.analysis.tables import seen_as
from earmark.deformations import CLEAN
from earmark.experiment.jobs import CODELENGTHS, PROBES, Fit, FoldMean, Made, Scoring
from earmark.experiment.keys import Keys
from earmark.experiment.pairings import Pairing, grain_of, grains_of, pair, unfitted, with_share
from earmark.experiment.spec import Block, Experiment, ProbeChoice, RepresentationChoice, ShareOf
from earmark.experiment.subjects import Subject, members
from earmark.metrics import code_sha256, defaults
from earmark.probes import kinds
from earmark.probes.base import AnyRecipe, told
from earmark.probes.select import Recipe as Choice

SCORE_VERSION = 2
MEAN_VERSION = 3
System = tuple[RepresentationChoice, ProbeChoice | None, float]  # what is scored, and the share that it was fitted on


class Asked(NamedTuple):
    """What is to be fitted, what is to be coded, the scores that answer, and their means over folds."""

    fits: list[Fit]
    codings: list[Fit]
    answers: list[Scoring]
    means: list[FoldMean]


def of_experiment(
    experiment: Experiment, subjects: Mapping[Block, Sequence[Subject]], keys: Keys, failed: frozenset[str]
) -> Asked:
    """Return everything that an experiment asks for. Clips of which an embedding has `failed` are left out.

    Raises SpecError at the block where a system is scored a second time, otherwise, under the names of the first.
    """
    asked = Asked([], [], [], [])
    rows: dict[tuple[object, ...], object] = {}
    for index, block in enumerate(experiment.blocks):
        folds: dict[tuple[str, str], list[list[Scoring]]] = {}
        for subject in subjects[block]:
            before = folds.setdefault((subject.dataset, subject.split), [])
            first = {_system(one): one.probe_keys for one in before[0]} if before else {}
            n_before = len(asked.answers)
            _add_subject(asked, experiment, block, subject, keys, failed, first)
            before.append(asked.answers[n_before:])
            if twin := next((one for one in before[-1] if _is_another(one, rows)), None):
                raise experiment.error(("experiments", index), _twice(twin))
        for answers in folds.values():
            if len(answers) > 1:
                asked.means.extend(_mean(same) for same in zip(*answers, strict=True))
    return asked


def _is_another(scoring: Scoring, rows: dict[tuple[object, ...], object]) -> bool:
    """Note what names the rows of a system; say whether they are taken by one fitted or tested otherwise."""
    pairing, subject = scoring.pairing, scoring.pairing.subject
    if scoring.probe is None:  # it hears nothing, so blocks that differ in what is heard have the same
        return False
    choice = pairing.choice.name, pairing.choice.layer_name, pairing.pool_name
    partition = subject.task.name, subject.dataset, subject.split, subject.fold, scoring.train_share
    named = {(*partition, *choice, scoring.probe.name, chain): chain for chain in scoring.conditions}
    made = {name: (scoring.probe_keys, pairing.tests[chain].keys) for name, chain in named.items()}
    return any(rows.setdefault(name, how) != how for name, how in made.items())


def _twice(scoring: Scoring) -> str:
    pairing, subject = scoring.pairing, scoring.pairing.subject
    seen = seen_as(pairing.choice.name, pairing.choice.layer_name, pairing.pool_name)
    return (
        f"'{subject.task.name}' on {subject.dataset} is scored a second time by the system "
        f"'{seen}, {scoring.probe.name if scoring.probe else ''}', on other clips or fitted otherwise: no table could "
        "tell the two apart. Give one of the two tasks or probes a name of its own, or leave one out."
    )


def _system(scoring: Scoring) -> System:
    return scoring.pairing.choice, scoring.probe, scoring.train_share


def _mean(folds: tuple[Scoring, ...]) -> FoldMean:
    keys = {chain: [one.conditions[chain] for one in folds] for chain in folds[0].conditions}
    return FoldMean(
        folds, {chain: identity.key_of(mean=MEAN_VERSION, folds=of_chain) for chain, of_chain in keys.items()}
    )


def _add_subject(
    asked: Asked,
    experiment: Experiment,
    block: Block,
    subject: Subject,
    keys: Keys,
    failed: frozenset[str],
    first: Mapping[System, tuple[str, ...]],
) -> None:
    """Add what a subject asks for: every probe on every representation, at each share of the training clips.

    `first` holds the probes of the first fold, by what they are, where this is a later one.
    """
    seen = {
        (choice, grain): pair(subject, choice, grain, block.deformations, keys, failed)
        for choice in block.representations
        for grain in grains_of(block)
    }
    hearing_nothing = min(seen.values(), key=lambda pairing: pairing.key)  # whichever comes first in the file
    seeds = sorted(block.seeds)
    shares, share_of = block.train_shares or (1.0,), block.share_of
    for share in shares:
        constant = with_share(hearing_nothing, share, seeds[0], share_of)
        asked.answers.append(scoring_of(experiment, block, constant, (), share))
        for choice in block.representations:
            for probe in block.probes:
                pairing = seen[choice, grain_of(block, probe)]
                if not kinds.is_fitted(probe.recipe):
                    reading = _fit(unfitted(pairing), probe, probe.recipe, seeds, PROBES)
                    asked.fits.append(reading)
                    asked.answers.append(scoring_of(experiment, block, reading.pairing, (reading,), share))
                    continue
                recipe = probe.recipe if choice.reduce != "best" else _of_layers(probe.recipe, _n_layers(choice, keys))
                followed = first.get((choice, probe, share), ()) if _is_searched_once(recipe) else ()
                fits = _fits(pairing, probe, recipe, seeds, share, share_of, followed)
                asked.fits.extend(fits)
                asked.answers.append(scoring_of(experiment, block, pairing, fits, share))
                # Of all training clips, whatever shares of them are also fitted on.
                if block.codelength and share == shares[-1]:
                    asked.codings.append(_fit(pairing, probe, recipe, seeds, CODELENGTHS))


def _n_layers(choice: RepresentationChoice, keys: Keys) -> int:
    return keys.facts[choice.name].card.layers if choice.layers is None else len(choice.layers)


def _of_layers(recipe: AnyRecipe, n_layers: int) -> AnyRecipe:
    """Return the recipe of a probe that chooses, on the validation clips, which layer it sees."""
    layers = tuple(range(n_layers))
    return replace(recipe, layers=layers) if isinstance(recipe, Choice) else Choice((recipe,), layers)


def _is_searched_once(recipe: AnyRecipe) -> bool:
    return isinstance(recipe, Choice) and recipe.first_fold_only


def _fits(
    pairing: Pairing,
    probe: ProbeChoice,
    recipe: AnyRecipe,
    seeds: Sequence[int],
    share: float,
    share_of: ShareOf,
    followed: tuple[str, ...],
) -> tuple[Fit, ...]:
    """Return one stack for all seeds; of a share of the training clips one a seed, since each draws its own."""
    if share == 1:
        return (_fit(pairing, probe, recipe, seeds, PROBES, followed),)
    return tuple(
        _fit(with_share(pairing, share, seed, share_of), probe, recipe, (seed,), PROBES, followed[i : i + 1])
        for i, seed in enumerate(seeds)
    )


def _fit(
    pairing: Pairing,
    probe: ProbeChoice,
    recipe: AnyRecipe,
    seeds: Sequence[int],
    made: Made,
    followed: tuple[str, ...] = (),
) -> Fit:
    code = kinds.code_sha256(recipe)
    fixed = {made.name: made.version, "data": pairing.key, "recipe": told(recipe)}
    fixed |= {"code_sha256": code} if code else {}  # of a user's own class
    own: list[dict[str, object]] = [{"seed": seed} for seed in seeds]
    for one, key in zip(own, followed, strict=False):
        one["follows"] = key
    keys = tuple(identity.key_of(**(fixed | one)) for one in own)
    return Fit(pairing, probe, recipe, tuple(seeds), keys, followed)


def scoring_of(experiment: Experiment, block: Block, pairing: Pairing, fits: Sequence[Fit], share: float) -> Scoring:
    """Return what is scored: a probe under every chain; the constant predictor, which hears nothing, only clean."""
    subject = pairing.subject
    probe_keys = tuple(key for fit in fits for key in fit.keys) or (identity.key_of(constant=pairing.key),)
    metrics = block.metrics or defaults(subject.task.kind)
    hz = {chain: subject.target_hz(part.clips) for chain, part in pairing.tests.items()}
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
            **({} if (exact := hz[chain]) is None else {"target_hz": exact.tolist()}),
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
