"""How far the embeddings of a run's test clips moved under each deformation: robustness.jsonl in its folder.

It is of embeddings alone, so of no task: the test clips of all tasks on a dataset together. What was measured is
kept in the store under the keys of the embeddings, so a run that goes on does not measure twice.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from earmark import durable, identity
from earmark.analysis import drift
from earmark.analysis.stats import Estimate
from earmark.deformations import CLEAN, Chain, severity_of
from earmark.experiment import vectors
from earmark.experiment.pairings import grains_of, pool_name
from earmark.experiment.scoring import groups_of
from earmark.experiment.spec import Experiment, RepresentationChoice
from earmark.experiment.study import Study
from earmark.experiment.subjects import Placed
from earmark.representations.embed import Grain
from earmark.store import Store

FILE = "robustness.jsonl"
VERSION = 3
NOT_MOVED = "the embedding does not move, or there are too few groups of clips to hold some out"
ALIKE = "the clean embeddings are alike"


@dataclass(frozen=True)
class Drift:
    """One measure of `analysis.drift` for one deformation: a row of robustness.jsonl.

    `value` None means undefined, and `note` says why. `n` counts clips; `n_groups` None: no clip has a group. Layers
    that a probe sees side by side, or chooses from, are side by side here.
    """

    dataset: str
    representation: str
    layer: str
    pool: str
    deformation: str
    severity: float | None
    measure: str
    value: float | None
    low: float | None
    high: float | None
    ci_level: float
    ci_method: str
    n: int
    n_groups: int | None
    note: str = ""


@dataclass(frozen=True)
class _Seen:
    """Test clips of a dataset as a representation sees them, and the keys of their embeddings, a tuple a part."""

    choice: RepresentationChoice
    grain: Grain
    clips: tuple[Placed, ...] = field(hash=False)  # their targets are a dict; the keys tell them apart
    keys: tuple[tuple[str, ...], ...]


def write(folder: Path, prepared: Study) -> None:
    """Put the drifts of a run into its folder; nothing where it deforms nothing."""
    found = [vars(row) for row in of_study(prepared)]
    if found:
        lines = (json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in found)
        durable.write_file(folder / FILE, b"".join(lines))


def forget(folder: Path) -> None:
    """Remove what an earlier run in this folder measured, before its results are replaced: of other chains."""
    (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> tuple[Drift, ...]:
    """Return the drifts of a run; none where it deformed nothing, or was made before there were any."""
    if not (folder / FILE).is_file():
        return ()
    return tuple(Drift(**json.loads(line)) for line in (folder / FILE).read_bytes().splitlines())


def of_study(prepared: Study) -> Iterator[Drift]:
    """Yield every measure, by dataset, representation and deformation, of the clips whose embeddings are there."""
    experiment, store = prepared.experiment, prepared.store
    for (dataset, choice, grain), chains in _asked(prepared).items():
        made_ready = cache(lambda seen: _ready(store, experiment, seen))  # most chains are of the same clips
        for chain, test in chains.items():
            pair = _pair(prepared, choice, grain, chain, test)
            if pair is None:
                continue
            clean, deformed = pair
            groups = groups_of([one.clip for one in clean.clips])
            for name, found in _measured(store, experiment, clean, deformed, made_ready).items():
                yield Drift(
                    dataset,
                    choice.name,
                    choice.layer_name,
                    pool_name(choice, grain),
                    chain.name,
                    severity_of(chain.name),
                    name,
                    *found,
                    n=len(clean.clips),
                    n_groups=None if groups is None else len(set(groups)),
                    note="" if found[0] is not None else ALIKE if name == "relative_drift" else NOT_MOVED,
                )


Asked = dict[tuple[str, RepresentationChoice, Grain], dict[Chain, dict[str, Placed]]]
Numbers = tuple[float | None, float | None, float | None, float, str]


def _asked(prepared: Study) -> Asked:
    """Return the test clips by id, of each dataset as each representation sees it, under each chain."""
    asked: Asked = {}
    for block in prepared.experiment.blocks:
        for subject in prepared.subjects[block]:
            for choice in block.representations:
                for grain in grains_of(block):
                    for chain in block.deformations:
                        for placed in subject.test:
                            chains = asked.setdefault((placed.dataset, choice, grain), {})
                            chains.setdefault(chain, {})[placed.clip.id] = placed
    return asked


def _pair(
    prepared: Study, choice: RepresentationChoice, grain: Grain, chain: Chain, test: Mapping[str, Placed]
) -> tuple[_Seen, _Seen] | None:
    """Return the clips whose clean and deformed embeddings are both there, by id; None where there are none."""

    def keys_of(name: str, one: Chain) -> tuple[str, ...]:
        return tuple(want.key for want in prepared.keys.wants(test[name], one, choice, grain))

    wanted = {name: (keys_of(name, CLEAN), keys_of(name, chain)) for name in sorted(test)}
    here = prepared.store.has(key for pair in wanted.values() for keys in pair for key in keys)
    kept = [name for name, (clean, deformed) in wanted.items() if here >= {*clean, *deformed}]
    if not kept:
        return None
    clips = tuple(test[name] for name in kept)
    clean, deformed = (tuple(zip(*(wanted[name][side] for name in kept), strict=True)) for side in (0, 1))
    return _Seen(choice, grain, clips, clean), _Seen(choice, grain, clips, deformed)


def _measured(
    store: Store, experiment: Experiment, clean: _Seen, deformed: _Seen, made_ready: Callable[[_Seen], drift.Clean]
) -> dict[str, Numbers]:
    """Return value, low, high, level and method of each measure: what the store holds, else measured and kept."""
    key = identity.key_of(
        drift=VERSION,
        clean=clean.keys,
        deformed=deformed.keys,
        clips=[one.clip.id for one in clean.clips],
        groups=[one.clip.group for one in clean.clips],
        reduce=clean.choice.reduce,
        pool=clean.choice.pool,
        resamples=experiment.resamples,
        ci_level=experiment.ci_level,
    )
    if store.file("drifts", key, ".json") is None:
        found = drift.against(made_ready(clean), _embeddings(store, deformed))
        said = {name: _numbers(estimate) for name, estimate in found.items()}
        store.put_file("drifts", key, ".json", json.dumps(said).encode())
    return {name: tuple(one) for name, one in json.loads(store.read_file("drifts", key, ".json")).items()}


def _numbers(found: Estimate) -> Numbers:
    value, low, high = (None if math.isnan(one) else one for one in (found.value, *found.interval[:2]))
    return value, low, high, found.interval.level, found.interval.method


def _ready(store: Store, experiment: Experiment, seen: _Seen) -> drift.Clean:
    clips = [one.clip for one in seen.clips]
    rng = identity.generator("bootstrap", seen.clips[0].dataset, [one.id for one in clips])
    return drift.clean(_embeddings(store, seen), groups_of(clips), experiment.resamples, rng, experiment.ci_level)


def _embeddings(store: Store, seen: _Seen) -> np.ndarray:
    """Return (clips, dim): what a probe sees of a clip, segments or frames averaged, layers side by side."""
    found = vectors.side_by_side([_of_clips(store, keys, seen.grain) for keys in seen.keys], seen.grain, seen.choice)
    return found.reshape(len(found), -1)


def _of_clips(store: Store, keys: Sequence[str], grain: Grain) -> np.ndarray:
    if grain == "clip":
        return store.get(keys)
    return np.stack([rows.mean(axis=0, dtype=np.float64) for rows in store.get_each(keys)]).astype(np.float32)
