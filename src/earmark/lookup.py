"""Name → module: a file of that name in a room, or "package.module:Name" from anywhere.

Names are `file-name[-variant]` or `file-name:variant`; '-' and '_' are one; the longest file name wins and
the rest is handed to that file. A leading underscore, and the names in FURNITURE, are not plug-ins.
"""

import importlib
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from earmark import identity
from earmark.errors import UnknownName, UserError

FURNITURE = {
    *("base", "check", "checkpoint", "embed", "excerpts", "get", "names", "objective", "records", "splits", "trainable")
}


class Found(NamedTuple):
    """The module that a name leads to, and the rest of the name."""

    module: ModuleType
    variant: str


def names(room: str) -> tuple[str, ...]:
    """Return the plug-ins of a room ("datasets", "representations"), as users write them."""
    package = importlib.import_module(f"earmark.{room}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name.replace("_", "-") for name in found if name[0] != "_" and name not in FURNITURE))


def find(room: str, name: str, offered: Callable[[], Iterable[str]] | None = None) -> Found:
    """Return the module of `name` in a room and the variant that is left of the name.

    Raises UnknownName, which offers what `offered` gives: the names of the files, where these are names of things.
    """
    plain = name.replace("_", "-").replace(":", "-")
    for known in sorted(names(room), key=len, reverse=True):
        if plain == known or plain.startswith(known + "-"):
            module = importlib.import_module(f"earmark.{room}.{known.replace('-', '_')}")
            return Found(module, name[len(known) + 1 :])
    raise UnknownName(room.removesuffix("s"), name, offered() if offered else names(room))


def external(name: str) -> object | None:
    """Return what "package.module:Name" names, or None when the name has not that form.

    A module beside where the user stands counts as installed. It may lack the dot ("my_notes:MyNotes") where Name
    begins with a capital and no file of ours is called so: "folder:Instrument" stays ours. Raises UserError when
    there is no such module or name, or when the module cannot be imported; `blamed` says for what error of its own.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not ("." in module_name or _is_class_of_a_file(module_name, attribute)):
        return None
    return imported(name)


def imported(name: str) -> object:
    """Return what "module:name" names, for nouns of which no name of ours holds a colon. Raises as `external`."""
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: a file here never stands for a library of that name; workers are told of it too
    try:
        module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise _not_importable(name, error, here) from error
    except Exception as error:  # whatever the user's own file raises is for the user to read, and no bug of ours
        raise blamed(f"'{module_name}', when it was imported,", error) from error
    try:
        found: object = getattr(module, attribute)
    except AttributeError as error:
        raise _not_importable(name, error, here) from error
    return found


def code_sha256(name: str) -> str:
    """Return the sha256 of the file that says what "module:name" is. What that file imports is not in it.

    A function or class counts where it is defined, anything else where it is named. Raises UserError where there is
    no file, such as for a name of the interpreter's own.
    """
    found, named = imported(name), sys.modules[name.partition(":")[0]]
    module = (inspect.getmodule(found) if inspect.isroutine(found) or inspect.isclass(found) else None) or named
    file = getattr(module, "__file__", None)
    if file is None:
        raise UserError(
            f"Expected '{name}' to stand in a file, by which a changed one is known. Write one of your own."
        )
    return identity.file_sha256(Path(file))


def _not_importable(name: str, error: Exception, here: str) -> UserError:
    return UserError(
        f"Expected '{name}' to be importable as package.module:Name, but: {error}. "
        f"Looked among what is installed and in '{here}', the current folder."
    )


def blamed(who: str, error: Exception) -> UserError:
    """Return the message for an error that a user's own code raised: what it was, and the line of theirs.

    Of the calls that led to it, the last in the first file that is not ours: what came after is a library's.
    """
    ours = str(Path(__file__).parent), str(importlib.__file__), "<"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(ours)]
    theirs = [one for one in frames if one.filename == frames[0].filename]
    where = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
    return UserError(f"{who} raised {type(error).__name__}: {error}{where}")


def _is_class_of_a_file(module_name: str, attribute: str) -> bool:
    ours = {known for room in ("datasets", "representations") for known in names(room)}
    return attribute[:1].isupper() and module_name.isidentifier() and module_name.replace("_", "-") not in ours
