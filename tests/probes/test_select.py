from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from earmark.errors import DataError, UnknownName, UserError
from earmark.probes import kinds, knn, logistic, own_recipe, ridge, select
from earmark.probes.base import AnyRecipe, Examples, Fitted, Job, Problem, told
from earmark.probes.fit import fit, restore
from earmark.probes.recipe import Recipe as Network
from earmark.probes.select import Candidate, Recipe, Selected
from tests.probes.drawn import drawn, in_rows

RIDGES: tuple[AnyRecipe, ...] = tuple(ridge.Recipe(alpha) for alpha in (1e-2, 1.0, 1e2, 1e4))
MIXED: tuple[AnyRecipe, ...] = (Network((8,), epochs=4), logistic.Recipe(0.1), knn.Recipe(3), Network(epochs=6))


def selected(problem: Problem, recipe: Recipe, seed: int = 5) -> Selected:
    [probe] = fit(problem, [Job(recipe, seed)])
    assert isinstance(probe, Selected)
    return probe


def one_layer(problem: Problem, layer: int) -> Problem:
    train, valid = (
        replace(side, embeddings=side.embeddings[:, layer : layer + 1]) for side in (problem.train, problem.valid)
    )
    return replace(problem, train=train, valid=valid)


@pytest.mark.parametrize("recipes", [RIDGES, MIXED])
def test_the_grid_is_brute_force(recipes: tuple[AnyRecipe, ...]) -> None:
    problem = drawn("multiclass", layers=3, noise=1)
    alone = [fit(one_layer(problem, layer), [Job(recipe, 5)])[0] for recipe in recipes for layer in (0, 1, 2)]
    scores = [probe.valid_score for probe in alone]
    probe = selected(problem, Recipe(recipes, (0, 1, 2)))
    assert [trial.valid_score for trial in probe.trials] == scores
    assert [trial.candidate for trial in probe.trials] == list(range(len(scores)))
    best = int(np.argmax(scores))
    assert (probe.winner, probe.valid_score) == (best, max(scores))
    assert probe.chosen == Candidate(recipes[best // 3], best % 3)
    assert probe.fitted.to_bytes() == alone[best].to_bytes()
    expected = alone[best].predict(problem.valid.embeddings[:, best % 3 : best % 3 + 1])
    assert np.array_equal(probe.predict(problem.valid.embeddings), expected)


def test_the_layer_that_knows_is_found() -> None:
    problem = drawn("regression", layers=4)
    rng = np.random.default_rng(2)
    for side in (problem.train, problem.valid):
        side.embeddings[:, 2] = side.targets @ np.ones((4, 12)) + rng.standard_normal((len(side.targets), 12))
        side.embeddings[:, 2, :4] += 5 * side.targets
        side.embeddings[:, [0, 1, 3]] = rng.standard_normal((len(side.targets), 3, 12))
    probe = selected(problem, Recipe((ridge.Recipe(),), (0, 1, 2, 3)))
    assert probe.chosen.layer == 2
    assert probe.input_shape == (4, 12)
    assert probe.fitted.input_shape == (1, 12)


def test_of_equal_scores_the_first_candidate_wins() -> None:
    problem = replace(drawn("multiclass"), monitor=lambda _targets, _scores: 0.5)
    assert selected(problem, Recipe(RIDGES)).winner == 0
    assert selected(problem, Recipe(RIDGES, search="random", n_drawn=2)).winner in (0, 1, 2)


def test_only_validation_clips_are_looked_at() -> None:
    problem, seen = drawn("multiclass"), []

    def spy(targets: np.ndarray, scores: np.ndarray) -> float:
        seen.append(targets)
        return float(np.mean(scores.argmax(axis=1) == targets))

    selected(replace(problem, monitor=spy), Recipe((*RIDGES, *MIXED)))
    assert all(targets is problem.valid.targets for targets in seen)


def test_candidates_are_compared_by_the_score_of_the_task_whatever_they_stop_by() -> None:
    problem = drawn("multiclass")
    by_loss, by_accuracy = Network(epochs=5, save_criterion="loss"), Network((8,), epochs=5)
    probe = selected(problem, Recipe((by_loss, by_accuracy)))
    assert all(0 <= trial.valid_score <= 1 for trial in probe.trials)


def test_a_choice_is_the_same_to_the_bit_in_any_company() -> None:
    problem = drawn("multilabel", layers=2)
    jobs = [
        Job(Recipe(MIXED, (0, 1)), 1),
        Job(Recipe((*MIXED[::3], Network((8,), learning_rate=0.01)), search="halving"), 2),
        Job(Recipe(MIXED, (1,), "random", 2), 3),
        Job(Network((8,), epochs=4), 1),
    ]
    for job, probe in zip(jobs, fit(problem, jobs), strict=True):
        assert fit(problem, [job])[0].to_bytes() == probe.to_bytes()


def test_all_candidates_of_a_layer_are_handed_over_at_once() -> None:
    problem, calls = drawn("multiclass", layers=2), []

    def counted(given: Problem, jobs: Sequence[Job]) -> list[Fitted]:
        calls.append((given.train.embeddings.shape[1], len(jobs)))
        return fit(given, jobs)

    select.fit(problem, [Job(Recipe(RIDGES, (0, 1)), 1), Job(Recipe(RIDGES), 2)], counted)
    assert calls == [(1, 4), (1, 4), (2, 4)]


def test_random_search_draws_by_its_seed_without_repetition() -> None:
    problem, recipe = drawn("multiclass"), Recipe(RIDGES, search="random", n_drawn=2)
    drawn_by_seed = [tuple(trial.candidate for trial in selected(problem, recipe, seed).trials) for seed in range(12)]
    assert all(len(set(one)) == 2 for one in drawn_by_seed)
    assert len(set(drawn_by_seed)) > 2
    everything = selected(problem, replace(recipe, n_drawn=4))
    assert everything.trials == selected(problem, Recipe(RIDGES)).trials


def test_halving_keeps_the_best_where_it_is_easy_to_tell() -> None:
    problem = drawn("multiclass", noise=0.1, n_train=400)
    rates = (1e-6, 1e-5, 2e-6, 5e-6, 0.02, 3e-6, 1e-4, 3e-5, 2e-5, 8e-6)
    recipes = tuple(Network((16,), learning_rate=rate, epochs=18, standardise=True) for rate in rates)
    probe = selected(problem, Recipe(recipes, search="halving"))
    assert probe.winner == selected(problem, Recipe(recipes)).winner == 4
    assert probe.fitted.to_bytes() == fit(problem, [Job(recipes[4], 5)])[0].to_bytes()  # trained in full, as alone
    shares = [trial.share for trial in probe.trials]
    assert sorted(shares) == sorted([1 / 9] * 6 + [1 / 3] * 2 + [1.0] * 2)


def test_halving_counts_steps_where_a_network_does() -> None:
    problem, budgets = drawn("multiclass"), []

    def noted(given: Problem, jobs: Sequence[Job]) -> list[Fitted]:
        for job in jobs:
            assert isinstance(job.recipe, Network)
            budgets.append((job.recipe.steps, job.recipe.epochs))
        return fit(given, jobs)

    recipes = tuple(Network(learning_rate=rate, steps=30, epochs=7) for rate in (0.1, 0.01, 0.001, 0.0001))
    select.fit(problem, [Job(Recipe(recipes, search="halving"), 1)], noted)
    assert budgets == [(10, 7)] * 4 + [(30, 7)] * 2


def test_what_was_chosen_can_be_fitted_elsewhere() -> None:
    first, second = drawn("multiclass", layers=2), drawn("multiclass", layers=2, seed=8)
    probe = selected(first, Recipe(MIXED, (0, 1)))
    again = selected(second, probe.settled)
    assert again.chosen == probe.chosen
    assert len(again.trials) == 1
    assert selected(first, selected(first, Recipe(MIXED)).settled).chosen.layer is None


def test_a_choice_within_a_choice_is_settled_too_and_not_searched_again() -> None:
    first, second = drawn("multiclass", layers=2), drawn("multiclass", layers=2, seed=8)
    probe = selected(first, Recipe((Recipe(RIDGES), Recipe(MIXED)), (0, 1), first_fold_only=True))
    again = selected(second, probe.settled)
    inner, inner_again = probe.fitted, again.fitted
    assert isinstance(inner, Selected)
    assert isinstance(inner_again, Selected)
    assert (len(inner.trials), len(again.trials), len(inner_again.trials)) == (4, 1, 1)
    assert (again.chosen.layer, inner_again.chosen) == (probe.chosen.layer, inner.chosen)


def test_a_search_of_the_first_fold_within_another_choice_is_refused() -> None:
    with pytest.raises(UserError, match="first_fold_only counts for a whole choice, and here stands in a candidate"):
        Recipe((Recipe(RIDGES, first_fold_only=True), knn.Recipe()))


@pytest.mark.parametrize("layers", [(), (0, 2)])
def test_a_saved_choice_comes_back_to_the_bit(layers: tuple[int, ...]) -> None:
    problem = replace(drawn("multiclass", layers=3), classes=tuple("abcd"))
    problem = replace(problem, valid=in_rows(problem.valid, 2))
    users = own_recipe.Recipe("sklearn.svm:SVC", {"C": 2.0, "kernel": "linear"})
    recipe = Recipe((*MIXED, users), layers)
    probe = selected(problem, recipe)
    again = restore(probe.to_bytes())
    assert isinstance(again, Selected)
    assert (again.recipe, again.trials, again.chosen) == (recipe, probe.trials, probe.chosen)
    assert (again.kind, again.classes, again.input_shape) == ("multiclass", ("a", "b", "c", "d"), (3, 12))
    clips = problem.valid.clips
    assert np.array_equal(
        again.predict(problem.valid.embeddings, clips), probe.predict(problem.valid.embeddings, clips)
    )
    assert again.to_bytes() == probe.to_bytes()


def test_a_key_tells_the_candidates() -> None:
    recipe = Recipe((ridge.Recipe(2.0), Network((8, "infer"))), (1,))
    assert told(recipe) == {
        "kind": "selected",
        "recipes": [{"kind": "ridge", "alpha": 2.0}, {"kind": "mlp", "hidden_units": [8, "infer"]}],
        "layers": [1],
    }
    assert kinds.recipe_of(told(recipe)) == recipe
    with pytest.raises(UnknownName, match=r"Unknown kind of probe 'rigde'\. Did you mean 'ridge'"):
        kinds.recipe_of({"kind": "rigde"})


def test_searches_that_make_no_sense_are_refused() -> None:
    problem = drawn("multiclass", layers=2)
    with pytest.raises(UserError, match="Expected recipes to choose among, got none"):
        Recipe(())
    with pytest.raises(UnknownName, match="Did you mean 'grid'"):
        Recipe(RIDGES, search="gird")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="Give both or neither"):
        Recipe(RIDGES, search="random")
    with pytest.raises(UserError, match="from 1 to 4, the candidates, got 5"):
        Recipe(RIDGES, search="random", n_drawn=5)
    with pytest.raises(UserError, match=r"train for epochs or steps, got kind ridge. Use grid"):
        Recipe(RIDGES, search="halving")
    with pytest.raises(UserError, match=r"layers from 0 to 1, those of the embeddings, got \[2\]"):
        selected(problem, Recipe(RIDGES, (0, 2)))
    with pytest.raises(DataError, match=r"\(…, 2, 12\), got \(60, 1, 12\)"):
        selected(problem, Recipe(RIDGES, (1,))).predict(problem.valid.embeddings[:, :1])


def test_a_candidate_that_diverges_loses_and_the_others_are_what_they_are_alone() -> None:
    rng = np.random.default_rng(0)
    embeddings, targets = 1e3 * rng.standard_normal((60, 1, 4), dtype=np.float32), rng.integers(3, size=60)
    problem = Problem("multiclass", Examples(embeddings[:40], targets[:40]), Examples(embeddings[40:], targets[40:]), 3)
    wild, tame = Network(epochs=3, learning_rate=1e38), Network(epochs=3)
    [chosen] = fit(problem, [Job(Recipe((wild, tame)), 7)])
    [alone] = fit(problem, [Job(tame, 7)])
    assert isinstance(chosen, Selected)
    assert chosen.winner == 1
    assert chosen.trials[0].valid_score == -np.inf
    assert chosen.predict(embeddings).tobytes() == alone.predict(embeddings).tobytes()
    assert restore(chosen.to_bytes()).trials == chosen.trials  # type: ignore[attr-defined]  # it is a Selected
    with pytest.raises(DataError, match="finite"):
        fit(problem, [Job(Recipe((wild,)), 7)])
