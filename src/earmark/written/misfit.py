"""How a file that has not the shape is answered: one error, at its place, with what to write instead."""

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from earmark.errors import SpecError, hint
from earmark.written.places import Item
from earmark.written.shapes import Shape, example_of

Loc = tuple[str | int, ...]
S = TypeVar("S", bound=Shape)


@dataclass(frozen=True)
class Form(Generic[S]):
    """The shape of a whole file, YAML that has it, and the keys under which a name may stand for a mapping."""

    model: type[S]
    example: str
    named: tuple[str, ...] = ()


def fitted(root: Item, form: Form[S]) -> S:
    """Return what a file says; raise a SpecError for the first place that has not the shape."""
    try:
        return form.model.model_validate(root.plain())
    except ValidationError as error:
        raise _first(error.errors(include_url=False), root, form) from error


def _first(details: list[ErrorDetails], root: Item, form: Form[S]) -> SpecError:
    """Return the error that stands first; the branches of a union, all of one value, speak as one."""
    found = [(_descend(root, one["loc"]), one) for one in details]
    deepest = [(path, one) for path, one in found if not any(path == other[: len(path)] != other for other, _ in found)]
    places = {path: _place_of(root, path, one) for path, one in deepest}
    path = min(places, key=lambda one: (places[one].place[1:], len(one)))
    same = [one for other, one in deepest if other == path]
    return places[path].error(_said(path, same, form))


def _descend(root: Item, loc: Loc) -> Loc:
    """Return the part of pydantic's path that leads to a value of the file: without names of union branches."""
    path: list[str | int] = []
    item = root
    for key in loc:
        if key in item.children:
            item = item.children[key]
            path.append(key)
    return tuple(path)


def _place_of(root: Item, path: Loc, one: ErrorDetails) -> Item:
    item = root
    for key in path:
        item = item.children[key]
    return Item(item.value, item.key, item.key) if one["type"] == "extra_forbidden" else item


def _said(path: Loc, same: list[ErrorDetails], form: Form[S]) -> str:
    error, kind = same[0], same[0]["type"]
    names = [key for key in path if isinstance(key, str)]
    key = names[-1] if names else "the file"
    entry = bool(path) and isinstance(path[-1], int)
    if kind == "extra_forbidden":
        known = list(_model(path[:-1], form).model_fields)
        return f"Unknown key '{key}'.{hint(key, known)} Keys here: {', '.join(known)}."
    if kind == "missing":
        missing = str(error["loc"][-1])
        return f"Missing key '{missing}'. Write, for example, {_example((*path, missing), form)}."
    what = f"an entry of '{key}'" if entry else f"'{key}'" if names else key
    came = "an empty list" if error["input"] == [] else _came(error["input"])
    wanted = " or ".join(dict.fromkeys(_wanted(one) for one in same))
    if key in form.named and kind == "model_type":
        wanted = f"a name or {wanted}"
    near = hint(str(error["input"]), re.findall(r"'([^']*)'", wanted))
    return f"Expected {what} to be {wanted}, got {came}.{near} Write, for example, {_example(path, form)}."


def _came(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case str():
            return f"'{value}'"
    return str(value)


_WORDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_pattern_mismatch": "'kfold-5' (3 or more)",  # the only text with a pattern
    "string_type": "text",
    "too_short": "a list with at least one entry",
}


def _wanted(error: ErrorDetails) -> str:
    kind, limits = error["type"], error.get("ctx", {})
    match kind:
        case "literal_error":
            return str(limits["expected"])
        case "greater_than":
            return f"above {limits['gt']:g}"
        case "greater_than_equal":
            return f"at least {limits['ge']:g}"
        case "less_than":
            return f"below {limits['lt']:g}"
    return _WORDS.get(kind, error["msg"])


def _model(path: Loc, form: Form[S]) -> type[Shape]:
    """Return the model of the mapping at a path."""
    model: type[Shape] = form.model
    for key in path:
        if isinstance(key, str) and key in model.model_fields:
            model = next(_models(model.model_fields[key].annotation), model)
    return model


def _models(annotation: object) -> Iterator[type[Shape]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, Shape):
            yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType, list, dict):
        for part in get_args(annotation):
            yield from _models(part)


def _example(path: Loc, form: Form[S]) -> str:
    """Return a line of YAML that fits the key at a path, or the nearest key above that has an example."""
    for end in range(len(path), 0, -1):
        key, model = path[end - 1], _model(path[: end - 1], form)
        if isinstance(key, str) and key in model.model_fields:
            return example_of(model, key)
    return form.example
