"""Beatport EDM Key: 1,486 two-minute previews of dance music with their keys (Faraldo, Zenodo 1101082).

A track is `audio/100066 Lindstrom - Monsteer (Original Mix).mp3`, with `.txt` in `keys/` and, for about half of them,
`.json` in `meta/`. A clip's id is Beatport's number ("100066"): the names differ with the tool that unpacked them,
"I'll" with a curly apostrophe being "IΓÇÖll" where it was read as code page 437, as in mirdata's index.

A key file is "D minor", "G minor | Bb major" (several), "C# other" (neither major nor minor) or "X" (none; "unknown"
and "-" are read alike). Only clips with one major or minor key carry `key`, with sharps; a note counts the others. The
thesis keeps 1,272 clips with one key; mir_ref, its code, also drops a key with a space after it, so ours may be a few
more. `genre` is the one that Beatport gives, on clips with a `meta` file that names one. A missing number is written
`nan` there, which is no JSON; mirdata rewrites it to `null` on download. Both are read.

No split is official. The group is the artist, from the file's name; artists who share a track are one group, so that
a drawn split never parts an artist. The thesis drew its 80-10-10 split without groups.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from earmark.datasets._listing import nfc, read_text
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.metrics import normalise_key
from earmark.nouns import Clip, DataCard, LabelCard, Source, Target

NO_KEY = {"x", "-", "unknown"}
NAN = re.compile(r":\s*nan(?=\s*[,}])")
UNPACK_META = "Unpack original_metadata.zip again."
RECORD = "https://zenodo.org/record/1101082/files"
ARCHIVES: Mapping[str, tuple[Literal["audio", "labels"], str]] = {
    "keys": ("labels", "md5:939abc05f36121badfac4087241ac172"),
    "original_metadata": ("labels", "md5:bb3e3ac1fe5dee7600ef2814accdf8f8"),
    "audio": ("audio", "md5:f490ee6c23578482d6fcfa11b82636a1"),
}

CARD = DataCard(
    title="Beatport EDM Key: two-minute previews of dance music",
    version="1.0.0",
    status="open",
    licence="CC-BY-SA-4.0",
    redistributable=False,
    bibtex="""@phdthesis{faraldo2018tonality,
  title = {Tonality Estimation in Electronic Dance Music: A Computational and Musically Informed Examination},
  author = {Faraldo, {\\'A}ngel},
  school = {Universitat Pompeu Fabra},
  address = {Barcelona},
  year = {2018},
  note = {Beatport EDM Key Dataset: doi 10.5281/zenodo.1101082}
}""",
    homepage="https://zenodo.org/records/1101082",
    audio="MP3, 44.1 kHz, stereo",
    bit_rate_kbps=96,
    n_clips=1486,
    hours=49.5,
    labels=(
        LabelCard("key", "key", None, None, "the one major or minor key of a clip (the thesis counts 1,272 clips)"),
        LabelCard("genre", "multiclass", None, None, "Beatport's genre, where it gives exactly one"),
    ),
    sources=tuple(
        Source(
            f"{RECORD}/{name}.zip?download=1",
            "CC-BY-SA-4.0",
            checksum,
            holds=holds,
            path=f"archives/{name}.zip",
            unpack_into=".",
        )
        for name, (holds, checksum) in ARCHIVES.items()
    ),
    layout="mirdata's loader, index (names; the md5 of key files tell their text) and one track of its tests; "
    "mir_ref's wrapper for odd keys. Rate, channels and bit rate: the thesis. The licence is the record's; the sound "
    "is Beatport's preview, so it is not handed on. Sizes were not found. Hours: 1,486 times two minutes.",
)
CARDS = {"": CARD}


class Reading(NamedTuple):
    """What a key file says: one major or minor key, or why there is none."""

    key: str | None
    reason: str = ""


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks under `root`: the folders `audio`, `keys` and `meta` that the three archives unpack to.

    Labels: key ("C# minor") and genre, where there is one. Raises MissingPart where a folder is not there, DataError
    where metadata cannot be read.
    """
    refuse_variant("beatport-key", variant)
    keys, meta = _by_number(root, "keys", ".txt"), _by_number(root, "meta", ".json")
    sounds = _by_number(root, "audio", ".mp3")
    groups = artist_groups([_artists(path.stem) for path in keys.values()])
    unused: Counter[str] = Counter()
    clips = []
    for (number, path), group in zip(keys.items(), groups, strict=True):
        targets = _genre(meta[number]) if number in meta else {}
        found = read_key(read_text(path, "Unpack keys.zip again."))
        if found.key is None:
            unused[found.reason] += 1
        else:
            targets["key"] = found.key
        sound = sounds.get(number, root / "audio" / f"{path.stem}.mp3")
        clips.append(Clip(number, sound, targets=targets, group=group))
    counted = ", ".join(f"{count} with {reason}" for reason, count in sorted(unused.items()))
    notes = [f"{unused.total()} of {len(clips)} clips carry no 'key': {counted}"] if unused else []
    return listed("beatport-key", CARD, root, clips, {}, notes)


def read_key(text: str) -> Reading:
    """Return what the text of a key file says; the key is spelt as `metrics.normalise_key` spells it."""
    said = [part.strip() for part in text.split("|") if part.strip()]
    if not said or (len(said) == 1 and said[0].lower() in NO_KEY):
        return Reading(None, "none")
    if len(said) > 1:
        return Reading(None, "several")
    try:
        return Reading(normalise_key(said[0]))
    except DataError:
        return Reading(None, "one that is neither major nor minor")


def artist_groups(artists: Sequence[Sequence[str]]) -> list[str]:
    """Return the group of each track from its artists: those who share a track are one, named by their first name."""
    towards: dict[str, str] = {}

    def head(name: str) -> str:
        while towards.setdefault(name, name) != name:
            name = towards[name]
        return name

    for names in artists:
        heads = sorted(head(name) for name in names)
        towards.update(dict.fromkeys(heads, heads[0]))
    return [head(names[0]) for names in artists]


def _artists(stem: str) -> list[str]:
    names = _as_written(stem).partition(" ")[2].partition(" - ")[0]
    return [name.strip() for name in names.split(", ")]


def _as_written(name: str) -> str:
    """Return a name whose UTF-8 was read as code page 437 as it was meant, any other as it is."""
    try:
        return nfc(name.encode("cp437").decode("utf-8"))
    except UnicodeError:
        return nfc(name)


def _by_number(root: Path, name: str, suffix: str) -> Mapping[str, Path]:
    """Return the files of a folder by Beatport's number, in the order of their names."""
    places = (root / name, root / name / name, root / "original_metadata" / name)
    found = [place for place in places if any(place.glob(f"[0-9]*{suffix}"))]
    folder = found[0] if found else need(root / name, "beatport-key", root)
    return {path.stem.partition(" ")[0]: path for path in sorted(folder.glob(f"[0-9]*{suffix}"))}


def _genre(path: Path) -> dict[str, Target]:
    try:
        given = json.loads(NAN.sub(": null", read_text(path, UNPACK_META)))
        names = sorted({nfc(one["name"]) for one in given["genres"] or ()})
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: expected JSON with a list of genres, each with a name, got: {error!r}. {UNPACK_META}"
        ) from error
    return {"genre": names[0]} if len(names) == 1 else {}
