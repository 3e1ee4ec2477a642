"""Dies at every step of a fetch, one after another, fetches again, and compares: run by test_fetch.

Every attempt is a fork of one process that has imported everything. Prints one line a crash point that did not come
out the same, then how many there were.
"""

import hashlib
import itertools
import json
import os
import shutil
import sys
from pathlib import Path

from earmark import durable
from earmark.nouns import Source
from earmark.sources import http, part
from earmark.sources.fetch import LOCK, fetch
from earmark.sources.receipts import NAME, Receipts


def sources_of(recipe: Path) -> list[Source]:
    """Read the sources of a fetch from JSON."""
    return [Source(**fields) for fields in json.loads(recipe.read_text())]


def attempt(recipe: Path, folder: Path, die_at: int) -> int:
    """Fetch in a fork that dies at one step (0: never); return its exit status."""
    child = os.fork()
    if child == 0:
        durable._die_at, durable._steps = die_at, itertools.count(1)
        fetch(sources_of(recipe), folder, jobs=1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def answer(folder: Path) -> dict[str, str]:
    """What a fetch came to: its files by their bytes, and what the receipts say without times of change."""
    receipts = Receipts(folder)
    found = {
        "receipts": repr(sorted((path, one.sha256, one.checksum) for path, one in receipts.files.items())),
        "unpacked": repr(sorted((name, one.files, sorted(one.archives)) for name, one in receipts.unpacked.items())),
    }
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (NAME, LOCK) and not path.match(durable.TEMPORARY):
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def half_written(folder: Path, expected: dict[str, str]) -> list[str]:
    """Name the files that stand under a final name with other bytes than they should have."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    hidden = {name for name in names if any(piece.startswith(".") for piece in name.split("/"))}
    whole = {name: hashlib.sha256(names[name].read_bytes()).hexdigest() for name in names.keys() - hidden}
    return sorted(name for name in whole if name in expected and whole[name] != expected[name])


def main(recipe: Path, work: Path) -> int:
    """Try every crash point; return how many went wrong."""
    http.READ_BYTES, part.WRITE_BYTES, part.SYNC_EVERY = 2_000, 8_000, 16_000
    assert attempt(recipe, work / "whole", 0) == 0
    expected = answer(work / "whole")
    archives = [one for each in Receipts(work / "whole").unpacked.values() for one in each.archives.items()]
    whole = expected | {path: receipt.sha256 for path, receipt in archives}
    k = wrong = 0
    while True:
        k += 1
        folder = work / f"at-{k}"
        died = attempt(recipe, folder, k)
        torn = half_written(folder, whole) if folder.exists() else []
        resumed = attempt(recipe, folder, 0)
        if died not in (0, 137) or resumed != 0 or torn or answer(folder) != expected:
            print(f"crash point {k}: died with {died}, left {torn} torn, resumed with {resumed}, {answer(folder)}")
            wrong += 1
        shutil.rmtree(folder)
        if died == 0:
            print(f"{k - 1} crash points, {wrong} wrong")
            return wrong


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1]), Path(sys.argv[2])) else 0)
