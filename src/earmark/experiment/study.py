"""An experiment with all that planning and running need: its data loaded, its cards read, its store opened."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from earmark import places
from earmark.datasets import names
from earmark.experiment import plan as planning
from earmark.experiment import readiness, spec, subjects
from earmark.experiment.keys import Facts, Keys
from earmark.experiment.plan import Plan
from earmark.experiment.readiness import Missing
from earmark.experiment.spec import Block, Experiment
from earmark.experiment.subjects import Placed, Subject
from earmark.representations import base, features
from earmark.store import Store


@dataclass(frozen=True)
class Study:
    """An experiment with its datasets loaded and its store opened: all that planning and running need.

    `experiment` is what of the `asked` one is here; `missing` is the rest.
    """

    asked: Experiment
    experiment: Experiment
    missing: tuple[Missing, ...]
    subjects: Mapping[Block, tuple[Subject, ...]]
    keys: Keys
    store: Store

    def plan(self, force: Collection[str] = ()) -> Plan:
        """Return what is to be done now."""
        self.store.refresh()
        return planning.make(self.experiment, self.subjects, self.keys, self.store, force)

    def reason(self, key: str) -> str:
        """Return why an embedding could not be made."""
        return str(json.loads(self.store.read_file("failures", key, ".json"))["reason"])

    @property
    def unverified(self) -> dict[str, bool]:
        """Which representations have not been checked against anything."""
        return {name: facts.card.verified == "no" for name, facts in self.keys.facts.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided on the way and should be known: translated names, drawn splits, absent classes."""
        said = [*self.experiment.notes, *readiness.cautions(self.asked)]
        for found in self.subjects.values():
            said += [f"{one.task.name} on {one.dataset}: {note}" for one in found for note in one.notes]
        return tuple(dict.fromkeys(said))


def study(source: Path | str, overrides: Sequence[str] = (), store: Path | None = None) -> Study:
    """Return the experiment of a YAML file, checked against what exists, with its data at hand."""
    asked = spec.load(Path(source), overrides)
    spec.check_names(asked)
    load = cache(names.load)
    experiment, missing = readiness.without_missing(asked, load)
    opened = Store(store if store is not None else places.store_folder())
    found = subjects.of_experiment(experiment, load)
    chosen = dict.fromkeys(choice.name for block in experiment.blocks for choice in block.representations)
    loaded = {name: base.load(name) for name in chosen}
    facts = {
        name: Facts(one.card, base.code_sha256(one), isinstance(one, features.OfClip)) for name, one in loaded.items()
    }
    return Study(asked, experiment, missing, found, Keys(facts, partial(_hash_of, opened)), opened)


def _hash_of(store: Store, placed: Placed) -> str:
    """Return the sha256 of a clip's file; a file that is not there is known by its path until it is."""
    try:
        return store.remember_hash(placed.clip.path)
    except OSError:
        return f"missing:{placed.clip.path.as_posix()}"
