"""The one door to the disk: every write, fsync, rename and removal that must survive a crash is a step taken here.

A process started with EARMARK_DIE_AT=k dies at its k-th step with exit status 137, as if killed: halfway through
a write, just before anything else. Tests let a program die at k = 1, 2, 3, … until it ends unharmed, and resume.
"""

import itertools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

TEMPORARY = ".*.tmp*"
"""Pattern of what a crash may leave behind; it means nothing, and may be removed when nobody writes: see `clear`."""

_die_at = int(os.environ.get("EARMARK_DIE_AT", "0"))
_steps = itertools.count(1)


def _step(act: Callable[[], object], half: Callable[[], object] = lambda: None) -> None:
    if next(_steps) == _die_at:
        half()
        os._exit(137)
    act()


def write_file(path: Path, content: bytes | bytearray) -> None:
    """Write a whole file: at any moment, and after any crash, it is absent, the old one or the new one.

    Raises OSError where it cannot be written, as where the disk is full; then nothing is left of it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    make_folder(path.parent)
    try:
        _write(temporary, content, sync=True)
        replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def made(target: Path) -> Iterator[Path]:
    """Give a temporary path to whoever writes a file or folder by itself; after the block it is whole under its name.

    After an error nothing is left of it.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp{target.suffix}")
    make_folder(target.parent)
    try:
        yield temporary
        for path in (temporary, *temporary.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    _step(partial(os.fsync, file.fileno()))
        replace(temporary, target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def append(path: Path, content: bytes | bytearray | memoryview, *, sync: bool = True) -> None:
    """Append to a file, which is made where it is missing. With `sync`, on return it is on the disk.

    A crash may leave a part of `content` at the end of the file: readers must be able to tell, and nobody
    may append to it again.
    """
    make_folder(path.parent)
    is_new = not path.exists()
    _write(path, content, sync=sync)
    if is_new and sync:
        _sync_folder(path.parent)


def replace(source: Path, target: Path) -> None:
    """Give a file or folder, already on the disk, its final name; on return the name is on the disk too."""
    _step(lambda: source.replace(target))
    _sync_folder(target.parent)


def link(source: Path, target: Path) -> None:
    """Give a file, already on the disk, a second name. Raises OSError where the disk cannot, or the name is taken."""
    _step(lambda: target.hardlink_to(source))
    _sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove a file if it is there. Not synced: whoever removes must bear its return after a power loss."""
    _step(lambda: path.unlink(missing_ok=True))


def clear(folder: Path, pattern: str = TEMPORARY) -> None:
    """Remove the files and folders that writers which died have left; nobody else may write there meanwhile."""
    for left in sorted(folder.glob(pattern)):
        if left.is_dir():
            _step(partial(shutil.rmtree, left))
        else:
            remove(left)


def cut(path: Path, n_bytes: int) -> None:
    """Cut a file to its first bytes. Not synced: whoever cuts must bear the return of the rest after a power loss."""
    _step(lambda: os.truncate(path, n_bytes))


def make_folder(path: Path) -> None:
    """Make a folder and those above it; on return their names are on the disk."""
    if not path.is_dir():
        make_folder(path.parent)
        _step(lambda: path.mkdir(exist_ok=True))
        _sync_folder(path.parent)


def _write(path: Path, content: bytes | bytearray | memoryview, *, sync: bool) -> None:
    try:
        with path.open("ab", buffering=0) as file:
            _step(
                lambda: _write_all(file.fileno(), content),
                lambda: _write_all(file.fileno(), content[: len(content) // 2]),
            )
            if sync:
                _step(lambda: os.fsync(file.fileno()))
    except OSError as error:
        # A write tells no name, and whoever must make room wants to know where.
        error.filename = error.filename or str(path)
        raise


def _write_all(descriptor: int, content: bytes | bytearray | memoryview) -> None:
    # One call of the system may write less than it was given.
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _step(lambda: os.fsync(descriptor))
    finally:
        os.close(descriptor)
