"""The code blocks of a Markdown page, and how each is run."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*(\w*).*$")
SLOW = re.compile(r"^\s*<!--\s*slow\s*-->\s*$")
NOT_RUN = re.compile(r"^\s*<!--\s*not run(?::\s*(.*?))?\s*-->\s*$")
LONGEST_BLOCK_S = 600


@dataclass(frozen=True)
class Block:
    """A fenced block, the line of its first line of code, and what the comment above it says: slow, or why not run."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None
    slow: bool

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        if opening := FENCE.match(lines[at]):
            indent, fence, language = opening.groups()
            ends = (end for end in range(at + 1, len(lines)) if lines[end].strip() == fence)
            end = next(ends, len(lines))
            text = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end]) + "\n"
            above = lines[at - 1] if at else ""
            refusal = NOT_RUN.match(above)
            reason = (refusal[1] or "") if refusal else None
            found.append(Block(page, at + 2, language, text, reason, slow=bool(SLOW.match(above))))
            at = end
        at += 1
    return found


def run_page(todo: list[Block], folder: Path) -> None:
    """Run the Python and shell blocks of one page in order, in one folder. Raises what a block raises.

    Python blocks share their names, shell blocks their files; a shell block stops at its first failing line.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    for block in todo:
        if block.language == "python":
            # Empty lines before it give a traceback the line numbers of the page.
            exec(compile("\n" * (block.line - 1) + block.text, str(block.page), "exec"), names)
        elif block.language == "sh":
            _run_shell(block, folder)


def _run_shell(block: Block, folder: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", block.text],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_BLOCK_S,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{block.place}: ended with {done.returncode}\n{block.text}\n{done.stdout}{done.stderr}")
