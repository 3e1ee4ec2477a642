"""`python -m bench` measures every question and writes bench/RESULTS.md; `python -m bench audio` prints one.

`python -m bench --write audio` measures one anew and puts it into bench/RESULTS.md, where the rest is of this machine.
"""

import importlib
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from bench.ratio import Cost, NotHere, Ratio

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "RESULTS.md"
# coverage times nothing: it prints a table of its own. keras_side is the other side of keras_loop.
FURNITURE = {"__main__", "__init__", "ratio", "coverage", "keras_side", "serve", "serve_fuzz", "torture", "tortured"}
LIBRARIES = ("numpy", "torch", "soundfile", "soxr", "librosa", "scikit-learn")


def main(arguments: Sequence[str]) -> None:
    """Measure the questions and print or write what came out."""
    chosen = [name for name in arguments if name != "--write"]
    known = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in FURNITURE)
    if arguments and chosen == list(arguments):
        for name in chosen:
            print("\n".join(_section(name)), flush=True)
        return
    kept = _kept() if chosen else {}
    sections = kept | {name: "\n".join(_section(name)) for name in chosen or known}
    RESULTS.write_text("\n".join([*_head(), *(sections[name] for name in sorted(sections))]) + "\n")
    print(RESULTS)


def _kept() -> dict[str, str]:
    """Return the sections of the file by their names; stop where they are of another machine or other versions."""
    head, *sections = RESULTS.read_text().rstrip("\n").split("\n## ")
    if head.split("Machine:")[1].split() != "\n".join(_head()).split("Machine:")[1].split():
        raise SystemExit("bench/RESULTS.md is of another machine or other versions. Measure all: python -m bench")
    return {one.partition("\n")[0]: f"## {one.rstrip()}\n" for one in sections}


def _head() -> list[str]:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return [
        "# Bench results",
        "",
        "Written by `python -m bench`; do not edit. A ratio times two ways of doing one thing in turn, by CPU seconds",
        "of one thread; in one process, if not said otherwise. Above 1: ours is faster. Seconds are this machine's.",
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
    try:
        rows = list(module.measure())
    except NotHere as reason:
        yield f"Not measured here: {reason}"
    else:
        costs, ratios = [one for one in rows if isinstance(one, Cost)], [one for one in rows if isinstance(one, Ratio)]
        yield from _costs(costs) if costs else ()
        yield from ("",) if costs and ratios else ()
        yield from _ratios(ratios) if ratios else ()
    yield ""


def _ratios(rows: Iterable[Ratio]) -> Iterable[str]:
    yield "| question | ours | theirs | ratio: median | min – max | goal | ours, s | theirs, s | rounds |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        goal = f"≥ {row.goal:g}×" if row.goal else ""
        yield (
            f"| {row.question} | {row.ours} | {row.theirs} | **{row.median:.2f}×** | {row.low:.2f} – {row.high:.2f} "
            f"| {goal} | {row.ours_s:.4g} | {row.theirs_s:.4g} | {row.rounds} |"
        )


def _costs(rows: Iterable[Cost]) -> Iterable[str]:
    yield "| what | CPU, s | what came of it |"
    yield "| --- | --- | --- |"
    for row in rows:
        yield f"| {row.question} | {row.cpu_s:.3g} | {row.outcome} |"


if __name__ == "__main__":
    main(sys.argv[1:])
