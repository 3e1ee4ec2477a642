"""Pulling the plug on a corpus that is being coded, at each of its steps once."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_dying_at_each_step_and_coding_again_gives_the_same_bytes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.codes_crash_points", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = [int(number) for number in re.findall(r"(\d+) crash points, 0 wrong", done.stdout)]
    assert len(counted) == 2
    assert min(counted) > 40, "coding writes, syncs and renames many times"
