"""The public face: its names, its speed, its version."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import earmark

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "numpy", "scipy", "sklearn", "polars", "audiomentations", "pydantic")


def imported_by(statement: str) -> set[str]:
    """Return the packages that a fresh Python has imported once the statement ran."""
    program = f"import sys\ntry:\n    {statement}\nfinally:\n    print('\\n' + ' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("name", earmark.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(earmark, name)
    assert callable(found)
    assert found.__doc__


def test_the_public_names_are_those_that_resolve() -> None:
    assert sorted(set(earmark.__all__)) == sorted(earmark.__all__)
    assert set(earmark.__all__) == set(earmark._FACE) == set(dir(earmark)) - {"__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sing'"):
        _ = earmark.sing


def test_a_statement_is_seen_to_import() -> None:
    assert {"numpy", "json"} <= imported_by("import json, numpy")


def test_import_earmark_imports_nothing_heavy() -> None:
    assert imported_by("import earmark").isdisjoint(HEAVY)


def test_help_imports_no_torch() -> None:
    program = "import sys; sys.argv = ['earmark', '--help']; from earmark.cli import main; main()"
    imported = imported_by(program)
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)


def test_help_ends_with_0_and_names_the_main_verb() -> None:
    done = subprocess.run([sys.executable, "-m", "earmark", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"\brun\b", done.stdout)


def test_the_newest_release_in_the_changelog_is_this_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert headings
    assert not released or released[0] == earmark.__version__


def test_the_citation_names_this_version() -> None:
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert citation["version"] == earmark.__version__
    assert citation["license"] == "Apache-2.0"
