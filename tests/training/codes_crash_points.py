"""Dies at every crash point of coding a corpus, one after another, goes on, and compares.

Run by test_codes_crashes. Every attempt is a fork of one process that has imported everything and started no thread.
Prints a line for each crash point that did not come out the same, then how many there were.
"""

import itertools
import os
import shutil
import sys
from pathlib import Path

import torch

from earmark import durable
from earmark.training import coding
from earmark.training.corpus import Corpus
from tests.training.made_codes import files, is_whole, noisy_corpus, small_front


def attempt(corpus: Corpus, out: Path, die_at: int, overwrite: bool = False, n_codes: int = 6) -> int:
    """Code in a fork that dies at one step (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        durable._die_at, durable._steps = die_at, itertools.count(1)
        coding.code(corpus, small_front(n_codes=n_codes), out, overwrite=overwrite)
        (out.parent / "steps").write_text(str(next(durable._steps) - 1))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def try_each(corpus: Corpus, work: Path, over: Path | None) -> int:
    """Try every crash point of coding a corpus, or of coding it over other codes; return how many went wrong."""
    whole = work / "whole"
    if over is not None:
        shutil.copytree(over, whole)
    assert attempt(corpus, whole, 0, over is not None) == 0
    expected, before = files(whole), {} if over is None else files(over)
    steps, wrong = int((work / "steps").read_text()), 0
    for k in range(1, steps + 1):
        out = work / f"at-{k}"
        if over is not None:
            shutil.copytree(over, out)
        died = attempt(corpus, out, k, over is not None)
        # The first step takes away what made the other codes whole, and dying there leaves them as they were.
        early = is_whole(out) and files(out) not in (expected, before)
        resumed = attempt(corpus, out, 0, over is not None)
        if (died, early, resumed) != (137, False, 0) or files(out) != expected:
            print(f"crash point {k}: died with {died}, whole too early: {early}, resumed with {resumed}")
            wrong += 1
        shutil.rmtree(out)
    print(f"{steps} crash points, {wrong} wrong")
    return wrong


def main(work: Path) -> int:
    """Try all points of new codes, and of codes made over others; return how many went wrong."""
    coding.FLUSH_TRACKS = 2
    corpus = noisy_corpus(work / "corpus")
    other = work / "other" / "codes"
    other.parent.mkdir()
    assert attempt(corpus, other, 0, n_codes=5) == 0
    for name in ("new", "over"):
        (work / name).mkdir()
    return try_each(corpus, work / "new", None) + try_each(corpus, work / "over", other)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(1 if main(Path(sys.argv[1])) else 0)
