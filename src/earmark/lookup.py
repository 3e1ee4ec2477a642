"""Name → module: a file of that name in a room, or "package.module:Name" from anywhere.

Names are `file-name[-variant]` or `file-name:variant`; '-' and '_' are one; the longest file name wins and
the rest is handed to that file. A leading underscore, and the names in FURNITURE, are not plug-ins.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import NamedTuple

from earmark.errors import UnknownName, UserError

FURNITURE = {"base", "check", "embed", "get", "names", "splits"}


class Found(NamedTuple):
    """The module that a name leads to, and the rest of the name."""

    module: ModuleType
    variant: str


def names(room: str) -> tuple[str, ...]:
    """Return the plug-ins of a room ("datasets", "representations"), as users write them."""
    package = importlib.import_module(f"earmark.{room}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name.replace("_", "-") for name in found if name[0] != "_" and name not in FURNITURE))


def find(room: str, name: str) -> Found:
    """Return the module of `name` in a room and the variant that is left of the name."""
    plain = name.replace("_", "-").replace(":", "-")
    for known in sorted(names(room), key=len, reverse=True):
        if plain == known or plain.startswith(known + "-"):
            module = importlib.import_module(f"earmark.{room}.{known.replace('-', '_')}")
            return Found(module, name[len(known) + 1 :])
    raise UnknownName(room.removesuffix("s"), name, names(room))


def external(name: str) -> object | None:
    """Return what "package.module:Name" names, or None when the name has not that form."""
    module_name, colon, attribute = name.partition(":")
    if not colon or "." not in module_name:
        return None
    try:
        found: object = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"Expected '{name}' to be importable as package.module:Name, but: {error}.") from error
    return found
