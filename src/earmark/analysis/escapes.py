"""Text that was written by others, made to appear as text: in a terminal, Markdown, LaTeX, HTML, CSV and JSON.

Labels and file names can hold anything: tags, commands, quotes, characters that turn the line round or move the cursor.
"""

import html as of_html
import json as of_json
import re
import unicodedata

# They turn the text that follows: U+202E shows "gnp.exe" as "exe.png".
TURNING = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
ENDS = "\n\r\t\v\f\x85\u2028\u2029"
MARKDOWN = re.compile(r"[\\`*<>|~&$]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])|://")
ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "\\|", "://": "&#58;//"}
BEYOND_PRINTABLE_ASCII = re.compile(r"[^\n -~]")
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=,)(?=,)|(?<=<)(?=<)|(?<=>)(?=>)|(?<=['’])(?=['’])|(?<=[`‘?!])(?=[`‘])")
LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # after a line's end they would be its argument
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "'": r"\char39{}",
    "`": r"\char96{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "…": r"\dots{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "≈": r"$^{\approx}$",
    "°": r"$^{\circ}$",
    "†": r"$^{\dagger}$",
    "‡": r"$^{\ddagger}$",
    "√": r"$\surd$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
ACCENTS = {
    **{"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": "."},
    **{"\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c"},
}


def plain(text: str) -> str:
    """Return text on one line; what would act on a terminal or turn the line is named: "[U+001B]"."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    return " " if character in ENDS else _named(character)


def _named(character: str) -> str:
    """Return a character, or the name of one that acts on a terminal, turns the line, or is none."""
    is_none = ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef"
    acts = character in TURNING or unicodedata.category(character) in ("Cc", "Cs")
    return f"[U+{ord(character):04X}]" if acts or is_none else character


def markdown(text: str) -> str:
    """Return text as a cell or line of Markdown shows it; no tag, link, emphasis or end of the cell is left in it."""
    return MARKDOWN.sub(lambda found: ENTITIES.get(found[0], f"\\{found[0]}"), plain(text))


def html(text: str) -> str:
    """Return text as HTML shows it, in ASCII, so that no page's encoding changes it."""
    return of_html.escape(plain(text)).encode("ascii", "xmlcharrefreplace").decode()


def csv(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe stands before what could be one.

    What acts on a terminal is named as `plain` does, but for tabs and the ends of lines: its quotes hold them.
    """
    said = "".join(one if one in "\t\n\r" else _named(one) for one in text)
    return f"'{said}" if FORMULA.match(said) else said


def json(value: object, indent: int | None = None) -> str:
    """Return a value as JSON, letters as they are, other signs as in `in_json`."""
    return in_json(of_json.dumps(value, ensure_ascii=False, indent=indent))


def in_json(text: str) -> str:
    """Return JSON in which what `plain` would name or fold is escaped: nothing acts on a terminal, nothing is lost."""
    return BEYOND_PRINTABLE_ASCII.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    if _visible(found[0]) == found[0]:
        return found[0]
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def latex(text: str) -> str:
    """Return text as any TeX engine sets it. What pdfTeX has no letter for is named: "[U+1F600]"."""
    parts = LIGATURE.split(plain(text))
    return r"\/".join("".join(map(_set, part)) for part in parts)  # {} would not keep signs apart in LuaTeX


def _set(character: str) -> str:
    if character in LATEX:
        return LATEX[character]
    if character.isascii():
        return character
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in ACCENTS and base.isascii():
        letter = f"\\{base}" if base in "ij" else base
        return f"\\{ACCENTS[marks[0]]}{{{letter}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"
