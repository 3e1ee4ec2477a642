"""The loader of the real notes reads names as pitches, and refuses anything but the packages it was checked on."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import tonejs
from earmark.errors import DataError, MissingPart, UserError


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    for name, (version, _) in tonejs.PACKAGES.items():
        folder = tmp_path / f"tonejs-instrument-{name}-mp3"
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps({"name": folder.name, "version": version}))
        (folder / "index.js").write_text("")
        for note in ("A3", "Cs4"):
            soundfile.write(folder / f"{note}.mp3", 0.1 * np.ones(2000, np.float32), 44100)
    return tmp_path


def test_every_package_gives_its_notes_with_three_labels(notes: Path) -> None:
    found = tonejs.load("", notes)
    assert len(found.clips) == 2 * 19
    assert found.by_id["violin/Cs4"].targets == {"instrument": "violin", "pitch": 61, "pitch_class": "C#"}
    assert found.by_id["french-horn/A3"].path == notes / "tonejs-instrument-french-horn-mp3" / "A3.mp3"
    assert {source.url.partition("@")[0] for source in found.card.sources} == {
        f"npm:tonejs-instrument-{name}-mp3" for name in tonejs.PACKAGES
    }
    assert all(len(source.checksum) == 71 for source in found.card.sources)


def test_a_package_may_lie_as_npm_packs_it(notes: Path) -> None:
    folder = notes / "tonejs-instrument-tuba-mp3"
    folder.rename(notes / "package")
    folder.mkdir()
    (notes / "package").rename(folder / "package")
    assert tonejs.load("", notes).by_id["tuba/A3"].path == folder / "package" / "A3.mp3"


@pytest.mark.parametrize(
    ("note", "number"),
    [
        ("C4", 60),
        ("A4", 69),
        ("Cs4", 61),
        ("C1", 24),
        ("C8", 108),
        ("As5", 82),
        ("F2 v2", 41),
        ("H2", None),
        ("A", None),
    ],
)
def test_a_name_is_a_midi_number_where_c4_is_60(note: str, number: int | None) -> None:
    assert tonejs.midi_number(note) == number


def test_missing_packages_are_named_with_the_line_that_fetches_them(tmp_path: Path, notes: Path) -> None:
    (notes / "tonejs-instrument-tuba-mp3").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingPart, match=r"of 1 of 19 .*\(tuba\)\. Type: earmark get dataset tonejs"):
        tonejs.load("", notes)


def test_another_version_another_name_and_a_variant_are_refused(notes: Path) -> None:
    with pytest.raises(UserError, match="has no variants"):
        tonejs.load("flute", notes)
    strange = notes / "tonejs-instrument-tuba-mp3" / "silence.mp3"
    strange.write_bytes(b"")
    with pytest.raises(DataError, match="expected a note for a name"):
        tonejs.load("", notes)
    (strange.parent / "package.json").write_text('{"version": "2.0.0"}')
    with pytest.raises(DataError, match=r"expected version 1\.1\.2, got 2\.0\.0"):
        tonejs.load("", notes)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff"])
def test_a_description_that_cannot_be_read_is_named(notes: Path, content: bytes) -> None:
    described = notes / "tonejs-instrument-tuba-mp3" / "package.json"
    described.write_bytes(content)
    with pytest.raises(DataError, match=r"package\.json: expected .* Unpack the package again"):
        tonejs.load("", notes)
