"""NSynth: 305,979 single notes of 1,006 instruments from sample libraries, 4 s each, with pitch, family and source.

`nsynth-{train,valid,test}/examples.json` describes each note by its name (`bass_synthetic_033-022-050`: instrument,
MIDI number, velocity), `audio/` holds its WAV. Pitch has 112 values, not the 88 of a piano (21 to 108) that the
publisher's page speaks of: bass_synthetic_009 begins at 10. `pitch_88` is the task of HEAR, the same split without
the notes outside. Differs from HEAR: its 50-hour and 5-hour sets are drawn from that.

Quirks: no clip of synth_lead is in valid or test; valid and test are notes of the same 53 instruments, none of which
is in train; 71 notes of brass_acoustic_046 in test are noise (magenta issue 2092), which are kept, since every
published number counts them, and said in a note. Their list is not published: notes of MIDI 84 to 108 are counted.
"""

import json
from pathlib import Path

from earmark.datasets._listing import read_text, split_of
from earmark.datasets.base import Dataset, listed, need
from earmark.errors import DataError, UserError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

ROLES = ("train", "valid", "test")
FIELDS = {"pitch": int, "instrument_str": str, "instrument_family_str": str, "instrument_source_str": str}
UNPACK = "Unpack the archive again."
PIANO = range(21, 109)
NOISE = ("brass_acoustic_046", range(84, 109))
BIBTEX = """@inproceedings{engel2017nsynth,
  title = {Neural Audio Synthesis of Musical Notes with {WaveNet} Autoencoders},
  author = {Engel, Jesse and Resnick, Cinjon and Roberts, Adam and Dieleman, Sander and Norouzi, Mohammad and
    Eck, Douglas and Simonyan, Karen},
  booktitle = {Proc. of the 34th International Conference on Machine Learning (ICML)},
  year = {2017},
  url = {http://proceedings.mlr.press/v70/engel17a.html},
}"""

CARD = DataCard(
    title="NSynth: single notes of 1,006 instruments",
    version="2017-04-05",  # the page's date: the publisher gives no version
    status="open",
    licence="CC-BY-4.0",
    redistributable=True,
    bibtex=BIBTEX,
    homepage="https://magenta.tensorflow.org/datasets/nsynth",
    audio="WAV, 16 kHz, mono, 4 s",
    n_clips=305979,
    hours=339.98,
    labels=(
        LabelCard("pitch", "pitch", 112, 305979, "MIDI number"),
        LabelCard("pitch_88", "pitch", 88, None, "MIDI number from 21 to 108; notes outside have none"),
        LabelCard("family", "multiclass", 11, 305979, "instrument family; synth_lead is in train alone"),
        LabelCard("source", "multiclass", 3, 305979, "acoustic, electronic or synthetic"),
    ),
    splits=(
        SplitCard(
            "official",
            "the publisher's three archives",
            sizes=((289205, 12678, 4096),),
            used_by="wav2vec2-music, MULE, MARBLE, EVAR; HEAR (pitch_88, parts of it)",
            leak="valid and test hold notes of the same 53 instruments; none of the 953 in train is among them",
        ),
    ),
    sources=tuple(
        Source(
            f"http://download.magenta.tensorflow.org/datasets/nsynth/nsynth-{role}.jsonwav.tar.gz",
            "CC-BY-4.0",
            citation=BIBTEX,
            mirrors=(f"https://storage.googleapis.com/magentadata/datasets/nsynth/nsynth-{role}.jsonwav.tar.gz",),
            path=f"archives/nsynth-{role}.jsonwav.tar.gz",
            unpack_into=".",
        )
        for role in ROLES
    ),
    layout="Files and fields: HEAR's preprocessing (hearpreprocess nsynth_pitch) and the FCAC_datasets README; counts: "
    "the publisher's page, HEAR and FCAC_datasets, whose statistics also tell which instruments the parts share. "
    "112 pitches: seeds 000 and 004. Notes outside the piano: magenta issue 1143.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the notes below `root`, or below one folder in it, which holds nsynth-train, -valid and -test.

    Labels: pitch and pitch_88 (MIDI numbers), family, source; the group is the instrument. Audio is not looked for
    note by note. Raises MissingPart when a part is missing, DataError when its examples.json cannot be read.
    """
    if variant:
        raise UserError(
            f"The dataset 'nsynth' has no variants, got 'nsynth:{variant}'. Write 'nsynth'; the 88 pitches of HEAR "
            "are its label pitch_88 (task nsynth_pitch_88)."
        )
    clips = {role: _notes(_part(root, role), root) for role in ROLES}
    name, pitches = NOISE
    noise = sum(clip.group == name and clip.targets["pitch"] in pitches for clip in clips["test"])
    note = f"nsynth: {noise} test clips of {name} (MIDI 84 to 108) are said to be noise; they are kept, as by everybody"
    split = split_of({role: [clip.id for clip in found] for role, found in clips.items()})
    every = [clip for found in clips.values() for clip in found]
    return listed("nsynth", CARD, root, every, {"official": (split,)}, [note] if noise else [])


def _part(root: Path, role: str) -> Path:
    folders = [root / f"nsynth-{role}", *sorted(root.glob(f"*/nsynth-{role}"))]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _notes(folder: Path, root: Path) -> list[Clip]:
    described = need(folder / "examples.json", "nsynth", root)
    audio = need(folder / "audio", "nsynth", root)
    try:
        notes = json.loads(read_text(described, UNPACK))
    except json.JSONDecodeError as error:
        raise DataError(f"{described}: expected JSON, but: {error}. {UNPACK}") from error
    if not isinstance(notes, dict):
        raise DataError(f"{described}: expected an object of notes by name, got {type(notes).__name__}. {UNPACK}")
    for name, note in notes.items():
        _require_fields(name, note, described)
    return [
        Clip(
            name,
            audio / f"{name}.wav",
            targets={
                "pitch": note["pitch"],
                **({"pitch_88": note["pitch"]} if note["pitch"] in PIANO else {}),
                "family": note["instrument_family_str"],
                "source": note["instrument_source_str"],
            },
            group=note["instrument_str"],
        )
        for name, note in notes.items()
    ]


def _require_fields(name: str, note: object, described: Path) -> None:
    """Raise a DataError for a note that lacks a field of the jsonwav archives, or has another thing there."""
    if not isinstance(note, dict):
        raise DataError(f"{described}: expected an object for '{name}', got {note!r}. {UNPACK}")
    for field, kind in FIELDS.items():
        if type(note.get(field)) is not kind:
            raise DataError(
                f"{described}: expected '{field}' of every note ({kind.__name__}), as in the jsonwav archives, but "
                f"'{name}' has {note.get(field)!r}. {UNPACK}"
            )
