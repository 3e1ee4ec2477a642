"""Networks fitted many at once: one stack, one step for all, each slot its own batches, rates and end.

In memory, by index: no loader. Nothing of a clip is left out unless the recipe says so. On a GPU (`Problem.device`)
inputs, targets and weights move there once, and of an epoch only its orders and what dropout draws; the loop waits
for the GPU at the end of an epoch. It has never run on one: the tests follow every tensor to a device made up of the
CPU.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from math import prod
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from earmark.errors import UserError
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.batches import Inputs, inputs_of, pool, target_tensor
from earmark.probes.initial import initial
from earmark.probes.inputs import ONE_CLASS, check_problem
from earmark.probes.monitors import loss_of
from earmark.probes.network_probe import NetworkProbe, restore
from earmark.probes.networks import Network, Weights, unpadded
from earmark.probes.preparation import Preparation
from earmark.probes.recipe import Loss, Recipe, hidden_sizes
from earmark.probes.sampling import batch_sizes, epoch_length
from earmark.probes.slots import Slot, silenced
from earmark.probes.stack import Stack
from earmark.probes.target_scaling import TargetScaling

__all__ = ["fit", "restore"]

# What recipes must agree on to see the same inputs, and to ride in one stack; all else is a slot's own.
SAME_INPUTS = ("pool_frames", "standardise", "pca", "layer_weights", "loss", "standardise_targets")
SAME_STACK = ("batch_size", "epochs", "steps", "drop_last")
STACK_NUMBERS, STACK_NUMBERS_ON_GPU = 2**24, 2**28
"""So many weights make a full stack: more are out of every cache, and gain nothing by company. On a GPU all ride in
one, up to 4 GiB of weights with their gradients and moments."""


def fit(problem: Problem, jobs: Sequence[Job]) -> list[NetworkProbe]:
    """Return one fitted probe for each job, in order.

    Losses: cross-entropy; binary cross-entropy and squared error, averaged over outputs. A seed (64 bits) draws the
    first weights, the order of every epoch and the dropout of its probe. Which check is kept and when a probe stops:
    see `Recipe`. By default the kind's score decides, of equal ones the lower validation loss, of equal ones still
    the first. The same comparison counts the patience: a score such as accuracy stands still for many epochs while a
    probe that is far from done goes on learning.

    On one CPU thread a probe is the same to the bit whatever probes it is fitted beside; on a GPU it draws the same,
    and its numbers are within 1e-4. Inputs are left as they are.
    Raises DataError for data that cannot be used, and when a probe's predictions stop being finite; UserError for a
    recipe that does not go with the kind of task.
    Differs from Keras: Adam's epsilon is added after the bias correction, as torch does.
    """
    check_problem(problem)
    scaling = TargetScaling.of(problem) if problem.kind == "regression" else None
    scaled = scaling.applied(problem) if scaling else problem
    recipes = [cast(Recipe, job.recipe) for job in jobs]
    slots = [
        Slot(recipe, job.seed, scaled if recipe.standardise_targets else problem)
        for recipe, job in zip(recipes, jobs, strict=True)
    ]
    found: dict[int, NetworkProbe] = {}
    for places in _alike([_said(slot, SAME_INPUTS) for slot in slots]):
        first = slots[places[0]]
        material = _material(first.problem, first.recipe, scaling if first.recipe.standardise_targets else None)
        for stack in _stacks([slots[place] for place in places], material):
            _train(stack, material)
        found |= {place: _fitted(slots[place], material) for place in places}
    return [found[place] for place in range(len(jobs))]


class _Material(NamedTuple):
    """What is the same for all slots of a stack."""

    problem: Problem
    preparation: Preparation
    train: Inputs
    targets: Tensor
    labels: np.ndarray
    valid: Inputs
    loss: Loss
    scaling: TargetScaling | None

    def network(self, recipe: Recipe) -> Network:
        n_weighed = self.preparation.input_shape[0] if recipe.layer_weights else 0
        dim = self.preparation.n_outputs // (n_weighed or 1)
        sizes = (dim, *hidden_sizes(recipe, dim, self.problem.n_outputs), self.problem.n_outputs)
        return Network(sizes, recipe.activation, recipe.batch_norm, n_weighed, recipe.pool_frames == "attention")


def _material(problem: Problem, recipe: Recipe, scaling: TargetScaling | None) -> _Material:
    loss, attends = loss_of(recipe.loss, problem.kind), recipe.pool_frames == "attention"
    train, valid = _pooled(recipe, problem.train), _pooled(recipe, problem.valid)
    preparation = Preparation.of(train.embeddings, recipe.standardise, recipe.pca)
    n_weighed = preparation.input_shape[0] if recipe.layer_weights else 0
    inputs = [
        inputs_of(preparation, one.embeddings, _frames(one) if attends else None, n_weighed) for one in (train, valid)
    ]
    targets = train.targets if attends else train.row_targets
    labels = targets if problem.kind in ONE_CLASS else np.zeros(0, np.int64)
    wanted = target_tensor(loss, targets, problem.n_outputs).to(problem.device)
    here = [one.to(problem.device) for one in inputs]
    return _Material(problem, preparation, here[0], wanted, labels, here[1], loss, scaling)


def _pooled(recipe: Recipe, examples: Examples) -> Examples:
    if recipe.pool_frames not in ("mean", "mean_std"):
        return examples
    return Examples(pool(recipe.pool_frames, examples.embeddings, examples.clips), examples.targets)


def _frames(examples: Examples) -> np.ndarray:
    return np.arange(len(examples.embeddings)) if examples.clips is None else examples.clips


def _said(slot: Slot, names: Sequence[str]) -> tuple[object, ...]:
    return tuple(getattr(slot.recipe, name) for name in names)


def _alike(things: Sequence[object]) -> list[list[int]]:
    """Return the places of equal things, group by group, in order of their first."""
    groups: dict[object, list[int]] = {}
    for place, thing in enumerate(things):
        groups.setdefault(thing, []).append(place)
    return list(groups.values())


def _stacks(slots: Sequence[Slot], material: _Material) -> Iterator[list[Slot]]:
    """Yield the slots in stacks: of one network and one length, not too large, at least two where there are two."""
    networks = [material.network(slot.recipe) for slot in slots]
    alike = [
        (network, _said(slot, SAME_STACK), _length(slot, material))
        for network, slot in zip(networks, slots, strict=True)
    ]
    for places in _alike(alike):
        n_numbers = sum(prod(kernel.shape) for kernel in networks[places[0]].kernels)
        full = STACK_NUMBERS if material.problem.device == "cpu" else STACK_NUMBERS_ON_GPU
        n_stacks = max(1, len(places) // max(2, full // n_numbers))
        for some in np.array_split(places, n_stacks):
            yield [slots[place] for place in some]


def _length(slot: Slot, material: _Material) -> int:
    if slot.recipe.train_sampling == "balanced" and not len(material.labels):
        raise UserError(
            f"train_sampling balanced needs one class a clip, and this task is {material.problem.kind}. "
            "Write train_sampling: random."
        )
    return epoch_length(slot.recipe.train_sampling, material.labels, len(material.train))


def _train(slots: Sequence[Slot], material: _Material) -> None:
    recipe, network = slots[0].recipe, material.network(slots[0].recipe)
    sizes = batch_sizes(recipe, _length(slots[0], material))
    n_steps = recipe.steps or recipe.epochs * len(sizes)
    riding = [*slots] if len(slots) > 1 else [*slots, Slot(recipe, slots[0].seed, material.problem, is_done=True)]
    for slot in riding:
        slot.check_warm_up(n_steps)
    first = [initial(network, slot.recipe.initialisation, slot.rng) for slot in riding]
    stack = Stack(
        network, material.loss, Weights(*map(torch.cat, zip(*first, strict=True))).to(material.problem.device)
    )
    room = material.train.room(len(riding), max(sizes))
    for epoch in count(1):
        _epoch(riding, stack, sizes, n_steps, material, room)
        is_end = stack.n_steps >= n_steps
        _check(riding, stack, epoch, is_end, n_steps, material)
        if is_end or all(slot.is_done for slot in riding):
            return
        keep = _still_riding(riding)
        if len(keep) < len(riding):
            riding, stack = [riding[place] for place in keep], stack.only(keep)


def _epoch(
    riding: Sequence[Slot], stack: Stack, sizes: list[int], n_steps: int, material: _Material, room: Tensor
) -> None:
    """Take the steps of an epoch, or those that are left, each slot in its own order."""
    device, losses = material.problem.device, list[Tensor]()
    orders = np.stack([slot.order(material.labels, len(material.train)) for slot in riding])[:, : sum(sizes)]
    batches = torch.split(torch.from_numpy(orders).to(device), sizes, dim=1)[: n_steps - stack.n_steps]
    for rows in batches:
        dropout = [factors.to(device) for factors in silenced(riding, stack.network, rows.shape[1])]
        rates = [slot.rate(stack.n_steps, n_steps) for slot in riding]
        losses.append(stack.step(material.train.batch(rows, room), material.targets[rows], dropout, rates))
    # Asked for once an epoch: each time a GPU is asked for a number, everything waits for it.
    for rows, of_slots in zip(batches, torch.stack(losses).cpu().tolist(), strict=True):
        for slot, loss in zip(riding, of_slots, strict=True):
            slot.trained(loss, rows.shape[1])


def _check(riding: Sequence[Slot], stack: Stack, epoch: int, is_end: bool, n_steps: int, material: _Material) -> None:
    wanting = [place for place, slot in enumerate(riding) if slot.wants_check(epoch, is_end)]
    if not wanting:
        return
    logits = stack.logits(material.valid)[..., : material.problem.n_outputs].cpu()
    for place in wanting:
        rate = riding[place].rate(stack.n_steps - 1, n_steps).learning_rate
        riding[place].check(epoch, stack.n_steps, rate, logits[place].contiguous(), stack.weights.at(place))


def _still_riding(riding: Sequence[Slot]) -> list[int]:
    """Return the places of the slots that are not done, and of one more where only one is left."""
    going = [place for place, slot in enumerate(riding) if not slot.is_done]
    return going if len(going) > 1 else sorted([*going, next(p for p, slot in enumerate(riding) if slot.is_done)])


def _fitted(slot: Slot, material: _Material) -> NetworkProbe:
    assert slot.kept is not None
    network = material.network(slot.recipe)
    kept = slot.history[slot.kept_at]
    weights = {name: view.numpy().copy() for name, view in unpadded(slot.kept.to("cpu"), network).items()}
    if material.scaling:
        weights = material.scaling.undone(weights, f"dense.{len(network.sizes) - 2}")
    return NetworkProbe(
        recipe=slot.recipe,
        kind=material.problem.kind,
        classes=material.problem.classes,
        network=network,
        weights=weights,
        preparation=material.preparation,
        input_shape=(material.problem.train.embeddings.shape[1], material.problem.train.embeddings.shape[2]),
        best_epoch=kept.epoch,
        valid_score=kept.valid_score,
        history=tuple(slot.history),
        seed=slot.seed,
    )
