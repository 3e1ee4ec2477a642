"""Which files a catalogue is to hold, and what there is to do: told from path, size and time, before any is read."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from earmark import audio
from earmark.catalogue.embedding import Paths
from earmark.catalogue.listing import HAS_ROWS, HEARD, PLACE, SCHEMA
from earmark.catalogue.reader import Catalogue
from earmark.datasets import manifest
from earmark.datasets._listing import clip_id, is_audio
from earmark.errors import DataError, UserError

NAMING = ("path", "id", "source", "start_s", "end_s", "labels")
GIVEN = ("id", "source", "labels")
"""What a manifest says of a file, and a folder cannot."""
LOOK = ("size", "mtime_ns")
NOT_THERE = -1
"""In place of the size and time of what cannot be looked at."""


class Wanted(NamedTuple):
    """A file, or a region of one, that the catalogue shall hold: see `listing.Entry`. `…_before`: what it held."""

    path: str
    id: str
    source: str
    start_s: float | None
    end_s: float | None
    labels: str
    size: int
    mtime_ns: int
    key_before: str | None = None
    sha256_before: str | None = None

    @property
    def region(self) -> tuple[float | None, float | None]:
        """From where to where, in seconds; None: from the beginning, to the end."""
        return self.start_s, self.end_s


class Todo(NamedTuple):
    """What is to be done of what was found.

    `files` are to be heard, or at least looked into. `n_same` are as they were; `failed`, of which the listing has the
    kinds, failed before and are the same; `removed` were found in these sources before and are not any more.
    `n_other`: files that are no audio by their names. Tables have the columns of `listing.Entry`.
    """

    files: tuple[Wanted, ...]
    n_same: int
    failed: pl.DataFrame
    removed: pl.DataFrame
    n_other: int

    @property
    def n_bytes(self) -> int:
        """Of the files that are to be heard."""
        return sum(max(0, one.size) for one in self.files)


def todo(catalogue: Catalogue, sources: Sequence[Path], *, retry: bool = False, prune: bool = False) -> Todo:
    """Compare folders, manifests (.csv, .tsv, .jsonl) and audio files with what a catalogue holds.

    `retry`: what failed before is to do again; without any source, that alone. `prune`: a source that the catalogue
    knows may be gone. Raises UserError for a source that is not there, or holds no audio, and DataError for a manifest
    that cannot be read.
    """
    files, told = catalogue.files, [source_of(one) for one in sources]
    now, opened = _here(catalogue, sources, prune), frozenset[str]()
    if not sources and retry:
        now, opened = _again(files)
    every = pl.DataFrame([one[: len(_FOUND)] for one in now.files], schema=_FOUND, orient="row")
    every = _named_by_manifests(every, files, told)
    held = pl.Series("key", sorted(catalogue.has(files.filter(HAS_ROWS)["key"])), pl.String)
    both = every.join(files, on=PLACE, how="left", nulls_equal=True, suffix="_before", maintain_order="left")
    is_same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in (*GIVEN, *LOOK))
    has_rows = (pl.col("state") == HEARD) & pl.col("key").is_in(held.implode())
    could = pl.col("reason").map_elements(audio.is_outdated, pl.Boolean)
    has_failed = (pl.col("state") != HEARD) & ~could & (not retry)
    both = both.with_columns(same=is_same & has_rows, failed=is_same & has_failed).fill_null(False)
    left = both.filter(~pl.col("same") & ~pl.col("failed"))
    before = [pl.col(name).alias(f"{name}_before") for name in ("key", "sha256")]
    chosen = left.select(*NAMING, *LOOK, *before).iter_rows()
    missing = files.join(every, on=PLACE, how="anti", nulls_equal=True).filter(~_is_below(now.closed))
    removed = missing.filter(_is_removed(missing, told, opened))
    failed = both.filter(pl.col("failed")).select(*SCHEMA)
    return Todo(tuple(map(Wanted._make, chosen)), int(both["same"].sum()), failed, removed, now.n_other)


_FOUND = {name: SCHEMA[name] for name in (*NAMING, *LOOK)}


def _named_by_manifests(every: pl.DataFrame, files: pl.DataFrame, told: Sequence[str]) -> pl.DataFrame:
    """Return what was found, each place once, under the name and labels that a manifest gave it, now or before."""
    by_manifest = pl.col("source").str.to_lowercase().str.ends_with
    is_named = pl.any_horizontal(*(by_manifest(one) for one in manifest.ENDINGS))
    every = pl.concat([every.filter(~is_named), every.filter(is_named)])
    every = every.unique(PLACE, keep="last", maintain_order=True)
    before = files.filter(is_named & ~pl.col("source").is_in(told)).select(*PLACE, *GIVEN)
    both = every.join(before, on=PLACE, how="left", nulls_equal=True, suffix="_before", maintain_order="left")
    keeps = ~is_named & pl.col("source_before").is_not_null()
    return both.select(
        pl.when(keeps).then(pl.col(f"{name}_before")).otherwise(pl.col(name)).alias(name) if name in GIVEN else name
        for name in _FOUND
    )


def _is_removed(missing: pl.DataFrame, told: Sequence[str], opened: Collection[str]) -> pl.Expr:
    """Return what was found by these sources, or lies below one and is there no more, and folders that are open now."""
    below = missing.filter(_is_below(told))["path"].unique().to_list()
    lost = [one for one in below if not os.path.lexists(one)]
    return pl.col("source").is_in(told) | pl.col("path").is_in(pl.Series([*lost, *opened], dtype=pl.String).implode())


def _is_below(folders: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *(pl.col("path").str.starts_with(f"{one}/") for one in folders))


def given(sources: Paths) -> tuple[Path, ...]:
    """Return sources as paths; one may stand alone."""
    return (Path(sources),) if isinstance(sources, (str, Path)) else tuple(map(Path, sources))


def source_of(given: Path) -> str:
    """Return a source as the listing names it."""
    return _text(_absolute(given))


def _absolute(given: Path) -> Path:
    return plain(given.expanduser())


def plain(path: Path) -> Path:
    """Return an absolute path without "..": a file has one name in the listing, from whichever folder it is given."""
    path = path.absolute()
    if ".." not in path.parts:
        return path
    shorter, real = os.path.normpath(path), os.path.realpath(path)
    # Behind a link to a folder ".." leads elsewhere than the text says.
    return Path(shorter if os.path.realpath(shorter) == real else real)


class _Found(NamedTuple):
    """The files of a source, by path; how many others it has; its folders that cannot be looked into."""

    files: Sequence[Wanted]
    n_other: int = 0
    closed: Sequence[str] = ()


def _here(catalogue: Catalogue, sources: Sequence[Path], prune: bool) -> _Found:
    """Return the files of all sources. To be pruned, one may be gone that the catalogue knows, or knew."""
    known = set(catalogue.every_line["source"].unique()) if prune else set()
    gone = {one for one in sources if source_of(one) in known and not os.path.lexists(_absolute(one))}
    return _together([_found(one) for one in sources if one not in gone])


def _again(files: pl.DataFrame) -> tuple[_Found, frozenset[str]]:
    """Return what failed as it is now. In place of folders, closed ones, stands what they hold; and which those are."""
    named = files.filter(pl.col("state") != HEARD).select(*NAMING).iter_rows()
    failed = [Wanted._make((*names, *look(Path(names[0])), None, None)) for names in named]
    folders = {one.path: one.source for one in failed if Path(one.path).is_dir() and Path(one.source).is_dir()}
    now = _together(_in_folder(Path(source)) for source in sorted(set(folders.values())))
    below = tuple(f"{one}/" for one in folders)
    held = [one for one in now.files if one.path in folders or one.path.startswith(below)]
    return _Found([*(one for one in failed if one.path not in folders), *held], 0, now.closed), frozenset(folders)


def _together(some: Iterable[_Found]) -> _Found:
    each = list(some)
    files = [one for found in each for one in found.files]
    return _Found(files, sum(found.n_other for found in each), [one for found in each for one in found.closed])


def _found(given: Path) -> _Found:
    source = _absolute(given)
    if source.is_dir():
        found = _in_folder(source)
        if not found.files:
            raise UserError(f"'{source}' holds no audio: expected files such as one.wav, .flac, .ogg or .mp3.")
        return found
    if source.suffix.lower() in manifest.ENDINGS:
        if not source.is_file():
            raise UserError(f"Expected a manifest at '{given}'; there is none.")
        return _Found(list(_in_manifest(source)))
    if not os.path.lexists(source):
        raise UserError(
            f"Expected a folder of audio, a manifest ({', '.join(manifest.ENDINGS)}) or a file; '{given}' is not there."
        )
    name = source.name.encode("utf-8", "backslashreplace").decode()
    return _Found([Wanted(_text(source), name, _text(source), None, None, "{}", *look(source))])


def _in_folder(source: Path) -> _Found:
    """Find audio by its names, without what is hidden, and never through a link to a folder.

    A link that leads nowhere is found too, an empty folder with such a name, which somebody takes for audio, and a
    folder that cannot be looked into: it may hold some.
    """
    found, n_other, closed = list[Path](), 0, list[Path]()
    for folder, folders, files in os.walk(source, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = [one for one in folders if one[0] != "."]
        here = [Path(folder, one) for one in files if one[0] != "."]
        heard = [one for one in here if is_audio(one)]
        n_other += len(here) - len(heard)
        named = [Path(folder, one) for one in folders if is_audio(Path(one))]
        found += [*heard, *(one for one in named if not one.is_symlink() and _is_empty(one))]
    wanted = [
        Wanted(_text(one), clip_id(_text(one.relative_to(source))), _text(source), None, None, "{}", *look(one))
        for one in sorted([*found, *closed])
    ]
    return _Found(wanted, n_other, [_text(one) for one in closed])


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:  # it cannot be looked into, which is told of it
        return False


def _in_manifest(source: Path) -> Iterator[Wanted]:
    ids = dict[tuple[Path, float | None, float | None], str]()
    for clip in manifest.load("", source).clips:
        labels = json.dumps(dict(clip.targets), sort_keys=True, ensure_ascii=False)
        path = plain(clip.path)
        first = ids.setdefault((path, clip.start_s, clip.end_s), clip.id)
        if first != clip.id:
            raise DataError(
                f"'{source}' names '{path}' as '{first}' and as '{clip.id}'; a catalogue has one name for a file, or "
                "for a region of it. Remove one of the rows."
            )
        yield Wanted(_text(path), clip.id, _text(source), clip.start_s, clip.end_s, labels, *look(path))


def _text(path: Path) -> str:
    """Return a path as text; bytes of a name that are no text are written as escapes, and no file is found by it."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def look(path: Path) -> tuple[int, int]:
    """Return size and time of a file, NOT_THERE where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return NOT_THERE, NOT_THERE
    return status.st_size, status.st_mtime_ns


def in_shards(files: Sequence[Wanted], most_files: int, most_bytes: int) -> Iterator[tuple[Wanted, ...]]:
    """Yield the files in shards of so many at most, and of about so many bytes; the regions of a file stay together."""
    shard, n_bytes, last = list[Wanted](), 0, ""
    for one in files:
        if shard and one.path != last and (len(shard) >= most_files or n_bytes + max(0, one.size) > most_bytes):
            yield tuple(shard)
            shard, n_bytes = [], 0
        n_bytes += max(0, one.size) if one.path != last else 0
        last = one.path
        shard.append(one)
    if shard:
        yield tuple(shard)
