"""A page taken apart by a parser that is not ours."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from earmark.experiment.results import Run
from earmark.reports import page

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Parsed(HTMLParser):
    """What a page holds, by a parser that is not ours."""

    texts: list[str] = field(default_factory=list)
    scripts: list[tuple[dict[str, str | None], str]] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    stack: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page reads."""
        (found,) = (text for attributes, text in self.scripts if attributes.get("type") == "application/json")
        return dict(json.loads(found))


def parsed(file: Path) -> Parsed:
    found = Parsed()
    found.feed(file.read_text("utf-8"))
    found.close()
    assert not found.stack, f"never closed: {found.stack}"
    return found


def written(run: Run, folder: Path, **how: Any) -> Parsed:
    return parsed(page.report(run, output=folder / "page.html", **how).file)
