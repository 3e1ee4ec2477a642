"""`path:FOLDER` of EnCodec, DAC and CLAP: a folder that transformers saved gives what its class gives."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    DacConfig,
    DacFeatureExtractor,
    DacModel,
    EncodecConfig,
    EncodecFeatureExtractor,
    EncodecModel,
)

from earmark import conformance, identity
from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations import base, clap, dac, encodec

TEXT = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
# Not the published shapes: other rates, hops and depths, so that nothing can be right by being copied from a card.
ENCODEC: Mapping[str, Any] = {
    **{"sampling_rate": 8000, "upsampling_ratios": [4, 4, 2], "use_causal_conv": False, "hidden_size": 12},
    **{"num_filters": 2, "codebook_size": 64, "target_bandwidths": [1.5, 3.0], "num_lstm_layers": 1},
}
DAC: Mapping[str, Any] = {
    **{"sampling_rate": 8000, "downsampling_ratios": [2, 4, 5], "n_codebooks": 2, "codebook_size": 16},
    **{"encoder_hidden_size": 4, "decoder_hidden_size": 32, "codebook_dim": 4},
}
CLAP: Mapping[str, Any] = {
    **{"patch_embeds_hidden_size": 8, "hidden_size": 16, "depths": [1, 2], "num_attention_heads": [1, 2]},
    "projection_dim": 10,
}
EXTRACTOR: Mapping[str, Any] = {
    **{"frequency_min": 50, "frequency_max": 14000, "truncation": "rand_trunc", "padding": "repeatpad"}
}


def noise(n_samples: int, rows: int = 1) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def drawn(network: Any) -> Any:
    """Draw all weights of a network anew, so that no layer is silent and no codebook empty, as some are at first."""
    rng = torch.Generator().manual_seed(identity.seed_for("test", "saved networks"))
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point() and "running" not in name and "logit_scale" not in name:
            with torch.no_grad():
                tensor.copy_(torch.randn(tensor.shape, generator=rng) / max(1, tensor[0].numel()) ** 0.5)
    network.eval()
    return network


def save(network: Any, extractor: Any, folder: Path, *, safe: bool = True) -> None:
    network.save_pretrained(folder)
    extractor.save_pretrained(folder)
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(network.state_dict(), folder / "pytorch_model.bin")


def saved_encodec(folder: Path, *, safe: bool = True) -> Any:
    network = drawn(EncodecModel(EncodecConfig(**ENCODEC)))
    save(network, EncodecFeatureExtractor(sampling_rate=8000), folder, safe=safe)
    return network


def saved_dac(folder: Path, *, safe: bool = True) -> Any:
    network = drawn(DacModel(DacConfig(**DAC)))
    save(network, DacFeatureExtractor(sampling_rate=8000, hop_length=40), folder, safe=safe)
    return network


def saved_clap(folder: Path, *, safe: bool = True) -> Any:
    config = ClapConfig(audio_config=dict(CLAP), text_config=TEXT, projection_dim=10)
    with torch.random.fork_rng():
        torch.manual_seed(2)  # with some weights a network this small says the same of every sound
        network: Any = ClapModel(config)
    network.eval()
    save(network, ClapFeatureExtractor(**EXTRACTOR), folder, safe=safe)
    return network


SAVED = {"encodec": saved_encodec, "dac": saved_dac, "clap": saved_clap}


def of_encodec(network: Any, heard: Tensor) -> Tensor:
    """Every layer by the class: what its encoder says, then the vectors of the codes at each bandwidth."""
    found = [network.encoder(heard[:, None])]
    for bandwidth in network.config.target_bandwidths:
        codes = network.encode(heard[:, None], bandwidth=bandwidth).audio_codes[0]
        found.append(network.quantizer.decode(codes.transpose(0, 1)))
    return torch.stack(found, dim=1).transpose(2, 3)


def of_dac(network: Any, heard: Tensor) -> Tensor:
    """Both layers by the class, the second from the codes."""
    codes = network.encode(heard[:, None]).audio_codes
    found = [network.encoder(heard[:, None]), network.quantizer.from_codes(codes)[0]]
    return torch.stack(found, dim=1).transpose(2, 3)


def of_clap(network: Any, heard: Tensor) -> Tensor:
    """The one vector by the class, behind its own extractor."""
    given = ClapFeatureExtractor(**EXTRACTOR)(list(heard.numpy()), sampling_rate=48000, return_tensors="pt")
    vector: Tensor = network.get_audio_features(given["input_features"]).pooler_output
    return vector[:, None, None]


BY_CLASS = {"encodec": of_encodec, "dac": of_dac, "clap": of_clap}
LENGTHS = {"encodec": (32, 33, 95, 96, 8000), "dac": (40, 41, 79, 80, 8000), "clap": (1024, 48000, 480_000)}


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("kind", SAVED)
def test_a_saved_folder_gives_what_its_class_gives(kind: str, safe: bool, tmp_path: Path) -> None:
    network = SAVED[kind](tmp_path, safe=safe)
    before = torch.get_rng_state()
    found = base.load(f"path:{tmp_path}")
    assert torch.equal(before, torch.get_rng_state()), "the class draws weights while it is built"
    for n_samples in LENGTHS[kind]:
        heard = noise(n_samples)
        with torch.inference_mode():
            expected = BY_CLASS[kind](network, heard)
        assert expected.abs().max() > 1e-2, "small numbers would be equal within any tolerance"
        np.testing.assert_allclose(found(heard), expected, rtol=1e-5, atol=1e-5)


def test_weights_in_the_form_that_torch_wrote_before_2020_are_read_too(tmp_path: Path) -> None:
    network = saved_dac(tmp_path, safe=False)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    with torch.inference_mode():
        expected = of_dac(network, noise(8000))
    np.testing.assert_allclose(base.load(f"path:{tmp_path}")(noise(8000)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", SAVED)
def test_a_saved_folder_keeps_every_law_of_representations(kind: str, tmp_path: Path) -> None:
    SAVED[kind](tmp_path)
    assert conformance.broken_by_representation(base.load(f"path:{tmp_path}")) == ()


@pytest.mark.parametrize(
    ("kind", "rate", "frame_rate_hz", "dim", "layers", "min_samples"),
    [("encodec", 8000, 250.0, 12, 3, 32), ("dac", 8000, 200.0, 32, 2, 40), ("clap", 48000, 0.0, 10, 1, 1024)],
)
def test_the_card_of_a_saved_folder_is_that_of_its_settings(
    kind: str, rate: int, frame_rate_hz: float, dim: int, layers: int, min_samples: int, tmp_path: Path
) -> None:
    SAVED[kind](tmp_path)
    card = base.load(f"path:{tmp_path}").card
    assert (card.sample_rate, card.frame_rate_hz, card.dim, card.layers) == (rate, frame_rate_hz, dim, layers)
    assert (card.min_samples, card.name) == (min_samples, f"path:{tmp_path.name}")
    assert (card.licence, card.commercial, card.sources) == ("unknown: see its page", False, ())
    assert len(card.weights_sha256) == 32


def shape(card: Card) -> tuple[object, ...]:
    return (card.sample_rate, card.frame_rate_hz, card.dim, card.layers, card.min_samples, card.max_samples)


def test_published_settings_give_the_shape_of_the_published_cards() -> None:
    with torch.device("meta"):
        made = encodec._network(encodec.PUBLISHED, encodec.CARD)
    assert shape(encodec._shaped(made)) == shape(encodec.CARD)
    for variant, settings in dac.CONFIGURATIONS.items():
        assert dac._shaped(dac.CARDS[variant], DacConfig(**settings).to_dict()) == dac.CARDS[variant]
    assert dac._shaped(dac.CARD, dac.CONFIGURATIONS["44khz"]) == dac.CARD


def test_clap_was_published_with_what_a_folder_is_held_to() -> None:
    theirs = ClapFeatureExtractor(**EXTRACTOR).to_dict()
    assert {key: theirs[key] for key in clap.HEARD} == clap.HEARD
    assert ClapAudioConfig().num_mel_bins == clap.PUBLISHED["num_mel_bins"]


def change(file: Path, **settings: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


@pytest.mark.parametrize(
    ("kind", "file", "wrong", "message"),
    [
        (
            "encodec",
            "config.json",
            {"audio_channels": 2},
            r"says audio_channels: 2; expected 1\. earmark hears EnCodec",
        ),
        ("encodec", "config.json", {"normalize": True}, "says normalize: True; expected False"),
        ("encodec", "config.json", {"chunk_length_s": 1.0}, r"says chunk_length_s: 1\.0; expected None"),
        ("encodec", "preprocessor_config.json", {"sampling_rate": 24000}, "24000, but config.json beside it says 8000"),
        ("dac", "preprocessor_config.json", {"sampling_rate": 44100}, "44100, but config.json beside it says 8000"),
        (
            "clap",
            "preprocessor_config.json",
            {"frequency_min": 0},
            r"says frequency_min: 0; expected 50\.0, as of clap",
        ),
        ("clap", "preprocessor_config.json", {"truncation": "fusion"}, "says truncation: fusion; expected rand_trunc"),
        ("clap", "config.json", {"audio_config": {**CLAP, "enable_fusion": True}}, "says enable_fusion: True"),
        ("dac", "config.json", {"n_codebooks": 3}, r"(?s)Missing key.*quantizer.*Save settings and weights of one net"),
    ],
)
def test_a_folder_that_earmark_cannot_follow_says_which_setting(
    kind: str, file: str, wrong: Mapping[str, object], message: str, tmp_path: Path
) -> None:
    SAVED[kind](tmp_path)
    change(tmp_path / file, **wrong)
    with pytest.raises(UserError, match=message):
        base.load(f"path:{tmp_path}")


def test_a_codec_is_heard_without_a_preprocessor_and_clap_is_not(tmp_path: Path) -> None:
    for kind in ("dac", "clap"):
        SAVED[kind](tmp_path / kind)
        (tmp_path / kind / "preprocessor_config.json").unlink()
    assert base.load(f"path:{tmp_path / 'dac'}").card.sample_rate == 8000
    with pytest.raises(UserError, match=r"Expected preprocessor_config\.json in"):
        base.load(f"path:{tmp_path / 'clap'}")
