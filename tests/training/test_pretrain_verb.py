"""`earmark pretrain`, from a folder of audio to a representation, and its refusals."""

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
from earmark.errors import UserError
from earmark.training import corpus
from earmark.training.job import Hardware
from earmark.training.pretrain import Pretrained, pretrain

CONFIG = """\
name: small
representation: wav2vec2-tiny
objective:
  network:
    {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32,
     conv_dim: [8, 8, 8, 8, 8, 8, 8], num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 4}
segments: {kind: random, segment_s: 0.5}
steps: 12
batch_s: 4
portion_s: 2
schedule: {learning_rate: 1.0e-3, warm_up_steps: 2}
save_every_steps: 3
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of four tracks of two seconds."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(4):
        noise = earmark.identity.generator("made", number).standard_normal(32000)
        soundfile.write(folder / f"{number}.wav", 0.1 * noise.astype(np.float32), 16000)
    corpus.build([folder], folder / "corpus")
    return folder / "corpus"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "small.yml").write_text(CONFIG)
    return tmp_path / "small.yml"


def trained(config: Path, music: Path, folder: Path, *overrides: str, resume: bool = False) -> Pretrained:
    return pretrain(config, corpus_folder=music, folder=folder, overrides=overrides, resume=resume)


def test_what_comes_out_is_a_representation_with_a_card(config: Path, music: Path, tmp_path: Path) -> None:
    made = trained(config, music, tmp_path / "run")
    loaded = earmark.load_representation(f"path:{made.checkpoint}")
    card = json.loads((made.checkpoint / "card.json").read_text())

    assert (made.steps, made.audio_s) == (12, 48.0)
    assert loaded(torch.zeros(1, 4000)).shape == (1, 3, 12, 16)
    assert card["corpus"] == corpus.open(music).key
    assert card["recipe"]["segments_per_step"] == 8
    assert [alarm["name"] for alarm in card["alarms"]] == ["phase_noise"]
    assert {"accuracy", "perplexity_soft_0", "gradient_norm_quantiser"} <= card["monitors"].keys()


def test_the_file_it_leaves_makes_the_same_network_again(config: Path, music: Path, tmp_path: Path) -> None:
    made = trained(config, music, tmp_path / "run", "steps=2")
    again = trained(tmp_path / "run" / "config.yml", music, tmp_path / "again")

    assert (made.checkpoint / "model.safetensors").read_bytes() == (again.checkpoint / "model.safetensors").read_bytes()


def test_wav2vec2_that_was_killed_and_resumed_ends_with_the_same_bits(
    config: Path, music: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "earmark", "pretrain", str(config), "--corpus", str(music), "-o"]
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [*command, str(cut), "--set", "steps=100", "-q"], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while process.poll() is None and not list(cut.glob("checkpoints/small-step-[1-9]*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    assert 0 < len((cut / "curve.jsonl").read_text().splitlines()) < 100
    resumed = trained(config, music, cut, "steps=100", resume=True)
    whole = trained(config, music, tmp_path / "whole", "steps=100")
    ours, theirs = (load_file(one.checkpoint / "model.safetensors") for one in (resumed, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_held_out_tracks_are_validated_on_and_not_learnt_from(config: Path, music: Path, tmp_path: Path) -> None:
    made = trained(config, music, tmp_path / "run", "validation={share: 0.3, segments: 6}")
    card = json.loads((made.checkpoint / "card.json").read_text())

    assert [one["step"] for one in card["validation"]] == [3, 6, 9, 12]
    assert card["trained_on"].endswith(corpus.held_out(corpus.open(music), 0.3)[0].key)


def test_untouched_tracks_are_the_same_for_every_seed_and_a_card_marks_all_the_others(
    config: Path, music: Path, tmp_path: Path
) -> None:
    opened = corpus.open(music)
    of_seeds = [
        trained(
            config, music, tmp_path / str(seed), "steps=1", f"seed={seed}", "untouched=0.3", "validation={share: 0.3}"
        )
        for seed in (0, 1)
    ]
    cards = [json.loads((made.checkpoint / "card.json").read_text()) for made in of_seeds]
    assert cards[0]["heard"] == cards[1]["heard"]
    left = [track.id for track in opened.tracks if track.sha256[:12] not in cards[0]["heard"].split()]
    assert sorted(track.id for track in corpus.held_out(opened, 0.3, 0)[1].tracks) == left
    assert 0 < len(left) < len(opened.tracks) - 1
    assert cards[0]["untouched"] == 0.3


def test_a_corpus_of_another_rate_is_refused(config: Path, music: Path, tmp_path: Path) -> None:
    corpus.build([music.parent], tmp_path / "other", sample_rate=8000)

    with pytest.raises(UserError, match="Expected a corpus at 16000 Hz for 'wav2vec2-tiny', got 8000 Hz"):
        trained(config, tmp_path / "other", tmp_path / "run")


def test_a_segment_longer_than_every_track_is_refused_and_nothing_is_written(
    config: Path, music: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="Take a shorter window"):
        trained(config, music, tmp_path / "run", "segments.segment_s=3")
    assert not (tmp_path / "run").exists()


def test_no_corpus_is_said_to_be_missing(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"or by --corpus\. Make one: earmark corpus build"):
        pretrain(config, folder=tmp_path / "run", hardware=Hardware())
