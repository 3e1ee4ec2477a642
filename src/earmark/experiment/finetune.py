"""`earmark finetune`: from a file to networks that are representations again, saved heads, and a run that scores them.

finetune.yml      what was asked
tuned/NAME-MODE-seed-N/     a checkpoint (`path:` and this folder name it), and its card; of linear the card alone
probes/KEY/       the heads, as any run keeps its probes: `earmark predict` takes them
data.jsonl        every clip that was learned from or validated on: role, dataset, id, sha256 of its file, target
results.jsonl …   what any run has: tables, comparisons and pages read it
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from earmark import durable, places
from earmark.errors import UserError
from earmark.experiment import (
    answered,
    audit,
    clips,
    engines,
    finetune_file,
    ingredients,
    pairings,
    readiness,
    rows,
    tuned_cards,
    work,
)
from earmark.experiment import results as outcomes
from earmark.experiment import study as studies
from earmark.experiment import tuned as tuning
from earmark.experiment.asked import Asked as All
from earmark.experiment.devices import Device
from earmark.experiment.finetune_file import Asked
from earmark.experiment.jobs import Scoring
from earmark.experiment.keys import Facts
from earmark.experiment.pairings import Pairing
from earmark.experiment.plan import Count, Plan
from earmark.experiment.results import Run
from earmark.experiment.study import Study
from earmark.experiment.tuned import Tuned
from earmark.nouns import Failure
from earmark.representations import base
from earmark.representations.trainable import trainable
from earmark.training.finetune import tune
from earmark.training.finetune.learn import Say
from earmark.training.finetune.tune import Job

CONFIG, DATA = outcomes.FINETUNING, "data.jsonl"


@dataclass(frozen=True)
class Model:
    """One network that came out. `representation` names what its head hears: itself, or where a linear one started.

    `head` is the folder of the saved predictor.
    """

    name: str
    mode: str
    seed: int
    representation: str
    head: Path
    best_epoch: int
    epochs: int
    validation_loss: float


@dataclass(frozen=True)
class Finetuned:
    """The networks, and the run that scores them."""

    models: tuple[Model, ...]
    run: Run


def finetune(
    file: Path | str,
    *,
    folder: Path | str | None = None,
    resume: bool = False,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    device: Device = "auto",
    store: Path | None = None,
    quiet: bool = False,
    say: Say = print,
) -> Finetuned:
    """Fine-tune as a file says, every mode with every seed, and score them all on the test clips.

    `folder` is that of the run (default: NAME among the runs); `resume` goes on after any interruption. `jobs` threads
    read audio, and as many processes embed test clips. Raises SpecError for a wrong file, DataError for data that
    cannot be learned from, UserError for a network that cannot learn and for a folder that holds something else.
    """
    asked = finetune_file.load(Path(file), overrides)
    chosen = tuning.device_name(device)
    prepared = studies.of_experiment(asked.experiment, store, jobs, quiet)
    if prepared.missing:
        raise readiness.refusal(prepared.missing)
    where = places.runs_folder() / asked.name if folder is None else Path(folder)
    _require_trainable(asked)
    work_ = _Work(asked, prepared, where, chosen, jobs, quiet, say)
    _begin(where, asked, resume)
    with engines.Local(prepared.store.root, jobs) as engine:
        return work_.done(engine)


def _require_trainable(asked: Asked) -> None:
    if any(one.mode != "linear" for one in asked.recipes):
        trainable(base.load(asked.representation))


def _begin(folder: Path, asked: Asked, resume: bool) -> None:
    """Write what was asked into the folder. Raises UserError where it holds another run, or one not to go on with."""
    file, text = folder / CONFIG, asked.text + "\n"
    if not file.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"'{folder}' holds something else already. Name another folder by -o.")
        durable.write_file(file, text.encode())
    elif file.read_text("utf-8") != text:
        raise UserError(f"'{folder}' holds a fine-tuning of other settings, see {CONFIG}. Name another folder by -o.")
    elif not resume:
        raise UserError(f"'{folder}' holds this fine-tuning already. Go on with it by --resume, or name another by -o.")
    durable.clear(folder, f"**/{durable.TEMPORARY}")


@dataclass
class _Work:
    """All that the stages share."""

    asked: Asked
    prepared: Study
    folder: Path
    device: str
    jobs: int
    quiet: bool
    say: Say

    def __post_init__(self) -> None:
        (self.block,) = self.prepared.experiment.blocks
        (written,) = self.block.representations
        card = self.prepared.keys.facts[written.name].card
        self.choice = replace(written, layers=(card.layers - 1,))
        self.subjects, self.failures = tuning.learned(self.prepared.subjects[self.block], card)
        self.keys = self.prepared.keys

    def done(self, engine: engines.Local) -> Finetuned:
        """Train, score, and write the answer."""
        failed = self._embedded(engine)
        bases = [
            pairings.pair(one, self.choice, "clip", self.block.deformations, self.keys, failed) for one in self.subjects
        ]
        facts = self.keys.facts[self.choice.name]
        networks = [
            tuning.named(bases[0], facts, recipe, seed, self.folder, self.asked.name)
            for recipe in self.asked.recipes
            for seed in sorted(self.block.seeds)
        ]
        learnt = tuned_cards.data(bases[0], self.keys)
        durable.write_file(self.folder / DATA, outcomes.lines(learnt))
        for one in networks:
            tune.tune(self._job(one, bases[0]), self.device, self.jobs, (lambda line: None) if self.quiet else self.say)
        run = self._scored(networks, bases, failed, engine)
        return Finetuned(tuple(self._model(one, run) for one in networks), run)

    def _embedded(self, engine: engines.Local) -> frozenset[str]:
        """Embed what a linear head hears by the network as it is; return what could not be."""
        if all(one.mode != "linear" for one in self.asked.recipes):
            return frozenset()
        first = self.subjects[0]
        wanted = tuning.wanted((*first.train, *first.valid), self.choice, self.keys)
        for subject in self.subjects:
            wanted |= tuning.wanted_of_tests(subject, self.choice, self.block, self.keys)
        return self._embed(wanted, engine)

    def _embed(self, wanted: tuning.Wanted, engine: engines.Local) -> frozenset[str]:
        alone = self.prepared.alone
        failed = tuning.embed(self.prepared.store, self.keys, wanted, engine, self.device, alone, self.quiet)
        found = {(one.dataset, one.clip.id): (one, key) for key, (one, _) in wanted.items() if key in failed}
        self.failures += tuple(
            Failure(*name, one.clip.path.as_posix(), self.prepared.reason(key))
            for name, (one, key) in found.items()
            if name not in {(other.dataset, other.clip) for other in self.failures}
        )
        return failed

    def _job(self, one: Tuned, pairing: Pairing) -> Job:
        parts = []
        for part in (pairing.train, pairing.valid):
            heard = work.examples(self.prepared.store, part, pairing) if one.recipe.mode == "linear" else None
            targets = pairing.subject.targets(part.clips)
            vectors = None if heard is None else heard.embeddings[:, 0]
            parts.append(tune.Part([placed.clip for placed in part.clips], targets, vectors))
        subject = pairing.subject
        return Job(
            one.name,
            one.key,
            self.asked.representation,
            one.recipe,
            one.seed,
            subject.task.kind,
            subject.classes,
            parts[0],
            parts[1],
            one.folder,
            one.head,
            one.state,
            tuned_cards.about(one, pairing, self.prepared),
        )

    def _scored(
        self, networks: Sequence[Tuned], bases: Sequence[Pairing], failed: frozenset[str], engine: engines.Local
    ) -> Run:
        """Hear the test clips by every network, score the heads, and write what any run has."""
        tuned = [one for one in networks if one.recipe.mode != "linear"]
        here: Mapping[str, Facts] = {
            **self.keys.facts,
            **{one.representation: Facts.of(one.representation) for one in tuned},
        }
        self.keys = replace(self.keys, facts=here)
        is_another = tuning.keep_heads(self.prepared.store, networks)
        for one in tuned:
            choice = tuning.heard_by(self.choice, one)
            for subject in self.subjects:
                failed |= self._embed(tuning.wanted_of_tests(subject, choice, self.block, self.keys), engine)
        by_mode = [[one for one in networks if one.recipe == recipe] for recipe in self.asked.recipes]
        make = partial(tuning.scoring, self.prepared, self.block, keys=self.keys, failed=failed)
        made = {place: [make(base, some) for some in by_mode] for place, base in enumerate(bases)}
        answers = tuning.answer(self.prepared.experiment, self.block, bases, made)
        tuning.score(self.prepared.store, answers, engine, self.quiet, force=is_another)
        self.prepared.store.refresh()
        return self._written(answers, failed, networks)

    def _written(self, answers: Sequence[Scoring], failed: frozenset[str], networks: Sequence[Tuned]) -> Run:
        none = Count(0, 0)
        plan = Plan((), (), (), (), (), All([], [], list(answers), []), none, none, none, failed)
        found = tuple(rows.of_plan(plan, self.prepared.store, self.folder.name, self.keys.facts))
        hearing_nothing = [one for one in answers if one.probe is None]
        audits = audit.of_run(replace(plan, asked=All([], [], hearing_nothing, [])), self.keys, self.prepared.store)
        for one in networks:
            tuned_cards.tell(one, found)
        clips.write(self.folder, self.prepared)
        made_of = ingredients.to_json(ingredients.of_study(self.prepared))
        durable.write_file(self.folder / ingredients.FILE, made_of)
        answered.write(self.folder, plan, self.prepared.store, self.keys.facts, found, self.failures, audits)
        return Run(self.folder, found, self.failures, len(networks), self.prepared.notes, audits)

    def _model(self, one: Tuned, run: Run) -> Model:
        card = tuned_cards.read(one)
        return Model(
            one.name,
            one.recipe.mode,
            one.seed,
            tuning.heard_by(self.choice, one).name,
            one.head.parent,
            card["best_epoch"],
            card["epochs"],
            card["validation_loss"],
        )
