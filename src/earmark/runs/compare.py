"""Compare the systems of a run pair by pair, on the same test clips, and rank them over its tasks.

The seeds of a probe are averaged: what is compared is their mean score. Everything is computed from the predictions
in the run's folder.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import ceil
from pathlib import Path

import numpy as np

from earmark.analysis import paired, ranks, stats
from earmark.analysis.stats import Estimate
from earmark.counted import counted
from earmark.deformations import CLEAN
from earmark.errors import DataError, UnknownName, UserError
from earmark.experiment import results
from earmark.experiment.results import Run
from earmark.metrics import find
from earmark.runs import bouts, predictions
from earmark.runs import together as joining
from earmark.runs.bouts import Bout
from earmark.runs.comparison import Comparison, Pair, Ranked, Standing, TaskComparison, Verdict
from earmark.runs.predictions import Predicted

PERMUTATIONS = 2_000
POINTS_OF_P = 2
"""A corrected p must be able to be so many times less than what a verdict needs."""
FEWEST_TASKS = 3
CONSTANT = "constant"


def compare(
    run: Run | Path | str,
    metric: str | None = None,
    average: str | None = None,
    deformation: str = CLEAN.name,
    baseline: str | None = None,
    permutations: int | None = None,
    together: Mapping[str, str] | None = None,
) -> Comparison:
    """Return the comparison of every pair of a run's systems, or of each with a baseline, task by task.

    `run`: a run, its folder, its id or "latest". `metric` None takes each task's first. `baseline` names a system as
    the comparison does ("logmel (mean+std), M1"), or its representation alone ("logmel"): then each system is
    compared with the one of that representation that has the same probe. "constant" is the predictor that hears
    nothing; it is in no pair unless asked for. `permutations` None: 2,000, or as many more as Holm's correction for so
    many pairs needs. `together` maps a name to a pattern ("path:*-step-0"): the representations that are like it are
    one system of that name, each of them a seed. Raises UnknownName, UserError or DataError for what the run has not.
    """
    folder = run.folder if isinstance(run, Run) else results.find(run)
    found = joining.together(predictions.index(folder), together or {})
    known = dict.fromkeys(one.deformation for one in found)
    if deformation not in known:
        raise UnknownName("deformation of this run", deformation, known)
    names = dict.fromkeys(name for one in found for name in (one.system, one.representation))
    if baseline is not None and baseline not in names:
        raise UnknownName("system of this run", baseline, names)
    partitions: dict[tuple[str, str, str, float], list[Predicted]] = {}
    for one in found:
        hears_nothing = one.probe == CONSTANT  # and is scored on clean audio alone
        if (baseline == CONSTANT) if hears_nothing else (one.deformation == deformation):
            partitions.setdefault((one.task, one.dataset, one.split, one.train_share), []).append(one)
    level = found[0].ci_level
    of_systems = [{one.system: one for one in part} for part in partitions.values()]  # each has a file a fold
    n_tests = sum(len(_rivals([*systems.values()], baseline)) for systems in of_systems)
    drawn = permutations or enough(n_tests, level)
    played = [_task(part, metric, average, baseline, drawn) for part in partitions.values()]
    tasks = _corrected([task for task in played if task.pairs], level)
    if not tasks:
        raise DataError(f"Nothing to compare in '{folder.name}': it has one system. Run a second one beside it.")
    n_pairs = sum(len(task.pairs) for task in tasks)
    whole = [task for task in tasks if task.train_share == 1]
    notes = tuple(_too_few(drawn, n_pairs, level))
    return Comparison(tasks, _ranking(whole, level), deformation, level, n_pairs, notes)


def enough(n_tests: int, level: float) -> int:
    """Return how many permutations each of so many tests needs, so that corrected for all it can still tell."""
    return max(PERMUTATIONS, ceil(POINTS_OF_P * n_tests / (1 - level)))


def _too_few(permutations: int, n_pairs: int, level: float) -> Iterator[str]:
    lowest = 1 / (1 + permutations)
    if n_pairs * lowest > 1 - level:
        yield (
            f"{permutations:,} permutations give no p below {lowest:.2g}, which for {counted(n_pairs, 'pair')} "
            f"tells none apart: ask for at least {round(n_pairs / (1 - level)):,} permutations, or for a baseline."
        )


def _task(
    part: Sequence[Predicted], metric: str | None, average: str | None, baseline: str | None, permutations: int
) -> TaskComparison:
    bout = bouts.meet(part, metric, average)
    scored = {name: bout.estimates(name) for name in bout.systems}
    sign = 1 if find(bout.metric).higher_is_better else -1
    order = sorted(scored, key=lambda name: (-sign * np.nan_to_num(scored[name][0].value, nan=-sign * np.inf), name))
    systems = {one.system: one for one in part}
    pairs = tuple(
        _pair(a, b, scored[a][0], scored[b][0], bout, permutations)
        for a, b in _rivals([systems[name] for name in order], baseline)
    )
    return TaskComparison(
        bout.task,
        bout.dataset,
        bout.split,
        bout.train_share,
        len(bout.folds),
        bout.metric,
        bout.average,
        len(bout.clips),
        len(set(bout.groups)) if bout.groups else None,
        tuple(_standing(name, *scored[name]) for name in order),
        pairs,
        tuple(_remarks(bout, pairs)),
    )


def _rivals(systems: Sequence[Predicted], baseline: str | None) -> list[tuple[str, str]]:
    """Return the pairs to compare of systems that stand best first."""
    if baseline is None:
        return [(one.system, other.system) for one, other in combinations(systems, 2)]
    candidates = [one for one in systems if baseline in (one.system, one.representation)]
    if not candidates:  # another task of the run has it
        return []
    return [(one.system, _opponent(one, candidates)) for one in systems if one not in candidates]


def _opponent(one: Predicted, candidates: Sequence[Predicted]) -> str:
    alike = [other.system for other in candidates if other.probe == one.probe]
    alike = alike or [other.system for other in candidates]
    if len(alike) > 1:
        names = "; ".join(alike)
        raise UserError(f"Expected one baseline for '{one.system}', found {len(alike)}. Name one in full: {names}.")
    return alike[0]


def _standing(name: str, estimate: Estimate, seeds: np.ndarray) -> Standing:
    deviation = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else np.nan
    low, high, *_ = estimate.interval
    return Standing(name, _known(estimate.value), _known(low), _known(high), len(seeds), _known(deviation))


def _pair(a: str, b: str, one: Estimate, other: Estimate, bout: Bout, permutations: int) -> Pair:
    estimate = stats.paired_difference(one, other, bout.ci_level, bout.units)
    test = bout.permutation(a, b, permutations)
    samples = estimate.samples[~np.isnan(estimate.samples)]
    error = np.std(samples, ddof=1) if len(samples) > 1 else np.nan
    tellable = float(error * paired.errors_to_tell(bout.ci_level))
    low, high, *_ = estimate.interval
    return Pair(
        a,
        b,
        difference=_known(estimate.value),
        ci_low=_known(low),
        ci_high=_known(high),
        p=_known(test.p),
        p_holm=None,  # it needs the p of every pair
        verdict="not told apart",
        tellable=_known(tellable),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _corrected(tasks: Sequence[TaskComparison], level: float) -> tuple[TaskComparison, ...]:
    """Return the tasks with each pair's p corrected for all pairs there are, and what follows from it."""
    p_values = [np.nan if pair.p is None else pair.p for task in tasks for pair in task.pairs]
    corrected = iter(paired.holm(np.array(p_values)).tolist())
    return tuple(
        replace(task, pairs=tuple(_judged(pair, task.metric, next(corrected), level) for pair in task.pairs))
        for task in tasks
    )


def _judged(pair: Pair, metric: str, p_holm: float, level: float) -> Pair:
    verdict: Verdict = "not told apart"
    if p_holm < 1 - level and pair.difference:
        is_better = (pair.difference > 0) == find(metric).higher_is_better
        verdict = "better" if is_better else "worse"
    return replace(pair, p_holm=_known(p_holm), verdict=verdict)


def _remarks(bout: Bout, pairs: Sequence[Pair]) -> Iterator[str]:
    if bout.n_left_out:
        yield f"Left out, since not every system could hear it: {counted(bout.n_left_out, 'test clip')}."
    tellable = [pair.tellable for pair in pairs if pair.tellable]
    if tellable:
        low, high = f"{min(tellable):.3f}", f"{max(tellable):.3f}"
        least = low if low == high else f"{low} to {high}, depending on the pair,"
        yield (
            f"{bout.units}: a difference must be about {least} to be told with 80 % power, before correction; "
            "a smaller one may be there all the same."
        )
    n_units = len(set(bout.groups or bout.clips))
    if 2.0 ** (1 - n_units) > 1 - bout.ci_level:
        yield f"With {bout.units} no p can be below {2.0 ** (1 - n_units):.2g}: nothing can be told apart."


def _ranking(tasks: Sequence[TaskComparison], level: float) -> Ranked | None:
    """Return the ranking of the systems that every task has; None where tasks or systems are too few."""
    scores: dict[str, list[float]] = {}
    for task in tasks:
        sign = 1 if find(task.metric).higher_is_better else -1
        for one in task.standings:
            if one.value is not None:
                scores.setdefault(one.system, []).append(sign * one.value)
    names = [name for name, values in scores.items() if len(values) == len(tasks)]
    if len(tasks) < FEWEST_TASKS or len(names) < 2:
        return None
    found = ranks.rank(np.array([scores[name] for name in names]).T, level)
    order = np.argsort(found.mean_ranks, kind="stable").tolist()
    return Ranked(
        tuple((names[i], float(found.mean_ranks[i])) for i in order),
        len(tasks),
        found.p,
        found.critical_difference,
        tuple(tuple(names[i] for i in clique) for clique in found.cliques),
    )
