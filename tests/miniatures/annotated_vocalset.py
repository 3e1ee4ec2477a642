"""Annotated-VocalSet in small: two sound recordings a singer, and one recording for every fault that is known.

Layout: public readers of the archive (a benchmark of a voice transcriber and an onset detector, which read "extended
1/with file header"; a test corpus that reads "without file header"; a melody decoder that reads "all files.csv" and
mends its clocks). Files above the tables have six lines of description: no reader says what they hold, so here they are
what `all files.csv` has before its other columns. As in the archive, the written note is an octave off in some takes.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from earmark.datasets.vocalset import SINGERS
from earmark.identity import generator
from tests.miniatures.vocalset import folder_of

RATE = 44100
LENGTH_S = 1.2
SOUNDS_S = ((0.1, 0.4), (0.45, 0.75), (0.8, 1.1))
MIDI = {"f": (48, 60, 84), "m": (36, 48, 60)}
TABLE = (
    "Sequence, Start time, End time, Duration, Type, Average F0, Median F0, Min F0, Max F0, STD F0, "
    "Average F0 in range of STD, Estimated MIDI code, Ground truth Note name, Ground Truth Frequency, "
    "Ground Truth MIDI code, Lyric"
)
ABOUT = "File Name, Gender, Singer Name, Technique, Music Type, Vowel, BPM, Total Duration"


class Take(NamedTuple):
    """A recording's name, its folders, and what is wrong with its annotation ("": nothing)."""

    name: str
    singer: str
    context: str = "scales"
    technique: str = "belt"
    fault: str = ""


SOUND = tuple(
    Take(f"{singer}_scales_{technique}_{vowel}", singer, "scales", technique)
    for singer in SINGERS
    for technique, vowel in (("straight", "a"), ("vibrato", "e"))
    if singer != "m9"
)
FAULTY = (
    Take("f1_scales_belt_a", "f1", fault="mark"),
    Take("f2_scales_belt_a", "f2", fault="no names"),
    Take("f3_scales_belt_a", "f3", fault="twice"),
    Take("f4_scales_belt_a", "f4", fault="half"),
    Take("m3_scales_belt_a", "m3", fault="twice, untold"),
    Take("f5_scales_belt_a", "f5", fault="late"),
    Take("f6_scales_belt_a", "f6", fault="late by 0.3 s"),
    Take("f7_scales_belt_a", "f7", fault="empty notes"),
    Take("f8_arepggios_belt_a", "f8", "arpeggios", fault="spelt"),
    Take("f9_scales_belt_o", "f9", fault="no audio"),
    Take("m1_scales_belt_a", "m1", fault="no table"),
    Take("m2_row_spoken", "m2", "excerpts", "spoken", "no note"),
    Take("m9_caro_vibrato", "m8", "excerpts", "vibrato", "several"),
    Take("m9_scales_straight_a", "m9", "scales", "straight", "male 9"),
    Take("m9_scales_vibrato_e", "m9", "scales", "vibrato", "male 9"),
)


def make(root: Path) -> None:
    """Write the annotation and VocalSet's recordings into `root`."""
    annotate(root)
    record(root)


def annotate(root: Path) -> None:
    """Write "Annotated VocalSet" into `root`."""
    top = root / "Annotated VocalSet"
    for take in (*SOUND, *FAULTY):
        described = "".join(f"{line}\n" for line in _description(take))
        rows = "".join(f"{line}\n" for line in _rows(take))
        names = "" if take.fault == "no names" else f"{TABLE}\n"
        mark = "\ufeff" if take.fault == "mark" else ""
        whole = "" if take.fault == "no table" else rows
        for folder, above in (("with file header", described), ("without file header", "")):
            text = mark + ("" if take.fault == "no names" else above) + names + whole
            for way in ("extended 1", "extended 2"):
                path = top / way / folder / take.technique / f"{take.name}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text if way == "extended 1" else names + whole.replace(", 0.1,", ", 0.12,"), "utf-8")
    told = [take for take in (*SOUND, *FAULTY) if take.fault not in ("twice, untold", "no table")]
    lines = (f"{', '.join(_about(take))}, {row}\n" for take in told for row in _rows(take))
    (top / "extended 1" / "all files.csv").write_text(f"{ABOUT}, {TABLE}\n{''.join(lines)}")
    raw = top / "raw 1" / "csv" / "belt" / "f1_scales_belt_a.csv"
    raw.parent.mkdir(parents=True)
    raw.write_text("Time, F0, Amplitude, Onset, Offset, Transition\n0.0, 0.0, 0.0, 0, 0, 0\n")


def record(root: Path) -> None:
    """Write FULL, as VocalSet's archive has it, into `root`."""
    for take in (*SOUND, *FAULTY):
        name = take.name.replace("arepggios", "arpeggios")
        for singer in ("m8", "m9") if take.fault == "several" else (take.singer,):
            path = root / "FULL" / folder_of(singer) / take.context / take.technique / f"{name}.wav"
            if take.fault != "no audio":
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, _sung(take), RATE, subtype="PCM_16")


def archive(root: Path) -> Path:
    """Pack the annotation in `root` as the publisher does, where the dataset's source says it lies."""
    packed = root / "archives" / "Annotated-VocalSet.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((root / "Annotated VocalSet").rglob("*.csv")):
            file.write(path, path.relative_to(root).as_posix())
    return packed


def midi_of(take: Take) -> tuple[float, ...]:
    """Return what is sung: the written notes, each off by less than half a semitone."""
    rng = generator("miniature", "annotated-vocalset", take.name)
    return tuple(round(float(midi + rng.uniform(-0.45, 0.45)), 3) for midi in MIDI[take.singer[0]])


def hz_of(midi: float) -> float:
    """Return the frequency of a MIDI number as the tables write it: to a tenth of a millihertz."""
    return round(440 * 2 ** ((midi - 69) / 12), 4)


def _about(take: Take) -> tuple[str, ...]:
    factor = {"twice": 2, "half": 0.5}.get(take.fault, 1)
    gender = {"f": "Female", "m": "Male"}[take.singer[0]]
    total = 2.05 if take.fault in ("late", "male 9") else LENGTH_S * factor
    return (take.name, gender, take.singer, take.technique, take.context, take.name[-1], "120", f"{total:.3f}")


def _description(take: Take) -> list[str]:
    names = ABOUT.split(", ")
    return [f"{name}, {value}" for name, value in zip(names[:6], _about(take), strict=False)]


def _rows(take: Take) -> Iterator[str]:
    """Yield the rows of a table: rests and transitions between the sounds, times in the clock of the fault."""
    factor = 2 if take.fault.startswith("twice") else 0.5 if take.fault == "half" else 1
    ends = {"late": 2.0, "male 9": 2.0, "late by 0.3 s": 1.5}
    last_s = ends.get(take.fault, SOUNDS_S[-1][1])
    sounds = [*SOUNDS_S[:-1], (SOUNDS_S[-1][0], last_s)]
    times = [(0.0, 0.1, "Rest"), (*sounds[0], "Sound"), (0.4, 0.45, "Transition"), (*sounds[1], "Sound")]
    times += [(0.75, 0.8, "Rest"), (*sounds[2], "Sound"), (last_s, max(LENGTH_S, last_s), "Rest")]
    midi = dict(zip(sounds, midi_of(take), strict=True))
    for number, (start_s, end_s, kind) in enumerate(times, 1):
        is_sung = kind == "Sound" and take.fault != "no note"
        start, end = round(start_s * factor, 4), round(end_s * factor, 4)
        if take.fault == "empty notes" and start_s == 0.45:
            end = start
        pitch = _pitch(midi[start_s, end_s]) if is_sung else ", ".join(["0"] * 10)
        if take.fault == "empty notes" and start_s == 0.8:
            pitch = ", ".join(["nan"] * 10)
        cells = f"{number}, {start}, {end}, {round(end - start, 4)}, {kind if is_sung or kind != 'Sound' else 'Rest'}"
        yield f"{cells}, {pitch}, la"


def _pitch(midi: float) -> str:
    """Return the ten cells of a note's pitch: the median is 0.02 semitones above the average, the score an octave."""
    average, median, written = hz_of(midi), hz_of(midi + 0.02), round(midi) + 12
    return f"{average}, {median}, {average - 1}, {average + 1}, 0.5, {average}, {midi}, C4, {hz_of(written)}, {written}"


def _sung(take: Take) -> np.ndarray:
    """Return the three notes of a take, in a little noise."""
    seconds = np.arange(round(LENGTH_S * RATE)) / RATE
    voice: np.ndarray = 0.002 * generator("miniature", "annotated-vocalset", take.name, "noise").standard_normal(
        len(seconds)
    )
    for (start_s, end_s), midi in zip(SOUNDS_S, midi_of(take), strict=True):
        inside = (seconds >= start_s) & (seconds < end_s)
        phase = 2 * np.pi * hz_of(midi) * seconds
        voice += np.where(inside, 0.2 * np.sin(phase) + 0.1 * np.sin(2 * phase), 0)
    return voice
