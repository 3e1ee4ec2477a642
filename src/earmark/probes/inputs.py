"""What can be wrong with embeddings and targets, each with its name, before a probe is fitted to them."""

import numpy as np

from earmark.errors import DataError
from earmark.nouns import Kind
from earmark.probes.base import Examples, Problem

ONE_CLASS: tuple[Kind, ...] = ("multiclass", "pitch", "key")


def check_problem(problem: Problem) -> None:
    """Raise a DataError for data that no probe can be fitted to."""
    kind, n_outputs, classes = problem.kind, problem.n_outputs, problem.classes
    if n_outputs < (2 if kind in ONE_CLASS else 1):
        raise DataError(f"Expected at least two classes (or one label or value) to predict, got {n_outputs}.")
    if classes and len(classes) != n_outputs:
        raise DataError(f"Expected a name for each of {n_outputs} outputs, got {len(classes)} names.")
    for role, examples in (("train", problem.train), ("valid", problem.valid)):
        check_embeddings(examples.embeddings, role)
        if not len(examples.embeddings):
            reason = "decides when a probe stops" if role == "valid" else "is what a probe learns from"
            raise DataError(f"The {role} split has no clips, but it {reason}. Use a split with clips in '{role}'.")
        n_clips = len(examples.embeddings if examples.clips is None else examples.targets)
        check_targets(kind, examples.targets, n_clips, n_outputs, role)
        check_clips(examples, role)
    shapes = problem.train.embeddings.shape[1:], problem.valid.embeddings.shape[1:]
    if shapes[0] != shapes[1]:
        raise DataError(f"Expected one (layers, dim), got {shapes[0]} in train, {shapes[1]} in valid.")


def check_clips(examples: Examples, role: str) -> None:
    """Raise a DataError unless every row is of a clip, every clip has a row, and they stand in the clips' order."""
    clips = examples.clips
    if clips is None:
        return
    whole = len(clips) == len(examples.embeddings) and len(clips) and clips[0] == 0
    if not whole or not np.isin(np.diff(clips), (0, 1)).all() or clips[-1] != len(examples.targets) - 1:
        raise DataError(
            f"Expected, in {role}, the position of the clip of each of {len(examples.embeddings)} rows, ascending from "
            f"0 to {len(examples.targets) - 1}, none left out. Sort the rows by clip, and leave out clips without any."
        )


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


def check_shape(embeddings: np.ndarray, input_shape: tuple[int, int]) -> None:
    """Raise a DataError unless this is finite float32 (clips, layers, dim) with the (layers, dim) of a fit."""
    check_embeddings(embeddings, "a probe's")
    if embeddings.shape[1:] != input_shape:
        raise DataError(
            f"Expected embeddings (clips, layers, dim) = (…, {input_shape[0]}, {input_shape[1]}),"
            f" got {embeddings.shape}. This probe was fitted on another representation, layer or pooling."
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
