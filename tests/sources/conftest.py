"""A server of one's own for each test, and what is fetched from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.nouns import Source
from tests.sources.flaky_server import FlakyServer
from tests.sources.served import ARCHIVE, FILES, LABELS, Sources, sha256


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    with FlakyServer(FILES) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "a.bin"


@pytest.fixture
def slept() -> list[float]:
    """The waits between tries, which take no time."""
    return []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def sources(server: FlakyServer) -> Sources:
    return Sources(
        Source(server.url("labels.csv"), "CC0", sha256(LABELS), path="annotations/labels.csv"),
        Source(server.url("set.tgz"), "CC0", sha256(ARCHIVE), path="archives/set.tgz", unpack_into="."),
        Source(server.url("noise.bin"), "CC0"),
    )
