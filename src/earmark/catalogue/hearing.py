"""One file to the rows of a catalogue: its segments, the whole track, or both, in one pass, in bounded memory.

The numbers are those of `earmark embed` and of an experiment: the track's row is over all frames of all segments, each
frame once, summed in float64. A long file is decoded in blocks and heard segment by segment, so memory holds a block
and a segment; a file that is heard whole must fit.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from earmark import audio
from earmark.catalogue.form import Form
from earmark.errors import AudioError, UserError
from earmark.nouns import Card
from earmark.representations._pooling import STATISTICS, Sums
from earmark.representations.base import Representation
from earmark.representations.embed import Segment, frame_embeddings, segments

Array = np.ndarray
LONGEST_WHOLE_S = 3600.0
LOOKED_INTO_BYTES = 10_000_000
"""A smaller file is no hour long at any usual bit rate, so its length need not be asked for before."""

NOT_FINITE = "gave numbers that are not finite"
KINDS: Mapping[str, str] = {
    "no such file": "missing",
    "empty file": "empty",
    "Is a directory": "folder",
    "Permission denied": "forbidden",
    "cannot be opened": "unreadable",
    "truncated or damaged": "truncated",
    "file without samples": "no samples",
    "expected finite samples": "not finite",
    NOT_FINITE: "not finite",
    "region": "region",
    "too short for": "too short",
    "too long": "too long",
    "needs more memory": "too long",
    audio.NO_FFMPEG: "no decoder",
    "ffmpeg cannot decode": "not audio",
    "expected audio": "not audio",
    "changed while": "changing",
    "ended the process": "deadly",
    "name is no text": "name",
}
"""The kind of a failure, by what its reason says: the first that fits."""
OTHER = "other"


class Heard(NamedTuple):
    """The rows of a file, segments first, with the times of each in seconds; `is_track` marks the whole."""

    rows: Float32[Array, "rows width"]
    times_s: tuple[tuple[float, float], ...]
    is_track: tuple[bool, ...]
    duration_s: float


def kind_of(error: UserError) -> str:
    """Return in a word or two what kept a file from being heard."""
    reason = reason_of(error)
    return next((kind for words, kind in KINDS.items() if words in reason), OTHER)


def reason_of(error: UserError) -> str:
    """Return why a file could not be heard, without its path."""
    return error.reason if isinstance(error, AudioError) else str(error)


def hear(
    network: Representation, form: Form, path: Path, start_s: float | None = None, end_s: float | None = None
) -> Heard:
    """Return the rows of a file, or of a region of it, in the form of a catalogue.

    Raises AudioError for a file that cannot be read, UserError for one that is too short, or too long to be heard
    whole, and for numbers that are not finite.
    """
    total: Sums | None = None
    rows, spans = list[Float32[Array, "layers statistics dim"]](), list[Segment]()
    kept = [STATISTICS.index(name) for name in form.statistics]
    for span, samples in _pieces(network.card, form, path, start_s, end_s):
        frames = _frames(network, form, samples)
        if not np.isfinite(frames).all():
            raise UserError(f"'{network.card.name}' {NOT_FINITE}")
        sums = Sums.of(frames)
        spans.append(span)
        if sums.n_frames:
            total = sums if total is None else total.and_those(sums)
            if form.keeps != "tracks":
                rows.append(sums.statistics[:, kept])
        elif form.keeps != "tracks":
            raise UserError(f"no frames came of its segment at {span.start / network.card.sample_rate:.3f} s")
    if total is None:
        raise UserError(f"no frames came of its {spans[-1].end} samples")
    times = [(one.start / form.sample_rate, one.end / form.sample_rate) for one in spans]
    whole = (0.0, times[-1][1])
    if form.keeps == "tracks":
        times = []
    is_track = [False] * len(times)
    if form.keeps != "segments":
        rows, times, is_track = [*rows, total.statistics[:, kept]], [*times, whole], [*is_track, True]
    flat = np.stack(rows).reshape(len(rows), form.width)
    return Heard(flat, tuple(times), tuple(is_track), whole[1])


def _frames(network: Representation, form: Form, samples: Array) -> Float[Array, "layers frames dim"]:
    length_s = len(samples) / network.card.sample_rate  # one segment, whatever the card says
    (found,) = frame_embeddings(network, samples, form.layers, length_s)
    return found


def _pieces(
    card: Card, form: Form, path: Path, start_s: float | None, end_s: float | None
) -> Iterator[tuple[Segment, Float32[Array, " samples"]]]:
    """Yield the segments of a file as `segments` cuts it, each when its samples are there."""
    length_s, hop_s = form.segment_s, form.segment_hop_s
    if length_s is None:
        length_s, hop_s = card.segment_s, card.segment_hop_s if hop_s is None else hop_s
    if length_s is None:
        _require_short(path, start_s, end_s)
        samples = audio.read(path, card.sample_rate, start_s, end_s).samples
        yield from ((one, samples[one.start : one.end]) for one in segments(len(samples), card))
        return
    length, held, first, n_samples, done = round(length_s * card.sample_rate), np.zeros(0, np.float32), 0, 0, 0
    hop = length if hop_s is None else round(hop_s * card.sample_rate)
    for block in audio.blocks(path, card.sample_rate, start_s, end_s):
        held, n_samples = np.concatenate([held, block]), n_samples + len(block)
        # What remains may lengthen or move the last whole segment, but none before it.
        while (done + 1) * hop + length <= n_samples and hop > 0:
            start = done * hop
            yield Segment(start, start + length), held[start - first : start - first + length]
            done += 1
        unneeded = min(len(held), done * hop - first)
        held, first = held[unneeded:], first + unneeded
    rest = segments(n_samples, card, length_s, hop_s)[done:]
    yield from ((one, held[one.start - first : one.end - first]) for one in rest)


def _require_short(path: Path, start_s: float | None, end_s: float | None) -> None:
    """Raise UserError for a file, or a region of one, that is too long to be heard whole."""
    try:
        size = path.stat().st_size
    except OSError:
        return  # reading it says why
    if size <= LOOKED_INTO_BYTES or (end_s is not None and end_s - (start_s or 0.0) <= LONGEST_WHOLE_S):
        return
    length_s = (audio.info(path).duration_s if end_s is None else end_s) - (start_s or 0.0)
    if length_s > LONGEST_WHOLE_S:
        raise UserError(
            f"too long to be heard whole: {length_s / 3600:.1f} h, and an hour is the most. "
            "Make the catalogue with --segment SECONDS."
        )
