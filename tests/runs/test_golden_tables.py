"""Every preset by every writer, of one fixed set of rows: tests/golden/tables/make.py wrote what they must say."""

import shutil
import subprocess
from pathlib import Path

import pytest

from earmark.analysis.grid import NARROW, NOT_SCORED, TIED, UNDEFINED, UNTOLD, UNVERIFIED
from tests.golden.tables import make

FOUND = make.written()
TEX = sorted(name for name in FOUND if name.endswith(".tex"))


@pytest.mark.parametrize("name", FOUND)
def test_a_table_is_what_it_was(name: str) -> None:
    assert FOUND[name] == (make.HERE / name).read_text("utf-8"), "python -m tests.golden.tables.make, and look at it"


def test_no_golden_table_is_of_a_preset_or_writer_that_is_gone() -> None:
    assert {file.name for file in make.HERE.iterdir() if file.suffix.removeprefix(".") in make.ENDINGS.values()} == {
        *FOUND
    }


def test_the_rows_have_all_that_a_table_says_something_of() -> None:
    cells = [cell for some in make.grids().values() for grid in some for line in grid.cells for cell in line]
    assert {cell.missing for cell in cells} == {"", NOT_SCORED, UNDEFINED}
    assert {sign for cell in cells for sign in cell.marks} == {UNTOLD, NARROW, TIED, UNVERIFIED}
    assert any(cell.best for cell in cells)


@pytest.mark.tex
@pytest.mark.parametrize("name", TEX)
def test_a_preset_is_typeset(tmp_path: Path, name: str) -> None:
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "one.tex").write_text(f"{head}{FOUND[name]}\n\\end{{document}}\n")
    has_pdftex = shutil.which("pdflatex") is not None
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error"] if has_pdftex else ["tectonic"]
    done = subprocess.run([*command, "one.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "one.pdf").stat().st_size > 1000
