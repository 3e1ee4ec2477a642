"""What an experiment asks for that is not here, and what it asks for that makes little sense."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from earmark import conformance
from earmark.conformance import Verdict
from earmark.datasets import names
from earmark.deformations import Chain
from earmark.errors import MissingPart
from earmark.experiment import presets
from earmark.experiment.pairings import grain_of
from earmark.experiment.spec import Block, Experiment
from earmark.experiment.subjects import Load, Subject
from earmark.probes.kinds import fewest_clips, fewest_for_warm_up
from earmark.representations import base


@dataclass(frozen=True)
class Missing:
    """A part that is not here: "dataset" or "representation", its name, what to do, bytes to fetch if published."""

    noun: str
    name: str
    remedy: str
    size_bytes: int | None = None


def without_missing(experiment: Experiment, load: Load) -> tuple[Experiment, tuple[Missing, ...]]:
    """Return the experiment of what is here, block by block, and what is not. A block may be left empty."""
    lost: dict[tuple[str, str], Missing] = {}

    def is_here(noun: str, name: str, get: Callable[[], object]) -> bool:
        try:
            get()
        except MissingPart as error:
            lost[noun, name] = Missing(noun, name, str(error), _size(name) if noun == "dataset" else None)
            return False
        return True

    blocks = tuple(_cut(block, load, is_here) for block in experiment.blocks)
    return replace(experiment, blocks=blocks), tuple(lost.values())


def _size(dataset: str) -> int | None:
    return sum(source.size_bytes or 0 for source in names.card(dataset).sources) or None


def _cut(block: Block, load: Load, is_here: Callable[[str, str, Callable[[], object]], bool]) -> Block:
    datasets = []
    for choice in block.datasets:
        sides = dict.fromkeys((choice.train, choice.test))
        here = [is_here("dataset", name, partial(load, name, choice.dir)) for name in sides]
        if all(here):
            datasets.append(choice)
    representations = []
    for heard in block.representations:
        here = [is_here("representation", part.name, partial(base.load, part.name)) for part in heard.parts]
        if all(here):
            representations.append(heard)
    # Without a representation there is nothing to score, not even by the constant predictor.
    return replace(block, datasets=tuple(datasets) if representations else (), representations=tuple(representations))


def refusal(missing: tuple[Missing, ...]) -> MissingPart:
    """Return the error of a run that cannot be whole; it names every part that is not here."""
    lines = [f"{one.noun} {one.name}: {one.remedy}" for one in missing]
    return MissingPart(
        f"{len(missing)} parts of this experiment are not here, so nothing was run (`earmark plan` shows the rest):\n  "
        + "\n  ".join(lines)
    )


def cautions(experiment: Experiment) -> Iterator[str]:
    """Yield what an experiment asks for that says little, or less than a name in it promises.

    That is an MP3 round trip of audio that is such an MP3 already, and a protocol whose probes alone are followed.
    """
    for block in experiment.blocks:
        yield from _half_followed(block)
        for name in dict.fromkeys(choice.test for choice in block.datasets):
            rate = names.card(name).bit_rate_kbps
            for chain in block.deformations:
                if rate is not None and (kbps := _mp3_kbps(chain)) is not None and kbps >= rate:
                    yield (
                        f"{block.task.task.name} on {name}: '{chain.name}' compresses to MP3 at {kbps:g} kbps what is "
                        f"MP3 at {rate:g} kbps already, so it says little of robustness. Leave it out there."
                    )


def _half_followed(block: Block) -> Iterator[str]:
    """Yield what the protocols of a block's probes say of the rest of it, where the block says something else."""
    beside = dict[str, dict[str, Any]]()
    for one in block.probes:
        if one.preset is not None:
            preset, probe = presets.find(one.preset), one.name.rpartition("/")[2]
            beside[f"{one.preset}/{probe}" if probe in preset.defaults_of else one.preset] = preset.beside(probe)
    for name, published in beside.items():
        here = {key: _said_of(block, key) for key in published}
        if other := [key for key, value in published.items() if here[key] != (_said(key, value),)]:
            yield (
                f"{block.task.task.name}: {name} is published with "
                f"{', '.join(_said(key, published[key]) for key in other)}; here it is "
                f"{', '.join(' and '.join(here[key]) for key in other)}. Only its probes are the protocol's."
            )


def _said_of(block: Block, key: str) -> tuple[str, ...]:
    """Return what a block says under a key of its task or of its representations, each thing once."""
    whose = (block.task,) if key == "aggregation" else block.representations
    return tuple(dict.fromkeys(_said(key, getattr(one, key)) for one in whose))


def _said(key: str, value: object) -> str:
    if value is None:
        return f"no {key}"
    return f"{key}: {value:g}" if isinstance(value, int | float) else f"{key}: {value}"


def _mp3_kbps(chain: Chain) -> float | None:
    """Return the lowest bit rate that a chain compresses to, or None when it does not."""
    rates = [step.params.get("max_bitrate") for step in chain.steps if step.type == "Mp3Compression"]
    return min((float(rate) for rate in rates if isinstance(rate, int | float)), default=None)


def broken_laws(verdicts: Mapping[str, Sequence[Verdict]]) -> Iterator[str]:
    """Yield a line for each representation, by name, of which a check here found that it breaks laws."""
    for name, found in verdicts.items():
        if any(one.broken for one in found):
            yield (
                f"{name}: {conformance.summary(found)} when it was checked here, so its numbers are in doubt. "
                f"`earmark check representation {name}` says why."
            )


def require_clips(experiment: Experiment, subjects: Mapping[Block, Sequence[Subject]]) -> None:
    """Raise, before anything is embedded, where a probe needs more training clips than there are."""
    for index, block in enumerate(experiment.blocks):
        fewest = min((len(subject.train) for subject in subjects[block]), default=0)
        n_train = max(1, round(fewest * min(block.train_shares, default=1.0)))
        for probe in block.probes if subjects[block] else ():
            needed = fewest_clips(probe.recipe)
            if needed > n_train:
                raise experiment.error(
                    ("experiments", index, "probes"),
                    f"'{probe.name}' needs at least {needed} training clips (a batch that must be full, neighbours, or "
                    f"principal components), and {block.task.task.name} has {n_train}. Leave the probe out, or set "
                    "batch_size, k or pca.",
                )
            if grain_of(block, probe) != "segments" and fewest_for_warm_up(probe.recipe) > n_train:
                raise experiment.error(
                    ("experiments", index, "probes"),
                    f"'{probe.name}' needs at least {fewest_for_warm_up(probe.recipe)} training clips to be trained "
                    f"beyond its warm_up_steps, and {block.task.task.name} has {n_train}. Raise epochs, or lower "
                    "warm_up_steps.",
                )
