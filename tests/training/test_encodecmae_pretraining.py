"""`earmark pretrain` of EncodecMAE, from a corpus to a representation: by a codec, by mel frames, from cached codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

import earmark
from earmark.errors import SpecError, UserError
from earmark.representations.encodecmae import front
from earmark.training import coding, config, corpus
from earmark.training.pretrain import Pretrained, pretrain
from earmark.training.systems import EncodecMAESystem, find
from tests.training.made_codes import made_targets

CONFIG = """\
name: small
representation: encodecmae-tiny
objective:
  {dim: 16, heads: 2, head_dim: 8, encoder_layers: 2, decoder_layers: 1, ffn_dim: 24,
   n_streams: 2, n_codes: 6, gamma: null}
segments: {kind: random, by: windows, segment_s: 0.8}
steps: 6
batch_s: 4.8
portion_s: 2.4
schedule: {learning_rate: 1.0e-2, kind: constant}
save_every_steps: 3
"""
CODEC = (
    "codec=random:encodec-tiny",
    *(f"objective.{one}" for one in ("inputs=encodec", "targets=codec", "n_codes=1024")),
)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora of four tracks of five seconds, at both rates, and codebooks of the one at 16 kHz."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(4):
        rng = earmark.identity.generator("made", number)
        swelling = np.abs(np.sin(np.arange(120_000) / 9000 + number))
        soundfile.write(folder / f"{number}.wav", 0.1 * swelling * rng.standard_normal(120_000), 24000)
    for rate in (16000, 24000):
        corpus.build([folder], folder / f"corpus{rate}", rate)
    made_targets(folder / "corpus16000", folder / "rvq")
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "small.yml").write_text(CONFIG)
    return tmp_path / "small.yml"


def trained(file: Path, heard: Path, folder: Path, *overrides: str, resume: bool = False) -> Pretrained:
    return pretrain(file, corpus_folder=heard, folder=folder, overrides=overrides, resume=resume)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "curve.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("rate", "overrides", "n_frames"),
    [(24000, CODEC, 75), (16000, ("targets=[{music}/rvq]",), 50)],
    ids=["codec", "mel_rvq"],
)
def test_what_comes_out_hears_and_says_what_it_learnt(
    rate: int, overrides: tuple[str, ...], n_frames: int, file: Path, music: Path, tmp_path: Path
) -> None:
    given = [one.replace("{music}", str(music)) for one in overrides]
    made = trained(file, music / f"corpus{rate}", tmp_path / "run", *given)
    network = earmark.load_representation(f"path:{made.checkpoint}")
    card = json.loads((made.checkpoint / "card.json").read_text())

    assert network(torch.randn(2, rate)).shape == (2, 3, n_frames, 16)
    assert (network.card.sample_rate, network.card.dim, network.card.layers) == (rate, 16, 3)
    assert card["corpus"] == corpus.open(music / f"corpus{rate}").key
    assert {"masked_nats_1", "copy_accuracy_1"} <= card["monitors"].keys()
    assert losses(tmp_path / "run")[-1] < losses(tmp_path / "run")[0]


def test_codes_of_the_corpus_train_the_network_and_their_folder_says_what_it_hears(
    file: Path, music: Path, tmp_path: Path
) -> None:
    from_codes = trained(file, music / "corpus16000", tmp_path / "coded", f"codes={coded_music(music, tmp_path)}")
    card = json.loads((from_codes.checkpoint / "card.json").read_text())

    assert losses(tmp_path / "coded")[-1] < losses(tmp_path / "coded")[0]
    assert earmark.load_representation(f"path:{from_codes.checkpoint}")(torch.randn(1, 16000)).shape == (1, 3, 50, 16)
    assert card["fitted"] == [earmark.representations.checkpoint.sha256_of(tmp_path / "codes" / "front")]


def test_killed_and_resumed_it_ends_with_the_same_bits(file: Path, music: Path, tmp_path: Path) -> None:
    cut, heard = tmp_path / "cut", music / "corpus16000"
    numbers = (f"targets=[{music / 'rvq'}]", "steps=60")
    command = [sys.executable, "-m", "earmark", "pretrain", str(file), "--corpus", str(heard), "-o", str(cut), "-q"]
    sets = [word for one in numbers for word in ("--set", one)]
    process = subprocess.Popen([*command, *sets], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and not list(cut.glob("checkpoints/small-step-[1-9]*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    assert 0 < len(losses(cut)) < 60
    ours, theirs = (
        load_file(made.checkpoint / "model.safetensors")
        for made in (
            trained(file, heard, cut, *numbers, resume=True),
            trained(file, heard, tmp_path / "whole", *numbers),
        )
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_targets_of_two_folders_are_not_one_run(file: Path, music: Path, tmp_path: Path) -> None:
    made_targets(music / "corpus16000", tmp_path / "other", seed=1)
    trained(file, music / "corpus16000", tmp_path / "run", f"targets=[{music / 'rvq'}]", "steps=3")

    with pytest.raises(UserError, match="holds a pre-training of other settings"):
        trained(file, music / "corpus16000", tmp_path / "run", f"targets=[{tmp_path / 'other'}]", resume=True)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            (),
            "'encodecmae-tiny' seeks 'mel_rvq', which are fitted to a corpus first. Make them: earmark corpus targets",
        ),
        (CODEC, "Expected a corpus at 24000 Hz for 'encodecmae-tiny', got 16000 Hz"),
        (("targets=[{music}]",), "Expected model.safetensors and config.json in"),
        (("targets=[{music}/rvq]", "objective.n_codes=7"), "Expected targets of 2 streams of 7 codes, got 2 of 6."),
        (("targets=[{music}/rvq]", "segments.segment_s=0.2"), "Expected segments of "),
        (("targets=[{music}/rvq]", "weights={music}/rvq"), "Expected a checkpoint of EncodecMAE to start from"),
        (("codes={music}/none",), "Expected codes in"),
    ],
)
def test_what_does_not_fit_is_said(
    overrides: tuple[str, ...], said: str, file: Path, music: Path, tmp_path: Path
) -> None:
    given = [one.replace("{music}", str(music)) for one in overrides]
    with pytest.raises(earmark.errors.EarmarkError) as caught:
        trained(file, music / "corpus16000", tmp_path / "run", *given)
    assert said in str(caught.value)


@pytest.mark.parametrize("key", ["targets: [rvq]", "codec: encodec-24khz", "codes: codes"])
def test_wav2vec2_is_told_that_it_seeks_no_targets(key: str, file: Path) -> None:
    text = CONFIG.replace("encodecmae-tiny", "wav2vec2-tiny").partition("objective:")[0]
    file.write_text(f"{text}{key}\n{CONFIG[CONFIG.index('segments:') :]}")
    with pytest.raises(SpecError, match=rf":3:1: '{key.partition(':')[0]}' is for encodecmae, not for 'wav2vec2-tiny'"):
        config.load(file)


@pytest.mark.parametrize("key", ["targets: [rvq]", "codec: encodec-24khz"])
def test_codes_stand_alone(key: str, file: Path) -> None:
    file.write_text(f"{CONFIG}codes: codes\n{key}\n")
    with pytest.raises(SpecError, match=rf"'codes' says what they were made with. Take out '{key.partition(':')[0]}'"):
        config.load(file)


def test_a_file_says_what_is_heard_and_sought(file: Path) -> None:
    file.write_text(CONFIG + "targets: [rvq, taught]\ncodec: random:encodec-tiny\n")
    asked = config.load(file).system

    assert isinstance(asked, EncodecMAESystem)
    assert (asked.targets, asked.codec) == ((Path("rvq"), Path("taught")), "random:encodec-tiny")
    assert asked.settings.gamma is None


def test_inputs_decide_the_rate_of_the_corpus() -> None:
    rates = {name: find("encodecmae-tiny", {"inputs": name}).sample_rate for name in ("mel128", "mel256", "encodec")}

    assert rates == {"mel128": 16000, "mel256": 24000, "encodec": 24000}
    assert find("encodecmae-base", {}).sample_rate == 24000


def test_only_what_a_system_is_given_is_part_of_its_identity(music: Path) -> None:
    plain = EncodecMAESystem("encodecmae-base")
    fitted = EncodecMAESystem("encodecmae-tiny", targets=(music / "rvq",))

    assert plain.about == {"codec": "encodec-24khz"}
    assert fitted.about == {**plain.about, "fitted": [earmark.representations.checkpoint.sha256_of(music / "rvq")]}


def coded_music(music: Path, folder: Path) -> Path:
    """Code the corpus at 16 kHz by its codebooks and return the folder."""
    coding.code(corpus.open(music / "corpus16000"), front.load(music / "rvq"), folder / "codes")
    return folder / "codes"
