"""A check finds each fault that was put in, and nothing in a sound dataset; a description counts what is there."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console, RenderableType

from earmark.conformance import broken_by_dataset
from earmark.datasets import check, folder, manifest
from earmark.datasets._sound import clipped_fraction
from earmark.datasets._targets import label_findings
from earmark.datasets.base import Dataset
from earmark.datasets.check import Finding, describe, examine
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard

RATE = 8000


def noise(seconds: float, seed: int) -> np.ndarray:
    return 0.2 * np.random.Generator(np.random.PCG64(seed)).standard_normal(round(seconds * RATE))


def put(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Return a folder of two classes with three sound clips each."""
    for index, name in enumerate(("flute/a", "flute/b", "flute/c", "tuba/a", "tuba/b", "tuba/c")):
        put(tmp_path / f"{name}.wav", noise(0.5, index))
    return tmp_path


def only(root: Path) -> Finding:
    (finding,) = examine(folder.load("", root)).findings
    return finding


def shown(what: RenderableType, width: int = 160) -> str:
    out = StringIO()
    Console(file=out, width=width).print(what)
    return out.getvalue()


def test_a_sound_dataset_has_no_findings(sound: Path) -> None:
    report = examine(folder.load("", sound))
    assert (report.findings, report.ok, report.n_clips) == ((), True, 6)
    assert "0 errors, 0 warnings" in shown(check.render_report(report))


def empty(root: Path) -> None:
    (root / "flute/x.wav").write_bytes(b"")


def text(root: Path) -> None:
    (root / "flute/x.wav").write_text("no audio")


def truncated(root: Path) -> None:
    whole = put(root / "flute/x.wav", noise(0.5, 9)).read_bytes()
    (root / "flute/x.wav").write_bytes(whole[: len(whole) // 2])


def not_finite(root: Path) -> None:
    put(root / "flute/x.wav", np.append(noise(0.5, 9), np.nan), subtype="FLOAT")


def silent(root: Path) -> None:
    put(root / "flute/x.wav", np.zeros(4000))


def clipped(root: Path) -> None:
    put(root / "flute/x.wav", np.clip(50 * noise(0.5, 9), -1, 1))


def short(root: Path) -> None:
    put(root / "flute/x.wav", noise(0.05, 9))


def other_rate(root: Path) -> None:
    put(root / "flute/x.wav", noise(0.5, 9), 16000)


def twice(root: Path) -> None:
    (root / "flute/x.wav").write_bytes((root / "flute/a.wav").read_bytes())


def twice_with_two_labels(root: Path) -> None:
    (root / "flute/x.wav").write_bytes((root / "tuba/a.wav").read_bytes())


def unlabelled(root: Path) -> None:
    put(root / "x.wav", noise(0.5, 9))


def lonely(root: Path) -> None:
    put(root / "xylophone/x.wav", noise(0.5, 9))


def not_audio(root: Path) -> None:
    (root / "flute/x.txt").write_text("words")


@pytest.mark.parametrize(
    ("fault", "severity", "what", "about"),
    [
        (empty, "error", "1 clip cannot be read", "flute/x.wav (expected audio, got an empty"),
        (text, "error", "1 clip cannot be read", "flute/x.wav (expected audio, got"),
        (truncated, "error", "1 clip cannot be read", "flute/x.wav (truncated"),
        (not_finite, "error", "1 clip cannot be read", "flute/x.wav (expected finite samples"),
        (silent, "warning", "1 clip silent", "flute/x.wav"),
        (clipped, "warning", "1 clip clipped", "flute/x.wav ("),
        (short, "warning", "1 clip shorter than 0.1 s", "flute/x.wav (0.050 s)"),
        (other_rate, "info", "2 sample rates", "8000 Hz (6)"),
        (twice, "warning", "1 set of clips with the same audio", "flute/a.wav = flute/x.wav"),
        (twice_with_two_labels, "error", "with the same audio and different labels", "flute/x.wav = tuba/a.wav"),
        (unlabelled, "warning", "1 clip without 'label'", "x.wav"),
        (lonely, "warning", "1 class of 'label' with a single clip", "xylophone"),
        (not_audio, "info", "skipped, not audio by their names: 1 (1 .txt)", "flute/x.txt"),
    ],
)
def test_one_fault_is_one_finding(
    sound: Path, fault: Callable[[Path], None], severity: str, what: str, about: str
) -> None:
    fault(sound)
    finding = only(sound)
    assert finding.severity == severity
    assert what in finding.what
    assert finding.about[0].startswith(about)
    assert finding.remedy
    report = examine(folder.load("", sound))
    assert report.ok == (severity != "error")
    assert what.split()[-1] in shown(check.render_report(report))


def test_a_peak_at_full_scale_is_not_clipping() -> None:
    samples = noise(0.5, 1).astype(np.float32)
    samples[100:102] = 1.0
    assert clipped_fraction(samples) == 0
    samples[200:204] = -1.0
    samples[-3:] = 1.0
    assert clipped_fraction(samples) == 7 / 4000


def listed(root: Path, text: str) -> tuple[Finding, ...]:
    (root / "songs.csv").write_text(text)
    return examine(manifest.load("", root / "songs.csv")).findings


def test_leaks_of_a_split_are_errors(sound: Path) -> None:
    (sound / "flute/x.wav").write_bytes((sound / "flute/a.wav").read_bytes())
    findings = listed(
        sound,
        "path,label,artist,split\nflute/a.wav,flute,ann,train\nflute/x.wav,flute,bob,test\n"
        "tuba/a.wav,tuba,cy,train\ntuba/b.wav,tuba,cy,test\ntuba/c.wav,tuba,di,\n",
    )
    assert [(finding.severity, finding.what, finding.about) for finding in findings] == [
        ("error", "1 set of clips with the same audio in two parts of a split", ("flute/a.wav = flute/x.wav",)),
        ("error", "split 'manifest' parts 1 group", ("cy (test, train)",)),
        ("info", "1 clip in no part of split 'manifest'", ("tuba/c.wav",)),
    ]


SINGERS = (
    "path,singer,vowel,group,split\nflute/a.wav,ann,a,ann,train\nflute/b.wav,ann,e,ann,test\n"
    "tuba/a.wav,bob,e,bob,train\ntuba/b.wav,bob,a,bob,test\n"
)


@pytest.mark.parametrize(
    ("label", "severity", "what"),
    [
        ("singer", "info", "split 'manifest' parts 2 groups, which name the label itself"),
        ("vowel", "error", "split 'manifest' parts 2 groups"),
        (None, "error", "split 'manifest' parts 2 groups"),
    ],
)
def test_parted_groups_are_no_leak_where_they_name_every_label_asked_about(
    sound: Path, label: str | None, severity: str, what: str
) -> None:
    (sound / "songs.csv").write_text(SINGERS)
    (finding,) = examine(manifest.load("", sound / "songs.csv"), label).findings
    assert (finding.severity, finding.what) == (severity, what)
    assert finding.about == ("ann (test, train)", "bob (test, train)")


def test_the_law_of_whole_groups_is_that_of_the_check(sound: Path) -> None:
    (sound / "both.csv").write_text(SINGERS)
    (sound / "one.csv").write_text(SINGERS.replace(",vowel", "").replace(",a,", ",").replace(",e,", ","))
    both, one = (manifest.load("", sound / name) for name in ("both.csv", "one.csv"))
    assert broken_by_dataset(both) == ("split 'manifest' fold 0: 2 groups are in train and in test, first: ann",)
    assert one.labels == ("singer",)
    assert broken_by_dataset(one) == ()


def test_classes_absent_from_a_part_are_found(sound: Path) -> None:
    findings = listed(
        sound,
        "path,label,split\nflute/a.wav,flute,train\nflute/b.wav,flute,train\ntuba/a.wav,tuba,test\ntuba/b.wav,tuba,test\n",
    )
    assert [(finding.severity, finding.about) for finding in findings] == [
        ("error", ("tuba",)),
        ("warning", ("flute",)),
    ]


def test_a_split_without_a_test_part_is_an_error(sound: Path) -> None:
    findings = listed(sound, "path,label,split\nflute/a.wav,flute,train\ntuba/a.wav,tuba,train\n")
    assert ("error", "split 'manifest' has an empty part", ("test",)) in [
        (f.severity, f.what, f.about) for f in findings
    ]


def test_a_label_with_one_value_is_an_error_and_no_label_a_warning(sound: Path) -> None:
    findings = listed(sound, "path,label\nflute/a.wav,flute\nflute/b.wav,flute\n")
    assert [(finding.severity, finding.what) for finding in findings] == [("error", "every clip has the same 'label'")]
    findings = listed(sound, "path\nflute/a.wav\n")
    assert [(finding.severity, finding.what) for finding in findings] == [("warning", "no clip has a label")]


def test_a_label_that_was_published_for_some_clips_alone_is_no_finding() -> None:
    clips = [Clip(str(i), Path(f"{i}.wav"), targets={"ten": str(i % 2)} if i < 4 else {}) for i in range(9)]
    found = Dataset(
        "some", "1", Path(), tuple(clips), card=DataCard("", labels=(LabelCard("ten", "multiclass", 2, 4),))
    )
    assert label_findings(found, "ten") == []
    (finding, *_) = label_findings(replace(found, clips=found.clips[1:]), "ten")
    assert finding.what == "5 clips without 'ten'"


def test_regions_of_one_file_are_no_duplicates_and_a_region_outside_is_unreadable(sound: Path) -> None:
    findings = listed(
        sound,
        "path,start_s,end_s,label:class\nflute/a.wav,0,0.2,1\nflute/a.wav,0.2,0.4,1\nflute/b.wav,,0.2,2\nflute/b.wav,0.4,0.9,2\n",
    )
    assert [finding.about[0].partition(" ")[0] for finding in findings] == ["flute/b.wav#0.4-0.9"]


def test_only_the_label_that_is_asked_for_is_examined(sound: Path) -> None:
    (sound / "songs.csv").write_text("path,a,b\nflute/a.wav,x,y\nflute/b.wav,z,y\nflute/c.wav,x,y\ntuba/a.wav,z,y\n")
    dataset = manifest.load("", sound / "songs.csv")
    assert examine(dataset, "a").ok
    assert not examine(dataset, "b").ok
    with pytest.raises(DataError, match="has no label 'c'"):
        examine(dataset, "c")


def test_the_report_is_the_same_for_any_number_of_jobs(sound: Path) -> None:
    for fault in (empty, twice_with_two_labels, not_audio):
        fault(sound)
    dataset = folder.load("", sound)
    assert examine(dataset, jobs=3) == examine(dataset)


def test_a_description_counts_clips_hours_rates_parts_and_classes(tmp_path: Path) -> None:
    put(tmp_path / "train/flute/a.wav", noise(1, 1))
    put(tmp_path / "train/flute/b.flac", noise(2, 2))
    put(tmp_path / "train/tuba/c.wav", np.stack([noise(1, 3), noise(1, 4)], 1), 16000)
    put(tmp_path / "test/tuba/d.wav", noise(3, 5))
    (tmp_path / "test/tuba/e.wav").write_bytes(b"")
    found = describe(folder.load("instrument", tmp_path), jobs=2)
    assert (found.n_clips, found.n_groups, found.unreadable) == (5, 0, ("test/tuba/e.wav",))
    assert found.hours == pytest.approx(6.5 / 3600)
    assert found.rates == {"8000 Hz": 3, "16000 Hz": 1}
    assert found.channels == {"mono": 3, "stereo": 1}
    assert found.formats == {"WAV": 3, "FLAC": 1}
    assert found.parts == (("folders", 0, {"train": 3, "valid": 0, "test": 2}),)
    assert [(row[0], row[1], dict(row[2])) for row in found.labels[0].classes] == [
        ("tuba", 3, {"train": 1, "valid": 0, "test": 2}),
        ("flute", 2, {"train": 1, "valid": 1, "test": 0}),
    ], "the parts of a label are those that a task has: the valid one is drawn"
    assert sum(count for *_, count in found.durations) == 4
    assert (found.durations[0][0], found.durations[-1][1]) == (0.5, 3.0)
    page = shown(check.render_description(found))
    for word in ("0.1 min", "stereo 1", "folders 0: train 3, valid 0, test 2", "flute", "unreadable", "█"):
        assert word in page


def test_a_name_is_printed_as_it_is_whatever_rich_would_make_of_it(sound: Path) -> None:
    (sound / "[").mkdir()
    (sound / "[/b].wav").write_bytes(b"")
    found = folder.load(":train:", sound)
    named = replace(found, name="audioset:train", card=DataCard(title="", licence="[/b] :train:"))
    assert "audioset:train: 7 clips" in shown(check.render_report(examine(named)))
    page = shown(check.render_description(describe(named)))
    for word in ("unreadable  [/b].wav", "licence     [/b] :train:", ":train:: 3 classes, 7 clips"):
        assert word in page


def test_what_a_reader_of_numbers_should_know_is_told_by_check_and_description(sound: Path) -> None:
    noted = replace(folder.load("", sound), notes=("3 tracks carry no 'key'",))
    report = examine(noted)
    assert report.ok
    assert "3 tracks carry no 'key'" in shown(check.render_report(report))
    assert describe(noted).notes == noted.notes
    assert "3 tracks carry no 'key'" in shown(check.render_description(describe(noted)))


def test_a_description_of_numbers_gives_their_range(sound: Path) -> None:
    (sound / "songs.csv").write_text("path,mood,end_s,artist\nflute/a.wav,1|10,0.25,x\nflute/b.wav,3|30,,x\n")
    found = describe(manifest.load("", sound / "songs.csv"), "mood")
    assert found.labels[0].ranges == ((1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    assert found.n_groups == 1
    assert found.hours == pytest.approx(0.75 / 3600)
    assert "greatest" in shown(check.render_description(found))


def test_clips_of_one_length_are_one_bin(sound: Path) -> None:
    assert describe(folder.load("", sound)).durations == ((0.5, 0.5, 6),)


@pytest.mark.parametrize(
    ("fraction", "cells"), [(0, ""), (1, "█" * 30), (0.5, "█" * 15), (1e-9, "▏"), (0.25, "█" * 7 + "▌")]
)
def test_a_bar_is_exact_to_an_eighth_and_never_empty_for_something(fraction: float, cells: str) -> None:
    assert check.bar(fraction) == cells
