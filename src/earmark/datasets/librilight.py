"""Libri-Light: 60,000 hours of English audiobooks read for LibriVox, to pre-train on (Kahn et al. 2020).

`small/100/sea_fairies_0812_librivox_64kb_mp3/01_baum_sea_fairies_64kb.flac`: part, reader, book, file. Variants: the
three archives `small` (the plain name), `medium` and `large`, none of which holds what another does, and what the paper
makes of them, `unlab-6k` (small and medium) and `unlab-60k` (all three). EnCodecMAE (seed 002) trains on "the
medium-size split … containing 6000 hours", which can only be `unlab-6k`.

A clip is a file, its id the place below the root; the one label and the group are the reader. The text's particulars
beside each file (`.json`: title, genre, signal-to-noise ratio, where somebody speaks) are not read. Files that the
publisher's script has cut into minutes lie a folder deeper, or under the book, and are found as well.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from earmark.datasets._listing import clip_id
from earmark.datasets.base import Dataset, listed, need
from earmark.errors import DataError, UnknownName
from earmark.nouns import Clip, DataCard, LabelCard, Source

NAME = "librilight"
HOURS = {"small": 577.2, "medium": 5_193.5, "large": 51_935.7}
FILES = {"small": 2_588, "medium": 18_739, "large": 197_714}
READERS = {("small",): 489, ("small", "medium"): 1_742, ("small", "medium", "large"): 7_439}
MD5 = {
    "small": "c49207eb86a8e8ac895561c37232041e",
    "medium": "c75e7ac62471bfbf2db77528d62a9b74",
    "large": "4dfbac018f50b99797ece101fc9f0c30",
}
PARTS = {
    "small": ("small",),
    "medium": ("medium",),
    "large": ("large",),
    "unlab-6k": ("small", "medium"),
    "unlab-60k": ("small", "medium", "large"),
}
LICENCE = "public domain in the USA (LibriVox)"
BIBTEX = """@inproceedings{kahn2020librilight,
  title = {{Libri-Light}: A Benchmark for {ASR} with Limited or No Supervision},
  author = {Kahn, J. and Rivi{\\`e}re, M. and Zheng, W. and Kharitonov, E. and Xu, Q. and Mazar{\\'e}, P. E. and
    Karadayi, J. and Liptchinsky, V. and Collobert, R. and Fuegen, C. and Likhomanenko, T. and Synnaeve, G. and
    Joulin, A. and Mohamed, A. and Dupoux, E.},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {7669--7673},
  year = {2020}
}"""


def _card(parts: tuple[str, ...]) -> DataCard:
    hours = round(sum(HOURS[part] for part in parts), 1)
    n_clips = sum(FILES[part] for part in parts)
    return DataCard(
        title=f"Libri-Light: {hours:,.0f} hours of English audiobooks ({', '.join(parts)})",
        version="2020",
        status="open",
        licence=LICENCE,
        redistributable=True,
        bibtex=BIBTEX,
        homepage="https://github.com/facebookresearch/libri-light",
        audio="FLAC, 16 kHz, mono, whole chapters",
        n_clips=n_clips,
        hours=hours,
        labels=(LabelCard("speaker", "multiclass", READERS.get(parts), n_clips, "the reader's number at LibriVox"),),
        sources=tuple(
            Source(
                f"https://dl.fbaipublicfiles.com/librilight/data/{part}.tar",
                LICENCE,
                f"md5:{MD5[part]}",
                BIBTEX,
                path=f"archives/{part}.tar",
                unpack_into=".",
            )
            for part in parts
        ),
        layout="The publisher's data_preparation/README.md (folders, archives, md5, sizes of 35 GB, 321 GB and 3.05 "
        "TB); names of books and files in three public users' code. Files, hours and readers of small, unlab-6k and "
        "unlab-60k: the paper's table, as ultravox copied it; those of medium and large are the differences, and "
        "their readers are not known.",
    )


CARDS: dict[str, DataCard] = {
    "": _card(PARTS["small"]),
    **{variant: _card(parts) for variant, parts in PARTS.items()},
}


def load(variant: str, root: Path) -> Dataset:
    """Return the recordings of a variant under `root`, or under its folder `unlab_data`.

    Raises MissingPart where a part is not there, DataError where it holds no recording, UnknownName for a variant.
    """
    if variant not in CARDS:
        raise UnknownName("dataset", f"{NAME}:{variant}", (f"{NAME}:{one}" for one in PARTS))
    chosen = variant or "small"
    name = f"{NAME}:{chosen}"
    tree = root / "unlab_data" if (root / "unlab_data").is_dir() else root
    clips = [clip for part in PARTS[chosen] for clip in _clips(need(tree / part, name, root))]
    return listed(name, CARDS[variant], root, clips, {})


def _clips(part: Path) -> Iterator[Clip]:
    """Yield the recordings of one part, sorted by reader, book and file."""
    found = sorted(
        Path(folder, name) for folder, _, names in os.walk(part) for name in names if name.endswith((".flac", ".wav"))
    )
    if not found:
        raise DataError(f"'{part}': expected <reader>/<book>/<file>.flac below it, found no .flac. Unpack it again.")
    for path in found:
        place = path.relative_to(part).parts
        if len(place) < 3:
            raise DataError(f"'{path}': expected {part.name}/<reader>/<book>/<file>.flac. Unpack the archive again.")
        yield Clip(clip_id("/".join((part.name, *place))), path, targets={"speaker": place[0]}, group=place[0])
