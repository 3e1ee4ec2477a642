"""GTZAN: 1,000 half-minute excerpts, a hundred of each of ten genres (Tzanetakis and Cook 2002), with known faults.

A clip's id is its file's name ("blues.00029"); `genres/blues/blues.00029.wav` in the archive, `genres_original` in the
copy on Kaggle, `.au` in older ones. Clips are the files that are there and those that a list names. `jazz.00054`
cannot be read in Kaggle's copy and is left out everywhere, so that counts are equal whatever the copy.

Split `fault_filtered`: three published lists, fetched and not copied, which leave out 70 repetitions, distortions and
mislabelled excerpts. The group is the artist, by the numbers that another list gives to the excerpts whose artist
Sturm's catalogue names; the others have none.

HEAR's ten folds are not offered: its kit shuffles the ids that TensorFlow Datasets gave to the excerpts when it packed
them ("…-00003-of-00032-7"), not their names. A reconstruction of these ids could be held against no published list.
HEAR's own task folder has the folds; `split_type: kfold-10` draws ten of our own, tested by the same rule.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from earmark.datasets._listing import numbered_lines
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, Split, SplitCard

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
NAME = re.compile(rf"({'|'.join(GENRES)})[._](\d{{5}})")
SUFFIXES = (".au", ".wav")
DEEPEST = 3
PARTS = {"train": "train_filtered.txt", "valid": "valid_filtered.txt", "test": "test_filtered.txt"}
ARTISTS = ("f1_train_groups.txt", "f1_evaluate_groups.txt")
FETCH = "Type: earmark get dataset gtzan --only labels"
LISTS = "https://raw.githubusercontent.com/coreyker/dnn-mgr/bdad579ea6cb37b665ea6019fe1026a6ce20cbc7/gtzan"
GROUPS = (
    "https://raw.githubusercontent.com/julianofoleiss/gtzan_sturm_filter_3folds_stratified/"
    "48aa11abb34e4ad4e263d201f582001170fdddc4"
)
CHECKSUMS = {
    "train": "sha256:2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa",
    "valid": "sha256:f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956",
    "test": "sha256:09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72",
}
BIBTEX = """@article{tzanetakis2002musical,
  title = {Musical genre classification of audio signals},
  author = {Tzanetakis, George and Cook, Perry},
  journal = {IEEE Transactions on Speech and Audio Processing},
  volume = {10},
  number = {5},
  pages = {293--302},
  year = {2002}
}"""

CARD = DataCard(
    title="GTZAN: 1,000 excerpts of ten genres",
    version="2002",
    status="open",
    licence="unknown: excerpts of commercial recordings, published without one",
    bibtex=BIBTEX,
    homepage="http://marsyas.info/index.html",
    audio="WAV, 22.05 kHz, mono, 16 bit, 30 s",
    n_clips=999,
    hours=8.3,
    labels=(LabelCard("genre", "multiclass", 10, 999, "the folder's name"),),
    splits=(
        SplitCard(
            "fault_filtered",
            "Kereliuk, Sturm, Larsen 2015 (coreyker/dnn-mgr, gtzan/*_filtered.txt): by hand, without the excerpts that "
            "Sturm's catalogue calls faulty. Published as 443, 197 and 290; jazz.00054, of train, is left out here",
            sizes=((442, 197, 290),),
            used_by="MULE, MARBLE, jukemir, EVAR, Lee et al. 2017",
            leak="made so that no artist is in two parts; by the artists' numbers that are our groups one is: 138, "
            "with disco.00049 and disco.00073 in train and disco.00069 in test",
        ),
    ),
    bad={"jazz.00054": "cannot be decoded in the copy on Kaggle"},
    sources=(
        *(
            Source(f"{LISTS}/{file}", "unknown", CHECKSUMS[part], holds="labels", path=f"splits/{file}")
            for part, file in PARTS.items()
        ),
        *(Source(f"{GROUPS}/{file}", "unknown", holds="labels", path=f"splits/{file}") for file in ARTISTS),
        Source(
            "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
            "unknown",
            "sha256:24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
            BIBTEX,
            1_225_571_541,
            ("http://opihi.cs.uvic.ca/sound/genres.tar.gz",),
            "audio",
            "archives/genres.tar.gz",
            ".",
        ),
    ),
    layout="Archive, size and sha256: TensorFlow Datasets (audio/gtzan) and jukemir, which agree, of the publisher's "
    "link, dead since 2022 (mirdata issue 549); the copy fetched is believed to be the same and is held to them. "
    "Lists: jukemir (addresses, sha256, lines such as blues/blues.00029.wav); their sizes: confit/gtzan-parquet, and "
    "an older form of them, by number, which was also held against the artists. "
    "Artists: julianofoleiss/gtzan_sturm_filter_3folds_stratified (./blues_00012.wav, tab, number), no checksum. "
    "jazz.00054: MARBLE, and issue 10 of qiuqiangkong/panns_transfer_to_gtzan.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the excerpts under `root`: `genres/blues/…` (or a folder up to three deep), and the lists in `splits`.

    The lists may also lie in `root` itself. The label is genre, the group the artist ("artist 183") where a list has
    it. Raises MissingPart where audio or a list is not there, DataError for a list that is not as published.
    """
    refuse_variant("gtzan", variant)
    parts = {part: tuple(_members(_list(file, root))) for part, file in PARTS.items()}
    artists = {name: f"artist {number}" for file in ARTISTS for name, number in _numbered(_list(file, root))}
    files = _files(root)
    names = sorted({*files, *artists, *(name for members in parts.values() for name in members)})
    folder = _audio(root)
    clips = [
        Clip(
            name,
            files.get(name, folder / name.partition(".")[0] / f"{name}.wav"),
            targets={"genre": name.partition(".")[0]},
            group=artists.get(name),
        )
        for name in names
    ]
    split = Split(parts["train"], parts["valid"], parts["test"])
    return listed("gtzan", CARD, root, clips, {"fault_filtered": (split,)})


def _list(file: str, root: Path) -> Path:
    beside = root / file
    return beside if beside.is_file() else need(root / "splits" / file, "gtzan", root)


def _audio(root: Path) -> Path:
    """Return the folder of the genres' folders, which copies have at different depths."""
    places = (found for depth in range(DEEPEST + 1) for genre in GENRES for found in root.glob("*/" * depth + genre))
    for place in places:
        if any(NAME.fullmatch(path.stem) for suffix in SUFFIXES for path in place.glob(f"*{suffix}")):
            return place.parent
    return need(root / "genres" / "blues", "gtzan", root).parent


def _files(root: Path) -> Mapping[str, Path]:
    """Return the audio files by clip id, WAV before AU where both are there."""
    found: dict[str, Path] = {}
    for suffix in SUFFIXES:
        for path in sorted(_audio(root).glob(f"*/*{suffix}")):
            if NAME.fullmatch(path.stem):
                found[path.stem] = path
    return found


def _members(table: Path) -> Iterator[str]:
    """Yield the clip ids of a list of files, in its order."""
    seen: set[str] = set()
    for number, line in numbered_lines(table, FETCH):
        found = NAME.fullmatch(Path(line).stem)
        name = f"{found[1]}.{found[2]}" if found else ""
        if not name or name in seen:
            raise DataError(
                f"{table}:{number}: expected a file once, such as blues/blues.00029.wav, got '{line}'. {FETCH}"
            )
        seen.add(name)
        yield name


def _numbered(table: Path) -> Iterator[tuple[str, str]]:
    """Yield the clip id and the artist's number of each line."""
    for number, line in numbered_lines(table, FETCH):
        file, _, artist = line.partition("\t")
        found = NAME.fullmatch(Path(file).stem)
        if found is None or not artist.strip().isdecimal():
            raise DataError(
                f"{table}:{number}: expected a file and its artist's number with a tab between them, such as "
                f"./blues_00012.wav and 1, got '{line}'. {FETCH}"
            )
        yield f"{found[1]}.{found[2]}", artist.strip()
