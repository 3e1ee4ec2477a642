"""Any dataset of mirdata by its name there: `mirdata:ballroom`. Needs the extra: pip install 'earmark[mirdata]'.

A track of mirdata that has audio is a clip; its id is mirdata's. What a task can take of its annotations is in one
table, `_mirdata_tracks.ATTRIBUTES`: a class name, several, a number or a key for the whole track. Annotations in time
(beats, chords, notes, f0) and what else is not in the table are left out, and a note names them. Tracks by one artist,
singer or player are one group.

A dataset's files lie where mirdata lays them, in the folder that `dir:` names where it is called so (`ballroom`) or
holds the index, else in the folder of that name below. The index says which tracks there are; it is looked for there,
under the name that mirdata gives it, and only then among the installed packages, which may not be written. `earmark get
dataset` fetches the index and mirdata's files with their md5.

Splits are mirdata's own where it has any (`split`, or `subset` as in Medley-solos-DB): train, valid and test, or folds,
of which fold i tests on part i and validates on the next. Without, a task draws one; mirdata's own random splits part
artists, so they are not taken. earmark's loader of the same set, where there is one, knows more: a note says which.

Source: mirdata 1.0.0 (core.py, annotations.py, 63 loaders). Differs: nothing is hashed to load; `earmark check`
reads the files, and mirdata's `validate` compares their md5.
"""

import json
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from earmark.datasets._listing import nfc
from earmark.datasets._mirdata_tracks import (
    ATTRIBUTES,
    GROUPS,
    SPLITS,
    asked,
    audio_of,
    groups_of,
    splits_of,
    targets_of,
)
from earmark.datasets.base import Dataset, get_line, listed
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.nouns import Clip, DataCard, Source

HOUSEHOLD = re.compile("^_|audio|path|(^|_)id$")  # of a track's attributes: what nobody misses
INSTALL = "Type: pip install 'earmark[mirdata]'"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2")
OURS = {
    "beatport_key": "beatport-key",
    "giantsteps_key": "giantsteps-key",
    "gtzan_genre": "gtzan",
    "medley_solos_db": "medley-solos-db",
    "mtg_jamendo_autotagging_moodtheme": "mtg-jamendo:moodtheme",
    "tinysol": "tinysol",
}
CARD = DataCard(
    title="any dataset of mirdata, by its name there",
    homepage="https://mirdata.readthedocs.io",
    bibtex="""@inproceedings{bittner2019mirdata,
  title = {mirdata: Software for Reproducible Usage of Datasets},
  author = {Bittner, Rachel M. and Fuentes, Magdalena and Rubinstein, David and Jansson, Andreas and Choi, Keunwoo and
    Kell, Thor},
  booktitle = {Proc. of the 20th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2019}
}""",
    layout="mirdata 1.0.0; each of its loaders says what it was read from.",
)
CARDS = {"*": CARD}


class Opened(NamedTuple):
    """A dataset of mirdata whose index is ours to choose, and the folder of its files."""

    theirs: Any
    home: Path
    index_file: Path


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks of mirdata's dataset `variant` in `root`, or in the folder of that name below.

    Labels: those of `ATTRIBUTES` that any track has. Raises MissingPart without mirdata, the index or all audio;
    UnknownName for a name that mirdata has not; DataError for an index that cannot be read.
    """
    opened = _opened(variant, root)
    # Their property keeps what it read in the instance: set, it is never read from where mirdata looks.
    opened.theirs._index = _index(opened, variant)
    name = f"mirdata:{opened.theirs.name}"
    if "tracks" not in opened.theirs._index:
        raise DataError(
            f"'{name}' has no tracks in its index '{opened.index_file}'. Datasets of multitracks alone are not read."
        )
    tracks = {nfc(one): asked(name, partial(opened.theirs.track, one)) for one in opened.theirs.track_ids}
    paths = {one: path for one, track in tracks.items() for path in [audio_of(track)] if path}
    if not any(path.is_file() for path in paths.values()):
        lost = next(iter(paths.values()), opened.home)
        raise MissingPart(f"'{name}' found no audio: looked first for '{lost}'. {get_line(name)}")
    kept = {one: tracks[one] for one in paths}
    targets = dict(targets_of(name, kept))
    groups = groups_of(name, kept)
    clips = [Clip(one, path, targets=targets.get(one, {}), group=groups.get(one)) for one, path in paths.items()]
    card = _card(opened.theirs)
    labels = {label for each in targets.values() for label in each}
    notes = _notes(opened.theirs.name, tracks, kept, labels)
    return listed(name, card, opened.home, clips, splits_of(name, kept), notes)


def sources_after_labels(variant: str, root: Path) -> Sequence[Source]:
    """Return the index, and the files that mirdata would download; the index alone where it moves what it unpacks.

    Raises MissingPart without mirdata, UnknownName for a name that it has not.
    """
    opened = _opened(variant, root)
    theirs = opened.theirs
    licence = " ".join(str(theirs._license_info or "unknown").split())
    wanted = theirs._index_data.partial_download
    remotes = [one for key, one in (theirs.remotes or {}).items() if not wanted or key in wanted]
    if any(one.unpack_directories for one in remotes):
        remotes = []
    index = theirs._index_data.remote
    files = [(one, opened.home / (one.destination_dir or "")) for one in remotes]
    return [
        Source(
            one.url,
            licence,
            f"md5:{one.checksum}" if one.checksum else "",
            path=(folder / one.filename).relative_to(root).as_posix(),
            unpack_into=folder.relative_to(root).as_posix() if one.filename.lower().endswith(ARCHIVES) else None,
        )
        for one, folder in [*([(index, opened.home)] if index else []), *files]
    ]


def _mirdata() -> ModuleType:
    try:
        import mirdata
    except ImportError as error:
        raise MissingPart(f"'mirdata:…' needs mirdata ({error}). {INSTALL}") from error
    found: ModuleType = mirdata
    return found


def _opened(variant: str, root: Path) -> Opened:
    mirdata = _mirdata()
    plain = variant.replace("-", "_")
    known = {one.lower(): one for one in mirdata.list_datasets()}
    if plain.lower() not in known:
        raise UnknownName(
            "dataset", f"mirdata:{variant}".removesuffix(":"), (f"mirdata:{one}" for one in known.values())
        )
    name = known[plain.lower()]
    try:
        theirs = asked(f"mirdata:{name}", partial(mirdata.initialize, name, data_home=str(root)))
    except ImportError as error:  # a few of its loaders want a library more, and say so on stderr
        extra = name.replace("_", "-")
        raise MissingPart(f"'mirdata:{name}' needs more than mirdata. Type: pip install 'mirdata[{extra}]'") from error
    index = Path(theirs.index_path).name
    home = root if root.name == name or (root / index).is_file() else root / name
    theirs.data_home = str(home)
    return Opened(theirs, home, home / index)


def _index(opened: Opened, variant: str) -> Mapping[str, Any]:
    """Return the index beside the dataset's files, else the one in mirdata's folder; a zip of it is read as it is."""
    found = [file for file in (opened.index_file, Path(opened.theirs.index_path)) if file.is_file()]
    if not found:
        raise MissingPart(
            f"'mirdata:{variant}' needs the index of its tracks, expected at '{opened.index_file}'. "
            f"{get_line(f'mirdata:{variant}')}"
        )
    try:
        if zipfile.is_zipfile(found[0]):
            with zipfile.ZipFile(found[0]) as packed:
                content = packed.read(packed.namelist()[0])
        else:
            content = found[0].read_bytes()
        index = json.loads(content)
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{found[0]}: expected an index of mirdata, but: {error}. Delete it. {get_line(f'mirdata:{variant}')}"
        ) from error
    if not isinstance(index, dict):
        raise DataError(f"{found[0]}: expected an index of mirdata, got {type(index).__name__}.")
    return index


def _card(theirs: Any) -> DataCard:
    licence = " ".join(str(theirs._license_info or "unknown").split())
    return replace(
        CARD,
        status="open",
        title=f"{theirs.name}, by mirdata",
        version=str(theirs.version),
        licence=licence,
        bibtex=theirs.bibtex or "",
    )


def _notes(name: str, tracks: Mapping[str, Any], kept: Mapping[str, Any], labels: Collection[str]) -> Iterator[str]:
    if name in OURS:
        yield f"mirdata:{name}: earmark reads it itself, with its splits as published: {OURS[name]}"
    if lost := [one for one in tracks if one not in kept]:
        yield f"mirdata:{name}: {len(lost)} of {len(tracks)} tracks have no audio in mirdata's index, first '{lost[0]}'"
    used = (attributes for label, attributes in ATTRIBUTES.items() if label in labels)
    taken = {one for attributes in (*used, GROUPS, SPLITS) for one in attributes}
    first = next(iter(kept.values()))
    computed = [one for above in type(first).__mro__ for one, each in vars(above).items() if not callable(each)]
    if left := sorted({one for one in (*computed, *vars(first)) if not HOUSEHOLD.search(one)} - taken):
        yield f"mirdata:{name}: left out, annotations in time and others that no task takes: {', '.join(left)}"
