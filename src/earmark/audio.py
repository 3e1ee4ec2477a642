"""Audio files in, mono float32 out, and a short Ogg of it: the only room that touches codecs.

Decoding is libsndfile's, resampling soxr's at HQ. Two things libsndfile does silently are mended here: a
file shorter than its header says is refused, and an MP3 without a length header is read to its end.
"""

import io
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from earmark import containers
from earmark.errors import AudioError

RESAMPLER = "HQ"
STREAMED_ABOVE_S = 300.0
LOWEST_RATE_HZ = 1000
"""Below it a header is taken for damaged: resampled, a second of a file at 1 Hz would be hours."""
BLOCK_FRAMES = 1 << 20
OGG_BLOCK_FRAMES = 1 << 16
LONGEST_VORBIS_BLOCK = 8192
VORBIS_COMPRESSION = 0.7
"""libsndfile's: 0 is the best quality, 1 the smallest file."""

# Pinned by a test: after a seek inside these, other samples come than when decoding from the start.
INEXACT_SEEK = ("MP3", "OGG")
# libsndfile's word for a FLAC whose writer did not know its length.
UNKNOWN_FRAMES = (1 << 63) - 1

NOT_FINITE = "expected finite samples, got NaN or infinity. Export the file again."
NO_FFMPEG = "needs ffmpeg, which is not on PATH"
NEEDS_FFMPEG = (".m4a", ".aac", ".mp4", ".m4b", ".wma", ".ac3", ".webm", ".mka", ".ape", ".wv", ".mpc")


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


class _File(soundfile.SoundFile):  # type: ignore[misc] # soundfile publishes no types
    """An open file that is never told to seek where seeking is inexact.

    soundfile seeks to where it already is after every read, which makes blocks of an MP3 differ from the
    same samples read at once; a file that says it is not seekable is left alone.
    """

    def __init__(self, *source: object, **form: object) -> None:
        with _undisturbed():
            super().__init__(*source, **form)

    def read(self, *wanted: object, **how: object) -> np.ndarray:
        with _undisturbed():
            samples: np.ndarray = super().read(*wanted, **how)
        return samples

    def seekable(self) -> bool:
        return self.format not in INEXACT_SEEK and self.frames < UNKNOWN_FRAMES and bool(super().seekable())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait: within a callback of the decoder, which reads our mended files, it would be lost.

    The callback would return nothing, and a whole file look cut.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one is ever interrupted
        yield
        return
    asked = list[int]()
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if asked:
        signal.raise_signal(signal.SIGINT)


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that make samples, for keys."""
    return {"libsndfile": soundfile.__libsndfile_version__, "soxr": soxr.__libsoxr_version__, "resampler": RESAMPLER}


def is_outdated(reason: str) -> bool:
    """Return whether a file that failed for this reason may be readable now: the content was not to blame."""
    return NO_FFMPEG in reason and shutil.which("ffmpeg") is not None


def info(path: Path | str) -> AudioInfo:
    """Return what a file holds, from its header (by decoding only where the header does not say).

    Raises AudioError when the file is missing, empty, not audio, without samples, or visibly truncated.
    """
    with _opened(Path(path)) as file:
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
    with _opened(path) as file:
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
    with _opened(path) as file:
        start, stop = _region(path, file, start_s, end_s)
        found = _mono_blocks(path, file, start, stop)
        if sample_rate != file.samplerate:
            found = _resampled(found, file.samplerate, sample_rate)
        for block in found:
            if not np.isfinite(block).all():
                raise AudioError(path, NOT_FINITE)
            yield block


def mono(samples: Float32[np.ndarray, "frames channels"]) -> Float32[np.ndarray, " frames"]:
    """Mix down to the mean of the channels, equal to the bit to librosa's.

    Channels are added one by one because `ndarray.mean` over so short an axis is 19× slower.
    """
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    total: np.ndarray = samples[:, 0] + samples[:, 1]
    for channel in range(2, channels):
        total += samples[:, channel]
    total /= channels
    return total


def resample(
    samples: Float32[np.ndarray, " samples"], source_rate: int, target_rate: int
) -> Float32[np.ndarray, " resampled"]:
    """Resample mono audio with soxr HQ. Samples out: ceil(n · target_rate / source_rate), rates in Hz.

    Differs from soxr: the count is librosa's, so a last sample may be a zero that soxr did not compute.
    """
    if source_rate == target_rate:
        return samples
    resampled = soxr.resample(samples, source_rate, target_rate, quality=RESAMPLER)
    return _fitted(resampled, len(samples), source_rate, target_rate)


def encode_ogg(samples: Float32[np.ndarray, " samples"], sample_rate: int) -> bytes:
    """Return mono samples as an Ogg Vorbis file, clipped to [-1, 1]. The same samples give the same bytes.

    Rates from 8,000 Hz. Raises ValueError for no samples.
    """
    if not len(samples):
        raise ValueError("Expected samples to encode, got none.")
    clipped, held = np.clip(samples, -1.0, 1.0), io.BytesIO()
    how = {"format": "OGG", "subtype": "VORBIS", "compression_level": VORBIS_COMPRESSION}
    with soundfile.SoundFile(held, "w", sample_rate, channels=1, **how) as file:
        for start in range(0, len(clipped), OGG_BLOCK_FRAMES):  # its encoder takes stack by what it is given at once
            file.write(clipped[start : start + OGG_BLOCK_FRAMES])
    return containers.with_ogg_serial(held.getvalue())


def _streamed(
    blocks: Iterator[Float32[np.ndarray, " block"]], source_rate: int, target_rate: int, n_samples: int
) -> Float32[np.ndarray, " resampled"]:
    """Resample block by block, so that only the result has to fit in memory, once. `n_samples`: at most so many."""
    return _filled(_resampled(blocks, source_rate, target_rate), -(-n_samples * target_rate // source_rate))


def _resampled(
    blocks: Iterable[Float32[np.ndarray, " block"]], source_rate: int, target_rate: int
) -> Iterator[Float32[np.ndarray, " resampled"]]:
    """Yield blocks resampled, as many samples in all as `resample` returns."""
    stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality=RESAMPLER)
    n_in = n_out = 0
    for block in blocks:
        part = stream.resample_chunk(block)
        n_in, n_out = n_in + len(block), n_out + len(part)
        yield part
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    n_rest = max(0, -(-n_in * target_rate // source_rate) - n_out)
    yield np.pad(rest, (0, max(0, n_rest - len(rest))))[:n_rest]


def _fitted(
    resampled: Float32[np.ndarray, " any"], n_samples: int, source_rate: int, target_rate: int
) -> Float32[np.ndarray, " resampled"]:
    n_out = -(-n_samples * target_rate // source_rate)
    short = n_out - len(resampled)
    return np.pad(resampled, (0, short)) if short > 0 else resampled[:n_out]


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


def _region(path: Path, file: _File, start_s: float | None, end_s: float | None) -> tuple[int, int]:
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


def _mono_blocks(path: Path, file: _File, start: int, stop: int) -> Iterator[Float32[np.ndarray, " block"]]:
    """Yield the samples from `start` to `stop` mixed down: at once, or in blocks above five minutes."""
    position = start if file.seekable() else 0
    if position:
        file.seek(position)
    block = stop if stop - position <= STREAMED_ABOVE_S * file.samplerate else BLOCK_FRAMES
    while position < stop:
        wanted = min(block, stop - position)
        try:
            samples = file.read(wanted, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _truncated(path, f"it cannot be decoded ({error.error_string})") from error
        if position + len(samples) > start:
            yield mono(samples[max(start - position, 0) :])
        position += wanted
        if len(samples) < wanted:
            return _require_end(path, file, start, position - wanted + len(samples))


def _require_end(path: Path, file: _File, start: int, n_samples: int) -> None:
    """Raise AudioError unless a file ends where it stopped: an Ogg stream's count may not start at its first sample."""
    if file.format == "OGG" and start < n_samples and file.frames - n_samples < LONGEST_VORBIS_BLOCK:
        with path.open("rb") as raw:
            if containers.is_whole_ogg(raw):
                return
    got_s, said_s = n_samples / file.samplerate, file.frames / file.samplerate
    raise _truncated(path, f"its header says {said_s:.3f} s and it ends at {got_s:.3f} s")


def _truncated(path: Path, detail: str) -> AudioError:
    return AudioError(path, f"truncated or damaged: {detail}. Fetch or export the file again.")


def _opened(path: Path) -> _File:
    """Open a file whose `frames` can be trusted, or raise an AudioError that says why there is none."""
    try:
        with path.open("rb") as raw:
            if not (head := raw.read(4)):
                raise AudioError(path, "expected audio, got an empty file (0 bytes).")
            form = containers.raw_form(path)
            file = _File(path, **form) if form else _File(_mended(path, raw, head) or path)
    except FileNotFoundError as error:
        raise AudioError(path, "no such file.") from error
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror}).") from error
    except soundfile.LibsndfileError as error:
        # Of an MP3 that is none it says that there is no such file.
        why = "damaged, or no audio at all." if "does not exist" in error.error_string else error.error_string
        raise AudioError(path, f"expected audio, got what libsndfile cannot read ({why})") from error
    if detail := containers.what_libsndfile_missed(file.extra_info):
        raise _truncated(path, detail)
    if not file.frames:
        raise AudioError(path, "expected audio, got a file without samples.")
    if file.samplerate < LOWEST_RATE_HZ:
        raise AudioError(
            path, f"expected audio of at least {LOWEST_RATE_HZ:,} Hz, got {file.samplerate} Hz. Mend its header."
        )
    return file


def _mended(path: Path, raw: BinaryIO, head: bytes) -> BinaryIO | int | None:
    """Return what libsndfile shall read in place of the path, or None where the path will do."""
    if path.suffix.lower() in NEEDS_FFMPEG:
        return _by_ffmpeg(path)
    if detail := containers.what_is_missing(raw, head):
        raise _truncated(path, detail)
    if tag := containers.mpeg_length_tag(raw):
        n_samples = _count(tag.before(raw, tag.most_frames))
        return tag.before(raw, -(-n_samples // tag.frame_samples))
    if containers.lacks_flac_length(raw):
        return containers.with_flac_length(raw, _count(path))
    return containers.with_riff_length(raw)


def _count(source: Path | BinaryIO) -> int:
    """Return how many samples per channel a file holds, by decoding it."""
    with _File(source) as file:
        return sum(iter(lambda: len(file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)), 0))


def _by_ffmpeg(path: Path) -> int:
    """Decode what libsndfile cannot, by a pipe into a nameless file; return its descriptor."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(path, f"{path.suffix} {NO_FFMPEG}. Install it, or convert to FLAC.")
    command = [
        program,
        "-v",
        "error",
        "-xerror",
        "-nostdin",
        "-i",
        str(path),
        "-f",
        "au",
        "-acodec",
        "pcm_f32be",
        "pipe:1",
    ]
    with tempfile.TemporaryFile() as decoded:
        done = subprocess.run(command, stdout=decoded, stderr=subprocess.PIPE, check=False)
        if done.returncode or not os.fstat(decoded.fileno()).st_size:
            words = done.stderr.decode(errors="replace").split("\n")
            raise AudioError(path, f"ffmpeg cannot decode it: {words[0] or 'no output'}")
        os.lseek(decoded.fileno(), 0, os.SEEK_SET)
        return os.dup(decoded.fileno())
