"""Grids as Markdown, LaTeX, HTML and CSV: their structure, and that text of others appears as text."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.analysis import escapes, writers
from earmark.analysis.grid import NARROW_BECAUSE, NOT_SCORED, UNDEFINED, Cell, Grid, Show
from earmark.analysis.layouts import LAYOUTS
from earmark.analysis.pivot import pivot
from tests.analysis.test_tables import CONSTANT, row

HOSTILE = (
    "<script>alert('x')</script>",
    '"quoted" & \\commands{} $x_1^2$ ~ % # |pipe| `tick` **star** [link](http://x.example)',
    "\\\\[1em] \\input{/etc/passwd} \\end{tabular}",
    "[red]not red[/red]",
    "שלום עולם",
    "gnp\u202eexe.\u2066x",
    "🎻🎺 café Dvořák",
    "a\nb\r\nc\td\x1b[31me\x00",
    "=HYPERLINK(1)",
    "x" * 300,
    "*",
    "[",
    "-",
)
GRID = Grid(
    title="family on studio: accuracy (micro), 576 test clips",
    row_by=("representation", "probe"),
    column_by=("average", "deformation"),
    row_heads=(("constant", "constant"), ("logmel", "M1")),
    column_heads=(("micro", "clean"), ("micro", "snr0"), ("macro", "clean")),
    cells=(
        (Cell(0.1, 0.0, 0.2), Cell(0.1, 0.0, 0.2), Cell(None, None, None, missing=NOT_SCORED)),
        (
            Cell(0.5, 0.4, 0.6, best=True, n_seeds=3, seed_deviation=0.0123),
            Cell(-0.15, -0.2, 0.1, untold=True, narrow=True, tied=True, n_seeds=3),
            Cell(None, None, None, missing=UNDEFINED),
        ),
    ),
    interval="95% interval: bootstrap",
    notes=("3 clips could not be scored.",),
)


def test_markdown_has_a_title_a_table_and_how_to_read_it() -> None:
    assert writers.markdown([GRID]) == (
        "**family on studio: accuracy (micro), 576 test clips**\n"
        "\n"
        "| representation | probe | micro, clean | micro, snr0 | macro, clean |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| constant | constant | 0.100 [0.000, 0.200] | 0.100 [0.000, 0.200] | – |\n"
        "| logmel | M1 | **0.500 [0.400, 0.600]** | -0.150 [-0.200, 0.100]°†≈ | undefined |\n"
        "\n"
        "Mean over seeds [95% interval: bootstrap]. ° cannot be told from the constant predictor. † interval too "
        f"narrow to be believed: {NARROW_BECAUSE}. "
        "≈ not told apart from the best by a paired permutation test on the same clips. – not scored: "
        "constant constant under macro clean. undefined, no number for these clips: logmel M1 under macro clean. "
        "3 clips could not be scored."
    )


def test_latex_has_the_rules_of_booktabs_and_a_head_over_equal_columns() -> None:
    text = writers.latex([GRID], "value")
    assert text.splitlines()[:14] == [
        "% \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        "\\caption{family on studio: accuracy (micro), 576 test clips}",
        "\\begin{tabular}{llrrr}",
        "\\toprule",
        " &  & \\multicolumn{2}{c}{micro} & \\multicolumn{1}{c}{macro} \\\\",
        "\\cmidrule(lr){3-4} \\cmidrule(lr){5-5}",
        "representation & probe & clean & snr0 & clean \\\\",
        "\\midrule",
        "constant & constant & 0.100 & 0.100 & \\textendash{} \\\\",
        "logmel & M1 & \\textbf{0.500} & -0.150$^{\\circ}$$^{\\dagger}$$^{\\approx}$ & undefined \\\\",
        "\\bottomrule",
        "\\end{tabular}",
    ]
    assert text.splitlines()[-1] == "\\end{table}"


def test_html_marks_heads_by_scope_and_the_best_as_strong() -> None:
    text = writers.html([GRID], "value")
    assert text.isascii()
    assert '<th scope="colgroup" colspan="2" dir="auto">micro</th>' in text
    assert '<th scope="row" dir="auto">logmel</th>' in text
    assert "<td><strong>0.500</strong></td><td>-0.150&#176;&#8224;&#8776;</td><td>undefined</td>" in text


@pytest.mark.parametrize(
    ("show", "heads", "cells"),
    [
        ("value", [""], [["0.5"], ["-0.15"], [""]]),
        ("interval", ["", " low", " high"], [["0.5", "0.4", "0.6"], ["-0.15", "-0.2", "0.1"], ["", "", ""]]),
        ("seeds", ["", " deviation", " seeds"], [["0.5", "0.0123", "3"], ["-0.15", "", "3"], ["", "", "1"]]),
    ],
)
def test_csv_has_numbers_in_full_and_nothing_where_there_is_none(
    show: Show, heads: list[str], cells: list[list[str]]
) -> None:
    head, _, line = csv.reader(io.StringIO(writers.csv([GRID], show)))
    assert head == [
        *GRID.row_by,
        *(f"{name}{part}" for name in ("micro clean", "micro snr0", "macro clean") for part in heads),
    ]
    assert line == ["logmel", "M1", *(text for cell in cells for text in cell)]


def test_several_grids_in_csv_have_their_titles_and_an_empty_line_between() -> None:
    lines = list(csv.reader(io.StringIO(writers.csv([GRID, GRID], "value"))))
    assert (lines[0], lines[4], lines[5]) == ([GRID.title], [], [GRID.title])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "＝1"])
def test_text_that_could_be_a_formula_has_an_apostrophe_and_numbers_have_none(text: str) -> None:
    assert escapes.csv(text) == f"'{text}"
    assert "-0.15" in writers.csv([GRID], "value").split(","), "a number stays one"


def test_names_stay_readable_in_markdown() -> None:
    assert escapes.markdown("studio_family, mir_ref-fixed, 0.5–1 (mean+std)") == (
        "studio_family, mir_ref-fixed, 0.5–1 (mean+std)"
    )
    assert escapes.markdown("_emphasis_") == "\\_emphasis\\_"
    assert escapes.markdown("[a](b) [95% interval]") == "[a\\](b) [95% interval]"


@given(text=st.text())
def test_no_text_leaves_its_line_or_commands_a_terminal(text: str) -> None:
    said = escapes.plain(text)
    assert len(said.splitlines()) <= 1
    assert said.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    said.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % & more_of #1", r"50 \% \& more\_of \#1"),
        ("a\\b{c}^~", r"a\textbackslash{}b\{c\}\textasciicircum{}\textasciitilde{}"),
        ("[x]*", "{[}x{]}{*}"),
        ("Dvořák, Fauré, ß", r"Dvo\v{r}\'{a}k, Faur\'{e}, \ss{}"),
        ("naïve", r"na\"{\i}ve"),
        ("🎻", "{[}U+1F3BB{]}"),
        ("0.5 ± 0.1°", r"0.5 $\pm$ 0.1$^{\circ}$"),
    ],
)
def test_latex_says_what_the_text_says(text: str, expected: str) -> None:
    assert escapes.latex(text) == expected


def test_every_preset_in_latex_closes_what_it_opens_and_has_cells_for_each_column() -> None:
    rows = [row(representation=text, deformation=chain) for text in HOSTILE for chain in ("clean", "snr_0")]
    rows += [row(representation=text, average="macro") for text in HOSTILE]
    for layout in LAYOUTS.values():
        for grid in pivot([CONSTANT, *rows], layout):
            text = writers.latex([grid])
            assert (
                re.findall(r"\\begin\{(\w+)\}", text)
                == re.findall(r"\\end\{(\w+)\}", text)[::-1]
                == ["table", "tabular"]
            )
            body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()
            assert len(body) == len(grid.row_heads)
            cells = len(grid.row_by) + len(grid.column_heads)
            assert {len(re.findall(r"(?<!\\) & ", line)) + 1 for line in body} == {cells}


@pytest.mark.tex
def test_every_preset_is_typeset(tmp_path: Path) -> None:
    rows = [row(representation=text, deformation=chain) for text in HOSTILE for chain in ("clean", "snr_0")]
    grids = [grid for layout in LAYOUTS.values() for grid in pivot([CONSTANT, *rows], layout)]
    # The dollar of OT1: a small TeX has no text companion fonts.
    dollar = "\\DeclareTextSymbolDefault{\\textdollar}{OT1}\n\\DeclareTextSymbol{\\textdollar}{OT1}{36}\n"
    head = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n{dollar}\\begin{{document}}\n"
    (tmp_path / "all.tex").write_text(f"{head}{writers.latex(grids)}\n\\end{{document}}\n")
    has_pdftex = shutil.which("pdflatex") is not None
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error"] if has_pdftex else ["tectonic"]
    done = subprocess.run([*command, "all.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
