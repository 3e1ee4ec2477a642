"""Audio files to embeddings, outside any experiment."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark import audio
from earmark.datasets._listing import is_audio
from earmark.errors import AudioError, UserError
from earmark.nouns import Card, Failure
from earmark.representations import base, joined
from earmark.representations.base import Representation
from earmark.representations.embed import STATISTICS, clip_embedding

Paths = Iterable[Path | str] | Path | str
"""Files and folders of them; one may stand alone."""


@dataclass(frozen=True)
class Embedded:
    """Clip embeddings of files, in order; files that could not be read are in `failures` and have no row.

    `layers` are the numbers of the layers, in the order of their axis.
    """

    paths: tuple[Path, ...]
    vectors: Float32[np.ndarray, "files layers statistics dim"]
    card: Card
    failures: tuple[Failure, ...]
    layers: tuple[int, ...]
    statistics: tuple[str, ...] = STATISTICS


def embed(
    paths: Paths,
    representation: str,
    *,
    layers: Sequence[int] | None = None,
    segment_s: float | None = None,
    segment_hop_s: float | None = None,
) -> Embedded:
    """Embed audio files by a named representation: mean and standard deviation over all frames of each file.

    One path may stand alone; a folder stands for the audio files in it and below it, by name, without what is hidden.
    `layers` None: all.
    `segment_s` None: each file is one segment; `segment_hop_s` None: segments do not overlap.
    The parts of a joined name (`a+b`) each hear the audio at their own rate and stand side by side along dim; one
    with a single layer stands beside every layer of the others.
    Raises UserError for layers that the representation has not, a folder without audio, a hop without a segment.
    """
    if segment_hop_s is not None and segment_s is None:
        raise UserError("Expected the length of a segment beside its hop: give segment_s (--segment) too.")
    names = joined.parts(representation) if "+" in representation else (representation,)
    parts = [base.load(name) for name in names]
    deep = [part.card for part in parts if part.card.layers > 1] or [parts[0].card]
    wanted = _layers(min(deep, key=lambda card: card.layers), layers)
    files = tuple(files_of(paths))
    found = [_by(part, files, wanted if part.card in deep else (0,), segment_s, segment_hop_s) for part in parts]
    return found[0] if len(found) == 1 else _side_by_side(representation, found, wanted)


def _by(
    network: Representation,
    files: Sequence[Path],
    wanted: tuple[int, ...],
    segment_s: float | None,
    segment_hop_s: float | None,
) -> Embedded:
    kept, vectors, failures = [], [], []
    for path in files:
        try:
            samples = audio.read(path, network.card.sample_rate).samples
            vectors.append(clip_embedding(network, samples, wanted, segment_s, segment_hop_s))
            kept.append(path)
        except AudioError as error:
            failures.append(Failure("files", path.name, path.as_posix(), error.reason))
        except UserError as error:
            failures.append(Failure("files", path.name, path.as_posix(), str(error)))
    empty = np.zeros((0, len(wanted), len(STATISTICS), network.card.dim), np.float32)
    return Embedded(tuple(kept), np.stack(vectors) if vectors else empty, network.card, tuple(failures), wanted)


def _side_by_side(name: str, parts: Sequence[Embedded], layers: tuple[int, ...]) -> Embedded:
    """Return the embeddings of the files that every part could embed, along dim, and each part's failures."""
    kept = [path for path in parts[0].paths if all(path in part.paths for part in parts)]
    columns = []
    for part in parts:
        rows = part.vectors[[part.paths.index(path) for path in kept]]
        columns.append(np.broadcast_to(rows, (len(kept), len(layers), *rows.shape[2:])))
    vectors = np.concatenate(columns, axis=-1)
    card = replace(parts[0].card, name=name, dim=vectors.shape[-1], layers=len(layers))
    return Embedded(tuple(kept), vectors, card, tuple(one for part in parts for one in part.failures), layers)


def _layers(card: Card, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the layers to give. What is wrong with them is wrong for every file, so it is said before the first."""
    wanted = tuple(range(card.layers)) if layers is None else tuple(layers)
    if not wanted or not set(wanted) <= set(range(card.layers)):
        raise UserError(f"'{card.name}' has layers 0 to {card.layers - 1}; got {list(wanted)}.")
    return wanted


def files_of(paths: Paths) -> Iterator[Path]:
    """Yield files, and in place of a folder the audio files in it and below it, by name, without what is hidden."""
    for path in map(Path, (paths,) if isinstance(paths, Path | str) else paths):
        if not path.is_dir():
            yield path
            continue
        below = (one for one in path.rglob("*") if is_audio(one) and one.is_file())
        found = sorted(one for one in below if not any(part[0] == "." for part in one.relative_to(path).parts))
        if not found:
            raise UserError(f"'{path}' holds no audio: expected files such as one.wav, .flac, .ogg or .mp3.")
        yield from found
