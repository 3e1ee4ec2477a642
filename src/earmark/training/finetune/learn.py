"""The loop: steps of Adam over head and body, a look at the validation clips after each epoch, one epoch kept.

Everything random is told by seed, epoch and step alone, so whoever goes on from a state does what would have been done.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from earmark import identity
from earmark.errors import UserError
from earmark.probes.network_probe import Check
from earmark.training.finetune import head as heads
from earmark.training.finetune import state as states
from earmark.training.finetune.bodies import Body
from earmark.training.finetune.head import Goal
from earmark.training.finetune.recipe import Recipe
from earmark.training.finetune.state import State

SAVE_EVERY_S = 300.0
Say = Callable[[str], None]


@dataclass
class Learner:
    """A head, the body below it, and where they stand; `file` holds the state, and `key` names what it is of."""

    body: Body
    goal: Goal
    recipe: Recipe
    seed: int
    file: Path
    key: str
    say: Say

    def __post_init__(self) -> None:
        """Go on from the state on the disk, where there is one."""
        self.head = heads.new(self.body.dim, len(self.goal.classes), self.seed).to(self.body.device)
        groups = [
            {"params": self.body.parameters(), "lr": self.recipe.body_learning_rate},
            {"params": list(self.head.parameters()), "lr": self.recipe.head_learning_rate},
        ]
        moving = [group for group in groups if group["params"]]
        self.optimiser = torch.optim.Adam(moving, betas=self.recipe.betas, eps=self.recipe.epsilon)
        self.state = states.read(self.file, self.key)
        self._order: tuple[int, np.ndarray] | None = None
        if self.state.step:
            self.body.set(self.state.body)
            self.head.load_state_dict(dict(self.state.head))
            self.optimiser.load_state_dict(dict(self.state.optimiser))

    @property
    def n_steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.goal.train) / self.recipe.batch_size)

    def learn(self) -> State:
        """Train to the end, saving after each epoch and every few minutes; the kept epoch's tensors are then set.

        Raises UserError where the loss is no number any more.
        """
        state, began = self.state, time.perf_counter() - self.state.seconds
        saved = time.perf_counter()
        while not state.is_over(self.recipe.epochs, self.recipe.patience):
            self._step()
            state.seconds = time.perf_counter() - began
            is_epoch = state.step % self.n_steps == 0
            if is_epoch:
                self._check()
            if is_epoch or time.perf_counter() - saved > SAVE_EVERY_S:
                self._save()
                saved = time.perf_counter()
        self.body.set(state.best)
        self.head.load_state_dict(dict(state.best_head))
        return state

    def _batch(self) -> list[int]:
        """Return the training clips of the next step: all of them once an epoch, in an order of its own."""
        epoch, place = divmod(self.state.step, self.n_steps)
        if self._order is None or self._order[0] != epoch:
            draws = identity.generator("fine-tuning order", self.seed, epoch)
            self._order = epoch, draws.permutation(len(self.goal.train))
        size = self.recipe.batch_size
        return [int(one) for one in self._order[1][place * size : (place + 1) * size]]

    def _step(self) -> None:
        state, batch = self.state, self._batch()
        targets = self.goal.train[batch].to(self.body.device)
        self.optimiser.zero_grad(set_to_none=True)
        seed = identity.seed_for("fine-tuning", self.seed, state.step)
        for places, vectors in self.body.heard(batch, state.step // self.n_steps, seed):
            loss = self.goal.loss(self.head(vectors), targets[list(places)])
            (loss / len(batch)).backward()  # type: ignore[no-untyped-call]  # torch's
            state.total += float(loss.detach())
        if not math.isfinite(state.total):
            raise self._diverged("loss")
        self.optimiser.step()
        state.step += 1

    def _check(self) -> None:
        """Look at the validation clips, and keep what is there if it is the best so far, by the recipe."""
        state, epoch = self.state, self.state.step // self.n_steps
        loss, score = self.goal.judge(self.head, self.body.validated())
        if not math.isfinite(loss):
            raise self._diverged("validation loss")
        rate = self.recipe.head_learning_rate
        state.curve.append(Check(epoch, state.step, rate, state.total / len(self.goal.train), loss, score))
        state.total = 0.0
        is_best = state.kept(self.recipe.keep).epoch == epoch
        if is_best:
            state.best, state.best_head = self.body.state(), _copy(self.head)
        train_loss = state.curve[-1].train_loss
        self.say(f"epoch {epoch}: loss {train_loss:.4f}, validation {loss:.4f}, score {score:.3f}" + ", kept" * is_best)

    def _diverged(self, what: str) -> UserError:
        rate = self.recipe.body_learning_rate if self.body.parameters() else self.recipe.head_learning_rate
        return UserError(
            f"The {what} is no number any more at step {self.state.step:,}: it diverged. Write a lower learning rate "
            f"than {rate:g}."
        )

    def _save(self) -> None:
        state = self.state
        state.body, state.head, state.optimiser = self.body.state(), _copy(self.head), self.optimiser.state_dict()
        states.write(self.file, self.key, state)


def _copy(head: nn.Linear) -> dict[str, torch.Tensor]:
    return {name: one.detach().cpu().clone() for name, one in head.state_dict().items()}
