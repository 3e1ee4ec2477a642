from dataclasses import replace

import numpy as np
import pytest

from earmark.errors import UserError
from earmark.probes import knn, logistic, own_recipe
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.codelength import DOUBT, SHARES, online_codelength
from earmark.probes.fit import fit
from earmark.probes.kinds import fewest_for_warm_up
from earmark.probes.portions import part
from earmark.probes.recipe import Recipe
from tests.probes.drawn import drawn, in_rows

LOGISTIC = logistic.Recipe(c=0.1)


def of_noise(problem: Problem) -> Problem:
    """Return a problem whose embeddings have nothing to do with the targets."""
    rng = np.random.default_rng(3)
    train, valid = (
        replace(side, embeddings=rng.standard_normal(side.embeddings.shape, dtype=np.float32))
        for side in (problem.train, problem.valid)
    )
    return replace(problem, train=train, valid=valid)


def test_portions_are_those_of_the_paper() -> None:
    problem = drawn("multiclass", n_train=2000, dim=5)
    found = online_codelength(problem, LOGISTIC, 0)
    assert [one.n_known for one in found.portions] == [0, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000]
    assert [one.n_known + one.n_coded for one in found.portions] == [round(share * 2000) for share in SHARES]
    assert found.portions[0].bits == 2 * np.log2(4)
    assert found.bits == sum(one.bits for one in found.portions)
    assert (found.uniform_bits, found.compression) == (4000, 4000 / found.bits)


def test_few_clips_leave_no_portion_empty() -> None:
    found = online_codelength(drawn("multiclass", n_train=30), LOGISTIC, 0)
    assert sum(one.n_coded for one in found.portions) == 30
    assert min(one.n_coded for one in found.portions) >= 1


def test_what_is_easy_is_short_and_what_is_noise_is_not() -> None:
    easy, hard = (drawn("multiclass", n_train=1000, noise=noise) for noise in (0.05, 1.0))
    lengths = [online_codelength(one, LOGISTIC, 0) for one in (easy, hard, of_noise(hard))]
    assert lengths[0].bits < lengths[1].bits < lengths[2].bits
    assert lengths[0].compression > 1.7
    assert lengths[2].compression < 1.1


def test_an_oracle_costs_only_what_it_cannot_know() -> None:
    """Embeddings that are the class, nearest neighbour: free once each class was seen, else the price of a doubt."""
    targets = np.arange(400) % 4
    embeddings = np.eye(4, dtype=np.float32)[targets][:, None]
    problem = Problem("multiclass", Examples(embeddings, targets), Examples(embeddings, targets), 4)
    found = online_codelength(problem, knn.Recipe(1), 0)
    surprise = -np.log2(DOUBT / 4)
    for portion in found.portions[1:]:
        if portion.n_known == 1:
            assert portion.bits == 2 * portion.n_coded, "of one class nothing is learned"
            continue
        n_surprises = portion.bits / surprise
        assert n_surprises == pytest.approx(round(n_surprises), abs=1e-3)
        if portion.n_known >= 50:
            assert portion.bits < 1e-3


def test_labels_are_coded_one_by_one() -> None:
    problem = drawn("multilabel", n_train=400, noise=0.05)
    found = online_codelength(problem, LOGISTIC, 0)
    assert found.uniform_bits == 4 * 400
    assert found.compression > 1.4


def test_the_seed_and_nothing_else_decides() -> None:
    problem = drawn("multiclass", n_train=120)
    recipe = Recipe(epochs=3)
    assert online_codelength(problem, recipe, 1) == online_codelength(problem, recipe, 1)
    assert online_codelength(problem, recipe, 1) != online_codelength(problem, recipe, 2)


def test_clips_of_several_rows_are_coded_once_each() -> None:
    problem = drawn("multiclass", n_train=120)
    rows = replace(problem, train=in_rows(problem.train, 3), valid=in_rows(problem.valid, 3))
    found = online_codelength(rows, LOGISTIC, 0)
    assert found.uniform_bits == 240
    assert sum(one.n_coded for one in found.portions) == 120


@pytest.mark.parametrize("name", ["LogisticRegression", "RidgeClassifier"])
def test_an_estimator_that_needs_two_classes_is_fitted_once_there_are_two(name: str) -> None:
    # One clip in twenty is of the second class, so the first portions are all of the first.
    problem = drawn("multiclass", n_train=60)
    targets = (np.arange(60) % 20 == 19).astype(np.int64)
    problem = replace(problem, train=replace(problem.train, targets=targets), n_outputs=2, classes=("a", "b"))
    problem = replace(problem, valid=replace(problem.valid, targets=problem.valid.targets % 2))
    found = online_codelength(problem, own_recipe.Recipe(f"sklearn.linear_model:{name}"), 0)
    uniform = [one.n_known for one in found.portions if one.bits == one.n_coded]
    assert 1 in uniform
    assert found.portions[-1].n_known not in uniform


def test_a_warm_up_that_the_known_clips_do_not_outlast_is_coded_uniformly() -> None:
    problem = drawn("multiclass", n_train=60)
    for recipe in (
        Recipe(epochs=2, batch_size=10, warm_up_steps=4),
        Recipe(epochs=2, batch_size=10, warm_up_steps=4, drop_last=True),
        Recipe((8,), epochs=2, batch_size=10, warm_up_steps=4, batch_norm=True),
    ):
        fewest = fewest_for_warm_up(recipe)
        few = replace(problem, train=part(problem.train, np.arange(fewest - 1)))
        enough = replace(problem, train=part(problem.train, np.arange(fewest)))
        assert fit(enough, [Job(recipe, 0)])
        with pytest.raises(UserError, match="Expected warm_up_steps below the 4 steps of training"):
            fit(few, [Job(recipe, 0)])
        found = online_codelength(problem, recipe, 0)
        assert [one.bits == 2 * one.n_coded for one in found.portions] == [
            one.n_known < fewest for one in found.portions
        ]


def test_values_have_no_code() -> None:
    with pytest.raises(UserError, match=r"this task is a regression\. Score it by r2"):
        online_codelength(drawn("regression"), LOGISTIC, 0)


def test_clips_that_fill_no_batch_are_coded_uniformly_and_a_batch_norm_takes_two() -> None:
    problem = drawn("multiclass", n_train=60)
    whole = online_codelength(problem, Recipe(epochs=2, batch_size=10, drop_last=True), 0)
    assert [one.bits == 2 * one.n_coded for one in whole.portions] == [one.n_known < 10 for one in whole.portions]
    normed = online_codelength(problem, Recipe((8,), epochs=2, batch_norm=True), 0)
    assert [one.bits == 2 * one.n_coded for one in normed.portions] == [one.n_known < 2 for one in normed.portions]
