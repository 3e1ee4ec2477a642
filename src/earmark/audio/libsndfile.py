"""The one file that imports soundfile: opening files so that what one says can be trusted, and writing a short Ogg.

Where libsndfile alone is wrong a file is mended on its way in, and what it cannot read ffmpeg decodes.
"""

import io
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from jaxtyping import Float32

from earmark import containers
from earmark.errors import AudioError

VERSION: str = soundfile.__libsndfile_version__
Undecodable = soundfile.LibsndfileError
LOWEST_RATE_HZ = 1000
"""Below it a header is taken for damaged: resampled, a second of a file at 1 Hz would be hours."""
COUNTED_FRAMES = 1 << 20
OGG_BLOCK_FRAMES = 1 << 16
VORBIS_COMPRESSION = 0.7
"""libsndfile's: 0 is the best quality, 1 the smallest file."""

# Pinned by a test: after a seek inside these, other samples come than when decoding from the start.
INEXACT_SEEK = ("MP3", "OGG")
# libsndfile's word for a FLAC whose writer did not know its length.
UNKNOWN_FRAMES = (1 << 63) - 1

NO_FFMPEG = "needs ffmpeg, which is not on PATH"
NEEDS_FFMPEG = (".m4a", ".aac", ".mp4", ".m4b", ".wma", ".ac3", ".webm", ".mka", ".ape", ".wv", ".mpc")


class File(soundfile.SoundFile):  # type: ignore[misc] # soundfile publishes no types
    """An open file that is never told to seek where seeking is inexact.

    soundfile seeks to where it already is after every read, which makes blocks of an MP3 differ from the
    same samples read at once; a file that says it is not seekable is left alone.
    """

    def __init__(self, *source: object, **form: object) -> None:
        with _undisturbed():
            super().__init__(*source, **form)

    def read(self, *wanted: object, **how: object) -> np.ndarray:
        """Read as soundfile does, and let Ctrl-C come after it."""
        with _undisturbed():
            samples: np.ndarray = super().read(*wanted, **how)
        return samples

    def seekable(self) -> bool:
        """Return whether seeking is possible, and exact."""
        return self.format not in INEXACT_SEEK and self.frames < UNKNOWN_FRAMES and bool(super().seekable())


def opened(path: Path) -> File:
    """Open a file whose `frames` can be trusted, or raise an AudioError that says why there is none."""
    try:
        str(path).encode()  # libsndfile cannot open another by name, and of what is mended no table could hold it
        with path.open("rb") as raw:
            if not (head := raw.read(4)):
                raise AudioError(path, "expected audio, got an empty file (0 bytes).")
            form = containers.raw_form(path)
            file = File(path, **form) if form else File(_mended(path, raw, head) or path)
    except FileNotFoundError as error:
        raise AudioError(path, "no such file.") from error
    except UnicodeEncodeError as error:
        raise AudioError(path, "its name is no text in UTF-8. Rename it.") from error
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror}).") from error
    except Undecodable as error:
        # Of an MP3 that is none it says that there is no such file.
        why = "damaged, or no audio at all." if "does not exist" in error.error_string else error.error_string
        raise AudioError(path, f"expected audio, got what libsndfile cannot read ({why})") from error
    if detail := containers.what_libsndfile_missed(file.extra_info):
        raise truncated(path, detail)
    if not file.frames:
        raise AudioError(path, "expected audio, got a file without samples.")
    if file.samplerate < LOWEST_RATE_HZ:
        raise AudioError(
            path, f"expected audio of at least {LOWEST_RATE_HZ:,} Hz, got {file.samplerate} Hz. Mend its header."
        )
    return file


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


def truncated(path: Path, detail: str) -> AudioError:
    """Return the error for a file that ends before it should, and how that shows."""
    return AudioError(path, f"truncated or damaged: {detail}. Fetch or export the file again.")


def _mended(path: Path, raw: BinaryIO, head: bytes) -> containers.Headed | int | None:
    """Return what libsndfile shall read in place of the path, or None where the path will do."""
    if path.suffix.lower() in NEEDS_FFMPEG:
        return _by_ffmpeg(path)
    if detail := containers.what_is_missing(raw, head):
        raise truncated(path, detail)
    if tag := containers.mpeg_length_tag(raw):
        n_samples = _count(tag.before(raw, tag.most_frames))
        return tag.before(raw, -(-n_samples // tag.frame_samples))
    if containers.lacks_flac_length(raw):
        return containers.with_flac_length(raw, _count(path))
    return containers.with_riff_length(raw)


def _count(source: Path | containers.Headed) -> int:
    """Return how many samples per channel a file holds, by decoding it."""
    with File(source) as file:
        return sum(iter(lambda: len(file.read(COUNTED_FRAMES, dtype="float32", always_2d=True)), 0))


def _by_ffmpeg(path: Path) -> int:
    """Decode what libsndfile cannot, by a pipe into a nameless file; return its descriptor."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(path, f"{path.suffix} {NO_FFMPEG}. Install it, or convert to FLAC.")
    how = ["-v", "error", "-xerror", "-nostdin"]
    command = [program, *how, "-i", str(path), "-f", "au", "-acodec", "pcm_f32be", "pipe:1"]
    with tempfile.TemporaryFile() as decoded:
        done = subprocess.run(command, stdout=decoded, stderr=subprocess.PIPE, check=False)
        if done.returncode or not os.fstat(decoded.fileno()).st_size:
            words = done.stderr.decode(errors="replace").split("\n")
            raise AudioError(path, f"ffmpeg cannot decode it: {words[0] or 'no output'}")
        os.lseek(decoded.fileno(), 0, os.SEEK_SET)
        return os.dup(decoded.fileno())


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
