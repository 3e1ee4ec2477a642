"""Segments of a corpus in memory against seeking and decoding a file for each: the same places, the same length.

Seek-and-decode is `audio.read` of a region: the header, a seek, the stretch alone, mixed down and resampled. The files
are what a collection usually is, 44.1 kHz stereo; the last rows are its best case, WAV at the network's own rate. All
files, the corpus too, lie in the system's cache.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from bench.ratio import Ratio, compare
from earmark import audio, identity
from earmark.training import corpus, segments
from earmark.training.segments import Random

N_TRACKS, TRACK_S = 8, 60.0
RATE = 16000
KINDS = (("FLAC", 44100, 2), ("MP3", 44100, 2), ("WAV", 44100, 2), ("WAV", RATE, 1))
GOAL = 20.0
LENGTHS_S = (4.0, 15.625)
N_SEGMENTS = 16


def measure() -> list[Ratio]:
    """Return a ratio for each kind of file and length of a segment."""
    return list(_rows())


def _rows() -> Iterator[Ratio]:
    for name, rate, channels in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            sounds, out = Path(folder) / "sounds", Path(folder) / "corpus"
            _write(sounds, name, rate, channels)
            built = corpus.build([sounds], out, RATE)
            for win_s in LENGTHS_S:
                sampler = segments.random(built, win_s, n=N_SEGMENTS)
                from_corpus, from_files = partial(_from_corpus, sampler), _from_files(sampler, sounds)
                _require_alike(from_corpus(), from_files(), exactly=rate == RATE)
                files = f"{name}, {rate / 1000:g} kHz × {channels}"
                yield compare(
                    f"{N_SEGMENTS} random segments of {win_s:g} s at 16 kHz, of {files}",
                    ("earmark's corpus", from_corpus),
                    ("seek, decode, resample", from_files),
                    goal=None if rate == RATE else GOAL,
                )


def _from_corpus(sampler: Random) -> list[np.ndarray]:
    return [sampler.at(0, index) for index in range(len(sampler))]


def _from_files(sampler: Random, sounds: Path) -> Callable[[], list[np.ndarray]]:
    """Return what decodes the same segments; which they are is known beforehand, and costs nothing here."""
    wanted = []
    for start in (sampler.start(0, index) for index in range(len(sampler))):
        track = next(one for one in sampler.room.tracks if one.start <= start < one.end)
        first_s = (start - track.start) / RATE
        wanted.append((sounds / track.id, first_s, first_s + sampler.room.n_samples / RATE))
    return lambda: [audio.read(path, RATE, first_s, end_s).samples for path, first_s, end_s in wanted]


def _require_alike(ours: list[np.ndarray], theirs: list[np.ndarray], exactly: bool) -> None:
    """Refuse to compare what is not the same audio: a cut between two samples of the file shifts by less than one."""
    for own, other in zip(ours, theirs, strict=True):
        alike = float(np.corrcoef(own, other[: len(own)])[0, 1])
        if not (np.array_equal(own, other) if exactly else alike > 0.99):
            raise AssertionError(f"Expected the same audio from both, got a correlation of {alike:.3f}.")


def _write(folder: Path, name: str, rate: int, channels: int) -> None:
    folder.mkdir()
    for number in range(N_TRACKS):
        rng = identity.generator("bench", "corpus", number)
        t = np.arange(round(TRACK_S * rate)) / rate
        tones = sum(0.1 * np.sin(2 * np.pi * hz * t) for hz in rng.uniform(80, 1500, 5))
        samples = tones[:, None] + 0.01 * rng.standard_normal((len(t), channels))
        soundfile.write(folder / f"{number}.{name.lower()}", samples.astype(np.float32), rate)
