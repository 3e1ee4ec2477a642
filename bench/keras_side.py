"""The other side of `keras_loop`: probes trained by Keras, in a Python that has TensorFlow and nothing of earmark.

Two designs. "files": the data generator reads one .npy a clip for every batch, drops a batch that is not full and
hands the validation clips over one by one, with the metrics and callbacks that an evaluation toolkit keeps
(Plachouras 2023, appendix A, as performance notes of its design tell it; written anew). "memory": the same network
on arrays, without any of that. Run: PYTHON keras_side.py FOLDER DESIGN, which prints CPU seconds.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # type: ignore[import-not-found]  # not beside earmark
import numpy as np
import tensorflow  # type: ignore[import-untyped]  # not beside earmark

BATCH, L2, RATE, PATIENCE = 100, 1e-5, 1e-3, 10


class Generator(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """Batches of clips, each read from a file of its own."""

    def __init__(self, files: list[Path], targets: np.ndarray, batch: int, shuffled: bool) -> None:
        super().__init__()
        self.files, self.targets, self.batch, self.shuffled = files, targets, batch, shuffled
        self.order = np.arange(len(files))
        self.on_epoch_end()

    def __len__(self) -> int:
        """Return the number of full batches."""
        return len(self.files) // self.batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs and targets of a batch."""
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        return np.stack([np.load(self.files[clip]) for clip in chosen]), self.targets[chosen]

    def on_epoch_end(self) -> None:
        """Draw another order."""
        if self.shuffled:
            np.random.default_rng().shuffle(self.order)


def network(dim: int, hidden: list[int], n_classes: int, metrics: list[Any]) -> Any:
    """Return a compiled network."""
    layers: list[Any] = [keras.layers.Input((dim,))]
    for units in hidden:
        layers.append(keras.layers.Dense(units, "relu", kernel_regularizer=keras.regularizers.L2(L2)))
    layers.append(keras.layers.Dense(n_classes, "softmax", kernel_regularizer=keras.regularizers.L2(L2)))
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(RATE), keras.losses.CategoricalCrossentropy(), metrics=metrics)
    return model


def by_files(folder: Path, shape: dict[str, Any]) -> Callable[[int], None]:
    """Return what trains one network for some epochs, on a file a clip."""
    sides = {}
    for side, batch in (("train", BATCH), ("valid", 1)):
        targets = np.load(folder / f"{side}-targets.npy")
        files = [folder / side / f"{clip}.npy" for clip in range(len(targets))]
        sides[side] = Generator(files, keras.utils.to_categorical(targets, shape["n_classes"]), batch, side == "train")
    metrics = [keras.metrics.CategoricalAccuracy(), keras.metrics.Precision(), keras.metrics.Recall()]
    model = network(shape["dim"], shape["hidden"], shape["n_classes"], [*metrics, keras.metrics.AUC()])
    callbacks = [
        keras.callbacks.EarlyStopping(patience=PATIENCE),
        keras.callbacks.ModelCheckpoint(
            folder / "best.keras", monitor="val_categorical_accuracy", save_best_only=True, mode="max"
        ),
        keras.callbacks.TensorBoard(folder / "logs"),
    ]
    return lambda epochs: model.fit(
        sides["train"], validation_data=sides["valid"], epochs=epochs, callbacks=callbacks, verbose=0
    )


def in_memory(folder: Path, shape: dict[str, Any]) -> Callable[[int], None]:
    """Return what trains one network for some epochs, on arrays."""
    sides = {}
    for side in ("train", "valid"):
        targets = keras.utils.to_categorical(np.load(folder / f"{side}-targets.npy"), shape["n_classes"])
        sides[side] = np.load(folder / f"{side}.npy"), targets
    metrics = [keras.metrics.CategoricalAccuracy()]
    model = network(shape["dim"], shape["hidden"], shape["n_classes"], metrics)
    return lambda epochs: model.fit(
        *sides["train"], BATCH, epochs, validation_data=sides["valid"], validation_batch_size=BATCH, verbose=0
    )


def main(folder: Path, design: str) -> None:
    """Print the CPU seconds of all epochs of all probes, one probe after another.

    The epoch before, in which Keras traces the network, does not count.
    """
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    shape = json.loads((folder / "shape.json").read_text())
    spent_s = 0.0
    for seed in range(shape["n_probes"]):
        keras.utils.set_random_seed(seed)
        train = {"files": by_files, "memory": in_memory}[design](folder, shape)
        train(1)
        started = time.process_time()
        train(shape["epochs"])
        spent_s += time.process_time() - started
    print(spent_s)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
