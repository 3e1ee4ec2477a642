"""A disk that is full from some write on, as every door of ours to it meets it."""

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from earmark import durable


@contextmanager
def full_from(k: int) -> Iterator[None]:
    """Let the k-th write of this process, and all after it, fail with what a full disk says; half of it is written."""
    writes = itertools.count(1)
    whole = durable._write_all

    def write(descriptor: int, content: bytes | bytearray) -> None:
        if next(writes) < k:
            whole(descriptor, content)
            return
        whole(descriptor, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(durable, "_write_all", write)
        yield


def no_temporaries(folder: Path) -> bool:
    """Say whether nothing lies about of files that were never finished."""
    return not list(folder.rglob(durable.TEMPORARY))
