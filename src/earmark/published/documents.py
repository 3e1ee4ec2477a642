"""Published tables of scores, as the files of this room have them: one file a document, every row with its line."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from ruamel.yaml import YAML

from earmark.deformations import CLEAN


@dataclass(frozen=True)
class Column:
    """What the numbers of a column are of, in the words of a result row; None: not one of ours, or any.

    `fold` "mean": the mean over all folds. `scale` makes a printed number a score. `never` says why no row can stand
    beside it.
    """

    name: str
    task: str | None = None
    dataset: str | None = None
    split: str | None = None
    fold: int | Literal["mean"] | None = None
    preset: str | None = None
    probe: str | None = None
    pool: str | None = None
    metric: str | None = None
    average: str | None = None
    deformation: str = CLEAN.name
    scale: float = 1.0
    never: str = ""


@dataclass(frozen=True)
class Row:
    """A system and its printed numbers, one a column. `line` and `quoted` are where they stand in the text.

    `representation` and `layer` are what we call it, where we have it or plan to; `withheld` says why it was not
    measured as the columns say.
    """

    system: str
    probe: str | None
    values: tuple[float | None, ...]
    line: int
    quoted: str
    representation: str = ""
    layer: str = "all"
    withheld: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """A table of a document. `seed` is the number of its text among those that the project comes from."""

    document: str
    seed: str
    title: str
    number: str
    caption: str
    notes: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """What a column is headed with: "thesis, Table 6"."""
        return f"{self.document}, {self.number}"

    def score(self, row: Row, column: Column) -> float | None:
        """Return a printed number as a score, None where none is printed; the scale adds no digits of its own."""
        printed = row.values[self.columns.index(column)]
        return None if printed is None else round(printed * column.scale, 6)


@cache
def tables() -> tuple[PublishedTable, ...]:
    """Return every published table, in order of documents and numbers."""
    folder = resources.files("earmark.published")
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".yml")), key=lambda one: one.name)
    read = YAML(typ="safe", pure=True).load
    documents = {one.name.removesuffix(".yml"): read(one.read_text(encoding="utf-8")) for one in files}
    return tuple(_table(name, document, table) for name, document in documents.items() for table in document["tables"])


def _table(name: str, document: Mapping[str, Any], table: Mapping[str, Any]) -> PublishedTable:
    shared = {"scale": table["scale"], **table["protocol"]}
    return PublishedTable(
        document=name,
        seed=document["seed"],
        title=document["title"],
        number=table["number"],
        caption=table["caption"],
        notes=table["notes"],
        columns=tuple(Column(**{**shared, **column}) for column in table["columns"]),
        rows=tuple(_row(row) for row in table["rows"]),
    )


def _row(said: Mapping[str, Any]) -> Row:
    return Row(
        system=said["system"],
        probe=said.get("probe"),
        values=tuple(said["values"]),
        line=said["line"],
        quoted=said["quoted"],
        withheld=said.get("withheld", ""),
        **said.get("ours", {}),
    )
