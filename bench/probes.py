"""How much faster is a stack of three probes than three plain DataLoader loops? One thread, alternated, one process.

The loop is what a competent user writes: nn.Sequential, Adam, a shuffling DataLoader over a TensorDataset, one
validation pass an epoch. Both do the same epochs; times are CPU seconds, so that a busy machine shows less.
Run: python -m bench probes
"""

from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from bench.ratio import Ratio, compare
from earmark.probes.fit import fit
from earmark.probes.presets import preset
from earmark.probes.recipe import Recipe, hidden_sizes

SHAPES = ((1320, 165, 128, 12), (2330, 291, 768, 14))
EPOCHS = 5
SLOTS = 3


def measure() -> list[Ratio]:
    """Return a row for each shape and probe."""
    torch.set_num_threads(1)
    return [_row(shape, name, recipe) for shape in SHAPES for name, recipe in preset("mir_ref-fixed", _PROBES).items()]


_PROBES = ("M1", "M3")


def _row(shape: tuple[int, int, int, int], name: str, given: Recipe) -> Ratio:
    n_train, n_valid, dim, n_classes = shape
    recipe = Recipe(given.hidden_units, epochs=EPOCHS, patience=EPOCHS)
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((n_train + n_valid, 1, dim), dtype=np.float32)
    targets = rng.integers(n_classes, size=n_train + n_valid)
    train, valid = (inputs[:n_train], targets[:n_train]), (inputs[n_train:], targets[n_train:])

    def stacked() -> None:
        fit(recipe, "multiclass", train, valid, n_classes, range(SLOTS))

    def looped() -> None:
        for _ in range(SLOTS):
            _loop(recipe, train, valid, n_classes)

    question = f"{EPOCHS} epochs of {SLOTS} probes {name}, {n_train:,} × {dim} → {n_classes}"
    return compare(question, ("a stack of three", stacked), ("three DataLoader loops", looped), goal=1.3)


def _loop(
    recipe: Recipe, train: tuple[np.ndarray, np.ndarray], valid: tuple[np.ndarray, np.ndarray], n_classes: int
) -> None:
    dim = train[0].shape[2]
    sizes = (dim, *hidden_sizes(recipe, dim, n_classes), n_classes)
    modules: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1])
    loss = torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=1e-7, weight_decay=2e-5)
    pairs = TensorDataset(torch.from_numpy(train[0][:, 0]), torch.from_numpy(train[1]))
    valid_inputs, valid_targets = torch.from_numpy(valid[0][:, 0]), torch.from_numpy(valid[1])
    loader = DataLoader(pairs, recipe.batch_size, shuffle=True)
    for _ in range(recipe.epochs):
        for inputs, targets in loader:
            optimiser.zero_grad()
            loss(network(inputs), targets).backward()
            optimiser.step()
        with torch.no_grad():
            (network(valid_inputs).argmax(1) == valid_targets).float().mean().item()
