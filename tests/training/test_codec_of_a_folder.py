"""An EnCodec of yours in a folder, `codec: path:FOLDER`, is heard, sought and loaded again like any other."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import earmark
from earmark.errors import UserError
from earmark.representations import encodec
from earmark.representations.encodecmae import front, inputs, targets
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.inputs import EncodecFrames
from earmark.training import coding, corpus
from earmark.training.pretrain import pretrain
from earmark.training.systems import EncodecMAESystem
from tests.training.made_codes import noisy_corpus
from tests.training.made_corpora import audio_folder

CONFIG = """\
name: small
representation: encodecmae-tiny
objective:
  {dim: 16, heads: 2, head_dim: 8, encoder_layers: 2, decoder_layers: 1, ffn_dim: 24,
   inputs: encodec, targets: codec, n_streams: 2, n_codes: 32, gamma: null}
segments: {kind: random, by: windows, segment_s: 0.8}
steps: 2
batch_s: 2.4
portion_s: 2.4
schedule: {learning_rate: 1.0e-2, kind: constant}
save_every_steps: 2
"""


def codec_folder(folder: Path, rate: int = 24000) -> Path:
    """Save an EnCodec of a shape that has no name here: 12 numbers, 32 codes, strides 5, 4, 4, 4."""
    from transformers import EncodecConfig, EncodecModel

    settings = {**encodec.CONFIGURATIONS["tiny"], "hidden_size": 12, "codebook_size": 32, "sampling_rate": rate}
    torch.manual_seed(0)
    made: Any = EncodecModel(EncodecConfig(**{**settings, "upsampling_ratios": [5, 4, 4, 4]}))
    for stage in made.quantizer.layers:
        nn.init.normal_(stage.codebook.embed)
    made.save_pretrained(folder)
    heard = {"feature_extractor_type": "EncodecFeatureExtractor", "sampling_rate": rate, "feature_size": 1}
    (folder / "preprocessor_config.json").write_text(json.dumps(heard))
    return folder


@pytest.fixture
def codec(tmp_path: Path) -> Path:
    """In a folder that is not the current one."""
    return codec_folder(tmp_path / "codecs" / "mine")


def test_codes_by_a_codec_of_a_folder_are_read_again(codec: Path, tmp_path: Path) -> None:
    found = inputs.load_codec(f"path:{codec}")
    heard = EncodecFrames(found)
    made = Front(heard, targets.of_codec(found, heard, 2))
    coding.code(noisy_corpus(tmp_path / "corpus", 24000), made, tmp_path / "codes")
    again = front.load(tmp_path / "codes" / "front")
    audio = torch.randn(1, 24000)

    assert heard.codec_name == f"path:{codec}"
    for ours, theirs in zip(again(audio), made(audio), strict=True):
        assert torch.equal(ours, theirs)


def test_a_network_that_hears_a_codec_of_a_folder_needs_only_its_own_folder(codec: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yml").write_text(CONFIG)
    corpus.build([audio_folder(tmp_path / "sounds", 3, 4.0)], tmp_path / "corpus", 24000)
    made = pretrain(
        tmp_path / "small.yml",
        corpus_folder=tmp_path / "corpus",
        folder=tmp_path / "run",
        overrides=(f"codec=path:{codec}",),
    )
    shutil.rmtree(codec)
    network = earmark.load_representation(f"path:{made.checkpoint}")

    assert network(torch.randn(1, 24000)).shape == (1, 3, 75, 16)


def test_a_codec_that_changed_in_its_folder_is_another(codec: Path, tmp_path: Path) -> None:
    name = f"path:{codec}"
    before = EncodecMAESystem("encodecmae-base", codec=name).about
    heard = EncodecFrames(inputs.load_codec(name))
    coding.code(
        noisy_corpus(tmp_path / "corpus", 24000),
        Front(heard, targets.of_codec(inputs.load_codec(name), heard, 2)),
        tmp_path / "codes",
    )
    state = load_file(codec / "model.safetensors")
    state["quantizer.layers.0.codebook.embed"][3] += 1
    save_file(state, codec / "model.safetensors", {"format": "pt"})

    assert EncodecMAESystem("encodecmae-base", codec=name).about != before
    with pytest.raises(UserError, match=r"was made with other codebooks of 'path:.*mine' than are here\. Restore"):
        front.load(tmp_path / "codes" / "front")


def test_a_codec_of_another_rate_is_refused_where_it_would_hear_too_fast(tmp_path: Path) -> None:
    """The network's inputs say 24 kHz, whatever codec makes them."""
    slow = codec_folder(tmp_path / "slow", rate=16000)
    settings = {"inputs": "encodec", "targets": "codec", "n_streams": 2, "n_codes": 32, "gamma": None}
    with pytest.raises(UserError, match=r"Expected inputs at 24000 Hz, got 'encodec' at 16000 Hz\. Name a codec of"):
        EncodecMAESystem("encodecmae-tiny", settings, codec=f"path:{slow}").build(0)
