"""What differs between two runs: files, software, data clip by clip, numbers row by row."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import earmark
from earmark.errors import UserError
from earmark.experiment import ingredients
from earmark.experiment.ingredients import Difference
from earmark.experiment.results import Run
from earmark.runs import diff as differing
from earmark.runs.diff import diff, numbers
from tests.runs.made_rows import ROW, of_rows
from tests.test_run import tones

__all__ = ["tones"]  # a fixture


def test_a_run_and_itself_do_not_differ(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    found = diff(run, run.folder.name)
    assert (found.config, found.software, found.data, found.notes) == ((), (), (), ())
    assert found.numbers.is_same
    assert found.numbers.n_rows == len(run.rows)
    assert {one.verdict for one in found.changes.scores} == {"the same"}
    assert "no number of them differs" in found.markdown


def test_another_order_of_the_file_is_no_difference(tones: Path) -> None:
    earmark.run(tones, run_id="a", quiet=True)
    swapped = "[{name: chroma}, {name: logmel, pool: [mean, std]}]"
    tones.write_text(tones.read_text().replace("[{name: logmel, pool: [mean, std]}, {name: chroma}]", swapped))
    earmark.run(tones, run_id="b", quiet=True)
    found = diff("a", "b")
    assert (found.config, found.data, found.numbers.is_same) == ((), (), True)


def test_the_file_of_other_audio_and_the_changed_label_are_named(tones: Path, tmp_path: Path) -> None:
    old = earmark.run(tones, run_id="a", quiet=True)
    shutil.copy(tmp_path / "audio/low/0.wav", tmp_path / "audio/low/1.wav")
    (tmp_path / "audio/high/2.wav").rename(tmp_path / "audio/middle/high-2.wav")
    new = earmark.run(tones, run_id="b", quiet=True)
    found = diff(old, new)
    by_name = {one.where: one for one in found.data}
    changed = by_name["folder:audio: low/1.wav: audio"]
    hashes = [ingredients.read(run.folder) for run in (old, new)]
    for said, made_of in zip((changed.old, changed.new), hashes, strict=True):
        assert made_of is not None
        assert said == f"sha256 {made_of.clips['folder:audio']['low/1.wav'].audio[:12]}…"
    assert by_name["folder:audio: high/2.wav"].new is None
    assert by_name["folder:audio: middle/high-2.wav"].old is None
    assert any(where.endswith(": train") for where in by_name), "the split was drawn anew"
    assert not found.config


def test_a_label_that_was_corrected_is_a_difference_of_its_clip(tones: Path) -> None:
    made_of = ingredients.read(earmark.run(tones, quiet=True).folder)
    assert made_of is not None
    clips = made_of.clips["folder:audio"]
    relabelled = {**clips, "low/0.wav": replace(clips["low/0.wav"], targets={"label": "other"})}
    (found,) = ingredients.differences(made_of, replace(made_of, clips={"folder:audio": relabelled}))
    assert (found.where, found.new) == ("folder:audio: low/0.wav: label", "key other")
    moved = {**clips, "low/0.wav": replace(clips["low/0.wav"], region=(0.5, None))}
    (found,) = ingredients.differences(made_of, replace(made_of, clips={"folder:audio": moved}))
    assert found == Difference("folder:audio: low/0.wav: region in seconds", old="0 to its end", new="0.5 to its end")
    facts = {**made_of.representations, "chroma": {**made_of.representations["chroma"], "version": "99"}}
    (found,) = ingredients.differences(made_of, replace(made_of, representations=facts))
    assert (found.where, found.new) == ("representation chroma: version", "99")
    (found,) = ingredients.differences(made_of, replace(made_of, files={"noise.wav": "abc"}))
    assert (found.where, found.old, found.new) == ("deformations read noise.wav", None, "abc")


def test_audio_that_is_not_there_is_missing_and_its_place_is_kept_from_the_file(tones: Path, tmp_path: Path) -> None:
    rows = [f"audio/{name}/{number}.wav,{name}" for name in ("low", "high") for number in range(8)]
    (tmp_path / "clips.csv").write_text("\n".join(["path,label", *rows, "audio/gone.wav,low"]) + "\n")
    text = (
        tones.read_text()
        .replace("name: folder", "name: manifest")
        .replace(f"{tmp_path}/audio", f"{tmp_path}/clips.csv")
    )
    tones.write_text(text)
    run = earmark.run(tones, quiet=True)
    made_of = ingredients.read(run.folder)
    assert made_of is not None
    (clips,) = made_of.clips.values()
    assert [name for name, one in clips.items() if one.audio == "missing"] == ["audio/gone.wav"]
    assert str(tmp_path) not in (run.folder / ingredients.FILE).read_text()


def test_what_a_file_says_otherwise_is_found_by_its_name(tones: Path) -> None:
    earmark.run(tones, run_id="a", quiet=True)
    text = tones.read_text().replace("max_snr_db: 0", "max_snr_db: 5").replace("min_snr_db: 0", "min_snr_db: 5")
    tones.write_text(text.replace("{name: chroma}", "{name: mfcc}").replace("seeds: [0, 1]", "seeds: [0]"))
    earmark.run(tones, run_id="b", quiet=True)
    found = diff("a", "b")
    by_name = {one.where: (one.old, one.new) for one in found.config}
    assert by_name["experiments.tone.seeds"] == ("[0, 1]", "[0]")
    assert by_name["experiments.tone.representations.chroma"][1] is None
    assert by_name["experiments.tone.representations.mfcc"][0] is None
    before, after = by_name["experiments.tone.deformations.snr0"]
    assert "5.0" not in str(before)
    assert "5" in str(after)
    assert all("chroma" in name for name in found.changes.only_old)
    assert all("mfcc" in name for name in found.changes.only_new)


def test_software_that_differs_is_named(tones: Path) -> None:
    old = earmark.run(tones, run_id="a", quiet=True)
    new = earmark.run(tones, run_id="b", quiet=True)
    file = new.folder / "environment.json"
    said = json.loads(file.read_bytes())
    file.write_text(json.dumps(said | {"libraries": said["libraries"] | {"soxr": "9.9"}}))
    (one,) = diff(old, new).software
    assert (one.where, one.new) == ("libraries.soxr", "9.9")


def test_a_run_that_does_not_say_what_it_was_made_of_is_said_to(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    (run.folder / ingredients.FILE).unlink()
    found = diff(run, run)
    assert found.data == ()
    assert "has no ingredients.json: its audio and labels are not compared" in found.notes[0]


def test_numbers_are_compared_row_by_row_and_field_by_field() -> None:
    seed = replace(ROW, seed=0)
    found = numbers([ROW, seed], [replace(ROW, value=0.8, n=199), replace(ROW, label="a")])
    assert found.n_rows == 1
    assert [(one.field, one.difference) for one in found.differing] == [
        ("value", pytest.approx(-0.1)),
        ("n", -1),
    ]
    assert (len(found.only_old), len(found.only_new)) == (1, 1)
    assert "seed 0" in found.only_old[0]
    assert not found.is_same
    assert numbers([ROW], [replace(ROW, value=0.9 + 1e-6)], tolerance=1e-5).is_same
    assert not numbers([ROW], [replace(ROW, value=0.9 + 1e-6)]).is_same
    assert not numbers([ROW], [replace(ROW, value=None)], tolerance=1).is_same
    assert numbers([ROW], [replace(ROW, run="else", seconds=9.0, device="cuda", probe_key="x")]).is_same


def test_rows_of_one_name_are_told_apart_by_their_order() -> None:
    other = replace(ROW, value=0.5)
    assert numbers([ROW, other], [ROW, other]).is_same
    assert len(numbers([ROW, other], [other, ROW]).differing) == 2


def test_scores_over_all_seeds_stand_first_then_the_greatest_difference() -> None:
    rows = [replace(ROW, seed=1), replace(ROW, label="a"), replace(ROW, task="less"), replace(ROW, task="most")]
    shift = {"less": 0.1, "most": 0.2}
    found = numbers(rows, [replace(row, value=0.9 - shift.get(row.task, 0.5), n=1) for row in rows])
    assert [one.where.split()[0] for one in found.differing[:2]] == ["most", "less"]
    assert "seed 1" in found.differing[2].where
    assert "(a)" in found.differing[3].where
    assert {one.field for one in found.differing[4:]} == {"n"}


def test_another_number_of_seeds_is_a_difference_of_the_row() -> None:
    (one,) = numbers([ROW], [replace(ROW, n_seeds=3)]).differing
    assert (one.field, one.old, one.new) == ("n_seeds", 2, 3)


def test_long_lists_are_cut_and_counted() -> None:
    rows = [replace(ROW, task=f"task{number}") for number in range(30)]
    text = numbers(rows, [replace(row, value=0.1) for row in rows]).markdown
    assert "30 numbers of them differ" in text
    assert text.endswith("- … and 10 more (--json has all)")


def test_runs_without_a_score_in_common_still_differ_in_the_rest(tmp_path: Path) -> None:
    old = of_rows(Run(tmp_path / "a", (), ()), [ROW])
    new = of_rows(Run(tmp_path / "b", (), ()), [replace(ROW, task="else")])
    found = diff(old, new)
    assert found.changes.scores == ()
    assert "The runs have no score in common, so none is compared." in found.markdown
    with pytest.raises(UserError, match="'nowhere'"):
        diff(old, "nowhere")


def test_entries_that_share_a_name_are_numbered() -> None:
    twice = [{"name": "mert", "layers": [1]}, {"name": "mert", "layers": [2]}]
    (one,) = differing._of_any("", twice, [twice[0], {"name": "mert", "layers": [3]}])
    assert (one.where, one.old, one.new) == ("mert #2.layers", "[2]", "[3]")
