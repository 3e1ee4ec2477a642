"""What finished runs refer to in the store, so that nothing of theirs is thrown away."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import DataError
from earmark.experiment import ingredients, results
from earmark.store import Thing
from earmark.store.things import ROWS

NAMED = ("probes", "scores")
"""The kinds of whole files that a run's folder has by their keys. It names none of the others, which are small."""


@dataclass(frozen=True)
class Kept:
    """What some runs refer to: `audio` are sha256 of files they heard, `keys` of their probes and scores."""

    audio: frozenset[str]
    keys: frozenset[str]

    def holds(self, thing: Thing) -> bool:
        """Say whether a thing of a store must stay for these runs.

        A row does when a run heard its audio, by whatever representation, and when nothing tells its audio.
        """
        if thing.kind == ROWS:
            heard = thing.origin.get("audio_sha256")
            return heard is None or heard in self.audio
        return thing.kind not in NAMED or thing.name.partition(".")[0] in self.keys


def kept(runs: Iterable[Path | str]) -> Callable[[Thing], bool]:
    """Return whether a thing must stay for some runs, given by id or folder; for none, nothing must.

    Raises DataError for a run whose folder does not say what it heard.
    """
    found = [_of_run(results.find(one)) for one in runs]
    if not found:
        return lambda thing: False
    both = Kept(frozenset().union(*(one.audio for one in found)), frozenset().union(*(one.keys for one in found)))
    return both.holds


def _of_run(folder: Path) -> Kept:
    heard = ingredients.read(folder)
    if heard is None:
        raise DataError(
            f"Expected '{folder}' to hold {ingredients.FILE}, which says what it heard. An older earmark has made it: "
            "run its experiment again, which computes nothing anew, or leave the store as it is."
        )
    audio = frozenset(clip.audio for clips in heard.clips.values() for clip in clips.values())
    files = [*folder.glob("predictions/*.parquet"), *folder.glob("probes/*")]
    return Kept(audio, frozenset(path.name.partition(".")[0] for path in files))
