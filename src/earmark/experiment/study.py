"""An experiment with all that planning and running need: its data loaded, its cards read, its store opened."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from earmark import conformance, places
from earmark.conformance import Verdict, records
from earmark.datasets import names
from earmark.experiment import described, heard, permitted, readiness, spec, subjects
from earmark.experiment import plan as planning
from earmark.experiment.keys import Facts, Keys
from earmark.experiment.plan import Plan
from earmark.experiment.readiness import Missing
from earmark.experiment.spec import Block, Experiment, RepresentationChoice
from earmark.experiment.subjects import Placed, Subject
from earmark.nouns import DataCard
from earmark.probes import kinds
from earmark.store import Store


@dataclass(frozen=True)
class Study:
    """An experiment with its datasets loaded and its store opened: all that planning and running need.

    `experiment` is what of the `asked` one is here; `missing` is the rest. `verdicts` holds what the last check here
    found, of the representations that were checked. `cards` are those of the datasets, by name.
    """

    asked: Experiment
    experiment: Experiment
    missing: tuple[Missing, ...]
    subjects: Mapping[Block, tuple[Subject, ...]]
    keys: Keys
    store: Store
    verdicts: Mapping[str, tuple[Verdict, ...]]
    cards: Mapping[str, DataCard]

    def plan(self, force: Collection[str] = ()) -> Plan:
        """Return what is to be done now."""
        self.store.refresh()
        return planning.make(self.experiment, self.subjects, self.keys, self.store, force)

    def reason(self, key: str) -> str:
        """Return why an embedding could not be made."""
        return str(json.loads(self.store.read_file("failures", key, ".json"))["reason"])

    @property
    def alone(self) -> frozenset[str]:
        """The representations that a check found to give a clip other numbers beside others: no batch for them."""
        return frozenset(name for name, found in self.verdicts.items() if not conformance.is_batchable(found))

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known before: translated names, broken laws, drawn splits, absent classes."""
        said = [*self.experiment.notes, *readiness.cautions(self.asked), *readiness.broken_laws(self.verdicts)]
        said += permitted.notes(self.asked, {name: one.card for name, one in self.keys.facts.items()}, self.cards)
        said += heard.notes(self.subjects, self.keys.hash_of)
        for found in self.subjects.values():
            said += [f"{one.task.name} on {one.dataset}: {note}" for one in found for note in one.notes]
        return tuple(dict.fromkeys(said))


def study(
    source: Path | str, overrides: Sequence[str] = (), store: Path | None = None, jobs: int = 1, quiet: bool = False
) -> Study:
    """Return the experiment of a YAML file, checked against what exists, with its data at hand.

    Where a label is computed from the audio, `jobs` processes hear the clips of which the store lacks it; `quiet`
    hides their progress.
    """
    return of_experiment(spec.load(Path(source), overrides), store, jobs, quiet)


def of_experiment(asked: Experiment, store: Path | None = None, jobs: int = 1, quiet: bool = False) -> Study:
    """Return the study of an experiment that was read already. See `study`."""
    spec.check_names(asked)
    load = cache(names.load)
    experiment, missing = readiness.without_missing(asked, load)
    choices = (choice for block in experiment.blocks for choice in block.representations)
    facts = {name: Facts.of(name) for name in dict.fromkeys(part.name for one in choices for part in one.parts)}
    permitted.require(asked, {name: one.card for name, one in facts.items()})
    _require_layers(experiment, facts)
    experiment = _layer_by_layer(experiment, facts)
    opened = Store(store if store is not None else places.store_folder())
    hash_of = partial(_hash_of, opened)
    describe = partial(described.with_labels, store=opened, hash_of=hash_of, jobs=jobs, quiet=quiet)
    found = subjects.of_experiment(experiment, load, describe)
    readiness.require_clips(experiment, found)
    verdicts = {
        name: kept
        for name, one in facts.items()
        if not one.by_clip and (kept := records.read(opened, one.card, one.code_sha256)) is not None
    }
    loaded = [load(name, one.dir) for block in found for one in block.datasets for name in (one.train, one.test)]
    cards = {one.name: one.card for one in loaded}
    return Study(asked, experiment, missing, found, Keys(facts, hash_of), opened, verdicts, cards)


def _require_layers(experiment: Experiment, facts: Mapping[str, Facts]) -> None:
    """Raise SpecError for a probe that weighs layers where it sees but one vector of them."""
    for index, block in enumerate(experiment.blocks):
        among = ((probe.name, one) for probe in block.probes for one in kinds.candidates(probe.recipe))
        weighing = next((name for name, one in among if getattr(one, "layer_weights", False)), None)
        for choice in block.representations if weighing else ():
            deepest = max(facts[part.name].card.layers for part in choice.parts)
            n_layers = deepest if choice.layers is None else len(choice.layers)
            is_joined = len(choice.parts) > 1
            if n_layers > 1 and (is_joined or choice.reduce == "mean"):
                remedy = "Leave layer_weights out" if is_joined else "Write reduce: concat beside that representation"
                raise experiment.error(
                    ("experiments", index, "representations"),
                    f"'{weighing}' has layer_weights, but of '{choice.name}' it would see one vector, not the "
                    f"{n_layers} layers: their {'parts side by side' if is_joined else 'mean'}. {remedy}.",
                )


def _layer_by_layer(experiment: Experiment, facts: Mapping[str, Facts]) -> Experiment:
    """Return the experiment with a choice for each layer where the file asks for each."""

    def each(choice: RepresentationChoice) -> Iterator[RepresentationChoice]:
        deepest = max(facts[part.name].card.layers for part in choice.parts)
        for layer in range(deepest) if choice.layers is None else choice.layers:
            yield replace(choice, layers=(layer,), reduce="mean")

    def spread(block: Block) -> Block:
        found = ([*each(one)] if one.reduce == "each" else [one] for one in block.representations)
        return replace(block, representations=tuple(dict.fromkeys(one for some in found for one in some)))

    return replace(experiment, blocks=tuple(map(spread, experiment.blocks)))


def _hash_of(store: Store, placed: Placed) -> str:
    """Return the sha256 of a clip's file; a file that is not there is known by its path until it is."""
    try:
        return store.remember_hash(placed.clip.path)
    except OSError:
        return f"missing:{placed.clip.path.as_posix()}"
