"""Saved probes on new audio: what one says of files, through the representation that it was fitted on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark import audio
from earmark.catalogue.embedding import files_of
from earmark.errors import AudioError, DataError, UserError
from earmark.experiment import probe_folders, vectors
from earmark.experiment.probe_folders import ProbeCard
from earmark.nouns import Failure
from earmark.probes import fit as probes
from earmark.probes.base import Fitted
from earmark.representations import base
from earmark.representations.base import Representation
from earmark.representations.embed import Loop

Array = np.ndarray


@dataclass(frozen=True)
class Predictions:
    """What a probe says of files, in order; files that could not be heard are in `failures` and have no row.

    `scores`: probabilities of `card.classes`, of each label, or values, by `card.kind`.
    """

    paths: tuple[Path, ...]
    scores: Float32[Array, "files outputs"]
    card: ProbeCard
    failures: tuple[Failure, ...]

    @property
    def said(self) -> tuple[str, ...]:
        """The predictions in words: the best class, the labels above one half, or the values."""
        kind, classes = self.card.kind, self.card.classes
        if kind == "regression":
            return tuple(", ".join(f"{value:.6g}" for value in row) for row in self.scores)
        if kind == "multilabel":
            return tuple(", ".join(classes[i] for i in np.flatnonzero(row > 0.5)) for row in self.scores)
        return tuple(classes[i] for i in self.scores.argmax(axis=1))


def load_probe(path: Path | str) -> Fitted:
    """Return a saved probe: its folder, such as those in the `probes` folder of a run, or its .safetensors file."""
    found = Path(path)
    file = found / probe_folders.WEIGHTS if found.is_dir() else found
    if not file.is_file():
        raise DataError(f"Expected a saved probe, a folder with {probe_folders.WEIGHTS} or that file; got '{path}'.")
    return probes.restore(file.read_bytes())


def predict(paths: Sequence[Path | str], probe: Path | str) -> Predictions:
    """Return what a saved probe says of audio files; `probe` is its folder, `runs/RUN/probes/KEY`.

    A folder among `paths` stands for the audio files in it and below it. Each file is heard as the probe's training
    clips were: representation, layers, segments, pooling. Raises DataError where the representation's weights here are
    not those that the probe was fitted on.
    """
    fitted, card = load_probe(probe), probe_folders.read_card(Path(probe))
    networks = tuple(_network(card, name, Path(probe)) for name in card.hears)
    kept, rows, failures = [], [], []
    for path in files_of(map(Path, paths)):
        try:
            heard = [answer for network in networks for answer in _heard(network, path, card, len(networks) > 1)]
            seen = vectors.side_by_side(heard, card.grain, card.representation)
            clips = None if card.grain == "clip" else np.zeros(len(seen), np.int64)
            rows.append(fitted.predict(seen, clips))
            kept.append(path)
        except AudioError as error:
            failures.append(Failure("files", path.name, path.as_posix(), error.reason))
        except UserError as error:
            failures.append(Failure("files", path.name, path.as_posix(), str(error)))
    scores = np.concatenate(rows) if rows else np.zeros((0, len(card.classes)), np.float32)
    return Predictions(tuple(kept), scores, card, tuple(failures))


def _network(card: ProbeCard, name: str, folder: Path) -> Representation:
    loaded = base.load(_here(name, folder))
    here = {"version": loaded.card.version, "weights_sha256": loaded.card.weights_sha256}
    if any(card.hears[name][fact] != value for fact, value in here.items()):
        raise DataError(
            f"The probe '{card.key}' was fitted on '{name}' of version {card.hears[name]['version']}, weights "
            f"{card.hears[name]['weights_sha256'][:12] or 'none'}; here it is version {here['version']}, weights "
            f"{loaded.card.weights_sha256[:12] or 'none'}. Get those weights, or fit the probe again."
        )
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
