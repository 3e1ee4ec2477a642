"""Unpacking what was fetched: every member is judged before the first byte is written, and all of them land or none.

An archive of data needs files and folders: links, devices and paths that leave the folder are refused, wherever they
point. Owners, times and permissions are not kept. Kinds of archives: `_members`.
"""

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from earmark import durable, identity
from earmark.errors import DataError
from earmark.sources._members import Entry, entries
from earmark.sources._unfit import BY_HAND, DISTRUST, Unfit

log = logging.getLogger("earmark.sources")

# A bomb is told by how much it swells, once it is large enough to harm.
MOST_SWELLING, HARMLESS_BYTES = 200, 100 << 20
MOST_MEMBERS = 2_000_000
# Far beyond any dataset's; the system allows 255 a name, and each level of folders costs a frame of the stack.
MOST_PATH_BYTES, MOST_NAME_BYTES, MOST_LEVELS = 1024, 255, 64
DISK_BLOCK_BYTES = 4096


def unpack(
    parts: Sequence[Path], folder: Path, advance: Callable[[int], None] = lambda n_bytes: None
) -> tuple[Path, ...]:
    """Unpack an archive, in one file or in pieces that follow one another, into a folder; return its files, sorted.

    What it holds joins what is in the folder and replaces files of the same path. What macOS adds (`__MACOSX`,
    `._…`, `.DS_Store`) is left out. `advance` is told the bytes written. Raises DataError, and leaves nothing of
    the archive, for one that is damaged, encrypted, unsafe or larger than the free disk; MissingPart for a package
    of Debian that only dpkg-deb can read.
    """
    shown = f"{parts[0]} … {parts[-1].name}" if len(parts) > 1 else str(parts[0])
    # Named by what is unpacked: archives may be unpacked side by side, and the next attempt finds what a crash left.
    whose = identity.key_of(parts=[os.path.relpath(part, folder) for part in parts])[:8]
    draft = folder / f".unpacking-{whose}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        plan = _judged(parts, folder)
        _write(parts, draft, plan, advance)
        _settle(draft, folder)
    except Unfit as unfit:
        raise DataError(f"{shown}: {unfit.reason}. Nothing of it was unpacked. {unfit.remedy}") from unfit
    except OSError as error:
        raise DataError(f"{shown}: could not be unpacked into '{folder}': {error}. Mend that and try again.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return tuple(sorted(folder / path for path in plan.values() if not path.endswith("/")))


def _judged(parts: Sequence[Path], folder: Path) -> dict[str, str]:
    """Return the path of each member to write, by its name; a folder's ends with "/". Raises Unfit."""
    free = shutil.disk_usage(next(above for above in (folder, *folder.absolute().parents) if above.is_dir())).free
    packed = sum(part.stat().st_size for part in parts)
    plan: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    unpacked = needed = n_junk = 0
    with contextlib.closing(entries(parts)) as members:
        for number, entry in enumerate(members):
            path = _clean(entry)
            if number >= MOST_MEMBERS:
                raise Unfit(f"has more than {MOST_MEMBERS:,} members", BY_HAND)
            unpacked += entry.size
            needed += entry.size + -entry.size % DISK_BLOCK_BYTES
            if needed > free:
                raise Unfit(f"needs at least {needed:,} bytes, and the disk has {free:,} free", "Make room there.")
            _judge_size(entry, unpacked, packed)
            if not path or _is_of_macos(path):
                n_junk += bool(path)
                continue
            if path in files and not entry.is_folder:
                raise Unfit(f"has two members '{path}'", DISTRUST)
            (folders if entry.is_folder else files).add(path)
            folders.update(_above(path))
            plan[entry.name] = path + "/" * entry.is_folder
    _judge_places(files, folders, folder)
    if n_junk:
        log.info("%s: left out %d members that macOS added", parts[0], n_junk)
    return plan


def _judge_size(entry: Entry, unpacked: int, packed: int) -> None:
    if entry.size < 0:
        raise Unfit(f"member '{entry.name}' says that it has {entry.size} bytes", DISTRUST)
    if entry.packed_bytes is not None:
        unpacked, packed = entry.size, entry.packed_bytes
    if unpacked > HARMLESS_BYTES and unpacked > MOST_SWELLING * packed:
        raise Unfit(f"swells from {packed:,} to {unpacked:,} bytes at member '{entry.name}', as bombs do", BY_HAND)


def _judge_places(files: set[str], folders: set[str], folder: Path) -> None:
    for path in sorted(files & folders):
        raise Unfit(f"has '{path}' both as a file and as a folder", DISTRUST)
    taken = [path for path in files if (folder / path).is_dir()]
    taken += [path for path in folders if (folder / path).exists() and not (folder / path).is_dir()]
    for path in sorted(taken):
        is_what = "file" if path in files else "folder"
        raise Unfit(f"has a {is_what} '{path}', and '{folder}' has something else there", "Move that away.")


def _clean(entry: Entry) -> str:
    """Return a member's path with "/" and nothing that leads elsewhere ("" for the top itself). Raises Unfit."""
    name = entry.name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    lengths = [len(part.encode(errors="surrogateescape")) for part in parts]
    is_long = sum(lengths) > MOST_PATH_BYTES or max(lengths, default=0) > MOST_NAME_BYTES or len(parts) > MOST_LEVELS
    faults = (
        (name.startswith("/") or name[1:2] == ":", "is not a relative path"),
        (".." in parts, "leads out of its folder"),
        ("\\" in name or any(ord(letter) < 32 for letter in name), "has a backslash or control character in its name"),
        (any("\ud800" <= letter <= "\udfff" for letter in name), "has a name that is not UTF-8"),
        (is_long, "has a longer path than any file of data"),
        (not parts and not entry.is_folder, "is a file without a name"),
        (bool(entry.oddity), f"is {entry.oddity}"),
    )
    for is_so, fault in faults:
        if is_so:
            remedy = BY_HAND if entry.oddity.startswith(("encrypted", "packed")) else DISTRUST
            raise Unfit(f"member {name[:200]!a} {fault}", remedy)
    return "/".join(parts)


def _above(path: str) -> Iterator[str]:
    place = path.find("/")
    while place >= 0:
        yield path[:place]
        place = path.find("/", place + 1)


def _is_of_macos(path: str) -> bool:
    name = path.rpartition("/")[2]
    return path.startswith("__MACOSX/") or path == "__MACOSX" or name.startswith("._") or name == ".DS_Store"


def _write(parts: Sequence[Path], draft: Path, plan: dict[str, str], advance: Callable[[int], None]) -> None:
    """Write the members into a folder that nobody takes for whole."""
    durable.make_folder(draft)
    with contextlib.closing(entries(parts)) as members:
        for entry in members:
            if entry.name not in plan:
                continue
            target = draft / plan[entry.name]
            (target if entry.is_folder else target.parent).mkdir(parents=True, exist_ok=True)
            if not entry.is_folder:
                with target.open("xb") as file:
                    for chunk in entry.chunks():
                        file.write(chunk)
                        advance(len(chunk))
    # Once for all: an fsync a file would take longer than the unpacking where there are 300,000 of them.
    os.sync()


def _settle(draft: Path, folder: Path) -> None:
    """Give everything its final place: whole folders where there is none, else what is in them."""
    for entry in sorted(draft.iterdir()):
        target = folder / entry.name
        if entry.is_dir() and target.is_dir():
            _settle(entry, target)
        else:
            durable.replace(entry, target)
