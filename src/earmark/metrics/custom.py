"""Metrics of the user's own, by "package.module:name": a `Metric`, or a function of targets and predictions.

A function knows no weights, so each row of them is scored by literally repeating clips: an interval of 1,000
resamples is 1,001 calls, for every seed and condition. A `Metric` scores all rows at once.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import cast, get_args

import numpy as np
from jaxtyping import Float, Int, Num

from earmark import lookup
from earmark.errors import DataError, UserError
from earmark.metrics.base import Array, Metric, Scores, Weights, mean_of_defined
from earmark.nouns import Kind

AVERAGES = ("micro", "macro")


def of_name(name: str) -> Metric:
    """Return the metric that "module:name" names; a function becomes one, for every kind of task.

    Of one whose name ends in "_error" less is better, of any other more: tables know a metric by its name alone.
    Raises UserError when there is no such name, when it is neither, or a `Metric` that says the other.
    """
    theirs, is_error = lookup.imported(name), name.endswith("_error")
    if isinstance(theirs, Metric):
        if theirs.higher_is_better == is_error:
            raise UserError(
                f"Expected higher_is_better of '{name}' to be {not is_error}: less is better of a metric whose name "
                "ends in _error, and of no other. Rename one of the two."
            )
        return replace(theirs, name=name)
    if not callable(theirs) or not _takes_two(theirs):
        raise UserError(
            f"Expected '{name}' to be a function of (targets, predictions) that returns a number, or a "
            f"`Metric` of earmark.metrics; got {theirs!r}."
        )
    said = (inspect.getdoc(theirs) or name).partition("\n")[0]
    known = Metric(name, _Repeating(name, theirs), frozenset(get_args(Kind)), (), said)
    return replace(known, higher_is_better=not is_error)


def _takes_two(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a function in C may not say what it takes: calling it will
        return True
    return True


@dataclass(frozen=True)
class _Repeating:
    """A user's function as a metric's."""

    name: str
    function: Callable[..., object]

    def __call__(
        self,
        targets: Num[Array, "clips ..."],
        predictions: Float[Array, "clips columns"],
        classes: tuple[str, ...],
        weights: Weights,
    ) -> Scores:
        """Return what the function says of each row; a number is the micro average, keys it leaves out are NaN."""
        if (weights % 1).any():
            raise DataError(f"Metric '{self.name}' is a function, which can repeat clips; got weights in fractions.")
        sample = self._answer(targets, predictions, classes, np.ones(len(targets), int))
        answers = [
            sample if (counts == 1).all() else self._answer(targets, predictions, classes, counts)
            for counts in weights.astype(int)
        ]
        keys = {key for answer in (sample, *answers) for key in answer}
        values = {key: np.array([answer.get(key, np.nan) for answer in answers]) for key in keys}
        if not keys.intersection(classes):
            return Scores({one: values[one] for one in AVERAGES if one in keys}, {}, ())
        undefined = np.full(len(answers), np.nan)
        labels = {label: values.get(label, undefined) for label in classes}
        values.setdefault("macro", mean_of_defined(np.stack([*labels.values()], axis=1)))
        left_out = tuple(label for label in classes if np.isnan(sample.get(label, np.nan)))
        return Scores({one: values[one] for one in AVERAGES if one in values}, labels, left_out)

    def _answer(
        self, targets: Array, predictions: Array, classes: tuple[str, ...], counts: Int[Array, " clips"]
    ) -> Mapping[str, float]:
        """Return the function's number, or numbers by name, for clips repeated `counts` times; {} for no clips."""
        if not counts.any():
            return {}
        repeated = np.repeat(targets, counts, axis=0), np.repeat(predictions, counts, axis=0)
        try:
            said = self.function(*repeated)
        except Exception as error:  # whatever the user's own function raises is for the user to read, no bug of ours
            where = "" if (counts == 1).all() else ", on clips drawn again, which can lack a class (say NaN there),"
            raise lookup.blamed(f"Metric '{self.name}'{where}", error) from error
        answer = said if isinstance(said, Mapping) else {"micro": said}
        if not answer or not {*answer} <= {*AVERAGES, *classes}:
            raise DataError(
                f"Expected metric '{self.name}' to return a number, or a mapping of 'micro', 'macro' and names of "
                f"classes to numbers; got the keys {', '.join(map(repr, answer)) or 'of an empty mapping'}."
            )
        return {key: self._number(value) for key, value in answer.items()}

    def _number(self, value: object) -> float:
        if not (isinstance(value, Real) or getattr(value, "ndim", None) == 0) or np.isinf(float(cast(float, value))):
            raise DataError(
                f"Expected metric '{self.name}' to return a finite number, or NaN where it is undefined; got {value!r}."
            )
        return float(cast(float, value))
