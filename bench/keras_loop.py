"""How much faster is a stack of probes than probes trained by Keras? In turn, by CPU seconds of a process each.

TensorFlow does not go beside earmark, so it needs a Python of its own, which EARMARK_BENCH_KERAS names: make a virtual
environment and `pip install tensorflow-cpu tensorboard` there. The probe is the thesis' M3, on as many clips as TinySOL
has and 768 dimensions. Both sides train the same epochs of as many probes, ours in one stack. Starting Python,
importing, writing the files, and an epoch in which Keras traces the network do not count.
Run: python -m bench keras_loop
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bench.ratio import NotHere, Ratio
from earmark.experiment.presets import preset
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.fit import fit
from earmark.probes.recipe import Recipe

PLACE = "EARMARK_BENCH_KERAS"
SIZES, DIM, N_CLASSES = {"train": 2_330, "valid": 291}, 768, 14
EPOCHS, N_PROBES, ROUNDS = 3, 3, 5
DESIGNS = {
    "files": ("Keras, a .npy a clip, validation one by one", 15.0),
    "memory": ("Keras on arrays, no callbacks", None),
}


def measure() -> list[Ratio]:
    """Return a row for each design of theirs. Raises NotHere where no Python with TensorFlow is named."""
    theirs = os.environ.get(PLACE)
    if theirs is None:
        raise NotHere(f"no TensorFlow. {PLACE} names a Python that has it; it must not be earmark's own.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        return [_ratio(folder, theirs, design) for design in DESIGNS]


def write(folder: Path) -> None:
    """Write the clips for both sides: arrays, a file a clip, targets, and what is to be trained."""
    rng = np.random.default_rng(0)
    for side, n_clips in SIZES.items():
        embeddings = rng.standard_normal((n_clips, DIM), dtype=np.float32)
        np.save(folder / f"{side}.npy", embeddings)
        np.save(folder / f"{side}-targets.npy", rng.integers(N_CLASSES, size=n_clips))
        (folder / side).mkdir()
        for clip, embedding in enumerate(embeddings):
            np.save(folder / side / f"{clip}.npy", embedding)
    hidden = recipe().hidden_units
    said = {"dim": DIM, "hidden": hidden, "n_classes": N_CLASSES, "epochs": EPOCHS, "n_probes": N_PROBES}
    (folder / "shape.json").write_text(json.dumps(said))


def recipe() -> Recipe:
    """Return the probe, which trains for all epochs."""
    (made,) = preset("mir_ref-fixed", ["M3"]).values()
    assert isinstance(made, Recipe)
    return Recipe(made.hidden_units, epochs=EPOCHS, patience=EPOCHS)


def train(folder: Path) -> float:
    """Return the CPU seconds of our side: reading the arrays, and all probes in one stack."""
    torch.set_num_threads(1)
    seconds = []
    for _ in range(2):  # the first does not count
        started = time.process_time()
        training, validation = (
            Examples(np.load(folder / f"{side}.npy")[:, None], np.load(folder / f"{side}-targets.npy"))
            for side in SIZES
        )
        problem = Problem("multiclass", training, validation, N_CLASSES)
        fit(problem, [Job(recipe(), seed) for seed in range(N_PROBES)])
        seconds.append(time.process_time() - started)
    return seconds[1]


def _ratio(folder: Path, theirs: str, design: str) -> Ratio:
    name, goal = DESIGNS[design]
    other = [theirs, str(Path(__file__).with_name("keras_side.py")), str(folder), design]
    own = [sys.executable, "-m", "bench.keras_loop", str(folder)]
    pairs = [(_printed(own), _printed(other)) for _ in range(ROUNDS)]
    ratios = [other_s / own_s for own_s, other_s in pairs]
    own_s, other_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    n_train, n_valid = SIZES.values()
    question = f"{EPOCHS} epochs of {N_PROBES} probes M3, {n_train:,} + {n_valid} × {DIM} → {N_CLASSES}"
    ours = f"a stack of {N_PROBES}, a process of its own"
    low, median, high = min(ratios), statistics.median(ratios), max(ratios)
    return Ratio(question, ours, name, goal, low, median, high, own_s, other_s, ROUNDS)


def _printed(command: list[str]) -> float:
    """Run a side, and return the CPU seconds that it prints last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    print(train(Path(sys.argv[1])))
