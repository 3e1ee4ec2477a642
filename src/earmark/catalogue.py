"""Audio files to embeddings, and saved probes back, outside any experiment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark import audio
from earmark.errors import AudioError, UserError
from earmark.nouns import Card, Failure
from earmark.probes.saved import Fitted
from earmark.representations import base
from earmark.representations.embed import STATISTICS, clip_embedding


@dataclass(frozen=True)
class Embedded:
    """Clip embeddings of files, in order; files that could not be read are in `failures` and have no row."""

    paths: tuple[Path, ...]
    vectors: Float32[np.ndarray, "files layers statistics dim"]
    card: Card
    failures: tuple[Failure, ...]
    statistics: tuple[str, ...] = STATISTICS


def load_probe(path: Path | str) -> Fitted:
    """Return the probe saved in a file, such as those in the `probes` folder of a run."""
    return Fitted.from_bytes(Path(path).read_bytes())


def embed(
    paths: Sequence[Path | str],
    representation: str,
    *,
    layers: Sequence[int] | None = None,
    segment_s: float | None = None,
    segment_hop_s: float | None = None,
) -> Embedded:
    """Embed audio files by a named representation: mean and standard deviation over all frames of each file."""
    network = base.load(representation)
    kept, vectors, failures = [], [], []
    for path in map(Path, paths):
        try:
            samples = audio.read(path, network.card.sample_rate).samples
            vectors.append(clip_embedding(network, samples, layers, segment_s, segment_hop_s))
            kept.append(path)
        except AudioError as error:
            failures.append(Failure("files", path.name, path.as_posix(), error.reason))
        except UserError as error:
            failures.append(Failure("files", path.name, path.as_posix(), str(error)))
    n_layers = network.card.layers if layers is None else len(layers)
    empty = np.zeros((0, n_layers, len(STATISTICS), network.card.dim), np.float32)
    return Embedded(tuple(kept), np.stack(vectors) if vectors else empty, network.card, tuple(failures))
