"""Getting a dataset: labels first, then audio; whole, one side of it, or a subset where clips can be had alone."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from earmark import durable, identity, lookup
from earmark.datasets import _methods, names, splits
from earmark.datasets.base import SUBSET, Dataset, subset_of
from earmark.datasets.names import Named
from earmark.errors import DataError, MissingPart
from earmark.nouns import Clip, Source
from earmark.sources.fetch import Fetched, Watch, fetch

Only = Literal["audio", "labels"]


@dataclass(frozen=True)
class Got:
    """The files that were fetched or found there, and the dataset of them (None when only one side was asked for)."""

    dataset: Dataset | None
    files: tuple[Fetched, ...]


@dataclass(frozen=True)
class _Errand:
    """What is fetched, whither and how."""

    named: Named
    name: str
    root: Path
    fetch: Callable[[Sequence[Source]], tuple[Fetched, ...]]

    def offers(self, function: str) -> Callable[[str, Path], Any] | None:
        """Return a function that a dataset file may offer."""
        return cast("Callable[[str, Path], Any] | None", getattr(self.named.module, function, None))


def get(
    name: str,
    folder: Path | None = None,
    *,
    only: Only | None = None,
    subset: int | None = None,
    stratify: bool = False,
    jobs: int = 4,
    verify: bool = False,
    watch: Watch | None = None,
) -> Got:
    """Fetch a dataset into `folder`, else into the data home, and load it. What is there already is not fetched.

    `subset` clips alone are fetched, drawn by their first label's classes where `stratify`, at random otherwise,
    always the same; a larger one later holds the smaller. Raises MissingPart with what a human must do where
    the files are not free to fetch, DataError where a subset cannot be had.
    """
    theirs = lookup.external(name)
    if theirs is not None:
        if only is not None or subset is not None:
            raise DataError(f"'{name}' downloads itself, whole: leave out --only and --subset.")
        _methods.made(theirs, name, folder).download()
        return Got(names.load(name, folder), ())
    named = names.find(name)
    root = folder if folder is not None else names.home(name)
    _refuse(named, name, root)
    errand = _Errand(named, name, root, lambda sources: fetch(sources, root, jobs=jobs, verify=verify, watch=watch))
    files = errand.fetch([one for one in named.card.sources if one.holds != "audio"]) if only != "audio" else ()
    if only != "labels":
        files += errand.fetch(_audio(errand, subset, stratify))
    return Got(names.load(name, root) if only is None else None, files)


def _refuse(named: Named, name: str, root: Path) -> None:
    """Raise when there is nothing that a program may fetch."""
    card = named.card
    if card.status == "your own":
        raise DataError(f"'{name}' is your own data: there is nothing to fetch. Say where it lies by dir: or --dir.")
    if card.status not in ("open", "built-in"):
        raise MissingPart(
            f"'{name}' cannot be fetched by a program ({card.status}). {card.instructions or card.homepage}\n"
            f"Put its files into '{root}', then type: earmark check dataset {name}"
        )


def _audio(errand: _Errand, subset: int | None, stratify: bool) -> list[Source]:
    """Return the sources of the audio wanted, and write down which clips they are when not all."""
    later = errand.offers("sources_after_labels")
    if subset is None:
        if subset_of(errand.root) is not None:
            durable.remove(errand.root / SUBSET)
        named = [one for one in errand.named.card.sources if one.holds == "audio"]
        return [*named, *(later(errand.named.variant, errand.root) if later else ())]
    alone = errand.offers("track_sources")
    if alone is None:
        size = sum(one.size_bytes or 0 for one in errand.named.card.sources) / 1e9
        raise DataError(
            f"The audio of '{errand.name}' comes whole ({size:.1f} GB as far as published), so no subset of it can be "
            "fetched. Fetch all of it, and write subset: N into the experiment."
        )
    tracks: Mapping[str, Source] = alone(errand.named.variant, errand.root)
    kept = subset_of(errand.root) or frozenset()
    # The list of all clips is needed: no old subset in the way, and a folder for the audio, though it is empty.
    durable.remove(errand.root / SUBSET)
    durable.make_folder(errand.root / Path(next(iter(tracks.values())).path).parts[0])
    chosen = sorted({*kept, *_drawn(names.load(errand.name, errand.root), tracks, subset, stratify)})
    durable.write_file(errand.root / SUBSET, json.dumps(chosen).encode())
    return [tracks[one] for one in chosen]


def _drawn(dataset: Dataset, tracks: Mapping[str, Source], n: int, stratify: bool) -> Sequence[str]:
    clips: list[Clip] = [clip for clip in dataset.clips if clip.id in tracks]
    if stratify:
        label = dataset.card.labels[0].name
        return splits.subset([clip for clip in clips if label in clip.targets], label, n, dataset.name)
    if not 0 < n <= len(clips):
        raise DataError(f"Expected a subset of 1 to {len(clips)} clips, got {n}.")
    order = identity.generator("subset", dataset.name).permutation(len(clips))
    ordered = sorted(clips, key=lambda clip: clip.id)
    return [ordered[index].id for index in order[:n]]
