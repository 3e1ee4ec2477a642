"""The network starts as in the published code, with its dropouts, and what is saved of it is read by others."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from earmark.representations import _speech, base
from earmark.representations.wav2vec2 import mel, network
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import BASE, MEL_TINY, Mel, Temperature
from tests.representations.wav2vec2 import reference


def test_base_has_the_published_number_of_parameters() -> None:
    assert sum(one.numel() for one in Wav2Vec2(BASE).parameters()) == 95_044_608


def test_parts_share_out_all_parameters_but_the_mask() -> None:
    ours = Wav2Vec2(reference.miniature())
    shared = sorted(id(one) for part in ours.parts().values() for one in part.parameters())
    mask = ours.get_parameter("network.wav2vec2.masked_spec_embed")
    assert shared == sorted(id(one) for one in ours.parameters() if one is not mask)


def test_weights_start_as_in_the_published_code() -> None:
    state = Wav2Vec2(BASE.reshaped(num_hidden_layers=1)).network.state_dict()
    kernel = Wav2Vec2(BASE.reshaped(num_hidden_layers=1)).network.get_submodule("wav2vec2.encoder.pos_conv_embed.conv")
    deviations = {
        "wav2vec2.feature_extractor.conv_layers.0.conv.weight": (2 / 10) ** 0.5,
        "wav2vec2.feature_extractor.conv_layers.1.conv.weight": (2 / (3 * 512)) ** 0.5,
        "wav2vec2.encoder.layers.0.attention.q_proj.weight": 0.02,
        "wav2vec2.encoder.layers.0.feed_forward.output_dense.weight": 0.02,
        "quantizer.weight_proj.weight": 1.0,
        "quantizer.codevectors": 12**-0.5,
        "wav2vec2.masked_spec_embed": 12**-0.5,
        "wav2vec2.feature_projection.projection.weight": (3 * 512) ** -0.5,
        "project_hid.weight": (3 * 768) ** -0.5,
        "project_q.weight": (3 * 256) ** -0.5,
    }
    for name, deviation in deviations.items():
        assert float(state[name].std()) == pytest.approx(deviation, rel=0.05), name
    assert isinstance(kernel.weight, Tensor)
    assert float(kernel.weight.detach().std()) == pytest.approx((4 / (128 * 768)) ** 0.5, rel=0.01)
    for name in ("encoder.layers.0.attention.k_proj.bias", "encoder.pos_conv_embed.conv.bias"):
        assert not state[f"wav2vec2.{name}"].any()


def test_the_same_seed_gives_the_same_weights() -> None:
    one, same, other = (Wav2Vec2(reference.miniature(), seed).network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    moved = "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original1"
    assert not torch.equal(one[moved], other[moved])


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 2.0), (1, 1.99999), (100_000, 1.2130598), (277_258, 0.5000015), (277_259, 0.5), (10**6, 0.5)],
)
def test_the_temperature_falls_to_a_half_at_277_thousand_steps(step: int, expected: float) -> None:
    assert Temperature().at(step) == pytest.approx(expected, abs=1.2e-6)
    ours = Wav2Vec2(reference.miniature())
    ours.before_step(step)
    assert ours.temperature == Temperature().at(step)


def test_the_numbers_are_those_of_base() -> None:
    ours = {one.name: getattr(BASE, one.name) for one in fields(BASE) if one.name != "network"}
    assert ours == {
        **{"mask_probability": 0.65, "mask_frames": 10, "least_spans": 2, "negatives": 100, "negatives_across": 0},
        **{"logit_temperature": 0.1, "diversity_weight": 0.1, "penalty_weight": 10.0, "gradient_factor": 0.1},
        **{"temperature": Temperature(2.0, 0.999995, 0.5), "normalised": False, "mel": Mel(0, 0.0)},
    }, "wav2vec2_base_librispeech.yaml of the published code"
    assert BASE.network.items() >= {"num_codevector_groups": 2, "num_codevectors_per_group": 320}.items()


def test_dropouts_are_those_of_base() -> None:
    model = Wav2Vec2(BASE.reshaped(num_hidden_layers=1))._model
    block = model.wav2vec2.encoder.layers[0]
    probabilities = {
        "before the blocks": model.wav2vec2.feature_projection.dropout.p,
        "before the quantiser": model.dropout_features.p,
        "into the stack": model.wav2vec2.encoder.dropout.p,
        "attention": block.attention.dropout,
        "after attention": block.dropout.p,
        "after the feed-forward": block.feed_forward.output_dropout.p,
    }
    assert set(probabilities.values()) == {0.1}, probabilities
    assert block.feed_forward.intermediate_dropout.p == 0.0
    assert model.config.layerdrop == 0.05


def test_settings_are_saved_under_the_names_of_transformers() -> None:
    given = network.config(BASE)
    expected = {"mask_time_prob": 0.65, "mask_time_length": 10, "num_negatives": 100, "diversity_loss_weight": 0.1}
    assert given.items() >= expected.items()
    known = set(transformers.Wav2Vec2Config().to_dict())
    assert set(given) <= known
    assert set(network.config(MEL_TINY)) - known == {mel.FRONT_END}


def saved(ours: Wav2Vec2, folder: Path, kind: str = "wav2vec2") -> Path:
    """Save as a checkpoint is saved: what transformers writes, and how it hears."""
    ours._model.save_pretrained(folder)
    settings = json.loads((folder / "config.json").read_text()) | {"model_type": kind}
    (folder / "config.json").write_text(json.dumps(settings))
    heard = {"sampling_rate": 16000, "do_normalize": ours.settings.normalised}
    (folder / "preprocessor_config.json").write_text(json.dumps(heard))
    return folder


def test_transformers_and_path_read_what_was_trained(tmp_path: Path) -> None:
    ours = Wav2Vec2(reference.miniature()).eval()
    folder = saved(ours, tmp_path)
    theirs = transformers.Wav2Vec2ForPreTraining.from_pretrained(folder).state_dict()
    assert all(torch.equal(theirs[name], one) for name, one in ours.network.state_dict().items())
    segments = reference.music(1, 16000)
    with torch.no_grad():
        expected = ours._model.wav2vec2(segments).last_hidden_state
    torch.testing.assert_close(base.load(f"path:{folder}")(segments)[:, -1], expected, rtol=0, atol=1e-5)


def test_a_folder_of_the_mel_variant_is_read_by_path(tmp_path: Path) -> None:
    ours = Wav2Vec2(MEL_TINY).eval()
    ours.prepare(reference.music(2, 16000))
    read = base.load(f"path:{saved(ours, tmp_path, mel.MODEL_TYPE)}")
    segments = reference.music(1, 16000, seed=3)
    with torch.no_grad():
        expected = ours._model.wav2vec2(_speech.zero_mean_unit_variance(segments)).last_hidden_state
    torch.testing.assert_close(read(segments)[:, -1], expected, rtol=0, atol=1e-5)
    assert read.card.min_samples == 1024


def test_the_first_convolution_keeps_nothing_for_backward_and_its_gradient_is_the_same() -> None:
    convolutions = Wav2Vec2(reference.miniature()).network.get_submodule("wav2vec2.feature_extractor")
    first, audio = convolutions.get_submodule("conv_layers.0"), reference.music(2, 4000)

    def step() -> tuple[int, list[Tensor]]:
        kept: list[int] = []

        def keep(one: Tensor) -> Tensor:
            kept.append(one.numel())
            return one

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda one: one):
            heard = convolutions(audio)
        convolutions.zero_grad()
        torch.autograd.backward(heard.square().sum())
        return sum(kept), [one.grad.clone() for one in convolutions.parameters() if one.grad is not None]

    inside, gradients = step()
    first.gradient_checkpointing = False  # type: ignore[assignment] # transformers' own flag
    whole, plain = step()
    assert inside < 0.7 * whole
    assert all(torch.equal(a, b) for a, b in zip(gradients, plain, strict=True))
