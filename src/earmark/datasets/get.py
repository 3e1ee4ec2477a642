"""Getting a dataset: labels first, then audio; whole, one side of it, or a subset where clips can be had alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from earmark import identity, lookup
from earmark.datasets import _methods, _subset, names, splits
from earmark.datasets.base import Alone, Dataset
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

    def note(self, ids: Iterable[str] | None) -> None:
        """Note which clips are here now (None: all), by the dataset's full name."""
        if ids is not None or _subset.is_noted(self.root):
            whole: Dataset = self.named.module.load(self.named.variant, self.root)
            _subset.write(self.root, whole.name, ids)


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

    `subset` clips alone are fetched, drawn by their first label's classes where `stratify`, at random otherwise:
    always the same for the same request, and part of a larger one. Raises MissingPart with what a human must do where
    the files are not free to fetch, DataError where a subset cannot be had.
    """
    theirs = lookup.external(name)
    if theirs is not None:
        if only is not None or subset is not None or stratify:
            raise DataError(f"'{name}' downloads itself, whole: leave out --only, --subset and --stratify.")
        _methods.download(theirs, name, folder)
        return Got(names.load(name, folder), ())
    named = names.find(name)
    root = folder if folder is not None else names.home(name)
    errand = _Errand(named, name, root, lambda sources: fetch(sources, root, jobs=jobs, verify=verify, watch=watch))
    if only != "labels" or not any(one.holds == "labels" for one in named.card.sources):
        _refuse(named, name, root)  # labels may be free where the audio is not
    _require_sense(errand, only, subset, stratify)
    files = errand.fetch([one for one in named.card.sources if one.holds != "audio"]) if only != "audio" else ()
    if only != "labels":
        files += _whole(errand) if subset is None else _part(errand, subset, stratify)
    return Got(names.load(name, root) if only is None else None, files)


def _refuse(named: Named, name: str, root: Path) -> None:
    """Raise when there is nothing that a program may fetch."""
    card = named.card
    if card.status == "your own" and hasattr(named.module, "sources_after_labels"):
        return  # one card for many: the file says of each what there is to fetch
    if card.status == "your own":
        raise DataError(f"'{name}' is your own data: there is nothing to fetch. Say where it lies by dir: or --dir.")
    if card.status not in ("open", "built-in"):
        raise MissingPart(
            f"'{name}' cannot be fetched by a program ({card.status}). {card.instructions or card.homepage}\n"
            f"Put its files into '{root}', then type: earmark check dataset {name}"
        )


def _require_sense(errand: _Errand, only: Only | None, subset: int | None, stratify: bool) -> None:
    """Raise when a subset is asked for that cannot be had, before anything is fetched."""
    if subset is None:
        if stratify:
            raise DataError("--stratify says how a subset is drawn, and none is asked for: add --subset N.")
        return
    if only == "labels":
        raise DataError("--subset is of the audio, and --only labels fetches none: leave out one of the two.")
    card = errand.named.card
    if errand.offers("track_sources") is None:
        size = sum(one.size_bytes or 0 for one in card.sources) / 1e9
        raise DataError(
            f"The audio of '{errand.name}' comes whole ({size:.1f} GB as far as published), so no subset of it can be "
            "fetched. Fetch all of it, and write subset: N into the experiment."
        )
    if subset < 1 or (card.n_clips is not None and subset > card.n_clips):
        raise DataError(f"Expected a subset of 1 to {card.n_clips or 'all'} clips, got {subset}.")


def _whole(errand: _Errand) -> tuple[Fetched, ...]:
    """Fetch all of the audio."""
    later = errand.offers("sources_after_labels")
    named = [one for one in errand.named.card.sources if one.holds == "audio"]
    files = errand.fetch([*named, *(later(errand.named.variant, errand.root) if later else ())])
    errand.note(None)
    return files


def _part(errand: _Errand, n: int, stratify: bool) -> tuple[Fetched, ...]:
    """Fetch the audio of `n` clips, and note which they are."""
    alone = cast("Callable[[str, Path], Iterable[Alone]]", errand.offers("track_sources"))
    tracks = {one.clip.id: one for one in alone(errand.named.variant, errand.root)}
    label = errand.named.card.labels[0].name if stratify else None
    chosen = _drawn([one.clip for one in tracks.values()], n, label, errand.named.file_name)
    files = errand.fetch([tracks[one].source for one in chosen])
    errand.note(chosen)
    return files


def _drawn(clips: Sequence[Clip], n: int, label: str | None, name: str) -> Sequence[str]:
    """Return the ids of `n` clips, drawn by a label's classes, or at random: fewer are part of more."""
    if label is not None:
        return splits.subset([clip for clip in clips if label in clip.targets], label, n, name)
    if n > len(clips):
        raise DataError(f"Expected a subset of 1 to {len(clips)} clips, got {n}.")
    order = identity.generator("subset", name).permutation(len(clips))
    ids = sorted(clip.id for clip in clips)
    return [ids[index] for index in order[:n]]
