"""Severity sweeps: one chain of a file, of which a parameter takes several values, as a chain for each value.

    noise: [{type: AddGaussianSNR, params: {snr_db: {sweep: [40, 20, 0]}}}]   # noise@40, noise@20, noise@0

What is behind the @ is the severity. It names a chain and is no part of what it is: the embeddings of noise@20 are
those of any chain with 20 dB of noise.
"""

from collections.abc import Sequence
from decimal import Decimal

from earmark.deformations import Chain, Step, both_ends, swept_name
from earmark.experiment._shape import RangeShape, StepShape, SweptShape
from earmark.written.places import Item

MOST_VALUES = 100
ENDS = ("min_", "max_")


def chains(name: str, steps: Sequence[StepShape], item: Item, seed: int) -> tuple[Chain, ...]:
    """Return the chain of this name, or, where one of its parameters is swept, a chain for each value, in order.

    `item` is the list of its steps in the file. Raises SpecError at its place for a second swept parameter, for a
    sweep of one end of a range, and for values that are no sweep.
    """
    swept = [
        (at, key, value.sweep)
        for at, step in enumerate(steps)
        for key, value in step.params.items()
        if isinstance(value, SweptShape)
    ]
    if not swept:
        return (Chain(name, tuple(_fixed(step, one) for step, one in zip(steps, item.entries, strict=True)), seed),)
    (at, key, given), *more = swept
    if more:
        where, other, _ = more[0]
        raise _param(item, where, other).key.error(
            f"Chain '{name}' already sweeps '{key}', and a chain has one swept parameter. Give '{other}' one value, or "
            f"write a chain for each pair of values, named {name}@1, {name}@2 …"
        )
    if key.startswith(ENDS):
        raise _param(item, at, key).key.error(f"'{key}' is one end of a range. Sweep both at once, as '{key[4:]}'.")
    return tuple(
        Chain(
            swept_name(name, value),
            tuple(_fixed(step, one, value) for step, one in zip(steps, item.entries, strict=True)),
            seed,
        )
        for value in _values(given, _param(item, at, key).fields["sweep"])
    )


def _param(item: Item, at: int, key: str) -> Item:
    return item.entries[at].fields["params"].fields[key]


def _fixed(shape: StepShape, item: Item, severity: float | None = None) -> Step:
    """Return a step with `severity` where its shape has a sweep; an x that stands for min_x and max_x is both."""
    given = {key: severity if isinstance(value, SweptShape) else value for key, value in shape.params.items()}
    with item.blamed():
        step = Step(shape.type, both_ends(shape.type, given))
    _require_one_value(step, item)
    return step


def _require_one_value(step: Step, item: Item) -> None:
    for low in [name for name in step.params if name.startswith("min_")]:
        high = "max_" + low[4:]
        if high in step.params and step.params[low] != step.params[high]:
            raise (
                item.fields["params"]
                .fields[high]
                .error(
                    f"Expected {high} to equal {low}, {step.params[low]}, got {step.params[high]}: "
                    "a range belongs to a severity sweep. Write one value for both, or several, such as "
                    f"{low[4:]}: {{sweep: [{step.params[low]}, {step.params[high]}]}}."
                )
            )


def _values(given: RangeShape | list[int | float], item: Item) -> tuple[float, ...]:
    values = _of_range(given, item) if isinstance(given, RangeShape) else tuple(given)
    _require_few(len(values), item)
    for place, value in enumerate(values):
        if value in values[:place]:
            raise item.entries[place].error(f"{value} stands here a second time. Keep one of the two.")
    return values


def _require_few(n_values: int, item: Item) -> None:
    if n_values > MOST_VALUES:
        raise item.error(f"Expected at most {MOST_VALUES} values, got {n_values}. Write a larger step.")


def _of_range(given: RangeShape, item: Item) -> tuple[float, ...]:
    """Return the values from the first to the last; decimals as written, so that 0.1 three times is 0.3."""
    first, last, step = (Decimal(str(number)) for number in (given.first, given.last, given.step))
    n_steps = abs(last - first) / step
    if first == last or n_steps != int(n_steps):
        raise item.error(
            f"Expected steps of {given.step} that lead from {given.first} to {given.last}, in one or more. "
            "Write, for example, {first: 40, last: 0, step: 10}."
        )
    _require_few(int(n_steps) + 1, item)  # before they fill the memory
    is_whole = all(isinstance(number, int) for number in (given.first, given.last, given.step))
    found = (first + place * (step if last > first else -step) for place in range(int(n_steps) + 1))
    return tuple(int(value) if is_whole else float(value) for value in found)
