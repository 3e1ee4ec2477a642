"""Saved probes on new audio: what one says of files, through the representation that it was fitted on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from earmark import audio
from earmark.catalogue.embedding import Paths, files_of
from earmark.errors import AudioError, DataError, UserError
from earmark.experiment import calibrated, probe_folders, vectors
from earmark.experiment.probe_folders import ProbeCard
from earmark.metrics import calibration as measures
from earmark.nouns import Failure
from earmark.probes import fit as probes
from earmark.probes.base import Fitted
from earmark.probes.calibration import Calibration
from earmark.representations import base
from earmark.representations.base import Representation
from earmark.representations.embed import Loop

Array = np.ndarray
UNSURE = "unsure"
MOST_NAMED = 12
SAME = 1e-6
"""Confidences that differ by less are one: ten times what float32 rounds by."""


@dataclass(frozen=True)
class Said:
    """What a probe says of clips, a row each.

    `scores`: probabilities of `card.classes`, of each label, or values, by `card.kind`; as the probe gave them where
    `calibration` is None. `unsure_below`: an answer of less confidence is none.
    """

    scores: Float32[Array, "clips outputs"]
    card: ProbeCard
    calibration: Calibration | None = None
    unsure_below: float = 0.0

    @property
    def confidence(self) -> Float64[Array, "clips ..."]:
        """The probability of what is answered: of the best class; of each label, of its being there or not."""
        return measures.confidence(self.scores, self.card.kind == "multilabel")

    @property
    def is_unsure(self) -> Bool[Array, "clips ..."]:
        """Which answers are withheld: those of clips, or, of each clip, those of labels. Of values, none is."""
        if self.card.kind == "regression":
            return np.zeros(len(self.scores), bool)
        # Scores are float32: the 0.4 of a label is 1 - 0.4 = 0.5999999 of its not being there, and that is 0.6.
        found: Array = self.confidence < self.unsure_below - SAME
        return found

    @property
    def best(self) -> tuple[str, ...]:
        """The predictions in words, however unsure: the best class, the labels above one half, or the values."""
        kind, classes = self.card.kind, self.card.classes
        if kind == "regression":
            return tuple(", ".join(f"{value:.6g}" for value in row) for row in self.scores)
        if kind == "multilabel":
            return tuple(", ".join(classes[i] for i in np.flatnonzero(row > 0.5)) for row in self.scores)
        return tuple(classes[i] for i in self.scores.argmax(axis=1))

    @property
    def said(self) -> tuple[str, ...]:
        """The predictions in words: "unsure" in place of such a class; labels that are unsure are left out."""
        if self.card.kind == "multilabel":
            return replace(self, scores=np.where(self.is_unsure, np.float32(0), self.scores)).best
        return tuple(UNSURE if doubt else one for one, doubt in zip(self.best, self.is_unsure, strict=True))

    @property
    def answers(self) -> tuple[Mapping[str, Any], ...]:
        """What is said of each clip, for JSON: prediction, confidence (of labels and values None), unsure, scores.

        `unsure`: whether the class is withheld; of labels, the names of those that are.
        """
        kind, classes = self.card.kind, self.card.classes
        one_of = kind not in ("multilabel", "regression")
        shares = self.confidence.tolist() if one_of else [None] * len(self.scores)
        doubts = [
            [classes[i] for i in np.flatnonzero(row)] if kind == "multilabel" else bool(row) for row in self.is_unsure
        ]
        return tuple(
            {
                "prediction": said,
                "confidence": share,
                "unsure": doubt,
                "calibrated": self.calibration is not None,
                "scores": dict(zip(classes, row, strict=True)),
            }
            for said, share, doubt, row in zip(self.said, shares, doubts, self.scores.tolist(), strict=True)
        )


@dataclass(frozen=True)
class Predictions(Said):
    """What a probe says of files, in order; files that could not be heard are in `failures` and have no row."""

    paths: tuple[Path, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class SavedProbe:
    """A saved probe as it was found in its folder: what was fitted, its card, its calibration where it has one."""

    folder: Path
    fitted: Fitted
    card: ProbeCard
    calibration: Calibration | None

    def unsure_below(self, unsure: float | None, accuracy: float | None) -> float:
        """Return the confidence below which answers are withheld: as given, or from an accuracy; 0: none is.

        Raises UserError for numbers that are no probabilities, both at once, a probe without probabilities, and an
        accuracy that cannot be had or known.
        """
        given = [one for one in (unsure, accuracy) if one is not None]
        if not given:
            return 0.0
        if len(given) > 1 or not 0 <= given[0] <= 1 or self.card.kind == "regression":
            got = "both" if len(given) > 1 else f"{given[0]:g} for a {self.card.kind} task"
            raise UserError(
                "Expected one number from 0 to 1, the least confidence (unsure) or the accuracy that it is taken from, "
                f"and a task of classes or labels; got {got}."
            )
        if accuracy is None:
            return given[0]
        if self.calibration is None:
            is_there = (self.folder / calibrated.FILE).is_file()
            why = f"has no {calibrated.FILE}. Run its experiment again"
            aside = "is one, but --raw (is_calibrated=False) sets its calibration aside. Leave that out"
            raise UserError(
                f"Expected a calibrated probe to find the confidence of an accuracy of {accuracy:g}; '{self.folder}' "
                f"{aside if is_there else why}, or give the confidence itself (--unsure)."
            )
        return self.calibration.threshold(accuracy)

    def says(self, embeddings: Float32[Array, "rows layers dim"]) -> Float32[Array, "clips outputs"]:
        """Return what it says by itself: of each row, or, where it hears segments or frames, of one clip's rows."""
        clips = None if self.card.grain == "clip" else np.zeros(len(embeddings), np.int64)
        return np.asarray(self.fitted.predict(embeddings, clips), np.float32)


def load_probe(path: Path | str) -> Fitted:
    """Return a saved probe: its folder, such as those in the `probes` folder of a run, or its .safetensors file.

    Raises DataError for a damaged one.
    """
    return _restored(_bytes(Path(path)))


def _restored(content: bytes) -> Fitted:
    fitted = probes.restore(content)
    probes.require_whole(fitted)
    return fitted


def _bytes(path: Path) -> bytes:
    file = path / probe_folders.WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"Expected a saved probe, a folder with {probe_folders.WEIGHTS} or that file; got '{path}'.")
    return file.read_bytes()


def open_probe(path: Path | str, is_calibrated: bool = True) -> SavedProbe:
    """Return a saved probe by its folder, `runs/RUN/probes/KEY`; its calibration is left aside where not wanted.

    Raises DataError for a folder of which a file is damaged, or not of the probe that the others are of.
    """
    folder = Path(path)
    content, card = _bytes(folder), probe_folders.read_card(folder)
    fitted = _restored(content)
    if fitted.kind != card.kind or (fitted.classes and fitted.classes != card.classes):
        raise DataError(
            f"'{folder / probe_folders.CARD}' is of another probe than the {probe_folders.WEIGHTS} beside it: "
            f"{card.kind}, {_some(card.classes)}, there; {fitted.kind}, {_some(fitted.classes)}, here. "
            f"{probe_folders.AGAIN}"
        )
    found = calibrated.read(folder, content, card.kind, len(card.classes)) if is_calibrated else None
    return SavedProbe(folder, fitted, card, found)


def _some(classes: Sequence[str]) -> str:
    few = ", ".join(classes[:MOST_NAMED])
    return f"{len(classes)} classes ({few}{', …' if len(classes) > MOST_NAMED else ''})"


def predict(
    paths: Paths,
    probe: Path | str,
    *,
    unsure: float | None = None,
    accuracy: float | None = None,
    is_calibrated: bool = True,
) -> Predictions:
    """Return what a saved probe says of audio files; `probe` is its folder, `runs/RUN/probes/KEY`.

    `paths` may be one path; a folder stands for the audio files in it and below it. Each file is heard as the probe's
    training clips were: representation, layers, segments, pooling. Probabilities are calibrated where the probe's
    folder says how, unless `is_calibrated` is False. `unsure`: answers of less confidence are withheld; `accuracy`:
    those of less than the confidence from which on so many answers were right on the validation clips. Raises
    DataError where the representation's weights here are not those that the probe was fitted on, or its folder is
    damaged.
    """
    saved = open_probe(probe, is_calibrated)
    unsure_below, networks = saved.unsure_below(unsure, accuracy), heard_by(saved)
    kept, rows, failures = [], [], []
    for path in files_of(paths):
        try:
            rows.append(listen(saved, networks, path))
            kept.append(path)
        except AudioError as error:
            failures.append(Failure("files", path.name, path.as_posix(), error.reason))
        except UserError as error:
            failures.append(Failure("files", path.name, path.as_posix(), str(error)))
    scores = np.concatenate(rows) if rows else np.zeros((0, len(saved.card.classes)), np.float32)
    given = saved.calibration.of(scores) if saved.calibration else scores
    return Predictions(given, saved.card, saved.calibration, unsure_below, tuple(kept), tuple(failures))


def heard_by(saved: SavedProbe) -> tuple[Representation, ...]:
    """Return the parts of the representation that a probe hears. Raises DataError where they are not those."""
    return tuple(_network(saved.card, name, saved.folder) for name in saved.card.hears)


def listen(saved: SavedProbe, networks: Sequence[Representation], path: Path) -> Float32[Array, "1 outputs"]:
    """Return what a probe says of one file by itself. Raises AudioError, or UserError where it cannot be embedded."""
    card = saved.card
    heard = [answer for network in networks for answer in _heard(network, path, card, len(networks) > 1)]
    return saved.says(vectors.side_by_side(heard, card.grain, card.representation))


def require_same(card: ProbeCard, name: str, version: int, weights_sha256: str) -> None:
    """Raise DataError unless a probe was fitted on embeddings of this representation, its version and weights."""
    if name not in card.hears:
        raise DataError(
            f"The probe '{card.key}' hears {' + '.join(card.hears)}; these embeddings are of '{name}'. Take a probe "
            "that was fitted on them, or embed with what it hears."
        )
    if (card.hears[name]["version"], card.hears[name]["weights_sha256"]) != (version, weights_sha256):
        raise DataError(
            f"The probe '{card.key}' was fitted on '{name}' of version {card.hears[name]['version']}, weights "
            f"{card.hears[name]['weights_sha256'][:12] or 'none'}; here it is version {version}, weights "
            f"{weights_sha256[:12] or 'none'}. Get those weights, or fit the probe again."
        )


def _network(card: ProbeCard, name: str, folder: Path) -> Representation:
    loaded = base.load(_here(name, folder))
    require_same(card, name, loaded.card.version, loaded.card.weights_sha256)
    return loaded


def _here(name: str, folder: Path) -> str:
    """Return the name of a representation; of a fine-tuned one, where it lies now: its run may have been moved."""
    moved = folder.parent.parent / probe_folders.TUNED / Path(name).name
    is_gone = name.startswith("path:") and not Path(name.removeprefix("path:")).expanduser().is_dir()
    return f"path:{moved}" if is_gone and moved.is_dir() else name


def _heard(network: Representation, path: Path, card: ProbeCard, is_joined: bool) -> Iterator[Array]:
    """Yield what is kept of a file by one part of the representation."""
    choice = card.representation
    if is_joined and network.card.layers == 1:  # it stands beside whichever layers of the others
        choice = replace(choice, layers=None)
    loop = Loop[None](
        network,
        choice.layers,
        choice.segment_s,
        choice.segment_hop_s,
        grain=card.grain,
        bf16=choice.precision == "bf16",
    )
    samples = audio.read(path, network.card.sample_rate).samples
    (found,) = [*loop.add(None, samples), *loop.rest()]
    if isinstance(found.answer, UserError):
        raise found.answer
    if not np.isfinite(found.answer).all():
        raise UserError(f"'{network.card.name}' gave numbers that are not finite")
    yield found.answer[None] if card.grain == "clip" else found.answer
