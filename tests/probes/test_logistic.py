from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.linear_model import LogisticRegression

from earmark.errors import DataError, UserError
from earmark.probes.base import Examples, Job, Problem, told
from earmark.probes.fit import fit, restore
from earmark.probes.linear_probe import LinearProbe
from earmark.probes.logistic import Recipe
from tests.probes.drawn import drawn, in_rows


def fitted(problem: Problem, recipe: Recipe = Recipe()) -> LinearProbe:  # noqa: B008 (frozen)
    [probe] = fit(problem, [Job(recipe, 0)])
    assert isinstance(probe, LinearProbe)
    return probe


def objective(problem: Problem, weight: np.ndarray, bias: np.ndarray, c: float) -> float:
    """Return ½·Σw² + c·Σ loss, in float64: softmax over classes, or one label after the other."""
    sums = problem.train.embeddings[:, 0].astype(float) @ weight.astype(float) + bias
    targets = problem.train.targets
    if problem.kind == "multilabel":
        losses = np.logaddexp(0, sums) - targets * sums
    else:
        losses = -log_softmax(sums, axis=1)[np.arange(len(targets)), targets]
    return float(np.square(weight.astype(float)).sum() / 2 + c * losses.sum())


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_a_softmax_has_the_optimum_of_scikit_learn(c: float) -> None:
    problem = drawn("multiclass")
    probe = fitted(problem, Recipe(c=c))
    theirs = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(
        problem.train.embeddings[:, 0].astype(float), problem.train.targets
    )
    ours = objective(problem, probe.weight, probe.bias, c)
    assert ours == pytest.approx(objective(problem, theirs.coef_.T, theirs.intercept_, c), rel=1e-6)
    expected = theirs.predict_proba(problem.valid.embeddings[:, 0].astype(float))
    assert probe.predict(problem.valid.embeddings) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_each_label_has_the_optimum_of_scikit_learn(c: float) -> None:
    problem = drawn("multilabel")
    probe = fitted(problem, Recipe(c=c))
    for label in range(4):
        theirs = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(
            problem.train.embeddings[:, 0].astype(float), problem.train.targets[:, label]
        )
        assert probe.weight[:, label] == pytest.approx(theirs.coef_[0], rel=1e-3, abs=1e-4)
        expected = theirs.predict_proba(problem.valid.embeddings[:, 0].astype(float))[:, 1]
        assert probe.predict(problem.valid.embeddings)[:, label] == pytest.approx(expected, abs=1e-4)


def test_two_classes_share_one_weight_vector_as_in_scikit_learn() -> None:
    problem = drawn("multiclass", n_outputs=2)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=100_000).fit(
        problem.train.embeddings[:, 0].astype(float), problem.train.targets
    )
    expected = theirs.predict_proba(problem.valid.embeddings[:, 0].astype(float))
    assert fitted(problem, Recipe(c=0.1)).predict(problem.valid.embeddings) == pytest.approx(expected, abs=1e-4)


def test_more_inputs_than_rows_have_the_optimum_of_scikit_learn() -> None:
    problem = drawn("multiclass", dim=80, n_train=40)
    theirs = LogisticRegression(tol=1e-10, max_iter=100_000).fit(
        problem.train.embeddings[:, 0].astype(float), problem.train.targets
    )
    expected = theirs.predict_proba(problem.valid.embeddings[:, 0].astype(float))
    assert fitted(problem).predict(problem.valid.embeddings) == pytest.approx(expected, abs=1e-4)


def test_the_gradient_at_the_optimum_is_zero_in_the_embeddings_own_coordinates() -> None:
    problem = drawn("multilabel", n_train=1500)
    probe, c = fitted(problem, Recipe(c=0.5)), 0.5
    inputs = problem.train.embeddings[:, 0].astype(float)
    error = expit(inputs @ probe.weight + probe.bias) - problem.train.targets
    assert np.abs(c * inputs.T @ error + probe.weight).max() / len(inputs) < 1e-4
    assert np.abs(error.mean(axis=0)).max() < 1e-5


def test_a_class_that_is_absent_from_training_gets_probability_0() -> None:
    problem = drawn("multiclass", n_outputs=4)
    wider = replace(problem, n_outputs=6)
    predicted = fitted(wider).predict(problem.valid.embeddings)
    assert np.array_equal(predicted[:, 4:], np.zeros((60, 2)))
    assert predicted[:, :4] == pytest.approx(fitted(problem).predict(problem.valid.embeddings), abs=1e-6)


def test_labels_that_are_never_or_always_there_get_probability_0_or_1() -> None:
    problem = drawn("multilabel")
    problem.train.targets[:, 1], problem.train.targets[:, 2] = 0, 1
    predicted = fitted(problem).predict(problem.valid.embeddings)
    assert np.array_equal(predicted[:, 1:3], np.tile([0.0, 1.0], (60, 1)))
    assert predicted[:, 0].std() > 0


def test_a_single_class_in_training_is_predicted_always() -> None:
    problem = drawn("multiclass")
    problem.train.targets[:] = 2
    assert np.array_equal(fitted(problem).predict(problem.valid.embeddings), np.eye(4)[np.full(60, 2)])


def test_constant_embeddings_give_the_shares_of_the_classes() -> None:
    problem = drawn("multiclass")
    problem.train.embeddings[:] = 3
    problem.valid.embeddings[:] = 3
    shares = np.bincount(problem.train.targets, minlength=4) / 150
    for recipe in (Recipe(), Recipe(standardise=True), Recipe(pca=0.9)):
        predicted = fitted(problem, recipe).predict(problem.valid.embeddings)
        assert predicted == pytest.approx(np.tile(shares, (60, 1)), abs=1e-5)


def test_one_clip_per_class_can_be_fitted() -> None:
    problem = drawn("multiclass")
    first = [int(np.flatnonzero(problem.train.targets == one)[0]) for one in range(4)]
    few = replace(problem, train=Examples(problem.train.embeddings[first], problem.train.targets[first]))
    probe = fitted(few, Recipe(c=1000))
    assert np.array_equal(probe.predict(few.train.embeddings).argmax(axis=1), few.train.targets)


def test_rows_train_with_their_clips_target_and_predictions_are_averaged_over_them() -> None:
    problem = drawn("multiclass")
    rows = replace(problem, train=in_rows(problem.train, 3), valid=in_rows(problem.valid, 3))
    assert rows.train.clips is not None
    flat = replace(rows, train=Examples(rows.train.embeddings, problem.train.targets[rows.train.clips]))
    probe = fitted(rows)
    assert np.array_equal(probe.weight, fitted(flat).weight)
    each = probe.predict(rows.valid.embeddings).reshape(60, 3, 4)
    together = probe.predict(rows.valid.embeddings, rows.valid.clips)
    assert together == pytest.approx(each.mean(axis=1), abs=1e-6)
    assert probe.valid_score == np.mean(together.argmax(axis=1) == rows.valid.targets)


def test_company_changes_nothing_and_seeds_are_noted_only() -> None:
    problem = drawn("multilabel")
    jobs = [Job(Recipe(c=2), 1), Job(Recipe(c=0.2, standardise=True), 2), Job(Recipe(c=2), 2**63)]
    together = fit(problem, jobs)
    for job, probe in zip(jobs, together, strict=True):
        [alone] = fit(problem, [job])
        assert alone.to_bytes() == probe.to_bytes()
        assert isinstance(probe, LinearProbe)
        assert probe.seed == job.seed
    assert np.array_equal(together[0].predict(problem.valid.embeddings), together[2].predict(problem.valid.embeddings))


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(standardise=True, pca=5), Recipe(c=3, pca=0.9)])
def test_a_saved_probe_predicts_to_the_bit_what_it_did(recipe: Recipe) -> None:
    problem = replace(drawn("multiclass", layers=3), n_outputs=5, classes=tuple("abcde"))
    probe = fitted(problem, recipe)
    again = restore(probe.to_bytes())
    assert np.array_equal(again.predict(problem.valid.embeddings), probe.predict(problem.valid.embeddings))
    assert (again.recipe, again.kind, again.classes) == (recipe, "multiclass", ("a", "b", "c", "d", "e"))
    assert (again.input_shape, again.valid_score) == ((3, 12), probe.valid_score)
    assert again.to_bytes() == probe.to_bytes()


def test_what_cannot_be_fitted_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"this task is a regression\. Use kind: ridge"):
        fitted(drawn("regression"))
    with pytest.raises(UserError, match="Expected c to be a number above 0, got 0"):
        Recipe(c=0)
    with pytest.raises(UserError, match=r"share of the variance from 0 to 1, got 1\.5"):
        Recipe(pca=1.5)
    problem = drawn("multilabel")
    problem.valid.targets[:] = 0
    with pytest.raises(DataError, match="Choose a larger validation split"):
        fitted(problem)


def test_a_search_that_ends_before_the_optimum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.probes.logistic.ITERATIONS", 2)
    with pytest.raises(DataError, match=r"got a slope of .* after 2 iterations. Lower c, or set standardise"):
        fitted(drawn("multiclass"), Recipe(c=100))


def test_a_key_tells_only_what_is_not_the_default() -> None:
    assert told(Recipe()) == {"kind": "logistic"}
    assert told(Recipe(c=2.0, pca=3)) == {"kind": "logistic", "c": 2.0, "pca": 3}
