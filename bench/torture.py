"""Kills what writes, at random moments, and lets it go on: `python -m bench.torture` says what was lost.

A subject is a command that writes: an experiment, a corpus, a pre-training. First it is let through once, for what it
comes to. Then it is started, killed at a random moment and started again in the same folder, and so on; when one gets
to its end in spite of us, what it came to is compared, and a new folder begun. What a subject has acknowledged on the
disk is read just before each kill and after it:

lost     acknowledged before the kill, and not there, or other bytes, after it
wrong    acknowledged, and not what the undisturbed one has under that name; or an end that is not the same
left     processes of a killed command that still lived 20 s later

A moment is counted from the first thing that a command writes, so that none is spent on its start, however busy the
machine is. Every attempt is a line of bench/torture.log. SIGKILL goes to all processes of a command or to the first
alone, by lot; SIGTERM to the first alone, as `kill` and most schedulers send it.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from bench.tortured import SUBJECTS, Subject
from earmark import identity

LOG = Path(__file__).with_name("torture.log")
PATIENCE_S = 20.0
LATEST = 0.7
"""Of the time that the undisturbed one took: what goes on has less to do, and would mostly get to its end."""
LONGEST_S = 300.0
"""No subject takes a tenth of it: whoever is still at it hangs, which is counted as wrong."""


@dataclass
class Round:
    """A subject at work in a folder, killed again and again until it gets to its end."""

    subject: Subject
    folder: Path
    whole: Path
    work_s: float
    number: int = 0
    kills: int = 0
    held: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def here(self) -> Path:
        """Its folder."""
        return self.folder / str(self.number)


class Kill(NamedTuple):
    """A signal, and whether all processes get it or the first alone."""

    signal: signal.Signals
    all: bool


def start(subject: Subject, folder: Path) -> subprocess.Popen[bytes]:
    """Start a subject in a folder, in a session of its own, its words in the folder's file `said`."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"EARMARK_HOME": str(folder / "home"), "EARMARK_RUNS": str(folder / "runs")}
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "earmark", *subject.command(folder)],
            stdout=said,
            stderr=said,
            env={**os.environ, **places, "OMP_NUM_THREADS": "1"},
            cwd=folder,
            start_new_session=True,
        )


def begin(subject: Subject, folder: Path) -> Round:
    """Let a subject through once, and note how long it is at work."""
    subject.prepare(folder)
    whole = folder / "whole"
    process = start(subject, whole)
    until_it_writes(process, whole)
    began = time.monotonic()
    assert process.wait() == 0, (whole / "said").read_text()
    return Round(subject, folder, whole, time.monotonic() - began)


def until_it_writes(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a command has changed anything in its folder, its own words aside, or has ended."""
    before = state_of(folder)
    while process.poll() is None and state_of(folder) == before:
        time.sleep(0.02)


def state_of(folder: Path) -> set[tuple[str, int, int]]:
    """Return what tells that a file in a folder was written: its size and when."""
    found = set()
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a temporary file that just got its name
            if path.name != "said" and path.is_file():
                found.add((str(path), path.stat().st_size, path.stat().st_mtime_ns))
    return found


def alive(session: int) -> list[int]:
    """Return the processes of a session that still live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while we looked
            state, *numbers = path.read_text().rpartition(")")[2].split()
            if int(numbers[2]) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def end_of(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Wait until a command and all its processes are gone; return its status and how many had to be ended by us."""
    try:
        status = process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    until = time.monotonic() + PATIENCE_S
    while (left := alive(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    for one in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    return status, len(left)


def differing(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return the names under which `found` has nothing, or something else."""
    return sorted(name for name, digest in expected.items() if found.get(name) != digest)


def strange(found: Mapping[str, str], whole: Mapping[str, str]) -> list[str]:
    """Return the names that the undisturbed one has otherwise, or not at all."""
    return sorted(name for name, digest in found.items() if whole.get(name) != digest)


def attempt(one: Round, kill: Kill, share: float) -> str:
    """Start, kill at a moment, and judge; return the line of the log."""
    subject, after_s = one.subject, share * one.work_s
    process = start(subject, one.here)
    until_it_writes(process, one.here)
    try:
        status = process.wait(after_s)
    except subprocess.TimeoutExpired:
        return _killed(one, process, kill, after_s)
    _, left = end_of(process)
    return finished(one, status, left)


def _killed(one: Round, process: subprocess.Popen[bytes], kill: Kill, after_s: float) -> str:
    before = one.subject.acknowledged(one.here)
    (os.killpg if kill.all else os.kill)(process.pid, kill.signal)
    status, left = end_of(process)
    after = one.subject.acknowledged(one.here)
    lost = differing(before, after)
    wrong = strange(after, one.subject.acknowledged(one.whole))
    one.kills += 1
    grew, one.held = len(before) > one.held, len(after)
    one.counts.update({kill.signal.name: 1, "grew": grew, "lost": len(lost), "wrong": len(wrong), "left": left})
    one.counts[f"ended with {status}"] += 1
    to = "all" if kill.all else "first"
    told = f"{kill.signal.name} to {to} after {after_s:.2f} s: {len(before)} acknowledged before, {len(after)} after"
    return f"{told}, {len(lost)} lost, {len(wrong)} wrong, {left} left {' '.join(lost + wrong)}".rstrip()


def finished(one: Round, status: int, left: int) -> str:
    """Judge a subject that got to its end, and begin a new folder."""
    ends = [one.subject.answer(folder) for folder in (one.whole, one.here)]
    wrong = sorted({*differing(ends[0], ends[1]), *differing(ends[1], ends[0])}) if status == 0 else [f"exit {status}"]
    kills, one.kills, one.held = one.kills, 0, 0
    one.counts.update({"finished": 1, "survived": kills > 0, "wrong": len(wrong), "left": left})
    said = (one.here / "said").read_text() if status else ""
    if not wrong:
        shutil.rmtree(one.here)
    one.number += 1
    return f"finished after {kills} kills, {len(ends[0])} things compared, {len(wrong)} wrong {' '.join(wrong)} {said}"


def torture(
    subjects: Sequence[Subject], wanted: Mapping[signal.Signals, int], until: float, log: TextIO
) -> list[Round]:
    """Kill until all wanted kills are done, or time is over; then let every subject finish."""

    def say(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {line.rstrip()}", file=log, flush=True)

    asked = ", ".join(f"{count} {kind.name}" for kind, count in wanted.items())
    say(f"begun: {asked}; {os.cpu_count()} CPUs that others use too, load {os.getloadavg()[0]:.1f}")
    rng = identity.generator("bench", "torture", int(time.time()))
    with tempfile.TemporaryDirectory(prefix="earmark-torture-") as work:
        rounds = [begin(one, Path(work) / one.name) for one in subjects]
        for one in rounds:
            say(f"{one.subject.name}: at work for {one.work_s:.1f} s undisturbed, {one.subject.told}")
        left, weights = Counter(wanted), np.array([one.subject.weight for one in rounds])
        while left.total() and time.monotonic() < until:
            kind = signal.Signals(rng.choice(list(left.elements())))
            one = rounds[rng.choice(len(rounds), p=weights / weights.sum())]
            kill = Kill(kind, kind == signal.SIGKILL and bool(rng.integers(2)))
            before = one.counts[kind.name]
            say(f"{one.subject.name}: {attempt(one, kill, rng.uniform(0, LATEST))}")
            left[kind] -= one.counts[kind.name] - before
        for one in rounds:
            status, n_left = end_of(start(one.subject, one.here))
            say(f"{one.subject.name}: {finished(one, status, n_left)}")
    return rounds


def table(rounds: Sequence[Round]) -> str:
    """Return what came of it, in Markdown."""
    names = ("SIGKILL", "SIGTERM", "grew", "finished", "survived", "lost", "wrong", "left")
    heads: tuple[str, ...] = ("subject", "kill -9", "SIGTERM", "of both after it had acknowledged more")
    heads += ("got to the end", "of these after kills", "lost", "wrong", "left behind")
    total = sum((one.counts for one in rounds), Counter[str]())
    rows = [(one.subject.name, one.counts) for one in rounds] + [("all", total)]
    lines = [heads, ("---",) * len(heads), *((name, *(str(counts[each]) for each in names)) for name, counts in rows)]
    endings = ", ".join(f"{count} {name}" for name, count in sorted(total.items()) if name.startswith("ended"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\nKilled commands: {endings}."


def main(arguments: Sequence[str], now: Callable[[], float] = time.monotonic) -> int:
    """Torture, append to the log, print the table; return how much was lost or wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.torture", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--terms", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--only", choices=sorted(SUBJECTS), action="append")
    asked = parser.parse_args(arguments)
    subjects = [SUBJECTS[name] for name in asked.only or SUBJECTS]
    wanted = {signal.SIGKILL: asked.kills, signal.SIGTERM: asked.terms}
    with asked.log.open("a") as log:
        rounds = torture(subjects, wanted, now() + 60 * asked.minutes, log)
        print(f"\n{table(rounds)}\n", file=log)
    print(table(rounds))
    return int(any(one.counts["lost"] + one.counts["wrong"] for one in rounds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
