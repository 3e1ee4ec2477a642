"""How often does a 95 % interval hold what it is about: the same probe's score on endless fresh clips?

`python -m bench.coverage` prints the table of docs/trust.md. Nothing is timed, so `python -m bench` leaves it out.
Tasks are Gaussian clouds, so that fresh clips cost nothing: a logistic regression is fitted once on few clips, its
score on 200,000 fresh ones is the truth, and test sets are drawn again and again. A macro score depends on the size
of the test set (average precision with few positives is too high on average), so its truth is the mean over test
sets of that size.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from earmark import identity
from earmark.analysis import stats, trust
from earmark.metrics import measure
from earmark.nouns import Kind

Array = NDArray[Any]
REPETITIONS, PROBES, FRESH, RESAMPLES, DIM = 1_000, 20, 200_000, 1_000, 8
FRESH_SETS = 500


class Clips(NamedTuple):
    """Embeddings of clips, and their targets: class indices, or 0 and 1 by label."""

    embeddings: Float[Array, "clips dim"]
    targets: Int[Array, "clips ..."]


@dataclass(frozen=True)
class Clouds:
    """A task of Gaussian clouds: one a class (`shares` sum to 1), or one a label beside one of clips without it.

    `apart` is the distance of the clouds' means from each other (labels: from 0). With `group_clips` clips come in
    groups of so many, of one class, that share the part `alike` of their variance.
    """

    kind: Kind
    shares: tuple[float, ...]
    apart: float
    group_clips: int = 1
    alike: float = 0.0

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes or labels."""
        return tuple(map(str, range(len(self.shares))))

    def draw(self, n: int, rng: np.random.Generator) -> Clips:
        """Return `n` clips."""
        means = self.apart / np.sqrt(2) * np.eye(len(self.shares), max(DIM, len(self.shares)))
        n_groups = -(-n // self.group_clips)
        member = np.repeat(np.arange(n_groups), self.group_clips)[:n]
        if self.kind == "multilabel":
            targets = (rng.random((n_groups, len(self.shares))) < self.shares).astype(int)
            centres = targets @ means
        else:
            targets = rng.choice(len(self.shares), n_groups, p=self.shares)
            centres = means[targets]
        shared = rng.standard_normal(centres.shape) * np.sqrt(self.alike)
        own = rng.standard_normal((n, centres.shape[1])) * np.sqrt(1 - self.alike)
        return Clips((centres + shared)[member] + own, targets[member])


Scorer = Callable[[Array], Array]


def fitted(clouds: Clouds, n_train: int, rng: np.random.Generator) -> Scorer:
    """Return the scores of a logistic regression fitted on `n_train` clips: (clips, dim) → (clips, classes)."""
    embeddings, targets = clouds.draw(n_train, rng)
    if clouds.kind != "multilabel":
        model = LogisticRegression().fit(embeddings, targets)
        return lambda fresh: np.asarray(model.predict_proba(fresh))
    models = [LogisticRegression().fit(embeddings, column) for column in targets.T]
    return lambda fresh: np.stack([model.predict_proba(fresh)[:, 1] for model in models], axis=1)


@dataclass(frozen=True)
class Question:
    """A score of a probe fitted on `n_train` clips of a task, estimated from `n_test` of them."""

    name: str
    clouds: Clouds
    n_test: int
    metric: str = "accuracy"
    average: str = "micro"
    n_train: int = 1_000

    def value(self, score: Scorer, clips: Clips, weights: Array | None = None) -> Array:
        """Return the scores of clips under rows of weights."""
        predictions = score(clips.embeddings)
        found = measure(self.metric, self.clouds.kind, clips.targets, predictions, self.clouds.classes, weights)
        return found.averages[self.average]

    def truth(self, score: Scorer, rng: np.random.Generator) -> float:
        """Return the score that an interval is about."""
        if self.average == "micro":
            return float(self.value(score, self.clouds.draw(FRESH, rng))[0])
        sets = (self.clouds.draw(self.n_test, rng) for _ in range(min(FRESH_SETS, FRESH // self.n_test)))
        return float(np.nanmean([self.value(score, one)[0] for one in sets]))


@dataclass(frozen=True)
class Coverage:
    """What came out: the share of intervals that hold the truth, and means of what they show.

    `marked`: the share of intervals with a † in a table. `unmarked_share`: of the others, those that hold the truth.
    """

    question: Question
    share: float
    marked: float
    unmarked_share: float
    truth: float
    width: float


def coverage(question: Question, repetitions: int = REPETITIONS, probes: int = PROBES) -> Coverage:
    """Return how often the interval of a table holds the truth, over test sets of several probes in equal parts."""
    rng = identity.generator("coverage", question.name, question.n_test)
    n, clouds = question.n_test, question.clouds
    groups = [str(clip // clouds.group_clips) for clip in range(n)] if clouds.group_clips > 1 else None
    drawn = len(set(groups or range(n)))
    rows = []
    for _ in range(probes):
        score = fitted(clouds, question.n_train, rng)
        truth = question.truth(score, rng)
        weights = np.vstack([np.ones((1, n)), stats.resample_weights(n, groups, RESAMPLES, rng)])
        for _ in range(repetitions // probes):
            clips = clouds.draw(n, rng)
            value, samples = np.split(question.value(score, clips, weights), [1])
            trials = drawn if question.average == "micro" else None
            interval = stats.score_interval(samples, float(value[0]), trials)
            supports = None if trials else trust.support(clips.targets, len(clouds.shares), groups)
            is_exact = trials is not None and float(value[0]) in (0.0, 1.0)
            marked = not is_exact and trust.is_narrow(float(value[0]), samples, trust.Basis(drawn, supports))
            rows.append((interval.low, interval.high, truth, marked))
    low, high, truths, is_marked = np.array(rows).T
    holds = (low <= truths) & (truths <= high)  # an undefined interval holds nothing
    unmarked = holds[is_marked == 0].mean() if (is_marked == 0).any() else np.nan
    return Coverage(question, holds.mean(), is_marked.mean(), unmarked, truths.mean(), np.nanmean(high - low))


def even(n: int) -> tuple[float, ...]:
    """Return equal shares of `n` classes."""
    return (1 / n,) * n


TWO, FOURTEEN = Clouds("multiclass", even(2), 1.7), Clouds("multiclass", even(14), 3.0)


def questions() -> Iterator[Question]:
    """Yield the rows of the table."""
    for n in (10, 20, 30, 50, 100, 300):
        yield Question("2 classes", TWO, n)
    yield Question("14 classes", FOURTEEN, 300)
    for apart, n_tests in ((3.3, (100, 200, 300)), (4.7, (300, 1000))):
        for n in n_tests:
            yield Question("2 classes", Clouds("multiclass", even(2), apart), n)
    for apart, alike in ((1.7, 0.05), (1.7, 0.5), (3.3, 0.5)):
        for n_groups in (8, 12, 24, 50):
            grouped = Clouds("multiclass", even(2), apart, 20, alike)
            kinship = "much" if alike > 0.1 else "little"
            yield Question(f"2 classes, {n_groups} groups of 20, {kinship} alike", grouped, 20 * n_groups)
    for n in (30, 60, 300):
        yield Question("14 classes", FOURTEEN, n, average="macro")
        yield Question("14 classes", FOURTEEN, n, "f1", "macro")
    for labels, counts in ((1, (5, 10, 20, 30, 100)), (10, (3, 5, 10, 50)), (40, (3, 10, 50))):
        for positives in counts:
            tags = Clouds("multilabel", (positives / 1000,) * labels, 2.0)
            name = f"{labels} label{'s' * (labels > 1)} of {positives} clips"
            yield Question(name, tags, 1000, "average_precision", "macro", 3_000)
            yield Question(name, tags, 1000, "roc_auc", "macro", 3_000)


def main(arguments: Sequence[str]) -> None:
    """Print the table; an argument is the number of repetitions."""
    repetitions = int(arguments[0]) if arguments else REPETITIONS
    print("| task | test clips | score | truth | mean width | holds the truth | marked † | unmarked ones hold it |")
    print("|---|---|---|---|---|---|---|---|")
    for question in questions():
        one = coverage(question, repetitions)
        unmarked = "" if np.isnan(one.unmarked_share) else f"{one.unmarked_share:.3f}"
        print(
            f"| {question.name} | {question.n_test} | {question.metric}, {question.average} | {one.truth:.3f} "
            f"| {one.width:.3f} | {one.share:.3f} | {one.marked:.2f} | {unmarked} |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
