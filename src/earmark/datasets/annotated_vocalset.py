"""Annotated-VocalSet: the sung notes of VocalSet, each with its times and the pitch that was sung.

A table a recording, by technique and by the recording's own name, has a row for each Sound, Rest and Transition. A
clip is a Sound: a region of VocalSet's file. Its `pitch` is the performed one, "Average F0" (variant `median`: "Median
F0"), in MIDI numbers with fractions. "Ground Truth MIDI code" is the written note, a semitone or an octave away in many
takes, and is not read. Of the four ways to find onsets ("extended 1" to "4"), the first counts. All of this is what
Ragano et al. 2023 did (§IV.A), who also left out male 9.

Known faults, each repaired or dropped, and named in a note: tables with a byte-order mark or without the row of column
names; times that are twice or half those of the audio (that much, within 2 %: times are halved or doubled; the length
of what was annotated is "Total Duration" in `all files.csv`, else the end of the last row); notes that end more than
0.5 s after the audio (all notes of that recording go); notes without pitch or length; names that no recording has, or
that several have.

The audio is VocalSet's and is not in the archive: it is looked for in the folder of this dataset, then where `earmark
get dataset vocalset` puts it. Singer, gender, technique, vowel and context of a note are those of its recording.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from earmark import audio, places
from earmark.counted import counted
from earmark.datasets import _annotated_vocalset_tables as tables
from earmark.datasets import _finding, vocalset
from earmark.datasets._listing import clip_id, split_of
from earmark.datasets.base import Dataset, listed, need
from earmark.errors import AudioError, MissingPart, UserError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

NAME = "annotated-vocalset"
FOLDERS = ("extended 1/with file header", "extended 1/without file header")
PITCHES = {"": "Average F0", "median": "Median F0"}
LEFT_OUT = "m9"

SPELT = "repaired, a name that is spelt otherwise than its recording's"
UNHEARD = "kept as annotated, as the audio cannot be read"
NO_TABLE = "dropped, no table of notes"
NO_NOTE = "dropped, no sung note"
NO_AUDIO = "dropped, no recording of that name"
SEVERAL = "dropped, a name that several recordings have"
MALE_9 = "dropped, male 9, who was annotated past the end of the audio"
OF_NOTES = (tables.CUT, tables.EMPTY)

CARD = DataCard(
    title="Annotated-VocalSet: the pitch of VocalSet's sung notes (average F0)",
    version="7061507",  # the number of its record: the publisher gives no other
    status="open",
    licence="CC-BY-4.0",
    redistributable=True,
    bibtex="""@article{faghih2022annotated,
  title = {Annotated-{VocalSet}: A Singing Voice Dataset},
  author = {Faghih, Behnam and Timoney, Joseph},
  journal = {Applied Sciences},
  volume = {12},
  number = {18},
  pages = {9257},
  year = {2022},
}

"""
    + vocalset.BIBTEX,
    homepage="https://zenodo.org/records/7061507",
    audio="WAV, 44.1 kHz, mono (VocalSet's)",
    labels=(
        LabelCard("pitch", "pitch", None, None, "MIDI number with fractions, of the average (or median) F0"),
        LabelCard("singer", "multiclass", 19, None, "f1 to f9 and m1 to m11, without m9"),
        LabelCard("gender", "multiclass", 2, None, "female or male, of the singer"),
        LabelCard("technique", "multiclass", None, None, "of VocalSet's ten, where the recording has one"),
        LabelCard("all_techniques", "multiclass", None, None, "of VocalSet's 17"),
        LabelCard("vowel", "multiclass", None, None, "where the name gives it"),
        LabelCard("context", "multiclass", None, None, "arpeggios, excerpts, long_tones, scales"),
    ),
    splits=(
        SplitCard(
            "zero_shot",
            "every note is tested, with a probe fitted on another dataset: {train: nsynth, test: annotated-vocalset}",
            labels=("pitch",),
            used_by="wav2vec2-music (Table I), as we read it: no training on VocalSet is described",
        ),
        SplitCard(
            "singers",
            "earmark: the singers of VocalSet's split, without m9: f9 and m11 validate, f2, f8, m3, m5 and m10 test",
            labels=("pitch",),
        ),
    ),
    sources=(
        Source(
            "https://zenodo.org/records/7061507/files/Annotated%20VocalSet.zip?download=1",
            "CC-BY-4.0",
            mirrors=("https://zenodo.org/api/records/7061507/files/Annotated%20VocalSet.zip/content",),
            holds="labels",
            path="archives/Annotated-VocalSet.zip",
            unpack_into=".",
        ),
    ),
    instructions="The audio is that of vocalset: earmark get dataset vocalset",
    layout="Seven public readers of the archive, which agree on folders, columns, types and 2,688 recordings; one of "
    "them gives the clocks' factors and 'Total Duration', two say that tables may lack the column names. Which "
    "annotation: seed 000. The number of notes without male 9, the archive's size (about 411 MB) and its checksum are "
    "not known. The notes of another archive, VocalSet.zip of record 10200775 (audio and corrected annotations, md5 "
    "8d39344bbc775aa040840783ae73cfa4), are found too.",
)
CARDS = {"": CARD, "median": replace(CARD, title=CARD.title.replace("average", "median"))}


class Recordings(NamedTuple):
    """VocalSet's recordings by name, and by what is left of a name whose spelling does not count."""

    by_name: Mapping[str, list[Clip]]
    by_spelling: Mapping[str, list[Clip]]


def load(variant: str, root: Path) -> Dataset:
    """Return the notes annotated under `root`, in "Annotated VocalSet" as it is unpacked, or up to two folders deep.

    Labels: pitch, singer, gender, technique, all_techniques, vowel, context; the group is the singer. Its notes say
    what was repaired and what was dropped. Raises MissingPart where the tables or VocalSet's audio are not there.
    """
    if variant not in PITCHES:
        raise UserError(f"Expected '{NAME}' (average F0) or '{NAME}:median' (median F0), got '{NAME}:{variant}'.")
    folder = _folder(root)
    recordings = _recordings(root)
    lengths_s = tables.lengths_s(folder.parent / "all files.csv")
    found: list[Clip] = []
    faults = defaultdict[str, list[str]](list)
    for path in sorted(folder.glob("*/*.csv"), key=lambda path: (path.stem, path.parent.name)):
        recording, said = _recording_of(path, recordings)
        if recording is not None:
            table = _table_of(path, recording, lengths_s.get(path.stem), PITCHES[variant])
            found += (_clip(recording, note) for note in table.notes)
            said = (*said, *table.faults)
        for fault in said:
            faults[fault].append(path.stem)
    everything = split_of({"test": [clip.id for clip in found]})
    splits = {"zero_shot": (everything,), "singers": (vocalset.split_by_singer(found),)}
    return listed(f"{NAME}:{variant}".removesuffix(":"), CARDS[variant], root, found, splits, _notes(faults))


def _folder(root: Path) -> Path:
    """Return the folder of the tables, those below a description of the recording first."""
    found = [place for folder in FOLDERS for above in ("", "*/", "*/*/") for place in sorted(root.glob(above + folder))]
    real = [place for place in found if "__MACOSX" not in place.parts]
    return real[0] if real else need(root / "Annotated VocalSet" / FOLDERS[0], NAME, root)


def _recordings(root: Path) -> Recordings:
    home = places.data_folder("vocalset")
    place = next((place for place in (root, home) if vocalset.tree_of(place)), None)
    if place is None:
        raise MissingPart(
            f"Dataset '{NAME}' needs the audio of 'vocalset', which is not in '{root}' and not in '{home}': expected "
            "'FULL/female1' there. Type: earmark get dataset vocalset"
        )
    by_name, by_spelling = defaultdict[str, list[Clip]](list), defaultdict[str, list[Clip]](list)
    for clip in vocalset.load("", place).clips:
        by_name[clip.path.stem].append(clip)
        by_spelling[_spelt(clip.path.stem)].append(clip)
    return Recordings(by_name, by_spelling)


def _spelt(name: str) -> str:
    return name.lower().replace("arepggios", "arpeggios").replace(" ", "")


def _recording_of(path: Path, recordings: Recordings) -> tuple[Clip | None, tuple[str, ...]]:
    """Return the recording that a table is of, by name, then by technique, and what is wrong; None: dropped."""
    named = recordings.by_name.get(path.stem, [])
    found = named or recordings.by_spelling.get(_spelt(path.stem), [])
    if len(found) > 1:
        technique = vocalset.technique_of(path.parent.name)
        found = [clip for clip in found if clip.targets.get("all_techniques") == technique] or found
    if len(found) != 1:
        return None, (SEVERAL if found else NO_AUDIO,)
    if found[0].targets.get("singer") == LEFT_OUT:
        return None, (MALE_9,)
    return found[0], () if named else (SPELT,)


def _table_of(path: Path, recording: Clip, length_s: float | None, pitch: str) -> tables.Table:
    """Return the notes of a recording, with the times of its audio where that can be read, and what was wrong."""
    table = tables.read_table(path.read_bytes(), pitch)
    if table is None:
        return tables.Table((), 0, (NO_TABLE,))
    if not table.notes:
        return table._replace(faults=(*table.faults, NO_NOTE))
    try:
        audio_s = audio.info(recording.path).duration_s
    except AudioError:
        return table._replace(faults=(*table.faults, UNHEARD))
    return tables.fitted(table, length_s, audio_s)


def _clip(recording: Clip, note: tables.Note) -> Clip:
    name = clip_id(recording.id, note.start_s, note.end_s)
    targets = {**recording.targets, "pitch": 69 + 12 * math.log2(note.f0_hz / 440)}
    return Clip(name, recording.path, note.start_s, note.end_s, targets, recording.group)


def _notes(faults: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield a line for each fault: how many recordings or notes have it, and the names of the first recordings."""
    for fault, names in sorted(faults.items()):
        stems = list(names)
        noun = "note" if fault in OF_NOTES else "recording"
        named = _finding.listed(list(dict.fromkeys(stems)))
        yield f"{NAME}: {fault}: {counted(len(stems), noun)} ({named})"
