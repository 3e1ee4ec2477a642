"""The frozen values that every room speaks of. No behaviour beyond what their fields say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["multiclass", "multilabel", "regression", "pitch", "key"]
Target = str | int | float | tuple[str, ...] | tuple[float, ...]


@dataclass(frozen=True)
class Clip:
    """What a dataset annotates: an audio file, or a region of one.

    `id` is the given id, else the path relative to the dataset root ('/' and NFC), plus `#start-end`.
    `targets` maps a label's name to its value: a class name (multiclass, key: "C# minor"), a tuple of
    class names (multilabel), a MIDI number (pitch), a number or tuple of numbers (regression).
    `group` names what must not straddle splits: a track, artist, singer or instrument.
    """

    id: str
    path: Path
    start_s: float | None = None
    end_s: float | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    group: str | None = None


@dataclass(frozen=True)
class Split:
    """Clip ids by role."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where something comes from. `url` may be "pypi:name==version", "npm:…", "debian:…"."""

    url: str
    licence: str
    sha256: str | None = None
    citation: str = ""


@dataclass(frozen=True)
class Card:
    """What must be known of a representation before a number of it is believed.

    `layers` counts the layer axis; `layer_0` says what its first entry is. `frame_rate_hz` is
    sample_rate / hop_samples. `version` is raised whenever its numbers change. `verified`: "parity" =
    equal to an independent implementation here, "real" = also ran real weights here, "no" = neither.
    """

    name: str
    version: int
    sample_rate: int
    frame_rate_hz: float
    dim: int
    layers: int
    layer_0: str
    min_samples: int
    max_samples: int | None
    padding_safe: bool
    architecture: str
    n_parameters: int
    trained_on: str
    objective: str
    licence: str
    commercial: bool
    citation: str
    verified: Literal["parity", "real", "no"]
    sources: tuple[Source, ...] = ()
    weights_sha256: str = ""


@dataclass(frozen=True)
class Failure:
    """A clip that could not be used, and why."""

    dataset: str
    clip: str
    path: str
    reason: str


@dataclass(frozen=True)
class Result:
    """One measured number and everything needed to trust it: a row of results.jsonl (schema 1).

    One row per metric, label and average. `seed` None is the mean over `n_seeds` seeds. `average` is
    "micro" or "macro" (label None) or None (label named). A None is never a number: `value` None means
    undefined (a label without positives). `n` counts clips, `n_failed` clips that could not be scored.
    """

    run: str
    task: str
    dataset: str
    dataset_version: str
    split: str
    fold: int
    representation: str
    layer: str
    pool: str
    deformation: str
    severity: float | None
    probe: str
    preset: str | None
    seed: int | None
    n_seeds: int
    metric: str
    average: str | None
    label: str | None
    value: float | None
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    ci_method: str
    n: int
    n_groups: int | None
    n_failed: int
    n_labels: int
    unverified: bool
    embedding_key: str
    probe_key: str
    code_version: str
    device: str
    seconds: float
    schema: int = 1
