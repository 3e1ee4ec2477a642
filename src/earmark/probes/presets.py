"""Named probe protocols: recipes under the names their paper gave them, with its source and its faults.

What a protocol says stands in a file of `presets/`, which a higher room reads (`experiment.presets`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from earmark.errors import UnknownName, UserError
from earmark.nouns import Kind
from earmark.probes import recipe, select
from earmark.probes.base import AnyRecipe
from earmark.probes.kinds import recipe_of

FIELDS = (
    "name",
    "version",
    "cites",
    "description",
    "faults",
    "mends",
    "extends",
    "defaults",
    "defaults_of",
    "base",
    "kinds",
    "grid",
    "first_fold_only",
)


@dataclass(frozen=True)
class Preset:
    """A protocol. `version` is raised when its numbers change.

    `faults`: what the original does wrong, by a short name; `mends`: the faults of another preset that this one does
    not have. `defaults`: what its paper says of the rest of an experiment; `defaults_of`: what of that is
    different for a probe. `kinds`: what is different for a kind of
    task. `grid`: candidates that the validation clips choose among, as one probe of the preset's name;
    `first_fold_only`: those of the first fold, for all folds.
    """

    name: str
    version: int
    cites: str
    description: str
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    grid: Sequence[Mapping[str, Any]] = ()
    first_fold_only: bool = False
    base: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    mends: Sequence[str] = ()
    extends: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    defaults_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    n_steps: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its probes."""
        return (self.name,) if self.grid else tuple(self.probes)

    def beside(self, probe: str) -> dict[str, Any]:
        """Return what the paper says of the rest of an experiment with a probe, by the probe's name."""
        return {**self.defaults, **self.defaults_of.get(probe, {})}

    def recipes(self, only: Sequence[str] | None = None, kind: Kind | None = None) -> dict[str, AnyRecipe]:
        """Return the recipes by name, all of them or `only` those, in the order asked for, for a kind of task.

        Raises UnknownName for a probe that there is not.
        """
        for probe in only or ():
            if probe not in self.names:
                raise UnknownName(f"probe of {self.name}", probe, self.names)
        return {probe: self._recipe(probe, kind) for probe in (self.names if only is None else only)}

    def _recipe(self, probe: str, kind: Kind | None) -> AnyRecipe:
        shared = {**self.base, **(self.kinds.get(kind, {}) if kind else {})}
        if not self.grid:
            return self._one({**shared, **self.probes[probe]})
        points = tuple(self._one({**shared, **point}) for point in self.grid)
        return select.Recipe(points, first_fold_only=self.first_fold_only)

    def _one(self, said: Mapping[str, Any]) -> AnyRecipe:
        made = recipe_of({"kind": "mlp", **said})
        return made if self.n_steps is None else shortened(made, self.n_steps)


def preset_of(said: Mapping[str, Any], extended: Preset | None = None) -> Preset:
    """Return the preset that a file says; it starts from `extended`, but not from that one's faults.

    Raises UserError for keys that there are not.
    """
    if wrong := set(said) - {*FIELDS, "probes"}:
        raise UserError(f"Expected a preset of {', '.join((*FIELDS, 'probes'))}, got {', '.join(sorted(wrong))}.")
    made = Preset(**said)
    if extended is None:
        return made
    rest = {name: value for name, value in extended.faults.items() if name not in made.mends}
    return replace(
        made,
        probes={**extended.probes, **made.probes},
        grid=made.grid or extended.grid,
        first_fold_only=made.first_fold_only or extended.first_fold_only,
        base={**extended.base, **made.base},
        kinds={**extended.kinds, **made.kinds},
        faults={**rest, **made.faults},
        defaults={**extended.defaults, **made.defaults},
        defaults_of={**extended.defaults_of, **made.defaults_of},
    )


def shortened(made: AnyRecipe, n_steps: int) -> AnyRecipe:
    """Return a network's recipe with at most so many steps in place of its own length, warm-up cut in proportion.

    A recipe that counts epochs trains for exactly `n_steps` unless its patience ends it: how many steps its epochs
    have is not known here. Raises UserError for a probe that takes no steps.
    """
    if not isinstance(made, recipe.Recipe):
        raise UserError(f"Only networks take steps, and this probe is of kind {made.probe}. Leave '~{n_steps}' out.")
    steps = n_steps if made.steps is None else min(n_steps, made.steps)
    warm_up = made.warm_up_steps * steps // made.steps if made.steps else min(made.warm_up_steps, steps - 1)
    return cast(AnyRecipe, replace(made, steps=steps, warm_up_steps=warm_up))
