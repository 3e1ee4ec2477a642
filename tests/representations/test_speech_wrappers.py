"""The wrapper of the wav2vec 2.0 family equals transformers' classes, and takes their weights to the last name."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForPreTraining

from earmark import audio, conformance
from earmark.errors import MissingPart, UserError
from earmark.nouns import Source
from earmark.representations import _speech, _speech_shapes, base, data2vec, embed, hubert, mert, wav2vec2
from earmark.representations._speech import Family, Speech

FILES = {"wav2vec2": wav2vec2, "hubert": hubert, "data2vec": data2vec, "mert": mert}


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def with_settings(family: Family, **changes: object) -> Family:
    """The family with a miniature of another shape."""
    given = family.published["tiny"]
    return replace(family, published={"tiny": replace(given, settings={**given.settings, **changes})})


# One miniature of each shape that the published checkpoints have.
SHAPES: Mapping[str, Family] = {
    **{name: file.FAMILY for name, file in FILES.items()},
    "wav2vec2-stable": with_settings(wav2vec2.FAMILY, **_speech_shapes.STABLE),
    "hubert-stable": with_settings(hubert.FAMILY, **_speech_shapes.STABLE),
    "mert-stable": with_settings(mert.FAMILY, do_stable_layer_norm=True),
}


def tiny(shape: str) -> Speech:
    """Its miniature, with norms that are not neutral, as they are after training."""
    made = _speech.build(SHAPES[shape], "tiny", 0)
    made.card = replace(made.card, n_parameters=n_parameters(made.network))
    rng = torch.Generator().manual_seed(1)
    for name, parameter in made.network.named_parameters():
        if "layer_norm" in name:
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng))
    return made


def noise(n_samples: int, rows: int = 1) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def preprocessed(samples: np.ndarray, sample_rate: int = 16000) -> Tensor:
    """The rows as the preprocessor that is published beside the weights gives them."""
    extractor = Wav2Vec2FeatureExtractor(sampling_rate=sample_rate)  # type: ignore[no-untyped-call] # transformers'
    given: Tensor = extractor(list(np.atleast_2d(samples)), sampling_rate=sample_rate, return_tensors="pt").input_values
    return given


def hidden_states(network: nn.Module, heard: Tensor) -> Tensor:
    """Every layer as transformers gives it, (layers, frames, dim); the last as it leaves the whole encoder."""
    with torch.no_grad():
        given = network(heard, output_hidden_states=True)
    return torch.stack([*given.hidden_states[:-1], given.last_hidden_state])[:, 0]


def naive(network: nn.Module, path: Path, sample_rate: int, segment: int | None) -> np.ndarray:
    """Frames of all layers: the file whole, resampled, cut by hand, each piece alone at its exact length."""
    stored, rate = soundfile.read(path, dtype="float32")
    samples = soxr.resample(stored, rate, sample_rate, quality="HQ")
    found, start, length = [], 0, segment or len(samples)
    while start < len(samples):
        end = start + length
        if len(samples) - end < 400:  # what is left is too short to stand alone
            end = len(samples)
        found.append(hidden_states(network, preprocessed(samples[start:end], sample_rate)).numpy())
        start = end
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("n_samples", "segment"), [*((n, 4000) for n in (400, 401, 4000, 4001, 4399, 4400, 12000, 21234)), (20000, None)]
)
def test_a_wrapper_equals_a_naive_loop(shape: str, n_samples: int, segment: int | None, tmp_path: Path) -> None:
    representation = tiny(shape)
    rate = representation.card.sample_rate
    soundfile.write(tmp_path / "a.wav", noise(2 * n_samples)[0].numpy(), 2 * rate, subtype="FLOAT")
    samples = audio.read(tmp_path / "a.wav", rate).samples
    assert len(samples) == n_samples
    segment_s = segment / rate if segment else None
    theirs = naive(representation.network, tmp_path / "a.wav", rate, segment)
    ours = np.concatenate(list(embed.frame_embeddings(representation, samples, None, segment_s)), axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    pooled = embed.clip_embedding(representation, samples, None, segment_s)
    np.testing.assert_allclose(pooled[:, 0], theirs.mean(1, dtype=np.float64), rtol=0, atol=1e-5)
    np.testing.assert_allclose(pooled[:, 1], theirs.std(1, dtype=np.float64), rtol=0, atol=1e-5)


def test_a_clip_below_the_receptive_field_is_refused() -> None:
    with pytest.raises(UserError, match=r"too short for 'random:hubert-tiny': 0\.025 s, at least 0\.025 s needed"):
        embed.clip_embedding(tiny("hubert"), np.zeros(399, np.float32))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_samples", [400, 401, 719, 720, 721, 1039, 1040, 5000, 16000])
def test_frames_follow_their_formula_at_every_length(shape: str, n_samples: int) -> None:
    assert tiny(shape)(noise(n_samples)).shape == (1, 4, 1 + (n_samples - 400) // 320, 16)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("layers", "computed"), [([0], 0), ([1], 1), ([2, 0], 2), ([3], 3), (None, 3)])
def test_blocks_above_the_deepest_layer_are_not_computed(shape: str, layers: list[int] | None, computed: int) -> None:
    representation = tiny(shape)
    calls: list[nn.Module] = []
    for block in representation.network.get_submodule("encoder.layers").children():
        block.register_forward_hook(lambda module, given, answer: calls.append(module))
    representation(noise(2000), layers)
    assert len(calls) == len(set(calls)) == computed, "each block once, and none for nothing"


def test_layers_come_in_the_order_asked_for() -> None:
    representation = tiny("wav2vec2-stable")
    everything = representation(noise(2000))
    assert torch.equal(representation(noise(2000), [3, 0, 3, 1]), everything[:, [3, 0, 3, 1]])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_miniature_keeps_every_law(shape: str) -> None:
    assert conformance.broken_by_representation(tiny(shape)) == ()


def test_audio_is_heard_as_it_is_where_a_checkpoint_was_published_so() -> None:
    made = Speech(tiny("hubert").network, hubert.CARDS["tiny"], normalised=False)
    theirs = hidden_states(made.network, noise(3000)).numpy()
    np.testing.assert_allclose(made(noise(3000))[0].numpy(), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-5, 0.0])
def test_normalising_equals_the_published_preprocessor(scale: float) -> None:
    heard = scale * noise(5000, rows=2) + 0.01 * scale
    theirs = preprocessed(heard.numpy())
    np.testing.assert_allclose(_speech.zero_mean_unit_variance(heard).numpy(), theirs.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("file", FILES)
def test_a_seed_names_its_weights(file: str) -> None:
    before = torch.get_rng_state()
    one, same, other = (FILES[file].build("tiny", seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before), "the global generator is as it was"
    assert one.card.weights_sha256 == same.card.weights_sha256 != other.card.weights_sha256
    assert (one.card.name, other.card.name) == (f"random:{file}-tiny", f"random:{file}-tiny@1")
    assert (one.card.trained_on, one.card.sources) == ("nothing", ())


@pytest.mark.parametrize("name", ["hubert-tiny", "wav2vec2-tiny", "data2vec-tiny", "mert-tiny"])
def test_a_miniature_has_no_weights_to_load(name: str) -> None:
    assert base.load(f"random:{name}").card.name == f"random:{name}"
    with pytest.raises(UserError, match=f"'{name}' is a miniature for tests, .* Write 'random:{name}'"):
        base.load(name)


VARIANTS = [(file, variant) for file, module in FILES.items() for variant in module.CARDS]


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_a_card_says_what_its_network_is(file: str, variant: str) -> None:
    family = FILES[file].FAMILY
    card, settings = family.published[variant].card, family.published[variant].settings
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        made = Speech(family.network(settings), card, normalised=True)
    assert card.name == f"{file}-{variant}"
    assert card.n_parameters == n_parameters(made.network)
    assert (card.dim, card.layers - 1) == (settings["hidden_size"], settings["num_hidden_layers"])
    assert ("not normalised" in card.layer_0) == made.has_norm_at_end
    assert card.frame_rate_hz == card.sample_rate / 320
    assert made.network.config._attn_implementation == "sdpa"  # type: ignore[union-attr] # transformers' own


def legacy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state under the names that published files have: weight normalisation as before torch 2.0."""
    old = {new: old for old, new in _speech.RENAMED.items()}
    return {next((name.replace(n, o) for n, o in old.items() if n in name), name): one for name, one in state.items()}


def published_in(home: Path, shape: str, state: Mapping[str, object]) -> Family:
    """Put a state where the weights of a miniature lie; return its family with a card that says so."""
    given = SHAPES[shape].published["tiny"]
    source = Source("https://example.org/pytorch_model.bin", "Apache-2.0", path="pytorch_model.bin")
    family = replace(SHAPES[shape], published={"tiny": replace(given, card=replace(given.card, sources=(source,)))})
    folder = home / "weights" / given.card.name
    folder.mkdir(parents=True)
    torch.save(dict(state), folder / "pytorch_model.bin")
    return family


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("shape", SHAPES)
def test_saved_weights_come_back_to_the_bit(shape: str, home: Path) -> None:
    one = tiny(shape)
    state = {**legacy(one.network.state_dict()), "masked_spec_embed": torch.zeros(16)}
    again = _speech.load(published_in(home, shape, state), "tiny")
    assert torch.equal(again(noise(3000)), one(noise(3000)))
    assert len(again.card.weights_sha256) == 64
    assert again.card.sources, "it is the published card, not that of random weights"


def test_weights_saved_with_the_heads_of_pre_training_lose_only_those(home: Path) -> None:
    settings = {**wav2vec2.FAMILY.published["tiny"].settings, "codevector_dim": 8, "proj_codevector_dim": 8}
    with torch.random.fork_rng(devices=[]):
        whole = Wav2Vec2ForPreTraining(Wav2Vec2Config.from_dict(settings))
    state = legacy(whole.state_dict())
    assert {name.partition(".")[0] for name in state} == {"wav2vec2", "quantizer", "project_q", "project_hid"}
    ours = _speech.load(published_in(home, "wav2vec2", state), "tiny")
    theirs = hidden_states(nn.Module.eval(whole.wav2vec2), preprocessed(noise(3000).numpy()))
    np.testing.assert_allclose(ours(noise(3000))[0].numpy(), theirs.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_parameter_left_over_on_either_side_is_fatal_and_named(shape: str, home: Path) -> None:
    state = legacy(tiny(shape).network.state_dict())
    lost = "encoder.layers.1.attention.k_proj.weight"
    bent = "feature_projection.projection.weight"
    del state[lost]
    family = published_in(home, shape, {**state, "final_proj.weight": torch.zeros(1), bent: torch.zeros(3, 3)})
    said = f"missing: {lost}; not of this network: final_proj.weight; of another shape: {bent}. Delete"
    with pytest.raises(UserError, match=said):
        _speech.load(family, "tiny")


def test_the_names_left_over_are_counted_where_they_are_many(home: Path) -> None:
    with pytest.raises(UserError, match=r"missing: encoder\.layer_norm\.bias, .* and 62 more\. Delete"):
        _speech.load(published_in(home, "hubert", {}), "tiny")


def test_nothing_is_unpickled(home: Path) -> None:
    with pytest.raises(UserError, match=r"Expected only tensors in .*, got more, which is never unpickled"):
        _speech.load(published_in(home, "hubert", {"a": Path()}), "tiny")


def test_half_precision_weights_are_heard_in_single(home: Path) -> None:
    state = {name: one.half() for name, one in legacy(tiny("hubert").network.state_dict()).items()}
    assert _speech.load(published_in(home, "hubert", state), "tiny")(noise(1000)).dtype == torch.float32


@pytest.mark.parametrize(
    ("file", "says", "fault"),
    [
        ("config.json", {"hidden_size": 16, "conv_dim": [32] * 7, "vocab_size": 32}, ""),
        ("config.json", {"num_attention_heads": 4}, "says num_attention_heads: 4, .* published with 2"),
        ("config.json", {"conv_stride": [4] * 7}, r"says conv_stride: \[4, .* published with \[5, 2"),
        ("preprocessor_config.json", {"do_normalize": True, "sampling_rate": 16000}, ""),
        ("preprocessor_config.json", {"do_normalize": False}, "says do_normalize: False, .* published with True"),
        ("preprocessor_config.json", {"sampling_rate": 8000}, "says sampling_rate: 8000, .* published with 16000"),
    ],
)
def test_a_configuration_beside_the_weights_must_agree(
    file: str, says: dict[str, object], fault: str, home: Path
) -> None:
    family = published_in(home, "hubert", legacy(tiny("hubert").network.state_dict()))
    (home / "weights" / "hubert-tiny" / file).write_text(json.dumps(says))
    with pytest.raises(UserError, match=fault) if fault else nullcontext():
        _speech.load(family, "tiny")


def test_weights_that_are_not_here_name_the_line_to_type(home: Path) -> None:
    with pytest.raises(MissingPart, match="Type: earmark get weights wav2vec2-xlsr-53"):
        base.load("wav2vec2-xlsr-53")


@pytest.mark.parametrize(("file", "variant"), VARIANTS)
def test_weights_come_from_a_pinned_place(file: str, variant: str) -> None:
    card = FILES[file].CARDS[variant]
    for source in card.sources:
        assert source.url.endswith("/" + source.path)
        revision = source.url.split("/resolve/")[1].partition("/")[0]
        assert len(revision) == 40 or card.name == "data2vec-base", "whose full revision is not known here"


def test_cards_are_read_without_transformers() -> None:
    program = (
        "import sys; from earmark.representations import data2vec, hubert, mert, wav2vec2; "
        "print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
