"""What a corpus shall be made of: the clips of folders and of named datasets, each to become a track."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from earmark import audio, identity
from earmark.datasets import folder as own_folder
from earmark.datasets import names
from earmark.datasets._stamps import stamps_of
from earmark.datasets.base import Dataset
from earmark.datasets.excerpts import excerpts
from earmark.errors import DataError, UserError
from earmark.nouns import Clip

DATASET = "dataset:"
NO_LICENCE = "unknown"


@dataclass(frozen=True)
class Wanted:
    """A clip that shall become the track `id`; `licence` None: nobody says under which it is."""

    id: str
    clip: Clip
    dataset: str
    licence: str | None


class Listing(NamedTuple):
    """What is wanted, in the order of the ids, which is that of the corpus; what there is to say of it; and its key.

    The key changes with what would change a sample: which files and regions, their sizes and times of change, the
    rate, and the versions of the libraries that decode and resample.
    """

    wanted: tuple[Wanted, ...]
    notes: tuple[str, ...]
    key: str


def listed(
    sources: Sequence[str | Path],
    sample_rate: int,
    data_folder: Path | None = None,
    excerpt_s: float | None = None,
    jobs: int = 1,
) -> Listing:
    """Return the clips of folders, and of datasets written `dataset:NAME`, by id.

    An id is the clip's, which of a folder is the path below it; of several sources the source's name stands before.
    `data_folder` is where the files of the one dataset lie, if not in the data home. `excerpt_s`: of each clip one
    piece of so many seconds (`excerpts`), found by `jobs` threads. Raises UserError or DataError for sources that are
    not there, hold no audio, or have the same name.
    """
    datasets = {name: _dataset(name, data_folder) for name in _checked(sources, data_folder)}
    if excerpt_s is not None:
        datasets = {name: excerpts(one, excerpt_s, jobs=jobs) for name, one in datasets.items()}
    labels = {name: one.name.removeprefix("folder:") for name, one in datasets.items()}
    if twice := [label for label, count in Counter(labels.values()).items() if count > 1]:
        raise DataError(
            f"Expected sources of different names, got '{twice[0]}' twice: their tracks could not be told apart. "
            "Rename one, or build from the folder above them."
        )
    of_each = (_wanted(one, f"{labels[name]}/" if len(datasets) > 1 else "") for name, one in datasets.items())
    wanted = tuple(sorted(chain.from_iterable(of_each), key=lambda one: one.id))
    return Listing(wanted, tuple(_notes(datasets)), _key(wanted, datasets, sample_rate))


def _checked(sources: Sequence[str | Path], data_folder: Path | None) -> list[str]:
    """Return each source once, as text."""
    found = list(dict.fromkeys(map(str, sources)))
    if not found:
        raise UserError("Expected folders of audio, or dataset:NAME, got none.")
    n_named = sum(one.startswith(DATASET) for one in found)
    if data_folder is not None and n_named != 1:
        raise UserError(f"--dir says where the files of the one dataset:NAME lie; got {n_named} datasets.")
    for one in found:
        if not one.startswith(DATASET) and not Path(one).is_dir():
            what = "a file is there" if Path(one).exists() else "there is no such folder"
            raise DataError(f"Expected a folder of audio, or dataset:NAME, got '{one}': {what}.")
    return found


def _dataset(source: str, data_folder: Path | None) -> Dataset:
    if source.startswith(DATASET):
        return names.load(source.removeprefix(DATASET), data_folder)
    return names.load("folder", Path(source))


def _wanted(dataset: Dataset, before: str) -> Iterator[Wanted]:
    licence = None if dataset.card.licence == NO_LICENCE else dataset.card.licence
    for name, clip in dataset.by_id.items():
        yield Wanted(before + name, clip, dataset.name, licence)


def _notes(datasets: Mapping[str, Dataset]) -> Iterator[str]:
    for dataset in datasets.values():
        yield from dataset.notes
        if dataset.name.startswith("folder:") and (skipped := own_folder.others(dataset.root)):
            yield f"{dataset.name}: {own_folder.skipped_line(skipped)}"


def _key(wanted: Sequence[Wanted], datasets: Mapping[str, Dataset], sample_rate: int) -> str:
    # Each with the name of its source: roots lie anywhere, and of two datasets each may hold the same file.
    stamps = {
        source: sorted(stamps_of(one.root, (clip.path for clip in one.clips))) for source, one in datasets.items()
    }
    rows = [[one.id, one.clip.start_s, one.clip.end_s, one.licence, one.clip.group] for one in wanted]
    return identity.key_of(
        corpus=rows, stamps=sorted(stamps.values()), sample_rate=sample_rate, libraries=audio.library_versions()
    )
