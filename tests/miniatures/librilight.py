"""A small Libri-Light: three parts, three readers each, two books of two chapters, with the particulars of each.

Read from: the publisher's data_preparation/README.md (part, reader, book; `.flac` and `.json` beside it, and the fields
of the latter) and public users' code (names of books and chapters).
"""

import json
import tarfile
from pathlib import Path

from tests.miniatures.tones import write_tone

RATE = 16000
READERS = {"small": ("100", "1008", "3157"), "medium": ("10018", "102", "5304"), "large": ("6454", "77", "9")}
BOOKS = ("sea_fairies_0812_librivox_64kb_mp3", "tinted_venus_1408_librivox_64kb_mp3")


def make(root: Path, *parts: str) -> None:
    """Write these parts, all by default, as their archives unpack."""
    for part in parts or READERS:
        for place, reader in enumerate(READERS[part]):
            for book in BOOKS:
                for chapter in (1, 2):
                    stem = root / part / reader / book / f"{book[:3]}_{chapter:02d}_64kb"
                    write_tone(stem.with_suffix(".flac"), place, RATE, 0.4 + 0.2 * chapter)
                    stem.with_suffix(".json").write_text(json.dumps(_particulars(reader, book)))


def archive(root: Path, part: str) -> Path:
    """Write the archive of one part and return it."""
    make(root, part)
    packed = root / f"{part}.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(root / part, part)
    return packed


def _particulars(reader: str, book: str) -> dict[str, object]:
    meta = {"id": "319", "title": book, "genre": ["*Non-fiction"], "Dramatic Readings": False, "meta_genre": "Poetry"}
    return {"speaker": reader, "book_meta": meta, "snr": 5.391, "voice_activity": [[0.1, 0.3]]}
