"""The sung notes of Annotated-VocalSet: regions of VocalSet's files, their exact pitch, and every fault told."""

import shutil
import zipfile
from pathlib import Path

import pytest

import earmark
from earmark import conformance
from earmark.datasets import annotated_vocalset, check, names, splits
from earmark.datasets._annotated_vocalset_tables import Note, Table, clock_of, fitted, lengths_s, read_table
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.nouns import Clip
from tests.miniatures import annotated_vocalset as miniature
from tests.miniatures import nsynth

TOP = Path("Annotated VocalSet")
TABLES = TOP / "extended 1" / "with file header"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("annotated_vocalset")
    miniature.make(root)
    return root


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("annotated-vocalset", published)


@pytest.fixture
def root(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    return Path(shutil.copytree(published, tmp_path / "annotated"))


def of(dataset: Dataset, take: str) -> list[Clip]:
    """Return the notes of a take, whichever way its name is spelt."""
    return [clip for clip in dataset.clips if clip.path.stem == take.replace("arepggios", "arpeggios")]


def table(*rows: str, names: str = miniature.TABLE) -> bytes:
    return "".join(f"{row}\n" for row in (names, *rows)).encode()


@pytest.mark.parametrize("take", miniature.SOUND, ids=lambda take: take.name)
def test_a_sound_is_a_region_of_its_recording_with_the_pitch_that_was_sung(
    found: Dataset, take: miniature.Take
) -> None:
    clips = of(found, take.name)
    assert [(clip.start_s, clip.end_s) for clip in clips] == list(miniature.SOUNDS_S)
    assert [clip.targets["pitch"] for clip in clips] == pytest.approx(miniature.midi_of(take), abs=1e-4)
    assert {(clip.group, clip.targets["singer"]) for clip in clips} == {(take.singer, take.singer)}


def test_a_note_has_its_recordings_attributes(found: Dataset, published: Path) -> None:
    (first, *_) = of(found, "m10_scales_vibrato_e")
    assert first.id == "male10/scales/vibrato/m10_scales_vibrato_e#0.1-0.4"
    assert first.path == published / "FULL/male10/scales/vibrato/m10_scales_vibrato_e.wav"
    kept = {name: value for name, value in first.targets.items() if name != "pitch"}
    assert kept == {
        "singer": "m10",
        "gender": "male",
        "technique": "vibrato",
        "all_techniques": "vibrato",
        "vowel": "e",
        "context": "scales",
    }


def test_the_median_is_another_column_of_the_same_notes(found: Dataset, published: Path) -> None:
    median = names.load("annotated-vocalset:median", published)
    assert median.name == "annotated-vocalset:median"
    assert [clip.id for clip in median.clips] == [clip.id for clip in found.clips]
    apart = [
        float(str(one.targets["pitch"])) - float(str(other.targets["pitch"]))
        for one, other in zip(median.clips, found.clips, strict=True)
    ]
    assert apart == pytest.approx([0.02] * len(apart), abs=1e-4)
    assert median.version != found.version


REPAIRED = {
    "a byte-order mark before the table": "1 recording (f1_scales_belt_a)",
    "a table without column names, read in the published order": "1 recording (f2_scales_belt_a)",
    "times twice those of the audio, halved": "2 recordings (f3_scales_belt_a, m3_scales_belt_a)",
    "times half those of the audio, doubled": "1 recording (f4_scales_belt_a)",
    "a note that ends after the audio, by 0.5 s at most, cut there": "1 note (f6_scales_belt_a)",
    "a name that is spelt otherwise than its recording's": "1 recording (f8_arepggios_belt_a)",
}
DROPPED = {
    "notes that end more than 0.5 s after the audio": "1 recording (f5_scales_belt_a)",
    "a note without pitch, or without length inside the audio": "2 notes (f7_scales_belt_a)",
    "no recording of that name": "1 recording (f9_scales_belt_o)",
    "no table of notes": "1 recording (m1_scales_belt_a)",
    "no sung note": "1 recording (m2_row_spoken)",
    "a name that several recordings have": "1 recording (m9_caro_vibrato)",
    "male 9, who was annotated past the end of the audio": "2 recordings (m9_scales_straight_a, m9_scales_vibrato_e)",
}


def test_every_planted_fault_is_repaired_or_dropped_by_name_and_count_and_nothing_else_is(found: Dataset) -> None:
    said = [f"annotated-vocalset: repaired, {fault}: {names}" for fault, names in REPAIRED.items()]
    said += [f"annotated-vocalset: dropped, {fault}: {names}" for fault, names in DROPPED.items()]
    assert sorted(found.notes) == sorted(said)


@pytest.mark.parametrize(
    "name", ["f1_scales_belt_a", "f2_scales_belt_a", "f3_scales_belt_a", "f4_scales_belt_a", "m3_scales_belt_a"]
)
def test_what_is_repaired_has_the_times_and_pitch_of_the_audio(found: Dataset, name: str) -> None:
    take = next(take for take in miniature.FAULTY if take.name == name)
    clips = of(found, name)
    assert [clip.start_s for clip in clips] == pytest.approx([start_s for start_s, _ in miniature.SOUNDS_S])
    assert [clip.end_s for clip in clips] == pytest.approx([end_s for _, end_s in miniature.SOUNDS_S])
    assert [clip.targets["pitch"] for clip in clips] == pytest.approx(miniature.midi_of(take), abs=1e-4)


def test_a_note_that_ends_a_little_after_the_audio_ends_with_it(found: Dataset) -> None:
    assert [clip.end_s for clip in of(found, "f6_scales_belt_a")] == [0.4, 0.75, miniature.LENGTH_S]


def test_a_recording_keeps_its_notes_with_pitch_and_length(found: Dataset) -> None:
    assert [clip.start_s for clip in of(found, "f7_scales_belt_a")] == [0.1]


@pytest.mark.parametrize("fault", ["late", "no audio", "no table", "no note", "several", "male 9"])
def test_what_is_dropped_has_no_clip(found: Dataset, fault: str) -> None:
    takes = [take for take in miniature.FAULTY if take.fault == fault]
    assert takes
    assert not any(of(found, take.name) for take in takes)


def test_no_law_is_broken_and_every_note_can_be_read(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()
    report = check.examine(found)
    assert report.ok
    assert report.record is None  # how many notes there are was published nowhere: nothing to compare with


@pytest.mark.parametrize(
    ("lengths", "audio_s", "clock"),
    [
        ([7.674], 3.838, 0.5),  # of a public test of such a repair
        ([9.938], 9.94, 1.0),
        ([5.0], 10.0, 2.0),
        ([5.0], 10.19, 2.0),
        ([5.0], 10.21, 1.0),
        ([9.0], 7.0, 1.0),
        ([10.0, 5.0], 10.0, 1.0),  # the surer length says that all is well
        ([0.0, 5.0], 10.0, 2.0),
        ([float("nan"), 20.0], 10.0, 0.5),
        ([], 10.0, 1.0),
    ],
)
def test_a_clock_is_off_by_two_or_a_half_and_by_nothing_else(
    lengths: list[float], audio_s: float, clock: float
) -> None:
    assert clock_of(lengths, audio_s) == clock


def test_notes_that_end_half_a_second_late_stay_and_later_ones_go() -> None:
    def of_end(end_s: float) -> Table:
        return fitted(Table((Note(0.5, 1.0, 200.0), Note(1.5, end_s, 220.0)), end_s, ()), 2.0, 2.0)

    assert of_end(2.5).notes == (Note(0.5, 1.0, 200.0), Note(1.5, 2.0, 220.0))
    assert of_end(2.51).notes == ()


def test_a_note_after_the_audio_has_no_length_inside_it() -> None:
    late = fitted(Table((Note(0.5, 1.0, 200.0), Note(2.1, 2.3, 220.0)), 2.3, ()), 2.0, 2.0)
    assert late.notes == (Note(0.5, 1.0, 200.0),)
    assert [fault.partition(",")[0] for fault in late.faults] == ["dropped"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"File Name, f1\nGender, Female\n",
        table(),
        table("1, 0.1, 0.4, 0.3, Noise, 220, 220"),
        table("1, 0.1, 0.4, 0.3, Sound, 220, 220", names="Sequence, Start time, End time, Duration, Type, F0, F1"),
    ],
)
def test_what_is_no_table_of_notes_is_none(content: bytes) -> None:
    assert read_table(content, "Average F0") is None


def test_lyrics_of_another_encoding_are_no_fault() -> None:
    content = table("1, 0.1, 0.4, 0.3, Sound, 220, 221, , , , , , , , , perch").replace(
        b"perch", "perché".encode("latin-1")
    )
    assert read_table(content, "Average F0") == Table((Note(0.1, 0.4, 220.0),), 0.4, ())


def test_lengths_that_are_not_told_are_none(tmp_path: Path) -> None:
    path = tmp_path / "all files.csv"
    assert lengths_s(path) == {}
    path.write_text("File Name, Type\na, Sound\n")
    assert lengths_s(path) == {}
    path.write_text("File Name, Total Duration\na, 2.5\nb\n")
    assert lengths_s(path) == {"a": 2.5}


def test_every_note_is_tested_with_a_probe_of_another_dataset_and_singers_are_parted_for_one_of_its_own(
    found: Dataset,
) -> None:
    (elsewhere,) = splits.resolve(found, None, "pitch", fit=False)
    assert (elsewhere.name, elsewhere.split.train, elsewhere.split.valid) == ("zero_shot", (), ())
    assert set(elsewhere.split.test) == {clip.id for clip in found.clips}
    (own,) = splits.resolve(found, None, "pitch")
    singers = [{found.by_id[one].group for one in ids} for ids in (own.split.train, own.split.valid, own.split.test)]
    assert own.name == "singers"
    assert singers[1:] == [{"f9", "m11"}, {"f2", "f8", "m3", "m5", "m10"}]
    assert singers[0] == {"f1", "f3", "f4", "f5", "f6", "f7", "m1", "m2", "m4", "m6", "m7", "m8"}
    with pytest.raises(DataError, match="'zero_shot' of 'annotated-vocalset' has no train clip with 'pitch'"):
        splits.resolve(found, "zero_shot", "pitch")


def test_the_audio_is_where_vocalset_was_fetched(root: Path, found: Dataset, tmp_path: Path) -> None:
    home = tmp_path / "home" / "data" / "vocalset"
    home.mkdir(parents=True)
    (root / "FULL").rename(home / "FULL")
    other = names.load("annotated-vocalset", root)
    assert other.version == found.version
    assert all(clip.path.is_relative_to(home) for clip in other.clips)


def test_a_missing_part_is_named_with_the_line_to_type(root: Path) -> None:
    (root / "FULL").rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=r"audio of 'vocalset'[\s\S]*Type: earmark get dataset vocalset"):
        names.load("annotated-vocalset", root)
    shutil.rmtree(root / TOP)
    with pytest.raises(
        MissingPart, match=r"expected 'Annotated VocalSet/extended 1/with file header' there\. Type: ear"
    ):
        names.load("annotated-vocalset", root)


def test_tables_without_description_say_the_same(root: Path, found: Dataset) -> None:
    shutil.rmtree(root / TABLES)
    other = names.load("annotated-vocalset", root)
    assert (other.version, other.notes) == (found.version, found.notes)


def test_the_archive_of_audio_and_annotation_together_is_read_too(root: Path, found: Dataset) -> None:
    inner = root / "VocalSet"
    inner.mkdir()
    (root / TOP).rename(inner / "annotations")
    (root / "FULL").rename(inner / "FULL")
    assert names.load("annotated-vocalset", root).version == found.version


def test_the_archive_unpacks_to_what_is_read(root: Path, found: Dataset) -> None:
    packed = miniature.archive(root)
    assert packed == root / found.card.sources[0].path
    shutil.rmtree(root / TOP)
    with zipfile.ZipFile(packed) as file:
        file.extractall(root / str(found.card.sources[0].unpack_into))
    assert names.load("annotated-vocalset", root).version == found.version


def test_a_recording_that_cannot_be_read_keeps_its_notes_for_a_run_to_name(root: Path, found: Dataset) -> None:
    (clip, *_) = of(found, "f1_scales_straight_a")
    (root / clip.path.relative_to(found.root)).write_bytes(b"RIFF")
    other = names.load("annotated-vocalset", root)
    assert len(of(other, "f1_scales_straight_a")) == 3
    assert (
        "annotated-vocalset: kept as annotated, as the audio cannot be read: 1 recording (f1_scales_straight_a)"
        in other.notes
    )


def test_a_name_of_several_recordings_is_told_apart_by_technique(root: Path, found: Dataset) -> None:
    (clip, *_) = of(found, "f1_scales_straight_a")
    again = root / "FULL/female1/scales/breathy/f1_scales_straight_a.wav"
    again.parent.mkdir(parents=True)
    shutil.copyfile(clip.path, again)
    other = names.load("annotated-vocalset", root)
    assert {one.path.parent.name for one in of(other, "f1_scales_straight_a")} == {"straight"}


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"or 'annotated-vocalset:median' \(median F0\), got 'annotated-vocalset:mean'"):
        annotated_vocalset.load("mean", root)
    with pytest.raises(UnknownName, match="annotated-vocalset:median"):
        names.load("annotated-vocalset:mean", root)


RUN = """\
name: singing
experiments:
  - task: pitch_estimation
    datasets: [{train: nsynth, test: annotated-vocalset}]
    representations: [logmel]
    probes: [{preset: mir_ref-fixed, only: [M1], epochs: 2}]
    metrics: [raw_pitch_accuracy_50_cents, raw_pitch_accuracy_100_cents]
    per: [gender]
    seeds: [0]
  - task: vocalset_pitch
    representations: [logmel]
    probes: [{preset: mir_ref-fixed, only: [M1], epochs: 2}]
    seeds: [0]
resamples: 20
"""


def test_a_probe_of_nsynth_is_scored_on_every_sung_note_and_one_of_its_own_on_five_singers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Dataset
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    nsynth.make(tmp_path / "data" / "nsynth")
    miniature.make(tmp_path / "data" / "annotated_vocalset")
    file = tmp_path / "singing.yml"
    file.write_text(RUN)
    done = earmark.run(file, quiet=True)
    crossed = [row for row in done.rows if row.dataset == "nsynth→annotated-vocalset" and row.seed is None]
    assert {row.n for row in crossed if row.label is None} == {len(found.clips)}
    assert {row.label for row in crossed if row.label and row.average == "micro"} == {"gender=female", "gender=male"}
    near, far = (
        next(row.value for row in crossed if (row.metric, row.average, row.label) == (metric, "micro", None))
        for metric in ("raw_pitch_accuracy_50_cents", "raw_pitch_accuracy_100_cents")
    )
    assert near is not None
    assert far is not None
    assert near <= far
    assert any("scored on the test part of the other's split 'zero_shot'" in note for note in done.notes)
    own = [row for row in done.rows if row.dataset == "annotated-vocalset" and row.label is None]
    tested = [one for one in found.clips if one.group in ("f2", "f8", "m3", "m5", "m10")]
    assert {(row.split, row.n) for row in own} == {("singers", len(tested))}
    assert done.failures == ()
