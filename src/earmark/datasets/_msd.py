"""What datasets on tracks of the Million Song Dataset share: the previews that each user brings, and their artists.

The Million Song Dataset (Bertin-Mahieux et al. 2011) holds no audio. Papers evaluate on previews of 30 to 60 seconds
that 7digital once offered to everybody and no longer does, and that nobody may pass on. Copies lie in one of two ways
below `audio`, `songs`, `previews` or the folder itself:

    A/D/I/TRAADIN128F931D672.mp3   letters three to five of the track's id, then the id
    8/9/8947470.clip.mp3           two digits of 7digital's number, then the number; `MSD_id_to_7D_id.pkl` tells it

One folder serves `msd`, `mumu` and `all-music-moods`: put a link to it into the folder of each.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from earmark.datasets import _arrays
from earmark.datasets._listing import is_audio
from earmark.errors import DataError, MissingPart
from earmark.nouns import Clip, Target

TRACK = re.compile(r"TR[A-Z]{5}[0-9A-F]{11}")
PLACES = ("audio", "songs", "previews", ".")
NUMBERS = (
    "MSD_id_to_7D_id.pkl",
    "lastfm_annotation/MSD_id_to_7D_id.pkl",
    "dataset/lastfm_annotation/MSD_id_to_7D_id.pkl",
)
ARTISTS = ("track_metadata.db", "dataset/track_metadata.db")
BRING = (
    "The audio is previews that 7digital offered once: nobody may pass them on, and they are no longer there. Bring "
    "your own copy, in audio/A/D/I/TRAADIN128F931D672.mp3 (by track) or songs/8/9/8947470.clip.mp3 (by 7digital's "
    "number, with MSD_id_to_7D_id.pkl beside); a link to its folder will do."
)
BIBTEX = """@inproceedings{bertinmahieux2011million,
  title = {The Million Song Dataset},
  author = {Bertin-Mahieux, Thierry and Ellis, Daniel P. W. and Whitman, Brian and Lamere, Paul},
  booktitle = {Proceedings of the 12th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2011}
}"""


class Previews(NamedTuple):
    """Where the previews lie, how their files end, and 7digital's number of each track (None: named by track)."""

    folder: Path
    suffix: str
    numbers: Mapping[str, str] | None

    def file(self, track: str) -> Path:
        """Return where a track's preview would lie; where it has no number, a file that is not there."""
        if self.numbers is None:
            return self.folder / track[2] / track[3] / track[4] / f"{track}{self.suffix}"
        number = self.numbers.get(track, "")
        return self.folder / (number[:1] or "-") / (number[1:2] or "-") / f"{number or track}{self.suffix}"


def previews(root: Path, name: str) -> Previews:
    """Return how the audio under `root` lies. Raises MissingPart, which says what to bring, where there is none."""
    for place in PLACES:
        folder = root / place
        named = next((file for file in folder.glob("[A-Z]/[A-Z]/[A-Z]/TR*") if is_audio(file)), None)
        if named is not None:
            return Previews(folder, named.suffix, None)
        if next(folder.glob("[0-9]/[0-9]/*.clip.mp3"), None) is not None:
            return Previews(folder, ".clip.mp3", _numbers(root, name))
    raise MissingPart(f"Dataset '{name}' has no audio in '{root}'. {BRING}")


def clips(
    targets: Mapping[str, Mapping[str, Target]], groups: Mapping[str, str], root: Path, name: str
) -> tuple[list[Clip], list[str]]:
    """Return a clip for each track, its id being the track's, and notes on what is not known of them."""
    found = previews(root, name)
    listed = [Clip(one, found.file(one), targets=its, group=groups.get(one)) for one, its in targets.items()]
    return listed, list(_notes(found, targets, groups))


def artists(root: Path, tracks: Mapping[str, object]) -> Mapping[str, str]:
    """Return the artist's id of the tracks that `track_metadata.db` knows; none where that file is not there."""
    file = next((root / place for place in ARTISTS if (root / place).is_file()), None)
    if file is None:
        return {}
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as base:
            rows = base.execute("SELECT track_id, artist_id FROM songs")
            return {track: artist for track, artist in rows if track in tracks and artist}
    except sqlite3.Error as error:
        raise DataError(f"{file}: expected a table 'songs' with track_id and artist_id, but: {error}.") from error


def _notes(found: Previews, tracks: Mapping[str, object], groups: Mapping[str, str]) -> Iterator[str]:
    numbers = found.numbers
    lost = 0 if numbers is None else sum(one not in numbers for one in tracks)
    if lost:
        yield f"{lost} of {len(tracks)} tracks without a number of 7digital's: no file is looked for"
    unknown = sum(one not in groups for one in tracks)
    if unknown:
        yield (
            f"the artist of {unknown} of {len(tracks)} tracks is not known, so a split that is drawn may part "
            "an artist; track_metadata.db of the Million Song Dataset tells"
        )


def _numbers(root: Path, name: str) -> Mapping[str, str]:
    file = next((root / place for place in NUMBERS if (root / place).is_file()), None)
    if file is None:
        raise MissingPart(
            f"Dataset '{name}': the audio in '{root}' is named by 7digital's numbers, and {NUMBERS[0]}, which tells "
            "those of the tracks, is not there. It is published in MSD_split of jongpillee/music_dataset_split."
        )
    found = _arrays.pickled(file, "Fetch it again.")
    if not isinstance(found, dict):
        raise DataError(f"{file}: expected numbers by track id, got {type(found).__name__}. Fetch it again.")
    return {str(track): str(number) for track, number in found.items()}
