"""Fit the probes of the thesis with Keras itself, and write what it learned to golden.json beside this file.

Run, with Keras 3.15.1 in a folder of its own (never torch's):
KERAS_BACKEND=torch PYTHONPATH=FOLDER .venv/bin/python -m tests.golden.keras.make
The batches and the first weights are those that earmark draws from the seed, because Keras draws others.
"""

import importlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from earmark.nouns import Kind
from earmark.probes.initial import initial
from earmark.probes.networks import Network, unpadded
from earmark.probes.recipe import Recipe, hidden_sizes

GOLDEN = Path(__file__).parent / "golden.json"
N_TRAIN, DIM, N_OUTPUTS, SEED = 90, 12, 3, 7
RECIPE = Recipe(
    ("infer",), learning_rate=1e-3, weight_decay=0.05, batch_size=40, epochs=10, keep="last", standardise_targets=False
)
STOPPING = Recipe(
    ("infer",),
    learning_rate=0.01,
    weight_decay=0.04,
    batch_size=30,
    epochs=80,
    patience=3,
    stop_criterion="loss",
    ties="first",
    keep="last",
    standardise_targets=False,
    penalised_loss=True,
)
KINDS: tuple[Kind, ...] = ("multiclass", "multilabel", "regression")


def material(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    embeddings = rng.standard_normal((N_TRAIN, 1, DIM)).astype(np.float32)
    values = rng.standard_normal((N_TRAIN, N_OUTPUTS)).astype(np.float32)
    return embeddings, {"multilabel": (values > 0).astype(np.float32), "multiclass": values.argmax(axis=1)}.get(
        kind, values
    )


def learnable(kind: Kind, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return clips whose targets are a map of their embeddings, with noise: two seeds are two draws of one problem."""
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((N_TRAIN, 1, DIM)).astype(np.float32)
    values = embeddings[:, 0] @ np.random.default_rng(0).standard_normal((DIM, N_OUTPUTS)) / 3
    values = (values + 0.7 * rng.standard_normal(values.shape)).astype(np.float32)
    return embeddings, {"multilabel": (values > 0).astype(np.float32), "multiclass": values.argmax(axis=1)}.get(
        kind, values
    )


def fitted(keras: Any, kind: Kind, recipe: Recipe) -> dict[str, Any]:
    """Return the weights that Keras has after the recipe's epochs, the number of them, and the sizes of its layers."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    embeddings, targets = material(kind)
    wanted, model = _as_keras(kind, targets), built(keras, kind, recipe, rng)
    for _ in range(recipe.epochs):
        _epoch(model, embeddings, wanted, recipe, rng)
    learned = [[np.round(array.astype(float), 6).tolist() for array in layer.get_weights()] for layer in model.layers]
    return {"weights": learned, "n_parameters": model.count_params(), "sizes": [layer.units for layer in model.layers]}


def stopped(keras: Any, kind: Kind) -> dict[str, int]:
    """Return the epoch, from 1, at which Keras' EarlyStopping ends a training: by its val_loss, and by that less L2."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    (embeddings, targets), (others, theirs) = learnable(kind, 1), learnable(kind, 2)
    wanted, model = _as_keras(kind, targets), built(keras, kind, STOPPING, rng)
    losses: dict[str, list[float]] = {"penalised": [], "plain": []}
    for _ in range(STOPPING.epochs):
        _epoch(model, embeddings, wanted, STOPPING, rng)
        losses["penalised"].append(float(model.evaluate(others[:, 0], _as_keras(kind, theirs), N_TRAIN, verbose=0)))
        losses["plain"].append(losses["penalised"][-1] - sum(float(one.detach()) for one in model.losses))
    return {name: _stop(keras, model, of_epochs) for name, of_epochs in losses.items()}


def _stop(keras: Any, model: Any, losses: list[float]) -> int:
    callback = keras.callbacks.EarlyStopping(monitor="val_loss", patience=STOPPING.patience)
    callback.set_model(model)
    callback.on_train_begin()
    model.stop_training = False
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            return epoch + 1
    return len(losses)


def _as_keras(kind: Kind, targets: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.eye(N_OUTPUTS, dtype=np.float32)[targets] if kind == "multiclass" else targets
    return found


def _epoch(model: Any, embeddings: np.ndarray, wanted: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> None:
    order = rng.permutation(N_TRAIN)
    for start in range(0, N_TRAIN, recipe.batch_size):
        rows = order[start : start + recipe.batch_size]
        model.train_on_batch(embeddings[rows, 0], wanted[rows])


def built(keras: Any, kind: Kind, recipe: Recipe, rng: np.random.Generator) -> Any:
    """Return the model, compiled, with the first weights that a recipe's probe draws."""
    network = Network((DIM, *hidden_sizes(recipe, DIM, N_OUTPUTS), N_OUTPUTS))
    first = {name: view.numpy() for name, view in unpadded(initial(network, "glorot_uniform", rng), network).items()}
    penalty = keras.regularizers.L2(recipe.weight_decay)
    last = {"multiclass": "softmax", "multilabel": "sigmoid"}.get(kind, "linear")
    activations = ["relu"] * (len(network.sizes) - 2) + [last]
    layers = [
        keras.layers.Dense(units, how, kernel_regularizer=penalty, bias_regularizer=penalty)
        for (_, units), how in zip(pairwise(network.sizes), activations, strict=True)
    ]
    model = keras.Sequential([keras.Input((DIM,)), *layers])
    for depth, layer in enumerate(layers):
        layer.set_weights([first[f"dense.{depth}.weight"], first[f"dense.{depth}.bias"]])
    loss = {"multiclass": "categorical_crossentropy", "multilabel": "binary_crossentropy"}.get(kind, "mse")
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss)
    return model


def main() -> None:
    keras = importlib.import_module("keras")
    found = {kind: fitted(keras, kind, RECIPE) | {"stopped": stopped(keras, kind)} for kind in KINDS}
    GOLDEN.write_text(json.dumps({"keras": keras.__version__} | found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
