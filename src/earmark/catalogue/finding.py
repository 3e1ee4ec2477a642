"""Which files a catalogue is to hold, and what there is to do: told from path, size and time, before any is read."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from earmark import audio
from earmark.catalogue.embedding import Paths
from earmark.catalogue.listing import HEARD, PLACE, SCHEMA
from earmark.catalogue.reader import Catalogue
from earmark.datasets import manifest
from earmark.datasets._listing import clip_id, is_audio
from earmark.errors import UserError

NAMING = ("path", "id", "source", "start_s", "end_s", "labels")
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
    files, n_other = catalogue.files, 0
    found, closed, told = list[Wanted](), list[str](), [source_of(one) for one in sources]
    known = set(files["source"].unique()) if prune else set()
    for source, name in zip(sources, told, strict=True):
        if name in known and not os.path.lexists(_absolute(source)):
            continue
        some = _found(source)
        found, n_other, closed = [*found, *some.files], n_other + some.n_other, [*closed, *some.closed]
    if not sources and retry:
        again = files.filter(pl.col("state") != HEARD).select(*NAMING).iter_rows()
        found = [Wanted._make((*names, *look(Path(names[0])), None, None)) for names in again]
    every = pl.DataFrame([one[: len(_FOUND)] for one in found], schema=_FOUND, orient="row")
    every = every.unique(PLACE, keep="last", maintain_order=True)
    held = pl.Series("key", sorted(catalogue.has(files.filter(pl.col("key") != "")["key"])), pl.String)
    both = every.join(files, on=PLACE, how="left", nulls_equal=True, suffix="_before", maintain_order="left")
    is_same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in ("id", "source", "labels", *LOOK)
    )
    has_rows = (pl.col("state") == HEARD) & pl.col("key").is_in(held.implode())
    could = pl.col("reason").map_elements(audio.is_outdated, pl.Boolean)
    has_failed = (pl.col("state") != HEARD) & ~could & (not retry)
    both = both.with_columns(same=is_same & has_rows, failed=is_same & has_failed).fill_null(False)
    left = both.filter(~pl.col("same") & ~pl.col("failed"))
    before = [pl.col(name).alias(f"{name}_before") for name in ("key", "sha256")]
    chosen = left.select(*NAMING, *LOOK, *before).iter_rows()
    removed = files.filter(_is_of(told)).join(every, on=PLACE, how="anti", nulls_equal=True)
    removed = removed.filter(~_is_below(closed))
    failed = both.filter(pl.col("failed")).select(*SCHEMA)
    return Todo(tuple(map(Wanted._make, chosen)), int(both["same"].sum()), failed, removed, n_other)


_FOUND = {name: SCHEMA[name] for name in (*NAMING, *LOOK)}


def _is_of(told: Sequence[str]) -> pl.Expr:
    """Return what was found by these sources, or named by itself and lies in one."""
    return pl.col("source").is_in(told) | ((pl.col("source") == pl.col("path")) & _is_below(told))


def _is_below(folders: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *(pl.col("path").str.starts_with(f"{one}/") for one in folders))


def given(sources: Paths) -> tuple[Path, ...]:
    """Return sources as paths; one may stand alone."""
    return (Path(sources),) if isinstance(sources, (str, Path)) else tuple(map(Path, sources))


def source_of(given: Path) -> str:
    """Return a source as the listing names it."""
    return _text(_absolute(given))


def _absolute(given: Path) -> Path:
    return given.expanduser().absolute()


class _Found(NamedTuple):
    """The files of a source, by path; how many others it has; its folders that cannot be looked into."""

    files: Sequence[Wanted]
    n_other: int = 0
    closed: Sequence[str] = ()


def _found(given: Path) -> _Found:
    source = _absolute(given)
    if source.is_dir():
        return _in_folder(source)
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
    if not found and not closed:
        raise UserError(f"'{source}' holds no audio: expected files such as one.wav, .flac, .ogg or .mp3.")
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
    for clip in manifest.load("", source).clips:
        labels = json.dumps(dict(clip.targets), sort_keys=True, ensure_ascii=False)
        path = clip.path.absolute()
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
