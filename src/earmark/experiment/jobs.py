"""The jobs of a plan: values named by their content, which engines hand to workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from earmark.experiment.keys import Want
from earmark.experiment.pairings import Pairing
from earmark.experiment.spec import ProbeChoice, RepresentationChoice
from earmark.experiment.subjects import Placed
from earmark.probes.base import AnyRecipe

PROBE, SCORE, PREDICTIONS = ".safetensors", ".json", ".parquet"


class Made(NamedTuple):
    """What is made of a recipe and some data: its name in keys and their version, and where the store keeps it."""

    name: str
    version: int
    folder: str
    suffix: str


PROBES = Made("probe", 3, "probes", PROBE)
CODELENGTHS = Made("codelength", 2, "codelengths", ".json")


@dataclass(frozen=True)
class ClipWork:
    """A clip that is decoded once for all the embeddings wanted of it."""

    placed: Placed
    audio_sha256: str
    wants: tuple[Want, ...]


@dataclass(frozen=True)
class Shard:
    """The unit of embedding work, named by its content."""

    name: str
    works: tuple[ClipWork, ...]


@dataclass(frozen=True)
class Fit:
    """One probe to fit, all seeds in one stack; `keys` are the probes' keys in the order of the seeds.

    `recipe` is that of the probe, made to choose a layer where the representation asks for the best. `follows`: the
    keys of the probes, one a seed, whose choice among candidates is used here.
    """

    pairing: Pairing
    probe: ProbeChoice
    recipe: AnyRecipe
    seeds: tuple[int, ...]
    keys: tuple[str, ...]
    follows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scoring:
    """A probe scored under its conditions: chain name → key of the answer. No probe: the constant predictor.

    `tuned`: of the heads of fine-tuned networks, what each seed's head hears; the parts of a test clip's embedding are
    then by these, one a seed, and not by a joined name.
    """

    pairing: Pairing
    probe: ProbeChoice | None
    seeds: tuple[int, ...]
    probe_keys: tuple[str, ...]
    metrics: tuple[str, ...]
    conditions: Mapping[str, str]
    resamples: int
    ci_level: float
    per: tuple[str, ...]
    train_share: float
    tuned: tuple[RepresentationChoice, ...] = ()


@dataclass(frozen=True)
class FoldMean:
    """One system in every fold of a split, and the keys of the answers on average: chain name → key."""

    folds: tuple[Scoring, ...]
    conditions: Mapping[str, str]
