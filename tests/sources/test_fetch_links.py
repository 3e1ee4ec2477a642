"""A file that is on this machine already, under another name: a second name for it instead of a second download."""

from dataclasses import replace
from pathlib import Path

import pytest

from earmark.sources.fetch import fetch
from earmark.sources.receipts import NAME, Receipts
from tests.sources.flaky_server import FlakyServer
from tests.sources.served import ARCHIVE, LABELS, MEMBERS, NOISE, Sources, files_in, sha256


@pytest.fixture
def elsewhere(server: FlakyServer, sources: Sources, tmp_path: Path) -> Path:
    """Another folder, with the labels in it under another name."""
    other = tmp_path / "other"
    fetch([replace(sources.labels, path="same.csv")], other)
    server.asked.clear()
    return other


def test_a_file_that_other_weights_brought_is_linked_with_its_receipt_and_not_fetched(
    server: FlakyServer, sources: Sources, folder: Path, elsewhere: Path
) -> None:
    (found,) = fetch([sources.labels], folder, kin=[elsewhere])
    assert server.asked == []
    assert found.path.read_bytes() == LABELS
    assert found.was_there
    assert found.checked == "published checksum"
    assert Receipts(folder).files["annotations/labels.csv"] == Receipts(elsewhere).files["same.csv"]
    (elsewhere / "same.csv").unlink()
    assert fetch([sources.labels], folder)[0].path.read_bytes() == LABELS
    assert server.asked == []


def test_a_link_whose_receipt_a_crash_took_is_verified_and_not_fetched(
    server: FlakyServer, sources: Sources, folder: Path, elsewhere: Path
) -> None:
    fetch([sources.labels], folder, kin=[elsewhere])
    (folder / NAME).unlink()
    assert fetch([sources.labels], folder, kin=[elsewhere])[0].was_there
    assert server.asked == []
    assert Receipts(folder).files["annotations/labels.csv"].url == "", "found, not fetched"


@pytest.mark.parametrize("harm", ["changed", "gone", "another checksum", "no checksum published", "no links here"])
def test_what_is_not_surely_the_same_file_is_fetched(
    harm: str,
    server: FlakyServer,
    sources: Sources,
    folder: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = sources.labels
    if harm == "changed":
        (elsewhere / "same.csv").write_bytes(LABELS + b"?")
    elif harm == "gone":
        (elsewhere / "same.csv").unlink()
    elif harm == "another checksum":
        wanted = replace(sources.noise, checksum=sha256(NOISE))
    elif harm == "no checksum published":
        wanted = replace(wanted, checksum="")
    else:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    (found,) = fetch([wanted], folder, kin=[elsewhere])
    assert not found.was_there
    assert found.path.read_bytes() in (LABELS, NOISE)
    assert [one.method for one in server.asked].count("GET") == 1


def no_links(path: Path, target: Path) -> None:
    raise OSError(95, "Operation not supported", str(path))


def test_an_archive_that_was_linked_is_unpacked_and_its_first_name_stays(
    server: FlakyServer, sources: Sources, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    fetch([replace(sources.archive, unpack_into=None)], other)
    server.asked.clear()
    fetch([sources.archive], folder, kin=[other])
    assert server.asked == []
    assert files_in(folder) == MEMBERS
    assert (other / "archives/set.tgz").read_bytes() == ARCHIVE
