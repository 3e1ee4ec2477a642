"""`earmark corpus codes`: the frames and codes of every track, written so that a crash costs only the latest tracks."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from earmark import durable, identity
from earmark.errors import DataError, UserError
from earmark.representations import checkpoint
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.targets import Coded
from earmark.store import lines
from earmark.training import _journal, coded
from earmark.training.coded import CODE, CODES, FRAME, FRAMES, FRONT, HEAD, SCHEME, TRACKS, CodedTrack, Codes, Pieces
from earmark.training.corpus import Bar, Corpus, Track, Untold, read_samples

OURS = {FRAMES, CODES, TRACKS, FRONT, HEAD, _journal.LOCK}
PIECES_AT_ONCE = 16
FLUSH_BYTES = 64 * 2**20
FLUSH_TRACKS = 256
MOST_CODES = 2**15


@dataclass(frozen=True)
class How:
    """What is coded how: `pieces` None means every track whole."""

    corpus: Corpus
    front: Front
    pieces: Pieces | None
    device: torch.device

    @cached_property
    def key(self) -> str:
        """Changes with whatever would change a frame or code, but for the device and the version of torch."""
        contents = self.front.contents()
        state = {name: sha256(one.cpu().numpy().tobytes()).hexdigest() for name, one in contents.tensors.items()}
        pieces = None if self.pieces is None else self.pieces.n_samples
        return identity.key_of(corpus=self.corpus.key, front=contents.config, state=state, pieces=pieces)

    def head(self, n_frames: int) -> dict[str, object]:
        """Return what codes.json says."""
        inputs, targets = self.front
        return {
            "scheme": SCHEME,
            "key": self.key,
            "corpus": self.corpus.key,
            "sample_rate": inputs.sample_rate,
            "hop_samples": inputs.hop_samples,
            "dim": inputs.dim,
            "n_streams": targets.n_streams,
            "n_codes": targets.n_codes,
            "pieces": None if self.pieces is None else asdict(self.pieces),
            "n_frames": n_frames,
            "torch": torch.__version__,
            "device": self.device.type,
        }

    def code(self, track: Track) -> Coded:
        """Return the frames and codes of a track; of one that is too short, none."""
        samples = torch.from_numpy(read_samples(self.corpus, track.start, track.n_samples))
        if self.pieces is None:
            is_long_enough = track.n_samples >= self.front.inputs.min_samples
            whole = [self.front(samples[None].to(self.device))] if is_long_enough else []
            found = [Coded(one.frames[0], one.codes[0].T) for one in whole]
        else:
            by_batch = [self.front(batch) for batch in self._batches(samples, self.pieces.n_samples)]
            found = [Coded(one.frames.flatten(0, 1), one.codes.transpose(1, 2).flatten(0, 1)) for one in by_batch]
        if not found:
            inputs, targets = self.front
            return Coded(torch.zeros(0, inputs.dim), torch.zeros(0, targets.n_streams, dtype=torch.long))
        return Coded(torch.cat([one.frames for one in found]), torch.cat([one.codes for one in found]))

    def _batches(self, samples: Float[Tensor, " samples"], n_samples: int) -> Iterator[Float[Tensor, "pieces samples"]]:
        whole = samples[: len(samples) // n_samples * n_samples].reshape(-1, n_samples)
        for first in range(0, len(whole), PIECES_AT_ONCE):
            yield whole[first : first + PIECES_AT_ONCE].to(self.device)


@dataclass
class _Writer:
    """A folder of codes that is being made: tracks that are on the disk, and what is about to be."""

    folder: Path
    tracks: list[CodedTrack]
    frames: bytearray = field(default_factory=bytearray)
    codes: bytearray = field(default_factory=bytearray)
    waiting: list[str] = field(default_factory=list)

    def add(self, track: Track, found: Coded) -> None:
        """Take the next track; it is on the disk after the next flush. Raises UserError for frames beyond float16."""
        frames = found.frames.cpu().half().numpy().astype(FRAME)
        if not np.isfinite(frames).all():
            raise UserError(
                f"Expected finite frames of '{track.id}' that float16 can hold, up to 65504, got others. Listen to it, "
                "or train without cached codes."
            )
        start = self.tracks[-1].end if self.tracks else 0
        self.tracks.append(CodedTrack(track.id, start, len(frames), track.crc32))
        self.frames += frames.tobytes()
        self.codes += found.codes.cpu().numpy().astype(CODE).tobytes()
        self.waiting.append(lines.line({"track": asdict(self.tracks[-1])}))
        if len(self.frames) >= FLUSH_BYTES or len(self.waiting) >= FLUSH_TRACKS:
            self.flush()

    def flush(self) -> None:
        """Put what was added on the disk: frames and codes first, then the lines that tell of them."""
        if self.waiting:
            durable.append(self.folder / FRAMES, self.frames)
            durable.append(self.folder / CODES, self.codes)
            durable.append(self.folder / TRACKS, "".join(self.waiting).encode())
        self.frames, self.codes, self.waiting = bytearray(), bytearray(), []


def code(
    corpus: Corpus,
    front: Front,
    output: Path | str,
    *,
    alone_s: float | None = None,
    device: str = "cpu",
    overwrite: bool = False,
    bar: Bar | None = None,
) -> Codes:
    """Write the frames and codes of every track of a corpus into a folder, and open it.

    `alone_s` None: every track is coded whole, then cut (encode-then-crop); a segment knows what came before it. Else
    every piece that long is coded by itself, as a crop that is coded in training is (crop-then-encode); what is left
    at the end of a track is not coded. One that was interrupted, even killed, goes on where it was.
    Raises UserError for a corpus of another rate than the inputs hear, for a front that cannot hear whole tracks, and
    where the disk refuses; DataError where the folder holds other codes: `overwrite` begins anew.
    """
    folder = Path(output)
    how = How(corpus, front, _pieces(corpus, front, alone_s), torch.device(device))
    front.inputs.to(how.device)
    front.targets.to(how.device)
    with _journal.held(folder, "cache of codes", OURS):
        if overwrite:
            _clear(folder)
        done = _resumed(folder, how)
        if not (folder / HEAD).exists():
            about = {"trained_on": f"corpus {corpus.key}", "objective": "none", "licence": "that of the corpus"}
            checkpoint.write(folder / FRONT, front.contents(), about)
            _write(_Writer(folder, done), how, bar or (lambda name, total: nullcontext(Untold())))
    return coded.open(folder, corpus)


def _pieces(corpus: Corpus, front: Front, alone_s: float | None) -> Pieces | None:
    """Return how tracks are cut. Raises UserError for what does not fit."""
    inputs, targets = front
    if corpus.sample_rate != inputs.sample_rate:
        raise UserError(
            f"Expected a corpus at {inputs.sample_rate} Hz for '{inputs.name}', got {corpus.sample_rate} Hz in "
            f"'{corpus.folder}'. Build one: earmark corpus build FOLDER -o OUT --rate {inputs.sample_rate}"
        )
    if targets.n_codes > MOST_CODES:
        raise UserError(f"Expected at most {MOST_CODES:,} codes, which 16 bits hold, got {targets.n_codes:,}.")
    if alone_s is None:
        if not front.hears_whole_tracks:
            raise UserError(
                "Expected pieces to code one by one: a teacher hears segments only, and frames of mel256 stand beside "
                "those of EnCodec in 4 s only. Write --alone 4."
            )
        return None
    n_samples = round(alone_s * corpus.sample_rate)
    silence = torch.zeros(1, max(n_samples, 0), device=next(iter(inputs.state_dict().values()), torch.zeros(0)).device)
    return Pieces(n_samples, inputs(silence).shape[1])


def _write(writer: _Writer, how: How, bar: Bar) -> None:
    todo = how.corpus.tracks[len(writer.tracks) :]
    with bar("codes", len(todo)) as progress:
        for track in todo:
            writer.add(track, how.code(track))
            progress.advance(1, track.n_samples / how.corpus.sample_rate)
    writer.flush()
    n_frames = writer.tracks[-1].end
    if not n_frames:
        raise DataError(f"No track of '{how.corpus.folder}' is long enough to be coded. Take longer ones.")
    head = json.dumps(how.head(n_frames), indent=1, sort_keys=True).encode() + b"\n"
    durable.write_file(writer.folder / HEAD, head)


def _resumed(folder: Path, how: How) -> list[CodedTrack]:
    """Return what is done, with what lies beyond it cut off. Raises DataError where the folder holds other codes."""
    path = folder / TRACKS
    found = lines.read(path, dict[str, Any])
    keys = [line["key"] for line in found.items if "key" in line]
    tracks = [CodedTrack(**line["track"]) for line in found.items if "track" in line]
    if keys == [how.key]:
        n_frames = tracks[-1].end if tracks else 0
        _journal.cut(path, found.end)
        _journal.cut(folder / FRAMES, n_frames * how.front.inputs.dim * FRAME.itemsize)
        _journal.cut(folder / CODES, n_frames * how.front.targets.n_streams * CODE.itemsize)
        return tracks
    if tracks:
        raise DataError(
            f"'{folder}' holds codes of another corpus, or by other inputs, targets or pieces. Name another folder, or "
            "begin anew with --overwrite."
        )
    _clear(folder)
    durable.append(path, lines.line({"key": how.key}).encode())
    return []


def _clear(folder: Path) -> None:
    """Remove codes, the file that makes them whole first."""
    for name in (HEAD, TRACKS, FRAMES, CODES):
        durable.remove(folder / name)
    shutil.rmtree(folder / FRONT, ignore_errors=True)
