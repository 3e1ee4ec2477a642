"""The presets there are: one file each in the `presets` folder of `probes`, read when they are asked for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from types import MappingProxyType

from ruamel.yaml import YAML

from earmark.errors import UnknownName
from earmark.nouns import Kind
from earmark.probes.base import AnyRecipe
from earmark.probes.presets import Preset, preset_of

SHORT = re.compile(r"(?P<name>.+)~(?P<n_steps>[1-9]\d*)")


@cache
def presets() -> Mapping[str, Preset]:
    """Return every preset by its name, in order of names."""
    folder = resources.files("earmark.probes") / "presets"
    files = sorted(one.name for one in folder.iterdir() if one.name.endswith(".yml"))
    said = [YAML(typ="safe", pure=True).load((folder / name).read_text(encoding="utf-8")) for name in files]
    found: dict[str, Preset] = {}
    for one in sorted(said, key=lambda one: "extends" in one):
        found[one["name"]] = preset_of(one, found[one["extends"]] if "extends" in one else None)
    return MappingProxyType(dict(sorted(found.items())))


def find(name: str) -> Preset:
    """Return the preset of a name; `name~200` is the same cut to 200 steps, under that name.

    Raises UnknownName for one that there is not.
    """
    short = SHORT.fullmatch(name)
    full = short["name"] if short else name
    if full not in presets():
        raise UnknownName("preset", full, presets())
    return replace(presets()[full], name=name, n_steps=int(short["n_steps"])) if short else presets()[full]


def is_short(name: str) -> bool:
    """Say whether a name is that of a preset cut short, which is not the protocol."""
    return SHORT.fullmatch(name) is not None


def preset(name: str, only: Sequence[str] | None = None, kind: Kind | None = None) -> dict[str, AnyRecipe]:
    """Return the recipes of a preset by name, all of them or `only` those, in the order asked for.

    Raises UnknownName for a preset or a probe that there is not.
    """
    return find(name).recipes(only, kind)
