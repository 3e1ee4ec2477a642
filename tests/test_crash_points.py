"""Pulling the plug: at every write once, and by kill -9 at random moments; what comes out must be the same."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.crash_points import answer
from tests.test_run import EXPERIMENT, make_tones

KILLS = 20


@pytest.mark.slow
def test_dying_at_every_crash_point_and_running_again_gives_the_same(tmp_path: Path) -> None:
    make_tones(tmp_path / "audio", each=4)
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    environment = {**os.environ, "EARMARK_HOME": str(tmp_path / "warm"), "EARMARK_RUNS": str(tmp_path / "warm-runs")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash_points", str(file), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) crash points, 0 wrong", done.stdout)
    assert counted is not None
    assert int(counted[1]) > 50, "a run writes, syncs and renames many times"


def start(file: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "EARMARK_HOME": str(home / "home"), "EARMARK_RUNS": str(home / "runs")}
    command = [sys.executable, "-m", "earmark", "run", str(file), "--jobs", "2", "--run-id", "killed"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


@pytest.mark.slow
def test_twenty_random_kills_lose_nothing(tmp_path: Path) -> None:
    make_tones(tmp_path / "audio", each=16)
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio").replace("epochs: 20", "epochs: 60, patience: 60"))
    began = time.monotonic()
    assert start(file, tmp_path / "whole").wait() == 0
    whole_s = time.monotonic() - began
    rng = np.random.Generator(np.random.PCG64(20))
    killed, round_ = 0, 0
    while killed < KILLS:
        process = start(file, tmp_path / f"round-{round_}")
        time.sleep(rng.uniform(0.2, 0.9) * whole_s)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        else:  # it got to the end in spite of us: begin afresh
            assert answer(tmp_path / f"round-{round_}") == answer(tmp_path / "whole")
            round_ += 1
        process.wait()
    assert start(file, tmp_path / f"round-{round_}").wait() == 0
    assert answer(tmp_path / f"round-{round_}") == answer(tmp_path / "whole")
