"""A copy of a published dataset is counted against its card; a record keeps that it agreed."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from earmark import cli
from earmark.datasets import _sound, records, tinysol
from earmark.datasets._sound import Sound
from earmark.datasets._stamps import stamps_of
from earmark.datasets.base import Dataset, listed
from earmark.datasets.check import examine
from earmark.nouns import Clip, DataCard, LabelCard, Split, SplitCard
from tests.miniatures import tinysol as miniature

CARD = DataCard(
    title="tones",
    version="2",
    status="open",
    n_clips=6,
    labels=(LabelCard("tone", "multiclass", 2, 6),),
    splits=(SplitCard("given", "us", sizes=((4, 0, 2),)),),
    bad={"6": "it hums"},
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def tones(root: Path, card: DataCard = CARD, changed: Mapping[str, str] | None = None, n: int = 7) -> Dataset:
    root.mkdir(exist_ok=True)
    rng = np.random.Generator(np.random.PCG64(1))
    clips = []
    for number in range(n):
        soundfile.write(root / f"{number}.wav", 0.1 * rng.standard_normal(4000), 8000)
        tone = (changed or {}).get(str(number), "high" if number % 2 else "low")
        clips.append(Clip(str(number), root / f"{number}.wav", targets={"tone": tone}))
    ids = [clip.id for clip in clips if clip.id not in card.bad]
    return listed("tones", card, root, clips, {"given": (Split(tuple(ids[2:]), (), tuple(ids[:2])),)})


def whats(dataset: Dataset) -> list[str]:
    return [one.what for one in examine(dataset).findings if one.severity == "error"]


def test_what_agrees_with_its_card_gets_a_record_that_says_what_was_counted(tmp_path: Path, home: Path) -> None:
    dataset = tones(tmp_path / "tones")
    report = examine(dataset)
    assert report.record is not None
    assert (report.record.n_clips, report.record.classes, report.record.splits) == (
        6,
        {"tone": 2},
        {"given": [[4, 0, 2]]},
    )
    assert report.record.hours == pytest.approx(3 / 3600, abs=1e-3)
    assert not records.is_real(dataset)
    written = json.loads(records.write(report.record).read_text())
    assert (written["version"], written["root"]) == (dataset.version, str(dataset.root))
    assert written["date"]
    assert records.is_real(dataset)


def test_a_record_vouches_for_one_listing_alone(tmp_path: Path, home: Path) -> None:
    record = examine(tones(tmp_path / "tones")).record
    assert record is not None
    records.write(record)
    assert not records.is_real(tones(tmp_path / "tones", changed={"0": "high", "1": "low"}))


def again(root: Path) -> Dataset:
    """Return the tones that lie in a folder, as they are."""
    clips = [Clip(str(n), root / f"{n}.wav", targets={"tone": "high" if n % 2 else "low"}) for n in range(7)]
    ids = [clip.id for clip in clips[:6]]
    return listed("tones", CARD, root, clips, {"given": (Split(tuple(ids[2:]), (), tuple(ids[:2])),)})


def test_a_record_vouches_for_no_copy_elsewhere(tmp_path: Path, home: Path) -> None:
    examined = tmp_path / "tones"
    record = examine(tones(examined)).record
    assert record is not None
    records.write(record)
    assert records.is_real(again(examined))
    shutil.copytree(examined, tmp_path / "copy")
    assert again(tmp_path / "copy").version == again(examined).version
    assert not records.is_real(again(tmp_path / "copy"))
    (tmp_path / "link").symlink_to(examined)
    assert records.is_real(again(tmp_path / "link")), "another way to the same folder"


@pytest.mark.parametrize("change", ["missing", "longer", "later"])
def test_a_record_vouches_for_no_copy_that_has_changed(tmp_path: Path, home: Path, change: str) -> None:
    root = tmp_path / "tones"
    record = examine(tones(root)).record
    assert record is not None
    records.write(record)
    file = root / "3.wav"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    match change:
        case "missing":
            file.unlink()
        case "longer":
            file.write_bytes(file.read_bytes() + b"\0")
            os.utime(file, ns=times)
        case "later":
            os.utime(file, ns=(times[0], times[1] + 1_000_000_000))
    assert not records.is_real(again(root))


def test_a_part_of_a_copy_that_was_checked_is_real(tmp_path: Path, home: Path) -> None:
    record = examine(tones(tmp_path / "tones")).record
    assert record is not None
    records.write(record)
    whole = again(tmp_path / "tones")
    assert records.is_real(replace(whole, clips=whole.clips[:3]))
    (tmp_path / "tones" / "5.wav").unlink()
    whole = again(tmp_path / "tones")
    assert records.is_real(replace(whole, clips=whole.clips[:3]))
    assert not records.is_real(whole)


def test_a_file_that_changes_while_it_is_checked_is_not_vouched_for(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tones(tmp_path / "tones")

    def listen(clips: Iterable[Clip], jobs: int) -> dict[str, Sound]:
        heard = _sound.listen(clips, jobs)
        os.utime(tmp_path / "tones" / "2.wav", ns=(0, 0))
        return heard

    monkeypatch.setattr("earmark.datasets.check.listen", listen)
    record = examine(dataset).record
    assert record is not None
    records.write(record)
    assert not records.is_real(again(tmp_path / "tones"))


def test_stamps_of_many_files_are_quick(tmp_path: Path) -> None:
    # The law is 3 s for 300,000; a tenth of that here, with room for a slow machine.
    (tmp_path / "a.wav").touch()
    paths = [tmp_path / f"{n}.wav" for n in range(30_000)]
    start = time.process_time()
    assert len(stamps_of(tmp_path, paths)) == 30_000
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "content", [b"{", b"[1]", b'{"schema": 2}', b'{"schema": 2, "of": "another time"}', b"\xff", b"{}"]
)
def test_a_broken_record_counts_as_none_and_is_named(
    tmp_path: Path, home: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = tones(tmp_path / "tones")
    (home / "records").mkdir(parents=True)
    (home / "records" / "tones.json").write_bytes(content)
    assert not records.is_real(dataset)
    assert "tones.json: expected a record of a check" in caplog.text
    assert "delete it, and type: earmark check dataset tones" in caplog.text


def test_a_record_of_an_older_form_counts_as_none(tmp_path: Path, home: Path) -> None:
    record = examine(tones(tmp_path / "tones")).record
    assert record is not None
    path = records.write(record)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 1}))
    assert records.read("tones") is None


def test_datasets_are_listed_where_a_record_is_broken(home: Path) -> None:
    (home / "records").mkdir(parents=True)
    (home / "records" / "tinysol.json").write_text("{")
    done = CliRunner().invoke(cli.app, ["list", "dataset"])
    assert done.exit_code == 0
    assert "tinysol" in done.stdout


def test_audio_that_is_shorter_than_published_is_an_error_and_leaves_no_record(tmp_path: Path) -> None:
    hours = 6 * 0.5 / 3600
    whole = tones(tmp_path / "tones", replace(CARD, hours=hours * 1.015))
    assert whats(whole) == []
    assert examine(whole).record is not None
    cut = tones(tmp_path / "tones", replace(CARD, hours=100 * hours))
    assert whats(cut) == ["0.00 hours of audio, published are 0.08"]
    assert examine(cut).record is None


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    dataset = tones(tmp_path / "tones")
    for name in "25":
        (tmp_path / "tones" / f"{name}.wav").unlink()
    (missing,) = (one for one in examine(dataset).findings if one.severity == "error")
    assert (missing.what, missing.about) == (
        "2 clips cannot be read",
        ("2 (no such file.)", "5 (no such file.)"),
    )
    assert examine(dataset).record is None


def test_the_sum_of_the_audio_changes_with_a_sample_of_a_file(tmp_path: Path) -> None:
    dataset = tones(tmp_path / "tones")
    before = examine(dataset).record
    samples, rate = soundfile.read(tmp_path / "tones" / "3.wav")
    samples[100] += 0.01
    soundfile.write(tmp_path / "tones" / "3.wav", samples, rate)
    after = examine(dataset).record
    assert before is not None
    assert after is not None
    assert before.audio_sha256 != after.audio_sha256


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_clips": 9}, "6 clips, published are 9"),
        ({"labels": (LabelCard("tone", "multiclass", 3),)}, "2 classes of 'tone', published are 3"),
        ({"labels": (LabelCard("tone", "multiclass", 2, 5),)}, "6 clips with 'tone', published are 5"),
        (
            {"splits": (SplitCard("given", "us", sizes=((3, 1, 2),)),)},
            "split 'given' fold 0 has (4, 0, 2) clips in train, valid, test, published (3, 1, 2)",
        ),
        (
            {"splits": (SplitCard("given", "us", sizes=((4, 0, 2), (4, 0, 2))),)},
            "1 fold of split 'given', published are 2",
        ),
    ],
)
def test_every_count_that_differs_is_an_error_and_leaves_no_record(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    dataset = tones(tmp_path / "tones", replace(CARD, **change))  # type: ignore[arg-type]  # fields by name
    assert whats(dataset) == [said]
    assert examine(dataset).record is None


def test_what_the_card_does_not_know_is_not_compared(tmp_path: Path) -> None:
    unknown = replace(CARD, labels=(LabelCard("tone", "multiclass"),), splits=(SplitCard("given", "us"),))
    assert whats(tones(tmp_path / "tones", unknown)) == []


def test_a_file_that_cannot_be_read_leaves_no_record(tmp_path: Path) -> None:
    dataset = tones(tmp_path / "tones")
    (tmp_path / "tones" / "2.wav").write_bytes(b"no audio")
    assert examine(dataset).record is None


def test_a_known_broken_clip_is_left_out_of_clips_and_splits_and_said(tmp_path: Path) -> None:
    dataset = tones(tmp_path / "tones")
    assert "6" not in dataset.by_id
    assert dataset.notes == ("left out, known to be broken: 6 (it hums)",)


def test_your_own_data_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    dataset = tones(tmp_path / "tones", DataCard(title="mine"), n=4)
    assert examine(dataset).record is None
    assert records.is_real(dataset)


def test_a_miniature_is_not_taken_for_the_dataset(tmp_path: Path, home: Path) -> None:
    miniature.make(home / "data" / "tinysol")
    done = CliRunner().invoke(cli.app, ["check", "dataset", "tinysol"])
    assert done.exit_code == 1
    assert "84 clips, published are 2,913" in done.stdout
    assert not (home / "records").exists()


def test_the_record_is_written_by_the_check_of_a_whole_copy(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniature.make(home / "data" / "tinysol")
    labels = tuple(replace(label, n_clips=84, n_classes=None) for label in tinysol.CARD.labels)
    monkeypatch.setitem(tinysol.CARDS, "", replace(tinysol.CARD, n_clips=84, hours=None, labels=labels))
    monkeypatch.setattr(tinysol, "CARD", tinysol.CARDS[""])
    done = CliRunner().invoke(cli.app, ["check", "dataset", "tinysol", "--label", "instrument"])
    assert done.exit_code == 0, done.output
    assert json.loads((home / "records" / "tinysol.json").read_text())["n_clips"] == 84
