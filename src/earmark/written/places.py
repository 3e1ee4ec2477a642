"""YAML with places: every value knows its file, line and column, also after it has been moved or renamed.

Differs from plain YAML: keys are text and stand once; a word in capitals in place of a list loads WORD.yml.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from earmark.errors import SpecError, UserError, hint

CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")
MERGE = "tag:yaml.org,2002:merge"
MOST_ITEMS = 100_000
"""Far more values than any file has: aliases of aliases would repeat them without end."""


class Place(NamedTuple):
    """Where something stands: lines and columns count from 1."""

    file: str
    line: int
    column: int

    def error(self, message: str) -> SpecError:
        """Return an error that names this place."""
        return SpecError(message, *self)


@dataclass
class Item:
    """A value with its place; a list holds Items, a mapping has Items under its keys.

    `key` is the place of the key that it stands under, or its own where there is none.
    """

    value: object
    place: Place
    key: Place

    @property
    def fields(self) -> dict[str, "Item"]:
        """Its Items by key; empty unless it is a mapping."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def entries(self) -> list["Item"]:
        """Its Items in order; empty unless it is a list."""
        return self.value if isinstance(self.value, list) else []

    @property
    def children(self) -> dict[str | int, "Item"]:
        """Its Items by key or index."""
        found: dict[str | int, Item] = dict(enumerate(self.entries))
        found.update(self.fields.items())
        return found

    def plain(self) -> object:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.fields.items()}
        return [item.plain() for item in self.entries] if isinstance(self.value, list) else self.value

    def walk(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], "Item"]]:
        """Yield every Item below with its path, itself first."""
        yield path, self
        for key, item in self.children.items():
            yield from item.walk((*path, key))

    def error(self, message: str) -> SpecError:
        """Return an error that names the place of this value."""
        return self.place.error(message)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Give a UserError raised inside the place of this value."""
        try:
            yield
        except SpecError:
            raise
        except UserError as error:
            raise self.error(str(error)) from error


def read(file: Path, lists: Collection[str], what: str = "an experiment") -> Item:
    """Return the content of a file, `what` by name. Raises SpecError, or UserError when the file cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"Expected UTF-8 text, got a byte that is none: {error.reason}.", file, 1, 1) from error
    except OSError as error:
        near = hint(file.name, [path.name for path in file.absolute().parent.glob("*.y*ml")])
        raise UserError(f"Expected {what} file at '{file}': {error.strerror}.{near}") from error
    return parse(text, file, lists, what)


def parse(text: str, file: Path, lists: Collection[str] = (), what: str = "an experiment") -> Item:
    """Return the content of a text. A word in capitals under a key in `lists` is read from beside `file`.

    WORD.yml is looked for beside the file, then in the folder of the file's own name. Raises SpecError.
    """
    item = _Reader(str(file), what=what).read(text)
    for key, below in _under(item, lists):
        if isinstance(below.value, str) and CAPITALS.fullmatch(below.value):
            below.value = _included(below, key, file)
    return item


def _under(item: Item, lists: Collection[str]) -> Iterator[tuple[str, Item]]:
    for path, below in item.walk():
        if path and path[-1] in lists:
            yield str(path[-1]), below


def _included(word: Item, key: str, file: Path) -> object:
    name = f"{word.value}.yml"
    found = [path for path in (file.parent / name, file.parent / file.stem / name) if path.is_file()]
    if not found:
        near = hint(name, [path.name for path in file.parent.glob("*.yml") if CAPITALS.fullmatch(path.stem)])
        raise word.error(
            f"Expected a list under '{key}', or a word in capitals that names a file beside this one; "
            f"there is no {name}.{near} Write the list here, or into {name}."
        )
    return read(found[0], ()).value


@dataclass(frozen=True)
class _Reader:
    """Reads one text whose first character stands at `line`, `column` of `file`."""

    file: str
    line: int = 1
    column: int = 1
    what: str = "an experiment"
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def read(self, text: str) -> Item:
        yaml = YAML(typ="safe", pure=True)
        yaml.composer.warn_double_anchors = False  # YAML allows to give an anchor anew
        try:
            node = yaml.compose(text)
            if node is None:
                raise SpecError(f"Expected {self.what}, got an empty file.", self.file, self.line, self.column)
            return self._item(node, yaml.constructor, ())
        except MarkedYAMLError as error:
            raise self._place(error.problem_mark or error.context_mark).error(_said(error, text)) from error
        except ReaderError as error:
            before = text[: error.position]
            place = Place(self.file, self.line + before.count("\n"), len(before) - before.rfind("\n"))
            raise place.error(
                f"Expected text, got the character U+{ord(text[error.position]):04X}. Take it out."
            ) from error
        except RecursionError as error:
            raise self._place(None).error(
                "Expected values in one another, got hundreds of levels. Write fewer."
            ) from error
        except (YAMLError, ValueError) as error:
            raise SpecError(f"Expected YAML: {error}.", self.file, self.line, self.column) from error

    def _place(self, mark: object) -> Place:
        line, column = getattr(mark, "line", 0), getattr(mark, "column", 0)
        return Place(self.file, self.line + line, column + (self.column if line == 0 else 1))

    def _item(self, node: Node, constructor: SafeConstructor, above: tuple[Node, ...]) -> Item:
        place = self._place(node.start_mark)
        if next(self.numbers) > MOST_ITEMS:
            raise place.error(f"Expected at most {MOST_ITEMS:,} values, got more: aliases repeat them. Write fewer.")
        if any(node is one for one in above):
            raise place.error(f"Anchor '&{node.anchor}' holds itself. Write the value out.")
        match node:
            case MappingNode():
                return Item(self._fields(node, constructor, (*above, node)), place, place)
            case SequenceNode():
                entries = [self._item(one, constructor, (*above, node)) for one in node.value]
                return Item(entries, place, place)
        return Item(constructor.construct_object(node), place, place)

    def _fields(self, node: MappingNode, constructor: SafeConstructor, above: tuple[Node, ...]) -> dict[str, Item]:
        own: dict[str, Item] = {}
        merged: dict[str, Item] = {}
        for key, value in node.value:
            place = self._place(key.start_mark)
            if key.tag == MERGE:
                sources = value.value if isinstance(value, SequenceNode) else [value]
                for source in sources:
                    merged = self._item(source, constructor, above).fields | merged
                continue
            name = constructor.construct_object(key) if isinstance(key, ScalarNode) else None
            if not isinstance(name, str):
                raise place.error(f"Expected text as a key, got {_source(key)}. Put it in quotes.")
            if name in own:
                raise place.error(f"Key '{name}' stands here a second time. Keep one of the two.")
            item = self._item(value, constructor, above)
            own[name] = Item(item.value, item.place, place)
        return merged | own


def _source(node: Node) -> str:
    return f"'{node.value}'" if isinstance(node, ScalarNode) else "a list or a mapping"


def _said(error: MarkedYAMLError, text: str) -> str:
    problem = error.problem or "something else"
    if alias := re.fullmatch(r"found undefined alias '(.*)'", problem):
        name = alias[1]
        anchors = re.findall(r"(?<!\S)&([^\s,\[\]{}]+)", text)
        remedy = hint(f"*{name}", [f"*{one}" for one in anchors])
        remedy = remedy or f" Write &{name} in front of the value that it repeats."
        return f"Alias '*{name}' has no anchor before it.{remedy}"
    context = f" {error.context}" if error.context else ""
    return f"Expected YAML, but{context}: {problem}. Check indents, brackets and quotes."


def override(root: Item, text: str, number: int, names: Mapping[str, str]) -> None:
    """Set a value in place: `text` is "path.to.key=value", the `number`-th of its kind; the value is YAML.

    Every key on the way must exist; the last may be new. A `*` stands for every entry of a list. `names` maps
    old names of keys to new ones: either is understood. Raises SpecError in the file "--set", line `number`.
    """
    path, equals, value = text.partition("=")
    start = Place("--set", number, 1)
    if not equals or not path:
        raise start.error(f"Expected path.to.key=value, got '{text}'. For example, experiments.0.seeds=[0].")
    *way, last = path.split(".")
    spots, column = [root], 1
    for key in way:
        spots = [one for at in spots for one in _children(at, key, Place("--set", number, column), names)]
        column += len(key) + 1
    for at in spots:
        for key in _keys(at, last):
            # Read anew for each: what stands in two places must not be one item.
            new = _Reader("--set", number, len(path) + 2).read(value) if value.strip() else Item(None, start, start)
            new.key = Place("--set", number, column)
            _set(at, key, new, names)


def _keys(at: Item, key: str) -> list[str]:
    """Return the key, or the numbers of all entries where it is a `*` and the item a list."""
    return [str(number) for number in range(len(at.entries))] if key == "*" and isinstance(at.value, list) else [key]


def _children(at: Item, key: str, place: Place, names: Mapping[str, str]) -> list[Item]:
    return [_child(at, one, place, names) for one in _keys(at, key)]


def _set(at: Item, key: str, new: Item, names: Mapping[str, str]) -> None:
    if isinstance(at.value, list):
        found = _child(at, key, new.key, names)
        found.value, found.place, found.key = new.value, new.place, new.key
    elif isinstance(at.value, dict):
        at.value[_spelling(at, key, names)] = new
    else:
        raise new.key.error(
            f"Expected a mapping to set '{key}' in, got {at.value!r}. "
            f"Set the whole of it: {{name: {at.value}, {key}: …}}."
        )


def _child(at: Item, key: str, place: Place, names: Mapping[str, str]) -> Item:
    if isinstance(at.value, list):
        if not key.isdecimal() or int(key) >= len(at.value):
            raise place.error(f"Expected a number below {len(at.value)} (the list has so many), got '{key}'.")
        return at.entries[int(key)]
    name = _spelling(at, key, names)
    if name not in at.fields:
        known = ", ".join(at.fields) or "none"
        meant = hint(key, at.fields)
        whole = "" if meant else f" To add it, set it whole: {key}={{name: value}}."
        raise place.error(f"There is no key '{key}' to go through.{meant} Keys here: {known}.{whole}")
    return at.fields[name]


def _spelling(at: Item, key: str, names: Mapping[str, str]) -> str:
    """Return the key as the file spells it: by its new name or by an old one."""
    if key in at.fields:
        return key
    new = names.get(key, key)
    return next((one for one in at.fields if names.get(one, one) == new), key)
