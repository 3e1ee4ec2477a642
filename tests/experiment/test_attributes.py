"""Scores per attribute: of the clips of each value alone, beside the others and changing none of them."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

import earmark
from earmark.errors import SpecError, UnknownName
from earmark.experiment.results import Run
from tests.experiment.specimens import LEAST, mistake, parse

RATE = 16000
CLASSES = {"low": 220.0, "middle": 330.0, "high": 554.4}
SINGERS = ("ada", "bo", "cy", "di")

EXPERIMENT = """\
name: singers
experiments:
  - task: {{name: tone, label: tone, kind: multiclass}}
    datasets: [{{name: manifest, dir: {manifest}}}]
    deformations: {{snr0: [{{type: AddGaussianSNR, params: {{min_snr_db: 0, max_snr_db: 0}}}}]}}
    representations: [logmel, chroma]
    probes: [{{kind: mlp, hidden_units: [], epochs: 8, learning_rate: 0.02, batch_size: 8, standardise: true}}]
    seeds: [0, 1]
resamples: 60
"""


@pytest.fixture
def singers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment on 72 noisy tones of four singers, two to a group; cy's gender is not told, mood has several."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    rng = np.random.Generator(np.random.PCG64(0))
    lines = ["path,tone,singer,gender,mood:tags,height,shelf,take,group,split"]
    for number in range(72):
        name = list(CLASSES)[number % 3]
        singer = SINGERS[number // 3 % 4]
        steps = np.arange(RATE // 4) / RATE
        tone = 0.2 * np.sin(2 * np.pi * CLASSES[name] * steps) + 0.2 * rng.standard_normal(len(steps))
        soundfile.write(tmp_path / f"{number:02}.wav", tone.astype(np.float32), RATE)
        gender = {"ada": "f", "bo": "m", "cy": "", "di": "f"}[singer]
        mood = ("calm", "calm|sad", "sad", "|")[number // 12 % 4]
        split = ("train", "valid", "test")[min(number // 24, 2)]
        cells = [
            f"{number:02}.wav",
            name,
            singer,
            gender,
            mood,
            str(number / 8),
            "one",
            f"t{number}",
            f"group-{number // 2}",
            split,
        ]
        lines.append(",".join(cells))
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    file = tmp_path / "singers.yml"
    file.write_text(EXPERIMENT.format(manifest=tmp_path / "clips.csv"))
    return file


def run(file: Path, per: str = "[]") -> Run:
    return earmark.run(file, overrides=[f"experiments.0.per={per}"], quiet=True)


def without_names(found: Run) -> list[dict[str, Any]]:
    return found.frame.drop("run", "seconds").to_dicts()


def test_attributes_add_rows_and_change_none(singers: Path) -> None:
    plain, per = without_names(run(singers)), without_names(run(singers, "[singer, gender]"))
    added = [row for row in per if row["label"] and row["average"]]
    assert [row for row in per if row not in added] == plain
    assert {row["label"] for row in added} == {f"singer={one}" for one in SINGERS} | {"gender=f", "gender=m"}
    assert {row["seed"] for row in added} == {None}
    assert len(added) == 6 * 4 * (2 * 2 + 1), "values × averages of accuracy and f1 × conditions, and the constant"


def test_scores_weighted_by_their_clips_give_the_accuracy_of_all(singers: Path) -> None:
    rows = run(singers, "[singer]").frame.filter(
        pl.col("metric") == "accuracy", pl.col("average") == "micro", pl.col("seed").is_null()
    )
    for _, some in rows.group_by("representation", "deformation", "probe"):
        whole = some.filter(pl.col("label").is_null())
        parts = some.filter(pl.col("label").is_not_null())
        assert parts["n"].sum() == whole["n"].item() == 24
        assert (parts["value"] * parts["n"]).sum() / 24 == pytest.approx(whole["value"].item())


def test_a_value_is_scored_as_if_its_clips_were_all_there_are(singers: Path) -> None:
    found = run(singers, "[singer]")
    (file,) = (
        line["file"]
        for line in pl.read_ndjson(found.folder / "predictions" / "index.jsonl").to_dicts()
        if line["representation"] == "logmel" and line["deformation"] == "snr0"
    )
    (row,) = found.frame.filter(
        pl.col("label") == "singer=ada",
        pl.col("representation") == "logmel",
        pl.col("deformation") == "snr0",
        pl.col("metric") == "accuracy",
        pl.col("average") == "micro",
    ).to_dicts()
    manifest = pl.read_csv(singers.parent / "clips.csv").select("singer", clip="path")
    told = pl.read_parquet(found.folder / "predictions" / file).join(manifest, on="clip")
    right = told.filter(pl.col("singer") == "ada").select(pl.col("target") == pl.col("prediction")).to_series()
    assert row["n"] == 6
    assert len(right) == 12, "two seeds"
    assert row["value"] == pytest.approx(right.mean())


def test_groups_are_those_of_the_clips_of_a_value(singers: Path) -> None:
    rows = run(singers, "[singer]").frame.filter(pl.col("label") == "singer=ada")
    assert set(rows["n"]) == {6}
    assert set(rows["n_groups"]) == {4}, "of 72 clips in pairs: 48, 49, 50 and 60, 61, 62"
    assert all("4 groups" in method for method in rows.filter(pl.col("value").is_not_null())["ci_method"])


def test_a_value_that_all_clips_have_is_the_whole(singers: Path) -> None:
    frame = run(singers, "[shelf]").frame.filter(pl.col("average").is_not_null(), pl.col("seed").is_null())
    names = ["representation", "deformation", "metric", "average", "value", "ci_low", "ci_high", "n", "n_groups"]
    whole, alone = (
        frame.filter(pl.col("label").is_null() == is_whole).select(names).sort(names[:4]) for is_whole in (True, False)
    )
    assert alone.equals(whole)


def test_a_clip_counts_under_each_of_its_values(singers: Path) -> None:
    rows = run(singers, "[mood]").frame.filter(pl.col("label").str.starts_with("mood="))
    counts = dict(rows.select("label", "n").unique().iter_rows())
    assert counts == {"mood=calm": 24, "mood=sad": 12}, "48 to 59 are calm, 60 to 71 calm and sad"


def test_values_of_a_single_clip_have_a_number_or_none(singers: Path) -> None:
    rows = run(singers, "[take]").frame.filter(pl.col("label").str.starts_with("take="))
    assert set(rows["n"]) == {1}
    assert set(rows.filter(pl.col("average") == "micro", pl.col("metric") == "accuracy")["value"]) <= {0.0, 0.5, 1.0}


def test_clips_without_the_attribute_are_counted_in_a_note(singers: Path) -> None:
    notes = run(singers, "[gender]").notes
    assert any("6 of 24 test clips have no 'gender' and are in no score per gender" in note for note in notes)


def test_the_order_of_attributes_changes_no_key_and_none_at_all_keeps_the_old_ones(singers: Path) -> None:
    first = run(singers, "[singer, gender]")
    again = run(singers, "[gender, singer]")
    assert (again.jobs_done, again.folder) == (0, first.folder)
    assert run(singers).jobs_done == run(singers, "[singer]").jobs_done == 3, "two systems and the constant are scored"


def test_a_table_per_attribute_has_a_column_for_each_value(singers: Path) -> None:
    found = run(singers, "[singer]")
    clean, snr0 = earmark.table(found, per="singer").split("\n\n**")
    head, _, *lines = clean.split("\n")[2:]
    assert clean.startswith("**tone per singer on ")
    assert head == "| representation | probe | seeds | ada (n=6) | bo (n=6) | cy (n=6) | di (n=6) |"
    assert [line.split(" ")[1] for line in lines[:3]] == ["constant", "logmel", "chroma"]
    assert snr0.startswith("tone per singer under snr0 on ")
    assert "singer" not in earmark.table(found), "the other tables are as they were"


def test_an_attribute_that_nothing_was_scored_per_is_an_error(singers: Path) -> None:
    with pytest.raises(UnknownName, match=r"Unknown attribute of these scores 'singr'\. Did you mean 'singer'\?"):
        earmark.table(run(singers, "[singer]"), per="singr")


@pytest.mark.parametrize(
    ("per", "message"),
    [
        ("[singr]", "has an attribute 'singr'. Did you mean 'singer'? Besides 'tone' they have: gender, height, "),
        ("[height]", "to name what a clip is, such as a singer; it is a number, such as 6."),
    ],
)
def test_what_is_no_attribute_is_refused_at_its_place(singers: Path, per: str, message: str) -> None:
    singers.write_text(singers.read_text().replace("    seeds:", f"    per: {per}\n    seeds:"))
    with pytest.raises(SpecError) as caught:
        earmark.run(singers, quiet=True)
    assert str(caught.value).startswith(f"{singers}:8:10: ")
    assert message in str(caught.value)


def test_what_is_predicted_is_no_attribute() -> None:
    assert mistake(LEAST + "    per: [program, family]\n") == (
        "x.yml:6:20: 'family' is what 'studio_family' predicts, and results hold the scores of each of its classes. "
        "Write other labels of the dataset, such as per: [singer]."
    )
    assert mistake(LEAST + "    per: [program, program]\n").endswith("'program' stands here a second time. Keep one.")


def test_a_file_without_attributes_has_the_hash_that_it_had() -> None:
    assert "per" not in parse(LEAST).plain()["experiments"][0]  # type: ignore[index]  # plain values
    assert parse(LEAST + "    per: []\n").spec_hash == parse(LEAST).spec_hash
    assert parse(LEAST + "    per: [program]\n").spec_hash != parse(LEAST).spec_hash
