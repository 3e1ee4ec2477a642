from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeClassifier

from earmark.errors import UserError
from earmark.nouns import Kind
from earmark.probes import ridge
from earmark.probes.base import Job, Problem, told
from earmark.probes.fit import fit, restore
from earmark.probes.linear_probe import LinearProbe
from earmark.probes.preparation import principal_axes
from earmark.probes.ridge import Recipe
from tests.probes.drawn import KINDS, drawn, in_rows


def fitted(problem: Problem, *recipes: Recipe) -> list[LinearProbe]:
    return [probe for probe in fit(problem, [Job(recipe, 0) for recipe in recipes]) if isinstance(probe, LinearProbe)]


@pytest.mark.parametrize("n_train", [8, 150])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1000.0])
def test_values_are_those_of_scikit_learn(alpha: float, n_train: int) -> None:
    problem = drawn("regression", n_train=n_train)
    [probe] = fitted(problem, Recipe(alpha))
    theirs = Ridge(alpha).fit(problem.train.embeddings[:, 0].astype(float), problem.train.targets.astype(float))
    assert probe.weight == pytest.approx(theirs.coef_.T, rel=1e-4, abs=1e-5)
    expected = theirs.predict(problem.valid.embeddings[:, 0].astype(float))
    assert probe.predict(problem.valid.embeddings) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_classes_and_labels_are_ordered_as_by_scikit_learn(kind: Kind) -> None:
    problem = drawn(kind)
    [probe] = fitted(problem, Recipe(0.5))
    inputs, asked = (one.embeddings[:, 0].astype(float) for one in (problem.train, problem.valid))
    theirs = RidgeClassifier(0.5).fit(inputs, problem.train.targets).decision_function(asked)
    predicted = probe.predict(problem.valid.embeddings)
    assert predicted.min() > 0
    assert predicted.max() < 1
    if kind == "multiclass":
        assert predicted.sum(axis=1) == pytest.approx(np.ones(60))
        assert np.array_equal(predicted.argsort(axis=1), theirs.argsort(axis=1))
    else:
        assert np.array_equal(predicted.argsort(axis=0), theirs.argsort(axis=0))
        assert np.array_equal(predicted > 0.5, theirs > 0)


def test_a_label_and_one_of_two_classes_have_the_same_curve() -> None:
    values = np.linspace(-0.5, 1.5, 11)
    one = ridge.curve("multilabel", values[:, None])[:, 0]
    assert one == pytest.approx(ridge.curve("key", np.stack([1 - values, values], axis=1))[:, 1])
    assert one[5] == 0.5
    near = ridge.curve("multilabel", np.array([[0.499], [0.501]]))[:, 0]
    assert (near[1] - near[0]) / 0.002 == pytest.approx(1, abs=1e-4)


def test_many_alphas_share_one_decomposition_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, recipes = drawn("multiclass"), [Recipe(alpha) for alpha in (0.1, 1, 10)]
    alone = [fitted(problem, recipe)[0] for recipe in recipes]
    n_calls = 0

    def counted(rows: np.ndarray) -> object:
        nonlocal n_calls
        n_calls += 1
        return principal_axes(rows)

    monkeypatch.setattr("earmark.probes.ridge.principal_axes", counted)
    together = fitted(problem, *recipes)
    assert n_calls == 1
    assert [probe.to_bytes() for probe in together] == [probe.to_bytes() for probe in alone]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_and_comes_back_to_the_bit(kind: Kind) -> None:
    problem = replace(drawn(kind, layers=2), classes=tuple("abcd"))
    problem = replace(problem, train=in_rows(problem.train, 2), valid=in_rows(problem.valid, 2))
    [probe] = fitted(problem, Recipe(0.1, standardise=True))
    assert probe.valid_score > 0.6
    again = restore(probe.to_bytes())
    for clips in (None, problem.valid.clips):
        assert np.array_equal(
            again.predict(problem.valid.embeddings, clips), probe.predict(problem.valid.embeddings, clips)
        )
    assert (again.recipe, again.kind, again.input_shape) == (Recipe(0.1, standardise=True), kind, (2, 12))
    assert again.to_bytes() == probe.to_bytes()


def test_a_class_or_label_that_is_absent_from_training_gets_0() -> None:
    problem = drawn("multiclass")
    [probe] = fitted(replace(problem, n_outputs=6), Recipe())
    predicted = probe.predict(problem.valid.embeddings)
    assert np.array_equal(predicted[:, 4:], np.zeros((60, 2)))
    assert predicted.sum(axis=1) == pytest.approx(np.ones(60))
    labels = drawn("multilabel")
    labels.train.targets[:, 3] = 0
    [probe] = fitted(labels, Recipe())
    assert np.array_equal(probe.predict(labels.valid.embeddings)[:, 3], np.zeros(60))
    values = drawn("regression")
    values.train.targets[:, 3] = 0
    [probe] = fitted(values, Recipe())
    assert np.array_equal(probe.predict(values.valid.embeddings)[:, 3], np.zeros(60))


def test_constant_embeddings_give_the_mean_of_the_values() -> None:
    problem = drawn("regression")
    problem.train.embeddings[:] = 1e6
    problem.valid.embeddings[:] = 1e6
    [probe] = fitted(problem, Recipe())
    expected = np.tile(problem.train.targets.mean(axis=0), (60, 1))
    assert probe.predict(problem.valid.embeddings) == pytest.approx(expected, abs=1e-5)


def test_alpha_must_be_above_0() -> None:
    with pytest.raises(UserError, match="Expected alpha to be a number above 0, got -1"):
        Recipe(-1)


def test_a_key_tells_only_what_is_not_the_default() -> None:
    assert told(Recipe(alpha=3.0)) == {"kind": "ridge", "alpha": 3.0}
