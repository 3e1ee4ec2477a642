"""Weights in both published forms become ours to the last tensor; files of those forms are made here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bibtexparser.entrypoint import parse_string
from safetensors.torch import save_file
from torch import Tensor

from earmark import conformance, identity, places
from earmark.errors import MissingPart, UserError
from earmark.representations import base, encodec, encodecmae
from earmark.representations.embed import segments
from earmark.representations.encodecmae import inputs, network, published
from earmark.representations.encodecmae.settings import BASE, LARGE, Settings
from tests.representations.encodecmae import reference

FIRST = {"extra": "and what Lightning keeps", "epoch": 3}
SECOND = {"imports": "some.module\n", "config": "MODEL_DIM=16\n"}


@pytest.fixture(scope="module")
def codec() -> Any:
    """EnCodec with random numbers."""
    return encodec.build("24khz", 0)


def codec_state(codec: Any, prefix: str) -> dict[str, Tensor]:
    """EnCodec's encoder and quantiser under the names of the encodec package."""
    state = {}
    for name, tensor in codec.state_dict().items():
        theirs = name.replace("quantizer.", "target_encoder.model.vq.").replace(".codebook.", "._codebook.")
        theirs = theirs.replace("encoder.layers.", prefix + "model.") if name.startswith("encoder.") else theirs
        for last, ours in encodec.RENAMED.items():
            theirs = theirs.replace(ours, last)
        state[theirs.replace(".conv.", ".conv.conv.")] = tensor
    return state


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Give a variant a small shape that still has what its card says of inputs and streams."""

    def shrunk(variant: str) -> Settings:
        one = encodecmae.VARIANTS[variant]
        ours = reference.miniature(
            inputs=one.settings.inputs,
            targets=one.settings.targets,
            n_streams=one.settings.n_streams,
            n_codes=16,
            gamma=one.settings.gamma,
            shared_positions=one.settings.shared_positions,
        )
        monkeypatch.setitem(encodecmae.VARIANTS, variant, replace(one, settings=ours))
        size = network.size(ours).encoder + (encodec.CARD.n_parameters if ours.inputs == "encodec" else 0)
        card = replace(one.card, dim=16, layers=4, n_parameters=size)
        monkeypatch.setitem(encodecmae.VARIANTS, variant, encodecmae.Variant(ours, card))
        return ours

    return shrunk


def written(variant: str, settings: Settings, codec: Any, home: Path) -> dict[str, Tensor]:
    """Write the published file of a variant into a home; return its state."""
    version = 2 if variant.startswith("v2") else 1
    extra = 16 if variant.endswith("-st") and version == 1 else 0
    state = reference.state_of(settings, version, settings.input_dim, extra_codes=extra)
    of_targets = version == 1 or settings.targets == "codec"
    prefix = reference.Names(version).codec if settings.inputs == "encodec" else "target_encoder.encodec_encoder."
    for name, tensor in codec_state(codec, prefix).items():
        if of_targets or not name.startswith("target_encoder."):
            state[name] = tensor
    file = places.weights_folder(f"encodecmae-{variant}") / encodecmae.CARDS[variant].sources[0].path
    assert file.is_relative_to(home)
    file.parent.mkdir(parents=True)
    torch.save({"state_dict": state, **(FIRST if version == 1 else SECOND)}, file)
    return state


VARIANTS = ("base", "small", "large-st", "v2-mel256-ec-base", "v2-mel256-ec-large-st", "v2-ec-ec-base")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_published_file_gives_the_embeddings_of_the_network_written_the_long_way(
    variant: str,
    small: Callable[..., Settings],
    codec: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    settings, version = small(variant), 2 if variant.startswith("v2") else 1
    state = written(variant, settings, codec, tmp_path)
    made = base.load(f"encodecmae-{variant}")
    audio = 0.1 * reference.numbers(2, 9600)
    found = made(audio)
    frames = codec(audio, [0])[:, 0] if settings.inputs == "encodec" else inputs.Mel256()(audio)
    for clip in range(2):
        expected = reference.encoder_layers(frames[clip].clone(), state, settings, version)
        wanted = torch.stack([*expected[:-2], expected[-1]])
        torch.testing.assert_close(found[clip].clone(), wanted, rtol=1e-4, atol=1e-4)
    file = places.weights_folder(made.card.name) / made.card.sources[0].path
    assert made.card.weights_sha256 == identity.file_sha256(file)
    assert made.card.verified == "parity"


def test_the_whole_network_of_either_form_answers_as_written_the_long_way() -> None:
    for version, extra in ((1, 0), (1, 11), (2, 0)):
        targets = "codec+kmeans" if extra else "codec"
        settings = reference.miniature(targets=targets, shared_positions=version == 1)
        state = reference.state_of(settings, version, 5, extra_codes=extra)
        made = network.Network(settings, 5)
        made.load_state_dict(published.renamed(state, settings, "made here").network)
        given = reference.numbers(1, 10, 5)
        frames = SimpleNamespace(visible=torch.tensor([[0, 3, 4, 8, 9]]), hidden=torch.tensor([[1, 2, 5, 6, 7]]))
        spelt = reference.logits(given[0], state, settings, version, [0, 3, 4, 8, 9])
        torch.testing.assert_close(made(given, frames)[0], spelt, rtol=1e-4, atol=1e-4)


def test_the_file_of_base_holds_as_many_floats_as_the_published_one_and_the_scale(codec: Any) -> None:
    with torch.device("meta"):
        made = network.Network(BASE, 128)
    of_network = sum(one.numel() for one in made.state_dict().values())
    of_codec = sum(one.numel() for one in codec.state_dict().values())
    assert of_network + of_codec == 63_780_640 + 1


def test_the_large_network_has_12_heads_of_85() -> None:
    assert (LARGE.heads, LARGE.head_dim, LARGE.heads * LARGE.head_dim) == (12, 85, 1020)
    with torch.device("meta"):
        made = network.Network(LARGE, 128)
    assert made.state_dict()["encoder.stack.blocks.0.attention.into.weight"].shape == (3060, 1024)


def test_rows_of_heads_move_to_where_our_attention_reads_them() -> None:
    rows = torch.arange(6).repeat(4, 1).T.float()  # row = dimension · 2 + head
    assert published._head_major(rows, 2)[:, 0].tolist() == [0, 2, 4, 1, 3, 5]
    with pytest.raises(UserError, match="attention of 4 heads of one size, got 6 rows"):
        published._head_major(rows, 4)


def test_what_is_left_over_or_missing_or_of_another_shape_is_named(tmp_path: Path) -> None:
    settings = reference.miniature()
    state = reference.state_of(settings, 1, 5)
    with pytest.raises(
        UserError, match=r"'a.pt' holds tensors that no EncodecMAE of earmark has: wav_encoder\.scale\."
    ):
        published.renamed(state | {"wav_encoder.scale": torch.ones(1)}, settings, "a.pt")
    twice = {f"{one}.a": torch.ones(1) for one in ("wav_encoder.encoder.model", "target_encoder.encodec_encoder")}
    with pytest.raises(UserError, match=r"no EncodecMAE of earmark has: target_encoder\.encodec_encoder\.a\."):
        published.renamed(reference.state_of(settings, 2, 5) | twice, settings, "a.pt")
    without = {name: one for name, one in state.items() if name != "decoder.encoder_layers.1.att_layer.wk.weight"}
    with pytest.raises(UserError, match=r"'a\.pt' lacks the attention of block 1 of 2"):
        published.renamed(without, settings, "a.pt")
    deeper = replace(settings, encoder_layers=2)
    names = published.renamed(state, deeper, "a.pt").network
    assert "encoder.stack.encoder_layers.2.norm1.weight" in names, "kept for the network to refuse"
    with pytest.raises(UserError, match=r"Expected the weights of an EncodecMAE in 'a\.pt', .*; found head\."):
        published.renamed({"head.weight": torch.ones(1)}, settings, "a.pt")
    torch.save({"weights": 1}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"Expected 'state_dict' in '.*a\.pt', found weights\."):
        published.read(tmp_path / "a.pt", settings)
    torch.save({"state_dict": state, "optimiser": SimpleNamespace(step=1)}, tmp_path / "b.pt")
    with pytest.raises(UserError, match="never unpickled"):
        published.read(tmp_path / "b.pt", settings)


def test_a_file_of_another_size_is_refused(
    small: Callable[..., Settings],
    codec: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    settings = small("base")
    written("base", replace(settings, ffn_dim=20), codec, tmp_path)
    with pytest.raises(UserError, match=r"(?s)does not hold the weights of 'encodecmae-base'.*earmark get weights"):
        base.load("encodecmae-base")


def test_feed_forward_modules_that_differ_where_they_are_shared_are_refused_and_taken_where_not() -> None:
    shared, apart = reference.miniature(), reference.miniature(share_ffn=False)
    state = reference.state_of(apart, 1, 5)
    with pytest.raises(
        UserError, match=r"another feed-forward module in block 1 than in block 0\. Set share_ffn: false"
    ):
        published.renamed(state, shared, "a.pt")
    assert "encoder.stack.feedforwards.2.0.weight" in published.renamed(state, apart, "a.pt").network


def test_without_the_file_the_line_to_type_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    for name in ("encodecmae-base", "encodecmae-r", "encodecmae-v2-mel256-ec-base", "random:encodecmae-r"):
        line = f"earmark get weights {name.removeprefix('random:')}"
        with pytest.raises(MissingPart, match=line):
            base.load(name)
    with pytest.raises(UserError, match="Write 'random:encodecmae-tiny'"):
        base.load("encodecmae-tiny")


def test_the_paper_s_baseline_is_a_random_network_on_the_published_codec(
    tmp_path: Path, small: Callable[..., Settings], codec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    small("r")
    folder = places.weights_folder("encodecmae-r")
    folder.mkdir(parents=True)
    names = {ours: theirs for theirs, ours in encodec.RENAMED.items()}
    state = {}
    for name, tensor in codec.state_dict().items():
        stem, _, last = name.rpartition("parametrizations.weight.")
        state[f"{stem}{names[f'parametrizations.weight.{last}']}" if stem else name] = tensor.contiguous()
    save_file(state | {"decoder.layers.0.conv.bias": torch.zeros(1)}, folder / "model.safetensors")
    made: Any = base.load("encodecmae-r")
    audio = 0.1 * reference.numbers(1, 9600)
    torch.testing.assert_close(made.inputs(audio), codec(audio, [0])[:, 0], rtol=1e-5, atol=1e-5)
    other: Any = base.load("random:encodecmae-r@1")
    torch.testing.assert_close(other.inputs(audio), made.inputs(audio))
    assert not torch.equal(other(audio), made(audio))
    assert (made.card.name, other.card.name) == ("encodecmae-r", "random:encodecmae-r@1")
    assert made.card.weights_sha256 != other.card.weights_sha256


def test_random_networks_of_a_codec_and_of_a_mel_bank_keep_every_law(
    small: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "CODEC", "encodec-tiny")
    for variant in ("base", "v2-mel256-ec-base"):
        small(variant)
        made: Any = base.load(f"random:encodecmae-{variant}")
        counted = sum(one.numel() for one in made.parameters())
        made.card = replace(made.card, n_parameters=counted)
        assert conformance.broken_by_representation(made) == (), variant


@pytest.mark.parametrize("variant", list(encodecmae.CARDS))
def test_a_card_says_what_its_network_is(variant: str) -> None:
    one = encodecmae.VARIANTS[variant]
    card, settings = one.card, one.settings
    heard = {"encodec": (24000, 75.0, 320), "mel256": (24000, 24000 / 318, 637), "mel128": (16000, 50.0, 353)}
    assert (card.sample_rate, card.frame_rate_hz, card.min_samples) == heard[settings.inputs]
    assert (card.name, card.dim, card.layers) == (f"encodecmae-{variant}", settings.dim, settings.encoder_layers + 1)
    assert card.segment_s == 4.0
    sizes = network.size(settings)
    assert f"{sizes.network:,} parameters, {sizes.network_unshared:,} if every block had its own" in card.architecture
    assert len(parse_string(card.bibtex).entries) == 1
    if variant.startswith("v2-mel256"):
        assert card.sources[0].url.endswith("/encodecmae-v2/resolve/main/" + card.sources[0].path)
        assert card.sources[0].path.replace("_", "-").removesuffix(".pt") == variant.removeprefix("v2-")
    elif variant not in ("r", "tiny") and not variant.startswith("v2"):
        assert card.sources[0].url.endswith(f"lpepino/encodecmae-{variant}/resolve/main/model.pt")


def test_what_mel_inputs_say_of_themselves_is_what_their_cards_say() -> None:
    for name, variant in (("mel256", "v2-mel256-ec-base"), ("mel128", "tiny")):
        heard, card = inputs.inputs(name), encodecmae.CARDS[variant]
        assert (heard.sample_rate, heard.frame_rate_hz, heard.min_samples, heard.dim) == (
            *(card.sample_rate, card.frame_rate_hz, card.min_samples),
            encodecmae.VARIANTS[variant].settings.input_dim,
        )


def test_a_clip_is_heard_in_chunks_of_four_seconds() -> None:
    made = base.load("random:encodecmae-tiny")
    found = segments(10 * 16000, made.card)
    assert [(one.end - one.start) / 16000 for one in found] == [4.0, 4.0, 2.0]
    assert made(reference.numbers(1, 64000)).shape == (1, 5, 200, 192)


def test_layers_are_given_in_the_order_asked_for_and_equal_those_of_one_call() -> None:
    made = base.load("random:encodecmae-tiny")
    audio = 0.1 * reference.numbers(2, 8000)
    everything = made(audio)
    torch.testing.assert_close(made(audio, [4, 0, 2]), everything[:, [4, 0, 2]])
