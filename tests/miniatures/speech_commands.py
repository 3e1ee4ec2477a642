"""Speech Commands in small: the ten commands and two other words, by eight speakers of one part each.

Read from: HEAR's speech_commands.py (folders, the lists' names and lines, `_background_noise_`, the second archive with
`_silence_` and `_unknown_`), EVAR's make_metadata.py (lines such as yes/004ae714_nohash_0.wav) and mlx-data's loader
(members of the archive begin with "./").
"""

import tarfile
from pathlib import Path

from tests.miniatures.tones import write_tone

RATE = 16000
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
OTHERS = ("bed", "marvin")
WORDS = (*COMMANDS, *OTHERS)
SPEAKERS = {
    "train": ("004ae714", "0ab3b47d", "0d2bcf9d", "1b4c9b89", "2aca1e72"),
    "valid": ("26e573a9",),
    "test": ("0132a06d", "ad63d93c"),
}
NOISES = {"running_tap": 15, "white_noise": 18}
NOISE_S = 3.25  # cut into seconds from 0.0, 0.5, 1.0, 1.5 and 2.0 s on


def make(root: Path) -> None:
    """Write `speech_commands_v0.02` and `speech_commands_test_set_v0.02` as the two archives lie unpacked."""
    folder, testing = root / "speech_commands_v0.02", root / "speech_commands_test_set_v0.02"
    listed: dict[str, list[str]] = {role: [] for role in SPEAKERS}
    for number, word in enumerate(WORDS):
        for role, speakers in SPEAKERS.items():
            for speaker in speakers:
                name = f"{word}/{speaker}_nohash_0.wav"
                listed[role].append(name)
                write_tone(folder / name, number, RATE)
    for name, number in NOISES.items():
        write_tone(folder / "_background_noise_" / f"{name}.wav", number, RATE, NOISE_S)
    (folder / "_background_noise_" / "README.md").write_text("")
    (folder / "validation_list.txt").write_text("".join(f"{name}\n" for name in listed["valid"]))
    (folder / "testing_list.txt").write_text("".join(f"{name}\n" for name in listed["test"]))
    (folder / "README.md").write_text("")
    for speaker in SPEAKERS["test"]:
        for number, word in enumerate((*COMMANDS, "_unknown_")):
            write_tone(testing / word / f"{speaker}_nohash_0.wav", number, RATE)
        write_tone(testing / "_silence_" / f"{speaker}_nohash_0.wav", 15, RATE)


def archive(root: Path) -> list[Path]:
    """Pack what `make` wrote into `root`, where the dataset's sources say it lies."""
    packed = []
    (root / "archives").mkdir()
    for name in ("speech_commands_v0.02", "speech_commands_test_set_v0.02"):
        packed.append(root / "archives" / f"{name}.tar.gz")
        with tarfile.open(packed[-1], "w:gz", compresslevel=1) as tar:
            tar.add(root / name, ".")
    return packed
