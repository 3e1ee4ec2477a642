"""From symbols to sound: one WAV file a unit, its clips end to end, made by as many processes as there are cores.

The renderer works in blocks of 64 samples and ends with the last event. So clips start on a block, an event
stands one tick before its block, and one event more stands behind the last clip.
"""

import io
import os
import pickle
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pretty_midi
from jaxtyping import Int16
from midirenderer import render_wave_from

from earmark import durable
from earmark.errors import EarmarkError
from earmark.nouns import Target

Progress = Callable[[int, int], None]

SAMPLE_RATE = 48_000
TICK_S = 1 / 960
LEAD_S = 0.04
GAP_S = 1.4  # sound fonts carry reverberation that no message stops: after 1.4 s it is below 1 of 32,768
BEND_RANGE_CENTS = 200.0
WAV_HEADER_BYTES = 44
MOST_PROCESSES = 8  # each holds a sound font, and a large one takes 300 MB
LOOK_EVERY_S = 0.1
WORKER = f"from {__name__} import _work; _work()"


class Strike(NamedTuple):
    """A note: when it starts and ends in seconds from the start of its clip, MIDI pitch, velocity 1-127."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int


class Sound(NamedTuple):
    """What one clip holds: the strikes of each of its unit's programs; the peak is of the mono clip, re full scale."""

    id: str
    voices: tuple[tuple[Strike, ...], ...]
    detune_cents: float
    peak_db: float
    targets: Mapping[str, Target]


@dataclass(frozen=True)
class Unit:
    """Clips of one length, played by the same GM programs (0-127), that stay together in a split and in a file."""

    name: str
    group: str
    role: str
    programs: tuple[int, ...]
    duration_s: float
    sounds: tuple[Sound, ...]

    @property
    def file(self) -> str:
        """Name of the WAV file: clip k starts at k · duration_s."""
        return f"{self.name}.wav"

    @property
    def n_bytes(self) -> int:
        """Size of the WAV file."""
        return WAV_HEADER_BYTES + 2 * round(self.duration_s * SAMPLE_RATE) * len(self.sounds)


def packaged_font() -> Path:
    """Return the sound font that the package pretty_midi carries."""
    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


def program_name(program: int) -> str:
    """Return the General MIDI name of a program, 0-127."""
    name: str = pretty_midi.program_to_instrument_name(program)
    return name


def versions() -> dict[str, str]:
    """Return the versions of the libraries that make the samples."""
    return {name: version(name) for name in ("midirenderer", "pretty_midi")}


def lacking(units: Sequence[Unit], folder: Path) -> list[Unit]:
    """Return the units that have no file of the right size in `folder`."""
    return [unit for unit in units if file_size(folder / unit.file) != unit.n_bytes]


def file_size(path: Path) -> int | None:
    """Return the bytes of a file, or None where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def render_all(font: Path, units: Sequence[Unit], folder: Path, progress: Progress, processes: int = 0) -> None:
    """Render units into `folder`, in as many processes as there are cores (0) or as given.

    `progress` hears how many of how many are done. What a killed rendering finished is kept and never made
    again. Raises EarmarkError when a process ends early or a sound comes out silent.
    """
    n_processes = min(processes or os.cpu_count() or 1, MOST_PROCESSES, len(units))
    progress(0, len(units))
    if n_processes <= 1:
        content = font.read_bytes()
        for done, unit in enumerate(units, 1):
            durable.write_file(folder / unit.file, wav_bytes(render(content, unit)))
            progress(done, len(units))
        return
    # Not multiprocessing: it would run the user's own script again in each process.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(n_processes):
            with tempfile.TemporaryFile() as order:
                pickle.dump((os.getpid(), font, units[number::n_processes], folder), order)
                order.seek(0)
                workers.append(subprocess.Popen((sys.executable, "-c", WORKER), stdin=order, env=environment))
        _watch(workers, lambda: progress(len(units) - len(lacking(units, folder)), len(units)))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _watch(workers: Sequence[subprocess.Popen[bytes]], look: Callable[[], None]) -> None:
    """Look at what is done until every worker has ended."""
    codes: list[int | None] = [None]
    while None in codes:
        time.sleep(LOOK_EVERY_S)
        codes = [worker.poll() for worker in workers]
        look()
        if failed := [code for code in codes if code]:
            raise EarmarkError(
                f"Expected every rendering process to end with 0, got {failed[0]}; its words are above. "
                "Run it again: what was finished is kept."
            )


def _work() -> None:
    """Be a worker: render what stdin orders, until the process that ordered it is gone."""
    parent, font, units, folder = pickle.load(sys.stdin.buffer)
    content = font.read_bytes()
    for unit in units:
        if os.getppid() != parent:
            return
        durable.write_file(folder / unit.file, wav_bytes(render(content, unit)))


def render(font: bytes, unit: Unit) -> Int16[np.ndarray, "sounds samples"]:
    """Return the clips of a unit, mono at SAMPLE_RATE, each at its peak level."""
    with wave.open(io.BytesIO(render_wave_from(font, midi_bytes(unit)))) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (SAMPLE_RATE, 2, 2):
            raise EarmarkError(f"Expected 16-bit stereo at {SAMPLE_RATE} Hz from midirenderer, got {file.getparams()}.")
        stereo = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(np.float64)
    mixed = (stereo[:, 0] + stereo[:, 1]) * 0.5
    n_samples = round(unit.duration_s * SAMPLE_RATE)
    clips = []
    for number, sound in enumerate(unit.sounds):
        start = round((LEAD_S + number * (unit.duration_s + GAP_S)) * SAMPLE_RATE)
        clip = mixed[start : start + n_samples]
        peak = np.abs(clip).max()
        if not peak:
            raise EarmarkError(f"'{sound.id}' came out silent: its program has no sample at its pitch in this font.")
        clips.append(np.rint(clip * (10 ** (sound.peak_db / 20) * 32768 / peak)).astype("<i2"))
    return np.stack(clips)


def midi_bytes(unit: Unit) -> bytes:
    """Return a unit as a MIDI file: clip after clip, each stopped at its end, with a gap for what still sounds."""
    score = pretty_midi.PrettyMIDI(resolution=round(0.5 / TICK_S), initial_tempo=120.0)
    step_s = unit.duration_s + GAP_S
    for number, program in enumerate(unit.programs):
        part = pretty_midi.Instrument(program)
        # Loudest, and without the reverberation and chorus of the renderer.
        part.control_changes = [pretty_midi.ControlChange(*pair, 0.0) for pair in ((7, 127), (91, 0), (93, 0))]
        for count, sound in enumerate(unit.sounds):
            at_s = LEAD_S + count * step_s - TICK_S
            bend = round(sound.detune_cents / BEND_RANGE_CENTS * 8192)
            part.pitch_bends.append(pretty_midi.PitchBend(bend, at_s))
            part.notes += [
                pretty_midi.Note(one.velocity, one.pitch, at_s + one.start_s, at_s + one.end_s)
                for one in sound.voices[number]
            ]
            part.control_changes.append(_all_sound_off(at_s + unit.duration_s))
        part.control_changes.append(_all_sound_off(LEAD_S + len(unit.sounds) * step_s))
        score.instruments.append(part)
    buffer = io.BytesIO()
    score.write(buffer)
    return buffer.getvalue()


def _all_sound_off(at_s: float) -> object:
    return pretty_midi.ControlChange(120, 0, at_s)


def wav_bytes(clips: Int16[np.ndarray, "sounds samples"]) -> bytes:
    """Return clips end to end as a mono 16-bit WAV file at SAMPLE_RATE."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(clips.tobytes())
    return buffer.getvalue()
