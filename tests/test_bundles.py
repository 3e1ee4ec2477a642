"""A run in one file: what is in it and what is not, the same bytes, hostile archives, and computing it again."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

import earmark
from earmark.bundles import archive
from earmark.bundles.archive import bundle, unpack
from earmark.bundles.reproduction import reproduce
from earmark.errors import DataError, UserError
from earmark.experiment import clips, results
from earmark.runs.compare import compare
from tests.test_run import files, tones

__all__ = ["tones"]  # a fixture


@pytest.fixture
def packed(tones: Path, tmp_path: Path) -> Path:
    earmark.run(tones, run_id="a", quiet=True)
    return bundle("a", tmp_path / "a.zip").file


def repacked(source: Path, target: Path, changed: dict[str, bytes], *, listed: bool = True) -> Path:
    """Write a bundle with other content in some files, and a manifest that fits it where it is `listed`."""
    with zipfile.ZipFile(source) as old:
        held = {name: old.read(name) for name in old.namelist() if name != archive.MANIFEST} | changed
        manifest = json.loads(old.read(archive.MANIFEST))
    if listed:
        entries = [archive.Packed(name, len(one), hashlib.sha256(one).hexdigest()) for name, one in held.items()]
        manifest["files"] = [one._asdict() for one in entries]
    target.write_bytes(archive._zipped({archive.MANIFEST: json.dumps(manifest).encode(), **held}))
    return target


def test_a_bundle_holds_what_was_asked_what_came_out_and_whom_to_cite(packed: Path) -> None:
    with zipfile.ZipFile(packed) as found:
        names = set(found.namelist())
        citations = found.read("citations.bib").decode()
    assert {"experiment.yml", "results.jsonl", "failures.jsonl", "leakage.json", "environment.json"} <= names
    assert {"ingredients.json", "manifest.json", "README.md", "predictions/index.jsonl"} <= names
    assert len([name for name in names if name.endswith(".parquet")]) == 5, "two systems × two conditions, a constant"
    assert "audiomentations" in citations


def test_a_bundle_holds_no_audio_no_probe_and_no_log(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as found:
        allowed = {*archive.FILES, "failures.jsonl", "manifest.json", "README.md", "citations.bib"}
        assert {name for name in found.namelist() if not name.startswith("predictions/")} <= allowed
        for name in set(found.namelist()) - {"experiment.yml"}:
            assert str(tmp_path).encode() not in found.read(name), f"{name} names a place on this machine"


def test_a_page_is_packed_unless_it_holds_audio(packed: Path, tmp_path: Path) -> None:
    page = results.find("a") / "report.html"
    page.write_text("<p>scores</p>")
    with zipfile.ZipFile(bundle("a", tmp_path / "page.zip").file) as found:
        assert found.read("report.html") == b"<p>scores</p>"
    page.write_text('<audio src="data:audio/ogg;base64,T2dn">')
    made = bundle("a", tmp_path / "silent.zip")
    with zipfile.ZipFile(made.file) as found:
        assert "report.html" not in found.namelist()
    assert made.notes[-1] == "report.html is left out, since it holds audio. Make one without."


def test_a_page_that_says_where_audio_lies_is_left_out(packed: Path, tmp_path: Path) -> None:
    (results.find("a") / "report.html").write_text(f'<a href="{(tmp_path / "audio").as_uri()}">listen</a>')
    made = bundle("a", tmp_path / "placeless.zip")
    with zipfile.ZipFile(made.file) as found:
        assert "report.html" not in found.namelist()
    assert made.notes[-1].startswith("report.html is left out, since it says where audio lies on this machine.")


def test_a_bundle_says_nothing_of_where_clips_lie(packed: Path) -> None:
    assert (results.find("a") / clips.CLIPS).stat().st_size > 0
    with zipfile.ZipFile(packed) as found:
        assert clips.CLIPS not in found.namelist()


def test_the_same_run_gives_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    before = packed.read_bytes()
    for file in (results.find("a")).rglob("*"):
        file.touch()
    again = bundle("a", tmp_path / "again.zip")
    assert again.file.read_bytes() == before
    assert bundle("a", packed).file.read_bytes() == before, "writing it once more is no mistake"


def test_another_file_is_never_overwritten(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_text("mine")
    with pytest.raises(UserError, match="There is something else at"):
        bundle("a", tmp_path / "mine.zip")
    with pytest.raises(UserError, match="There is something else at"):
        bundle("a", tmp_path)
    assert (tmp_path / "mine.zip").read_text() == "mine"


def test_a_place_on_this_machine_is_pointed_out(packed: Path, tmp_path: Path) -> None:
    (note,) = bundle("a", packed).notes
    assert f"'{tmp_path / 'audio'}'" in note


def test_clips_that_failed_are_named_without_their_folders(tones: Path, tmp_path: Path) -> None:
    (tmp_path / "audio/low/0.wav").write_bytes(b"no sound")
    run = earmark.run(tones, run_id="a", quiet=True)
    unpack(bundle("a", tmp_path / "a.zip").file, tmp_path / "there")
    (failure,) = results.read(tmp_path / "there").failures
    assert (failure.path, failure.clip) == ("0.wav", run.failures[0].clip)


def test_what_was_unpacked_is_read_like_a_run(packed: Path, tmp_path: Path) -> None:
    found = unpack(packed, tmp_path / "there")
    assert found.run == "a"
    assert earmark.table(tmp_path / "there") == earmark.table("a")
    assert compare(tmp_path / "there", permutations=9) == compare("a", permutations=9)


def test_a_run_that_is_not_whole_is_not_packed(tones: Path) -> None:
    run = earmark.run(tones, run_id="a", quiet=True)
    (run.folder / "leakage.json").unlink()
    with pytest.raises(DataError, match=r"it lacks leakage\.json\. Run its experiment again"):
        bundle("a")


@pytest.mark.parametrize("name", ["../evil", "/evil", "predictions/../../evil", "a/b", "C:evil", ".hidden", ""])
def test_a_name_that_leads_elsewhere_is_refused(packed: Path, tmp_path: Path, name: str) -> None:
    bad = repacked(packed, tmp_path / "bad.zip", {name: b"x"})
    with pytest.raises(DataError, match="a name that no bundle has"):
        unpack(bad, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_content_that_was_altered_is_refused(packed: Path, tmp_path: Path) -> None:
    altered = repacked(packed, tmp_path / "bad.zip", {"README.md": b"x" * 10}, listed=False)
    with pytest.raises(DataError, match="does not hold the files that its"):
        unpack(altered, tmp_path / "into")
    with zipfile.ZipFile(packed) as found:
        same_size = found.read("README.md").replace(b"A run", b"A pun")
    altered = repacked(packed, tmp_path / "bad.zip", {"README.md": same_size}, listed=False)
    with pytest.raises(DataError, match=r"README\.md in .* is not what its manifest\.json says"):
        unpack(altered, tmp_path / "into")


def test_what_is_no_bundle_is_refused(packed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with pytest.raises(DataError, match="Expected a bundle at"):
        unpack(other, tmp_path / "into")
    other.write_bytes(b"no zip")
    with pytest.raises(DataError, match="Expected a bundle at"):
        unpack(other, tmp_path / "into")
    other.write_bytes(archive._zipped({"photo.txt": b"x"}))
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        unpack(other, tmp_path / "into")
    for manifest in (b"[", b"[]", b"{}", b'{"run": "a", "earmark": "1", "files": [{"name": "x"}]}'):
        other.write_bytes(archive._zipped({archive.MANIFEST: manifest}))
        with pytest.raises(DataError, match=r"manifest\.json of .* cannot be read"):
            unpack(other, tmp_path / "into")
    other.write_bytes(archive._zipped({archive.MANIFEST: b'{"run": "a", "earmark": "1", "files": []}'}))
    with pytest.raises(DataError, match=r"lacks experiment\.yml"):
        unpack(other, tmp_path / "into")
    other.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(DataError, match="Expected a bundle at"):
        unpack(other, tmp_path / "into")


# Computing it again


def test_the_same_data_gives_the_same_numbers_computed_anew(packed: Path, tmp_path: Path) -> None:
    before = files(tmp_path / "home" / "store")
    found = reproduce(packed, quiet=True)
    assert found.is_same
    assert (found.config, found.software, found.data) == ((), (), ())
    assert found.run.folder.name == "a-reproduced"
    assert found.run.jobs_done > 0, "nothing was taken from the store"
    assert files(tmp_path / "home" / "store") == before
    assert found.markdown.endswith(f"Reproduced: all {len(found.run.rows)} rows came out again.")
    assert not list((tmp_path / "home").glob("reproducing-*")), "its store is gone"
    assert earmark.table("a-reproduced") == earmark.table("a")
    assert compare("a-reproduced", permutations=9) == compare("a", permutations=9), "its predictions are there"


def test_from_the_store_nothing_is_computed_again(packed: Path) -> None:
    found = reproduce(packed, from_store=True, quiet=True)
    assert found.is_same
    assert found.run.jobs_done == 0
    assert found.notes[0] == "0 jobs computed here, the rest was in the store."


def test_other_audio_is_named_with_the_numbers_it_changed(packed: Path, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "audio/low/0.wav", tmp_path / "audio/high/1.wav")
    found = reproduce(packed, quiet=True)
    assert not found.is_same
    assert [one.where for one in found.data] == ["folder:audio: high/1.wav: audio"]
    assert found.numbers.differing
    assert found.markdown.endswith("Not reproduced: what differs here is data or weights.")


def test_a_number_that_does_not_come_out_is_named_with_its_difference(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as found:
        lines = found.read("results.jsonl").decode().splitlines()
    first = json.loads(lines[0])
    first["value"] += 0.125
    forged = repacked(
        packed, tmp_path / "forged.zip", {"results.jsonl": "\n".join([json.dumps(first), *lines[1:]]).encode() + b"\n"}
    )
    again = reproduce(forged, quiet=True)
    (one,) = again.numbers.differing
    assert one.field == "value"
    assert one.difference == pytest.approx(-0.125)
    assert "nothing that is recorded differs" in again.markdown
    assert reproduce(forged, tolerance=0.13, from_store=True, quiet=True).is_same
    with pytest.raises(UserError, match="Expected a tolerance of 0 or more, got -1"):
        reproduce(forged, tolerance=-1)
