"""The file of a worker: which Python, what must be installed in it, and what it makes; without torch, for doctor."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from earmark import identity, places
from earmark.errors import MissingPart, UserError, hint
from earmark.written import misfit, shipped
from earmark.written.shapes import Shape

SHIPPED = Path(__file__).parents[1] / "experiments" / "workers"
WHAT = "a worker's"
FORM = "worker:FILE[#NAME]"


Value = bool | int | float | str | None


class MadeShape(Shape):
    """What a worker makes."""

    factory: str = Field(pattern=r"^[\w.]+:\w+$", examples=["my_model:load"])
    """What is called in the other Python to make it: module:function."""
    options: dict[str, Value | list[Value]] = Field({}, examples=[{"size": 36}])
    """What it is called with; a path is seen from the folder of this file."""


class FileShape(Shape):
    """The whole file."""

    python: str | None = Field(None, examples=["~/essentia/bin/python"])
    """The interpreter: a path seen from this file, ~ or $NAME at its start, or a command; left out: one in the home."""
    packages: list[str] = Field([], examples=[["essentia"]])
    """What must be installed there besides numpy, a name or name==version; the versions are part of every key."""
    time_limit_s: float = Field(300, gt=0, allow_inf_nan=False, examples=[300])
    """How long one request may take, such as a segment or the loading of a model."""
    memory_limit_gb: float = Field(16, gt=0, allow_inf_nan=False, examples=[16])
    """How much memory it may take, in units of 10^9 bytes, where the system knows a limit."""
    representations: dict[
        str, Annotated[MadeShape, BeforeValidator(lambda said: {"factory": said} if isinstance(said, str) else said)]
    ] = Field(min_length=1, examples=[{"mine": "my_model:load"}])
    """What it makes, by name: a factory, or a mapping with factory and options."""


@dataclass(frozen=True)
class Environment:
    """Another Python: where it is looked for, and what must be installed in it, as pip is told."""

    python: Path
    packages: tuple[str, ...]

    @property
    def wanted(self) -> Mapping[str, str]:
        """The packages by name with the version that is asked for, "" for any; numpy among them."""
        split = (one.partition("==") for one in ("numpy", *self.packages))
        return {name: version for name, _, version in split}

    @property
    def pip(self) -> str:
        """The line that installs what it lacks."""
        wanted = [f"{name}=={version}" if version else name for name, version in self.wanted.items()]
        return f"{self.python} -m pip install {' '.join(wanted)}"

    @property
    def is_here(self) -> bool:
        """Whether there is such an interpreter."""
        return self.python.is_file() and os.access(self.python, os.X_OK)

    def require(self) -> None:
        """Raise MissingPart, with the lines that make it, where there is no such interpreter."""
        if not self.is_here:
            raise MissingPart(f"There is no Python at '{self.python}'. Type:\n  {self.recipe}")

    @property
    def recipe(self) -> str:
        """The two lines that make it."""
        return f"python3 -m venv {self.python.parent.parent}\n  {self.pip}"


@dataclass(frozen=True)
class Asked:
    """One representation of a worker's file: what is called where, and how much it may take."""

    name: str
    folder: Path
    environment: Environment
    factory: str
    options: str  # as JSON, so that it can be a key
    time_limit_s: float
    memory_bytes: int


@dataclass(frozen=True)
class WorkerFile:
    """A worker's file that was read."""

    stem: str
    folder: Path
    environment: Environment
    said: FileShape

    @property
    def memory_bytes(self) -> int:
        """How much memory its process may take."""
        return round(self.said.memory_limit_gb * 1e9)


FORM_OF_FILE = misfit.Form(FileShape, "representations: {mine: my_model:load}")


def read(file: str) -> WorkerFile:
    """Return a worker's file, or a shipped one by its bare name. Raises SpecError, and UserError for none."""
    path = Path(file).expanduser()
    root = shipped.read(path, SHIPPED, (), WHAT)
    said = misfit.fitted(root, FORM_OF_FILE)
    folder = (path if path.is_file() else SHIPPED / "any").absolute().parent
    environment = Environment(_python(said.python, folder, path.stem), tuple(said.packages))
    return WorkerFile(path.stem, folder, environment, said)


def asked(variant: str) -> Asked:
    """Return what `worker:FILE#NAME` asks for; without a name, the only one there is.

    Raises UserError, which lists the names, and as `read` does.
    """
    place, _, name = variant.partition("#")
    file = read(place)
    made = file.said.representations
    if name not in made and (name or len(made) > 1):
        wanted = f"'{name}'" if name else f"a name after worker:{file.stem}, such as #{next(iter(made))}"
        raise UserError(
            f"Expected {wanted} among the representations of '{file.stem}'.{hint(name, made)} Known: {', '.join(made)}."
        )
    name = name or next(iter(made))
    return Asked(
        name=f"worker:{file.stem}#{name}",
        folder=file.folder,
        environment=file.environment,
        factory=made[name].factory,
        options=identity.canonical_json(made[name].options).decode(),
        time_limit_s=file.said.time_limit_s,
        memory_bytes=file.memory_bytes,
    )


def every_shipped() -> Iterator[WorkerFile]:
    """Yield the files that earmark ships."""
    return (read(file.stem) for file in sorted(SHIPPED.glob("*.yml")))


def _python(said: str | None, folder: Path, stem: str) -> Path:
    """Return where the interpreter is looked for. A link is kept: a venv is known by where its Python is called."""
    if said is None:
        return places.environment_folder(stem).absolute() / "bin" / "python"
    text = os.path.expandvars(said)
    if "$" in text:
        name = text.partition("$")[2].partition("/")[0].strip("{}")
        raise MissingPart(f"The worker '{stem}' wants its Python in ${name}, which is not set. Type: export {name}=…")
    if "/" not in text and (found := shutil.which(text)):
        return Path(found)
    return Path(os.path.abspath(folder / Path(text).expanduser()))  # noqa: PTH100 - without following links
