"""How many parameters probes were fitted with: the formula of dense layers, and nothing that was not fitted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from earmark.experiment.probe_folders import WEIGHTS
from earmark.probes import fit, knn, logistic, recipe, ridge, select
from earmark.probes.base import AnyRecipe, Examples, Job, Problem
from earmark.runs import sizes

DIM, CLASSES = 7, 3


def saved(folder: Path, made: AnyRecipe) -> dict[str, int]:
    """Fit a probe to noise, lay it into the folder of a run as "key", and return the sizes of that run."""
    rng = np.random.default_rng(0)
    targets = np.arange(30) % CLASSES
    train, valid = (Examples(rng.standard_normal((30, 1, DIM), dtype=np.float32), targets) for _ in range(2))
    (probe,) = fit.fit(Problem("multiclass", train, valid, CLASSES), [Job(made, 0)])
    (folder / "probes" / "key").mkdir(parents=True)
    (folder / "probes" / "key" / WEIGHTS).write_bytes(probe.to_bytes())
    return sizes.of_run(folder)


LINEAR = DIM * CLASSES + CLASSES
HIDDEN = DIM * 5 + 5 + 5 * CLASSES + CLASSES


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: recipe.Recipe((), epochs=1), LINEAR),
        (lambda: recipe.Recipe((5,), epochs=1), HIDDEN),
        (lambda: recipe.Recipe((5,), epochs=1, standardise=True), HIDDEN),
        (lambda: recipe.Recipe((5,), epochs=1, batch_norm=True), HIDDEN + 2 * 5),
        (lambda: logistic.Recipe(), LINEAR),
        (lambda: select.Recipe((recipe.Recipe((5,), epochs=1),)), HIDDEN),
    ],
)
def test_the_size_of_a_probe_is_its_weights_and_biases(
    make: Callable[[], AnyRecipe], wanted: int, tmp_path: Path
) -> None:
    assert saved(tmp_path, make()) == {"key": wanted}


def test_a_ridge_has_weights_and_biases_too(tmp_path: Path) -> None:
    assert saved(tmp_path, ridge.Recipe())["key"] >= DIM


def test_nearest_neighbours_have_no_size(tmp_path: Path) -> None:
    assert saved(tmp_path, knn.Recipe()) == {}


def test_a_run_without_probes_has_no_sizes(tmp_path: Path) -> None:
    assert sizes.of_run(tmp_path) == {}
