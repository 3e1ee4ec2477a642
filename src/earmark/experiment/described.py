"""Labels that are computed from the audio: each clip is heard once for all of them, and each number is kept.

The numbers are rows of the store, under keys of the audio, the region, and the descriptor with its version. A dataset
that has been described is like any other: its clips carry targets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark import audio
from earmark.analysis.descriptors import DESCRIPTORS
from earmark.datasets._finding import listed
from earmark.datasets.base import Dataset
from earmark.errors import AudioError, DataError
from earmark.experiment import engines
from earmark.experiment.keys import libraries, region_of
from earmark.experiment.progress import bar
from earmark.experiment.subjects import Placed
from earmark.identity import key_of
from earmark.nouns import Clip
from earmark.store import Store

CHUNK_CLIPS = 64


@dataclass(frozen=True)
class Errand:
    """A clip to be heard, and the keys of the numbers that are wanted of it, by label."""

    placed: Placed
    audio_sha256: str
    keys: Mapping[str, str]


class Heard(NamedTuple):
    """What came of some errands: numbers by key (NaN: there is none), seconds of audio, clips that cannot be read."""

    numbers: Mapping[str, float]
    audio_s: float
    unreadable: Mapping[str, str]


def with_labels(
    dataset: Dataset,
    labels: Sequence[str],
    store: Store,
    hash_of: Callable[[Placed], str],
    jobs: int = 1,
    quiet: bool = False,
) -> Dataset:
    """Return a dataset whose clips carry the labels of DESCRIPTORS that are asked for; `jobs` processes hear it.

    A clip that has no such number lacks the label. One that cannot be read lacks them all, and a note says so.
    Raises DataError where the dataset has a label of that name itself.
    """
    if taken := sorted(set(labels) & set(dataset.labels)):
        raise DataError(
            f"Dataset '{dataset.name}' has a label '{taken[0]}' of its own, which is the name of what earmark "
            "computes. Rename the label."
        )
    errands = {clip.id: _errand(Placed(dataset.name, clip), labels, hash_of) for clip in dataset.clips}
    unreadable = _hear(errands.values(), store, jobs, quiet)
    keys = {key for one in errands.values() for key in one.keys.values()}
    numbers = _read(store, sorted(store.has(keys)))
    clips = tuple(_described(clip, errands[clip.id].keys, numbers) for clip in dataset.clips)
    said = [f"{id_} ({reason})" for id_, reason in sorted(unreadable.items())]
    notes = (f"nothing computed of clips that cannot be read: {listed(said)}",) if said else ()
    return replace(dataset, clips=clips, notes=(*dataset.notes, *notes))


def _errand(placed: Placed, labels: Sequence[str], hash_of: Callable[[Placed], str]) -> Errand:
    audio_sha256, region = hash_of(placed), region_of(placed.clip)
    keys = {
        label: key_of(
            descriptor=label,
            version=DESCRIPTORS[label].version,
            audio_sha256=audio_sha256,
            region=region,
            libraries=libraries(False),
        )
        for label in labels
    }
    return Errand(placed, audio_sha256, keys)


def _hear(errands: Iterable[Errand], store: Store, jobs: int, quiet: bool) -> dict[str, str]:
    """Put into the store what it lacks; return why a clip cannot be read, by id."""
    todo = [left for left in (_left(errand, store) for errand in errands) if left.keys]
    if not todo:
        return {}
    chunks = [todo[start : start + CHUNK_CLIPS] for start in range(0, len(todo), CHUNK_CLIPS)]
    by_key = {key: (one, label) for one in todo for label, key in one.keys.items()}
    unreadable: dict[str, str] = {}
    with engines.Local(store.root, jobs) as engine, bar("listen", len(todo), quiet) as shown, store.writer() as writer:
        for heard in engine.map(chunks, listen):
            for key, number in heard.numbers.items():
                # The store holds finite numbers only: the second says whether there is a first.
                row = np.array([0, 0] if np.isnan(number) else [number, 1], np.float32)
                writer.put(key, row, _provenance(*by_key[key]))
            unreadable |= heard.unreadable
            shown.advance(min(CHUNK_CLIPS, len(todo) - shown.done), heard.audio_s)
    return unreadable


def _left(errand: Errand, store: Store) -> Errand:
    here = store.has(errand.keys.values())
    return replace(errand, keys={label: key for label, key in errand.keys.items() if key not in here})


def listen(errands: Sequence[Errand], root: Path) -> Heard:
    """Decode each clip once and compute what is wanted of it; `root` is that of the store, which is left alone."""
    numbers: dict[str, float] = {}
    unreadable: dict[str, str] = {}
    audio_s = 0.0
    for errand in errands:
        clip = errand.placed.clip
        try:
            samples, sample_rate = audio.read(clip.path, None, clip.start_s, clip.end_s)
        except AudioError as error:
            unreadable[clip.id] = error.reason
            continue
        audio_s += len(samples) / sample_rate
        for label, key in errand.keys.items():
            numbers[key] = DESCRIPTORS[label].function(samples, sample_rate)
    return Heard(numbers, audio_s, unreadable)


def _provenance(errand: Errand, label: str) -> dict[str, object]:
    return {
        "dataset": errand.placed.dataset,
        "clip": errand.placed.clip.id,
        "audio_sha256": errand.audio_sha256,
        "descriptor": label,
        "version": DESCRIPTORS[label].version,
    }


def _read(store: Store, keys: Sequence[str]) -> dict[str, float]:
    """Return the numbers that there are, by key."""
    rows = store.get(keys) if keys else np.zeros((0, 2))
    return {key: float(number) for key, (number, is_there) in zip(keys, rows, strict=True) if is_there}


def _described(clip: Clip, keys: Mapping[str, str], numbers: Mapping[str, float]) -> Clip:
    found = {label: numbers[key] for label, key in keys.items() if key in numbers}
    return replace(clip, targets={**clip.targets, **found})
