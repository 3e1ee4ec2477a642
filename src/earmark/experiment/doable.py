"""What of a plan can be done now: the jobs whose embeddings, probes and predictions are there."""

from collections.abc import Set
from dataclasses import replace

from earmark.experiment.jobs import PREDICTIONS, PROBE, Fit, FoldMean, Scoring
from earmark.experiment.pairings import Part
from earmark.probes import kinds
from earmark.store import Store


def fitted_on(fit: Fit) -> tuple[Part, ...]:
    """Return the parts that a probe is fitted on."""
    return (fit.pairing.train, fit.pairing.valid) if kinds.is_fitted(fit.recipe) else ()


def scorable(store: Store, scoring: Scoring) -> Scoring:
    """Return the scoring with only the conditions whose probes and test embeddings are there."""
    if scoring.probe and not all(store.file("probes", key, PROBE) for key in scoring.probe_keys):
        return replace(scoring, conditions={})
    learns = scoring.probe is None or kinds.is_fitted(scoring.probe.recipe)
    tests = scoring.pairing.tests if scoring.pairing.train.clips or not learns else {}
    here = {chain: is_here(part, store.has(part.embeddings)) for chain, part in tests.items()}
    return replace(scoring, conditions={c: key for c, key in scoring.conditions.items() if here.get(c)})


def averageable(store: Store, mean: FoldMean) -> FoldMean:
    """Return the mean with only the conditions of which every fold is scored."""

    def is_scored(chain: str) -> bool:
        return all(store.file("scores", one.conditions[chain], PREDICTIONS) for one in mean.folds)

    return replace(mean, conditions={chain: key for chain, key in mean.conditions.items() if is_scored(chain)})


def is_here(part: Part, here: Set[str]) -> bool:
    """Say whether all embeddings of a part are among those that are here, and there are any."""
    return bool(part.clips) and here >= part.embeddings
