"""A fitted probe: what it learned, what it predicts, and its bytes."""

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
import torch

from earmark.errors import DataError
from earmark.nouns import Kind
from earmark.probes.inputs import Scaling, check_embeddings, flatten
from earmark.probes.networks import activate
from earmark.probes.recipe import Recipe

FORMAT = 1


class Dense(NamedTuple):
    """One fitted layer: weight (inputs, outputs) and bias (outputs,), float32."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted probe and how it came about.

    `classes` names the outputs, or is empty. `input_shape` is (layers, dim) of the embeddings it was fitted on.
    `history` holds the validation score of every epoch run; `best_epoch` counts from 1, so that
    `history[best_epoch - 1] == valid_score`.
    """

    recipe: Recipe
    kind: Kind
    classes: tuple[str, ...]
    layers: tuple[Dense, ...]
    scaling: Scaling | None
    input_shape: tuple[int, int]
    best_epoch: int
    valid_score: float
    history: tuple[float, ...]
    seed: int

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (clips, outputs) float32: probabilities of classes, of each label, or values, by kind.

        `embeddings` is float32 (clips, layers, dim). Computed in float64 and rounded once, so that neither the
        other clips nor the number of threads show. Raises DataError for another shape or for values not finite.
        """
        check_embeddings(embeddings, "predicted")
        if embeddings.shape[1:] != self.input_shape:
            raise DataError(
                f"Expected embeddings (clips, layers, dim) = (…, {self.input_shape[0]}, {self.input_shape[1]}),"
                f" got {embeddings.shape}. This probe was fitted on another representation, layer or pooling."
            )
        values = flatten(embeddings, self.scaling)
        for depth, layer in enumerate(self.layers):
            values = (values if depth == 0 else np.maximum(values, 0)) @ layer.weight.astype(np.float64) + layer.bias
        return activate(self.kind, torch.from_numpy(values)).numpy().astype(np.float32)

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file. The same probe gives the same bytes."""
        arrays = {f"layers.{i}.{name}": part for i, layer in enumerate(self.layers) for name, part in _named(layer)}
        if self.scaling is not None:
            arrays |= {"scaling.mean": self.scaling.mean, "scaling.std": self.scaling.std}
        fields = {name: getattr(self, name) for name in _PLAIN} | {"recipe": asdict(self.recipe), "format": FORMAT}
        # One entry only: safetensors writes several in no fixed order.
        return bytes(safetensors.numpy.save(arrays, {"earmark.probe": json.dumps(fields, sort_keys=True)}))

    @classmethod
    def from_bytes(cls, content: bytes) -> "Fitted":
        """Return the probe that `to_bytes` wrote; raise DataError for anything else."""
        fields = _fields(content)
        arrays = safetensors.numpy.load(content)
        n_layers = sum(name.endswith(".weight") for name in arrays)
        scaling = Scaling(arrays["scaling.mean"], arrays["scaling.std"]) if "scaling.mean" in arrays else None
        recipe = fields["recipe"] | {"hidden_units": tuple(fields["recipe"]["hidden_units"])}
        return cls(
            recipe=Recipe(**recipe),
            kind=fields["kind"],
            classes=tuple(fields["classes"]),
            layers=tuple(Dense(arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"]) for i in range(n_layers)),
            scaling=scaling,
            input_shape=tuple(fields["input_shape"]),
            best_epoch=fields["best_epoch"],
            valid_score=fields["valid_score"],
            history=tuple(fields["history"]),
            seed=fields["seed"],
        )


_PLAIN = ("kind", "classes", "input_shape", "best_epoch", "valid_score", "history", "seed")


def _named(layer: Dense) -> list[tuple[str, np.ndarray]]:
    return [("weight", layer.weight), ("bias", layer.bias)]


def _fields(content: bytes) -> dict[str, Any]:
    # The head of a safetensors file: its length in 8 bytes, then JSON.
    end = 8 + int.from_bytes(content[:8], "little")
    try:
        fields: dict[str, Any] = json.loads(json.loads(content[8:end])["__metadata__"]["earmark.probe"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("Expected a probe saved by earmark, got other or damaged bytes. Fit it again.") from error
    if fields["format"] != FORMAT:
        raise DataError(f"Expected a saved probe of format {FORMAT}, got {fields['format']}. Fit it again.")
    if len(content) < end + _payload(content[8:end]):
        raise DataError("Expected a whole saved probe, got one that is cut short. Fit it again.")
    return fields


def _payload(head: bytes) -> int:
    entries = json.loads(head).items()
    return max(int(entry["data_offsets"][1]) for name, entry in entries if name != "__metadata__")
