"""Result rows: what the store holds of a plan's answers, under the names of the experiment."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from earmark import __version__, identity, licences
from earmark.deformations import CLEAN, severity_of
from earmark.experiment.jobs import CODELENGTHS, SCORE, Fit, FoldMean, Scoring
from earmark.experiment.keys import Facts
from earmark.experiment.pairings import Pairing
from earmark.experiment.plan import Plan
from earmark.experiment.spec import ProbeChoice
from earmark.nouns import Result
from earmark.store import Store


def of_plan(plan: Plan, store: Store, run: str, facts: Mapping[str, Facts]) -> Iterator[Result]:
    """Yield the rows of every answer that the store holds, in the order of the experiment."""
    for scoring in plan.asked.answers:
        for chain, key in scoring.conditions.items():
            heard = {"run": run, "embedding_key": identity.key_of(test=scoring.pairing.tests[chain].keys)}
            for number in _numbers(store, key, scoring.metrics):
                yield _row(scoring, chain, number | heard, facts)
    for mean in plan.asked.means:
        yield from _of_folds(mean, store, run, facts)
    for coding in plan.asked.codings:
        files = [store.file(CODELENGTHS.folder, key, CODELENGTHS.suffix) for key in coding.keys]
        coded = [json.loads(one.read_text("utf-8")) for one in files if one]
        if len(coded) == len(coding.keys):
            yield from _coded(coding, coded, run, facts)


def _numbers(store: Store, key: str, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the numbers under a key, metric by metric, each with the device and the seconds of all."""
    found = store.file("scores", key, SCORE)
    if found is not None:
        answer = json.loads(found.read_text("utf-8"))
        for number in sorted(answer.pop("numbers"), key=lambda one: metrics.index(one["metric"])):
            yield number | answer


def _row(scoring: Scoring, chain: str, number: Mapping[str, Any], facts: Mapping[str, Facts]) -> Result:
    seeds = dict(zip(scoring.seeds, scoring.probe_keys, strict=False))
    seed = number["seed"]
    return Result(
        **_named(scoring.pairing, scoring.probe, facts),
        train_share=scoring.train_share,
        deformation=chain,
        severity=severity_of(chain),
        n_seeds=1 if seed is not None or scoring.probe is None else len(scoring.seeds),
        ci_level=scoring.ci_level,
        n_failed=len(scoring.pairing.subject.test) - len(scoring.pairing.tests[chain].clips),
        probe_key=seeds[seed] if seed is not None else identity.key_of(probes=scoring.probe_keys),
        **number,
    )


def _of_folds(mean: FoldMean, store: Store, run: str, facts: Mapping[str, Facts]) -> Iterator[Result]:
    """Yield the rows of a system on average over folds: `fold` None, their probes and clips together."""
    first = mean.folds[0]
    for chain, key in mean.conditions.items():
        heard = [one.pairing.tests[chain].keys for one in mean.folds]
        for number in _numbers(store, key, first.metrics):
            given = {"run": run, "embedding_key": identity.key_of(tests=heard)}
            in_each = [_row(one, chain, number | given, facts) for one in mean.folds]
            yield replace(
                in_each[0],
                fold=None,
                n_failed=sum(one.n_failed for one in in_each),
                unverified=any(one.unverified for one in in_each),
                probe_key=identity.key_of(folds=[one.probe_key for one in in_each]),
            )


def _named(pairing: Pairing, probe: ProbeChoice | None, facts: Mapping[str, Facts]) -> dict[str, Any]:
    """Return what a row says of the task, the data and the system; no probe: the constant predictor."""
    subject, choice, constant = pairing.subject, pairing.choice, probe is None
    cards = [] if constant else [facts[one.name].card for one in choice.parts if one.name in facts]
    return {
        "task": subject.task.name,
        "dataset": subject.dataset,
        "dataset_version": subject.dataset_version,
        "split": subject.split,
        "fold": subject.fold,
        "representation": "constant" if constant else choice.name,
        "layer": "" if constant else choice.layer_name,
        "pool": "" if constant else pairing.pool_name,
        "probe": "constant" if probe is None else probe.name,
        "preset": None if probe is None else probe.preset,
        "unverified": subject.unverified or any(card.verified == "no" for card in cards),
        "licence": licences.terms("; ".join(card.licence for card in cards)) if cards else "",
        "code_version": __version__,
    }


def _coded(coding: Fit, found: Sequence[Mapping[str, float]], run: str, facts: Mapping[str, Facts]) -> Iterator[Result]:
    """Yield how many bits the training targets took, and how many times fewer than without embeddings, by seed."""
    metrics = {
        "compression": [one["uniform_bits"] / one["bits"] for one in found],
        "codelength_bits": [one["bits"] for one in found],
    }
    train, all_keys = coding.pairing.train, identity.key_of(codelengths=coding.keys)
    for metric, values in metrics.items():
        seeds = [*zip(coding.seeds, coding.keys, values, strict=True), (None, all_keys, float(np.mean(values)))]
        for seed, key, value in seeds:
            yield Result(
                **_named(coding.pairing, coding.probe, facts),
                run=run,
                train_share=1.0,
                deformation=CLEAN.name,
                severity=None,
                seed=seed,
                n_seeds=1 if seed is not None else len(coding.seeds),
                metric=metric,
                average=None,
                label=None,
                value=value,
                ci_low=None,
                ci_high=None,
                ci_level=0.95,
                ci_method="none: it is of the training clips",
                n=len(train.clips),
                n_groups=None,
                n_failed=len(coding.pairing.subject.train) - len(train.clips),
                n_labels=len(coding.pairing.subject.classes),
                embedding_key=identity.key_of(test=train.keys),
                probe_key=key,
                device="cpu",
                seconds=0.0,
            )
