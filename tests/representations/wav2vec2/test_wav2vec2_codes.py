"""`codes` of wav2vec 2.0: what transformers' quantiser chooses in evaluation, wherever a quantiser was saved."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForPreTraining

from earmark import identity
from earmark.catalogue import codes as counting
from earmark.catalogue import recordings
from earmark.errors import UserError
from earmark.representations import base, checkpoint
from earmark.representations._speech import Speech
from earmark.training.systems import Wav2Vec2System

GROUPS, ENTRIES = 2, 12
NETWORK: dict[str, Any] = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    **{"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4},
    **{"num_codevector_groups": GROUPS, "num_codevectors_per_group": ENTRIES, "codevector_dim": 8},
    **{"proj_codevector_dim": 8},
}
CARD = {"trained_on": "nothing", "objective": "none", "licence": "CC0-1.0"}


def noise(n_samples: int, rows: int = 1) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def saved_by_transformers(folder: Path, groups: int = GROUPS) -> Wav2Vec2ForPreTraining:
    """A whole pre-training network of random weights, as transformers saves it."""
    config = Wav2Vec2Config.from_dict({**NETWORK, "conv_dim": (8,) * 7, "num_codevector_groups": groups})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        made = Wav2Vec2ForPreTraining(config)
    made.quantizer.codevectors.data.copy_(torch.randn(made.quantizer.codevectors.shape))
    nn.Module.eval(made)
    made.save_pretrained(folder)
    extractor: Any = Wav2Vec2FeatureExtractor
    extractor(do_normalize=True).save_pretrained(folder)
    return made


def ours(folder: Path, name: str) -> None:
    """A checkpoint of ours."""
    network = {**NETWORK, "conv_dim": [8] * 7} if name == "wav2vec2-tiny" else NETWORK
    system = Wav2Vec2System(name, {"network": network})
    checkpoint.write(folder, system.contents(system.build(0)), CARD)


def loaded(folder: Path) -> Speech:
    found = base.load(f"path:{folder}")
    assert isinstance(found, Speech)
    return found


def codes(network: Speech, audio: Tensor) -> Tensor:
    assert network.codes is not None
    return network.codes(audio)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_codes_name_the_vectors_that_transformers_quantiser_gives(groups: int, tmp_path: Path) -> None:
    theirs = saved_by_transformers(tmp_path, groups)
    network = loaded(tmp_path)
    audio = noise(8000, rows=2)
    normalised = (audio - audio.mean(1, keepdim=True)) / torch.sqrt(audio.var(1, correction=0, keepdim=True) + 1e-7)
    with torch.no_grad():
        vectors, _ = theirs.quantizer(theirs.wav2vec2(normalised).extract_features)

    found = codes(network, audio)

    assert found.shape == (2, groups, 24)
    entries = theirs.quantizer.codevectors.view(groups, ENTRIES, -1)
    with torch.no_grad():
        looked_up = torch.cat([entries[group][found[:, group].clone()] for group in range(groups)], dim=-1)
    torch.testing.assert_close(looked_up, vectors, rtol=0, atol=1e-6)
    assert network.codebook_size == ENTRIES
    assert len(set(found.flatten().tolist())) > 3, "one code everywhere would be right by chance"


@pytest.mark.parametrize("name", ["wav2vec2-tiny", "wav2vec2-mel-tiny"])
def test_a_checkpoint_of_ours_keeps_its_quantiser(name: str, tmp_path: Path) -> None:
    ours(tmp_path / "one", name)
    found = codes(loaded(tmp_path / "one"), noise(8000))
    assert found.shape[:2] == (1, GROUPS)
    assert 0 <= int(found.min()) <= int(found.max()) < ENTRIES


def test_of_our_checkpoint_transformers_quantiser_says_the_same(tmp_path: Path) -> None:
    ours(tmp_path / "one", "wav2vec2-tiny")
    theirs = Wav2Vec2ForPreTraining.from_pretrained(tmp_path / "one")
    audio = noise(6000)
    given = Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "one")(
        audio[0].numpy(), sampling_rate=16000, return_tensors="pt"
    ).input_values
    with torch.no_grad():
        vectors, _ = theirs.quantizer(theirs.wav2vec2(given).extract_features)
    entries = theirs.quantizer.codevectors.view(GROUPS, ENTRIES, -1)
    found = codes(loaded(tmp_path / "one"), audio)
    with torch.no_grad():
        looked_up = torch.cat([entries[group][found[:, group].clone()] for group in range(GROUPS)], dim=-1)
    torch.testing.assert_close(looked_up, vectors, rtol=0, atol=1e-6)


def test_a_network_saved_without_its_heads_has_no_codes_and_says_so(tmp_path: Path) -> None:
    theirs: Any = saved_by_transformers(tmp_path)
    theirs.wav2vec2.save_pretrained(tmp_path)
    assert loaded(tmp_path).codes is None
    assert loaded(tmp_path).codebook_size is None
    with pytest.raises(UserError, match=r"has no codes\. Codecs have, .* and a wav2vec 2\.0 saved with its quantiser"):
        counting.codes(recordings.Recordings("none", ()), f"path:{tmp_path}", "label")


def test_a_quantiser_of_other_settings_is_refused(tmp_path: Path) -> None:
    saved_by_transformers(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**settings, "num_codevectors_per_group": 5}))
    with pytest.raises(UserError, match=r"Expected a quantiser of 10 logits of 8 channels, .* got \(24, 8\)"):
        base.load(f"path:{tmp_path}")


def test_the_codes_of_a_checkpoint_are_counted_with_labels(tmp_path: Path) -> None:
    ours(tmp_path / "one", "wav2vec2-tiny")
    rng = identity.generator("test", "wav2vec2 codes")
    for place in range(4):
        label = tmp_path / "audio" / "ab"[place % 2]
        label.mkdir(parents=True, exist_ok=True)
        soundfile.write(label / f"{place}.wav", 0.1 * rng.standard_normal(8000), 16000)
    heard = recordings.of_dataset("folder", tmp_path / "audio", "label")

    found = counting.codes(heard, f"path:{tmp_path / 'one'}", "label")

    together, first, second = found.rows
    assert [row.groups for row in found.rows] == [(0, 1), (0,), (1,)]
    assert (together.n_possible, first.n_possible) == (ENTRIES**2, ENTRIES)
    assert together.found.n_frames == first.found.n_frames == 4 * 24
    assert second.found.n_used <= together.found.n_used
