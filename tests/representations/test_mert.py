"""MERT goes into HuBERT's class: to the last published name, and by its name in an experiment."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from earmark import places
from earmark.errors import MissingPart, UserError
from earmark.representations import _speech, base, mert
from tests.experiment.specimens import LEAST, only_block

SIZES = {"v1-95m": (12, 768, 3072), "v1-330m": (24, 1024, 4096)}

# Of config.json of MERT-v1-330M, as published: what differs from 95M's, and what decides whether it is a HuBERT.
CONFIG_330M = {
    "architectures": ["MERTModel"],
    "attention_relax": 32.0,
    "conv_bias": False,
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "deepnorm": False,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "group",
    "feat_proj_layer_norm": True,
    "feature_extractor_cqt": False,
    "feature_extractor_cqt_bins": 336,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "layer_norm_eps": 1e-05,
}
# And all of 95M's that shapes the network.
CONFIG_95M = {
    **CONFIG_330M,
    "attention_relax": -1.0,
    "do_stable_layer_norm": False,
    "feat_extract_activation": "gelu",
    "hidden_act": "gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_conv_pos_embedding_groups": 16,
    "num_conv_pos_embeddings": 128,
    "num_hidden_layers": 12,
    "sample_rate": 24000,
}


def published_shapes(variant: str) -> dict[str, tuple[int, ...]]:
    """The parameters of the published pytorch_model.bin, by hand: HuBERT's names as they were in 2023."""
    blocks, dim, inner = SIZES[variant]
    kernels = (10, 3, 3, 3, 3, 2, 2)
    shapes: dict[str, tuple[int, ...]] = {"masked_spec_embed": (dim,)}
    for layer, kernel in enumerate(kernels):
        shapes[f"feature_extractor.conv_layers.{layer}.conv.weight"] = (512, 512 if layer else 1, kernel)
    linear = {"feature_projection.projection": (dim, 512)}
    norms = {"feature_extractor.conv_layers.0.layer_norm": 512, "feature_projection.layer_norm": 512}
    norms["encoder.layer_norm"] = dim
    shapes["encoder.pos_conv_embed.conv.bias"] = (dim,)
    shapes["encoder.pos_conv_embed.conv.weight_g"] = (1, 1, 128)
    shapes["encoder.pos_conv_embed.conv.weight_v"] = (dim, dim // 16, 128)
    for block in range(blocks):
        at = f"encoder.layers.{block}"
        linear |= {f"{at}.attention.{one}_proj": (dim, dim) for one in ("k", "v", "q", "out")}
        linear |= {f"{at}.feed_forward.intermediate_dense": (inner, dim)}
        linear |= {f"{at}.feed_forward.output_dense": (dim, inner)}
        norms |= {f"{at}.layer_norm": dim, f"{at}.final_layer_norm": dim}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name, size in norms.items():
        shapes |= {f"{name}.weight": (size,), f"{name}.bias": (size,)}
    return shapes


def published_state(variant: str) -> dict[str, Tensor]:
    """Those parameters, weighing nothing."""
    return {name: torch.empty(shape, device="meta") for name, shape in published_shapes(variant).items()}


def test_the_names_by_hand_count_what_the_published_file_holds() -> None:
    shapes = published_shapes("v1-95m")
    # Tensors and values of the file with the card's sha256, as counted by a public loader that pins it.
    assert len(shapes) == 211
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == 94_371_712


@pytest.mark.parametrize("variant", SIZES)
def test_every_published_name_finds_its_place_in_hubert(variant: str) -> None:
    published = mert.FAMILY.published[variant]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = mert.FAMILY.network(published.settings)
    state = _speech.own_names(published_state(variant), mert.FAMILY)
    _speech.refuse_other_parameters(state, network, Path("pytorch_model.bin"), published.card)
    assert {name: tuple(one.shape) for name, one in state.items()} == {
        name: tuple(one.shape) for name, one in network.state_dict().items()
    }


@pytest.mark.parametrize("stray", ["final_proj.weight", "quantizer.codevectors", "feature_extractor_cqt.lowpass"])
def test_what_is_left_over_is_fatal_even_a_head(stray: str) -> None:
    published = mert.FAMILY.published["v1-95m"]
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = mert.FAMILY.network(published.settings)
    state = _speech.own_names({**published_state("v1-95m"), stray: torch.zeros(1)}, mert.FAMILY)
    with pytest.raises(UserError, match=f"not those of 'mert-v1-95m'. not of this network: {stray}. Delete"):
        _speech.refuse_other_parameters(state, network, Path("pytorch_model.bin"), published.card)


@pytest.mark.parametrize(("variant", "config"), [("v1-95m", CONFIG_95M), ("v1-330m", CONFIG_330M)])
def test_the_published_configuration_is_ours(variant: str, config: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    _speech.refuse_other_configuration(tmp_path, mert.FAMILY.published[variant])
    published = mert.FAMILY.published["v1-95m"]
    assert {*published.settings, *(published.also or {})} <= CONFIG_95M.keys(), "no setting is ours alone"


@pytest.mark.parametrize("key", ["feature_extractor_cqt", "deepnorm"])
def test_a_mert_that_is_no_hubert_is_refused(key: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG_95M, key: True}))
    with pytest.raises(UserError, match=f"says {key}: True, but 'mert-v1-95m' was published with False"):
        _speech.refuse_other_configuration(tmp_path, mert.FAMILY.published["v1-95m"])


def test_mert_hears_24_khz_at_75_frames_a_second_and_is_not_for_sale() -> None:
    for card in (mert.CARDS["v1-95m"], mert.CARDS["v1-330m"]):
        assert (card.sample_rate, card.frame_rate_hz, card.licence, card.commercial) == (
            24000,
            75,
            "CC BY-NC 4.0",
            False,
        )


@pytest.mark.parametrize(
    ("written", "layers"),
    [
        ("{name: 'random:mert-v1-95m', layers: [4, 5, 6, 7, 8]}", (4, 5, 6, 7, 8)),
        ("{name: 'random:mert-v1-95m', layers: [6]}", (6,)),
        ("random:mert-v1-95m@3", None),
    ],
)
def test_an_experiment_may_name_random_mert_and_its_layers(written: str, layers: tuple[int, ...] | None) -> None:
    (choice,) = only_block(LEAST.replace("[logmel]", f"[{written}]")).representations
    assert choice.name.startswith("random:mert-v1-95m")
    assert (choice.layers, choice.reduce) == (layers, "mean")


@pytest.mark.parametrize(("written", "layers"), [("mert-v1-95m-6", (6,)), ("mert-v1-95m-4-5-6-7-8", (4, 5, 6, 7, 8))])
def test_the_names_of_the_thesis_are_layers_of_mert(written: str, layers: tuple[int, ...]) -> None:
    (choice,) = only_block(LEAST.replace("[logmel]", f"[{written}]")).representations
    assert (choice.name, choice.layers, choice.reduce) == ("mert-v1-95m", layers, "mean")


def test_a_whole_random_mert_hears_a_second() -> None:
    representation = base.load("random:mert-v1-95m")
    heard = 0.1 * torch.randn(1, 24000, generator=torch.Generator().manual_seed(0))
    answer = representation(heard, [0, 6, 12])
    assert answer.shape == (1, 3, 74, 768)
    assert torch.isfinite(answer).all()


def test_mert_without_its_weights_says_where_they_are_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    with pytest.raises(MissingPart, match="earmark get weights mert-v1-95m") as caught:
        mert.load("v1-95m")
    assert str(places.weights_folder("mert-v1-95m")) in str(caught.value)
    assert "CC BY-NC 4.0" in str(caught.value)
