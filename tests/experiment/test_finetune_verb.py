"""`earmark finetune`, from a folder of tones to networks, predictors and a run that other verbs read."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.errors import DataError, SpecError, UserError
from earmark.experiment import results
from earmark.experiment.finetune import Finetuned, finetune
from earmark.experiment.jobs import PROBE, SCORE
from earmark.runs import compare, predictions
from tests.miniatures import annotated_vocalset, nsynth
from tests.test_run import make_tones

CONFIG = """\
name: tones
representation: random:wav2vec2-tiny
task: {{name: tone, label: label, kind: multiclass}}
datasets: [{{name: folder, dir: {folder}, split_type: [0.5, 0.25, 0.25]}}]
modes: [FE, full]
seeds: [0, 1]
body_learning_rate: 1.0e-2
head_learning_rate: 1.0e-2
batch_size: 4
epochs: 3
resamples: 20
"""


SINGING = """\
name: singing
representation: random:wav2vec2-tiny
task: pitch_estimation
datasets: [nsynth, {train: nsynth, test: annotated-vocalset}]
metrics: [raw_pitch_accuracy_50_cents]
epochs: 1
resamples: 20
"""


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("tones") / "audio")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def config(tmp_path: Path, audio: Path) -> Path:
    (tmp_path / "tones.yml").write_text(CONFIG.format(folder=audio))
    return tmp_path / "tones.yml"


def made(config: Path, folder: Path | None = None, *overrides: str, resume: bool = False) -> Finetuned:
    return finetune(config, folder=folder, overrides=overrides, resume=resume, quiet=True)


def test_what_comes_out_is_a_run_with_networks_and_predictors(config: Path, tmp_path: Path, audio: Path) -> None:
    found = made(config)
    folder = tmp_path / "runs" / "tones"
    full = next(one for one in found.models if (one.mode, one.seed) == ("full", 1))
    card = json.loads((folder / "tuned" / full.name / "card.json").read_text())
    start = earmark.load_representation("random:wav2vec2-tiny")

    assert [one.name for one in found.models] == [
        *("tones-linear-seed-0", "tones-linear-seed-1", "tones-full-seed-0", "tones-full-seed-1")
    ]
    assert earmark.load_representation(full.representation)(torch.zeros(1, 8000)).shape == (1, 4, 24, 16)
    assert card["started_from"]["weights_sha256"] == start.card.weights_sha256
    assert card["recipe"]["mode"] == "full"
    assert len(card["curve"]) == card["epochs"] == 3
    assert card["validation_loss"] == min(one["valid_loss"] for one in card["curve"])
    assert (card["n_train"], card["n_valid"]) == (12, 6)
    assert len(card["heard"].split()) == 18, "a mark for each file that was learnt from or validated on"
    assert {one["metric"] for one in card["test"]} >= {"accuracy"}
    assert all(one["ci_low"] <= one["value"] <= one["ci_high"] for one in card["test"] if one["ci_low"] is not None)
    data = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    assert [one["role"] for one in data] == ["train"] * 12 + ["valid"] * 6
    assert not list(folder.glob("tuned/*.state"))


def test_the_saved_predictor_says_of_files_what_it_said_in_the_run(config: Path, audio: Path, tmp_path: Path) -> None:
    found = made(config)
    moved = found.run.folder.rename(tmp_path / "moved")
    for one in predictions.index(moved):
        if one.probe == "constant":
            continue
        table = pl.read_parquet(one.file)
        for seed, key in one.probes.items():
            told = table.filter(pl.col("seed") == int(seed))
            heard = [audio / clip for clip in told["clip"]]
            again = earmark.predict(heard, moved / "probes" / key, is_calibrated=False)
            np.testing.assert_array_equal(again.scores, np.array(told["scores"].to_list(), np.float32))
            assert list(again.said) == told["prediction"].to_list()


def test_the_scores_are_those_of_the_fine_tuned_network_by_hand(config: Path, audio: Path) -> None:
    found = made(config, None, "modes=[full]", "seeds=[3]")
    (model,) = found.models
    network = earmark.load_representation(model.representation)
    probe = earmark.load_probe(model.head)
    (one,) = (one for one in predictions.index(found.run.folder) if one.probe != "constant")
    table = pl.read_parquet(one.file)
    for clip, scores in zip(table["clip"], table["scores"], strict=True):
        samples = earmark.audio.read(audio / clip, 16000).samples
        vector = network(torch.from_numpy(samples)[None], (3,))[0, 0].double().mean(0).float()
        assert probe.predict(vector.numpy()[None, None])[0] == pytest.approx(np.array(scores), abs=1e-6)


def told(answer: Path) -> dict[str, object]:
    """Return an answer of the store but for how long it took."""
    found: dict[str, object] = json.loads(answer.read_bytes())
    return found | {"seconds": 0}


def test_the_heads_that_are_scored_are_those_of_these_networks(config: Path, tmp_path: Path) -> None:
    """What another device or other threads made has the same key, and the store may hold it and its answers."""
    made(config, tmp_path / "first")
    store = tmp_path / "home" / "store"
    heads = sorted((store / "probes").rglob(f"*{PROBE}"))
    own = [path.read_bytes() for path in heads]
    answers = {path: told(path) for path in (store / "scores").rglob(f"*{SCORE}")}
    for path in (*heads, *answers):
        path.write_bytes(heads[0].read_bytes() if path in heads else b"{}")
    made(config, tmp_path / "again")
    assert [path.read_bytes() for path in heads] == own
    assert {path: told(path) for path in answers} == answers


def test_tables_and_comparisons_read_the_run(config: Path) -> None:
    found = made(config)
    rows = results.read(found.run.folder).rows
    means = {row.probe: row for row in rows if row.seed is None and row.metric == "accuracy" and row.average == "micro"}

    assert set(means) == {"constant", "finetune-linear", "finetune-full"}
    assert means["finetune-full"].n_seeds == 2
    assert means["finetune-full"].embedding_key != means["finetune-linear"].embedding_key
    assert "finetune-full" in earmark.table(found.run.folder)
    assert len(compare.compare(found.run.folder).tasks[0].pairs) == 1


def test_transformers_loads_the_checkpoint_too(config: Path) -> None:
    (model,) = made(config, None, "modes=[lora]", "seeds=[0]").models
    folder = model.representation.removeprefix("path:")
    theirs = AutoModel.from_pretrained(folder).eval()
    heard = earmark.load_representation(model.representation)
    audio = torch.from_numpy(0.1 * np.sin(np.arange(8000) / 20).astype(np.float32))[None]
    normalised = (audio - audio.mean()) / torch.sqrt(audio.var(correction=0) + 1e-7)
    with torch.no_grad():
        assert torch.allclose(theirs(normalised).last_hidden_state, heard(audio, (3,))[:, 0], rtol=0, atol=1e-5)


def test_a_second_dataset_is_scored_with_the_same_heads(tmp_path: Path) -> None:
    nsynth.make(tmp_path / "home" / "data" / "nsynth")
    annotated_vocalset.make(tmp_path / "home" / "data" / "annotated_vocalset")
    file = tmp_path / "singing.yml"
    file.write_text(SINGING)
    found = made(file)
    scored = {row.dataset: row for row in found.run.rows if row.probe == "finetune-full" and row.label is None}

    assert set(scored) == {"nsynth", "nsynth→annotated-vocalset"}
    assert len({row.probe_key for row in found.run.rows if row.probe == "finetune-full"}) == 2  # seed 0, and its mean
    card = json.loads((found.run.folder / "tuned" / found.models[0].name / "card.json").read_text())
    assert {one["dataset"] for one in card["test"]} == set(scored)
    assert card["licence"].endswith("data: CC-BY-4.0")


def test_killed_and_resumed_it_ends_with_the_same_bits(config: Path, tmp_path: Path) -> None:
    settings = ["--set", "modes=[full]", "--set", "seeds=[0]", "--set", "epochs=40", "--set", "patience=40"]
    command = [sys.executable, "-m", "earmark", "finetune", str(config), *settings, "--jobs", "1", "-o"]
    cut = tmp_path / "cut"
    process = subprocess.Popen([*command, str(cut)], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and not list(cut.glob("tuned/*.state")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (cut / "results.jsonl").exists()

    overrides = settings[1::2]
    resumed = made(config, cut, *overrides, resume=True)
    whole = made(config, tmp_path / "whole", *overrides)
    ours, theirs = (
        load_file(one.run.folder / "tuned" / "tones-full-seed-0" / "model.safetensors") for one in (resumed, whole)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    heads = [(one.models[0].head / "probe.safetensors").read_bytes() for one in (resumed, whole)]
    assert heads[0] == heads[1]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_with_130(config: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "earmark", "finetune", str(config), "--set", "epochs=500", "--set", "patience=500"]
    process = subprocess.Popen(
        [*command, "--set", "modes=[full]", "-o", str(tmp_path / "cut")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list((tmp_path / "cut").glob("tuned/*.state")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "earmark: interrupted; run the same command again with --resume to go on."


def test_a_finished_one_is_not_trained_again(config: Path, tmp_path: Path) -> None:
    first = made(config)
    before = {file: file.stat().st_mtime_ns for file in first.run.folder.rglob("*.safetensors")}
    again = made(config, resume=True)
    assert again.run.rows == first.run.rows
    assert {file: file.stat().st_mtime_ns for file in again.run.folder.rglob("*.safetensors")} == before


def test_a_folder_is_not_written_over(config: Path, tmp_path: Path) -> None:
    made(config, None, "modes=[linear]", "seeds=[0]")
    with pytest.raises(UserError, match=r"holds this fine-tuning already\. Go on with it by --resume"):
        made(config, None, "modes=[linear]", "seeds=[0]")
    with pytest.raises(UserError, match="holds a fine-tuning of other settings"):
        made(config, None, "modes=[linear]", "seeds=[1]", resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    with pytest.raises(UserError, match="holds something else already"):
        made(config, tmp_path / "mine")


def test_what_cannot_be_heard_is_left_out_and_named(config: Path, tmp_path: Path, audio: Path) -> None:
    shutil.copytree(audio, tmp_path / "own")
    (tmp_path / "own" / "low" / "0.wav").write_bytes(b"no audio")
    config.write_text(CONFIG.format(folder=tmp_path / "own"))
    done = CliRunner().invoke(
        cli.app, ["finetune", str(config), "--set", "modes=[linear, full]", "--set", "seeds=[0]", "--jobs", "1"]
    )
    assert done.exit_code == 3, done.output
    assert "could not be used:" in done.output
    assert "low/0.wav" in done.output


def test_logmel_has_a_linear_head_and_nothing_else(config: Path) -> None:
    config.write_text(config.read_text().replace("random:wav2vec2-tiny", "logmel"))
    found = made(config, None, "modes=[linear]", "seeds=[0]")
    assert found.models[0].representation == "logmel"
    with pytest.raises(UserError, match="only `linear` is for it"):
        made(config, None, "modes=[linear, full]", resume=True)


def test_a_split_whose_validation_clips_cannot_be_heard_is_refused(config: Path, tmp_path: Path, audio: Path) -> None:
    shutil.copytree(audio, tmp_path / "own")
    role_of = dict(enumerate(("train", "valid", "test", "train")))
    rows = ["path,label,split"]
    for path in sorted((tmp_path / "own").rglob("*.wav")):
        role = role_of[int(path.stem) % 4]
        rows.append(f"{path},{path.parent.name},{role}")
        if role == "valid":
            path.write_bytes(b"no audio")
    (tmp_path / "own.csv").write_text("\n".join(rows) + "\n")
    place = f"datasets: [{{name: manifest, dir: {tmp_path / 'own.csv'}}}]"
    lines = [place if line.startswith("datasets:") else line for line in config.read_text().splitlines()]
    config.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"no validation clips that can be heard, .* to know when to stop"):
        made(config)


def test_a_label_that_the_dataset_lacks_is_an_error_at_its_place(config: Path) -> None:
    with pytest.raises(SpecError, match=r"tones\.yml:3:7: Dataset 'folder:audio' has no label 'lable'.*'label'"):
        made(config.with_name("tones.yml"), None, "task.label=lable")


def test_several_folds_are_refused(config: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected one partition to learn from"):
        made(config, None, "datasets.0.split_type=kfold-3")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("modes=[ful]", "Unknown mode of fine-tuning 'ful'. Did you mean 'full'?"),
        ("modes=[FT2, full]", "'full' stands here a second time: FT2 is full"),
        ("modes=[]", "Expected 'modes' to be a list with at least one entry"),
        ("patience=0", "Expected 'patience' to be at least 1, got 0"),
        ("lora={rank: 4}", "'lora' is not of the modes linear, full. Take it out"),
        ("masks=0.1", "Unknown key 'masks'. Did you mean 'mask'?"),
        ("representation=logmel+mfcc", "Expected one network to fine-tune"),
        ("task.aggregation=prediction", "Leave aggregation out"),
        ("task.kind=genre", "'multiclass'"),
    ],
)
def test_a_wrong_key_or_value_is_named_at_its_place(config: Path, override: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        made(config, None, override)
    assert said in str(caught.value)
    assert ":" in str(caught.value).split(" ")[0]


def test_a_file_that_is_not_there_names_what_is_shipped(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"Did you mean 'nsynth_pitch'\?.*Shipped: nsynth_instrument, nsynth_pitch, tiny"
    ):
        made(tmp_path / "nsynth_ptch.yml")
