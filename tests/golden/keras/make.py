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
KINDS: tuple[Kind, ...] = ("multiclass", "multilabel", "regression")


def material(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    embeddings = rng.standard_normal((N_TRAIN, 1, DIM)).astype(np.float32)
    values = rng.standard_normal((N_TRAIN, N_OUTPUTS)).astype(np.float32)
    return embeddings, {"multilabel": (values > 0).astype(np.float32), "multiclass": values.argmax(axis=1)}.get(
        kind, values
    )


def fitted(keras: Any, kind: Kind, recipe: Recipe) -> dict[str, Any]:
    """Return the weights that Keras has after the recipe's epochs, the number of them, and the sizes of its layers."""
    rng = np.random.Generator(np.random.PCG64(SEED))
    embeddings, targets = material(kind)
    wanted = np.eye(N_OUTPUTS, dtype=np.float32)[targets] if kind == "multiclass" else targets
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
    for _ in range(recipe.epochs):
        order = rng.permutation(N_TRAIN)
        for start in range(0, N_TRAIN, recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            model.train_on_batch(embeddings[rows, 0], wanted[rows])
    learned = [[np.round(array.astype(float), 6).tolist() for array in layer.get_weights()] for layer in layers]
    return {"weights": learned, "n_parameters": model.count_params(), "sizes": [layer.units for layer in layers]}


def main() -> None:
    keras = importlib.import_module("keras")
    found = {kind: fitted(keras, kind, RECIPE) for kind in KINDS}
    GOLDEN.write_text(json.dumps({"keras": keras.__version__} | found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
