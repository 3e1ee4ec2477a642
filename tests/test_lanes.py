"""The lanes, and the last line of a test run."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tests import lanes
from tests.lanes import LeftOut, closing_line, reason_to_skip

ROOT = Path(__file__).parent.parent


def test_every_lane_is_a_marker_and_every_marker_a_lane() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert [marker.partition(":")[0] for marker in options["markers"]] == list(lanes.LANES)


def test_a_test_outside_the_lanes_always_runs() -> None:
    assert reason_to_skip([], run_all=False) == reason_to_skip([], run_all=True) == ""


def test_a_lane_is_left_to_all() -> None:
    assert reason_to_skip(["slow"], run_all=False) == "left to scripts/test --all"
    assert reason_to_skip(["slow"], run_all=True) == ""


def test_a_lane_that_cannot_run_says_what_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert reason_to_skip(["slow", "tex"], run_all=True) == "no TeX"


def test_a_missing_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert reason_to_skip(["onnx"], run_all=True) == "no onnxruntime"


def test_the_closing_line_counts_by_lane_and_reason() -> None:
    left_out = [LeftOut("gpu", "no CUDA device"), *[LeftOut("browser", "no Chromium")] * 2]
    assert closing_line(left_out) == "not run here: 2 browser (no Chromium), 1 gpu (no CUDA device)"


def test_the_closing_line_says_when_everything_ran() -> None:
    assert closing_line([]) == "not run here: nothing"


def test_a_run_ends_with_the_closing_line(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("tests")
    for name in ("conftest.py", "lanes.py"):
        shutil.copy(ROOT / "tests" / name, folder)
    pytester.makeini(
        "[pytest]\npythonpath = .\ntestpaths = tests\nmarkers =\n" + "".join(f"  {lane}\n" for lane in lanes.LANES)
    )
    pytester.makepyfile(
        **{
            "tests/test_two": """
        import pytest

        @pytest.mark.slow
        def test_slow(): pass

        def test_quick(): pass

        def test_elsewhere(): pytest.skip("no moon")
        """
        }
    )
    short = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    short.assert_outcomes(passed=1, skipped=2)
    assert short.outlines[-1] == "not run here: 1 slow (left to scripts/test --all), 1 test_two (no moon)"
    full = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--all", "-n", "1")
    full.assert_outcomes(passed=2, skipped=1)
    assert full.outlines[-1] == "not run here: 1 test_two (no moon)"
