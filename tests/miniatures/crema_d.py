"""CREMA-D in small: seven actors, two sentences in six emotions each, and every oddity that is known.

Read from: the publisher's README (files, columns, letters of the votes) and VideoDemographics.csv (quoted head and
cells), TensorFlow Datasets' audio/crema_d.py (the table's name is its second column, FileName, quoted; the file whose
name differs) and public loaders (the clips without sound, one recording under two names).
"""

import csv
import shutil
from pathlib import Path

import numpy as np
import soundfile

from tests.miniatures.tones import write_tone

RATE = 16000
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
# Actors of train (1001, 1006, 1064), valid (1015, 1020) and test (1010, 1040) of TensorFlow Datasets' split.
ACTORS = {
    "1001": "Male",
    "1006": "Female",
    "1064": "Male",
    "1015": "Male",
    "1020": "Female",
    "1010": "Female",
    "1040": "Male",
}
MORE = ("1064_IEO_DIS_MD", "1064_TIE_SAD_XX", "1040_ITH_SAD_XX", "1006_TIE_NEU_XX", "1006_TIE_HAP_XX")


def make(root: Path) -> None:
    """Write `AudioWAV`, `processedResults/summaryTable.csv` and `VideoDemographics.csv`."""
    names = list(MORE)
    for actor in ACTORS:
        names += [f"{actor}_DFA_{emotion}_XX" for emotion in EMOTIONS]
        names += [f"{actor}_IEO_{emotion}_{'LO' if emotion == 'ANG' else 'HI'}" for emotion in EMOTIONS]
    audio = root / "AudioWAV"
    for name in names:
        write_tone(audio / f"{name.replace('ITH_SAD_XX', 'ITH_SAD_X')}.wav", 2 * EMOTIONS.index(name[9:12]), RATE)
    soundfile.write(audio / "1064_TIE_SAD_XX.wav", np.zeros(RATE // 2), RATE, subtype="PCM_16")
    shutil.copyfile(audio / "1006_TIE_HAP_XX.wav", audio / "1006_TIE_NEU_XX.wav")
    votes = [(number, name, _vote(name), 60) for number, name in enumerate(sorted(names), 1)]
    people = [(int(actor), 30, sex, "Unknown", "Not Hispanic") for actor, sex in sorted(ACTORS.items())]
    (root / "processedResults").mkdir()
    for place, head, rows in (
        ("processedResults/summaryTable.csv", ("", "FileName", "VoiceVote", "VoiceLevel"), votes),
        ("VideoDemographics.csv", ("ActorID", "Age", "Sex", "Race", "Ethnicity"), people),
    ):
        with (root / place).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows([head, *rows])


def _vote(name: str) -> str:
    """Return what most heard: the emotion meant, but for one clip that they heard as neutral and one at odds."""
    odd = {"1001_DFA_ANG_XX": "N", "1001_DFA_DIS_XX": "D:N"}
    return odd.get(name, name[9])
