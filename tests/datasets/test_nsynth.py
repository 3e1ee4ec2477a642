import json
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import names, nsynth, splits
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from earmark.tasks import TASKS
from tests.miniatures import nsynth as miniature


@pytest.fixture
def root(tmp_path: Path) -> Path:
    miniature.make(tmp_path / "data")
    return tmp_path / "data"


def test_a_note_has_its_pitch_family_and_source_and_is_grouped_by_instrument(root: Path) -> None:
    found = nsynth.load("", root)
    assert len(found.clips) == 66 + 60 + 60
    clip = found.by_id["organ_acoustic_046-060-050"]
    assert clip.path == root / "nsynth-test" / "audio" / "organ_acoustic_046-060-050.wav"
    assert clip.targets == {"pitch": 60, "pitch_88": 60, "family": "organ", "source": "acoustic"}
    assert clip.group == "organ_acoustic_046"


@pytest.mark.parametrize(("pitch", "is_on_a_piano"), [(10, False), (36, True), (113, False)])
def test_pitch_88_is_the_pitch_of_notes_that_a_piano_has(root: Path, pitch: int, is_on_a_piano: bool) -> None:
    targets = nsynth.load("", root).by_id[f"bass_acoustic_003-{pitch:03d}-127"].targets
    assert targets["pitch"] == pitch
    assert ("pitch_88" in targets) == is_on_a_piano


def test_the_piano_ends_at_21_and_108(root: Path) -> None:
    described = root / "nsynth-train" / "examples.json"
    note = next(iter(json.loads(described.read_text()).values()))
    described.write_text(json.dumps({f"note-{pitch}": {**note, "pitch": pitch} for pitch in (20, 21, 108, 109)}))
    kept = [clip.id for clip in nsynth.load("", root).clips if "pitch_88" in clip.targets and clip.id[:4] == "note"]
    assert kept == ["note-21", "note-108"]
    assert len(nsynth.PIANO) == 88


def test_the_official_parts_are_the_three_folders(root: Path) -> None:
    found = nsynth.load("", root)
    (split,) = found.splits["official"]
    for part, ids in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        assert list(ids) == list(json.loads((root / f"nsynth-{part}" / "examples.json").read_text()))
    assert "organ_acoustic_046-060-025" in split.valid
    assert "organ_acoustic_046-060-050" in split.test
    assert "synth_lead_acoustic_003-060-127" in split.train


def test_synth_lead_is_in_train_alone(root: Path) -> None:
    found = nsynth.load("", root)
    task = TASKS["nsynth_family"]
    (named,) = splits.resolve(found, task.split, task.label)
    families = [
        {found.by_id[one].targets["family"] for one in ids}
        for ids in (named.split.train, named.split.valid, named.split.test)
    ]
    assert families[0] - families[1] == families[0] - families[2] == {"synth_lead"}
    assert len(families[0]) == 11


@pytest.mark.parametrize("name", ["nsynth_pitch", "nsynth_pitch_88"])
def test_each_part_has_every_pitch_of_the_pitch_tasks(root: Path, name: str) -> None:
    found, task = nsynth.load("", root), TASKS[name]
    (named,) = splits.resolve(found, task.split, task.label)
    pitches = {clip.targets[task.label] for clip in found.clips if task.label in clip.targets}
    assert len(pitches) == (6 if name == "nsynth_pitch" else 4)
    for ids in (named.split.train, named.split.valid, named.split.test):
        assert {found.by_id[one].targets[task.label] for one in ids} == pitches


def test_only_valid_and_test_share_instruments_and_the_card_says_so(root: Path) -> None:
    found = nsynth.load("", root)
    (split,) = found.splits["official"]
    train, valid, test = ({found.by_id[one].group for one in ids} for ids in (split.train, split.valid, split.test))
    assert valid == test
    assert not train & valid
    (card,) = found.card.splits
    assert "valid and test" in card.leak


def test_the_laws_of_datasets_hold_but_for_the_leak_that_the_card_tells(root: Path) -> None:
    broken = conformance.broken_by_dataset(nsynth.load("", root))
    assert all("groups are in valid and in test" in law for law in broken), broken


def test_the_noise_in_the_test_part_is_kept_and_said(root: Path) -> None:
    found = nsynth.load("", root)
    assert "brass_acoustic_046-084-050" in found.splits["official"][0].test
    (note,) = found.notes
    assert "1 test clips of brass_acoustic_046 (MIDI 84 to 108)" in note


def test_audio_is_not_looked_for_note_by_note(root: Path) -> None:
    (root / "nsynth-test" / "audio" / "organ_acoustic_046-060-050.wav").unlink()
    assert "organ_acoustic_046-060-050" in nsynth.load("", root).by_id


def test_parts_may_lie_in_a_folder_of_their_own_or_come_from_the_archives(tmp_path: Path, root: Path) -> None:
    whole = nsynth.load("", root).version
    assert nsynth.load("", tmp_path).version == whole
    packed = miniature.archive(root)
    assert packed == [root / source.path for source in nsynth.CARD.sources]
    for path in packed:
        archives.unpack([path], tmp_path / "fetched")
    assert nsynth.load("", tmp_path / "fetched").version == whole


@pytest.mark.parametrize("missing", ["nsynth-train", "nsynth-valid/examples.json", "nsynth-test/audio"])
def test_a_missing_part_is_named_with_the_line_that_fetches_it(root: Path, missing: str) -> None:
    (root / missing).rename(root / "elsewhere")
    expected = missing if "/" in missing else f"{missing}/examples.json"
    with pytest.raises(MissingPart, match=f"expected '{expected}' there. Type: earmark get dataset nsynth"):
        nsynth.load("", root)


def test_a_cut_or_foreign_listing_is_refused_with_its_path(root: Path) -> None:
    described = root / "nsynth-valid" / "examples.json"
    content = described.read_text()
    described.write_text(content[:200])
    with pytest.raises(DataError, match=r"nsynth-valid.examples\.json: expected JSON, but: .*Unpack the archive again"):
        nsynth.load("", root)
    described.write_text(content.replace("instrument_family_str", "family"))
    with pytest.raises(DataError, match="expected 'instrument_family_str' of every note"):
        nsynth.load("", root)


def test_a_variant_is_refused_with_the_task_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no variants, got 'nsynth:50h'.*task nsynth_pitch_88"):
        nsynth.load("50h", tmp_path)
    with pytest.raises(UnknownName, match="Unknown dataset 'nsynth:50h'"):
        names.card("nsynth:50h")


def test_the_miniature_is_deterministic_and_small(tmp_path: Path, root: Path) -> None:
    miniature.make(tmp_path / "again")
    files = [path for path in root.rglob("*") if path.is_file()]
    assert all((tmp_path / "again" / one.relative_to(root)).read_bytes() == one.read_bytes() for one in files)
    assert sum(path.stat().st_size for path in files) < 3_000_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1, 2]", "expected an object of notes by name, got list"),
        (b'{"a": 3}', "expected an object for 'a', got 3"),
        (b'{"a": {"pitch": "60"}}', r"expected 'pitch' of every note \(int\), .* but 'a' has '60'"),
        (b'{"a": {"pitch": true}}', r"expected 'pitch' of every note \(int\), .* but 'a' has True"),
        (b'{"a": {"pitch": 60, "instrument_str": null}}', r"expected 'instrument_str' .* \(str\), .* but 'a' has None"),
        (b'{"\xe9": 1}', r"expected UTF-8 text \(.* at byte 2\)"),
    ],
)
def test_a_description_of_another_shape_is_named(root: Path, content: bytes, said: str) -> None:
    (root / "nsynth-test" / "examples.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"nsynth-test.examples\.json: {said}.*Unpack the archive again"):
        nsynth.load("", root)
