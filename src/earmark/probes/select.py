"""Choose among probes by their scores on the validation clips: all of them, some, or by halving. Never by a test clip.

A choice is a probe like any other: its recipe holds the candidates, and what is fitted is the winner with the table.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any, ClassVar, Literal, NamedTuple, cast, get_args

import numpy as np

from earmark import identity
from earmark.errors import DataError, UnknownName, UserError
from earmark.nouns import Kind
from earmark.probes.base import AnyRecipe, Examples, Fitted, Job, Problem, told
from earmark.probes.inputs import check_problem
from earmark.probes.saved import Saved, pack
from earmark.probes.validation import valid_score

Array = np.ndarray
Search = Literal["grid", "random", "halving"]
Fit = Callable[[Problem, Sequence[Job]], list[Fitted]]

FACTOR = 3
"""Of so many candidates halving keeps one, and gives it so many times the training."""


class Candidate(NamedTuple):
    """A recipe, and the layer that alone it sees; None: all of them."""

    recipe: AnyRecipe
    layer: int | None = None


class Trial(NamedTuple):
    """What became of a candidate: its place among them, the share of its training that it got, its score.

    One that could not be fitted, such as a network that diverged, has the score −∞.
    """

    candidate: int
    share: float
    valid_score: float


@dataclass(frozen=True)
class Recipe:
    """Candidates, every recipe with every layer of `layers` (none: all layers at once), and how they are searched.

    `search`: grid tries all. random tries `n_drawn` of them, drawn without replacement by the probe's seed. halving is
    for networks: all train for a small share of their epochs (or steps), the best third of them, by validation score,
    from the start again for three times as many, and so on until the last train in full. It costs about the logarithm
    of the candidates in full trainings, and is not the grid: who learns slowly leaves early.
    Source: Jamieson & Talwalkar 2016. Differs: survivors start again, because a probe is fitted in one go.
    `first_fold_only`: where a split has folds, the search is made in the first, and its winner used in the others.
    """

    probe: ClassVar[str] = "selected"

    recipes: tuple[AnyRecipe, ...]
    layers: tuple[int, ...] = ()
    search: Search = "grid"
    n_drawn: int | None = None
    first_fold_only: bool = False

    def __post_init__(self) -> None:
        if not self.recipes:
            raise UserError("Expected recipes to choose among, got none.")
        if self.search not in get_args(Search):
            raise UnknownName("search", self.search, get_args(Search))
        if (self.search == "random") != (self.n_drawn is not None):
            raise UserError("n_drawn says how many candidates search: random draws. Give both or neither.")
        n_candidates = len(self.candidates)
        if self.n_drawn is not None and not 1 <= self.n_drawn <= n_candidates:
            raise UserError(f"Expected n_drawn from 1 to {n_candidates}, the candidates, got {self.n_drawn}.")
        if any(isinstance(recipe, Recipe) and recipe.first_fold_only for recipe in self.recipes):
            raise UserError(
                "first_fold_only counts for a whole choice, and here stands in a candidate of another, which would be "
                "searched again in every fold. Write it beside the outer recipes and leave it out within."
            )
        if self.search == "halving":
            for recipe in self.recipes:
                _training(recipe)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates, layers within recipes: of equal scores the first of this order wins."""
        return tuple(Candidate(*pair) for pair in product(self.recipes, self.layers or (None,)))


@dataclass(frozen=True, eq=False)
class Selected:
    """The winner, fitted, and how it came about. It takes all layers and shows the winner its own.

    `valid_score` of it and of all `trials` is that of the task's monitor, whatever a candidate stops by. `trials` holds
    the last of every candidate that was tried, in the order of the candidates.
    """

    recipe: Recipe
    winner: int
    fitted: Fitted
    trials: tuple[Trial, ...]
    input_shape: tuple[int, int]
    seed: int

    @property
    def chosen(self) -> Candidate:
        """The winning recipe and its layer."""
        return self.recipe.candidates[self.winner]

    @property
    def settled(self) -> Recipe:
        """The recipe whose only candidate is the winner, itself settled if it is a choice: to fit elsewhere."""
        layers = () if self.chosen.layer is None else (self.chosen.layer,)
        return Recipe((self.fitted.settled if isinstance(self.fitted, Selected) else self.chosen.recipe,), layers)

    @property
    def kind(self) -> Kind:
        """The kind of task."""
        return self.fitted.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its outputs, or none."""
        return self.fitted.classes

    @property
    def valid_score(self) -> float:
        """The winner's score on the validation clips."""
        [score] = [trial.valid_score for trial in self.trials if trial.candidate == self.winner]
        return score

    def predict(self, embeddings: Array, clips: Array | None = None) -> Array:
        """Return what the winner predicts. Raises DataError for embeddings of another shape or not finite."""
        if embeddings.shape[1:] != self.input_shape:
            raise DataError(
                f"Expected embeddings (clips, layers, dim) = (…, {self.input_shape[0]}, {self.input_shape[1]}),"
                f" got {embeddings.shape}. This probe was chosen on another representation, layer or pooling."
            )
        return self.fitted.predict(_of_layer(embeddings, self.chosen.layer), clips)

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file, with the winner's inside. The same probe gives the same bytes."""
        names = ("winner", "trials", "input_shape", "seed")
        held = {name: getattr(self, name) for name in names} | {"recipe": told(self.recipe)}
        return pack(Saved(Recipe.probe, held, {"winner": np.frombuffer(self.fitted.to_bytes(), np.uint8)}))


def fit(problem: Problem, jobs: Sequence[Job], fit_all: Fit) -> list[Selected]:
    """Return one choice for each job, in order. `fit_all` fits probes of every kind (`earmark.probes.fit.fit`).

    Every candidate is fitted with the seed of its job, so the winner is what would be fitted alone; all of one layer,
    of all jobs, are handed over at once. Raises UserError for a layer that the embeddings do not have.
    """
    check_problem(problem)
    n_layers = problem.train.embeddings.shape[1]
    for recipe in (cast(Recipe, job.recipe) for job in jobs):
        if wrong := [layer for layer in recipe.layers if not 0 <= layer < n_layers]:
            raise UserError(f"Expected layers from 0 to {n_layers - 1}, those of the embeddings, got {wrong}.")
    searches = [_Searched(cast(Recipe, job.recipe), job.seed) for job in jobs]
    while any(search.running for search in searches):
        asked = [(search, place, share) for search in searches for place, share in search.running]
        for layer in dict.fromkeys(search.recipe.candidates[place].layer for search, place, _ in asked):
            here = [one for one in asked if one[0].recipe.candidates[one[1]].layer == layer]
            seen = _seen(problem, layer)
            jobs_here = [Job(_in_part(s.recipe.candidates[place].recipe, share), s.seed) for s, place, share in here]
            for (search, place, share), fitted in zip(here, _each(fit_all, seen, jobs_here), strict=True):
                search.note(Trial(place, share, _score(seen, fitted)), fitted)
        for search in searches:
            search.go_on()
    shape = problem.train.embeddings.shape[1], problem.train.embeddings.shape[2]
    return [search.selected(shape) for search in searches]


def restore(
    saved: Saved, restore_any: Callable[[bytes], Fitted], recipe_of: Callable[[dict[str, Any]], AnyRecipe]
) -> Selected:
    """Return the choice that `to_bytes` wrote, by functions that restore a probe and a recipe of any kind."""
    held = saved.fields
    return Selected(
        recipe=cast(Recipe, recipe_of(held["recipe"])),
        winner=held["winner"],
        fitted=restore_any(saved.arrays["winner"].tobytes()),
        trials=tuple(Trial(*trial) for trial in held["trials"]),
        input_shape=(held["input_shape"][0], held["input_shape"][1]),
        seed=held["seed"],
    )


def _each(fit_all: Fit, problem: Problem, jobs: Sequence[Job]) -> list[Fitted | DataError]:
    """Return what came of each job: where they do not all end well, one by one, which changes no answer."""
    try:
        return [*fit_all(problem, jobs)]
    except DataError as error:
        if len(jobs) == 1:
            return [error]
    return [_each(fit_all, problem, [job])[0] for job in jobs]


def _score(problem: Problem, fitted: Fitted | DataError) -> float:
    """Return the validation score; of a candidate that could not be fitted, such as one that diverged, the least."""
    if isinstance(fitted, DataError):
        return -math.inf
    return valid_score(problem, fitted.predict(problem.valid.embeddings, problem.valid.clips))


class _Searched:
    """One search on its way. `running`: the candidates to try next, by place, each with its share of training."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self.trials, self.best = dict[int, Trial](), dict[int, Fitted]()
        self.failure: DataError | None = None
        places, share = list(range(len(recipe.candidates))), 1.0
        if recipe.search == "random":
            rng = identity.generator("candidates", seed)
            places = sorted(rng.choice(len(places), recipe.n_drawn, replace=False).tolist())
        if recipe.search == "halving":
            share = _first_share(len(places))
        self.running = [(place, share) for place in places]

    def note(self, trial: Trial, fitted: Fitted | DataError) -> None:
        """Keep a score, and the probe if it is the best that trained in full; or why there is none."""
        self.trials[trial.candidate] = trial
        if isinstance(fitted, DataError):
            self.failure = fitted
        elif trial.share == 1:
            others = [self.trials[place] for place in self.best]
            if not others or _order(trial) < _order(others[0]):
                self.best = {trial.candidate: fitted}

    def go_on(self) -> None:
        """Choose who trains on, once all that are running have a score."""
        if not self.running or self.running[0][1] == 1:
            self.running = []
            return
        ranked = sorted((self.trials[place] for place, _ in self.running), key=_order)
        kept = sorted(trial.candidate for trial in ranked[: -(-len(ranked) // FACTOR)])
        share = 1.0 if len(kept) == 1 else _first_share(len(kept))
        self.running = [(place, share) for place in kept]

    def selected(self, input_shape: tuple[int, int]) -> Selected:
        """Return what was chosen. Raises DataError where no candidate could be fitted."""
        if not self.best and self.failure:
            raise self.failure
        [(winner, fitted)] = self.best.items()
        trials = tuple(trial for _, trial in sorted(self.trials.items()))
        return Selected(self.recipe, winner, fitted, trials, input_shape, self.seed)


def _order(trial: Trial) -> tuple[float, int]:
    return -trial.valid_score, trial.candidate


def _first_share(n_candidates: int) -> float:
    """Return the share of training after which so many candidates are thinned out: 1 once FACTOR or fewer are left."""
    share = 1.0
    while n_candidates > FACTOR:
        n_candidates, share = -(-n_candidates // FACTOR), share / FACTOR
    return share


def _training(recipe: AnyRecipe) -> str:
    """Return the field that says how long a recipe trains."""
    known = [each.name for each in fields(recipe)]
    for name in ("steps", "epochs"):
        if name in known and getattr(recipe, name) is not None:
            return name
    raise UserError(f"search: halving is for probes that train for epochs or steps, got kind {recipe.probe}. Use grid.")


def _in_part(recipe: AnyRecipe, share: float) -> AnyRecipe:
    if share == 1:
        return recipe
    name = _training(recipe)
    shorter = {name: max(1, round(getattr(recipe, name) * share))}
    if getattr(recipe, "warm_up_steps", 0):
        shorter["warm_up_steps"] = int(cast(Any, recipe).warm_up_steps * share)
    return cast(AnyRecipe, replace(cast(Any, recipe), **shorter))


def _of_layer(embeddings: Array, layer: int | None) -> Array:
    return embeddings if layer is None else embeddings[:, layer : layer + 1]


def _seen(problem: Problem, layer: int | None) -> Problem:
    def of(examples: Examples) -> Examples:
        return replace(examples, embeddings=_of_layer(examples.embeddings, layer))

    return replace(problem, train=of(problem.train), valid=of(problem.valid))
