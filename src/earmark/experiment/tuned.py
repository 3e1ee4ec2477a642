"""Fine-tuned networks as systems of a run: what each is made from, and their heads scored as probes are.

A mode is a system, whose seeds are networks of their own: of a test clip there is an embedding by each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from earmark import identity
from earmark.deformations import CLEAN
from earmark.errors import AudioError, DataError
from earmark.experiment import asked as asking
from earmark.experiment import devices, pairings, probe_folders, work
from earmark.experiment import plan as planning
from earmark.experiment.engines import Local
from earmark.experiment.jobs import PROBE, Fit, Scoring
from earmark.experiment.keys import Facts, Keys, Want
from earmark.experiment.one_pass import seconds_of
from earmark.experiment.pairings import Pairing, Part
from earmark.experiment.progress import bar
from earmark.experiment.spec import Block, Experiment, ProbeChoice, RepresentationChoice
from earmark.experiment.study import Study
from earmark.experiment.subjects import Placed, Subject
from earmark.nouns import Card, Failure
from earmark.store import Store
from earmark.training.finetune.head import probe_recipe
from earmark.training.finetune.recipe import Recipe

VERSION = 1
"""Raised whenever the same recipe on the same data would give other weights."""

Wanted = dict[str, tuple[Placed, Want]]


@dataclass(frozen=True)
class Tuned:
    """One fine-tuned network: what it is called, the key of its head, and its folder in the run."""

    name: str
    key: str
    recipe: Recipe
    seed: int
    folder: Path

    @property
    def head(self) -> Path:
        """The file of its saved predictor."""
        return self.folder.parent.parent / probe_folders.PROBES / self.key / probe_folders.WEIGHTS

    @property
    def state(self) -> Path:
        """Where it stands while it is trained."""
        return self.folder.parent / f"{self.name}.state"

    @property
    def representation(self) -> str:
        """The name by which the network is loaded."""
        return f"path:{self.folder}"


def learned(subjects: Sequence[Subject], card: Card) -> tuple[tuple[Subject, ...], tuple[Failure, ...]]:
    """Return the subjects with only the training and validation clips that can be heard, and those that cannot.

    Raises DataError where there are several partitions to learn from, or no validation clips.
    """
    first = subjects[0]
    for one in subjects[1:]:
        if (one.train, one.valid, one.classes) != (first.train, first.valid, first.classes):
            raise DataError(
                f"Expected one partition to learn from, got '{first.dataset}' (fold {first.fold}) and '{one.dataset}' "
                f"(fold {one.fold}), which differ in training clips or classes. Write split_type: single, and further "
                "datasets as {train: the first, test: another}."
            )
    failures = {
        (one.dataset, one.clip.id): reason for one in (*first.train, *first.valid) if (reason := _unfit(one, card))
    }
    kept = [[one for one in part if (one.dataset, one.clip.id) not in failures] for part in (first.train, first.valid)]
    for part, name in zip(kept, ("training", "validation"), strict=True):
        if not part:
            raise DataError(
                f"'{first.task.name}' on {first.dataset} has no {name} clips that can be heard, and fine-tuning needs "
                f"them{' to know when to stop' if name == 'validation' else ''}. Write, for example, "
                "split_type: [0.8, 0.1, 0.1]."
            )
    named = {(one.dataset, one.clip.id): one for one in (*first.train, *first.valid)}
    found = tuple(Failure(*name, named[name].clip.path.as_posix(), reason) for name, reason in failures.items())
    return tuple(replace(one, train=tuple(kept[0]), valid=tuple(kept[1])) for one in subjects), found


def _unfit(placed: Placed, card: Card) -> str:
    """Return why a clip cannot be learned from; "" where nothing speaks against it."""
    try:
        seconds = seconds_of(placed.clip)
    except AudioError as error:
        return error.reason
    least_s = card.min_samples / card.sample_rate
    return f"too short for '{card.name}': {seconds:.3f} s, at least {least_s:.3f} s needed" if seconds < least_s else ""


def named(pairing: Pairing, facts: Facts, recipe: Recipe, seed: int, folder: Path, name: str) -> Tuned:
    """Return what a network will be called, and its key: data in order, targets, where it starts, recipe, seed."""
    key = identity.key_of(
        finetuned=VERSION,
        data=pairing.key,  # whose embeddings' keys name audio, region, network and weights
        card_version=facts.card.version,
        recipe=recipe.told,
        seed=seed,
    )
    model = f"{name}-{recipe.mode}-seed-{seed}"
    return Tuned(model, key, recipe, seed, folder / probe_folders.TUNED / model)


def embed(
    store: Store, keys: Keys, wanted: Wanted, engine: Local, device: str, alone: frozenset[str], quiet: bool
) -> frozenset[str]:
    """Embed what the store lacks; return the keys of what could not be."""
    store.refresh()
    absent = wanted.keys() - store.has(wanted)
    missing = {key: wanted[key] for key in wanted if key in absent and not planning.has_failed(store, key)}
    shards = planning.shards_of(missing, keys)
    with bar("embed", len(missing), quiet) as shown:
        for done in engine.map(shards, partial(work.embed_shard, device=device, alone=alone)):
            shown.advance(done.items, done.audio_s)
    store.refresh()
    return frozenset(wanted.keys() - store.has(wanted))


def wanted(placed: Sequence[Placed], choice: RepresentationChoice, keys: Keys) -> Wanted:
    """Return the embeddings of clips, clean, by their keys."""
    return {want.key: (one, want) for one in placed for want in keys.wants(one, CLEAN, choice)}


def wanted_of_tests(subject: Subject, choice: RepresentationChoice, block: Block, keys: Keys) -> Wanted:
    """Return the embeddings of a subject's test clips under every condition, by their keys."""
    return {
        want.key: (one, want)
        for chain in (CLEAN, *block.deformations)
        for one in subject.test
        for want in keys.wants(one, chain, choice)
    }


def scoring(
    prepared: Study, block: Block, base: Pairing, networks: Sequence[Tuned], keys: Keys, failed: frozenset[str]
) -> Scoring:
    """Return what scores one mode: its heads, one a seed, each on the test clips as its network hears them."""
    recipe = networks[0].recipe
    choices = tuple(heard_by(base.choice, one) for one in networks)
    each = [pairings.pair(base.subject, one, "clip", block.deformations, keys, failed) for one in choices]
    tests = {chain: _side_by_side([one.tests[chain] for one in each]) for chain in base.tests}
    pairing = base if recipe.mode == "linear" else replace(base, tests=tests)
    probe = ProbeChoice(f"finetune-{recipe.mode}", None, probe_recipe(recipe))
    heads = Fit(pairing, probe, probe.recipe, tuple(one.seed for one in networks), tuple(one.key for one in networks))
    made = asking.scoring_of(prepared.experiment, block, pairing, (heads,), 1.0)
    return made if recipe.mode == "linear" else replace(made, tuned=choices)


def heard_by(choice: RepresentationChoice, network: Tuned) -> RepresentationChoice:
    """Return what the head of a network hears: of a linear one, the network that it started from."""
    return choice if network.recipe.mode == "linear" else replace(choice, name=network.representation)


def _side_by_side(parts: Sequence[Part]) -> Part:
    """Return the clips that every network could hear, with the embedding of each."""
    kept = set.intersection(*({(one.dataset, one.clip.id) for one in part.clips} for part in parts))
    places = [[i for i, one in enumerate(part.clips) if (one.dataset, one.clip.id) in kept] for part in parts]
    clips = tuple(parts[0].clips[i] for i in places[0])
    return Part(
        clips, tuple(tuple(part.parts[0][i] for i in some) for part, some in zip(parts, places, strict=True)), "clip"
    )


def answer(
    experiment: Experiment, block: Block, bases: Sequence[Pairing], made: Mapping[int, Sequence[Scoring]]
) -> list[Scoring]:
    """Return all that is scored, subject by subject, the constant predictor first."""
    return [
        one
        for place, base in enumerate(bases)
        for one in (asking.scoring_of(experiment, block, base, (), 1.0), *made[place])
    ]


def score(store: Store, scorings: Sequence[Scoring], engine: Local, quiet: bool, force: bool = False) -> None:
    """Score what the store has no answer for, or everything."""
    left = [one for one in map(partial(planning.unscored, store=store, force=force), scorings) if one.conditions]
    with bar("score", sum(len(one.conditions) for one in left), quiet) as shown:
        for done in engine.map(left, work.score_probe):
            shown.advance(done.items)


def keep_heads(store: Store, networks: Sequence[Tuned]) -> bool:
    """Give the store the heads, where scoring looks for them; say whether one took the place of another.

    A key says what was asked for. Another device, or other threads, make another network and head of it, and answers of
    the one before are not theirs.
    """
    is_another = False
    for one in networks:
        head, there = one.head.read_bytes(), store.file(probe_folders.PROBES, one.key, PROBE)
        is_another |= there is not None and there.read_bytes() != head
        store.put_file(probe_folders.PROBES, one.key, PROBE, head)
    return is_another


def device_name(asked: devices.Device) -> str:
    """Return where to compute, its arithmetic prepared."""
    chosen = devices.choose(asked)
    devices.prepare(chosen)
    return chosen
