"""What is to be fetched into a folder: each source's place there, the archives among them, and the disk they need."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from earmark.errors import DataError, UserError
from earmark.nouns import Source
from earmark.sources import http
from earmark.sources.part import Part

# Bytes unpacked to a byte of archive. Of the sets we know NSynth grows most: 25.2 GB of .tar.gz (the download size
# on its Hugging Face card) hold 305,979 WAV files of 128,044 bytes, 39.2 GB: 1.6. A bare tar compresses nothing.
GROWTH, TAR_GROWTH = 2.0, 1.0
# Where many sizes are unknown, as of 55,000 tracks, so many speak for all.
SIZES_ASKED = 32


@dataclass(frozen=True)
class Archive:
    """An archive, the folder it goes into, and the places of its pieces in order."""

    name: str
    into: str
    places: tuple[str, ...]


def is_web(url: str) -> bool:
    """Tell whether a URL is fetched over HTTP, and not by a package's client."""
    return url.startswith(("https://", "http://"))


def place_of(source: Source) -> str:
    """Return the path of a source's file below the folder that it is fetched into."""
    if source.path:
        place = source.path
    elif is_web(source.url):
        place = PurePosixPath(unquote(urlsplit(source.url).path)).name
    else:
        place = source.url.partition(":")[2].replace("/", "-")
    pure = PurePosixPath(place)
    if not pure.name or pure.is_absolute() or ".." in pure.parts:
        raise DataError(f"Source '{source.url}' needs a path below its folder, got '{place}'. Give it a `path`.")
    return pure.as_posix()


def placed(sources: Sequence[Source]) -> dict[str, Source]:
    """Return sources by place, or raise DataError when two would become one file."""
    wanted: dict[str, Source] = {}
    for source in sources:
        other = wanted.setdefault(place_of(source), source)
        if other is not source:
            raise DataError(
                f"Sources '{other.url}' and '{source.url}' would both become '{place_of(source)}'. Give each a `path`."
            )
    return wanted


def archives_in(wanted: Mapping[str, Source]) -> list[Archive]:
    """Return the archives among some files."""
    pieces: dict[str, list[str]] = {}
    for place, source in wanted.items():
        if source.unpack_into is not None:
            pieces.setdefault(source.part_of or place, []).append(place)
    return [Archive(name, wanted[own[0]].unpack_into or ".", tuple(own)) for name, own in pieces.items()]


def require_space(
    folder: Path, missing: Mapping[str, Source], to_unpack: Iterable[Archive], jobs: int, *, keep_archives: bool
) -> None:
    """Raise UserError when the disk cannot hold what is missing and what comes out of the archives."""
    whole = _sizes(missing, jobs)
    left = {place: max(0, size - Part.of(folder / place).size) for place, size in whole.items()}
    unpacked, pending = 0.0, []
    for archive in to_unpack:
        sizes = [whole[one] if one in whole else (folder / one).stat().st_size for one in archive.places]
        unpacked += sum(sizes) * (TAR_GROWTH if archive.name.endswith(".tar") else GROWTH)
        pending.append(sum(left.pop(one, 0) for one in archive.places))
    # Each is removed as soon as it is unpacked, so that no more of them lie there than there are threads.
    at_once = sum(pending if keep_archives else sorted(pending, reverse=True)[:jobs])
    needed, free = sum(left.values()) + at_once + unpacked, shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"Expected {needed / 1e9:.2f} GB of free disk for {len(missing)} files and what is packed in them, got "
            f"{free / 1e9:.2f} GB in '{folder}'. Nothing was fetched. Free some, or name another folder."
        )


def _sizes(missing: Mapping[str, Source], jobs: int) -> dict[str, float]:
    """Return the sizes of files: as published, else as their servers say, else as others of unknown size are."""
    sizes: dict[str, float] = {place: one.size_bytes for place, one in missing.items() if one.size_bytes is not None}
    unknown = [place for place in missing if place not in sizes]
    asked = [place for place in unknown if is_web(missing[place].url)][:SIZES_ASKED]
    with ThreadPoolExecutor(jobs) as pool:
        urls = [[url for url in (missing[one].url, *missing[one].mirrors) if is_web(url)] for one in asked]
        told = {one: size for one, size in zip(asked, pool.map(http.told_size, urls), strict=True) if size is not None}
    usual = sum(told.values()) / len(told) if told else 0.0
    return sizes | {place: told.get(place, usual) for place in unknown}
