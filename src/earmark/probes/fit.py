"""Fit probes on embeddings, many at once: one stack, one optimiser, each slot its own batches and its own end.

In memory, by index: no loader. Every clip is seen once an epoch; the last batch may be smaller, it is not dropped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from earmark.errors import DataError, UserError
from earmark.nouns import Kind
from earmark.probes.inputs import Scaling, check_embeddings, check_targets, input_tensor, target_tensor
from earmark.probes.monitors import MONITORS, Monitor, loss
from earmark.probes.networks import activate, backward, forward, glorot, layers, padded
from earmark.probes.recipe import Recipe, hidden_sizes
from earmark.probes.saved import Dense, Fitted

_CLASSES = ("multiclass", "pitch", "key")
BLOCK = 1024
"""Validation clips scored at a time: a bound on memory, fixed so that it never changes a number."""


def fit(
    recipe: Recipe,
    kind: Kind,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray],
    n_outputs: int,
    seeds: Sequence[int],
    classes: Sequence[str] = (),
    monitor: Monitor | None = None,
) -> list[Fitted]:
    """Return one fitted probe for each seed, in order.

    `train` and `valid` are (embeddings, targets): float32 (clips, layers, dim), and class indices (clips,) for
    multiclass, pitch and key, 0 or 1 (clips, n_outputs) for multilabel, numbers (clips, n_outputs) for regression.
    Losses: cross-entropy; binary cross-entropy and squared error, averaged over outputs. A seed (64 bits) draws the
    first weights, the order of every epoch and the dropout of its probe. `monitor` (default: that of the kind in
    `monitors.py`) scores the validation clips after each epoch: the best epoch is kept, of equal ones that of the
    lower validation loss, of equal ones still the first. The same comparison counts the patience: a score such as
    accuracy stands still for many epochs while a probe that is far from done goes on learning.

    On one CPU thread a probe is the same to the bit whatever seeds it is fitted beside. Inputs are left as they are.
    Raises DataError for data that cannot be used, and when a probe's predictions stop being finite.
    Differs from Keras: Adam's epsilon (1e-7) is added after the bias correction, as torch does.
    """
    _check(kind, train, valid, n_outputs, seeds, classes)
    scaling = Scaling.of(train[0]) if recipe.standardise else None
    inputs, targets = input_tensor(train[0], scaling), target_tensor(kind, train[1], n_outputs)
    valid_inputs = input_tensor(valid[0], scaling)
    _, n_layers, dim = train[0].shape
    sizes = (n_layers * dim, *hidden_sizes(recipe, n_layers * dim, n_outputs), n_outputs)

    slots = [_Slot(seed) for seed in seeds]
    riding = slots if len(slots) > 1 else [*slots, _Slot(seeds[0], is_done=True)]
    stack = _Stack(torch.stack([glorot(sizes, slot.rng) for slot in riding]), sizes, kind, recipe)
    for epoch in range(1, recipe.epochs + 1):
        orders = np.stack([slot.rng.permutation(len(inputs)) for slot in riding])
        for rows in torch.split(torch.from_numpy(orders), recipe.batch_size, dim=1):
            stack.step(inputs[rows], targets[rows], _dropout(recipe, sizes, rows.shape[1], riding))
        scores = stack.predict(valid_inputs)
        for place, slot in enumerate(riding):
            if not slot.is_done:
                slot.note(epoch, scores[place], valid[1], kind, monitor or MONITORS[kind], stack.parameters[place])
                slot.is_done = epoch - slot.best_epoch >= recipe.patience
        if all(slot.is_done for slot in riding):
            break
        keep = _still_riding(riding)
        if len(keep) < len(riding):
            riding, stack = [riding[place] for place in keep], stack.only(keep)
    return [_fitted(slot, sizes, recipe, kind, tuple(classes), scaling, (n_layers, dim)) for slot in slots]


@dataclass
class _Slot:
    """One probe on its way. A slot that is done may ride on where a stack needs a second."""

    seed: int
    is_done: bool = False
    best_epoch: int = 0
    best_score: tuple[float, float] = (-math.inf, -math.inf)
    best: Tensor = field(default_factory=lambda: torch.empty(0))
    history: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Not torch's generator: it keeps the lower 32 bits of a seed only.
        self.rng = np.random.Generator(np.random.PCG64(self.seed))

    def note(
        self, epoch: int, scores: Tensor, targets: np.ndarray, kind: Kind, monitor: Monitor, parameters: Tensor
    ) -> None:
        if not (torch.isfinite(scores).all() and torch.isfinite(parameters).all()):
            raise DataError(
                f"Expected finite predictions, got NaN or infinity after epoch {epoch} of the probe with seed"
                f" {self.seed}. Lower learning_rate, or set standardise if the embeddings are very large."
            )
        score = monitor(targets, scores.numpy())
        if not np.isfinite(score):
            raise DataError(
                f"Expected a validation score, got {score}: it is undefined on these {len(targets)} validation clips"
                " (no label with a positive, or no output that varies). Choose a larger validation split."
            )
        reached = (float(score), -loss(kind, targets, scores.numpy()))
        if reached > self.best_score:
            self.best_epoch, self.best_score, self.best = epoch, reached, parameters.clone()
        self.history.append(float(score))


class _Stack:
    """The parameters of some slots and their one optimiser: elementwise, so the same as one for each."""

    def __init__(self, parameters: Tensor, sizes: Sequence[int], kind: Kind, recipe: Recipe) -> None:
        self.parameters, self.sizes, self.kind, self.recipe = parameters, sizes, kind, recipe
        self.parameters.grad = torch.zeros_like(parameters)
        self.layers, self.gradients = layers(parameters, sizes), layers(self.parameters.grad, sizes)
        # Keras' penalty λ·Σw² has the gradient 2λ·w; torch's Adam adds weight_decay·w.
        decay = 2 * recipe.weight_decay
        self.optimiser = torch.optim.Adam([parameters], recipe.learning_rate, eps=1e-7, weight_decay=decay, fused=True)

    def step(self, inputs: Tensor, targets: Tensor, dropout: Sequence[Tensor]) -> None:
        """Take one step on a batch: (slots, batch, inputs) and (slots, batch, outputs)."""
        activations = forward(self.layers, inputs, dropout)
        error = self._activate(activations[-1]).sub_(targets)
        # For each of the three losses the gradient by the outputs is this difference, scaled.
        n_averaged = len(inputs[0]) * (1 if self.kind in _CLASSES else self.sizes[-1])
        error.mul_((2 if self.kind == "regression" else 1) / n_averaged)
        backward(self.layers, self.gradients, activations, error, dropout)
        self.optimiser.step()

    def predict(self, inputs: Tensor) -> Tensor:
        """Return the predictions (slots, clips, outputs) for inputs (clips, inputs) that all slots share."""
        blocks = [
            self._activate(forward(self.layers, block.expand(len(self.parameters), -1, -1))[-1])
            for block in torch.split(inputs, BLOCK)
        ]
        return torch.cat(blocks, dim=1)[..., : self.sizes[-1]]

    def only(self, keep: Sequence[int]) -> "_Stack":
        """Return a stack of some of the slots, mid-way as they are."""
        fewer = _Stack(self.parameters[keep], self.sizes, self.kind, self.recipe)
        state = self.optimiser.state[self.parameters]
        fewer.optimiser.state[fewer.parameters] = {
            name: value if name == "step" else value[keep] for name, value in state.items()
        }
        return fewer

    def _activate(self, outputs: Tensor) -> Tensor:
        if self.kind != "regression":
            # Padding must come out as 0 and take nothing from the sum of a softmax.
            outputs[..., self.sizes[-1] :] = -torch.inf
        return activate(self.kind, outputs)


def _still_riding(riding: Sequence[_Slot]) -> list[int]:
    """Return the places of the slots that are not done, and of one more where only one is left."""
    going = [place for place, slot in enumerate(riding) if not slot.is_done]
    return going if len(going) > 1 else sorted([*going, next(p for p, slot in enumerate(riding) if slot.is_done)])


def _dropout(recipe: Recipe, sizes: Sequence[int], n_batch: int, riding: Sequence[_Slot]) -> list[Tensor]:
    """Return the factors of each hidden layer, (slots, batch, units), each slot's drawn by itself."""
    if not recipe.dropout:
        return []
    drawn = []
    for units in sizes[1:-1]:
        factors = torch.zeros(len(riding), n_batch, padded(units))
        for place, slot in enumerate(riding):
            survives = slot.rng.random((n_batch, units), dtype=np.float32) >= recipe.dropout
            factors[place, :, :units] = torch.from_numpy(survives) / (1 - recipe.dropout)
        drawn.append(factors)
    return drawn


def _fitted(
    slot: _Slot,
    sizes: Sequence[int],
    recipe: Recipe,
    kind: Kind,
    classes: tuple[str, ...],
    scaling: Scaling | None,
    input_shape: tuple[int, int],
) -> Fitted:
    dense = []
    for layer, (fan_in, fan_out) in zip(layers(slot.best[None], sizes), pairwise(sizes), strict=True):
        weight, bias = layer.weight[0, :fan_in, :fan_out], layer.bias[0, 0, :fan_out]
        dense.append(Dense(weight.numpy().copy(), bias.numpy().copy()))
    return Fitted(
        recipe=recipe,
        kind=kind,
        classes=classes,
        layers=tuple(dense),
        scaling=scaling,
        input_shape=input_shape,
        best_epoch=slot.best_epoch,
        valid_score=slot.history[slot.best_epoch - 1],
        history=tuple(slot.history),
        seed=slot.seed,
    )


def _check(
    kind: Kind,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray],
    n_outputs: int,
    seeds: Sequence[int],
    classes: Sequence[str],
) -> None:
    if not seeds:
        raise UserError("Expected at least one seed, got none. Give `seeds: [0]` for a single probe.")
    if n_outputs < (2 if kind in _CLASSES else 1):
        raise DataError(f"Expected at least two classes (or one label or value) to predict, got {n_outputs}.")
    if classes and len(classes) != n_outputs:
        raise DataError(f"Expected a name for each of {n_outputs} outputs, got {len(classes)} names.")
    for role, (embeddings, targets) in (("train", train), ("valid", valid)):
        check_embeddings(embeddings, role)
        if not len(embeddings):
            reason = "decides when a probe stops" if role == "valid" else "is what a probe learns from"
            raise DataError(f"The {role} split has no clips, but it {reason}. Use a split with clips in '{role}'.")
        check_targets(kind, targets, len(embeddings), n_outputs, role)
    if train[0].shape[1:] != valid[0].shape[1:]:
        raise DataError(
            f"Expected one (layers, dim), got {train[0].shape[1:]} in train, {valid[0].shape[1:]} in valid."
        )
