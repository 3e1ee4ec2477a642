"""AudioSet: ten-second segments of two million videos on YouTube, with 527 classes of sounds (Gemmeke et al. 2017).

Only the lists are published: `balanced_train_segments.csv`, `unbalanced_train_segments.csv` and `eval_segments.csv`, a
line a segment (`--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"`) below three that begin with "#", and
`class_labels_indices.csv`, which names the classes. The audio is what each user could still fetch, so no two copies are
alike: a clip is a segment whose file is there, and a note counts those that are not.

A file holds one segment already cut out, and its name holds the video's id: `--PJHxphWEs.flac`, `Y--PJHxphWEs.wav`
(PANNs), `--PJHxphWEs_30.000_40.000.wav` or `--PJHxphWEs-30-40.wav`, in any folders below the root. No video is in two
segments, so its id is the clip's; the group is the video too, and thus left out. The label is `tags`.

Variants: `balanced` (the plain name; AS-20K) and `full` (AS-2M) with the publisher's evaluation list as test part, and
`train`, the two lists for training alone, to pre-train on, as EnCodecMAE and MULE do.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import is_audio, read_text, split_of
from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Dataset, get_line, listed
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

NAME = "audioset"
BALANCED, UNBALANCED, EVAL = (f"{part}_segments.csv" for part in ("balanced_train", "unbalanced_train", "eval"))
CLASSES = "class_labels_indices.csv"
SIZES = {BALANCED: 22_160, UNBALANCED: 2_041_789, EVAL: 20_371}
ROLES = {BALANCED: "train", UNBALANCED: "train", EVAL: "test"}
LISTS = {"balanced": (BALANCED, EVAL), "full": (BALANCED, UNBALANCED, EVAL), "train": (BALANCED, UNBALANCED)}
TITLES = {
    "balanced": "its balanced part (AS-20K) and its evaluation part",
    "full": "all of it (AS-2M)",
    "train": "what is for training, balanced or not",
}
LINE = re.compile(r'([\w-]{11}), ([\d.]+), ([\d.]+), "([^"]+)"')
FILE = re.compile(r"([\w-]{11})(?:[_-][\d.]+(?:[_-][\d.]+)?)?")
FETCH = "Type: earmark get dataset audioset:full --only labels"
HOST = "http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv"
LICENCE = "lists CC-BY-4.0; each video its owner's, by YouTube's terms"


class Segment(NamedTuple):
    """A line of a list: the video's id, and the ids of its classes."""

    video: str
    classes: tuple[str, ...]


def _card(variant: str) -> DataCard:
    lists = LISTS[variant]
    return DataCard(
        title=f"AudioSet: {TITLES[variant]}, as far as fetched",
        version="2017-03-05",
        status="dead link: bring your own",
        licence=LICENCE,
        bibtex="""@inproceedings{gemmeke2017audioset,
  title = {Audio Set: An ontology and human-labeled dataset for audio events},
  author = {Gemmeke, Jort F. and Ellis, Daniel P. W. and Freedman, Dylan and Jansen, Aren and Lawrence, Wade and
    Moore, R. Channing and Plakal, Manoj and Ritter, Marvin},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2017}
}""",
        homepage="https://research.google.com/audioset/",
        audio="as fetched: segments of 10 s or less",
        labels=(LabelCard("tags", "multilabel", 527, None, "which of 527 classes are heard"),),
        splits=()
        if EVAL not in lists
        else (
            SplitCard(
                "official",
                "the publisher's lists: train to train on, eval to test on; there is no valid part. Of "
                + " and ".join(f"{SIZES[one]:,}" for one in lists[:-1])
                + f" segments to train on and {SIZES[EVAL]:,} to test on, what a copy still has",
                used_by="PANNs, AST and others, each on the videos that were left; never the same clips",
            ),
        ),
        sources=tuple(
            Source(f"{HOST}/{one}", "CC-BY-4.0", holds="labels", path=f"metadata/{one}") for one in (*lists, CLASSES)
        ),
        instructions="The audio is on YouTube and may not be passed on, so bring a copy of yours: files named by the "
        "video's id (--PJHxphWEs.flac, Y--PJHxphWEs.wav), each with its segment cut out, in any folders.",
        layout="Heads of the lists in two public readers (22,160 and 20,371 segments, 527 classes); README of PANNs, "
        "qiuqiangkong/audioset_tagging_cnn (folders audios and metadata, 2,041,789 segments of the unbalanced list, of "
        "which it found 1,913,637); names of files: PANNs, agkphysics/AudioSet on Hugging Face, and readers of "
        "downloads. No checksums were found. How many clips a copy still has is not known.",
    )


CARDS: dict[str, DataCard] = {"": _card("balanced"), **{variant: _card(variant) for variant in LISTS}}


def load(variant: str, root: Path) -> Dataset:
    """Return the segments of a variant whose files are under `root`; the lists lie in it or in `metadata`.

    Raises MissingPart where a list or all of the audio is not there, DataError for lists that are not as published,
    UnknownName for a variant.
    """
    if variant not in CARDS:
        raise UnknownName("dataset", f"{NAME}:{variant}", (f"{NAME}:{one}" for one in LISTS))
    chosen = variant or "balanced"
    name = f"{NAME}:{chosen}"
    titles = _titles(_table(root, CLASSES, name))
    segments = {one: list(_segments(_table(root, one, name))) for one in LISTS[chosen]}
    files = _files(root, {segment.video for found in segments.values() for segment in found})
    if not files:
        raise MissingPart(f"Dataset '{name}' has no audio in '{root}'. {CARDS[chosen].instructions}")
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {}
    notes = []
    for one, found in segments.items():
        here = [segment for segment in found if segment.video in files]
        clips += [Clip(each.video, files[each.video], targets={"tags": _tags(each, titles, one)}) for each in here]
        parts.setdefault(ROLES[one], []).extend(segment.video for segment in here)
        if len(here) < len(found):
            notes.append(f"{name}: of {len(found)} segments of {one}, {len(here)} have a file here")
    splits = {"official": (split_of(parts),)} if EVAL in segments else {}
    return listed(name, CARDS[variant], root, clips, splits, notes)


def _table(root: Path, file: str, name: str) -> Path:
    found = next((path for path in (root / file, root / "metadata" / file) if path.is_file()), None)
    if found is None:
        raise MissingPart(
            f"Dataset '{name}' is not in '{root}': expected '{file}' there, or in its folder metadata. "
            f"{get_line(name, '--only labels')}"
        )
    return found


def _titles(table: Path) -> Mapping[str, str]:
    """Return the name of each class by its id."""
    return {row["mid"]: row["display_name"] for row in named_rows(table, ("mid", "display_name"), FETCH)}


def _segments(table: Path) -> Iterator[Segment]:
    """Yield the segments of a list. A space after each comma keeps it from being a table as others write them."""
    for number, line in enumerate(read_text(table, FETCH).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = LINE.fullmatch(line.strip())
        if found is None:
            raise DataError(
                f'{table}:{number}: expected a line such as --PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088", got '
                f"{line[:60]}. {FETCH}"
            )
        yield Segment(found[1], tuple(found[4].split(",")))


def _files(root: Path, videos: set[str]) -> Mapping[str, Path]:
    """Return the file of each of these videos below `root`. Raises DataError where one has two."""
    found: dict[str, Path] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            video = _video(path.stem, videos) if is_audio(path) else None
            if video is None:
                continue
            if video in found:
                raise DataError(
                    f"Two files are of the video {video}: '{found[video]}' and '{path}'. AudioSet has one segment of "
                    "each video: remove one file."
                )
            found[video] = path
    return found


def _video(stem: str, videos: set[str]) -> str | None:
    """Return the video that a file's name tells of, among those of the lists.

    Ids have letters, digits, "_" and "-", so the "Y" before one and the times behind it are told by the lists alone.
    """
    tries: Sequence[str] = (stem, stem[1:]) if stem.startswith("Y") else (stem,)
    matches = (FILE.fullmatch(one) for one in tries)
    return next((one[1] for one in matches if one is not None and one[1] in videos), None)


def _tags(segment: Segment, titles: Mapping[str, str], table: str) -> tuple[str, ...]:
    unknown = [one for one in segment.classes if one not in titles]
    if unknown:
        raise DataError(f"{table}: {segment.video} is of {unknown[0]}, of which {CLASSES} knows nothing. {FETCH}")
    return tuple(titles[one] for one in segment.classes)
