"""From a file to the int16 samples of a track, or why it cannot be one. Many at once, in order."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int16

from earmark import audio
from earmark.datasets._sound import SHORTEST_S, SILENT_BELOW
from earmark.errors import AudioError
from earmark.identity import file_sha256
from earmark.nouns import Failure
from earmark.training._listing import Wanted

FULL_SCALE = 32768
BLOCK_SAMPLES = 1 << 20


class Quantised(NamedTuple):
    """Samples as they are stored. `peak` is the largest magnitude before, `n_clipped` how many were beyond ±1."""

    samples: Int16[np.ndarray, " samples"]
    peak: float
    n_clipped: int


class Heard(NamedTuple):
    """What becomes a track, and the sha256 of the file it is from."""

    wanted: Wanted
    quantised: Quantised
    sha256: str


def quantise(samples: Float32[np.ndarray, " samples"]) -> Quantised:
    """Round samples to steps of 1/32768, those beyond ±1 clipped; what was 16 bits before comes out bit for bit.

    In blocks: of three hours, two more copies would not fit into many a memory.
    """
    found, peak, n_clipped = np.empty(len(samples), np.int16), 0.0, 0
    for at in range(0, len(samples), BLOCK_SAMPLES):
        block = samples[at : at + BLOCK_SAMPLES]
        magnitudes = np.abs(block)
        peak = max(peak, float(magnitudes.max()))
        n_clipped += int(np.count_nonzero(magnitudes > 1))
        found[at : at + len(block)] = np.clip(np.rint(block * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return Quantised(found, peak, n_clipped)


def hear(wanted: Wanted, sample_rate: int) -> Heard | Failure:
    """Decode a clip to mono at `sample_rate` Hz; what cannot be read, is silent or too short is a failure."""
    clip = wanted.clip
    try:
        samples = audio.read(clip.path, sample_rate, clip.start_s, clip.end_s).samples
        sha256 = file_sha256(clip.path)
    except AudioError as error:
        return _failure(wanted, error.reason)
    except OSError as error:  # gone between the two
        return _failure(wanted, f"cannot be opened ({error.strerror}).")
    if len(samples) < SHORTEST_S * sample_rate:
        return _failure(wanted, f"too short to learn from: {len(samples)} samples at {sample_rate} Hz, under 0.1 s.")
    found = quantise(samples)
    if found.peak < SILENT_BELOW:
        return _failure(wanted, "silent: its peak is below −80 dB.")
    return Heard(wanted, found, sha256)


def hear_all(wanted: Iterable[Wanted], sample_rate: int, jobs: int) -> Generator[Heard | Failure]:
    """Yield what becomes of each, in order; `jobs` threads decode, and at most jobs + 1 tracks are held at once.

    Threads will do: decoding, resampling and hashing let go of the interpreter.
    """
    waiting = deque[Future[Heard | Failure]]()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for one in wanted:
                waiting.append(pool.submit(hear, one, sample_rate))
                if len(waiting) > jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _failure(wanted: Wanted, reason: str) -> Failure:
    return Failure(wanted.dataset, wanted.id, wanted.clip.path.as_posix(), reason)
