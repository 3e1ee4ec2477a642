"""Pictures and sound for a page: what was heard of a clip, embedded where it may be, or the address of its file."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from earmark.analysis import escapes
from earmark.errors import DataError, EarmarkError
from earmark.reports._matrices import Sound
from earmark.runs import listening
from earmark.runs.listening import Heard, Rights

SECONDS = 3.0
LEVELS_UP = 2
"""How far above the page audio may lie and be linked relatively: the folder that holds the folder of runs."""


@dataclass(frozen=True)
class Medium:
    """A clip as it was heard, as data URLs; `sound` is "" where it is not embedded. `why`: why it has no picture."""

    picture: str = ""
    sound: str = ""
    why: str = ""


@dataclass(frozen=True)
class Library:
    """Where the audio of a run lies, and what may be done with it; `lost` says why nothing is known of it."""

    folder: Path
    heard: Mapping[tuple[str, str], Heard]
    rights: Mapping[str, Rights]
    lost: str = ""

    @classmethod
    def of(cls, folder: Path) -> "Library":
        """Return the library of a run's folder."""
        try:
            return cls(folder, listening.heard(folder), listening.rights(folder))
        except DataError as error:
            return cls(folder, {}, {}, str(error))

    def may_embed(self, dataset: str) -> bool:
        """Return whether others may be given the audio of a dataset."""
        return dataset in self.rights and self.rights[dataset].redistributable

    def medium(self, sound: Sound, embed_audio: bool) -> Medium:
        """Return a picture of what was heard of a clip and, where it may be embedded, its sound."""
        one = self.heard.get((sound.dataset, sound.clip))
        if one is None:
            return Medium()
        try:
            excerpt = listening.excerpt(self.folder, one, sound.deformation, SECONDS, sound.task or None)
            is_embedded = embed_audio and self.may_embed(sound.dataset)
            return Medium(
                _inline("image/png", listening.mel_png(excerpt)),
                _inline("audio/ogg", listening.ogg(excerpt)) if is_embedded else "",
            )
        except EarmarkError as error:  # a file that has moved, say: the page is of all the other clips too
            return Medium(why=escapes.plain(f"Cannot be shown: {error}"))


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def address(path: Path, page: Path) -> str:
    """Return the address of an audio file for a page: relative where both lie in one project, so that it may move."""
    folder = page.absolute().parent
    above = folder.parents[LEVELS_UP - 1] if len(folder.parents) > LEVELS_UP else folder
    if above != Path(above.anchor) and path.is_relative_to(above):
        return quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix()))  # a name need not be text
    return path.absolute().as_uri()
