"""The files of a corpus as `earmark corpus build` leaves them, and what they say of its tracks."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark import containers
from earmark.errors import DataError
from earmark.store import lines

SAMPLES, TRACKS, FAILURES, HEAD = f"samples{containers.RAW}", "tracks.jsonl", "failures.jsonl", containers.CORPUS
JOURNAL = "building.jsonl"
SCHEME = 1

CARD, HEARD = "card.json", "heard"  # of a checkpoint; and what it says there
MARK_DIGITS = 12


@dataclass(frozen=True)
class Track:
    """A stretch of a corpus: `n_samples` from `start` on, at the corpus' rate.

    `sha256` is that of the audio file it was read from, `crc32` that of its samples as stored. `n_clipped` of them
    were beyond ±1. `licence` None: not known. `group` names what belongs together, such as an artist.
    """

    id: str
    start: int
    n_samples: int
    sha256: str
    crc32: int
    n_clipped: int = 0
    licence: str | None = None
    group: str | None = None

    @property
    def end(self) -> int:
        """The sample after its last."""
        return self.start + self.n_samples


def is_corpus(folder: Path) -> bool:
    """Say whether a folder is a corpus, whole or begun."""
    return (folder / HEAD).is_file() or (folder / JOURNAL).is_file()


def head(folder: Path) -> dict[str, Any]:
    """Return what corpus.json says. Raises DataError for a folder that is no corpus, or one not finished."""
    path = folder / HEAD
    if not path.exists():
        if (folder / JOURNAL).exists():
            raise DataError(f"The corpus '{folder}' is not finished. Run the same `earmark corpus build` again.")
        raise DataError(f"Expected a corpus in '{folder}', found none. Make one: earmark corpus build FOLDER -o OUT")
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"'{path}' is damaged: {error}. Build the corpus anew with --overwrite.") from error
    if found.get("scheme") != SCHEME:
        raise DataError(
            f"'{path}' is of scheme {found.get('scheme')}, expected {SCHEME}. Build it anew, or update earmark."
        )
    return found


def tracks(folder: Path) -> tuple[Track, ...]:
    """Return the tracks of a corpus, in the order of their samples."""
    return tuple(lines.read(folder / TRACKS, lambda item: Track(**item)).items)


def marks(found: Iterable[Track]) -> str:
    """Return what a card says of tracks that were heard in training: 12 hex digits of each file's hash, by spaces."""
    return " ".join(sorted({track.sha256[:MARK_DIGITS] for track in found}))


def heard(folder: Path) -> frozenset[str]:
    """Return the marks of the tracks of a corpus, or of those that a checkpoint was trained or validated on.

    Raises DataError for a folder that is neither, or a checkpoint that does not say.
    """
    if is_corpus(folder):
        head(folder)
        return frozenset(marks(tracks(folder)).split())
    try:
        return frozenset(json.loads((folder / CARD).read_bytes())[HEARD].split())
    except FileNotFoundError as error:
        raise DataError(
            f"Expected a checkpoint or a corpus at '{folder}' (seen from '{Path.cwd()}'), whose tracks shall be left "
            "out: it holds neither card.json nor corpus.json."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"'{folder / CARD}' does not say which tracks were heard ({error!r}): an older earmark wrote it, or the "
            "network that it began as does not say. Name the corpus that it was trained on instead."
        ) from error
