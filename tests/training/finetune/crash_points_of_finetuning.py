"""Dies at every crash point of a fine-tuning, one after another, goes on, and compares: see test_finetune_crashes.

Every attempt is a fork of one process that has imported everything and trained nothing. Prints one line a crash point
that did not come out the same, then how many there were.
"""

import hashlib
import itertools
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch

from earmark import durable
from earmark.identity import generator
from earmark.nouns import Clip
from earmark.representations import base
from earmark.training.finetune.recipe import Recipe
from earmark.training.finetune.tune import Job, Part, tune


def clips(folder: Path) -> list[Clip]:
    """Four clips of an eighth of a second."""
    found = []
    for number in range(4):
        noise = generator("made", number).standard_normal(2000)
        soundfile.write(folder / f"{number}.wav", (0.1 * noise).astype(np.float32), 16000)
        found.append(Clip(f"{number}.wav", folder / f"{number}.wav"))
    return found


def job(folder: Path, made: list[Clip]) -> Job:
    """Two epochs of a tiny network, on two classes."""
    part, recipe = Part(made, np.arange(4) % 2), Recipe("full", body_learning_rate=1e-2, batch_size=2, epochs=2)
    model, head, state = folder / "tuned" / "tiny", folder / "probes" / "key" / "probe.safetensors", folder / "state"
    return Job(
        *("tiny", "key", "random:wav2vec2-tiny", recipe, 0, "multiclass", ("a", "b"), part, part, model, head, state),
        {"trained_on": "noise", "objective": "none", "licence": "none"},
    )


def attempt(folder: Path, made: list[Clip], die_at: int) -> int:
    """Fine-tune in a fork that dies at one step of the disk (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        durable._die_at, durable._steps = die_at, itertools.count(1)
        tune(job(folder / "run", made), "cpu", 1, lambda line: None)
        (folder / "steps").write_text(str(next(durable._steps) - 1))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def answer(folder: Path) -> dict[str, str]:
    """What a fine-tuning left: every file, but of the card, which says how long it took, only that it is there."""
    files = [one for one in (folder / "run").rglob("*") if one.is_file()]
    return {
        file.relative_to(folder).as_posix(): "" if file.name == "card.json" else _sha256(file) for file in sorted(files)
    }


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(work: Path) -> int:
    """Try every crash point; return how many went wrong."""
    torch.set_num_threads(1)
    base.load("random:wav2vec2-tiny")
    made = clips(work)
    (work / "whole").mkdir()
    assert attempt(work / "whole", made, 0) == 0
    expected, steps = answer(work / "whole"), int((work / "whole" / "steps").read_text())
    wrong = 0
    for k in range(1, steps + 1):
        folder = work / f"at-{k}"
        folder.mkdir()
        died, resumed = attempt(folder, made, k), attempt(folder, made, 0)
        found = {name: one for name, one in answer(folder).items() if not name.endswith(".tmp")}
        if (died, resumed) != (137, 0) or found != expected:
            print(f"crash point {k}: died with {died}, resumed with {resumed}")
            wrong += 1
        shutil.rmtree(folder)
    print(f"{steps} crash points, {wrong} wrong, {len(expected)} files")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1])) else 0)
