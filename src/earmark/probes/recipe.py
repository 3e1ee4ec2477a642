"""What a probe is made by: its layers and how it is trained. A recipe is a value and belongs to the probe's key."""

from dataclasses import dataclass
from typing import Literal

from earmark.errors import UnknownName, UserError

Inferred = Literal["infer", "power_infer"]
INFERRED: tuple[Inferred, ...] = ("infer", "power_infer")


@dataclass(frozen=True)
class Recipe:
    """How one probe is made: a network of dense layers with ReLU between them, fitted by Adam.

    `hidden_units`: one entry a hidden layer, a number of units or a rule (see `hidden_sizes`). `weight_decay` is
    Keras' L2(λ), on kernels and biases alike: λ·Σw² is added to the loss. `patience` counts epochs without a
    strictly better validation score. `standardise` scales each input by the mean and standard deviation of the
    training set. `dropout` is the probability that a hidden unit is silenced in training.
    """

    hidden_units: tuple[int | Inferred, ...] = ()
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 100
    epochs: int = 100
    patience: int = 10
    standardise: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for units in self.hidden_units:
            if isinstance(units, str) and units not in INFERRED:
                raise UnknownName("rule for hidden_units", units, INFERRED)
            if not isinstance(units, str):
                _require(units >= 1, "hidden_units", "numbers of at least 1", units)
        _require(0 < self.learning_rate < float("inf"), "learning_rate", "a number above 0", self.learning_rate)
        _require(0 <= self.weight_decay < float("inf"), "weight_decay", "a number of at least 0", self.weight_decay)
        _require(self.batch_size >= 1, "batch_size", "at least 1 clip", self.batch_size)
        _require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        _require(self.patience >= 1, "patience", "at least 1 epoch", self.patience)
        _require(0 <= self.dropout < 1, "dropout", "a probability from 0 to below 1", self.dropout)
        if self.dropout and not self.hidden_units:
            raise UserError("dropout silences hidden units, but hidden_units is empty. Add a layer or drop the key.")


def hidden_sizes(recipe: Recipe, dim: int, n_outputs: int) -> tuple[int, ...]:
    """Return the numbers of hidden units of a recipe between `dim` inputs and `n_outputs` outputs.

    With n hidden layers, layer i = 1 … n of "infer" has D − i·(D − C)/(n + 1) units (a straight line from D to C)
    and of "power_infer" D·(C/D)^(i/(n + 1)) (a geometric one); both are truncated, then made even by adding 1.
    So D = 768 and C = 14 give 392 for one layer and 516, 266 for two. Source: Plachouras 2023
    (the toolkit's thesis) and its code, mir_ref.
    Differs: mir_ref's power rule grows with depth, which cannot have been meant; and its sizes, inferred for the
    first representation, are reused for the others.
    """
    steps = len(recipe.hidden_units) + 1
    sizes = []
    for i, units in enumerate(recipe.hidden_units, start=1):
        if units == "infer":
            sizes.append(_even((dim * steps - i * (dim - n_outputs)) // steps))
        elif units == "power_infer":
            # Rounding first: 27·(3/27)^½ is 9, but 8.999… in floating point.
            sizes.append(_even(int(round(dim * (n_outputs / dim) ** (i / steps), 9))))
        else:
            sizes.append(int(units))
    return tuple(sizes)


def _even(units: int) -> int:
    return units + units % 2


def _require(is_met: bool, name: str, expected: str, came: object) -> None:
    if not is_met:
        raise UserError(f"Expected {name} to be {expected}, got {came}.")
