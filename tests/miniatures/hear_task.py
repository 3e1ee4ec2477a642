"""Task folders as hear-preprocess writes them: fixed parts and folds, at 16 and 48 kHz, scenes and events.

Read from: hear-preprocess' pipeline.py (folders by rate and part, one JSON a part with `indent=True`, the sorted
vocabulary as idx,label, labelcount_….json beside them) and schema of task_config.py; hear-eval-kit's readers.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from tests.miniatures import LENGTH_S

RATES = (16000, 48000)
TVT = ("train", "valid", "test")
PITCHES = (57, 60, 64)


class Made(NamedTuple):
    """A task to write: its folder, its metadata, and the labels of each file by part."""

    folder: str
    metadata: Mapping[str, Any]
    labels: Mapping[str, Mapping[str, list[Any]]]


def folds_of(n: int) -> tuple[str, ...]:
    """Return fold00, fold01 and so on."""
    return tuple(f"fold{i:02d}" for i in range(n))


def multiclass(folder: str, parts: Sequence[str], **metadata: Any) -> Made:
    """Return a task of three classes, two clips each in every part; libricount's labels are whole numbers."""
    classes: Sequence[Any] = PITCHES if "pitch" in folder or "libricount" in folder else ("a", "b", "c")
    labels = {
        part: {f"{part[:2]}{i}-{one}-{take}.wav": [one] for one in classes for take in range(2)}
        for i, part in enumerate(parts)
    }
    return Made(folder, _metadata(folder, parts, "multiclass", "scene") | metadata, labels)


def multilabel(folder: str, parts: Sequence[str]) -> Made:
    """Return a task of several labels a clip, in no order, and one clip with none."""
    sets: Sequence[list[Any]] = (["b", "a"], ["c"], ["a"], ["b", "c"], ["b"], [])
    labels = {part: {f"{i}{part[0]}{part[-1]}.wav": one for i, one in enumerate(sets)} for part in parts}
    return Made(folder, _metadata(folder, parts, "multilabel", "scene"), labels)


def events(folder: str, parts: Sequence[str]) -> Made:
    """Return a task of events: a label with its start and end in milliseconds."""
    labels: Mapping[str, Mapping[str, list[Any]]] = {
        part: {f"{part}.wav": [{"label": "knock", "start": 100.0, "end": 250.0}]} for part in parts
    }
    return Made(folder, _metadata(folder, parts, "multilabel", "event"), labels)


def _metadata(folder: str, parts: Sequence[str], prediction: str, embedding: str) -> dict[str, Any]:
    name, version, mode = folder.split("-")[0], folder.split("-")[1], folder.split("-")[-1]
    folded = parts != TVT
    return {
        "task_name": name,
        "version": version,
        "embedding_type": embedding,
        "prediction_type": prediction,
        "split_mode": "new_split_kfold" if folded else "trainvaltest",
        **({"nfolds": len(parts)} if folded else {}),
        "sample_duration": LENGTH_S,
        "evaluation": ["pitch_acc", "chroma_acc"] if name == "nsynth_pitch" else ["top1_acc"],
        "default_mode": mode,
        "tmp_dir": "_workdir",
        "mode": mode,
        "splits": list(parts),
    }


def write(root: Path, made: Made, rates: Sequence[int] = RATES) -> Path:
    """Write a task's folder below `root`, its audio at each rate, and return it. A class is a tone."""
    folder = root / made.folder
    folder.mkdir(parents=True)
    (folder / "task_metadata.json").write_text(json.dumps(made.metadata, indent=True))
    words = sorted({_word(one) for part in made.labels.values() for labels in part.values() for one in labels})
    with (folder / "labelvocabulary.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("idx", "label"), *enumerate(words)])
    for part, of_part in made.labels.items():
        (folder / f"{part}.json").write_text(json.dumps(of_part, indent=True))
        (folder / f"labelcount_{part}.json").write_text("{}")
        for rate in rates:
            (folder / str(rate) / part).mkdir(parents=True)
            for place, (name, labels) in enumerate(of_part.items()):
                midi = [48 + 5 * words.index(_word(one)) for one in labels]
                soundfile.write(folder / str(rate) / part / name, _tones(midi, place, rate), rate)
    return folder


def _word(label: Any) -> str:
    return str(label["label"] if isinstance(label, dict) else label)


def _tones(midi: Sequence[int], take: int, rate: int) -> np.ndarray:
    seconds = np.arange(int(LENGTH_S * rate)) / rate
    noise = 0.01 * np.random.default_rng(take).standard_normal(len(seconds))
    tones = [np.sin(2 * np.pi * 440 * 2 ** ((one - 69) / 12) * seconds + take) for one in midi]
    return np.asarray(0.2 * np.sum(tones, axis=0) + noise if tones else noise, dtype=np.float32)
