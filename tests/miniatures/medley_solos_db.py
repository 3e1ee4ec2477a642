"""Medley-solos-DB in small: eight instruments, three songs each, one a subset, two to four clips a song.

Read from: mirdata's loader (`annotation/`, `audio/`, columns by place, the eight instruments) and the IS2 2024 music
PLC challenge (the head with uuid4, song ids such as 000, order of test before training, names of the files).
"""

import csv
import tarfile
import uuid
from pathlib import Path

from tests.miniatures.tones import write_tone

RATE = 44100
INSTRUMENTS = (
    *("clarinet", "distorted electric guitar", "female singer", "flute"),
    *("piano", "tenor saxophone", "trumpet", "violin"),
)
SUBSETS = {"test": 2, "training": 4, "validation": 2}
TABLE = "Medley-solos-DB_metadata.csv"


def make(root: Path) -> None:
    """Write `annotation/Medley-solos-DB_metadata.csv` and `audio/` as mirdata lays them."""
    rows = []
    for place, (subset, n_clips) in enumerate(SUBSETS.items()):
        for number, instrument in enumerate(INSTRUMENTS):
            song = f"{len(INSTRUMENTS) * place + number:03d}"
            for clip in range(n_clips):
                name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{song}-{clip}"))
                rows.append((subset, instrument, number, song, name))
                write_tone(root / "audio" / f"Medley-solos-DB_{subset}-{number}_{name}.wav", number, RATE)
    table = root / "annotation" / TABLE
    table.parent.mkdir(parents=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [("subset", "instrument", "instrument_id", "song_id", "uuid4"), *rows]
        )


def archive(root: Path) -> list[Path]:
    """Pack the audio that `make` wrote into `root`, where the dataset's source says it lies."""
    packed = root / "archives" / "Medley-solos-DB.tar.gz"
    packed.parent.mkdir()
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        for path in sorted((root / "audio").iterdir()):
            tar.add(path, path.name)
    return [packed]
