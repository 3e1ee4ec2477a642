"""What does each protocol cost? One of each family in full, one thread, CPU seconds, on embeddings in memory.

The problem has the shape of studio's families under log-mel, mean and standard deviation. How long a protocol trains
depends on when its patience ends, so the embeddings are clouds that overlap: a linear probe is right in about half of
the clips. Each clip is one segment. Run: python -m bench protocols
"""

import time
from collections.abc import Iterator

import numpy as np
import torch

from bench.ratio import Cost
from earmark.experiment.presets import find
from earmark.probes.base import AnyRecipe, Examples, Fitted, Job, Problem
from earmark.probes.fit import fit
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.recipe import Recipe
from earmark.probes.select import Selected

N_TRAIN, N_VALID, DIM, N_CLASSES = 1_440, 288, 256, 12
APART = 3.2  # of the clouds' centres, in standard deviations of a cloud
# Preset → its probes that go with classes; None: all of them.
FAMILIES: dict[str, tuple[str, ...] | None] = {
    "mir_ref": None,
    "hear2021": None,
    "mule2022": ("gtzan",),
    "marble1": ("gtzan",),
    "marble2": ("gtzan",),
    "wav2vec2_music": None,
}


def measure() -> Iterator[Cost]:
    """Yield a row for each probe of each family."""
    torch.set_num_threads(1)
    problem = clouds()
    fit(problem, [Job(Recipe(epochs=1), seed=0)])  # what the first fit of a process sets up does not count
    for name, only in FAMILIES.items():
        for probe, recipe in find(name).recipes(only, problem.kind).items():
            yield _cost(name if probe == name else f"{name}/{probe}", recipe, problem)


def clouds() -> Problem:
    """Return the problem: Gaussian clouds of one class each, in `DIM` dimensions."""
    rng = np.random.default_rng(0)
    centres = APART / np.sqrt(2) * np.linalg.qr(rng.standard_normal((DIM, N_CLASSES)))[0].T
    targets = rng.integers(N_CLASSES, size=N_TRAIN + N_VALID)
    embeddings = (centres[targets] + rng.standard_normal((len(targets), DIM))).astype(np.float32)[:, None]
    train, valid = (Examples(embeddings[part], targets[part]) for part in (slice(N_TRAIN), slice(N_TRAIN, None)))
    return Problem("multiclass", train, valid, N_CLASSES)


def _cost(name: str, recipe: AnyRecipe, problem: Problem) -> Cost:
    started = time.process_time()
    (fitted,) = fit(problem, [Job(recipe, seed=0)])
    cpu_s = time.process_time() - started
    right = fitted.predict(problem.valid.embeddings).argmax(axis=1) == problem.valid.targets
    question = f"{name}, {N_TRAIN:,} + {N_VALID} × {DIM} → {N_CLASSES}"
    return Cost(question, cpu_s, f"{_trained(fitted)}; accuracy {right.mean():.2f} on the validation clips")


def _trained(fitted: Fitted) -> str:
    """Say how long a probe trained, or the one that was chosen."""
    if isinstance(fitted, Selected):
        return f"best of {len(fitted.trials)} points: {_trained(fitted.fitted)}"
    if not isinstance(fitted, NetworkProbe):
        raise TypeError(f"Expected a protocol of networks, got {type(fitted).__name__}.")
    last = fitted.history[-1]
    return f"{last.epoch:,} epochs, {last.step:,} steps"
