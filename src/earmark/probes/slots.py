"""One probe on its way: its generator, its learning rate, what was seen of it, when it stops and what is kept of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from earmark.errors import DataError, UserError
from earmark.probes.base import Problem
from earmark.probes.monitors import Monitor, criterion, loss, loss_of
from earmark.probes.network_probe import Check, predictions
from earmark.probes.networks import Network, Weights
from earmark.probes.recipe import NEVER, Recipe
from earmark.probes.sampling import order
from earmark.probes.schedules import Plateau, learning_rate
from earmark.probes.stack import Rate


@dataclass
class Slot:
    """A probe in a stack. One that is done may ride on where a stack needs a second.

    `labels`: the class of each training example, where there is one.
    """

    recipe: Recipe
    seed: int
    problem: Problem
    is_done: bool = False
    history: list[Check] = field(default_factory=list)
    best: tuple[float, ...] = (-math.inf,)
    kept: Weights | None = None
    kept_at: int = 0
    stop_best: tuple[float, ...] = (-math.inf,)
    n_waited: int = 0
    train_loss: float = 0.0
    n_trained: int = 0

    def __post_init__(self) -> None:
        recipe, problem = self.recipe, self.problem
        # Not torch's generator: it keeps the lower 32 bits of a seed only.
        self.rng = np.random.Generator(np.random.PCG64(self.seed))
        self.loss = loss_of(recipe.loss, problem.kind)
        self.plateau = Plateau(recipe.plateau_factor, recipe.plateau_patience)
        self.fixed: np.ndarray | None = None
        # What stands for both criteria is asked once.
        names = {name for name in (recipe.save_criterion, recipe.stop_criterion) if name not in ("loss", NEVER)}
        self.monitors: dict[str, Monitor] = {
            name: criterion(name, problem.kind, problem.classes, problem.monitor) for name in sorted(names)
        }

    def order(self, labels: np.ndarray, n_examples: int) -> np.ndarray:
        """Return the examples of the next epoch in their order."""
        if self.recipe.train_sampling != "fixed":
            return order(self.recipe.train_sampling, labels, n_examples, self.rng)
        if self.fixed is None:
            self.fixed = order("random", labels, n_examples, self.rng)
        return self.fixed

    def check_warm_up(self, n_steps: int) -> None:
        """Raise a UserError where a probe would be done before its learning rate has risen."""
        if self.recipe.warm_up_steps >= n_steps:
            raise UserError(
                f"Expected warm_up_steps below the {n_steps} steps of training, got {self.recipe.warm_up_steps}. "
                "Raise epochs or steps, or lower warm_up_steps."
            )

    def rate(self, step: int, n_steps: int) -> Rate:
        """Return how it takes a step, counted from 0."""
        recipe = self.recipe
        rate = learning_rate(recipe, step, n_steps)
        if recipe.schedule == "plateau":
            rate *= self.plateau.scale
        # Keras' penalty λ·Σw² has the gradient 2λ·w; torch's Adam adds weight_decay·w.
        decay = 2 * recipe.weight_decay
        return Rate(rate, recipe.epsilon, decay, decay if recipe.decay_biases else 0.0)

    def trained(self, mean_loss: float, n_batch: int) -> None:
        """Take in the loss of a batch."""
        self.train_loss, self.n_trained = self.train_loss + mean_loss * n_batch, self.n_trained + n_batch

    def wants_check(self, epoch: int, is_end: bool) -> bool:
        """Return whether the validation clips are looked at after an epoch."""
        is_due = epoch % self.recipe.check_every == 0
        return not self.is_done and (is_due or (is_end and (self.recipe.keep == "last" or not self.history)))

    def check(self, epoch: int, step: int, rate: float, logits: Tensor, weights: Weights) -> None:
        """Look at its outputs for the validation rows, (rows, outputs); copy its weights, one row, if they are better.

        `logits` are on the CPU; `weights`, and the copy that is kept, on the device. Raises DataError for what is not
        finite, and where a criterion is undefined.
        """
        if not (torch.isfinite(logits).all() and weights.are_finite):
            raise DataError(
                f"Expected finite predictions, got NaN or infinity after epoch {epoch} of the probe with seed"
                f" {self.seed}. Lower learning_rate, or set standardise if the embeddings are very large."
            )
        valid, recipe = self.problem.valid, self.recipe
        rows_of = None if recipe.pool_frames != "none" else valid.clips
        predicted = predictions(logits.numpy(), rows_of, self.loss, recipe.average)
        valid_loss = loss(self.loss, valid.targets, predicted)
        monitored = {name: monitor(valid.targets, predicted) for name, monitor in self.monitors.items()}
        found = {name: _defined(score, len(valid.targets)) for name, score in monitored.items()}
        found |= {"loss": -valid_loss - (self._penalty(weights) if recipe.penalised_loss else 0.0), NEVER: 0.0}
        score = found[recipe.save_criterion]
        train_loss = self.train_loss / max(self.n_trained, 1)
        self.train_loss, self.n_trained = 0.0, 0
        self.history.append(Check(epoch, step, rate, train_loss, valid_loss, score))
        self._keep(self._ranked(score, valid_loss), weights)
        self._wait(found[recipe.stop_criterion], valid_loss, score)

    def _penalty(self, weights: Weights) -> float:
        """Return what weight_decay adds to the loss that is minimised: Keras' λ·Σw²."""
        decayed = weights[:2] if self.recipe.decay_biases else weights[:1]
        return self.recipe.weight_decay * sum(float(flat.double().square().sum()) for flat in decayed)

    def _ranked(self, score: float, valid_loss: float) -> tuple[float, ...]:
        return (score, -valid_loss) if self.recipe.ties == "loss" else (score,)

    def _keep(self, reached: tuple[float, ...], weights: Weights) -> None:
        if self.recipe.keep == "last" or reached > self.best:
            self.best, self.kept_at = reached, len(self.history) - 1
            if self.kept is None:
                self.kept = weights.of([0])
            else:
                for kept, flat in zip(self.kept, weights, strict=True):
                    kept.copy_(flat)

    def _wait(self, stop: float, valid_loss: float, score: float) -> None:
        """Count the checks since the stop criterion was best; the rate's plateau watches what the stop watches."""
        never = self.recipe.stop_criterion == NEVER
        self.plateau.note(score if never else stop)
        reached = self._ranked(stop, valid_loss)
        if never or reached > self.stop_best:
            self.stop_best, self.n_waited = reached, 0
        else:
            self.n_waited += 1
        self.is_done = self.n_waited >= self.recipe.patience


def silenced(slots: Sequence[Slot], network: Network, n_batch: int) -> list[Tensor]:
    """Return the dropout factors of each hidden layer, (slots, batch, units), each slot's drawn by itself."""
    if not any(slot.recipe.dropout for slot in slots):
        return []
    drawn = []
    for units, room in zip(network.sizes[1:-1], network.rooms[1:-1], strict=True):
        factors = torch.zeros(len(slots), n_batch, room)
        for place, slot in enumerate(slots):
            # A slot without dropout draws nothing, as it would in other company.
            factors[place, :, :units] = 1
            if p := slot.recipe.dropout:
                survives = slot.rng.random((n_batch, units), dtype=np.float32) >= p
                factors[place, :, :units] = torch.from_numpy(survives) / (1 - p)
        drawn.append(factors)
    return drawn


def _defined(score: float, n_clips: int) -> float:
    if not np.isfinite(score):
        raise DataError(
            f"Expected a validation score, got {score}: it is undefined on these {n_clips} validation clips"
            " (no label with a positive, or no output that varies). Choose a larger validation split."
        )
    return float(score)
