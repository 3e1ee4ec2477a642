"""Named probe protocols: a preset is a set of recipes under the names their paper gave them.

mir_ref-fixed: the five probes of Plachouras 2023 (the toolkit's thesis), with inferred sizes taken anew for every
representation, the last partial batch kept, and one metric that both stops and chooses the epoch.
"""

from collections.abc import Mapping, Sequence

from earmark.errors import UnknownName
from earmark.probes.recipe import Recipe

PRESETS: Mapping[str, Mapping[str, Recipe]] = {
    "mir_ref-fixed": {
        "M1": Recipe(()),
        "M2": Recipe((128,)),
        "M3": Recipe((256, 128)),
        "M4": Recipe(("infer",)),
        "M5": Recipe(("infer", "infer")),
    }
}


def preset(name: str, only: Sequence[str] | None = None) -> dict[str, Recipe]:
    """Return the recipes of a preset by name, all of them or `only` those, in the order asked for.

    Raises UnknownName for a preset or a probe that does not exist.
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    recipes = PRESETS[name]
    for probe in only or ():
        if probe not in recipes:
            raise UnknownName(f"probe of {name}", probe, recipes)
    return {probe: recipes[probe] for probe in (recipes if only is None else only)}
