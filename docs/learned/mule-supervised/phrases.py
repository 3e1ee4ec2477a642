"""Render phrases of single instruments to learn from, and a table of their families.

    python docs/learned/mule-supervised/phrases.py FOLDER

480 phrases of ten seconds: eight of each of the 60 programs that `studio` has in the training part of its split, by its
own sound font (TimGM6mb). No program of the test part is heard. All is drawn from names: the same on any machine.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from earmark import identity
from earmark.datasets import _studio_notes as notes
from earmark.datasets._studio_render import Sound, Strike, Unit, packaged_font, render, wav_bytes

N_PHRASES, DURATION_S = 8, 10.0
PITCHES = (43, 78)  # those of the notes of `studio`
BETWEEN_S, LEGATO = (0.15, 0.9), (0.5, 1.2)
MOST_STEP = 7
SHARE_OF_CHORDS = 0.2
PEAKS_DB = (-24.0, -3.0)


def phrase(program: int, number: int) -> Sound:
    """Return a melody that walks at random, now and then with a chord, as loud as it comes."""
    rng = identity.generator("mule-supervised", "phrase", program, number)
    strikes: list[Strike] = []
    at_s, pitch = 0.0, int(rng.integers(PITCHES[0], PITCHES[1] + 1))
    while at_s < DURATION_S - BETWEEN_S[1]:
        wait_s = float(rng.uniform(*BETWEEN_S))
        end_s = min(at_s + wait_s * float(rng.uniform(*LEGATO)), DURATION_S - 0.01)
        others = rng.choice([3, 4, 5, 7, 12], 2, replace=False) if rng.random() < SHARE_OF_CHORDS else []
        strikes += [
            Strike(round(at_s, 4), round(end_s, 4), one, int(rng.integers(50, 121)))
            for one in (pitch, *(min(pitch + int(step), PITCHES[1]) for step in others))
        ]
        at_s += wait_s
        pitch = int(np.clip(pitch + rng.integers(-MOST_STEP, MOST_STEP + 1), *PITCHES))
    cents = round(float(rng.uniform(-notes.MOST_DETUNED_CENTS, notes.MOST_DETUNED_CENTS)), 3)
    level_db = round(float(rng.uniform(*PEAKS_DB)), 3)
    return Sound(f"phrase-{number}", (tuple(strikes),), cents, level_db, {})


def main(folder: Path) -> None:
    """Write a WAV file a phrase, and labels.csv: the file below the folder, and its family."""
    font, rows = packaged_font().read_bytes(), []
    for program in range(8 * len(notes.FAMILIES)):
        if notes.role(program) != "train":
            continue
        name = f"program-{program:03d}"
        sounds = tuple(phrase(program, number) for number in range(N_PHRASES))
        clips = render(font, Unit(name, name, "train", (program,), DURATION_S, sounds))
        for sound, clip in zip(sounds, clips, strict=True):
            path = Path("audio") / name / f"{sound.id}.wav"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(wav_bytes(clip[None]))
            rows.append((path.relative_to("audio").as_posix(), notes.FAMILIES[program // 8]))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "family"), *rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
