"""From arrays of embeddings and targets to what the networks take, with everything that can be wrong named."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from earmark.errors import DataError
from earmark.nouns import Kind
from earmark.probes.networks import padded


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and standard deviation of each input over a training set, both (inputs,) float32."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray) -> "Scaling":
        """Return the scaling of (clips, layers, dim); an input that never moves keeps its scale."""
        flat = flatten(embeddings, None)
        mean, std = flat.mean(axis=0), flat.std(axis=0)
        # A deviation below float32's resolution is rounding: dividing by it would blow up the first unseen value.
        moves = std > np.finfo(np.float32).eps * np.abs(mean)
        return cls(mean.astype(np.float32), np.where(moves, std, 1).astype(np.float32))


def flatten(embeddings: np.ndarray, scaling: Scaling | None) -> np.ndarray:
    """Return a new (clips, layers · dim) float64 array, scaled if a scaling is given."""
    n_clips, n_layers, dim = embeddings.shape
    flat = embeddings.reshape(n_clips, n_layers * dim).astype(np.float64)
    return flat if scaling is None else (flat - scaling.mean) / scaling.std


def input_tensor(embeddings: np.ndarray, scaling: Scaling | None) -> Float[Tensor, "clips inputs"]:
    """Return the inputs of a stack: float32, padded with zeros, in memory of its own."""
    return _pad(flatten(embeddings, scaling))


def target_tensor(kind: Kind, targets: np.ndarray, n_outputs: int) -> Float[Tensor, "clips outputs"]:
    """Return what each output should be, float32 and padded with zeros: 1 at the class of a class index."""
    if targets.ndim == 1:
        return _pad(np.eye(n_outputs, dtype=np.float32)[targets])
    return _pad(targets)


def check_embeddings(embeddings: np.ndarray, role: str) -> None:
    """Raise a DataError unless this is finite float32 (clips, layers, dim)."""
    if embeddings.ndim != 3 or embeddings.dtype != np.float32:
        came = f"{embeddings.dtype} {embeddings.shape}"
        raise DataError(
            f"Expected {role} embeddings float32 (clips, layers, dim), got {came}. One layer is an axis of 1."
        )
    broken = ~np.isfinite(embeddings).all(axis=(1, 2))
    if broken.any():
        rows = ", ".join(map(str, np.flatnonzero(broken)[:5]))
        raise DataError(
            f"Expected finite {role} embeddings, got NaN or infinity in {broken.sum()} of {len(broken)} clips"
            f" (rows {rows}). Leave these clips out, or look at their audio with `earmark check dataset`."
        )


def check_targets(kind: Kind, targets: np.ndarray, n_clips: int, n_outputs: int, role: str) -> None:
    """Raise a DataError unless the targets are of the kind's form and there is one for each of `n_clips`."""
    if kind in ("multilabel", "regression"):
        expected: tuple[int, ...] = (n_clips, n_outputs)
    else:
        expected = (n_clips,)
    if targets.shape != expected:
        raise DataError(f"Expected {kind} targets of shape {expected} in {role}, got {targets.shape}.")
    if len(expected) == 1:
        if not np.issubdtype(targets.dtype, np.integer):
            raise DataError(f"Expected {kind} targets in {role} to be class indices, got {targets.dtype}.")
        if n_clips and not (targets.min() >= 0 and targets.max() < n_outputs):
            came = f"{targets.min()} to {targets.max()}"
            raise DataError(f"Expected class indices from 0 to {n_outputs - 1} in {role}, got {came}.")
    elif kind == "multilabel" and not np.isin(targets, (0, 1)).all():
        raise DataError(f"Expected multilabel targets in {role} to be 0 or 1 only. Threshold them first.")
    elif not np.isfinite(targets).all():
        raise DataError(f"Expected finite targets in {role}, got NaN or infinity. Leave these clips out.")


def _pad(matrix: np.ndarray) -> Tensor:
    tensor = torch.zeros(len(matrix), padded(matrix.shape[1]))
    tensor.numpy()[:, : matrix.shape[1]] = matrix
    return tensor
