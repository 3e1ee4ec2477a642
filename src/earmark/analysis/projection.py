"""Embeddings in two dimensions: principal components, or UMAP where it is installed."""

import importlib
import importlib.util
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg

from earmark.errors import DataError, MissingPart

Array = np.ndarray
FEWEST_NEIGHBOURS, MOST_NEIGHBOURS = 2, 15
SEED = 0
FLAT = 1e-12
"""A share of the variance below which a direction is rounding."""


@dataclass(frozen=True)
class Projection:
    """Points in a plane; `explained` is the share of the variance along each axis, None where axes mean nothing."""

    points: Float[Array, "rows 2"]
    explained: tuple[float, float] | None


def principal(vectors: Float[Array, "rows dim"]) -> Projection:
    """Return vectors along their two directions of greatest variance, the first across.

    They are centred and not scaled. Of each direction the weight that is greatest in size is positive, so the same
    vectors give the same picture. What does not vary is 0. Source: Hotelling 1933; computed from the eigenvectors of
    the smaller of the two products of the centred vectors. Raises DataError for numbers that are not finite.
    """
    centred = _centred(vectors)
    n_rows, dim = centred.shape
    total = float(np.square(centred).sum())
    points, explained = np.zeros((n_rows, 2)), [0.0, 0.0]
    if total == 0:
        return Projection(points, (0.0, 0.0))
    product = centred.T @ centred if dim <= n_rows else centred @ centred.T
    size = len(product)
    n_axes = min(2, size)
    powers, found = linalg.eigh(product, subset_by_index=(size - n_axes, size - 1))
    for axis, (power, direction) in enumerate(zip(powers[::-1], found.T[::-1], strict=True)):
        if power <= FLAT * total:
            continue
        weights = direction if dim <= n_rows else centred.T @ direction / np.sqrt(power)
        sign = np.sign(weights[np.argmax(np.abs(weights))])
        points[:, axis] = sign * (centred @ weights)
        explained[axis] = float(power / total)
    return Projection(points, (explained[0], explained[1]))


def has_umap() -> bool:
    """Return whether umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def umap(vectors: Float[Array, "rows dim"], seed: int = SEED) -> Projection:
    """Return vectors as UMAP lays them out: near ones stay near; far distances and axes mean nothing.

    Source: McInnes et al. 2018; 15 neighbours, or as many as there are. Raises MissingPart where it is not installed,
    DataError for numbers that are not finite or fewer than four vectors.
    """
    centred = _centred(vectors)
    if len(centred) < FEWEST_NEIGHBOURS + 2:
        raise DataError(f"Expected at least {FEWEST_NEIGHBOURS + 2} clips for UMAP, got {len(centred)}. Take PCA.")
    if not has_umap():
        raise MissingPart("UMAP is not installed. Install it: pip install 'earmark[map]'; or take PCA.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own choices: one thread for a seed, spectral start
        library = importlib.import_module("umap")
        neighbours = min(MOST_NEIGHBOURS, len(centred) - 1)
        start = "spectral" if len(centred) > 2 * MOST_NEIGHBOURS else "random"
        laid = library.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1, init=start).fit_transform(
            centred.astype(np.float32)
        )
    return Projection(np.asarray(laid, np.float64), None)


def _centred(vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise DataError(f"Expected vectors (rows, dim), at least one, got the shape {vectors.shape}.")
    wide = vectors.astype(np.float64)
    if not np.isfinite(wide).all():
        n_wrong = int((~np.isfinite(wide).all(axis=1)).sum())
        raise DataError(f"{n_wrong} of {len(wide)} embeddings hold numbers that are not finite: there is no map.")
    centred: Array = wide - wide.mean(axis=0)
    return centred
