"""What the card of a fine-tuned network says: where it comes from, what it learned from, how it scored."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from earmark import identity
from earmark.datasets._corpora import HEARD
from earmark.experiment import heard
from earmark.experiment.keys import Keys
from earmark.experiment.pairings import Pairing
from earmark.experiment.study import Study
from earmark.experiment.subjects import Placed
from earmark.experiment.target_classes import class_names
from earmark.experiment.tuned import Tuned
from earmark.nouns import Result
from earmark.representations.checkpoint import CARD
from earmark.training.finetune import tune

STARTED_FROM = ("name", "version", "weights_sha256", "trained_on", "objective", "licence")
SCORED = ("task", "dataset", "deformation", "metric", "average", "value", "ci_low", "ci_high", "ci_method", "n")


def about(one: Tuned, pairing: Pairing, prepared: Study) -> dict[str, object]:
    """Return what is known before the first step: the network that it starts from, and its data."""
    card, subject = prepared.keys.facts[pairing.choice.name].card, pairing.subject
    names = dict.fromkeys(placed.dataset for placed in (*subject.train, *subject.valid))
    licences = [f"data: {prepared.cards[name].licence}" for name in names]
    learnt = f"{card.trained_on}; then {', '.join(names)} ({len(pairing.train.clips):,} clips)"
    before = heard.marks_of(pairing.choice.name)
    own = {heard.mark_of(placed, prepared.keys.hash_of) for placed in (*pairing.train.clips, *pairing.valid.clips)}
    known: dict[str, object] = {} if before is None else {HEARD: " ".join(sorted(before | own))}
    return known | {
        "started_from": {name: getattr(card, name) for name in STARTED_FROM},
        "trained_on": card.trained_on if one.recipe.mode == "linear" else learnt,
        "objective": f"{subject.task.name}, fine-tuned: {one.recipe.mode}",
        "licence": "; ".join(dict.fromkeys((card.licence, *licences))),
        "task": subject.task.name,
        "label": subject.task.label,
        "dataset": subject.dataset,
        "dataset_version": subject.dataset_version,
        "split": subject.split,
        "fold": subject.fold,
        "n_train": len(pairing.train.clips),
        "n_valid": len(pairing.valid.clips),
        "data": identity.key_of(clips=list(data(pairing, prepared.keys))),
        "test": [],
    }


def data(pairing: Pairing, keys: Keys) -> Iterator[dict[str, object]]:
    """Yield every clip that is learned from or validated on, in order, with the sha256 of its file."""
    for role, part in (("train", pairing.train), ("valid", pairing.valid)):
        for placed in part.clips:
            yield _clip(role, placed, pairing, keys)


def _clip(role: str, placed: Placed, pairing: Pairing, keys: Keys) -> dict[str, object]:
    return {
        "role": role,
        "dataset": placed.dataset,
        "clip": placed.clip.id,
        "sha256": keys.hash_of(placed),
        "start_s": placed.clip.start_s,
        "end_s": placed.clip.end_s,
        "target": list(class_names(placed.clip, pairing.subject.task)),
    }


def read(one: Tuned) -> dict[str, Any]:
    """Return the card of a network."""
    card: dict[str, Any] = json.loads((one.folder / CARD).read_text("utf-8"))
    return card


def tell(one: Tuned, found: Sequence[Result]) -> None:
    """Put a network's test scores, with their intervals, into its card."""
    own = [row for row in found if row.seed == one.seed and row.probe == f"finetune-{one.recipe.mode}"]
    scores = [{name: getattr(row, name) for name in SCORED} for row in own if row.label is None]
    tune.write_card(one.folder, read(one) | {"test": scores})
