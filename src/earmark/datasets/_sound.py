"""Listening to every clip once: what cannot be read, is silent, clipped, too short, or there twice."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from earmark import audio
from earmark.counted import counted
from earmark.datasets._finding import Finding, Severity
from earmark.datasets.base import Dataset
from earmark.errors import AudioError
from earmark.identity import file_sha256
from earmark.nouns import Clip

SHORTEST_S = 0.1
SILENT_BELOW = 1e-4  # −80 dB of full scale
FULL_SCALE = 0.999
CLIPPED_RUN_SAMPLES = 3  # a single peak that touches full scale is no damage
CLIPPED_FRACTION = 0.001


class Sound(NamedTuple):
    """One clip as heard. `peak` is the largest magnitude, `clipped` a fraction of samples of the mono mix."""

    sha256: str
    sample_rate: int
    duration_s: float
    peak: float
    clipped: float
    reason: str | None = None


def listen(clips: Iterable[Clip], jobs: int = 1) -> dict[str, Sound]:
    """Return what is heard in each clip, by its id. `jobs` threads read at once and change nothing else."""
    ordered = list(clips)
    paths = sorted({clip.path for clip in ordered})
    with ThreadPoolExecutor(jobs) as pool:
        hashes = dict(zip(paths, pool.map(_sha256, paths), strict=True))
        heard = pool.map(lambda clip: _listen(clip, hashes[clip.path]), ordered)
        return {clip.id: sound for clip, sound in zip(ordered, heard, strict=True)}


def clipped_fraction(samples: Float32[np.ndarray, " samples"]) -> float:
    """Return the fraction of samples in runs of at least 3 at full scale."""
    is_full = np.concatenate([[False], np.abs(samples) >= FULL_SCALE, [False]])
    edges = np.flatnonzero(is_full[1:] != is_full[:-1])
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= CLIPPED_RUN_SAMPLES].sum() / max(len(samples), 1))


def sound_findings(sounds: Mapping[str, Sound]) -> list[Finding]:
    """Return what is wrong with single clips, and which sample rates there are."""
    heard = {name: sound for name, sound in sounds.items() if sound.reason is None}
    unreadable = tuple(f"{name} ({sound.reason})" for name, sound in sounds.items() if sound.reason is not None)
    silent = tuple(name for name, sound in heard.items() if sound.peak < SILENT_BELOW)
    clipped = [(name, sound.clipped) for name, sound in heard.items() if sound.clipped >= CLIPPED_FRACTION]
    short = [(name, sound.duration_s) for name, sound in heard.items() if sound.duration_s < SHORTEST_S]
    rates = Counter(sound.sample_rate for sound in heard.values())
    rows: list[tuple[Severity, tuple[str, ...], str, str]] = [
        ("error", unreadable, "cannot be read", "Replace or remove them: a run lists them and goes on."),
        ("warning", silent, "silent (peak below −80 dB)", "Remove them or export them again."),
        ("warning", tuple(f"{n} ({part:.1%})" for n, part in clipped), "clipped", "Export again with less gain."),
        ("warning", tuple(f"{n} ({s:.3f} s)" for n, s in short), f"shorter than {SHORTEST_S} s", "Remove them."),
    ]
    found = [
        Finding(severity, f"{counted(len(about), 'clip')} {what}", about, remedy)
        for severity, about, what, remedy in rows
        if about
    ]
    if len(rates) > 1:
        named = tuple(f"{rate} Hz ({count})" for rate, count in rates.most_common())
        remedy = "Nothing to do: each is resampled. Make sure that no class has a rate of its own."
        found.append(Finding("info", f"{len(rates)} sample rates", named, remedy))
    return found


def duplicate_findings(dataset: Dataset, sounds: Mapping[str, Sound]) -> list[Finding]:
    """Return clips with the same audio: errors where their targets differ or where they straddle a split."""
    alike: dict[tuple[str, float | None, float | None], list[Clip]] = defaultdict(list)
    for clip in dataset.clips:
        if sounds[clip.id].reason is None:
            alike[sounds[clip.id].sha256, clip.start_s, clip.end_s].append(clip)
    roles = [
        {name: role for role in ("train", "valid", "test") for name in getattr(split, role)}
        for folds in dataset.splits.values()
        for split in folds
    ]
    sets = defaultdict[str, list[str]](list)
    for clips in (clips for clips in alike.values() if len(clips) > 1):
        straddle = any(len({parts[clip.id] for clip in clips if clip.id in parts}) > 1 for parts in roles)
        differ = any(clip.targets != clips[0].targets for clip in clips)
        kind = "differ" if differ else "straddle" if straddle else "twice"
        sets[kind].append(" = ".join(clip.id for clip in clips))
    one_group = "Keep one of each, or give them one group, so that no split parts them."
    rows: list[tuple[str, Severity, str, str]] = [
        ("differ", "error", "and different labels", "Keep the right one of each."),
        ("straddle", "error", "in two parts of a split", one_group),
        ("twice", "warning", "", one_group),
    ]
    return [
        Finding(
            severity, f"{counted(len(about), 'set')} of clips with the same audio {what}".strip(), tuple(about), remedy
        )
        for kind, severity, what, remedy in rows
        if (about := sets[kind])
    ]


def _sha256(path: Path) -> str:
    """Return the hash of a file, or nothing where there is no file to hash."""
    try:
        return file_sha256(path)
    except OSError:
        return ""


def _listen(clip: Clip, sha256: str) -> Sound:
    try:
        found = audio.read(clip.path, None, clip.start_s, clip.end_s)
    except AudioError as error:
        return Sound(sha256, 0, 0.0, 0.0, 0.0, error.reason)
    samples = found.samples
    duration_s = len(samples) / found.sample_rate
    return Sound(sha256, found.sample_rate, duration_s, float(np.abs(samples).max()), clipped_fraction(samples))
