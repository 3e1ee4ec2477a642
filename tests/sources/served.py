"""What the local server holds: a file, a mirror of it, labels, an archive, and the pieces of one."""

import hashlib
import io
import itertools
import tarfile
from pathlib import Path
from typing import NamedTuple

from earmark import identity
from earmark.nouns import Source

CONTENT = identity.generator("test", "http").bytes(50_000)
OTHER = identity.generator("test", "another file").bytes(50_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"

LABELS = b"id,label\n" * 3_000
NOISE = identity.generator("test", "fetch").bytes(30_000)
MEMBERS = {"audio/1.wav": NOISE[:9_000], "audio/2.wav": NOISE[9_000:20_000], "README.txt": b"read me"}


class Sources(NamedTuple):
    labels: Source
    archive: Source
    noise: Source


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


ARCHIVE = packed(MEMBERS)
CUTS = (0, len(ARCHIVE) // 3, len(ARCHIVE) // 2, len(ARCHIVE))
FILES = {
    **{"a.bin": CONTENT, "mirror/a.bin": CONTENT, "labels.csv": LABELS, "noise.bin": NOISE, "set.tgz": ARCHIVE},
    **{f"set.tgz.00{n}": ARCHIVE[start:end] for n, (start, end) in enumerate(itertools.pairwise(CUTS), start=1)},
}


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def files_in(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not path.name.startswith(".earmark-receipts")}
