"""Dies at every step of adding, pruning or compacting, does it again, and compares: run by test_catalogue_crashes.

Every attempt is a fork of one process that has imported everything and run nothing: a fork would hang on the threads
that polars starts at its first table. Prints one line a step that did not come out the same, then how many there were.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from earmark import catalogue, durable
from tests.catalogue.sounding_files import NETWORK, held


def adding(music: Path, cat: Path) -> None:
    catalogue.add(cat, [music], NETWORK, segment_s=0.2)


def changing(music: Path, cat: Path) -> None:
    catalogue.add(cat, [music / "now"], prune=True)


def compacting(music: Path, cat: Path) -> None:
    catalogue.compact(cat)


ACTS = {act.__name__: act for act in (adding, changing, compacting)}


def forked(act: Callable[[], object], die_at: int = 0) -> int:
    """Act in a fork that dies at one step (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        durable._die_at, durable._steps = die_at, itertools.count(1)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def told(cat: Path, answer: Path) -> str:
    """Return all that a catalogue holds, and whether it is sound, as text."""

    def write() -> None:
        problems = [one for one in catalogue.verify(cat) if "harmless" not in one]
        answer.write_text(repr((held(cat), problems, (cat / "failures.jsonl").read_text())))

    assert forked(write) == 0
    return answer.read_text()


def main(name: str, music: Path, start: Path, work: Path) -> int:
    """Try every step from the catalogue in `start` on; return how many went wrong."""
    torch.set_num_threads(1)
    act, answer = ACTS[name], work / "answer"

    def fresh(place: str) -> Path:
        if start.is_dir():
            shutil.copytree(start, work / place)
        return work / place

    whole = fresh("whole")
    assert forked(lambda: act(music, whole)) == 0
    expected, wrong = told(whole, answer), 0
    for k in itertools.count(1):
        cat = fresh(f"at-{k}")
        died = forked(lambda cat=cat: act(music, cat), k)  # type: ignore[misc]  # a lambda's default has no type
        if died == 0:
            break
        again = forked(lambda cat=cat: act(music, cat))  # type: ignore[misc]
        if (died, again) != (137, 0) or told(cat, answer) != expected:
            print(f"step {k} of {name}: died with {died}, went on with {again}")
            wrong += 1
        shutil.rmtree(cat)
    print(f"{k - 1} steps, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], *map(Path, sys.argv[2:])) else 0)
