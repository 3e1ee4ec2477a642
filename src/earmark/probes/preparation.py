"""What is done to embeddings before a probe sees them, fitted on the training rows and on nothing else.

Embeddings stay float32; the arithmetic is float64, CHUNK rows at a time, so that no second copy of all of them is made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from earmark.errors import DataError, UserError
from earmark.probes.inputs import check_shape

Array = np.ndarray

CHUNK = 1024
"""Rows turned to float64 at a time: a bound on memory, fixed so that it never changes a number."""


class PrincipalAxes(NamedTuple):
    """Where rows vary: their `centre` (inputs,), orthonormal `axes` (axes, inputs), the `variances` (axes,) along them.

    All float64; the axis of the largest variance comes first.
    """

    centre: Float[Array, " inputs"]
    axes: Float[Array, "axes inputs"]
    variances: Float[Array, " axes"]


@dataclass(frozen=True, eq=False)
class Preparation:
    """Layers laid side by side, then standardised, then turned onto principal axes; each step only where asked for.

    `mean` and `std`: (inputs,) float32, or None. `centre`: (inputs,) and `axes`: (components, inputs) float32, or
    None. `input_shape` is the (layers, dim) that it takes.
    """

    input_shape: tuple[int, int]
    mean: Float[Array, " inputs"] | None = None
    std: Float[Array, " inputs"] | None = None
    centre: Float[Array, " inputs"] | None = None
    axes: Float[Array, "components inputs"] | None = None

    @classmethod
    def of(
        cls, embeddings: Float[Array, "rows layers dim"], standardise: bool = False, pca: int | float | None = None
    ) -> "Preparation":
        """Return the preparation that training rows ask for.

        An input that never moves keeps its scale. `pca`: so many principal components, or, below 1, as many as hold
        that share of the variance; the sign of a component is the one that makes its largest entry positive. Raises
        DataError where there are fewer rows or inputs than components.
        """
        shape = (embeddings.shape[1], embeddings.shape[2])
        scaled = cls(shape, *_scale(embeddings)) if standardise else cls(shape)
        if pca is None:
            return scaled
        found = principal_axes(scaled(embeddings))
        return cls(shape, scaled.mean, scaled.std, found.centre.astype(np.float32), _kept(found, pca, len(embeddings)))

    @property
    def n_outputs(self) -> int:
        """How many inputs a probe behind it has."""
        return self.input_shape[0] * self.input_shape[1] if self.axes is None else len(self.axes)

    def __call__(self, embeddings: Float[Array, "rows layers dim"]) -> Float[Array, "rows inputs"]:
        """Return the inputs of a probe, float32, each rounded once; the embeddings' own memory if nothing is done.

        Raises DataError for another shape than it was fitted on, or values not finite.
        """
        check_shape(embeddings, self.input_shape)
        flat: Array = embeddings.reshape(len(embeddings), self.input_shape[0] * self.input_shape[1])
        if self.mean is None and self.axes is None:
            return flat
        prepared = np.empty((len(flat), self.n_outputs), np.float32)
        for rows, chunk in float64_chunks(flat):
            prepared[rows] = self._turned(chunk)
        return prepared

    def _turned(self, chunk: Float[Array, "rows inputs"]) -> Float[Array, "rows outputs"]:
        if self.mean is not None and self.std is not None:
            chunk = (chunk - self.mean) / self.std
        if self.centre is not None and self.axes is not None:
            chunk = (chunk - self.centre) @ self.axes.T.astype(np.float64)
        return chunk

    @property
    def arrays(self) -> dict[str, Array]:
        """Its arrays by name, as `from_arrays` takes them."""
        named = {"mean": self.mean, "std": self.std, "centre": self.centre, "axes": self.axes}
        return {f"preparation.{name}": array for name, array in named.items() if array is not None}

    @classmethod
    def from_arrays(cls, input_shape: tuple[int, int], arrays: Mapping[str, Array]) -> "Preparation":
        """Return the preparation whose arrays are among those of a saved probe. Raises KeyError for half of a step."""
        for one, other in (("mean", "std"), ("centre", "axes")):
            if (f"preparation.{one}" in arrays) != (f"preparation.{other}" in arrays):
                raise KeyError(f"preparation.{one} or preparation.{other}")
        names = ("mean", "std", "centre", "axes")
        return cls(input_shape, *(arrays.get(f"preparation.{name}") for name in names))


def require_pca(pca: int | float | None) -> None:
    """Raise a UserError unless this is None, a number of components or a share of the variance."""
    if pca is not None and not (0 < pca < 1 or (1 <= pca < float("inf") and pca == int(pca))):
        raise UserError(
            f"Expected pca to be a number of components, or a share of the variance from 0 to 1, got {pca}."
        )


def float64_chunks(rows: Float[Array, "rows inputs"]) -> Iterator[tuple[slice, Float[Array, "chunk inputs"]]]:
    """Yield some rows after the other, with their places."""
    for start in range(0, len(rows), CHUNK):
        places = slice(start, start + CHUNK)
        yield places, rows[places].astype(np.float64)


def principal_axes(rows: Float[Array, "rows inputs"]) -> PrincipalAxes:
    """Return the axes along which rows vary: as many as the smaller of rows and inputs.

    Rows no fewer than inputs: eigenvectors of the covariance, whose size does not grow with the rows. It squares the
    scale, so variances below 1e-16 of the largest are rounding. Fewer rows than inputs: singular vectors of the
    centred rows. The sign of an axis is the one that makes its largest entry positive.
    """
    centre = _mean(rows)
    if len(rows) < rows.shape[1]:
        _, scales, axes = np.linalg.svd(rows.astype(np.float64) - centre, full_matrices=False)
        variances = np.square(scales) / len(rows)
    else:
        products = np.zeros((rows.shape[1], rows.shape[1]))
        for _, chunk in float64_chunks(rows):
            chunk -= centre
            products += chunk.T @ chunk
        rising, turned = np.linalg.eigh(products / len(rows))
        axes, variances = np.ascontiguousarray(turned.T[::-1]), np.maximum(rising[::-1], 0)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return PrincipalAxes(centre, axes * np.sign(largest), variances)


def _mean(rows: Float[Array, "rows inputs"]) -> Float[Array, " inputs"]:
    total = sum((chunk.sum(axis=0) for _, chunk in float64_chunks(rows)), np.zeros(rows.shape[1]))
    return total / len(rows)


def _scale(embeddings: Float[Array, "rows layers dim"]) -> tuple[Float[Array, " inputs"], Float[Array, " inputs"]]:
    """Return mean and standard deviation of each input, float32; a deviation of 1 for one that never moves."""
    flat = embeddings.reshape(len(embeddings), -1)
    mean = _mean(flat)
    squares = sum((np.square(chunk - mean).sum(axis=0) for _, chunk in float64_chunks(flat)), np.zeros_like(mean))
    deviation = np.sqrt(squares / len(flat))
    # A deviation below float32's resolution is rounding: dividing by it would blow up the first unseen value.
    moves = deviation > np.finfo(np.float32).eps * np.abs(mean)
    return mean.astype(np.float32), np.where(moves, deviation, 1).astype(np.float32)


def _kept(found: PrincipalAxes, pca: int | float, n_rows: int) -> Float[Array, "components inputs"]:
    """Return so many axes, or as many as hold that share of the variance, float32."""
    if pca < 1:
        total = max(float(found.variances.sum()), np.finfo(np.float64).tiny)
        pca = min(int(np.searchsorted(np.cumsum(found.variances) / total, pca - 1e-12)) + 1, len(found.axes))
    if pca > len(found.axes):
        raise DataError(
            f"Expected pca of at most {len(found.axes)} components, the smaller of {n_rows} training rows and "
            f"{found.axes.shape[1]} inputs, got {pca}. Lower pca."
        )
    return found.axes[: int(pca)].astype(np.float32)
