"""`python -m bench` measures every question and writes bench/RESULTS.md; `python -m bench audio` prints one."""

import importlib
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent
FURNITURE = {"__main__", "__init__", "ratio", "coverage"}  # coverage times nothing: it prints a table of its own
LIBRARIES = ("numpy", "torch", "soundfile", "soxr", "librosa", "scikit-learn")


def main(chosen: Sequence[str]) -> None:
    """Measure the questions and print or write what came out."""
    known = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in FURNITURE)
    lines = [line for name in chosen or known for line in _section(name)]
    if chosen:
        print("\n".join(lines))
        return
    (FOLDER / "RESULTS.md").write_text("\n".join([*_head(), *lines]) + "\n")
    print(FOLDER / "RESULTS.md")


def _head() -> list[str]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return [
        "# Bench results",
        "",
        "Written by `python -m bench`; do not edit. Each row times two ways of doing one thing in turn, in one",
        "process, one thread, by CPU seconds. Above 1 means ours is faster. Absolute seconds are this machine's.",
        "",
        f"Machine: {_processor()}, {os.cpu_count()} CPUs. Python {platform.python_version()}, {versions}.",
        "",
    ]


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _section(name: str) -> Iterable[str]:
    module = importlib.import_module(f"bench.{name}")
    yield f"## {name}"
    yield ""
    yield "| question | ours | theirs | ratio: median | min – max | goal | ours, s | theirs, s | rounds |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in module.measure():
        goal = f"≥ {row.goal:g}×" if row.goal else ""
        yield (
            f"| {row.question} | {row.ours} | {row.theirs} | **{row.median:.2f}×** | {row.low:.2f} – {row.high:.2f} "
            f"| {goal} | {row.ours_s:.4g} | {row.theirs_s:.4g} | {row.rounds} |"
        )
    yield ""


if __name__ == "__main__":
    main(sys.argv[1:])
