"""Whether a network was trained on what it is tested on: a checkpoint's card has the marks of the files it heard."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from earmark.datasets import _corpora
from earmark.datasets._corpora import HEARD, MARK_DIGITS
from earmark.experiment.spec import Block
from earmark.experiment.subjects import Placed, Subject
from earmark.representations import base, checkpoint, path

RECORDING = "recording:"
ANYWAY = "Its score says less of what it learnt than of what it remembers"


def notes(subjects: Mapping[Block, Sequence[Subject]], hash_of: Callable[[Placed], str]) -> Iterator[str]:
    """Yield a line for each checkpoint that heard, in training or validation, files of test clips of a subject.

    Of the task `recording` also where the card does not say. `hash_of` gives the sha256 of a clip's file.
    """
    known_of = cache(marks_of)
    for block, found in subjects.items():
        heard = {part.name: known_of(part.name) for one in block.representations for part in one.parts}
        for subject in found if any(one != frozenset() for one in heard.values()) else ():
            marks = {mark_of(one, hash_of): one for one in subject.test}
            where = f"{subject.task.name} on {subject.dataset}"
            for name, known in heard.items():
                if known is None and subject.dataset.startswith(RECORDING):
                    yield f"{where}: the card of '{name}' does not say which tracks it was trained on: these, perhaps."
                elif both := sorted(marks.keys() & (known or frozenset())):
                    yield (
                        f"{where}: '{name}' was trained or validated on {len(both)} of the {len(marks)} files that it "
                        f"is tested on, such as that of {marks[both[0]].clip.id}. {ANYWAY}."
                    )


def marks_of(name: str) -> frozenset[str] | None:
    """Return the marks of what a checkpoint of ours heard; none of any other representation, None where not told."""
    if not name.startswith("path"):
        return frozenset()
    found = base.find(name)
    origin = checkpoint.origin(Path(found.variant).expanduser()) if found.module is path else None
    if origin is None or origin.about.get("steps") == 0:
        return frozenset()
    said = origin.about.get(HEARD)
    return None if said is None else frozenset(str(said).split())


def mark_of(placed: Placed, hash_of: Callable[[Placed], str]) -> str:
    """Return the mark of the file that a clip is of; of a corpus' samples, that of the file its track was read from."""
    clip = placed.clip
    if clip.path.name == _corpora.SAMPLES and _corpora.is_corpus(clip.path.parent):
        return _of_tracks(clip.path.parent)[clip.group or ""]
    return hash_of(placed)[:MARK_DIGITS]


@cache
def _of_tracks(folder: Path) -> Mapping[str, str]:
    return {track.id: track.sha256[:MARK_DIGITS] for track in _corpora.tracks(folder)}
