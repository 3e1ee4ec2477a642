"""The import law: which room may know which. Run this file for a verdict, or see test_architecture.py.

Rooms stand on lines; a room imports only rooms on lower lines, and rooms on one line never import each other.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

FACE = ""  # the public face, earmark/__init__.py

LINES = (
    ("__main__",),
    ("cli",),
    (FACE,),
    ("show", "doctor", "serve"),
    ("bundles", "exports"),
    ("reports",),
    ("catalogue", "citations", "importers", "listings", "published"),
    ("runs",),
    ("experiment",),
    ("conformance",),
    ("training",),
    ("tasks",),
    ("probes", "representations", "datasets"),
    ("metrics", "deformations", "analysis"),
    ("lookup", "sources", "store", "audio", "places"),
    ("nouns", "counted", "identity", "durable", "containers", "written", "licences"),
    ("errors",),
)
HEIGHT = {room: -number for number, line in enumerate(LINES) for room in line}

# These keep start-up fast: they import a room when one of its names is used.
MAY_IMPORT_LATE = {FACE, "cli"}
MAY_IMPORT_BY_STRING = {FACE, "cli", "lookup", "serve"}  # the service loads what decodes in its workers alone

NO_NAMES = {"utils", "util", "common", "core", "helpers", "helper", "managers", "manager", "misc"}

# Library → the room with the one file that wraps it.
WRAPPED = {
    "audiomentations": "deformations",
    "fast_mp3_augment": "deformations",
    "soundfile": "audio",
    "soxr": "audio",
    "midirenderer": "datasets",
    "pretty_midi": "datasets",
    "mirdata": "datasets",
    "mir_eval": "metrics",
    "typer": "cli",
    "lightning": "training",
    "ray": "experiment",
    "submitit": "experiment",
    "faiss": "catalogue",
    "lance": "catalogue",
    "streamlit": "reports",
    "altair": "reports",
    "jinja2": "reports",
    "fastapi": "serve",
    "uvicorn": "serve",
    "vl_convert": "reports",
    "onnxruntime": "representations",
    "openvino": "representations",
    "h5py": "representations",
    "essentia": "representations",
    "huggingface_hub": "representations",
    "requests": "sources",
    "urllib3": "sources",
}
SHARED_IN_ROOM = {"typer", "streamlit"}  # verbs are decorated with the one, views drawn with the other: several files
NEVER = {"torchaudio", "torchcodec", "fairseq", "tensorflow", "keras", "librosa"}

ARITHMETIC_ROOMS = {"metrics", "analysis", "deformations", "probes"}
ARITHMETIC_FILES = {"network", "networks", "objective", "objectives"}
OUTER_WORLD = {
    *("os", "pathlib", "shutil", "tempfile", "glob", "sqlite3", "subprocess", "multiprocessing"),
    *("time", "datetime", "socket", "urllib", "http", "requests", "secrets"),
}

# audiomentations, transformers and modules of users draw from the global ones: their wrappers seed and restore them.
OWNS_GLOBAL_GENERATORS = {
    "earmark.deformations",
    "earmark.representations._weights",
    "earmark.probes.own_module",
    "earmark.conformance.surroundings",  # it asks whether a wrapper leaves them alone
}
OF_NUMPY = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "PCG64", "PCG64DXSM", "Philox", "MT19937"} | {
    "RandomState"  # published splits were drawn by it
}
OF_TORCH = {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial"}
SEEDING = {"manual_seed", "manual_seed_all", "seed", "seed_all"}
IN_PLACE = ("uniform_", "normal_", "orthogonal_", "random_", "exponential_", "bernoulli_", "cauchy_", "geometric_")


class Violation(NamedTuple):
    """One broken law, with its place."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


class Import(NamedTuple):
    """One imported module, by its full name; `late` when it stands inside a function."""

    line: int
    target: str
    late: bool


@dataclass(frozen=True)
class SourceFile:
    """A parsed file of the package and its full module name."""

    path: Path
    module: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return room_of(self.module)

    def violation(self, line: int, text: str) -> Violation:
        return Violation(self.path, line, f"{self.module} {text}")

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self.tree, late=False))

    def own_imports(self, modules: Mapping[str, object]) -> Iterator[Import]:
        """Yield what is imported of earmark: "from earmark.room import name" is room.name only if that is a file."""
        for line, target, late in self.imports:
            parent = target.rpartition(".")[0]
            is_room = parent == "earmark" and room_of(target) in HEIGHT
            named = target if is_room or target in modules or parent not in modules else parent
            if target.partition(".")[0] == "earmark" and target != "earmark.__version__":
                yield Import(line, named, late)

    @cached_property
    def calls(self) -> tuple[tuple[ast.Call, str], ...]:
        """Every call with the full name of what is called, as far as imports tell it."""
        names = dict(_names(self.tree))
        return tuple((node, _full_name(node.func, names)) for node in ast.walk(self.tree) if isinstance(node, ast.Call))


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else FACE


def read(package: Path) -> tuple[SourceFile, ...]:
    """Parse every file of the package in the folder `package`, which is named earmark."""
    files = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        files.append(SourceFile(path, module, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return tuple(files)


def _imports(node: ast.AST, *, late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from (Import(child.lineno, alias.name, late) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=0):
                yield from (Import(child.lineno, f"{module}.{alias.name}", late) for alias in names)
            case _:
                yield from _imports(child, late=late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def _names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    first = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (first, first)
            case ast.ImportFrom(module=module, names=names):
                yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in names)


def _full_name(node: ast.expr, names: Mapping[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return names.get(name, name)
        case ast.Attribute(value=value, attr=attribute):
            return f"{_full_name(value, names)}.{attribute}"
    return "?"


def arrows_point_down(files: Iterable[SourceFile]) -> Iterator[Violation]:
    modules = {file.module: file for file in files}
    for file in modules.values():
        if file.room not in HEIGHT:
            yield file.violation(1, f"stands on no line. Give '{file.room}' its line in {Path(__file__).name}.")
            continue
        for line, target, _ in file.own_imports(modules):
            room = room_of(target)
            rise = HEIGHT.get(room, HEIGHT["errors"]) - HEIGHT[file.room]
            if room != file.room and rise >= 0:
                where = "above it. Arrows point down" if rise else "on the same line. Hand it over instead"
                yield file.violation(line, f"imports {target}, which stands {where}.")


def no_cycles(files: Iterable[SourceFile]) -> Iterator[Violation]:
    modules = {file.module: file for file in files}
    # The face names everything and imports nothing before it is asked, so it closes no circle.
    modules.pop("earmark", None)
    edges = {name: [one.target for one in file.own_imports(modules)] for name, file in modules.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[Violation]:
        if name in path:
            circle = (*path[path.index(name) :], name)
            yield modules[name].violation(1, f"is part of a circle of imports: {' → '.join(circle)}.")
        elif name not in done:
            for target in edges.get(name, ()):
                yield from visit(target, (*path, name))
            done.add(name)

    for name in edges:
        yield from visit(name, ())


def imports_stand_at_the_top(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        for line, target, late in file.imports:
            if late and target.partition(".")[0] == "earmark" and file.room not in MAY_IMPORT_LATE:
                yield file.violation(line, f"imports {target} inside a function. Only cli.py and the face may.")
        for call, name in file.calls:
            by_string = name.endswith(("import_module", "__import__")) and "earmark" in ast.unparse(call)
            if by_string and file.room not in MAY_IMPORT_BY_STRING:
                yield file.violation(call.lineno, "imports earmark by a string. Only lookup.py and the face may.")


def no_relative_imports(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                yield file.violation(node.lineno, "imports relatively. Write the full name: from earmark.room import …")


def names_say_something(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        for part in sorted(NO_NAMES & {part.strip("_") for part in file.module.split(".")}):
            yield file.violation(1, f"is named '{part}', which says nothing. Name it after what it does.")


def libraries_are_wrapped_once(files: Iterable[SourceFile]) -> Iterator[Violation]:
    wrappers: dict[str, str] = {}
    for file in files:
        for line, target, _ in file.imports:
            library = target.partition(".")[0]
            if library in NEVER:
                yield file.violation(line, f"imports {library}, which earmark never does.")
            room = WRAPPED.get(library, file.room)
            if room != file.room:
                yield file.violation(line, f"imports {library}, which only '{room}' wraps.")
            elif (
                library in WRAPPED
                and library not in SHARED_IN_ROOM
                and wrappers.setdefault(library, file.module) != file.module
            ):
                yield file.violation(line, f"imports {library}, which {wrappers[library]} wraps already.")


def arithmetic_stays_pure(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        if file.room not in ARITHMETIC_ROOMS and file.path.stem not in ARITHMETIC_FILES:
            continue
        for line, target, _ in file.imports:
            if target.partition(".")[0] in OUTER_WORLD:
                yield file.violation(line, f"is arithmetic but imports {target}. It takes arrays and returns arrays.")
        for call, name in file.calls:
            if name == "open":
                yield file.violation(call.lineno, "is arithmetic but opens a file. It takes arrays and returns arrays.")


def global_generators_are_left_alone(files: Iterable[SourceFile]) -> Iterator[Violation]:
    for file in files:
        if file.module not in OWNS_GLOBAL_GENERATORS:
            for call, name in file.calls:
                if _draws_globally(call, name):
                    yield file.violation(
                        call.lineno, f"calls {name} without a generator. Take one: identity.generator."
                    )


def _draws_globally(call: ast.Call, name: str) -> bool:
    module, _, last = name.rpartition(".")
    is_bare = not call.args and not call.keywords
    has_generator = any(keyword.arg == "generator" for keyword in call.keywords)
    match module:
        case "random":
            return last != "Random" or is_bare
        case "numpy.random":
            return last not in OF_NUMPY or (last in ("default_rng", "RandomState") and is_bare)
        case "torch" | "torch.cuda" | "torch.random":
            return last in SEEDING or (last.removesuffix("_like") in OF_TORCH and not has_generator)
    return last.endswith(IN_PLACE) and not has_generator


LAWS: tuple[Callable[[Iterable[SourceFile]], Iterator[Violation]], ...] = (
    *(arrows_point_down, no_cycles, imports_stand_at_the_top, no_relative_imports, names_say_something),
    *(libraries_are_wrapped_once, arithmetic_stays_pure, global_generators_are_left_alone),
)


def violations(package: Path) -> list[Violation]:
    """Return what is wrong with the package in a folder, by place."""
    files = read(package)
    return sorted({found for law in LAWS for found in law(files)})


def main() -> int:
    found = violations(Path(__file__).parent.parent / "src" / "earmark")
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
