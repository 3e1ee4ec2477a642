"""A saved probe as a small folder: its weights, and a card that says what it hears and where it comes from.

probe.safetensors     what was learned (`earmark.probes`)
card.json             representation, layers, pooling, segments; task, classes, data; versions and hashes
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from earmark import __version__, durable
from earmark.errors import DataError
from earmark.experiment.jobs import Scoring
from earmark.experiment.keys import Facts
from earmark.experiment.spec import Precision, RepresentationChoice
from earmark.nouns import Kind
from earmark.representations.embed import STATISTICS, Grain

WEIGHTS, CARD, PROBES = "probe.safetensors", "card.json", "probes"
TUNED = "tuned"
"""In the folder of a run: the networks that were fine-tuned, beside the probes, which their heads are among."""
KNOWN = ("version", "weights_sha256", "licence")
NAMES = ("key", "probe", "task", "label", "dataset", "dataset_version", "split")
AGAIN = "Copy the folder again, or run the experiment again."


@dataclass(frozen=True)
class ProbeCard:
    """What is needed to use a probe again, and what its numbers rest on.

    `hears`: of each part of the representation the version of its card, the hash of its weights, and its licence.
    """

    key: str
    probe: str
    preset: str | None
    seed: int
    task: str
    label: str
    kind: Kind
    classes: tuple[str, ...]
    representation: RepresentationChoice
    grain: Grain
    hears: Mapping[str, Mapping[str, Any]]
    dataset: str
    dataset_version: str
    split: str
    fold: int
    train_share: float
    earmark: str = __version__


def cards_of(scoring: Scoring, facts: Mapping[str, Facts]) -> list[ProbeCard]:
    """Return the card of each probe of a scoring, one a seed; the constant predictor has none."""
    if scoring.probe is None:
        return []
    pairing, subject = scoring.pairing, scoring.pairing.subject
    heard = scoring.tuned or (pairing.choice,) * len(scoring.seeds)
    return [
        ProbeCard(
            key=key,
            probe=scoring.probe.name,
            preset=scoring.probe.preset,
            seed=seed,
            task=subject.task.name,
            label=subject.task.label,
            kind=subject.task.kind,
            classes=subject.classes,
            representation=choice,
            grain=pairing.train.grain,
            hears=_hears(choice, facts),
            dataset=subject.dataset,
            dataset_version=subject.dataset_version,
            split=subject.split,
            fold=subject.fold,
            train_share=scoring.train_share,
        )
        for seed, key, choice in zip(scoring.seeds, scoring.probe_keys, heard, strict=True)
    ]


def _hears(choice: RepresentationChoice, facts: Mapping[str, Facts]) -> dict[str, dict[str, Any]]:
    """Return what is to be known of each part of a representation."""
    heard = {part.name: facts[part.name].card for part in choice.parts}
    return {name: {fact: getattr(card, fact) for fact in KNOWN} for name, card in heard.items()}


def write_card(folder: Path, card: ProbeCard) -> None:
    """Write the card of a probe into its folder, unless it is there."""
    if not (folder / CARD).exists():
        durable.make_folder(folder)
        durable.write_file(folder / CARD, json.dumps(asdict(card), indent=1, ensure_ascii=False).encode())


def read_card(folder: Path) -> ProbeCard:
    """Return the card of a probe's folder. Raises DataError where there is none, or a damaged or another's one."""
    if not (folder / CARD).is_file():
        raise DataError(
            f"Expected the folder of a probe, with {CARD} in it, such as runs/RUN/probes/KEY; got '{folder}'."
        )
    try:
        said = json.loads((folder / CARD).read_text("utf-8"))
        if set(said) != {one.name for one in fields(ProbeCard)}:
            raise DataError(
                f"'{folder / CARD}' is of earmark {said.get('earmark', 'unknown')}, not of {__version__}. Run again."
            )
        heard: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in said["representation"].items()}
        choice = RepresentationChoice(**heard)
        card = ProbeCard(**said | {"classes": tuple(said["classes"]), "representation": choice})
        wrong = [name for name, is_fine in _judged(card).items() if not is_fine]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"Expected a probe's card in '{folder / CARD}', got something else: {error}. {AGAIN}"
        ) from error
    if wrong:
        raise DataError(f"'{folder / CARD}' is damaged: {', '.join(wrong)}. {AGAIN}")
    return card


def _judged(card: ProbeCard) -> dict[str, bool]:
    """Return of what a card is read for whether it can be so. Raises what comes of values of other types."""
    choice = card.representation
    layers = (0,) if choice.layers is None else choice.layers
    seconds = [one for one in (choice.segment_s, choice.segment_hop_s) if one is not None]
    told = [(one["version"], one["weights_sha256"]) for one in card.hears.values()]
    return {
        "names": all(isinstance(getattr(card, name), str) for name in NAMES) and isinstance(choice.name, str),
        "kind": card.kind in get_args(Kind),
        "classes": bool(card.classes) and all(isinstance(one, str) for one in card.classes),
        "grain": card.grain in get_args(Grain),
        "hears": set(card.hears) == {part.name for part in choice.parts}
        and all(isinstance(version, int) and isinstance(sha256, str) for version, sha256 in told),
        "layers": bool(layers) and all(isinstance(one, int) for one in layers),
        "reduce": choice.reduce in ("mean", "concat", "each", "best"),
        "pool": bool(choice.pool) and set(choice.pool) <= set(STATISTICS),
        "segments": all(isinstance(one, int | float) and 0 < one < math.inf for one in seconds),
        "precision": choice.precision in get_args(Precision),
    }
