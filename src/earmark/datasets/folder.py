"""A folder of the user's own audio: one folder per class.

    root/<class>/**/*.wav                  the folder right under the root is the class
    root/{train,valid,test}/<class>/**     the same with an official split ("val", "validation", "dev" = valid)
    root/*.wav                             audio outside any class folder is a clip without a label

The label is called "label", or by the variant: `folder:instrument` → "instrument". Hidden files and files
whose name is not one of an audio file are skipped and counted; broken audio is listed, so that a run
reports it by name. Nothing is ever written into the folder.
"""

import logging
from collections import Counter, defaultdict
from pathlib import Path

from earmark.datasets._listing import ROLES, clip_id, is_audio, nfc, split_of, version_of
from earmark.datasets.base import Dataset
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, Split

CARD = DataCard(title="a folder of your own audio, one folder per class")
CARDS = {"*": CARD}

log = logging.getLogger("earmark.datasets")


def load(variant: str, root: Path) -> Dataset:
    """List the audio under `root`. The label is `variant`, or "label".

    The dataset's name is "folder:" and the folder's own name; its version changes with the listing.
    Raises DataError when there is no folder, or no audio in it.
    """
    if not root.is_dir():
        kind = "a file" if root.exists() else "nothing"
        raise DataError(f"Expected a folder with one folder of audio per class at '{root}', found {kind} there.")
    files = [path for path in _visible(root) if is_audio(path)]
    if not files:
        raise DataError(f"'{root}' holds no audio: expected files such as <class>/one.wav, .flac, .ogg or .mp3.")
    if skipped := others(root):
        log.info("%s: %s", root, skipped_line(skipped))
    has_roles = _has_roles(root, files)
    clips: list[Clip] = []
    roles: dict[str, list[str]] = defaultdict(list)
    for path in files:
        parts = path.relative_to(root).parts
        classes = parts[1:-1] if has_roles else parts[:-1]
        targets = {variant or "label": nfc(classes[0])} if classes else {}
        clips.append(Clip(clip_id("/".join(parts)), path, targets=targets))
        if has_roles and len(parts) > 1:
            roles[ROLES[parts[0].lower()]].append(clips[-1].id)
    splits: dict[str, tuple[Split, ...]] = {"folders": (split_of(roles),)} if has_roles else {}
    name = f"folder:{nfc(root.resolve().name)}"
    return Dataset(name, version_of(clips, splits), root, tuple(clips), splits, CARD)


def others(root: Path) -> tuple[Path, ...]:
    """Return the visible files under `root` that are no clips because their names are not of audio."""
    return tuple(path for path in _visible(root) if not is_audio(path))


def skipped_line(skipped: tuple[Path, ...]) -> str:
    """Return "skipped, not audio by their names: 3 (2 .txt, 1 without ending)"."""
    endings = Counter(path.suffix.lower() or "without ending" for path in skipped)
    named = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
    return f"skipped, not audio by their names: {len(skipped)} ({named})"


def _visible(root: Path) -> list[Path]:
    """Return the files under `root`, sorted, without those that are hidden or lie in a hidden folder."""
    tops = [top for top in root.iterdir() if not top.name.startswith(".")]
    found = [path for top in tops for path in ([top] if top.is_file() else top.rglob("*"))]
    seen = (path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))
    return sorted((path for path in seen if path.is_file()), key=lambda path: nfc(path.as_posix()))


def _has_roles(root: Path, files: list[Path]) -> bool:
    """Say whether the folders under the root are parts of a split, not classes.

    They are when all of them have such names, "train" among them, and each holds folders of audio: a lone
    class called "train" beside "bus" stays a class.
    """
    parts = [path.relative_to(root).parts for path in files]
    tops = {part[0] for part in parts if len(part) > 1}
    roles = {ROLES.get(top.lower()) for top in tops}
    if None in roles or "train" not in roles or len(roles) < 2:
        return False
    if len(roles) < len(tops):
        raise DataError(
            f"'{root}' names one part of a split twice: {', '.join(sorted(tops))}. Keep one folder for each."
        )
    return True
