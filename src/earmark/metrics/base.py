"""What every metric takes and returns.

A metric scores one sample of clips under R rows of weights at once. A row says how often each clip counts: ones
are the sample itself, bootstrap counts a resample of it. A row gives what literally repeating the clips would.

All sums are of whole numbers wherever the arithmetic allows, so that they are exact in float64 and a score does
not depend on the order of addition.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Num
from numpy.typing import NDArray

from earmark.nouns import Kind

Array = NDArray[Any]
CHUNK_BYTES = 4 * 2**20
Weights = Float[Array, "rows clips"]


class Scores(NamedTuple):
    """Scores of one metric under R rows of weights; NaN where a score is undefined.

    `averages` maps "micro" (over clips) and "macro" (over labels) to (R,) float64; a metric has one or both.
    `labels` maps each class or label to (R,). `left_out` names the labels that the sample cannot score (without
    positives; for ROC-AUC also without negatives): they are in no macro average.
    """

    averages: dict[str, Float[Array, " rows"]]
    labels: dict[str, Float[Array, " rows"]]
    left_out: tuple[str, ...]


Function = Callable[[Num[Array, "clips ..."], Float[Array, "clips columns"], tuple[str, ...], Weights], Scores]
HzFunction = Callable[
    [Num[Array, " clips"], Float[Array, "clips columns"], tuple[str, ...], Weights, Float[Array, " clips"] | None],
    Scores,
]
"""A metric of pitch: the true frequencies are handed over beside the classes, None where these say all."""


@dataclass(frozen=True)
class Metric:
    """A named metric, the kinds of task it is for, and what its number is in one line.

    `averages` are those that its scores have; () when only its answers tell. `is_proportion`: its micro average is a
    share of clips, each of which is right or wrong. `takes_hz`: its function is a HzFunction.
    """

    name: str
    function: Function | HzFunction
    kinds: frozenset[Kind]
    averages: tuple[str, ...]
    description: str
    higher_is_better: bool = True
    is_proportion: bool = False
    takes_hz: bool = False


def collect(
    names: Sequence[str], by_label: Float[Array, "rows labels"], micro: Float[Array, " rows"] | None, scorable: Array
) -> Scores:
    """Return the scores of a metric from its values by label.

    `scorable` (labels,) says which labels the unweighted sample can score. The macro average of a row is over the
    labels that are defined under that row: a resample can miss a rare label, and counts then like any sample
    without it.
    """
    averages = {} if micro is None else {"micro": micro}
    averages["macro"] = mean_of_defined(by_label)
    labels = {name: by_label[:, column] for column, name in enumerate(names)}
    return Scores(averages, labels, tuple(name for name, fine in zip(names, scorable, strict=True) if not fine))


def mean_of_defined(values: Float[Array, "rows labels"]) -> Float[Array, " rows"]:
    """Return the mean of each row over its values that are not NaN; NaN where there are none."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1))


def chunks(weights: Weights) -> Iterator[Weights]:
    """Yield the rows of weights in turn, few enough at once that what is made of them stays in cache."""
    step = max(1, CHUNK_BYTES // weights[0].nbytes)
    for start in range(0, len(weights), step):
        yield weights[start : start + step]


def ratio(above: Array, below: Array) -> Float[Array, "..."]:
    """Return above / below, NaN where `below` is 0."""
    undefined = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=undefined, where=below != 0)
    return undefined
