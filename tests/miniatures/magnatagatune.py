"""MagnaTagATune in small: 16 folders of MP3 at 32 kbps, 16 kHz, mono, and the annotations as a quoted, tabbed table.

Layout read from: the publisher's cut_clips.py (one folder an album, `<artist>-<album>-<number>-<title>-<start>-<end>`,
encoder settings), chrispla/mir_ref's and Spijkervet/CLMR's readers (tabs, clip_id first, mp3_path last),
keunwoochoi/magnatagatune-list (the head's 188 tags in order, folders at the top of one zip cut in three), and
jordipons/musicnn-training's partition_gt.py (ids and paths of the files of no bytes). The real table has 21.5 MB
(huggingface.co/datasets/confit/magnatagatune), which is 25,863 rows of 190 cells only if every cell is in quotes.
"""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark.datasets.magnatagatune import CARD, TOP_50
from earmark.identity import generator
from tests.miniatures import LENGTH_S

HEAD = """no voice, singer, duet, plucking, hard rock, world, bongos, harpsichord, female singing, clasical, sitar,
chorus, female opera, male vocal, vocals, clarinet, heavy, silence, beats, men, woodwind, funky, no strings, chimes,
foreign, no piano, horns, classical, female, no voices, soft rock, eerie, spacey, jazz, guitar, quiet, no beat, banjo,
electric, solo, violins, folk, female voice, wind, happy, ambient, new age, synth, funk, no singing, middle eastern,
trumpet, percussion, drum, airy, voice, repetitive, birds, space, strings, bass, harpsicord, medieval, male voice, girl,
keyboard, acoustic, loud, classic, string, drums, electronic, not classical, chanting, no violin, not rock, no guitar,
organ, no vocal, talking, choral, weird, opera, soprano, fast, acoustic guitar, electric guitar, male singer,
man singing, classical guitar, country, violin, electro, reggae, tribal, dark, male opera, no vocals, irish,
electronica, horn, operatic, arabic, lol, low, instrumental, trance, chant, strange, drone, synthesizer, heavy metal,
modern, disco, bells, man, deep, fast beat, industrial, hard, harp, no flute, jungle, pop, lute, female vocal, oboe,
mellow, orchestral, viola, light, echo, piano, celtic, male vocals, orchestra, eastern, old, flutes, punk, spanish, sad,
sax, slow, male, blues, vocal, indian, no singer, scary, india, woman, woman singing, rock, dance, piano solo, guitars,
no drums, jazzy, singing, cello, calm, female vocals, voices, different, techno, clapping, house, monks, flute,
not opera, not english, oriental, beat, upbeat, soft, noise, choir, female singer, rap, metal, hip hop, quick, water,
baroque, women, fiddle, english"""
TAGS = tuple(tag.strip() for tag in HEAD.replace("\n", " ").split(","))
KINDS = 10  # of sound; kind k is heard in a tone of its own and carries five of the 50 tags
CLIPS_OF = {**dict.fromkeys("0123456789ab", 4), "c": 10, **dict.fromkeys("def", 4)}
SAMPLE_RATE = 16_000
N_SAMPLES = round(LENGTH_S * SAMPLE_RATE)


def make(root: Path) -> None:
    """Write 70 clips with tags of the 50, four with none of them, and the three files of no bytes."""
    rows = [(path, _tags(kinds)) for path, kinds in _plan()]
    for path, kinds in _plan():
        _write_mp3(root / "mp3" / path, kinds)
    rows += [(f"{folder}/quiet_artist-album_{folder}-09-nothing-30-59.mp3", ("lol",)) for folder in "05cf"]
    for path, _ in rows[-4:]:
        _write_mp3(root / "mp3" / path, ())
    numbered = {str(number): row for number, row in zip(range(2, 40_000, 9), rows, strict=False)}
    for clip, reason in CARD.bad.items():
        path = reason.split(": ")[1]
        numbered[clip] = (path, ("guitar", "violins"))
        (root / "mp3" / path).write_bytes(b"")
    _write_table(root / "annotations_final.csv", numbered)


def archive(root: Path) -> list[Path]:
    """Return the audio as published: one zip, its folders at the top, cut in three; the unpacked folder stays."""
    whole = root / "archives" / "mp3.zip"
    whole.parent.mkdir()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as file:
        for path in sorted((root / "mp3").glob("*/*.mp3")):
            file.writestr(zipfile.ZipInfo(path.relative_to(root / "mp3").as_posix()), path.read_bytes())
    content = whole.read_bytes()
    whole.unlink()
    third = len(content) // 3 + 1
    parts = [whole.with_name(f"mp3.zip.00{number + 1}") for number in range(3)]
    for number, part in enumerate(parts):
        part.write_bytes(content[number * third : (number + 1) * third])
    return parts


def _plan() -> list[tuple[str, tuple[int, ...]]]:
    """Return the path of each clip and its kinds of sound: two excerpts a track, three artists over all folders."""
    planned: list[tuple[str, tuple[int, ...]]] = []
    for folder, n_clips in CLIPS_OF.items():
        album = f"artist_{int(folder, 16) % 3}-album_{folder}"
        for number in range(n_clips):
            count = len(planned)
            kinds = (count % KINDS, (count * 3 + 1) % KINDS) if count % 3 == 0 else (count % KINDS,)
            excerpt = ("0-29", "30-59")[number % 2]
            planned.append((f"{folder}/{album}-{number // 2 + 1:02d}-piece-{excerpt}.mp3", kinds))
    return planned


def _tags(kinds: Sequence[int]) -> tuple[str, ...]:
    return tuple(tag for kind in kinds for tag in TOP_50[kind::KINDS]) + (("clasical",) if 1 in kinds else ())


def _write_mp3(path: Path, kinds: Sequence[int]) -> None:
    rng = generator("miniature", "magnatagatune", path.name)
    time_s = np.arange(N_SAMPLES) / SAMPLE_RATE
    sound = 0.03 * rng.standard_normal(len(time_s))
    for kind in kinds:
        sound += 0.2 * np.sin(2 * np.pi * 150 * 1.45**kind * time_s + rng.uniform(0, 6))
    path.parent.mkdir(parents=True, exist_ok=True)
    # libsndfile gives 32 kbps from 0.82 to 0.86.
    soundfile.write(path, sound, SAMPLE_RATE, format="MP3", compression_level=0.84, bitrate_mode="CONSTANT")


def _write_table(path: Path, rows: dict[str, tuple[str, tuple[str, ...]]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["clip_id", *TAGS, "mp3_path"])
        for clip in sorted(rows, key=int):
            mp3, tags = rows[clip]
            writer.writerow([clip, *("1" if tag in tags else "0" for tag in TAGS), mp3])
