"""Laws of the ranking metrics: ROC-AUC, average precision, d′. Oracles: scikit-learn; normal scores of known d′."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings

from earmark.metrics import measure
from tests.metric_samples import SEEDS, Sample, draw, one, values

RANKING = ("roc_auc", "average_precision", "d_prime")


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_ranking_metrics_equal_scikit_learn_with_ties_and_missing_labels(seed: int) -> None:
    sample = draw("multilabel", seed)
    columns = dict(zip(sample.classes, zip(sample.targets.T, sample.predictions.T, strict=True), strict=True))
    oracles = {
        "roc_auc": ({"0", "1"}, sklearn.metrics.roc_auc_score),
        "average_precision": ({"1"}, sklearn.metrics.average_precision_score),
    }
    for name, (needed, oracle) in oracles.items():
        expected = {label: oracle(*pair) for label, pair in columns.items() if needed <= set(map(str, pair[0]))}
        found = measure(name, "multilabel", *sample)
        assert set(found.left_out) == set(sample.classes) - set(expected)
        assert {label: found.labels[label][0] for label in expected} == pytest.approx(expected, abs=1e-12)
        mean = np.mean([*expected.values()]) if expected else np.nan
        assert found.averages["macro"][0] == pytest.approx(mean, abs=1e-12, nan_ok=True)


def test_a_label_on_every_clip_has_average_precision_but_no_roc_auc() -> None:
    sample = Sample(np.array([[1, 1], [1, 0]]), np.array([[0.9, 0.8], [0.1, 0.2]]), ("always", "once"))
    assert measure("average_precision", "multilabel", *sample).left_out == ()
    assert measure("roc_auc", "multilabel", *sample).left_out == ("always",)


@pytest.mark.parametrize("name", RANKING)
@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_one_class_per_clip_is_ranked_as_one_label_against_the_rest(name: str, seed: int) -> None:
    sample = draw("multiclass", seed)
    labels = np.eye(len(sample.classes), dtype=int)[sample.targets]
    found = measure(name, "multiclass", *sample)
    as_labels = measure(name, "multilabel", labels, sample.predictions, sample.classes)
    np.testing.assert_array_equal(values(found), values(as_labels))
    assert found.left_out == as_labels.left_out


def test_one_against_the_rest_equals_scikit_learn_on_probabilities() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(5), 300)
    sample = Sample(np.array([rng.choice(5, p=row) for row in probabilities]), probabilities, tuple("abcde"))
    auc = sklearn.metrics.roc_auc_score(*sample[:2], multi_class="ovr", average="macro")
    precision = sklearn.metrics.average_precision_score(*sample[:2], average="macro")
    assert one("roc_auc", "multiclass", sample, "macro") == pytest.approx(auc, abs=1e-12)
    assert one("average_precision", "multiclass", sample, "macro") == pytest.approx(precision, abs=1e-12)


# d′


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_d_prime_is_that_of_the_area_by_label_and_then_averaged(seed: int) -> None:
    sample = draw("multilabel", seed)
    areas, found = measure("roc_auc", "multilabel", *sample), measure("d_prime", "multilabel", *sample)
    assert found.left_out == areas.left_out
    inside = [label for label in sample.classes if 0 < areas.labels[label][0] < 1]
    expected = {label: np.sqrt(2) * scipy.stats.norm.ppf(areas.labels[label][0]) for label in inside}
    assert {label: found.labels[label][0] for label in inside} == pytest.approx(expected, abs=1e-12)
    defined = [value[0] for value in found.labels.values() if not np.isnan(value[0])]
    mean = np.mean(defined) if defined else np.nan
    assert found.averages["macro"][0] == pytest.approx(mean, abs=1e-12, nan_ok=True)


def test_d_prime_of_normal_scores_is_the_distance_of_their_means() -> None:
    rng = np.random.default_rng(0)
    has_label = np.arange(60_000)[:, None] % 3 == 0
    sample = Sample(has_label.astype(int), rng.normal(size=has_label.shape) + 1.5 * has_label, ("sung",))
    assert one("d_prime", "multilabel", sample, "macro") == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (2, 3), (40, 60)])
def test_a_perfect_label_has_a_finite_d_prime_above_that_of_a_single_tie(positives: int, negatives: int) -> None:
    targets = np.repeat([1, 0], [positives, negatives])[:, None]
    perfect = np.arange(len(targets), 0.0, -1)[:, None]
    tied = perfect.copy()
    tied[positives] = tied[positives - 1]
    best, next_best, worst = (
        one("d_prime", "multilabel", Sample(targets, scores, ("a",)), "macro") for scores in (perfect, tied, -perfect)
    )
    assert next_best < best < np.inf
    assert worst == pytest.approx(-best, abs=1e-9)
    assert best == pytest.approx(np.sqrt(2) * scipy.stats.norm.ppf(1 - 0.25 / (positives * negatives)), abs=1e-9)


def test_equal_scores_have_the_area_one_half_and_the_precision_of_guessing() -> None:
    sample = Sample(np.array([[1], [0], [0], [0]]), np.zeros((4, 1)), ("a",))
    assert [one(name, "multilabel", sample, "macro") for name in RANKING] == pytest.approx([0.5, 0.25, 0.0])


@pytest.mark.parametrize("name", RANKING)
def test_one_class_or_one_clip_alone_cannot_be_ranked(name: str) -> None:
    for clips in (1, 5):
        found = measure(name, "multiclass", np.zeros(clips, int), np.ones((clips, 1)), ("cello",))
        is_scorable = name == "average_precision"  # every clip is a positive: all found, none wrong
        assert found.averages["macro"][0] == pytest.approx(1.0 if is_scorable else np.nan, nan_ok=True)
        assert found.left_out == (() if is_scorable else ("cello",))
