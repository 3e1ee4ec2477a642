"""MagnaTagATune: 29-second excerpts of Magnatune's catalogue, tagged by players of the game TagATune (Law et al. 2009).

Labels: `tags`, the published list of the 50 most frequent tags, and `all_tags`, all 188 as published: nothing is
merged ("clasical" beside "classical", "no vocals" beside "no vocal"). A clip with none of them carries an empty
tuple. Files: `annotations_final.csv`, which is tab-separated despite its name, every cell in quotes, one column a tag
between `clip_id` and `mp3_path`; and the excerpts as `mp3/<0-f>/<artist>-<album>-<number>-<title>-<start>-<end>.mp3`.

The name tells the track, which is the group, so `clip_info_final.csv` is not read. A folder holds whole albums (it is
the last hexadecimal digit of a hash of the album), and both splits are made of folders: 0-b train, c valid, d-f test.
They differ in the clips that have none of the 50 tags, which `won2020` drops. Left out: three files of no bytes.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from earmark.datasets._listing import nfc, split_of, table_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

NAME = "magnatagatune"
FETCH = "Fetch the file again."
TOP_50 = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano"),
    *("ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing"),
    *("vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop"),
    *("soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice"),
    *("female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral"),
)
ROLES = {**dict.fromkeys("0123456789ab", "train"), "c": "valid", **dict.fromkeys("def", "test")}
EXCERPT = re.compile(r"([0-9a-f])/(.+)-\d+-\d+\.mp3")
CITATION = (
    "Law, West, Mandel, Bay, Downie: Evaluation of algorithms using games: the case of music tagging. ISMIR 2009."
)
LICENCE = "CC-BY-NC-SA-3.0"
HOSTS = ("https://mirg.city.ac.uk/datasets/magnatagatune/", "http://mi.soi.city.ac.uk/datasets/magnatagatune/")
COPY = "https://huggingface.co/datasets/confit/magnatagatune/resolve/main/"
LEAK = (
    "Not albums, so not tracks: a folder is drawn by album. Artists straddle (American Bach Soloists are in folders 0, "
    "9 and f), and a compilation (various_artists, folder f) may repeat a track of an artist's own album."
)
PARTS = (
    ("mp3.zip.001", "179c91c8c2a6e9b3da3d4e69d306fd3b", 1_100_000_000),
    ("mp3.zip.002", "acf8265ff2e35c6ff22210e46457a824", 1_100_000_000),
    ("mp3.zip.003", "582dc649cabb8cd991f09e14b99349a5", 772_769_864),
)

CARD = DataCard(
    title="MagnaTagATune: 188 tags of 29-second excerpts",
    version="2009",
    status="open",
    licence=f"{LICENCE}; each excerpt's own comment says CC-BY-NC-SA-1.0, by Magnatune, for research",
    redistributable=True,
    bibtex="""@inproceedings{law2009evaluation,
  title = {Evaluation of algorithms using games: the case of music tagging},
  author = {Law, Edith and West, Kris and Mandel, Michael and Bay, Mert and Downie, J. Stephen},
  booktitle = {Proceedings of the 10th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2009},
}""",
    homepage="https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset",
    audio="MP3 of 32 kbps, 16 kHz, mono, 29 s",
    bit_rate_kbps=32,
    n_clips=25_860,
    hours=208.3,
    labels=(
        LabelCard("tags", "multilabel", 50, 25_860, "the 50 most frequent tags; 4,752 clips have none of them"),
        LabelCard("all_tags", "multilabel", 188, 25_860, "every tag as published, synonyms and misspellings apart"),
    ),
    splits=(
        SplitCard(
            "won2020",
            "Won, Ferraro, Bogdanov, Serra 2020 (minzwon/sota-music-tagging-models, split/mtat): folders 0-b, c, d-f "
            "without the clips that have none of the 50 tags. The rule of the code that wrote their lists is followed "
            "here, not the lists; sizes as published. Lee et al. 2017 (jongpillee/music_dataset_split) drop three more "
            "training clips as shorter than 29.1 s: 15,244.",
            ("tags",),
            ((15_247, 1_529, 4_332),),
            "Won et al. 2020 (its issue 25), mir_ref and its thesis (21,108 clips), CLMR's second split; nearly "
            "Lee et al. 2017",
            LEAK,
        ),
        SplitCard(
            "with_untagged",
            "Pons et al. 2018 (jordipons/musicnn-training, aux/mtt/partition_gt.py), after Dieleman and Schrauwen "
            "2014: folders 0-b, c, d-f, every clip that can be read",
            (),
            ((18_706, 1_825, 5_329),),
            "musicnn, CLMR's default (pons2017), MARBLE v1, MULE",
            LEAK,
        ),
    ),
    bad={
        "35644": "no bytes: 6/norine_braun-now_and_zen-08-gently-117-146.mp3",
        "55753": "no bytes: 8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233.mp3",
        "57881": "no bytes: 9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_"
        "couperin-88-117.mp3",
    },
    sources=(
        Source(
            f"{HOSTS[0]}annotations_final.csv",
            LICENCE,
            "md5:f04fa01752a8cc64f6e1ca142a0fef1d",
            CITATION,
            mirrors=(f"{HOSTS[1]}annotations_final.csv", f"{COPY}annotations_final.csv"),
            holds="labels",
        ),
        *(
            Source(
                f"{HOSTS[0]}{part}",
                LICENCE,
                f"md5:{md5}",
                CITATION,
                size,
                (f"{HOSTS[1]}{part}",),
                "audio",
                f"archives/{part}",
                "mp3",
                "mp3.zip",
            )
            for part, md5, size in PARTS
        ),
    ),
    layout=(
        "The publisher's cut_clips.py (names, folders, encoder); chrispla/mir_ref and Spijkervet/CLMR (columns, audio "
        "paths); keunwoochoi/magnatagatune-list (folders in the archive, the 188 tags); files of no bytes: "
        "jordipons/musicnn-training, partition_gt.py. md5: keunwoochoi/kapre, datasets.py. Sizes of the parts: a "
        "public download script; their sum is the size of the copy joined at huggingface.co/datasets/confit/"
        "magnatagatune (2.97 GB)."
    ),
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the annotated clips under `root`; ids are the published clip ids ("2").

    Audio may lie in `mp3/`, `audio/` or `root` itself, the annotations in `root` or `metadata/`. Raises MissingPart
    when either is not there, DataError for annotations that are not as published, UserError for a variant.
    """
    refuse_variant(NAME, variant)
    table = root / "metadata" / "annotations_final.csv"
    if not table.is_file():
        table = need(root / "annotations_final.csv", NAME, root)
    clips = list(_clips(table, _audio_folder(root)))
    splits = {
        "won2020": (split_of(_by_folder(clips, lambda clip: bool(clip.targets["tags"]))),),
        "with_untagged": (split_of(_by_folder(clips, lambda _: True)),),
    }
    return listed(NAME, CARD, root, clips, splits)


def _audio_folder(root: Path) -> Path:
    for folder in (root / "mp3", root / "audio", root):
        if any((folder / digit).is_dir() for digit in ROLES):
            return folder
    return need(root / "mp3" / "0", NAME, root)


def _clips(table: Path, audio: Path) -> Iterator[Clip]:
    rows = table_rows(table, "\t", FETCH)
    _, head = next(rows, (1, []))
    names = _tag_names(head, table)
    top_50 = frozenset(TOP_50)
    for line, row in rows:
        found = EXCERPT.fullmatch(row[-1]) if row else None
        if found is None or len(row) != len(names) + 2 or not {*row[1:-1]} <= {"0", "1"}:
            raise DataError(
                f"{table}:{line}: expected a clip id, {len(names)} cells of 0 or 1 and a path such as "
                f"f/artist-album-01-title-30-59.mp3, got {len(row)} cells that end in '{(row or [''])[-1]}'. {FETCH}"
            )
        tags = tuple(name for name, cell in zip(names, row[1:-1], strict=True) if cell == "1")
        targets = {"tags": tuple(tag for tag in tags if tag in top_50), "all_tags": tags}
        yield Clip(row[0], audio / row[-1], targets=targets, group=nfc(found[2]))


def _tag_names(header: list[str], table: Path) -> list[str]:
    if header[:1] != ["clip_id"] or header[-1] != "mp3_path" or not {*TOP_50} <= {*header}:
        raise DataError(
            f"{table}: expected a table with tabs between clip_id, a column for each tag (the 50 most frequent among "
            f"them) and mp3_path, got a head of {len(header)} cells. Fetch the file as published."
        )
    return header[1:-1]


def _by_folder(clips: list[Clip], is_in: Callable[[Clip], bool]) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for clip in filter(is_in, clips):
        parts[ROLES[clip.path.parent.name]].append(clip.id)
    return parts
