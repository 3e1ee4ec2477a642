"""Dies at every crash point of a training, one after another, resumes, and compares: run by test_training_crashes.

Every attempt is a fork of one process that has imported everything and trained nothing. Prints one line a crash point
that did not come out the same, then how many there were.
"""

import hashlib
import itertools
import os
import shutil
import sys
from pathlib import Path

import torch

from earmark import durable
from earmark.training.job import Hardware
from earmark.training.trainer import fit
from tests.training.small_objective import made


def attempt(folder: Path, die_at: int) -> int:
    """Train in a fork that dies at one step of the disk (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        durable._die_at, durable._steps = die_at, itertools.count(1)
        training = made(folder / "run", noise=0.5, n_steps=4, segments_at_once=5, save_every_steps=2)
        fit(training, Hardware(), resume=True)
        (folder / "steps").write_text(str(next(durable._steps) - 1))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def answer(folder: Path) -> dict[str, str]:
    """What a training came to: weights and curve by their bytes."""
    files = [*(folder / "run").glob("checkpoints/*/model.safetensors"), folder / "run" / "curve.jsonl"]
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def main(work: Path) -> int:
    """Try every crash point; return how many went wrong."""
    torch.set_num_threads(1)
    (work / "whole").mkdir()
    assert attempt(work / "whole", 0) == 0
    expected, steps = answer(work / "whole"), int((work / "whole" / "steps").read_text())
    wrong = 0
    for k in range(1, steps + 1):
        folder = work / f"at-{k}"
        folder.mkdir()
        died, resumed = attempt(folder, k), attempt(folder, 0)
        if (died, resumed) != (137, 0) or answer(folder) != expected:
            print(f"crash point {k}: died with {died}, resumed with {resumed}")
            wrong += 1
        shutil.rmtree(folder)
    print(f"{steps} crash points, {wrong} wrong, {len(expected)} files")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1])) else 0)
