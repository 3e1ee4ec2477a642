"""Whoever is killed leaves nobody behind: workers end with the process that they work for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HANDING_OUT = """\
import sys
from collections.abc import Callable
from pathlib import Path
from earmark.experiment.engines import Local
from tests.test_killed_parent import tell_and_wait

if __name__ == "__main__":
    with Local(Path(sys.argv[1]), 2) as engine:
        list(engine.map([0, 1, 2], tell_and_wait))
"""
LONGEST_S = 60


def tell_and_wait(job: int, folder: Path) -> int:
    """Say in a file who works at a job; the last is never done, so that one worker is at work and one waits."""
    (folder / f"{job}.{os.getpid()}").touch()
    time.sleep(2 * LONGEST_S if job == 2 else 0)
    return job


def is_alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(is_so: Callable[[], object]) -> bool:
    end = time.monotonic() + LONGEST_S
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(is_so())


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_no_worker_outlives_a_run_that_was_killed(tmp_path: Path, number: signal.Signals) -> None:
    script, told = tmp_path / "script.py", tmp_path / "told"
    script.write_text(HANDING_OUT)
    told.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, str(script), str(told)], env=environment) as process:
        assert until(lambda: list(told.glob("2.*")))
        workers = {int(path.suffix[1:]) for path in told.iterdir()}
        assert all(map(is_alive, workers))
        process.send_signal(number)
        assert process.wait() == -number
    assert until(lambda: not any(map(is_alive, workers)))
