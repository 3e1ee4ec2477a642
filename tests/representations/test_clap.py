"""CLAP's audio tower sees what the published extractor computes, and says what transformers' class says."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from bibtexparser.entrypoint import parse_string
from torch import Tensor, nn
from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel
from transformers.audio_utils import mel_filter_bank

from earmark import audio, conformance, identity, places
from earmark.errors import MissingPart, UserError
from earmark.representations import base, clap
from earmark.representations.embed import clip_embedding, frame_embeddings

SAMPLES = (1024, 1025, 48000, 100_003, 239_999, 240_000, 240_001, 479_999, 480_000)
TEXT = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}


def noise(n_samples: int, rows: int = 1) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def tone(n_samples: int) -> Tensor:
    return (0.5 * torch.sin(2 * torch.pi * 440.0 * torch.arange(n_samples, dtype=torch.float64) / 48000)).float()[None]


def published_extractor() -> ClapFeatureExtractor:
    return ClapFeatureExtractor(
        frequency_min=50, frequency_max=14000, truncation="rand_trunc", padding="repeatpad", top_db=None
    )


def extracted(heard: Tensor) -> Tensor:
    given = published_extractor()(list(heard.numpy()), sampling_rate=48000, return_tensors="pt")
    features: Tensor = given["input_features"]
    return features


def tiny(seed: int = 0) -> clap.Clap:
    """The miniature, with norms and attention that are not neutral, as they are after training."""
    made, rng = clap.build("tiny", seed), torch.Generator().manual_seed(seed)
    for name, tensor in made.tower.state_dict().items():
        if "relative_position_bias" in name or ("norm" in name and tensor.is_floating_point()):
            tensor.add_(0.3 * torch.rand(tensor.shape, generator=rng))
    return made


def whole_model(made: clap.Clap) -> Any:
    """The class with both towers, as published, around the audio tower of a miniature."""
    sizes = dict(clap.CONFIGURATIONS["tiny"])
    model: Any = ClapModel(ClapConfig(audio_config=sizes, text_config=TEXT, projection_dim=sizes["projection_dim"]))
    model.eval()
    missing, unexpected = model.load_state_dict(made.tower.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith(("text_", "logit_scale")) for name in missing)
    return model


def test_the_filters_are_those_of_transformers() -> None:
    theirs = mel_filter_bank(513, 64, 50, 14000, 48000, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(clap.mel_filters().numpy().T, theirs, atol=1e-12)


@pytest.mark.parametrize("n_samples", SAMPLES)
@pytest.mark.parametrize("sound", [noise, tone])
def test_the_picture_equals_the_published_extractor(sound: Callable[[int], Tensor], n_samples: int) -> None:
    heard = sound(n_samples)
    ours = clap.LogMel()(clap.ten_seconds(heard))
    assert tuple(ours.shape) == (1, 1001, 64)
    np.testing.assert_allclose(ours, extracted(heard)[:, 0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_samples", SAMPLES)
def test_the_embedding_equals_the_class_behind_the_published_extractor(n_samples: int) -> None:
    made, heard = tiny(), noise(n_samples, 2)
    with torch.inference_mode():
        expected = whole_model(made).get_audio_features(extracted(heard)).pooler_output
    np.testing.assert_allclose(made(heard)[:, 0, 0], expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(made(heard).norm(dim=-1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("seconds", [0.03, 0.9, 3.0, 5.0, 7.7, 9.999])
def test_a_clip_equals_the_class_called_once_on_the_whole_resampled_file(seconds: float, tmp_path: Path) -> None:
    made, file = tiny(1), tmp_path / "noise.wav"
    soundfile.write(file, noise(round(seconds * 44100))[0].numpy(), 44100, subtype="PCM_16")
    samples, rate = soundfile.read(file, dtype="float32")
    heard = torch.from_numpy(soxr.resample(samples, rate, 48000, quality="HQ"))[None]
    with torch.inference_mode():
        expected = whole_model(made).get_audio_features(extracted(heard)).pooler_output
    stored = audio.read(file)
    ours = clip_embedding(made, audio.resample(stored.samples, stored.sample_rate, 48000))
    np.testing.assert_allclose(ours[:, 0], expected, atol=1e-5, rtol=0)
    assert not ours[:, 1].any(), "one frame does not deviate from itself"


def test_a_long_clip_has_a_vector_for_each_segment_and_is_refused_in_one() -> None:
    made, samples = tiny(), noise(25 * 48000)[0].numpy()
    frames = list(frame_embeddings(made, samples, segment_s=10.0))
    assert [one.shape for one in frames] == [(1, 1, 12)] * 3
    with pytest.raises(UserError, match=r"takes at most 480000 samples .* got 1200000\. Write segment_s: 10, or less"):
        made(torch.from_numpy(samples)[None])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_miniature_keeps_every_law(seed: int) -> None:
    assert conformance.broken_by_representation(base.load(f"random:clap-tiny@{seed}")) == ()


def test_a_seed_names_the_weights_and_no_generator_of_others_moves() -> None:
    before = torch.get_rng_state()
    zero, again, one = (base.load(f"random:clap-tiny{seed}").card for seed in ("", "@0", "@1"))
    assert torch.equal(before, torch.get_rng_state())
    assert zero == again
    assert zero.weights_sha256 != one.weights_sha256
    assert (zero.name, one.name) == ("random:clap-tiny", "random:clap-tiny@1")
    assert (zero.trained_on, zero.licence, zero.commercial, zero.sources) == ("nothing", "Apache-2.0", True, ())


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the weights of the published variant belong, which here is of the miniature's size."""
    card = clap.CARD
    small = dataclasses.replace(clap.CARDS["tiny"], name=card.name, sources=card.sources)
    monkeypatch.setitem(clap.CARDS, "htsat-unfused", small)
    monkeypatch.setitem(clap.CONFIGURATIONS, "htsat-unfused", clap.CONFIGURATIONS["tiny"])
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    folder = places.weights_folder(card.name)
    folder.mkdir(parents=True)
    return folder / card.sources[0].path


def test_weights_saved_with_both_towers_give_the_audio_tower_that_they_came_from(path: Path) -> None:
    made, heard = tiny(3), noise(48000)
    torch.save(whole_model(made).state_dict(), path)
    before = torch.get_rng_state()
    loaded = base.load("clap-htsat-unfused")
    assert torch.equal(before, torch.get_rng_state()), "the class draws weights while it is built"
    assert torch.equal(loaded(heard), made(heard))
    assert loaded.card.weights_sha256 == identity.file_sha256(path)
    assert conformance.broken_by_representation(loaded) == ()


def test_a_parameter_too_many_too_few_or_of_another_shape_is_named(path: Path) -> None:
    state = whole_model(tiny()).state_dict()
    bias = "audio_projection.linear1.bias"
    without = {name: value for name, value in state.items() if name != bias}
    wrong = {
        f"Missing key.*{bias}": without,
        "Unexpected key.*audio_model.extra": {**state, "audio_model.extra": torch.ones(1)},
        f"size mismatch for {bias}": {**without, bias: torch.ones(999)},
    }
    for said, content in wrong.items():
        torch.save(content, path)
        with pytest.raises(UserError, match=f"(?s)weights of 'clap-htsat-unfused'.*{said}.*earmark get weights"):
            base.load("clap-htsat-unfused")


class Trap:
    """What writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(path: Path, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists(), "the trap works"
    sprung.unlink()
    torch.save({"audio_model": Trap(sprung)}, path)
    with pytest.raises(UserError, match=r"Expected only tensors in .* never unpickled"):
        base.load("clap-htsat-unfused")
    assert not sprung.exists()


def test_missing_weights_say_what_to_type_and_a_miniature_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    with pytest.raises(MissingPart, match="earmark get weights clap-htsat-unfused"):
        base.load("clap-htsat-unfused")
    with pytest.raises(UserError, match=r"has no weights\. Write 'random:clap-tiny'"):
        base.load("clap-tiny")


def test_what_clap_was_published_with_is_what_transformers_documents_for_it() -> None:
    documented = ClapAudioConfig()
    for setting, ours in clap.PUBLISHED.items():
        theirs = getattr(documented, setting)
        assert (list(theirs) if isinstance(theirs, tuple) else theirs) == ours, setting


def test_the_card_says_what_the_network_is_and_the_published_file_has_room_for_it() -> None:
    with torch.device("meta"):
        made: nn.Module = clap._network(clap.PUBLISHED, clap.CARD)
        tensors = ClapModel(ClapConfig()).state_dict().values()
    assert clap.CARD.n_parameters == sum(parameter.numel() for parameter in made.parameters())
    beside = (clap.CARD.sources[0].size_bytes or 0) - sum(one.numel() * one.element_size() for one in tensors)
    assert 200 * len(tensors) < beside < 500 * len(tensors), "torch's file has some hundred bytes a tensor"
    assert not parse_string(clap.CARD.bibtex).failed_blocks


@pytest.mark.slow
def test_the_network_of_full_size_hears_a_second_and_ten() -> None:
    made = base.load("random:clap-htsat-unfused")
    for seconds in (1, 10):
        answer = made(noise(48000 * seconds, 2))
        assert tuple(answer.shape) == (2, 1, 1, 512)
        assert torch.isfinite(answer).all()
