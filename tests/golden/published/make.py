"""Writes src/earmark/published/*.yml: every table of scores in the five documents that the project comes from.

Run from the root of the repository: python tests/golden/published/make.py FOLDER, where FOLDER holds the documents as
text. Numbers are read from the lines; what a line cannot say (task, split, protocol) stands in columns.yml beside this.
Every row keeps the line that it was read from.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

HERE = Path(__file__).parent
TARGET = HERE.parents[2] / "src" / "earmark" / "published"
NUMBER = re.compile(r"(?<![\w.])\d*\.\d+")
BOTH = 2


class Row(NamedTuple):
    """One system: its numbers in the order of the table's columns, and where they were read."""

    system: str
    probe: str | None
    values: tuple[float | None, ...]
    line: int
    quoted: str


def plain(field: str) -> str:
    """Return the text of a field without emphasis, bracketed references and the plus signs that stand for some."""
    return re.sub(r"</?b>|<sup>|</sup>|\[[\d, ]+\]|⁺+", "", field).replace("  ", " ").strip()


def number(field: str) -> float | None:
    """Return the one number of a field; None where there is none ("", "-")."""
    found = NUMBER.findall(plain(field))
    if len(found) > 1:
        raise ValueError(f"Expected one number, got {field!r}.")
    return float(found[0]) if found else None


def one_a_line(lines: Mapping[int, str], table: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of a table with one system a line; one without a name goes on with that of the line above."""
    first = table["first_field"]
    above = ""
    for place in range(*table["lines"]):
        fields = lines[place].split("\t")
        above = plain(fields[0]) or above
        values = tuple(number(field) for field in fields[first : first + len(table["columns"])])
        yield Row(above, fields[1] if first > 1 else None, values, place, lines[place])


def two_a_line(lines: Mapping[int, str], table: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of a table whose lines hold two systems above each other, and two numbers a field."""
    for place in range(*table["lines"]):
        fields = lines[place].split("\t")
        names = table["systems"][place]
        alone = table.get("alone", {}).get(place, [])
        values: list[list[float | None]] = [[] for _ in names]
        for column, field in enumerate(fields[1 : 1 + len(table["columns"])]):
            found = [None if part == "-" else float(part) for part in re.findall(r"\d*\.\d+|-", plain(field))]
            if len(found) < len(names):
                owner = alone[column] if found[0] is not None else 0
                found = [found[0] if which == owner else None for which in range(len(names))]
            for own, value in zip(values, found, strict=True):
                own.append(value)
        for name, own in zip(names, values, strict=True):
            yield Row(name, None, tuple(own), place, lines[place])


def renamed(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows with "+ ST" under the full name of the system that it is added to."""
    base = ""
    for row in rows:
        base = base if row.system.startswith("+") else row.system
        yield row._replace(system=f"{base} {row.system}") if row.system.startswith("+") else row


def entry(row: Row, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the file has it."""
    said: dict[str, Any] = {"system": row.system}
    if row.probe:
        said["probe"] = row.probe
    if row.system in table.get("ours", {}):
        said["ours"] = table["ours"][row.system]
    withheld = table.get("withheld", {})
    reason = next((why for start, why in withheld.items() if row.system.startswith(start)), None)
    if reason:
        said["withheld"] = reason
    return said | {"values": list(row.values), "line": row.line, "quoted": row.quoted}


def main(folder: Path) -> None:
    """Write one file a document."""
    yaml = YAML(typ="safe", pure=True)
    yaml.width, yaml.allow_unicode = 10_000, True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed by its first value, None
    yaml.default_flow_style = None
    for name, document in YAML(typ="safe", pure=True).load((HERE / "columns.yml").read_text("utf-8")).items():
        text = next(folder.glob(f"{document['seed']}_*.txt")).read_text("utf-8")
        lines = dict(enumerate(text.split("\n"), start=1))
        for table in document["tables"]:
            rows = (two_a_line if "systems" in table else one_a_line)(lines, table)
            table["rows"] = [entry(row, table) for row in renamed(rows)]
            for key in ("lines", "first_field", "systems", "alone", "ours", "withheld"):
                table.pop(key, None)
        with (TARGET / f"{name}.yml").open("w", encoding="utf-8") as file:
            file.write("# Made by tests/golden/published/make.py from the text of the document. Do not edit.\n")
            yaml.dump(document, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
