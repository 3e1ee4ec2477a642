"""Laws of the metrics. Oracles: scikit-learn; a naive repetition of clips for the weights."""

import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings

from earmark.errors import DataError, UnknownName, UserError
from earmark.metrics import METRICS, defaults, measure, primary_average
from earmark.metrics.classes import top_k_accuracy
from earmark.nouns import Kind
from tests.metric_samples import KINDS, SEEDS, Sample, draw, one, values

DOCS = Path(__file__).parent.parent / "docs"
PAIRS = [(name, kind) for name, metric in METRICS.items() for kind in KINDS if kind in metric.kinds]


# Weights


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_a_row_of_weights_scores_as_literally_repeated_clips(name: str, kind: Kind, seed: int) -> None:
    sample = draw(kind, seed)
    weights = np.random.default_rng(seed).poisson(0.6, (4, 40)).astype(float)
    weights[:, 0] += 1
    found = values(measure(name, kind, *sample, weights))
    for row, counts in enumerate(weights.astype(int)):
        targets, predictions = (np.repeat(each, counts, axis=0) for each in sample[:2])
        repeated = values(measure(name, kind, targets, predictions, sample.classes))
        np.testing.assert_allclose(found[row], repeated[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_order_of_clips_changes_nothing(name: str, kind: Kind) -> None:
    sample = draw(kind, 3)
    order = np.random.default_rng(0).permutation(40)
    shuffled = measure(name, kind, sample.targets[order], sample.predictions[order], sample.classes)
    np.testing.assert_allclose(values(shuffled), values(measure(name, kind, *sample)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_scores_have_one_value_a_row_and_the_averages_that_the_metric_declares(name: str, kind: Kind) -> None:
    sample = draw(kind, 1)
    found = measure(name, kind, *sample, np.ones((3, 40)))
    assert tuple(found.averages) == METRICS[name].averages
    assert tuple(found.labels) == sample.classes
    assert values(found).shape == (3, len(found.averages) + len(sample.classes))
    assert all(np.isnan(found.labels[label]).all() for label in found.left_out)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_chunking_the_rows_changes_no_bit(name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = draw(kind, 5)
    weights = np.random.default_rng(1).poisson(1.0, (20, 40))
    whole = values(measure(name, kind, *sample, weights))
    monkeypatch.setattr("earmark.metrics.base.CHUNK_BYTES", 8 * 40 * 3)
    np.testing.assert_array_equal(values(measure(name, kind, *sample, weights)), whole)


# One class per clip


@given(seed=SEEDS)
@settings(max_examples=50, deadline=None)
def test_class_metrics_equal_scikit_learn_on_the_classes_that_occur(seed: int) -> None:
    sample = draw("multiclass", seed)
    guesses, present = sample.predictions.argmax(axis=1), np.unique(sample.targets)
    hits, scores = measure("accuracy", "multiclass", *sample), measure("f1", "multiclass", *sample)
    report = sklearn.metrics.classification_report(
        sample.targets, guesses, labels=present, output_dict=True, zero_division=0
    )
    assert hits.averages["micro"][0] == pytest.approx(
        sklearn.metrics.accuracy_score(sample.targets, guesses), abs=1e-12
    )
    assert hits.averages["macro"][0] == pytest.approx(report["macro avg"]["recall"], abs=1e-12)
    assert scores.averages["macro"][0] == pytest.approx(report["macro avg"]["f1-score"], abs=1e-12)
    micro = sklearn.metrics.f1_score(sample.targets, guesses, average="micro")
    assert scores.averages["micro"][0] == pytest.approx(micro, abs=1e-12)
    for index in present:
        label = sample.classes[index]
        assert hits.labels[label][0] == pytest.approx(report[str(index)]["recall"], abs=1e-12)
        assert scores.labels[label][0] == pytest.approx(report[str(index)]["f1-score"], abs=1e-12)


def test_macro_accuracy_is_balanced_accuracy() -> None:
    sample = draw("multiclass", 4, clips=400)
    balanced = sklearn.metrics.balanced_accuracy_score(sample.targets, sample.predictions.argmax(axis=1))
    assert one("accuracy", "multiclass", sample, "macro") == pytest.approx(balanced, abs=1e-12)


def test_a_class_without_clips_is_named_and_not_averaged_even_when_predicted() -> None:
    sample = Sample(np.array([0, 0, 1]), np.eye(3)[[0, 2, 1]], ("cello", "flute", "oboe"))
    found = measure("f1", "multiclass", *sample)
    assert found.left_out == ("oboe",)
    assert found.averages["macro"][0] == pytest.approx((2 / 3 + 1) / 2)


def test_of_equal_scores_the_first_class_wins() -> None:
    assert one("accuracy", "multiclass", Sample(np.array([0, 1]), np.ones((2, 2)), ("a", "b")), "micro") == 0.5


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_top_k_accuracy_counts_the_classes_that_a_stable_sort_puts_first(seed: int) -> None:
    sample = draw("multiclass", seed)
    order = np.argsort(-sample.predictions, axis=1, kind="stable")
    for k in (3, 5):
        among = np.mean([target in row[:k] for target, row in zip(sample.targets, order, strict=True)])
        assert one(f"top{k}_accuracy", "multiclass", sample, "micro") == pytest.approx(among, abs=1e-12)


def test_top_k_accuracy_equals_scikit_learn_where_no_scores_are_equal() -> None:
    rng = np.random.default_rng(0)
    sample = Sample(rng.integers(0, 9, 200), rng.random((200, 9)), tuple("abcdefghi"))
    for k in (3, 5):
        expected = sklearn.metrics.top_k_accuracy_score(*sample[:2], k=k, labels=range(9))
        assert one(f"top{k}_accuracy", "multiclass", sample, "micro") == pytest.approx(expected, abs=1e-12)


def test_the_best_of_one_is_accuracy() -> None:
    sample = draw("multiclass", 8)
    best = values(top_k_accuracy(*sample, np.ones((1, 40)), k=1))
    np.testing.assert_array_equal(best, values(measure("accuracy", "multiclass", *sample)))


def test_top_k_accuracy_says_nothing_of_k_classes_or_fewer() -> None:
    for n_classes in (1, 2, 3):
        names = tuple("abc"[:n_classes])
        found = measure("top3_accuracy", "multiclass", np.zeros(2, int), np.ones((2, n_classes)), names)
        assert np.isnan(values(found)).all()
        assert found.left_out == names
    keys = ("C major", "B# major", "A minor", "E minor")  # three keys in four spellings
    assert np.isnan(values(measure("top3_accuracy", "key", np.zeros(2, int), np.ones((2, 4)), keys))).all()


# Several labels per clip


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_f1_of_several_labels_equals_scikit_learn(seed: int) -> None:
    sample = draw("multilabel", seed)
    decisions, present = sample.predictions > 0.5, np.flatnonzero(sample.targets.any(axis=0))
    found = measure("f1", "multilabel", *sample)
    micro = sklearn.metrics.f1_score(sample.targets, decisions, average="micro", zero_division=np.nan)
    assert found.averages["micro"][0] == pytest.approx(micro, abs=1e-12, nan_ok=True)
    if len(present):
        macro = sklearn.metrics.f1_score(sample.targets, decisions, labels=present, average="macro", zero_division=0)
        assert found.averages["macro"][0] == pytest.approx(macro, abs=1e-12)


# Numbers


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_regression_metrics_equal_scikit_learn(seed: int) -> None:
    sample = draw("regression", seed)
    pair = sample.targets, sample.predictions
    r2 = sklearn.metrics.r2_score(*pair, multioutput="raw_values")
    error = sklearn.metrics.mean_absolute_error(*pair, multioutput="raw_values")
    np.testing.assert_allclose(values(measure("r2", "regression", *sample))[0], [r2.mean(), *r2], atol=1e-12)
    found = values(measure("mean_absolute_error", "regression", *sample))[0]
    np.testing.assert_allclose(found, [error.mean(), *error], atol=1e-12)


def test_r2_is_undefined_where_the_targets_do_not_vary() -> None:
    sample = Sample(np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]]), np.zeros((3, 2)), ("flat", "varied"))
    found = measure("r2", "regression", *sample, np.array([[1.0, 1, 1], [0, 3, 0]]))
    assert found.left_out == ("flat",)
    assert np.isnan(found.labels["flat"]).all()
    np.testing.assert_array_equal(np.isnan(found.labels["varied"]), [False, True])


# Hostile samples


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_one_clip_is_scored_or_undefined_and_no_number_is_infinite(name: str, kind: Kind) -> None:
    assert not np.isinf(values(measure(name, kind, *draw(kind, 2, clips=1)))).any()


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_row_without_clips_is_undefined(name: str, kind: Kind) -> None:
    assert np.isnan(values(measure(name, kind, *draw(kind, 2), np.zeros((2, 40))))).all()


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_equal_scores_everywhere_give_finite_numbers(name: str, kind: Kind) -> None:
    sample = draw(kind, 2)
    found = measure(name, kind, sample.targets, np.full_like(sample.predictions, 0.5), sample.classes)
    assert np.isfinite(list(found.averages.values())).all()
    assert not np.isinf(values(found)).any()


@pytest.mark.parametrize(("name", "kind"), [pair for pair in PAIRS if pair[1] != "regression"])
def test_a_class_that_no_clip_has_is_left_out_and_changes_no_average(name: str, kind: Kind) -> None:
    sample = draw(kind, 6)
    absent = 0 if kind != "multilabel" else slice(0, 1)
    if kind == "multilabel":
        sample.targets[:, absent] = 0
    else:
        sample.targets[sample.targets == 0] = 1
    found = measure(name, kind, *sample)
    assert sample.classes[0] in found.left_out
    defined = [found.labels[label][0] for label in sample.classes if label not in found.left_out]
    assert found.averages["macro"][0] == pytest.approx(np.mean(defined), abs=1e-12)


# Defaults and mistakes


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_metrics_of_a_kind_score_it(kind: Kind) -> None:
    assert all(kind in METRICS[name].kinds for name in defaults(kind))
    found = measure(defaults(kind)[0], kind, *draw(kind, 0))
    assert np.isfinite(found.averages[primary_average(kind)]).all()


def test_the_guide_lists_every_metric_with_its_kinds_averages_and_defaults() -> None:
    listed: dict[str, tuple[set[str], str]] = {}
    for line in (DOCS / "experiments.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            names, kinds, averages = line.split("|")[1:4]
            for name in re.findall(r"`(\w+)`", names):
                listed[name] = ({kind.strip() for kind in kinds.split(",")}, averages.strip())
    for name, metric in METRICS.items():
        marked = {f"{kind} *" if name in defaults(kind) else kind for kind in metric.kinds}
        assert listed.pop(name) == (marked, ", ".join(metric.averages))
    assert listed == {}


def test_a_metric_of_another_kind_names_those_that_fit() -> None:
    with pytest.raises(UserError, match=r"for key tasks, not multilabel. .*: average_precision, d_prime, f1, roc_auc"):
        measure("key_score", "multilabel", *draw("multilabel", 0))
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        measure("acuracy", "key", *draw("key", 0))


PAIR = Sample(np.array([0, 1]), np.eye(2), ("a", "b"))
MISTAKES: list[tuple[Kind, Sample, str]] = [
    ("multiclass", PAIR._replace(predictions=np.eye(3)), r"predictions .* = \(2, 2\), got \(3, 3\)"),
    ("multiclass", PAIR._replace(targets=np.eye(2)), r"multiclass targets of shape \(2,\), got \(2, 2\)"),
    ("multiclass", PAIR._replace(targets=np.array([0, 2])), "class indices from 0 to 1, got 2"),
    ("multiclass", PAIR._replace(targets=np.array([0.5, 1])), "class indices from 0 to 1, got 0.5"),
    ("multiclass", PAIR._replace(predictions=np.array([[0, 1], [np.nan, 0]])), "finite predictions, .* position 1"),
    ("multiclass", PAIR._replace(classes=("a", "a")), "each name once; got a, a"),
    ("multiclass", PAIR._replace(predictions=np.zeros((2, 0)), classes=()), "at least one class, .* got none"),
    ("multiclass", Sample(np.zeros(0, int), np.zeros((0, 2)), ("a", "b")), "No clips to score"),
    ("multilabel", PAIR._replace(targets=np.eye(2) * 2), "targets of 0 and 1, got values such as 2"),
    ("multilabel", PAIR._replace(targets=np.eye(2), predictions=np.eye(2) * 3), r"probabilities in \[0, 1\]"),
]


@pytest.mark.parametrize(("kind", "sample", "message"), MISTAKES)
def test_mistakes_are_explained(kind: Kind, sample: Sample, message: str) -> None:
    with pytest.raises(DataError, match=message):
        measure("f1", kind, *sample)


def test_weights_must_count_clips() -> None:
    with pytest.raises(DataError, match=r"with 2 clips, got \(1, 3\)"):
        measure("accuracy", "multiclass", *PAIR, np.ones((1, 3)))
    with pytest.raises(DataError, match="0 or more"):
        measure("accuracy", "multiclass", *PAIR, np.array([[1.0, -1.0]]))
