"""Short audio files for catalogues, and all that a catalogue holds, wherever it lies."""

import hashlib
from pathlib import Path

import numpy as np
import soundfile

from earmark.catalogue import listing, reader
from earmark.catalogue.reader import Catalogue

RATE = 22050
NETWORK = "logmel"


def sounding(path: Path, seed: int, seconds: float = 0.5, rate: int = RATE) -> Path:
    """Write a tone in noise, of which no two seeds sound alike."""
    rng = np.random.Generator(np.random.PCG64(seed))
    t = np.arange(round(seconds * rate)) / rate
    samples = 0.3 * np.sin(2 * np.pi * rng.uniform(100, 3000) * t) + 0.03 * rng.standard_normal(len(t))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def folder_of(root: Path, n: int, seconds: float = 0.5) -> Path:
    """Write so many files, the odd ones a folder deeper."""
    for seed in range(n):
        sounding(root / ("deeper" if seed % 2 else ".") / f"{seed:02d}.wav", seed, seconds)
    return root


def held(catalogue: Catalogue | Path) -> dict[str, object]:
    """Return what a catalogue says of each file, and its rows by content; not how they lie in parts."""
    opened = reader.load(catalogue) if isinstance(catalogue, Path) else catalogue
    files = sorted(
        (one.id, one.start_s or 0.0, one.key, one.state, one.reason) for one in listing.entries(opened.files)
    )
    rows = {}
    for key, part, start, stop in opened.tracks():
        told = part.records[start:stop][["start_ms", "end_ms"]]
        assert key not in rows, "a content counts once"
        rows[key] = hashlib.sha256(part.rows[start:stop].tobytes()).hexdigest(), told["end_ms"].tolist()
    return {"files": files, "rows": rows}
