"""Dies at every crash point of building a corpus, one after another, goes on, and compares.

Run by test_corpus_crashes. Every attempt is a fork of one process that has imported everything and started no thread.
Prints a line for each crash point that did not come out the same, then how many there were.
"""

import itertools
import os
import shutil
import sys
from pathlib import Path

from earmark import durable
from earmark.datasets._corpora import SAMPLES
from earmark.errors import DataError
from earmark.training import _journal, corpus
from tests.training.made_corpora import RATE, files


def attempt(sounds: Path, out: Path, die_at: int, overwrite: bool = False) -> int:
    """Build in a fork that dies at one step (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        durable._die_at, durable._steps = die_at, itertools.count(1)
        corpus.build([sounds], out, RATE, jobs=2, overwrite=overwrite)
        (out.parent / "steps").write_text(str(next(durable._steps) - 1))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_whole(out: Path) -> bool:
    """Say whether the folder opens as a corpus."""
    try:
        corpus.open(out)
    except DataError:
        return False
    return True


def try_each(sounds: Path, work: Path, overwrite: bool) -> int:
    """Try every crash point of building a corpus, or of building it over itself; return how many went wrong."""
    whole = work / "whole"
    assert attempt(sounds, whole, 0) == 0
    expected = files(whole)
    if overwrite:  # takes more steps
        assert attempt(sounds, whole, 0, overwrite) == 0
    steps, wrong = int((work / "steps").read_text()), 0
    for k in range(1, steps + 1):
        out = work / f"at-{k}"
        if overwrite:
            shutil.copytree(whole, out)
        died = attempt(sounds, out, k, overwrite)
        early = is_whole(out) and (out / SAMPLES).read_bytes() != expected[SAMPLES]
        resumed = attempt(sounds, out, 0)
        if (died, early, resumed) != (137, False, 0) or files(out) != expected:
            print(f"crash point {k}: died with {died}, whole too early: {early}, resumed with {resumed}")
            wrong += 1
        shutil.rmtree(out)
    print(f"{steps} crash points, {wrong} wrong")
    return wrong


def main(sounds: Path, work: Path) -> int:
    """Try all points of a new corpus, and of one made over itself; return how many went wrong."""
    _journal.FLUSH_ITEMS = 2
    return sum(try_each(sounds, work / name, overwrite) for name, overwrite in (("new", False), ("over", True)))


if __name__ == "__main__":
    sys.exit(1 if main(*map(Path, sys.argv[1:3])) else 0)
