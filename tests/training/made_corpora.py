"""Audio to make corpora of, and corpora of numbers that need none."""

from pathlib import Path

import numpy as np
import soundfile

from earmark import identity
from earmark.training.corpus import Corpus, Track

RATE = 8000


def noise(name: str, n_samples: int) -> np.ndarray:
    """Return samples that fit 16 bits exactly, other ones for each name."""
    steps = identity.generator("test", "corpus", name).integers(-9000, 9000, n_samples)
    return steps.astype(np.float32) / 32768


def audio_folder(root: Path, n_files: int = 6, seconds: float = 0.4) -> Path:
    """Write 16-bit files at `RATE`, each somewhat longer than the one before, in two folders, and a text."""
    for number in range(n_files):
        path = root / ("a", "b")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(path.stem, round(seconds * RATE) + number), RATE, subtype="PCM_16")
    (root / "notes.txt").write_text("no audio")
    return root


def corpus_of(folder: Path, *lengths: int, sample_rate: int = 10) -> Corpus:
    """Return a corpus of tracks "0", "1", … of these numbers of samples; the samples of all count from 0 up."""
    np.arange(sum(lengths), dtype="<i2").tofile(folder / "samples.i16")
    ends = np.cumsum(lengths).tolist()
    tracks = [
        Track(str(number), end - length, length, f"{number:064}", 0)
        for number, (end, length) in enumerate(zip(ends, lengths, strict=True))
    ]
    return Corpus(folder, sample_rate, tuple(tracks), "key")


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a corpus' folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
