"""Dying at any moment that the disk can tell, and going on, changes no byte of a fine-tuning."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_dying_at_each_crash_point_and_going_on_changes_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("crash_points_of_finetuning.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) crash points, 0 wrong, 5 files", done.stdout)
    assert counted is not None, done.stdout
    assert int(counted[1]) > 20
