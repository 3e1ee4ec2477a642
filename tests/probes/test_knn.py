from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from earmark.errors import DataError, UnknownName, UserError
from earmark.nouns import Kind
from earmark.probes.base import Examples, Job, Problem, told
from earmark.probes.fit import fit, restore
from earmark.probes.knn import Measure, NeighboursProbe, Recipe, Weights
from tests.probes.drawn import KINDS, drawn, in_rows


def fitted(problem: Problem, recipe: Recipe) -> NeighboursProbe:
    [probe] = fit(problem, [Job(recipe, 0)])
    assert isinstance(probe, NeighboursProbe)
    return probe


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 7])
def test_neighbours_are_those_of_scikit_learn(metric: Measure, weights: Weights, k: int) -> None:
    recipe = Recipe(k, metric, weights)
    theirs = {"n_neighbors": k, "metric": metric, "weights": weights, "algorithm": "brute"}
    for kind, reference in (("multiclass", KNeighborsClassifier), ("regression", KNeighborsRegressor)):
        problem = drawn("multiclass" if kind == "multiclass" else "regression")
        inputs, asked = (one.embeddings[:, 0].astype(float) for one in (problem.train, problem.valid))
        model = reference(**theirs).fit(inputs, problem.train.targets)
        expected = model.predict_proba(asked) if kind == "multiclass" else model.predict(asked)
        assert fitted(problem, recipe).predict(problem.valid.embeddings) == pytest.approx(expected, abs=1e-5)


def test_labels_are_shares_of_the_neighbours() -> None:
    problem = drawn("multilabel")
    probe = fitted(problem, Recipe(5, "euclidean"))
    rows = problem.train.embeddings[:, 0].astype(float)
    for asked, predicted in zip(problem.valid.embeddings[:, 0], probe.predict(problem.valid.embeddings), strict=True):
        near = np.argsort(np.linalg.norm(rows - asked, axis=1))[:5]
        assert predicted == pytest.approx(problem.train.targets[near].mean(axis=0))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_of_equally_distant_rows_the_first_is_nearer_and_of_equal_votes_the_first_class_wins(metric: Measure) -> None:
    problem = drawn("multiclass")
    problem.train.embeddings[:] = np.arange(1, 13)  # all 150 alike
    problem.train.targets[:4] = [3, 1, 1, 3]
    [asked] = problem.train.embeddings[:1]
    assert np.array_equal(fitted(problem, Recipe(1, metric)).predict(asked[None]), [[0, 0, 0, 1]])
    assert np.array_equal(fitted(problem, Recipe(3, metric)).predict(asked[None]).argmax(axis=1), [1])
    tied = fitted(problem, Recipe(4, metric)).predict(asked[None])
    assert np.array_equal(tied, [[0, 0.5, 0, 0.5]])
    assert tied.argmax() == 1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_by_distance_equal_rows_alone_count(metric: Measure) -> None:
    problem = drawn("regression")
    problem.train.embeddings[10] = problem.train.embeddings[90]
    predicted = fitted(problem, Recipe(20, metric, "distance")).predict(problem.train.embeddings)
    expected = problem.train.targets.copy()
    expected[[10, 90]] = expected[[10, 90]].mean(axis=0)
    assert predicted == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("offset", [0, 1000])
def test_blocks_and_a_common_offset_change_nothing(offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = drawn("multiclass")
    rng = np.random.default_rng(4)
    for side in (problem.train, problem.valid):
        side.embeddings[:] = rng.integers(-3, 4, side.embeddings.shape)  # many equal distances, exact in float32
    whole = fitted(problem, Recipe(6, "euclidean", "distance")).predict(problem.valid.embeddings)
    monkeypatch.setattr("earmark.probes.knn.BLOCK", 400)
    for side in (problem.train, problem.valid):
        side.embeddings[:] += offset
    assert np.array_equal(fitted(problem, Recipe(6, "euclidean", "distance")).predict(problem.valid.embeddings), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_to_the_bit(kind: Kind) -> None:
    problem = replace(drawn(kind, layers=2), classes=tuple("abcd"))
    problem = replace(problem, train=in_rows(problem.train, 2), valid=in_rows(problem.valid, 2))
    recipe = Recipe(4, standardise=True, pca=6)
    probe = fitted(problem, recipe)
    again = restore(probe.to_bytes())
    for clips in (None, problem.valid.clips):
        assert np.array_equal(
            again.predict(problem.valid.embeddings, clips), probe.predict(problem.valid.embeddings, clips)
        )
    assert (again.recipe, again.kind, again.classes) == (recipe, kind, ("a", "b", "c", "d"))
    assert (again.input_shape, again.valid_score) == ((2, 12), probe.valid_score)
    assert again.to_bytes() == probe.to_bytes()


def test_company_changes_nothing() -> None:
    problem = drawn("multiclass")
    jobs = [Job(Recipe(3), 5), Job(Recipe(9, "euclidean"), 6), Job(Recipe(3), 7)]
    together = fit(problem, jobs)
    assert [one.to_bytes() for one in together] == [fit(problem, [job])[0].to_bytes() for job in jobs]


def test_silence_is_a_row_like_any_other() -> None:
    problem = drawn("multiclass")
    problem.train.embeddings[7] = 0
    problem.train.targets[7] = 2
    silence = np.zeros((1, 1, 12), np.float32)
    assert fitted(problem, Recipe(1)).predict(silence).argmax() == 2
    assert fitted(problem, Recipe(1)).predict(np.zeros((0, 1, 12), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_values_whose_squares_float32_does_not_hold_change_nothing(metric: Measure) -> None:
    problem = drawn("multiclass")
    expected = fitted(problem, Recipe(metric=metric)).predict(problem.valid.embeddings)
    for side in (problem.train, problem.valid):
        side.embeddings[:] *= np.float32(2.0**100)
    assert np.array_equal(fitted(problem, Recipe(metric=metric)).predict(problem.valid.embeddings), expected)


def test_an_absent_class_gets_0_and_one_clip_per_class_is_enough() -> None:
    problem = drawn("multiclass")
    few = replace(problem, train=Examples(problem.train.embeddings[:3], np.array([0, 1, 2])))
    predicted = fitted(few, Recipe(1)).predict(problem.valid.embeddings)
    assert np.array_equal(predicted[:, 3], np.zeros(60))
    with pytest.raises(DataError, match=r"k of at most 3, the training rows, got 5\. Lower k"):
        fitted(few, Recipe())


def test_a_recipe_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UserError, match="at least 1 neighbour, got 0"):
        Recipe(0)
    with pytest.raises(UnknownName, match=r"Unknown metric of knn 'cosin'\. Did you mean 'cosine'"):
        Recipe(metric="cosin")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="Known: distance, uniform"):
        Recipe(weights="equal")  # type: ignore[arg-type]


def test_a_key_tells_only_what_is_not_the_default() -> None:
    assert told(Recipe(k=1, metric="euclidean")) == {"kind": "knn", "k": 1, "metric": "euclidean"}
