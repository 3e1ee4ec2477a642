"""The codecs' encoders equal transformers' classes called by hand, and take their published files to the last name."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from bibtexparser.entrypoint import parse_string
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import DacConfig, DacModel, EncodecConfig, EncodecModel

from earmark import audio, conformance, identity, places
from earmark.errors import MissingPart, UserError
from earmark.representations import base, dac, encodec
from earmark.representations.embed import clip_embedding

FILES = {"encodec": encodec, "dac": dac}
PUBLISHED = [(file, variant) for file in FILES.values() for variant in file.CARDS if variant != "tiny"]
# Samples of a file and its rate (None: the network's own). 882 at 44,100 Hz are 320 at 16,000, DAC's least.
STORED = ((882, 44100), (22050, 44100), (44100, 44100), (136710, 44100), (320, None), (321, None), (24001, None))
SAMPLES = (320, 321, 639, 640, 7999, 16000, 24001)


def tiny(file: ModuleType, seed: int = 0) -> Any:
    """The miniature, as loud as a trained network: transformers draws DAC's convolutions too quiet to be compared."""
    made, rng = file.build("tiny", seed), torch.Generator().manual_seed(seed)
    for module in made.modules():
        if isinstance(module, nn.Conv1d) and file is dac:
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear", generator=rng)
    return made


def noise(n_samples: int, rows: int = 1) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def layers_of_encodec(made: encodec.Encodec, heard: Tensor) -> list[Tensor]:
    """Every layer as transformers gives it, each (batch, dim, frames): codes at each bandwidth, then their vectors."""
    model: Any = EncodecModel(EncodecConfig(**encodec.CONFIGURATIONS["tiny"]))
    model.eval()
    missing, unexpected = model.load_state_dict(made.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("decoder.") for name in missing)
    found = [model.encoder(heard[:, None])]
    for bandwidth in model.config.target_bandwidths:
        codes = model.encode(heard[:, None], bandwidth=bandwidth).audio_codes[0]
        found.append(model.quantizer.decode(codes.transpose(0, 1)))
    return found


def layers_of_dac(made: dac.Dac, heard: Tensor) -> list[Tensor]:
    """Both layers as transformers gives them, the second from the codes."""
    model: Any = DacModel(DacConfig(**dac.CONFIGURATIONS["tiny"]))
    model.eval()
    missing, unexpected = model.load_state_dict(made.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("decoder.") for name in missing)
    codes = model.encode(heard[:, None]).audio_codes
    return [model.encoder(heard[:, None]), model.quantizer.from_codes(codes)[0]]


NAIVE: dict[str, Callable[[Any, Tensor], list[Tensor]]] = {"encodec": layers_of_encodec, "dac": layers_of_dac}


@pytest.mark.parametrize(("n_stored", "rate"), STORED)
@pytest.mark.parametrize("name", FILES)
def test_a_clip_equals_the_class_called_once_on_the_whole_resampled_file(
    name: str, n_stored: int, rate: int | None, tmp_path: Path
) -> None:
    made, file = tiny(FILES[name]), tmp_path / "noise.wav"
    own = made.card.sample_rate
    soundfile.write(file, noise(n_stored)[0].numpy(), rate or own, subtype="PCM_16")
    samples = soxr.resample(soundfile.read(file, dtype="float32")[0], rate or own, own, quality="HQ")
    with torch.inference_mode():
        layers = NAIVE[name](made, torch.from_numpy(samples)[None])
        expected = torch.stack([layer.mean(2)[0] for layer in layers]).numpy()
    assert np.abs(expected).max() > 0.1, "small numbers would be equal within any tolerance"
    stored = audio.read(file)
    ours = clip_embedding(made, audio.resample(stored.samples, stored.sample_rate, own))[:, 0]
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_samples", SAMPLES)
@pytest.mark.parametrize("name", FILES)
def test_every_frame_of_every_layer_equals_the_class(name: str, n_samples: int) -> None:
    made, heard = tiny(FILES[name], 1), noise(n_samples)
    with torch.inference_mode():
        expected = torch.stack(NAIVE[name](made, heard), dim=1).transpose(2, 3)
    np.testing.assert_allclose(made(heard), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_samples", SAMPLES)
def test_encodec_has_a_frame_for_each_hop_begun(n_samples: int) -> None:
    assert encodec.build("tiny", 0)(noise(n_samples), [0]).shape[2] == -(-n_samples // 320)


@pytest.mark.parametrize("n_samples", [*SAMPLES, 631, 632])
def test_dac_has_a_frame_for_each_full_hop_and_with_a_stride_of_5_eight_samples_sooner(n_samples: int) -> None:
    assert dac.build("tiny", 0)(noise(n_samples), [0]).shape[2] == (n_samples + 8) // 320


@pytest.mark.parametrize("n_samples", [512, 1023, 1024, 5119, 5120, 44100])
def test_dac_at_44_khz_has_a_frame_for_each_full_hop(n_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {**dac.CONFIGURATIONS["tiny"], "downsampling_ratios": dac.CONFIGURATIONS["44khz"]["downsampling_ratios"]}
    monkeypatch.setitem(dac.CONFIGURATIONS, "tiny", small)
    assert dac.build("tiny", 0)(noise(n_samples), [0]).shape[2] == n_samples // 512


def test_encodec_searches_no_codebook_beyond_the_deepest_layer_asked_for() -> None:
    made, heard = tiny(encodec), noise(8000)
    everything = made(heard)
    made.quantizer.layers = made.quantizer.layers[: made.depths[0]]
    assert torch.equal(made(heard, [1, 0]), everything[:, [1, 0]])
    made.quantizer.layers = nn.ModuleList()
    assert torch.equal(made(heard, [0]), everything[:, [0]])


def test_dac_searches_no_codebook_for_layer_0() -> None:
    made, heard = tiny(dac), noise(8000)
    everything = made(heard)
    made.quantizer = None
    assert torch.equal(made(heard, [0, 0]), everything[:, [0, 0]])


def test_the_codes_of_encodec_are_those_of_the_class_and_their_vectors_add_up_to_the_layers() -> None:
    made, heard = tiny(encodec), noise(8000, 2)
    codes = made.codes(heard)
    assert tuple(codes.shape) == (2, made.depths[-1], 25)
    assert len(codes.unique()) > 8, "one code for everything would prove nothing"
    for layer, depth in enumerate(made.depths, start=1):
        vectors = [made.quantizer.layers[book].decode(codes[:, book]) for book in range(depth)]
        np.testing.assert_allclose(made(heard, [layer])[:, 0], sum(vectors).transpose(1, 2), atol=1e-5)


def test_the_codes_of_dac_are_those_of_the_class() -> None:
    made, heard = tiny(dac), noise(8000, 2)
    model: Any = DacModel(DacConfig(**dac.CONFIGURATIONS["tiny"]))
    model.eval()
    model.load_state_dict(made.state_dict(), strict=False)
    codes = made.codes(heard)
    assert torch.equal(codes, torch.cat([model.encode(row[None, None]).audio_codes for row in heard]))
    assert len(codes.unique()) > 8


@pytest.mark.parametrize("file", FILES.values())
def test_codes_refuse_what_the_embedding_refuses(file: ModuleType) -> None:
    with pytest.raises(UserError, match="Expected mono audio"):
        tiny(file).codes(torch.zeros(1, 2, 4000))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", FILES)
def test_a_miniature_keeps_every_law(name: str, seed: int) -> None:
    assert conformance.broken_by_representation(base.load(f"random:{name}-tiny@{seed}")) == ()


@pytest.mark.parametrize("name", FILES)
def test_a_seed_names_the_weights_and_no_generator_of_others_moves(name: str) -> None:
    before = torch.get_rng_state()
    zero, again, one = (base.load(f"random:{name}-tiny{seed}").card for seed in ("", "@0", "@1"))
    assert torch.equal(before, torch.get_rng_state())
    assert zero == again
    assert zero.weights_sha256 != one.weights_sha256
    assert (zero.name, one.name) == (f"random:{name}-tiny", f"random:{name}-tiny@1")
    assert (zero.trained_on, zero.licence, zero.commercial, zero.sources) == ("nothing", "Apache-2.0", True, ())


def as_published(file: ModuleType, monkeypatch: pytest.MonkeyPatch, home: Path) -> tuple[str, Path]:
    """Let the first published variant be of the miniature's size; return its name and where its weights belong."""
    variant, card = next(iter(file.CARDS.items()))
    small = dataclasses.replace(file.CARDS["tiny"], name=card.name, sources=card.sources)
    monkeypatch.setitem(file.CARDS, variant, small)
    monkeypatch.setitem(file.CONFIGURATIONS, variant, file.CONFIGURATIONS["tiny"])
    monkeypatch.setenv("EARMARK_HOME", str(home))
    folder = places.weights_folder(card.name)
    folder.mkdir(parents=True)
    return card.name, folder / card.sources[0].path


def published_state(made: nn.Module, old_names: bool) -> dict[str, Tensor]:
    """The state as published: with a decoder, and where asked with torch's first names of weight normalisation."""
    state = {"decoder.conv1.weight": torch.ones(3), **made.state_dict()}
    if old_names:
        for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
            state = {name.replace(f"parametrizations.weight.{new}", old): value for name, value in state.items()}
    return state


@pytest.mark.parametrize(("name", "old_names"), [("encodec", False), ("encodec", True), ("dac", False)])
def test_weights_that_were_saved_give_the_network_that_they_came_from(
    name: str, old_names: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, path = as_published(FILES[name], monkeypatch, tmp_path)
    made, heard = tiny(FILES[name], 3), noise(8000)
    state = published_state(made, old_names)
    assert old_names == any(key.endswith("weight_g") for key in state)
    save_file(state, path)
    before = torch.get_rng_state()
    loaded = base.load(called)
    assert torch.equal(before, torch.get_rng_state()), "the class draws weights while it is built"
    assert torch.equal(loaded(heard), made(heard))
    assert loaded.card.name == called
    assert loaded.card.weights_sha256 == identity.file_sha256(path)
    assert conformance.broken_by_representation(loaded) == ()


@pytest.mark.parametrize("name", FILES)
def test_a_parameter_too_many_too_few_or_of_another_shape_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, path = as_published(FILES[name], monkeypatch, tmp_path)
    state = published_state(tiny(FILES[name]), old_names=False)
    first = next(key for key in state if key.startswith("encoder.") and key.endswith("bias"))
    without = {key: value for key, value in state.items() if key != first}
    wrong: dict[str, dict[str, Tensor]] = {
        f"Missing key.*{first}": without,
        "Unexpected key.*encoder.extra": {**state, "encoder.extra": torch.ones(1)},
        f"size mismatch for {first}": {**without, first: torch.ones(999)},
    }
    for said, content in wrong.items():
        save_file(content, path)
        with pytest.raises(UserError, match=f"(?s)weights of '{called}'.*{said}.*earmark get weights {called}"):
            base.load(called)


@pytest.mark.parametrize("name", FILES)
def test_missing_weights_say_what_to_type_and_a_miniature_has_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    called = next(iter(FILES[name].CARDS.values())).name
    with pytest.raises(MissingPart, match=f"earmark get weights {called}"):
        base.load(called)
    with pytest.raises(UserError, match=rf"has no weights\. Write 'random:{name}-tiny'"):
        base.load(f"{name}-tiny")


@pytest.mark.parametrize(("file", "variant"), PUBLISHED, ids=lambda value: getattr(value, "__name__", value))
def test_the_card_says_what_the_network_is(file: ModuleType, variant: str) -> None:
    card = file.CARDS[variant]
    with torch.device("meta"):
        made = file._network(file.CONFIGURATIONS[variant], card)
    assert card.n_parameters == sum(parameter.numel() for parameter in made.parameters())
    configuration = file.CONFIGURATIONS[variant]
    last = made.encoder.layers[-1].conv if file is encodec else made.encoder.conv2
    assert card.dim == last.out_channels
    ratios = configuration.get("upsampling_ratios") or configuration["downsampling_ratios"]
    assert card.sample_rate == configuration["sampling_rate"]
    assert card.frame_rate_hz == card.sample_rate / np.prod(ratios)
    assert card.min_samples == np.prod(ratios)
    assert not parse_string(card.bibtex).failed_blocks
    if file is encodec:
        assert made.depths == (2, 4, 8, 16, 32)
        assert card.layers == 1 + len(made.depths)
    else:
        assert f"all {len(made.quantizer.quantizers)} codebooks" in card.layer_0


def test_what_encodec_was_published_with_is_what_transformers_documents_for_it() -> None:
    documented = EncodecConfig()
    for setting, ours in encodec.PUBLISHED.items():
        theirs = getattr(documented, setting)
        assert (list(theirs) if isinstance(theirs, tuple) else theirs) == ours, setting


@pytest.mark.parametrize("variant", ["44khz", "24khz"])
def test_the_published_file_has_room_for_exactly_the_tensors_of_dac(variant: str) -> None:
    with torch.device("meta"):
        model = DacModel(DacConfig(**dac.CONFIGURATIONS[variant]))
    size_bytes = dac.CARDS[variant].sources[0].size_bytes
    tensors = model.state_dict()
    header = (size_bytes or 0) - 4 * sum(tensor.numel() for tensor in tensors.values())
    assert 80 * len(tensors) < header < 120 * len(tensors), "a header of safetensors is about a hundred bytes a tensor"


def test_a_list_of_cards_needs_no_transformers() -> None:
    files = ", ".join(FILES)
    code = f"import sys; from earmark.representations import {files}, clap; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encodec-24khz", "dac-44khz", "dac-24khz", "dac-16khz"])
def test_the_network_of_full_size_hears_half_a_second(name: str) -> None:
    made = base.load(f"random:{name}")
    card = made.card
    answer = made(noise(card.sample_rate // 2, 2))
    assert tuple(answer.shape[:2]) == (2, card.layers)
    assert abs(answer.shape[2] - card.frame_rate_hz / 2) <= 1
    assert answer.shape[3] == card.dim
    assert torch.isfinite(answer).all()
