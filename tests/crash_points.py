"""Dies at every crash point of a run, one after another, resumes, and compares: run by test_crash_points.

Every attempt is a fork of one process that has imported everything, since importing torch would cost more than the
run, but run nothing: a fork would hang on the threads that polars starts at its first table. Prints one line a
crash point that did not come out the same, then how many there were.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import audiomentations  # noqa: F401  # imported here so that no fork need do it
import torch

from earmark import durable
from earmark.experiment.run import run


def attempt(file: Path, home: Path, die_at: int) -> int:
    """Run the experiment in a fork that dies at one step (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        os.environ["EARMARK_HOME"], os.environ["EARMARK_RUNS"] = str(home / "home"), str(home / "runs")
        durable._die_at, durable._steps = die_at, itertools.count(1)
        with contextlib.redirect_stderr(io.StringIO()):
            run(file, quiet=True)
        (home / "steps").write_text(str(next(durable._steps) - 1))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def answer(home: Path) -> dict[str, str]:
    """What a run came to: predictions and probes by their bytes, scores without the seconds they took."""
    (folder,) = (home / "runs").iterdir()
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    scores = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    found = {"scores": json.dumps(scores), "failures": (folder / "failures.jsonl").read_text()}
    for path in sorted([*folder.glob("predictions/*"), *folder.glob("probes/*/*"), folder / "experiment.yml"]):
        if path.match(durable.TEMPORARY):  # what a death in the middle of a write leaves behind, and nobody reads
            continue
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main(file: Path, work: Path) -> int:
    """Try every crash point; return how many went wrong."""
    torch.set_num_threads(1)
    (work / "whole").mkdir()
    assert attempt(file, work / "whole", 0) == 0
    expected, steps = answer(work / "whole"), int((work / "whole" / "steps").read_text())
    wrong = 0
    for k in range(1, steps + 1):
        home = work / f"at-{k}"
        home.mkdir()
        died, resumed = attempt(file, home, k), attempt(file, home, 0)
        if (died, resumed) != (137, 0) or answer(home) != expected:
            print(f"crash point {k}: died with {died}, resumed with {resumed}")
            wrong += 1
        shutil.rmtree(home)
    print(f"{steps} crash points, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1]), Path(sys.argv[2])) else 0)
