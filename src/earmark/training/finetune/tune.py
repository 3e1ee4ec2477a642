"""One fine-tuning, from its clips to what it leaves: a checkpoint that is a representation, a head, and a card.

The card is written last: where it is, all of it is there. A linear one changes no network, so it has no checkpoint of
its own, and its head hears the network that it started from.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from earmark import durable
from earmark.errors import UserError
from earmark.nouns import Clip, Kind
from earmark.representations import base, checkpoint
from earmark.representations.trainable import trainable
from earmark.training.finetune import state as states
from earmark.training.finetune.bodies import Body, Moving, Still
from earmark.training.finetune.head import Goal
from earmark.training.finetune.learn import Learner, Say
from earmark.training.finetune.recipe import Recipe
from earmark.training.finetune.state import State


@dataclass(frozen=True, eq=False)
class Part:
    """Clips and their targets; `vectors` are theirs by the last layer, for a network that stays as it is."""

    clips: Sequence[Clip]
    targets: np.ndarray
    vectors: Float32[np.ndarray, "clips dim"] | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """A network to be fine-tuned, on what, how, and where to: `key` names all that its weights depend on.

    `model` is the folder of checkpoint and card, `head` the file of the saved predictor, `state` where it stands in
    the meantime. `about` goes into the card.
    """

    name: str
    key: str
    representation: str
    recipe: Recipe
    seed: int
    kind: Kind
    classes: tuple[str, ...]
    train: Part
    valid: Part
    model: Path
    head: Path
    state: Path
    about: Mapping[str, object]

    @property
    def card(self) -> dict[str, Any] | None:
        """The card of what was made; None before. Raises UserError where it is of another fine-tuning."""
        file = self.model / checkpoint.CARD
        if not file.is_file() or not self.head.is_file():
            return None
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if found["key"] != self.key:
            raise UserError(
                f"'{self.model}' is of another fine-tuning: its data, settings or network have changed since. Name "
                "another folder by -o, or remove that one."
            )
        return found


def tune(job: Job, device: str, jobs: int, say: Say) -> None:
    """Fine-tune, going on where it was interrupted, and write what came of it.

    Raises UserError for a network that cannot learn, a loss that diverges, or a disk that is full; AudioError for a
    clip that cannot be read.
    """
    if job.card is not None:
        durable.remove(job.state)
        return
    body = _body(job, device, jobs)
    goal = Goal.of(job.kind, job.classes, job.train.targets, job.valid.targets)
    learner = Learner(body, goal, job.recipe, job.seed, job.state, job.key, lambda line: say(f"{job.name}: {line}"))
    end = learner.learn()
    probe = goal.probe(learner.head, job.recipe, end.curve, end.kept(job.recipe.keep), job.seed)
    durable.write_file(job.head, probe.to_bytes())
    card = _card(job, end, device)
    if isinstance(body, Moving):
        body.merge()
        if job.model.is_dir():  # without its head, which is made anew beside it
            shutil.rmtree(job.model)
        checkpoint.write(job.model, body.representation.contents(), card)
    else:
        write_card(job.model, card)
    durable.remove(job.state)


def write_card(model: Path, card: Mapping[str, object]) -> None:
    """Write the card of a model into its folder."""
    text = json.dumps({"schema": checkpoint.SCHEMA, **card}, indent=2, sort_keys=True, ensure_ascii=False)
    durable.write_file(model / checkpoint.CARD, (text + "\n").encode())


def _body(job: Job, device: str, jobs: int) -> Body:
    if job.train.vectors is not None and job.valid.vectors is not None:
        return Still(job.train.vectors, job.valid.vectors)
    network = trainable(base.load(job.representation))
    if isinstance(network, torch.nn.Module):
        network.to(device)
    return Moving(network, job.recipe, job.train.clips, job.valid.clips, job.seed, jobs)


def _card(job: Job, end: State, device: str) -> dict[str, object]:
    kept = end.kept(job.recipe.keep)
    return {
        **job.about,
        "name": job.name,
        "key": job.key,
        "recipe": asdict(job.recipe),
        "seed": job.seed,
        "kind": job.kind,
        "classes": list(job.classes),
        "epochs": len(end.curve),
        "best_epoch": kept.epoch,
        "validation_loss": kept.valid_loss,
        "validation_score": kept.valid_score,
        "curve": states.curve(end),
        "steps": end.step,
        "seconds": end.seconds,
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
