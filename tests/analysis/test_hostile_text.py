"""Text of others in every form of a table, read back by a parser that is not ours: it says what it said before."""

import csv
import html.parser
import io
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from earmark.analysis import escapes, writers
from earmark.analysis.grid import Cell, Grid
from earmark.experiment import results
from earmark.show.grids import folded, unbroken
from earmark.show.said import said
from tests.analysis.test_tables import row

PIECES = [
    *("<script>alert(1)</script>", "<!--", "-->", "</td>", "&lt;", "&#60;", '"', "'", "`", "``", "~~", "www.x.example"),
    *("|", "\\|", "\\", "\\\\", "**", "__", "_", "__init__", "*a*", "[a](b)", "![a](b)", "[a]: b", "http://x.example"),
    *("$", "$x_1^2$", "%", "#", "&", "{", "}", "^", "~", "\\end{tabular}", "\\input{x}", "--", "---", ",,", "?`", "''"),
    *("\n", "\r\n", "\t", "\v", "\f", "\x85", "\u2028", "\x00", "\x1b[31m", "\x9b31m", "\x07", "\x7f", "\ufffe"),
    *("[red]x[/red]", "[/]", "[link=x]", "\\[", "\u202e", "\u2066", "\u200f", "שלום", "e\u0301", "é", "İ", "Å", "ſ"),
    *(
        "=1+1",
        "+",
        "-",
        "@",
        "＝",
        "🎻",
        "👩🏽\u200d🎤",
        "漢字",
        " ",
        "  ",
        "\u00a0",
        "\u3000",
        "x" * 300,
        "1.",
        "- ",
        "# ",
        "> ",
    ),
    *("│", "┃", ",", ";", ":", "::", "[U+001B]", "null", "NaN"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(), min_size=1, max_size=8).map("".join)


def grid_of(text: str) -> Grid:
    """Return a grid with a text in its title, heads and note."""
    return Grid(
        f"Scores of {text}",
        ("representation", "probe"),
        ("deformation",),
        ((text, "M1"), ("logmel", text)),
        ((text,), ("clean",)),
        ((Cell(0.5, 0.4, 0.6, best=True), Cell(-0.1, None, None)), (Cell(None, None, None), Cell(0.2, None, None))),
        notes=(f"Of {text}",),
    )


def every_text(text: str) -> list[str]:
    """Return what a table of grid_of shows, from its title to its note."""
    return [
        f"Scores of {text}",
        *("representation", "probe", text, "clean"),
        *(text, "M1", "0.500", "-0.100", "logmel", text, "undefined", "0.200"),
        f"Of {text}",
    ]


def of_markdown(document: str) -> list[str]:
    """Return the texts of paragraphs and cells as CommonMark with tables reads them; nothing but bold is markup."""
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document):
        if token.type == "inline":
            parts = token.children or []
            assert {part.type for part in parts} <= {"text", "text_special", "strong_open", "strong_close"}
            found.append("".join(part.content for part in parts))
    return found


class Texts(html.parser.HTMLParser):
    """Collects the text of each element that has some; an element that we do not write is an error."""

    TAGS = frozenset(("table", "caption", "thead", "tbody", "tr", "th", "td", "p", "strong"))

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.TAGS
        assert {name for name, _ in attrs} <= {"class", "dir", "scope", "colspan"}
        if tag in ("caption", "th", "td", "p"):
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def of_html(document: str) -> list[str]:
    reader = Texts()
    reader.feed(document)
    reader.close()
    return [text.rstrip("\n") for text in reader.found]


COMMANDS = {
    **{"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"},
    **{
        "textbar": "|",
        "dots": "…",
        "ss": "ß",
        "ae": "æ",
        "AE": "Æ",
        "o": "ø",
        "O": "Ø",
        "oe": "œ",
        "OE": "Œ",
        "l": "ł",
    },
    **{"L": "Ł", "i": "ı", "textendash": "–", "textemdash": "—"},
    **{"textquoteleft": "‘", "textquoteright": "’", "textquotedblleft": "“", "textquotedblright": "”"},
}
MATHS = {"\\pm": "±", "\\times": "×", "-": "−", "^{\\approx}": "≈", "^{\\circ}": "°", "^{\\dagger}": "†", "\\surd": "√"}
MARKS = dict(
    zip("`'^~=u.\"rHvc", "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", strict=True)
)
TOKENS = re.compile(
    r"\\char(?P<code>\d+)\{\}|\\(?P<command>[A-Za-z]+)\{\}|\\(?P<sign>[&%$#_{}])|\$(?P<maths>[^$]*)\$"
    r"|\\(?P<mark>[`'^~=.\"]|[a-zA-Z](?=\{))\{(?P<base>\\?\w)\}|\{(?P<kept>[\[\]*])\}|(?P<nothing>\{\}|\\/)"
    r"|(?P<letter>[^\\{}$&%#_^~])"
)


def of_latex(source: str) -> str:
    """Return what TeX would set of text between its commands; a character that TeX acts on is an error."""
    said, place = "", 0
    while place < len(source):
        found = TOKENS.match(source, place)
        assert found, f"TeX would act on {source[place : place + 20]!r}"
        place = found.end()
        match found.lastgroup:
            case "code":
                said += chr(int(found["code"]))
            case "command":
                said += COMMANDS[found["command"]]
            case "maths":
                said += MATHS[found["maths"]]
            case "base":
                said += unicodedata.normalize("NFC", found["base"].removeprefix("\\") + MARKS[found["mark"]])
            case "nothing":
                pass
            case group:
                assert group is not None
                said += found[group]
    return said


def unnamed(text: str) -> str:
    """Return text with its named characters in place of their names, composed."""
    named = re.sub(r"\[U\+([0-9A-F]{4,6})\]", lambda found: chr(int(found[1], 16)), text)
    return unicodedata.normalize("NFC", named)


@given(text=TEXTS)
@example(text="__init__")
@example(text="a\\|b")
def test_markdown_says_it(text: str) -> None:
    expected = [escapes.plain(one).strip() for one in every_text(text)]
    assert [one.strip() for one in of_markdown(writers.markdown([grid_of(text)], "value"))] == expected


@given(text=TEXTS)
def test_html_says_it(text: str) -> None:
    found = of_html(writers.html([grid_of(text)], "value"))
    assert found == [escapes.plain(one) for one in every_text(text)]


@given(text=TEXTS)
@example(text="a--b---c,,d")
@example(text="Holm’s ’’ and ‘these’, “those”")
def test_latex_says_it(text: str) -> None:
    source = writers.latex([grid_of(text)], "value")
    caption = re.search(r"\\caption\{(.*)\}\n", source)
    below = re.search(r"\\par\\footnotesize (.*)\n", source)
    assert caption
    assert below
    lines = re.findall(r"(.*) \\\\\n", source)
    cells = [cell for line in lines for cell in line.split(" & ")]
    cells = [re.sub(r"^\\textbf\{(.*)\}$", r"\1", cell) for cell in cells]
    expected = [unnamed(escapes.plain(one)) for one in every_text(text)]
    assert [unnamed(of_latex(one)) for one in (caption[1], *cells, below[1])] == expected


@given(text=TEXTS)
def test_csv_says_it_and_computes_nothing(text: str) -> None:
    lines = [*csv.reader(io.StringIO(writers.csv([grid_of(text)], "value"), newline=""))]
    said = [*lines[0][:3], *(name for line in lines[1:] for name in line[:2])]
    expected = ["representation", "probe", text, text, "M1", "logmel", text]
    for one, wanted in zip(said, expected, strict=True):
        assert unnamed(one.removeprefix("'") if not wanted.startswith("'") else one) == unnamed(wanted)
        assert not re.match(r"\s*[=+\-@]", one)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", one)
    assert [line[2:] for line in lines[1:]] == [["0.5", "-0.1"], ["", "0.2"]]


@given(text=TEXTS)
def test_a_terminal_says_it_and_obeys_nothing(text: str) -> None:
    """Rich is the other one here: with room for all it prints the lines that we print where there is no terminal."""
    grid = replace(grid_of(text), title="T", notes=())
    out = io.StringIO()
    Console(file=out, width=10_000, force_terminal=False, color_system=None).print(folded(grid, "value"))
    title, *lines = unbroken(grid, "value")
    assert [one.rstrip() for one in lines if one] == [one.rstrip() for one in out.getvalue().splitlines()[1:] if one]
    assert title == "T"
    for one in (*lines, *unbroken(grid_of(text))):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", one)


@given(text=TEXTS)
def test_json_lines_say_it_exactly(text: str) -> None:
    content = results.lines([vars(row(label=text, run=text))])
    assert content.count(b"\n") == 1
    assert [json.loads(content)[name] for name in ("label", "run")] == [text, text]


@pytest.mark.parametrize("write", writers.WRITERS.values())
def test_a_table_of_no_text_at_all_is_still_one(write: Callable[..., str]) -> None:
    assert "0.5" in write([grid_of("")], "value")


@pytest.mark.parametrize(
    ("source", "said"),
    [(r"\textless{}b\%{[}", "<b%["), (r"\v{r}\"{\i}$\pm$", "řï±"), (r"-{}-\char39{}", "--'")],
)
def test_the_reader_of_latex_reads(source: str, said: str) -> None:
    assert of_latex(source) == said
    with pytest.raises(AssertionError, match="TeX would act"):
        of_latex(f"{source}\\input{{x}}")


@given(text=TEXTS)
def test_what_is_printed_besides_tables_obeys_nothing_either(text: str) -> None:
    printed = said(f"a {text}\nb")
    assert printed.startswith("a ")
    assert printed.endswith("\nb")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", printed)


@given(text=TEXTS | st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl"]), min_size=1))
@example(text="a\udcff.wav \x9b31m \x7f \u202e \U0001ffff 🎻 é")
def test_json_that_is_printed_obeys_nothing_and_loses_nothing(text: str) -> None:
    value = {text: [text, 0.5, None]}
    for indent in (None, 1):
        printed = escapes.json(value, indent)
        assert json.loads(printed) == json.loads(json.dumps(value))
        assert all(said(line) == line for line in printed.split("\n"))
        printed.encode()
    assert escapes.json("🎻 é") == '"🎻 é"'
