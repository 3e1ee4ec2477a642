"""A corpus to train on: every track decoded once, to int16 mono at one rate, in one file that is mapped into memory.

Int16 at 16 kHz takes 115 MB an hour, a quarter of a CD's, and a segment is read without decoding a file. A network's
card names a corpus by its `key`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float32

from earmark import audio, durable, identity
from earmark.datasets import _corpora
from earmark.datasets._corpora import Track
from earmark.errors import DataError, UserError
from earmark.nouns import Failure
from earmark.store import lines
from earmark.training import _journal
from earmark.training._hearing import FULL_SCALE, hear_all
from earmark.training._journal import SAMPLE, Journal
from earmark.training._listing import Listing, listed

__all__ = ["Corpus", "Progress", "Track", "build", "held_out", "open", "read_samples"]


class Progress(Protocol):
    """Is told what is done."""

    def advance(self, items: int, audio_s: float = 0.0) -> object:
        """Count tracks and their seconds."""


class Untold:
    """Nobody is told."""

    def advance(self, items: int, audio_s: float = 0.0) -> None:
        """Say nothing."""


Bar = Callable[[str, int], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Corpus:
    """Tracks in one file of samples. `key` changes with the rate, the tracks, their order and their samples.

    `failures` are the clips that could not become tracks. A corpus that is sent to another process opens its file
    anew: no sample travels.
    """

    folder: Path
    sample_rate: int
    tracks: tuple[Track, ...]
    key: str
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def samples(self) -> np.memmap[Any, np.dtype[np.int16]]:
        """The samples of all tracks, int16, read-only; 32768 stands for 1."""
        return np.memmap(self.folder / _corpora.SAMPLES, SAMPLE, "r")

    @property
    def duration_s(self) -> float:
        """Seconds of all tracks."""
        return sum(track.n_samples for track in self.tracks) / self.sample_rate

    def __reduce__(self) -> tuple[object, ...]:
        return Corpus, tuple(getattr(self, one.name) for one in fields(self))


def read_samples(corpus: Corpus, start: int, n_samples: int) -> Float32[np.ndarray, " samples"]:
    """Return samples from the `start`-th of the corpus on, as float32 in [-1, 1)."""
    return np.multiply(corpus.samples[start : start + n_samples], np.float32(1 / FULL_SCALE), dtype=np.float32)


def build(
    sources: Sequence[str | Path] | str | Path,
    output: Path | str,
    sample_rate: int = 16000,
    jobs: int = 1,
    *,
    data_folder: Path | None = None,
    excerpt_s: float | None = None,
    overwrite: bool = False,
    bar: Bar | None = None,
) -> Corpus:
    """Decode all audio of folders, and of datasets written `dataset:NAME`, into the corpus `output`, and open it.

    Tracks stand in the order of their ids. `jobs` threads decode; bytes do not depend on their number. What cannot be
    read, is silent (peak below −80 dB) or shorter than 0.1 s is in `failures` and failures.jsonl, with the reason;
    samples beyond ±1 are clipped, and counted for each track. A build that was interrupted, even killed, goes on where
    it was; one that is whole is opened. `data_folder`: where the files of the one dataset lie, if not in the home.
    `excerpt_s`: of each clip one piece of so many seconds alone, always the same one; shorter clips are taken whole.
    One source may stand alone. Raises DataError where no track is left, and where `output` holds another corpus:
    `overwrite` begins anew. Raises UserError where the disk refuses; what it took is kept for the next time.
    """
    if sample_rate < 1 or jobs < 1:
        raise UserError(f"Expected a sample rate in Hz and jobs of at least 1, got {sample_rate} and {jobs}.")
    each = [sources] if isinstance(sources, Path | str) else sources
    listing, folder = listed(each, sample_rate, data_folder, excerpt_s, jobs), Path(output)
    with _journal.held(folder):
        if overwrite:
            _journal.clear(folder)
        if (folder / _corpora.HEAD).exists():
            _require_same(folder, listing)
            durable.remove(folder / _corpora.JOURNAL)  # a crash may have left it
        else:
            _write(folder, listing, sample_rate, jobs, bar or (lambda name, total: nullcontext(Untold())))
    return open(folder)


def open(folder: Path | str) -> Corpus:
    """Return a corpus by its folder. Raises DataError for one that is not whole, or damaged, or no corpus."""
    root = Path(folder)
    head = _corpora.head(root)
    tracks = _corpora.tracks(root)
    failures = lines.read(root / _corpora.FAILURES, lambda item: Failure(**item))
    size = (root / _corpora.SAMPLES).stat().st_size if (root / _corpora.SAMPLES).exists() else 0
    expected = {"tracks": head["n_tracks"], "failures": head["n_failures"], "samples": head["n_samples"]}
    found = {"tracks": len(tracks), "failures": len(failures.items), "samples": size // SAMPLE.itemsize}
    for what, count in expected.items():
        if found[what] != count:
            raise DataError(
                f"The corpus '{root}' is damaged: expected {count:,} {what}, found {found[what]:,}. "
                "Copy it again, or build it anew with --overwrite."
            )
    return Corpus(root, head["sample_rate"], tracks, head["key"], tuple(failures.items), tuple(head["notes"]))


def held_out(corpus: Corpus, share: float, seed: int = 0) -> tuple[Corpus, Corpus]:
    """Return the corpus in two: to train on, and about `share` of its seconds held out, by whole groups.

    Groups (tracks, where they have none) come in an order drawn by `seed` and their names alone, and are held out
    until the share is reached. Raises UserError where one of the two would be empty.
    """
    groups: dict[str, list[Track]] = {}
    for track in corpus.tracks:
        groups.setdefault(track.id if track.group is None else f"group {track.group}", []).append(track)
    wanted, chosen = share * sum(track.n_samples for track in corpus.tracks), set[str]()
    for name in sorted(groups, key=lambda one: identity.seed_for("held out", seed, one)):
        if wanted <= 0:
            break
        wanted -= sum(track.n_samples for track in groups[name])
        chosen.update(track.id for track in groups[name])
    parts = [tuple(track for track in corpus.tracks if (track.id in chosen) == is_out) for is_out in (False, True)]
    if not 0 < share < 1 or not all(parts):
        raise UserError(
            f"Expected a share between 0 and 1 that leaves tracks on either side, got {share:g} of {len(groups)} "
            f"groups of '{corpus.folder}'. Hold out less, or add tracks."
        )
    train, valid = (replace(corpus, tracks=part, key=_content_key(corpus.sample_rate, part)) for part in parts)
    return train, valid


def _write(folder: Path, listing: Listing, sample_rate: int, jobs: int, bar: Bar) -> None:
    journal = Journal(folder, listing.key)
    todo = listing.wanted[journal.n_done :]
    with bar("corpus", len(todo)) as progress, closing(hear_all(todo, sample_rate, jobs)) as heard:
        for one in heard:
            journal.add(one)
            progress.advance(1, 0.0 if isinstance(one, Failure) else len(one.quantised.samples) / sample_rate)
    journal.flush()
    if not journal.tracks:
        _journal.write_lines(folder / _corpora.FAILURES, journal.failures)
        first = journal.failures[0]
        raise DataError(
            f"No track is left for a corpus: none of {len(journal.failures)} can be used, such as {first.clip} "
            f"({first.reason}) All are in '{folder / _corpora.FAILURES}'."
        )
    journal.finish(
        {
            "scheme": _corpora.SCHEME,
            "key": _content_key(sample_rate, journal.tracks),
            "made_from": listing.key,
            "sample_rate": sample_rate,
            "n_tracks": len(journal.tracks),
            "n_failures": len(journal.failures),
            "n_samples": journal.tracks[-1].end,
            "libraries": audio.library_versions(),
            "notes": listing.notes,
        }
    )


def _content_key(sample_rate: int, tracks: Sequence[Track]) -> str:
    return identity.key_of(
        sample_rate=sample_rate, tracks=[[one.id, one.sha256, one.n_samples, one.crc32] for one in tracks]
    )


def _require_same(folder: Path, listing: Listing) -> None:
    """Raise DataError where the corpus in a folder is not the one that would be built."""
    if _corpora.head(folder)["made_from"] != listing.key:
        raise DataError(
            f"'{folder}' holds a corpus of other audio or excerpts, of another rate, or of other versions of the "
            "libraries. "
            "Name another folder, or begin anew with --overwrite."
        )
