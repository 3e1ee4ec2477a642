"""What holds for every test: places of its own, one thread, lanes, and a last line that counts what did not run."""

import os
import signal
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from tests import lanes

ROOT = Path(__file__).parent.parent

# Read once, when torch is imported: two test processes on two cores must not fight for threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("EARMARK_HOME", str(ROOT / ".earmark" / "test-home"))
os.environ.setdefault("EARMARK_RUNS", str(ROOT / ".earmark" / "test-runs"))

# No deadline: a shared machine is slow at random. The same examples each time: a failure is seen again.
hypothesis.settings.register_profile("earmark", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("earmark")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the lanes too: " + ", ".join(lanes.LANES))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    own = [name for name in lanes.LANES if item.get_closest_marker(name)]
    if reason := lanes.reason_to_skip(own, run_all=item.config.getoption("--all")):
        pytest.skip(reason)


@pytest.fixture
def interruptible() -> Generator[None, None, None]:
    """Take Ctrl-C as a shell's command does: worker processes of the tests ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:  # a worker has none: the process that started it reports
        reporter.write_line(lanes.closing_line(_left_out(report) for report in reporter.stats.get("skipped", [])))


def _left_out(report: pytest.TestReport | pytest.CollectReport) -> lanes.LeftOut:
    lane = next((name for name in lanes.LANES if name in report.keywords), Path(report.nodeid.split("::")[0]).stem)
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    return lanes.LeftOut(lane, reason.removeprefix("Skipped: "))
