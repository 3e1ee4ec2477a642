"""Pulling the plug on a corpus that is being built: at each of its steps once, and by kill -9 at random moments."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from earmark.training import corpus
from tests.training.made_corpora import RATE, audio_folder, files

ROOT = Path(__file__).parents[2]
BUILD = "import sys\nfrom earmark.training import _journal, corpus\n_journal.FLUSH_ITEMS = 3\n"
BUILD += f"print('begun', flush=True)\ncorpus.build([sys.argv[1]], sys.argv[2], {RATE}, jobs=2)"
KILLS = 6


def test_dying_at_each_step_and_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    sounds = audio_folder(tmp_path / "sounds", 5, 0.2)
    (sounds / "a" / "bad.wav").write_text("no audio")
    for name in ("new", "over"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.corpus_crash_points", sounds, tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = [int(number) for number in re.findall(r"(\d+) crash points, 0 wrong", done.stdout)]
    assert len(counted) == 2
    assert min(counted) > 25, "a build writes, syncs and renames many times"


@pytest.mark.slow
def test_random_kills_lose_no_byte(tmp_path: Path) -> None:
    sounds = audio_folder(tmp_path / "sounds", 300, 3.0)
    command = [sys.executable, "-c", BUILD, str(sounds)]
    corpus.build([sounds], tmp_path / "whole", RATE)
    rng = np.random.Generator(np.random.PCG64(6))
    killed, round_ = 0, 0
    while killed < KILLS:
        with subprocess.Popen([*command, str(tmp_path / f"{round_}")], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.02, 0.3))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                continue
        assert files(tmp_path / f"{round_}") == files(tmp_path / "whole")
        round_ += 1  # it got to the end in spite of us: begin afresh
    corpus.build([sounds], tmp_path / f"{round_}", RATE)
    assert files(tmp_path / f"{round_}") == files(tmp_path / "whole")
