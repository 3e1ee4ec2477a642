"""`earmark corpus targets` and `gamma`: codebooks fitted to a corpus, and what they leave over of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from earmark import identity
from earmark.errors import DataError, UserError
from earmark.representations import checkpoint
from earmark.representations.encodecmae import codebooks, front, targets
from earmark.representations.encodecmae import inputs as hearing
from earmark.representations.encodecmae.codebooks import Residuals
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs
from earmark.representations.encodecmae.targets import Joined, Residual
from earmark.training import segments
from earmark.training.corpus import Corpus

SEGMENT_S = 4.0
AT_ONCE = 16
STATISTICS_SEGMENTS = 512  # 34 minutes


@dataclass(frozen=True)
class Sample:
    """Random segments of a corpus, of 4 s, and how many of their frames, drawn at random too; None: all of them."""

    n_segments: int
    n_frames: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_segments < 1 or (self.n_frames is not None and self.n_frames < 1):
            raise UserError(f"Expected segments and frames of at least 1, got {self.n_segments} and {self.n_frames}.")


def assembled(folders: Sequence[Path], codec: str | None, inputs: str | None, n_streams: int = 8) -> Front:
    """Return what the options of a command mean: the streams of a codec first, then those of each folder.

    No folder means the codec. `inputs` None: those of the codec, else of the first folder. Raises UserError for
    codebooks that stand on other inputs, and as `inputs.inputs` and `front.load`.
    """
    loaded = [front.load(folder) for folder in folders]
    wanted = None if codec is None and loaded else hearing.load_codec(codec or hearing.CODEC)
    if inputs is None:
        heard: Inputs = loaded[0].inputs if wanted is None else EncodecFrames(wanted)
    else:
        same = [one.inputs for one in loaded if one.inputs.name == inputs]
        heard = same[0] if same else hearing.inputs(inputs, codec or hearing.CODEC)
    parts = [] if wanted is None else [targets.of_codec(wanted, heard, n_streams)]
    for folder, one in zip(folders, loaded, strict=True):
        if any(part.source is None for part in one.parts) and not _are_same(one.inputs, heard):
            raise UserError(
                f"Expected codebooks on the frames of '{heard.name}', got '{folder}', whose stand on other inputs or "
                "statistics. Name that folder first, or fit codebooks to these inputs."
            )
        parts += one.parts
    for part in parts:
        targets.require_rate(part, heard)
    return Front(heard, parts[0] if len(parts) == 1 else Joined(parts))


def _are_same(one: Inputs, other: Inputs) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return one.name == other.name and all(torch.equal(ours[name], theirs[name]) for name in ours)


class Fitted(NamedTuple):
    """A front with fitted codebooks, and what they leave over of the very frames that they were fitted to."""

    front: Front
    residuals: Residuals
    n_frames: int


MEL_RVQ = Sample(380)  # 76,000 frames, of our own runs on two cores
KMEANS = Sample(10_000, 10_000)  # Pepino et al. 2023, §2.3; that so few of the frames are taken, its published code
GAMMA = Sample(150)  # the same, §3.1


def fit(corpus: Corpus, inputs: Inputs, wanted: Residual, sample: Sample) -> Fitted:
    """Fit codebooks, one after the other, to the frames that they are to code; before, inputs measure what they lack.

    Raises UserError for a corpus or a teacher of another rate, and for fewer frames than codes; DataError for a corpus
    that is too short.
    """
    targets.require_rate(wanted, inputs)
    heard = _segments(corpus, inputs, sample)
    n_measured = min(len(heard), STATISTICS_SEGMENTS)
    inputs.prepare(_audio(heard, range(n_measured)))
    vectors = _frames(heard, Front(inputs, wanted), sample)
    generator = torch.Generator().manual_seed(identity.seed_for("codebooks", sample.seed) % 2**63)
    wanted.codebooks.copy_(codebooks.fit(vectors, wanted.n_streams, wanted.n_codes, generator))
    return Fitted(Front(inputs, wanted), codebooks.residuals(vectors, wanted.codebooks), len(vectors))


def residuals(corpus: Corpus, measured: Front, sample: Sample) -> Residuals:
    """Return what the codebooks of a front leave over of frames of a corpus. Raises as `fit`, and for joined ones."""
    if len(measured.parts) != 1:
        raise UserError(
            f"Expected targets of one kind to measure, got {len(measured.parts)}. Measure one after the other."
        )
    heard = _segments(corpus, measured.inputs, sample)
    return codebooks.residuals(_frames(heard, measured, sample), measured.parts[0].codebooks)


def save(folder: Path, fitted: Fitted, corpus: Corpus, sample: Sample) -> None:
    """Write a fitted front with its card. Raises UserError for a folder that is there, or cannot be written."""
    if folder.exists():
        raise UserError(f"'{folder}' is there already. Name another folder, or take it away.")
    found = fitted.residuals
    card = {
        "trained_on": f"{fitted.n_frames:,} frames of {sample.n_segments:,} segments of 4 s, corpus {corpus.key}",
        "objective": "residual k-means",
        "licence": "; ".join(sorted({track.licence or "unknown" for track in corpus.tracks})),
        "seed": sample.seed,
        "rounds": codebooks.N_ROUNDS,
        "explained_variance": found.explained.tolist(),
        "residual_energies": found.energies.tolist(),
        "residual_lengths": found.lengths.tolist(),
        "torch": torch.__version__,
    }
    checkpoint.write(folder, fitted.front.contents(), card)


def _segments(corpus: Corpus, inputs: Inputs, sample: Sample) -> segments.Random:
    if corpus.sample_rate != inputs.sample_rate:
        raise UserError(
            f"Expected a corpus at {inputs.sample_rate} Hz for '{inputs.name}', got {corpus.sample_rate} Hz in "
            f"'{corpus.folder}'. Build one: earmark corpus build FOLDER -o OUT --rate {inputs.sample_rate}"
        )
    return segments.random(corpus, SEGMENT_S, "duration", sample.n_segments, seed=sample.seed)


def _audio(heard: segments.Random, which: range) -> Float[Tensor, "batch samples"]:
    return torch.from_numpy(np.stack([heard.at(0, index) for index in which]))


def _frames(heard: segments.Random, made: Front, sample: Sample) -> Float[Tensor, "points dim"]:
    """Return frames, as they are coded, in the order of segments; which, is drawn by the seed.

    Raises DataError where the segments have fewer.
    """
    part = made.parts[0]
    n_each = made.inputs(_audio(heard, range(1))).shape[1]
    n_all = n_each * len(heard)
    if sample.n_frames is not None and sample.n_frames > n_all:
        raise DataError(
            f"Expected {sample.n_frames:,} frames or more in {len(heard):,} segments, got {n_all:,}. Take more "
            "segments (--segments), or fewer frames (--frames)."
        )
    chosen = None
    if sample.n_frames is not None:
        rng = identity.generator("frames", sample.seed)
        chosen = np.sort(rng.choice(n_all, sample.n_frames, replace=False))
    return torch.cat(list(_chosen(heard, made, part, n_each, chosen)))


def _chosen(
    heard: segments.Random, made: Front, part: Residual, n_each: int, chosen: np.ndarray | None
) -> Iterator[Float[Tensor, "points dim"]]:
    for first in range(0, len(heard), AT_ONCE):
        which = range(first, min(first + AT_ONCE, len(heard)))
        own = slice(0, len(which) * n_each)
        if chosen is not None:
            places = np.searchsorted(chosen, [which.start * n_each, which.stop * n_each])
            numbers = torch.from_numpy(chosen[slice(*places)] - which.start * n_each)
            if not len(numbers):
                continue
        audio = _audio(heard, which)
        frames = made.inputs(audio) if part.source is None else part.source(audio)
        if frames.shape[1] != n_each:
            raise UserError(
                f"Expected as many frames to code as '{made.inputs.name}' gives of {SEGMENT_S:g} s, {n_each}, got "
                f"{frames.shape[1]}. Take inputs of the same frame rate, or another teacher."
            )
        flat = frames.flatten(0, 1).float()
        yield flat[own] if chosen is None else flat[numbers]
