"""A catalogue of 10,000 real files' worth of content in many formats, and 2 % more that are broken in twelve ways.

The files are rendered, no two alike: WAV, FLAC, OGG, MP3 and AIFF, from 8 to 48 kHz, mono and stereo, of about a
second. The verb `earmark catalogue add` hears them; what must come of it is checked: every good file is in, every
broken one is listed by its kind, and the worker's memory after its first minute grows by a fifth at most.
`EARMARK_BENCH_FILES=500 python -m bench catalogue_files` makes fewer.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import soundfile

from bench.ratio import Cost
from earmark import catalogue, identity

N_FILES = int(os.environ.get("EARMARK_BENCH_FILES", "10000"))
BROKEN_SHARE = 0.02
FORMATS = (
    ("wav", "PCM_16"),
    ("wav", "FLOAT"),
    ("flac", "PCM_24"),
    ("ogg", "VORBIS"),
    ("mp3", None),
    ("aiff", "PCM_16"),
)
RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
MEMORY_GOAL = 1.2
FIRST_S, EVERY_S = 60.0, 0.5

Bytes = Callable[[int], bytes]


def measure() -> Iterator[Cost]:
    """Yield what adding took, what came of good and broken files, and the memory."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        n_good, expected = _made(root / "music")
        took, peaks = _added(root)
        opened = catalogue.load(root / "cat")
        said = [json.loads(line) for line in (root / "cat" / "failures.jsonl").read_text().splitlines()]
        kinds = {one["id"]: one["kind"] for one in said}
        wrong = {name: (kind, kinds.get(name)) for name, kind in expected.items() if kinds.get(name) != kind}
        lost = [name for name in kinds if name not in expected]
        hours = opened.audio_s / 3600
        yield Cost(
            f"add {n_good:,} good files in {len(FORMATS)} formats, {hours:.1f} h",
            took,
            f"{opened.n_tracks:,} in the catalogue, {len(lost)} lost; goal: all in",
        )
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(expected.values()).items()))
        outcome = f"{len(expected) - len(wrong)} of {len(expected)} listed by the right kind: {counts}"
        yield Cost(f"{len(expected)} broken files of {len(BROKEN)} sorts among them", 0.0, outcome)
        first = max(bytes_ for at, bytes_ in peaks if at <= FIRST_S)
        highest = max(bytes_ for _, bytes_ in peaks)
        lasted = max(at for at, _ in peaks)
        yield Cost(
            "memory of the process that hears",
            took,
            f"{first / 1e6:.0f} MB at most in its first minute, {highest / 1e6:.0f} MB in all {lasted / 60:.0f} "
            f"minutes: {highest / first:.2f} (goal ≤ {MEMORY_GOAL})",
        )
        before = time.process_time()
        again = catalogue.add(root / "cat", [root / "music"])
        yield Cost(
            "the same again",
            time.process_time() - before,
            f"{again.n_heard} heard, {again.n_same:,} as they were, {len(again.failures)} that failed before",
        )


def _added(root: Path) -> tuple[float, list[tuple[float, int]]]:
    """Run the verb; return its CPU seconds, and how many bytes it held as time went by."""
    command = [sys.executable, "-m", "earmark", "catalogue", "add", root / "cat", root / "music", "-r", "logmel"]
    process = subprocess.Popen(
        [*map(str, command), "--jobs", "1", "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peaks, began = list[tuple[float, int]](), time.perf_counter()

    def watch() -> None:
        while process.poll() is None:
            if held := _held(process.pid):
                peaks.append((time.perf_counter() - began, held))
            time.sleep(EVERY_S)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    if process.returncode != 3:
        raise RuntimeError(f"Expected the exit status 3, for files that failed; got {process.returncode}.")
    return used.ru_utime + used.ru_stime, peaks


def _held(process: int) -> int:
    """Return the bytes that a process holds of its own: mapped files are not counted."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def _made(music: Path) -> tuple[int, Mapping[str, str]]:
    """Write good and broken files; return how many are good, and the kind of each that is not."""
    n_broken, expected = round(N_FILES * BROKEN_SHARE), dict[str, str]()
    for number in range(N_FILES):
        ending, subtype = FORMATS[number % len(FORMATS)]
        path = music / f"{number % 100:02d}" / f"{number:05d}.{ending}"
        if number % 50 == 7:  # a wrong name keeps nothing from being heard
            path = path.with_suffix(".wav" if ending != "wav" else ".flac")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_sound(number, ending, subtype))
    for number in range(n_broken):
        name, (kind, make) = list(BROKEN.items())[number % len(BROKEN)]
        path = music / "broken" / f"{number:04d}-{name}"
        path.parent.mkdir(exist_ok=True)
        make(path, N_FILES + number)
        expected[path.relative_to(music).as_posix()] = kind
    return N_FILES, expected


def _sound(number: int, ending: str, subtype: str | None) -> bytes:
    """Return a file of about a second that sounds like no other: a chord under noise that fades."""
    rng = identity.generator("bench", "catalogue_files", number)
    rate = int(RATES[rng.integers(len(RATES))])
    t = np.arange(round(rng.uniform(0.8, 1.4) * rate)) / rate
    chord = sum(np.sin(2 * np.pi * pitch * t) for pitch in rng.uniform(80, 2000, 3))
    samples = 0.15 * chord * np.exp(-t) + 0.05 * rng.standard_normal(len(t)) * (1 - t / t[-1])
    both = np.stack([samples, np.roll(samples, 7)], axis=1) if rng.random() < 0.5 else samples
    held = io.BytesIO()
    soundfile.write(held, both.astype(np.float32), rate, format=ending.upper(), subtype=subtype)
    return held.getvalue()


def _damaged(ending: str, subtype: str | None, damage: Callable[[bytes], bytes]) -> Callable[[Path, int], None]:
    return lambda path, number: _ignore(path.write_bytes(damage(_sound(number, ending, subtype))))


def _ignore(_: object) -> None:
    return None


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _huge(content: bytes) -> bytes:
    at = content.index(b"data") + 4
    return content[:at] + (1_900_000_000).to_bytes(4, "little") + content[at + 4 :]


def _torn(content: bytes) -> bytes:
    """Fill the second half of an MP3 with what is no frame."""
    half = len(content) // 2
    return content[:half] + b"\x11" * (len(content) - half)


def _silent(samples: np.ndarray) -> Callable[[Path, int], None]:
    return lambda path, _: soundfile.write(path, samples, 16_000, subtype="FLOAT", format="WAV")


def _dangling(path: Path, number: int) -> None:
    path.symlink_to(path.with_name(f"nowhere-{number}"))


BROKEN: Mapping[str, tuple[str, Callable[[Path, int], None]]] = {
    "empty.wav": ("empty", lambda path, _: path.touch()),
    "cut-header.wav": ("not audio", _damaged("wav", "PCM_16", lambda content: content[:30])),
    "cut.wav": ("truncated", _damaged("wav", "PCM_16", _cut)),
    "cut.flac": ("truncated", _damaged("flac", "PCM_16", _cut)),
    "cut.ogg": ("truncated", _damaged("ogg", "VORBIS", _cut)),
    "torn.mp3": ("truncated", _damaged("mp3", None, _torn)),
    "huge.wav": ("truncated", _damaged("wav", "PCM_16", _huge)),
    "zeros.flac": ("not audio", lambda path, _: _ignore(path.write_bytes(bytes(20_000)))),
    "text.mp3": ("not audio", lambda path, n: _ignore(path.write_text(f"Dear {n}, this is a letter. " * 50))),
    "folder.wav": ("folder", lambda path, _: path.mkdir()),
    "nan.wav": ("not finite", _silent(np.full(16_000, np.nan, np.float32))),
    "nothing.wav": ("no samples", _silent(np.zeros(0, np.float32))),
    "short.wav": ("too short", _silent(np.zeros(20, np.float32))),
    "dangling.wav": ("missing", _dangling),
}
