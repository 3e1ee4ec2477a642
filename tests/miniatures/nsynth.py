"""NSynth in small: eleven families, six pitches (two outside the piano), one instrument a family and part.

Layout: HEAR's preprocessing (nsynth_pitch) and the README of FCAC_datasets, which agree; the fields of a note: a public
copy of entries of the test part's examples.json (erl-j/audio-latent-space-cartography-demo). As in the real set, valid
and test hold notes of the same instruments, no instrument of train is among them, and synth_lead is in train alone.
"""

import json
import tarfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.identity import generator

RATE = 16000
SAMPLES = 4000
FAMILIES = ("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal")
SOURCES = ("acoustic", "electronic", "synthetic")
PITCHES = (10, 36, 48, 60, 84, 113)
# Part → number of its instruments, velocity of its notes.
PARTS = {"train": (3, 127), "valid": (46, 25), "test": (46, 50)}


def make(root: Path) -> None:
    """Write nsynth-train, nsynth-valid and nsynth-test into `root`."""
    for part, (number, velocity) in PARTS.items():
        audio = root / f"nsynth-{part}" / "audio"
        audio.mkdir(parents=True)
        notes = {}
        for family in FAMILIES:
            if family == "synth_lead" and part != "train":
                continue
            for pitch in PITCHES:
                note = _note(family, number, pitch, velocity)
                notes[note["note_str"]] = note
                sound = _sound(str(note["note_str"]), family, pitch)
                soundfile.write(audio / f"{note['note_str']}.wav", sound, RATE, subtype="PCM_16")
        (audio.parent / "examples.json").write_text(json.dumps(notes, indent=4))


def archive(root: Path) -> list[Path]:
    """Pack what `make` wrote into `root` as the publisher does, where the dataset's sources say they lie."""
    (root / "archives").mkdir()
    packed = [root / "archives" / f"nsynth-{part}.jsonwav.tar.gz" for part in PARTS]
    for part, path in zip(PARTS, packed, strict=True):
        with tarfile.open(path, "w:gz") as archive:
            archive.add(root / f"nsynth-{part}", f"nsynth-{part}")
    return packed


def _note(family: str, number: int, pitch: int, velocity: int) -> dict[str, object]:
    source = FAMILIES.index(family) % len(SOURCES) if family != "brass" else 0
    instrument = f"{family}_{SOURCES[source]}_{number:03d}"
    return {
        "qualities": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        "pitch": pitch,
        "note": 1000 * FAMILIES.index(family) + pitch,
        "instrument_source_str": SOURCES[source],
        "velocity": velocity,
        "instrument_str": instrument,
        "instrument": 100 * number + FAMILIES.index(family),
        "sample_rate": RATE,
        "qualities_str": ["dark"],
        "instrument_source": source,
        "note_str": f"{instrument}-{pitch:03d}-{velocity:03d}",
        "instrument_family": FAMILIES.index(family),
        "instrument_family_str": family,
    }


def _sound(name: str, family: str, pitch: int) -> np.ndarray:
    """Return a tone of the pitch and another, high, that stands for the family; the known noise is noise."""
    rng = generator("miniature", "nsynth", name)
    noise = rng.standard_normal(SAMPLES)
    if name.startswith("brass_acoustic_046-084"):
        return 0.1 * noise
    time_s = np.arange(SAMPLES) / RATE
    pitch_hz, family_hz = 440 * 2 ** ((pitch - 69) / 12), 1500 * 1.15 ** FAMILIES.index(family)
    low, high = (np.sin(2 * np.pi * (hz * time_s + rng.random())) for hz in (pitch_hz, family_hz))
    return 0.2 * (low + high) + 0.01 * noise
