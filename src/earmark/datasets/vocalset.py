"""VocalSet: 20 singers, 17 vocal techniques, on scales, arpeggios, long tones and three songs, without accompaniment.

`FULL/female2/scales/vibrato/f2_scales_vibrato_a.wav`: singer, context and technique are folders; the file's name
repeats them by hand, with its vowel last. Names lack the singer (`caro_vibrato.wav`), misspell (`arepggios`,
`f_sow_forte`, the folder `vibrado`) and contradict their folders, so the folder wins, for singer and for technique,
and a note says where: `male8` and `male9` both hold a `m9_caro_vibrato.wav`, two recordings, and the first counts as
m8. The name decides only where a folder says nothing, by whole words and the longest first: `lip_trill` is no `trill`.
A singer is a whole id: m10 and m11 are never m1.

`FULL` of versions 1.0 and 1.1 and `data_by_singer` of 1.2 hold 3,613 files each; one of these is listed, never 1.2's
copies `data_by_technique` and `data_by_vowel`. Three files marked "(1)" repeat others byte for byte and are left out.
Differs from the thesis (seed 003, section 3.1.3): it gives 3,560 clips, and 1,912 of the ten techniques; its code
(mir_ref) takes a technique from any part of a file's name. The paper says 10.1 hours, 8.79 were counted in 1.2.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from earmark.datasets._listing import clip_id
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.nouns import Clip, DataCard, LabelCard, Source, Split, SplitCard, Target

TEN = ("belt", "breathy", "inhaled", "lip_trill", "spoken", "straight", "trill", "trillo", "vibrato", "vocal_fry")
TECHNIQUES = (*TEN, "fast_forte", "fast_piano", "forte", "messa", "pp", "slow_forte", "slow_piano")
CONTEXTS = ("arpeggios", "excerpts", "long_tones", "scales")
TEST = ("f2", "f8", "m3", "m5", "m10")
VALID = ("f9", "m9", "m11")
TRAIN = ("f1", "f3", "f4", "f5", "f6", "f7", "m1", "m2", "m4", "m6", "m7", "m8")
SINGERS = (*TRAIN, *VALID, *TEST)
ROLES = {"train": TRAIN, "valid": VALID, "test": TEST}
TREES = ("FULL", "data_by_singer")
SPELLINGS = {"vibrado": "vibrato", "sow_": "slow_"}

BIBTEX = """@inproceedings{wilkins2018vocalset,
  title = {{VocalSet}: A Singing Voice Dataset},
  author = {Wilkins, Julia and Seetharaman, Prem and Wahl, Alison and Pardo, Bryan},
  booktitle = {Proc. of the 19th International Society for Music Information Retrieval Conference (ISMIR)},
  pages = {468--474},
  year = {2018},
}"""
COPY = "the same bytes as the file without (1)"
CARD = DataCard(
    title="VocalSet: a singing voice dataset of 20 singers and 17 techniques",
    version="1.1",
    status="open",
    licence="CC-BY-4.0",
    redistributable=True,
    bibtex=BIBTEX,
    homepage="https://zenodo.org/records/1442513",
    audio="WAV, 44.1 kHz, mono",
    n_clips=3610,
    hours=8.79,
    labels=(
        LabelCard("singer", "multiclass", 20, 3610, "f1 to f9 and m1 to m11"),
        LabelCard("technique", "multiclass", 10, None, "the ten techniques of the authors' experiment"),
        LabelCard("all_techniques", "multiclass", 17, None, "every technique, dynamics and tempo among them"),
        LabelCard("vowel", "multiclass", 5, None, "where the name gives it"),
        LabelCard("context", "multiclass", 4, None, "arpeggios, excerpts, long_tones, scales"),
        LabelCard("gender", "multiclass", 2, 3610, "female or male, of the singer"),
    ),
    splits=(
        SplitCard(
            "singers",
            "test: the authors' test singers (test_singers_technique.txt); valid: f9, m9 and m11, taken out of their "
            "train singers by the thesis (seed 003, section 3.1.3)",
            labels=("technique",),
            used_by="the thesis (Table 9). mir_ref's code takes the first two characters for the singer, which puts "
            "m10 and m11 into train, and f9 and m9 into train and valid. MARBLE draws its valid part at random.",
        ),
    ),
    bad={
        "female2/scales/slow_piano/f2_scales_f_slow_piano_u(1)": COPY,
        "female2/scales/straight/f2_scales_straight_u(1)": COPY,
        "female2/scales/vibrato/f2_scales_vibrato_a(1)": COPY,
    },
    sources=(
        Source(
            "https://zenodo.org/records/1442513/files/VocalSet11.zip",
            "CC-BY-4.0",
            "md5:0c09396242f946e7111ad7d8fc649b81",
            BIBTEX,
            2077243579,
            ("https://zenodo.org/records/1203819/files/VocalSet11.zip",),
            path="archives/VocalSet11.zip",
            unpack_into=".",
        ),
    ),
    layout="Names and folders: MARBLE's benchmark/tasks/VocalSet/preprocess.py, mir_ref's datasets/vocalset.py, and "
    "public listings of the archives' members, which agree on 3,613 files. Copies: a public sha256 audit. Test "
    "singers: MARBLE, mir_ref and a reader of the archive's own list. Other archives: VocalSet.zip (1.0, record "
    "1193957, md5 c44f60d34b8724b9a6f6d15e0a3158a9) and VocalSet1-2.zip (1.2, record 1442513, md5 "
    "c5e5efab412637fc94972b93c343a2f0, 6 GB: three trees of the same audio).",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the clips below `root`, or below one folder in it, which holds FULL or data_by_singer.

    Labels: singer ("f1" … "m11"), technique (of ten), all_techniques (of 17), vowel, context, gender; the group is
    the singer. Raises MissingPart when neither tree is there.
    """
    refuse_variant("vocalset", variant)
    tree = tree_of(root) or need(root / "FULL" / "female1", "vocalset", root)
    paths = sorted(path for path in tree.rglob("*") if path.suffix.lower() == ".wav" and path.name[0] != ".")
    clips = [_clip(path, tree) for path in paths]
    return listed("vocalset", CARD, root, clips, {"singers": (split_by_singer(clips),)}, _contradictions(clips))


def split_by_singer(clips: Iterable[Clip]) -> Split:
    """Return the clips by the parts of their singers, `ROLES`; those of no known singer are in none."""
    part = {singer: role for role, singers in ROLES.items() for singer in singers}
    ids = defaultdict[str | None, list[str]](list)
    for clip in clips:
        ids[part.get(str(clip.targets.get("singer")))].append(clip.id)
    return Split(*(tuple(ids[role]) for role in ROLES))


def tree_of(root: Path) -> Path | None:
    """Return the one folder that holds the singers' folders, None where there is none; `root` itself may be it."""
    places = [root, *(place for name in TREES for place in (root / name, *sorted(root.glob(f"*/{name}"))))]
    found = [place for place in places if place.parent.name != "__MACOSX" and any(place.glob("*male*[0-9]"))]
    return found[0] if found else None


def technique_of(name: str) -> str | None:
    """Return the technique that a folder or file is named after, the longest whole words first, or None."""
    return next((one for one in sorted(TECHNIQUES, key=len, reverse=True) if f"_{one}_" in f"_{_plain(name)}_"), None)


def singer_of(name: str) -> str | None:
    """Return the singer ("m10") that a folder ("male10") or file ("m10_scales_…") is named after, or None."""
    found = re.match(r"(f|m)(?:emale|ale)?(\d+)(?:_|$)", _plain(name))
    singer = "".join(found.groups()) if found else None
    return singer if singer in SINGERS else None


def _plain(name: str) -> str:
    plain = name.lower()
    for wrong, right in SPELLINGS.items():
        plain = plain.replace(wrong, right)
    return plain


def _clip(path: Path, tree: Path) -> Clip:
    relative = path.relative_to(tree)
    above = (*relative.parts[:-1], "", "", "")
    singer = singer_of(above[0]) or singer_of(path.stem)
    technique = technique_of(above[2]) or technique_of(path.stem)
    vowel = re.search(r"_([aeiou])$", _plain(path.stem))
    targets: dict[str, Target | None] = {
        "singer": singer,
        "gender": singer and {"f": "female", "m": "male"}[singer[0]],
        "technique": technique if technique in TEN else None,
        "all_techniques": technique,
        "vowel": vowel[1] if vowel else None,
        "context": above[1] if above[1] in CONTEXTS else None,
    }
    known = {label: value for label, value in targets.items() if value is not None}
    return Clip(clip_id(relative.with_suffix("").as_posix()), path, targets=known, group=singer)


def _contradictions(clips: list[Clip]) -> Iterator[str]:
    for what, label, named in (("singer", "singer", singer_of), ("technique", "all_techniques", technique_of)):
        says = {clip.id: named(clip.path.stem) for clip in clips}
        found = [clip.id for clip in clips if says[clip.id] not in (None, clip.targets.get(label))]
        if found:
            some = ", ".join(f"{one} ('{says[one]}')" for one in found[:5]) + (", …" if len(found) > 5 else "")
            yield f"vocalset: {len(found)} clips are named for another {what} than their folder, which counts: {some}"
