"""How much of one view of the same frames another view holds: CCA, SVCCA, PWCCA, linear CKA, and what chance gives.

A view is (frames, dim): a layer, or what it is compared with. All measures are functions of covariances, which
`Moments` gathers while frames stream by, so that memory does not grow with them. They lie between 0 and 1; CCA, SVCCA
and PWCCA do not change with shifts, CCA also with no invertible map of either view, PWCCA with none of the view that
does not weigh, CKA with rotations and one scale. With few frames for many dimensions all of them are far above 0 for
views that have nothing in common: compare them with `independent`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from earmark.errors import UserError

Array = np.ndarray
Weighting = Literal["x", "y", "smaller", "mean"]
Measure = Literal["pwcca", "svcca", "cca", "cka"]

NEGLIGIBLE = 1e-10
"""Directions with less than this share of the largest variance are left out: they are rounding."""
SVCCA_SHARE = 0.99
BLOCK_FRAMES = 1024
ROUNDING = 1e-9


class Directions(NamedTuple):
    """Principal directions of a view that are not negligible, by descending variance."""

    axes: Float[Array, "dim kept"]
    variances: Float[Array, " kept"]


class Canonical(NamedTuple):
    """Canonical correlations, descending, and their directions in the principal, whitened axes of x and of y."""

    correlations: Float[Array, " pairs"]
    of_x: Float[Array, "kept_x pairs"]
    of_y: Float[Array, "kept_y pairs"]


@dataclass(frozen=True)
class Covariances:
    """Covariances of two views of the same `n` frames, float64, divided by n."""

    n: int
    xx: Float[Array, "dim_x dim_x"]
    yy: Float[Array, "dim_y dim_y"]
    xy: Float[Array, "dim_x dim_y"]

    @cached_property
    def x(self) -> Directions:
        """Principal directions of x."""
        return _directions(self.xx)

    @cached_property
    def y(self) -> Directions:
        """Principal directions of y."""
        return _directions(self.yy)

    @cached_property
    def canonical(self) -> Canonical:
        """Canonical correlations of all that is not negligible."""
        return _canonical(self, self.x, self.y)


class Moments:
    """Means and centred products of several views of the same frames, gathered piece by piece in float64.

    `pairs`: which views are compared; only their products are kept, so memory is the sum of dim_x · dim_y, and a block
    of frames. Source: Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance", eq. 2.1.
    """

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        self.n = 0
        pairs = frozenset(pairs)
        self._pairs = sorted(pairs | {(view, view) for pair in pairs for view in pair})
        self._waiting: list[Sequence[Array]] = []
        self._n_folded = 0
        self._means: list[Array] = []
        self._products: dict[tuple[int, int], Array] = {}

    def add(self, views: Sequence[Float[Array, "frames _"]]) -> None:
        """Take further frames of every view. Raises UserError where views differ in frames, or a number is not one."""
        lengths = {len(view) for view in views}
        if len(lengths) != 1:
            raise UserError(f"Expected views of the same frames, got {', '.join(map(str, sorted(lengths)))} frames.")
        if not all(np.isfinite(view).all() for view in views):
            raise UserError("Expected finite numbers in every frame, got NaN or infinity. Leave that recording out.")
        self._waiting.append(views)
        self.n += lengths.pop()
        if self.n - self._n_folded >= BLOCK_FRAMES:
            self._fold()

    def covariances(self, x: int, y: int) -> Covariances:
        """Return the covariances of two views, by their places. Raises UserError before there are two frames."""
        return together([self], x, y)

    def products(self, x: int, y: int) -> tuple[Float[Array, " dim_x"], Float[Array, "dim_x dim_y"]]:
        """Return the mean of a view, and its centred products with another, of the frames that were added."""
        self._fold()
        return self._means[x], self._products[x, y]

    def _fold(self) -> None:
        """Take what waits into means and products: few large products in place of many small ones."""
        new, before = self.n - self._n_folded, self._n_folded
        if not new:
            return
        views = [np.concatenate(some).astype(np.float64) for some in zip(*self._waiting, strict=True)]
        means = [view.mean(axis=0) for view in views]
        old = self._means or means
        # The step between the two means is one more row: its products are Chan's correction.
        weight = np.sqrt(before * new / self.n)
        rows = [
            np.concatenate([view - mean, weight * (mean - past)[None]])
            for view, mean, past in zip(views, means, old, strict=True)
        ]
        for i, j in self._pairs:
            product = rows[i].T @ rows[j]
            self._products[i, j] = np.add(self._products[i, j], product, out=product) if before else product
        self._means = [past + (mean - past) * (new / self.n) for mean, past in zip(means, old, strict=True)]
        self._waiting, self._n_folded = [], self.n


def together(parts: Sequence[Moments], x: int, y: int) -> Covariances:
    """Return the covariances of two views over the frames of all parts. Raises UserError where these are not two."""
    heard = [part for part in parts if part.n]
    n = sum(part.n for part in heard)
    if n < 2:
        raise UserError(f"Expected at least 2 frames to compare views by, got {n}. Give more audio.")
    shares = [part.n / n for part in heard]
    means = {view: _weighted([part.products(view, view)[0] for part in heard], shares) for view in (x, y)}
    found = []
    for one, other in ((x, x), (y, y), (x, y)):
        total = np.zeros(())
        for part, share in zip(heard, shares, strict=True):
            (mean, product), (mean_of_other, _) = part.products(one, other), part.products(other, other)
            total = total + product / n + share * np.outer(mean - means[one], mean_of_other - means[other])
        found.append(total)
    return Covariances(n, *found)


def covariances(x: Float[Array, "frames dim_x"], y: Float[Array, "frames dim_y"]) -> Covariances:
    """Return the covariances of two views that are whole in memory."""
    moments = Moments([(0, 1)])
    moments.add((x, y))
    return moments.covariances(0, 1)


def cca(both: Covariances) -> float:
    """Return the mean canonical correlation; NaN where a view never changes.

    Over as many pairs as the smaller view has directions. Differs from google/svcca: no small coefficient is dropped.
    """
    return _mean(both.canonical.correlations)


def svcca(both: Covariances, share: float = SVCCA_SHARE) -> float:
    """Return the mean canonical correlation of the first principal directions of each view that hold `share` of it.

    Source: Raghu et al. 2017, "SVCCA", section 2; the share is of the variance, that is of squared singular values.
    """
    return _mean(_canonical(both, _first(both.x, share), _first(both.y, share)).correlations)


def pwcca(both: Covariances, weighting: Weighting = "smaller") -> float:
    """Return the mean of canonical correlations, each weighted by how much of a view its direction accounts for.

    `weighting`: the view that weighs: x, y, the one with fewer dimensions (x of equals), or the mean of both scores.
    NaN where a view never changes. Source: Morcos et al. 2018, section 2.2: alpha_i = sum_j |<h_i, x_j>| with the
    canonical variate h_i and the columns x_j. Since <h_i, x_j> is an entry of Sxx^(1/2) u_i, covariances are enough.
    Differs from google/svcca's pwcca.py, which leaves that factor out of its directions and adds the means back.
    """
    match weighting:
        case "mean":
            return 0.5 * (pwcca(both, "x") + pwcca(both, "y"))
        case "smaller":
            return pwcca(both, "x" if both.xx.shape[0] <= both.yy.shape[0] else "y")
        case "x":
            axes, found = both.x, both.canonical.of_x
        case "y":
            axes, found = both.y, both.canonical.of_y
    if not found.shape[1]:
        return float("nan")
    weights = np.abs(axes.axes * np.sqrt(axes.variances) @ found).sum(axis=0)
    return float(weights @ both.canonical.correlations / weights.sum())


def cka(both: Covariances) -> float:
    """Return linear centred kernel alignment: ‖Sxy‖² / (‖Sxx‖ ‖Syy‖), Frobenius; NaN where a view never changes.

    Source: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", section 3.
    """
    below = np.linalg.norm(both.xx) * np.linalg.norm(both.yy)
    return float(np.linalg.norm(both.xy) ** 2 / below) if below > 0 else float("nan")


def measured(both: Covariances, measure: Measure, weighting: Weighting = "smaller") -> float:
    """Return a measure by its name; `weighting` is of PWCCA alone."""
    return pwcca(both, weighting) if measure == "pwcca" else PLAIN[measure](both)


def independent(n: int, dim_x: int, dim_y: int, rng: np.random.Generator) -> Covariances:
    """Return the covariances of `n` frames of independent standard Gaussians: what chance looks like.

    Nothing is streamed: the triangular factor of their products is drawn itself (Bartlett's decomposition of a Wishart
    matrix with n − 1 degrees of freedom, for the mean is taken away). Costs (dim_x + dim_y)² draws whatever n.
    """
    dim = dim_x + dim_y
    rows = min(n - 1, dim)
    factor = np.triu(rng.standard_normal((rows, dim)), 1)
    factor[np.arange(rows), np.arange(rows)] = np.sqrt(rng.chisquare(n - 1 - np.arange(rows)))
    products = factor.T @ factor / n
    return Covariances(n, products[:dim_x, :dim_x], products[dim_x:, dim_x:], products[:dim_x, dim_x:])


def coloured(noise: Covariances, like: Covariances) -> Covariances:
    """Return `noise` with the covariances of other views within x and within y, and still nothing between them.

    Chance depends on how many directions matter: for SVCCA and CKA it is far higher in views with few of them.
    """
    x, y = _root(like.x), _root(like.y)
    return Covariances(noise.n, x @ noise.xx @ x, y @ noise.yy @ y, x @ noise.xy @ y)


def _weighted(means: Sequence[Float[Array, " dim"]], shares: Sequence[float]) -> Float[Array, " dim"]:
    return np.asarray(np.sum([share * mean for share, mean in zip(shares, means, strict=True)], axis=0))


def _root(found: Directions) -> Float[Array, "dim dim"]:
    return np.asarray((found.axes * np.sqrt(found.variances)) @ found.axes.T)


def _directions(covariance: Float[Array, "dim dim"]) -> Directions:
    variances, axes = np.linalg.eigh(covariance)
    kept = np.flatnonzero(variances > NEGLIGIBLE * max(variances[-1], 0.0))[::-1]
    return Directions(axes[:, kept], variances[kept])


def _first(found: Directions, share: float) -> Directions:
    """Return the fewest directions that hold a share of the variance."""
    if not len(found.variances):
        return found
    held = np.cumsum(found.variances) / found.variances.sum()
    n = min(int(np.searchsorted(held, share - ROUNDING)) + 1, len(held))
    return Directions(found.axes[:, :n], found.variances[:n])


def _canonical(both: Covariances, x: Directions, y: Directions) -> Canonical:
    whitened = (x.axes / np.sqrt(x.variances)).T @ both.xy @ (y.axes / np.sqrt(y.variances))
    of_x, correlations, of_y = np.linalg.svd(whitened, full_matrices=False)
    return Canonical(np.clip(correlations, 0.0, 1.0), of_x, of_y.T)


def _mean(values: Float[Array, " pairs"]) -> float:
    return float(values.mean()) if len(values) else float("nan")


PLAIN: Mapping[Measure, Callable[[Covariances], float]] = {"svcca": svcca, "cca": cca, "cka": cka}
"""Measures without a choice."""
