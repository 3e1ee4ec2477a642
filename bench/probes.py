"""How much faster is a stack of probes than plain DataLoader loops? One thread, alternated, one process.

The loop is what a competent user writes: nn.Sequential, Adam, a shuffling DataLoader over a TensorDataset, one
validation pass an epoch. Both do the same epochs; times are CPU seconds, so that a busy machine shows less.
Run: python -m bench probes
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from bench.ratio import Ratio, compare
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.fit import fit
from earmark.probes.recipe import Recipe, hidden_sizes

EPOCHS = 5


class Shape(NamedTuple):
    """Clips and widths of a task: TinySOL's instruments under 768 dimensions, or a small one."""

    n_train: int
    n_valid: int
    dim: int
    n_classes: int


SMALL, TINYSOL = Shape(1320, 165, 128, 12), Shape(2330, 291, 768, 14)
THESIS = {"M1": (), "M2": (128,), "M3": (256, 128), "M4": ("infer",), "M5": ("infer", "infer")}


def measure() -> list[Ratio]:
    """Return a row for each shape, probe and size of stack."""
    torch.set_num_threads(1)
    rows = [_row(SMALL, name, 3, 1.3) for name in ("M1", "M3")]
    rows += [_row(TINYSOL, name, 3, 1.3) for name in THESIS]
    return [*rows, _row(TINYSOL, "M1", 8, 2.5)]


def _row(shape: Shape, name: str, slots: int, goal: float) -> Ratio:
    recipe = Recipe(THESIS[name], epochs=EPOCHS, patience=EPOCHS)  # type: ignore[arg-type]  # rules among numbers
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((shape.n_train + shape.n_valid, 1, shape.dim), dtype=np.float32)
    targets = rng.integers(shape.n_classes, size=len(inputs))
    train = Examples(inputs[: shape.n_train], targets[: shape.n_train])
    valid = Examples(inputs[shape.n_train :], targets[shape.n_train :])
    problem = Problem("multiclass", train, valid, shape.n_classes)

    def stacked() -> None:
        fit(problem, [Job(recipe, seed) for seed in range(slots)])

    def looped() -> None:
        for _ in range(slots):
            _loop(recipe, problem)

    question = f"{EPOCHS} epochs of {slots} probes {name}, {shape.n_train:,} × {shape.dim} → {shape.n_classes}"
    return compare(question, (f"a stack of {slots}", stacked), (f"{slots} DataLoader loops", looped), goal)


def _loop(recipe: Recipe, problem: Problem) -> None:
    dim = problem.train.embeddings.shape[2]
    sizes = (dim, *hidden_sizes(recipe, dim, problem.n_outputs), problem.n_outputs)
    modules: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1])
    loss = torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=1e-7, weight_decay=2e-5)
    sides = [
        (torch.from_numpy(one.embeddings[:, 0]), torch.from_numpy(one.targets))
        for one in (problem.train, problem.valid)
    ]
    loader = DataLoader(TensorDataset(*sides[0]), recipe.batch_size, shuffle=True)
    for _ in range(recipe.epochs):
        for inputs, targets in loader:
            optimiser.zero_grad()
            loss(network(inputs), targets).backward()
            optimiser.step()
        with torch.no_grad():
            (network(sides[1][0]).argmax(1) == sides[1][1]).float().mean().item()
