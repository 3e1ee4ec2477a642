"""Audio files in, mono float32 out, and a short Ogg of it: the only room that touches codecs.

Decoding is libsndfile's, resampling soxr's at HQ. Two things libsndfile does silently are mended here: a
file shorter than its header says is refused, and an MP3 without a length header is read to its end.
"""

import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from earmark import containers
from earmark.audio import libsndfile, resampling
from earmark.audio.libsndfile import (
    INEXACT_SEEK,
    NEEDS_FFMPEG,
    NO_FFMPEG,
    File,
    Undecodable,
    encode_ogg,
    opened,
    truncated,
)
from earmark.audio.resampling import mono, resample, resampled
from earmark.errors import AudioError

__all__ = [
    "INEXACT_SEEK",
    "NEEDS_FFMPEG",
    "NO_FFMPEG",
    "Audio",
    "AudioInfo",
    "blocks",
    "encode_ogg",
    "info",
    "is_outdated",
    "library_versions",
    "mono",
    "read",
    "resample",
]

STREAMED_ABOVE_S = 300.0
BLOCK_FRAMES = 1 << 20
LONGEST_VORBIS_BLOCK = 8192
NOT_FINITE = "expected finite samples, got NaN or infinity. Export the file again."


class Audio(NamedTuple):
    """Mono samples in [-1, 1] (a float file may exceed it) and their rate in Hz."""

    samples: Float32[np.ndarray, " samples"]
    sample_rate: int


class AudioInfo(NamedTuple):
    """What a file holds: frames are samples per channel, at `sample_rate` Hz; `format` is libsndfile's name."""

    frames: int
    sample_rate: int
    channels: int
    format: str
    duration_s: float


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that make samples, for keys."""
    return {"libsndfile": libsndfile.VERSION, "soxr": resampling.VERSION, "resampler": resampling.QUALITY}


def is_outdated(reason: str) -> bool:
    """Return whether a file that failed for this reason may be readable now: the content was not to blame."""
    return NO_FFMPEG in reason and shutil.which("ffmpeg") is not None


def info(path: Path | str) -> AudioInfo:
    """Return what a file holds, from its header (by decoding only where the header does not say).

    Raises AudioError when the file is missing, empty, not audio, without samples, or visibly truncated.
    """
    with opened(Path(path)) as file:
        duration_s = file.frames / file.samplerate
        return AudioInfo(file.frames, file.samplerate, file.channels, file.format, duration_s)


def read(
    path: Path | str, sample_rate: int | None = None, start_s: float | None = None, end_s: float | None = None
) -> Audio:
    """Read a file, or the region from `start_s` to `end_s`, as mono at `sample_rate` (None: its own).

    The region runs from sample round(start_s · rate) up to round(end_s · rate) at the file's own rate and is
    cut before resampling. Samples out: ceil(n · sample_rate / rate) for n samples read. Equal to the bit to
    `librosa.load(res_type="soxr_hq")` on WAV and FLAC. Above five minutes the file is streamed in blocks,
    which changes no bit. m4a, aac and wma go through `ffmpeg` where it is on PATH.

    Raises AudioError when the file is missing, empty, not audio, truncated or without samples, when a
    sample is not finite, and when the region is not inside the file. Never returns fewer samples than asked, but
    at the end of an Ogg stream that is whole and yet up to 8,191 samples shorter than its count says.
    """
    path = Path(path)
    with opened(path) as file:
        start, stop = _region(path, file, start_s, end_s)
        blocks = _mono_blocks(path, file, start, stop)
        rate = file.samplerate if sample_rate is None else sample_rate
        if rate == file.samplerate:
            samples = _joined(blocks, stop - start)
        elif stop - start <= STREAMED_ABOVE_S * file.samplerate:
            samples = resample(_joined(blocks, stop - start), file.samplerate, rate)
        else:
            samples = _streamed(blocks, file.samplerate, rate, stop - start)
    if not all(np.isfinite(samples[at : at + BLOCK_FRAMES]).all() for at in range(0, len(samples), BLOCK_FRAMES)):
        raise AudioError(path, NOT_FINITE)
    return Audio(samples, rate)


def blocks(
    path: Path | str, sample_rate: int, start_s: float | None = None, end_s: float | None = None
) -> Iterator[Float32[np.ndarray, " block"]]:
    """Yield what `read` returns, the same to the bit, in blocks: memory holds a block, however long the file.

    Raises what `read` raises, after the blocks that could be read.
    """
    path = Path(path)
    with opened(path) as file:
        start, stop = _region(path, file, start_s, end_s)
        found = _mono_blocks(path, file, start, stop)
        if sample_rate != file.samplerate:
            found = resampled(found, file.samplerate, sample_rate)
        for block in found:
            if not np.isfinite(block).all():
                raise AudioError(path, NOT_FINITE)
            yield block


def _streamed(
    blocks: Iterator[Float32[np.ndarray, " block"]], source_rate: int, target_rate: int, n_samples: int
) -> Float32[np.ndarray, " resampled"]:
    """Resample block by block, so that only the result has to fit in memory, once. `n_samples`: at most so many."""
    return _filled(resampled(blocks, source_rate, target_rate), -(-n_samples * target_rate // source_rate))


def _joined(blocks: Iterator[Float32[np.ndarray, " block"]], n_samples: int) -> Float32[np.ndarray, " samples"]:
    first = next(blocks)
    return first if len(first) == n_samples else _filled(chain([first], blocks), n_samples)


def _filled(parts: Iterable[Float32[np.ndarray, " part"]], n_samples: int) -> Float32[np.ndarray, " samples"]:
    """Return the parts in order, what is over so many samples left out. np.concatenate would hold everything twice."""
    found, at = np.zeros(n_samples, np.float32), 0
    for part in parts:
        fits = part[: n_samples - at]
        found[at : at + len(fits)] = fits
        at += len(fits)
    return found[:at]


def _region(path: Path, file: File, start_s: float | None, end_s: float | None) -> tuple[int, int]:
    """Return the first sample of a region and the one after its last."""
    duration_s = file.frames / file.samplerate
    first_s, last_s = start_s or 0.0, duration_s if end_s is None else end_s
    if not 0 <= first_s < duration_s or not last_s - duration_s < 0.5 / file.samplerate:
        reason = f"expected a region inside the file ({duration_s:.6g} s), got {first_s:.6g} s to {last_s:.6g} s."
        raise AudioError(path, reason)
    start, stop = round(first_s * file.samplerate), min(round(last_s * file.samplerate), file.frames)
    if start >= stop:
        raise AudioError(path, f"expected a region that ends after it starts, got {first_s:.6g} s to {last_s:.6g} s.")
    return start, stop


def _mono_blocks(path: Path, file: File, start: int, stop: int) -> Iterator[Float32[np.ndarray, " block"]]:
    """Yield the samples from `start` to `stop` mixed down: at once, or in blocks above five minutes."""
    position = start if file.seekable() else 0
    if position:
        file.seek(position)
    block = stop if stop - position <= STREAMED_ABOVE_S * file.samplerate else BLOCK_FRAMES
    while position < stop:
        wanted = min(block, stop - position)
        try:
            samples = file.read(wanted, dtype="float32", always_2d=True)
        except Undecodable as error:
            raise truncated(path, f"it cannot be decoded ({error.error_string})") from error
        if position + len(samples) > start:
            yield mono(samples[max(start - position, 0) :])
        position += wanted
        if len(samples) < wanted:
            return _require_end(path, file, start, position - wanted + len(samples))


def _require_end(path: Path, file: File, start: int, n_samples: int) -> None:
    """Raise AudioError unless a file ends where it stopped: an Ogg stream's count may not start at its first sample."""
    if file.format == "OGG" and start < n_samples and file.frames - n_samples < LONGEST_VORBIS_BLOCK:
        with path.open("rb") as raw:
            if containers.is_whole_ogg(raw):
                return
    got_s, said_s = n_samples / file.samplerate, file.frames / file.samplerate
    raise truncated(path, f"its header says {said_s:.3f} s and it ends at {got_s:.3f} s")
