"""What a run cost: sums of shards and runs, and the memory of a process."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from earmark.experiment import costs
from earmark.experiment.costs import Cost


def cost(representation: str = "logmel", **other: float) -> Cost:
    plain = Cost(representation, None, None, "cpu", 10.0, 2.0, 1000, 64, 5, 128, 1, 300)
    return dataclasses.replace(plain, **other)  # type: ignore[arg-type]  # numbers, by the fields' names


def test_costs_add_up_and_peaks_do_not() -> None:
    both = costs.total([cost(), cost("chroma"), cost(audio_s=5.0, peak_bytes=3000, batch=8, layers=3)])
    assert both == (cost("chroma"), cost(audio_s=15.0, seconds=4.0, peak_bytes=3000, batch=8, layers=3, n_bytes=600))


def test_costs_of_later_runs_are_added_to_those_of_the_folder(tmp_path: Path) -> None:
    assert costs.read(tmp_path) == costs.add(tmp_path, ()) == ()
    assert not (tmp_path / costs.FILE).exists(), "a run that computes nothing writes nothing"
    costs.add(tmp_path, [cost()])
    before = (tmp_path / costs.FILE).read_bytes()
    entry = json.loads(before)["costs"][0]
    assert (entry["x_realtime"], entry["bytes_per_hour"]) == (5.0, 300 / 10 * 3600)
    costs.add(tmp_path, [])
    assert (tmp_path / costs.FILE).read_bytes() == before
    assert costs.add(tmp_path, [cost()]) == costs.read(tmp_path) == costs.total([cost(), cost()])


def test_nothing_timed_is_no_speed() -> None:
    nothing = cost(audio_s=0.0, seconds=0.0)
    assert nothing.x_realtime is None
    assert nothing.bytes_per_hour is None


def test_the_peak_of_a_process_is_its_own_and_not_its_parents() -> None:
    held = np.ones(1 << 26, np.float32)
    command = [sys.executable, "-c", "from earmark.experiment import costs; print(costs.peak_bytes())"]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak < costs.peak_bytes()
    assert costs.peak_bytes() > held.nbytes
