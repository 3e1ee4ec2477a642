"""Pieces of the page that Streamlit has not: tables, notes and clips as HTML, in which all data is escaped."""

from collections.abc import Sequence

from earmark.analysis import escapes, writers
from earmark.analysis.grid import Grid, Show

STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding: 4rem 2rem 3rem}
[data-testid="stSidebarHeader"] {height: 3rem; margin: 0}
@media (max-width: 640px) {[data-testid="stMainBlockContainer"] {padding: 4rem 1rem 2rem}}
[data-testid="stMultiSelectTagsContainer"] [data-tag] {background-color: rgba(128, 128, 128, .22)}
[data-testid="stMultiSelectTagsContainer"] [data-tag], [data-testid="stMultiSelectTagsContainer"] [data-tag] * {
  color: inherit}
.earmark-brand {font-size: 1.35rem; font-weight: 700; letter-spacing: -.01em; margin: 0; padding: 0 .6rem 0 0}
.earmark-heading {font-size: 1.15rem; font-weight: 600; margin: .4rem 0 0; padding: 0; overflow-wrap: anywhere}
.earmark-scroll {overflow-x: auto; max-width: 100%; margin: 0 0 1.6rem}
.earmark-scroll:focus-visible {outline: 2px solid currentColor; outline-offset: 2px}
.earmark-scroll table {border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; margin: 0;
  border-top: 2px solid; border-bottom: 2px solid}
.earmark-scroll caption {caption-side: top; text-align: start; font-weight: 600; overflow-wrap: anywhere;
  padding: 0 calc(100% - min(100%, 46rem, 90vw)) .4rem 0}
.st-key-earmark-scrolled {overflow-x: auto}
.earmark-scroll th, .earmark-scroll td {padding: .28rem .9rem .28rem 0; border: 0; text-align: start;
  vertical-align: top; white-space: nowrap; max-width: 24rem; overflow: hidden; text-overflow: ellipsis}
.earmark-scroll th:last-child, .earmark-scroll td:last-child {padding-right: .2rem}
.earmark-scroll thead th {border-bottom: 1px solid}
.earmark-scroll tbody th {font-weight: 400}
.earmark-scroll.numbers td {text-align: end}
.earmark-scroll.numbers thead th[colspan] {text-align: end}
.earmark-scroll.numbers thead th[scope="colgroup"] {text-align: center}
.earmark-scroll.words td {white-space: normal; overflow-wrap: anywhere; min-width: 5rem}
.earmark-scroll.words table {width: 100%}
.earmark-scroll tbody tr:hover {background: rgba(128, 128, 128, .12)}
.earmark-scroll p {font-size: .82rem; margin: .4rem 0 0; position: sticky; left: 0; max-width: min(46rem, 90vw)}
.earmark-note {border-inline-start: 4px solid #0072b2; padding: .5rem .8rem; margin: 0 0 .4rem; overflow-wrap: anywhere;
  background: rgba(0, 114, 178, .1); font-size: .92rem}
.earmark-note.trouble {border-color: #d55e00; background: rgba(213, 94, 0, .1)}
.earmark-note p, .earmark-clip p {margin: 0}
[data-testid="stImageContainer"] img {height: 7rem; object-fit: fill}
.earmark-clip {overflow-wrap: anywhere; line-height: 1.45}
.earmark-clip .id {font-size: .82rem}
.earmark-clip .said {font-weight: 600}
</style>"""


def grid(found: Grid, show: Show, number: int) -> str:
    """Return the grid of a number on its page as a table that scrolls by itself, by keyboard too."""
    return _scrolling(f"Table {number}: {found.title}", writers.html((found,), show), "numbers")


def table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]], note: str = "") -> str:
    """Return lines of text as a table."""
    top = "".join(f'<th scope="col">{escapes.html(head)}</th>' for head in heads)
    body = "".join("<tr>" + "".join(map(_cell, line)) + "</tr>" for line in lines)
    below = f"<p>{escapes.html(note)}</p>" if note else ""
    return _scrolling(
        title,
        f'<table><caption dir="auto">{escapes.html(title)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table>{below}",
        "words",
    )


def _cell(text: str) -> str:
    return f'<td dir="auto">{escapes.html(text)}</td>'


def _scrolling(title: str, inside: str, kind: str) -> str:
    name = escapes.html(title)
    return f'<div class="earmark-scroll {kind}" role="region" tabindex="0" aria-label="{name}">{inside}</div>'


SCROLLED = "earmark-scrolled"
"""The key of a Streamlit container that scrolls by itself."""
BRAND = '<h1 class="earmark-brand">earmark</h1>'


def at_least(width_px: int) -> str:
    """Return the style that keeps the picture in the scrolled container from being narrower."""
    return f"<style>.st-key-{SCROLLED} > * {{min-width: {width_px}px}}</style>"


def heading(text: str) -> str:
    """Return the heading of a part of a view; one of Streamlit's would read Markdown in it."""
    return f'<h2 class="earmark-heading" dir="auto">{escapes.html(text)}</h2>'


def note(texts: Sequence[str]) -> str:
    """Return what should be known."""
    said = "".join(f'<p dir="auto">{escapes.html(text)}</p>' for text in texts)
    return f'<div class="earmark-note" role="note">{said}</div>'


def trouble(text: str) -> str:
    """Return what cannot be shown, and why."""
    return f'<div class="earmark-note trouble" role="alert"><p dir="auto">{escapes.html(text)}</p></div>'


def clip(name: str, said: str, details: str) -> str:
    """Return what is to be said of a clip: its id, what was said of it, and how surely."""
    return (
        f'<div class="earmark-clip"><p class="said" dir="auto">{escapes.html(said)}</p>'
        f'<p dir="auto">{escapes.html(details)}</p><p class="id" dir="auto">{escapes.html(name)}</p></div>'
    )
