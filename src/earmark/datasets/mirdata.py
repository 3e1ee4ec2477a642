"""Any dataset of mirdata by its name there: `mirdata:ballroom`. Needs the extra: pip install 'earmark[mirdata]'.

A track of mirdata that has audio is a clip; its id is mirdata's. What a task can take of its annotations is in one
table, ATTRIBUTES: a class name, several, a number or a key for the whole track. Annotations in time (beats, chords,
notes, f0) are left out, and a note names the attributes that are. Tracks by artist, singer or player are one group.

A dataset's files lie where mirdata lays them, in the folder `dir:` names, or in its folder of that name below. Its
index, which says which tracks there are, is looked for there as well, under the name that mirdata gives it, and only
then in mirdata's own folder: that lies among the installed packages, which may not be written. `earmark get dataset`
fetches the index and mirdata's files with their md5.

Splits are mirdata's own where it has any (`split`, or `subset` as in Medley-solos-DB): train, valid and test, or folds,
of which fold i tests on part i and validates on the next. Without, a task draws one; mirdata's own random splits part
artists, so they are not taken. earmark's loader of the same set, where there is one, knows more: a note says which.

Source: mirdata 1.0.0 (core.py, annotations.py, 63 loaders). Differs: nothing is hashed to load; `earmark check`
reads the files, and mirdata's `validate` compares their md5.
"""

import importlib
import json
import math
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from earmark.datasets._cells import Text, typed
from earmark.datasets._listing import ROLES, nfc, split_of
from earmark.datasets.base import Dataset, listed
from earmark.datasets.beatport_key import artist_groups
from earmark.datasets.splits import hear_folds
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.metrics import normalise_key
from earmark.nouns import Clip, DataCard, Source, Split, Target

INSTALL = "Type: pip install 'earmark[mirdata]'"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2")
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    # A label: the attributes of mirdata's tracks that may hold it, the first that does counts.
    "key": ("key",),
    "genre": ("genre", "genres"),
    "instrument": ("instrument_full", "instrument", "instruments"),
    "family": ("family",),
    "technique": ("technique_full", "technique"),
    "pitch": ("pitch_id",),
    "tempo": ("tempo",),
    "tags": ("tags",),
    "singer": ("singer_id", "singer"),
    "gender": ("gender",),
    "style": ("style",),
    "stroke": ("stroke_name",),
    "tonic": ("tonic",),
    "makam": ("makam",),
    "composer": ("composer",),
    "artist": ("artist_id", "artist"),
}
GROUPS = ("artist_id", "artists", "artist", "singer_id", "singer", "drummer", "player_id", "song_id")
SPLITS = ("split", "subset")
AUDIO = ("audio_path", "audio_mix_path", "audio_mono_path", "mix_path", "audio_master_path")
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
    status="open",
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
    index: Path


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks of mirdata's dataset `variant` in `root`, or in the folder of that name below.

    Labels: those of ATTRIBUTES that any track has. Raises MissingPart without mirdata, the index or all audio;
    UnknownName for a name that mirdata has not; DataError for an index that cannot be read.
    """
    opened = _opened(variant, root)
    # Their property keeps what it read in the instance: set, it is never read from where mirdata looks.
    opened.theirs._index = _index(opened, variant)
    name = f"mirdata:{opened.theirs.name}"
    if "tracks" not in opened.theirs._index:
        raise DataError(f"'{name}' has no tracks in its index '{opened.index}'. Datasets of multitracks alone are not read.")
    tracks = {nfc(one): _read(name, lambda one=one: opened.theirs.track(one)) for one in opened.theirs.track_ids}
    paths = {one: path for one, track in tracks.items() for path in [_audio(track)] if path}
    if not any(path.is_file() for path in paths.values()):
        lost = next(iter(paths.values()), opened.home)
        raise MissingPart(f"'{name}' found no audio: looked first for '{lost}'. {_get(name)}")
    kept = {one: tracks[one] for one in paths}
    targets = dict(_targets(name, kept))
    groups = _groups(name, kept)
    clips = [Clip(one, path, targets=targets.get(one, {}), group=groups.get(one)) for one, path in paths.items()]
    card = _card(opened.theirs)
    return listed(name, card, opened.home, clips, _splits(name, kept), _notes(opened.theirs.name, tracks, kept))


def sources_after_labels(variant: str, root: Path) -> Sequence[Source]:
    """Return the index, and the files that mirdata would download; nothing but the index where it moves what it unpacks.

    Raises MissingPart without mirdata, UnknownName for a name that it has not.
    """
    opened = _opened(variant, root)
    theirs, below = opened.theirs, opened.home.relative_to(root).as_posix()
    licence = " ".join(str(theirs._license_info or "unknown").split())
    asked = theirs._index_data.partial_download
    remotes = [one for key, one in (theirs.remotes or {}).items() if not asked or key in asked]
    if any(one.unpack_directories for one in remotes):
        remotes = []
    index = theirs._index_data.remote
    files = [(index, opened.index.relative_to(root).as_posix(), None)] if index else []
    for one in remotes:
        place = f"{below}/{one.destination_dir or ''}".strip("/")
        archive = one.filename.lower().endswith(ARCHIVES)
        files.append((one, f"{place}/{one.filename}", place if archive else None))
    return [
        Source(one.url, licence, f"md5:{one.checksum}" if one.checksum else "", path=path, unpack_into=into)
        for one, path, into in files
    ]


def _mirdata() -> ModuleType:
    try:
        return importlib.import_module("mirdata")
    except ImportError as error:
        raise MissingPart(f"'mirdata:…' needs mirdata ({error}). {INSTALL}") from error


def _opened(variant: str, root: Path) -> Opened:
    mirdata = _mirdata()
    plain = variant.replace("-", "_")
    known = {one.lower(): one for one in mirdata.list_datasets()}
    if plain.lower() not in known:
        raise UnknownName("dataset", f"mirdata:{variant}".removesuffix(":"), (f"mirdata:{one}" for one in known.values()))
    name = known[plain.lower()]
    home = root if root.name == name or any(root.glob("*_index*.json")) else root / name
    theirs = mirdata.initialize(name, data_home=str(home))
    beside = home / Path(theirs.index_path).name
    return Opened(theirs, home, beside)


def _index(opened: Opened, variant: str) -> Mapping[str, Any]:
    """Return the index beside the dataset's files, else the one in mirdata's folder; a zip of it is read as it is."""
    found = [file for file in (opened.index, Path(opened.theirs.index_path)) if file.is_file()]
    if not found:
        raise MissingPart(
            f"'mirdata:{variant}' needs the index of its tracks, expected at '{opened.index}'. {_get(f'mirdata:{variant}')}"
        )
    try:
        if zipfile.is_zipfile(found[0]):
            with zipfile.ZipFile(found[0]) as packed:
                content = packed.read(packed.namelist()[0])
        else:
            content = found[0].read_bytes()
        index = json.loads(content)
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{found[0]}: expected an index of mirdata, but: {error}. Delete it. {_get(f'mirdata:{variant}')}") from error
    if not isinstance(index, dict):
        raise DataError(f"{found[0]}: expected an index of mirdata, got {type(index).__name__}.")
    return index


def _get(name: str) -> str:
    return f"Type: earmark get dataset {name} (its files are elsewhere: add --dir FOLDER, or dir: in the experiment)"
