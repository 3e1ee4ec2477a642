"""The network equals its equations, written one head and one frame at a time, and has the published size."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.representations.encodecmae import masking, network, published
from earmark.representations.encodecmae.masking import Frames
from earmark.representations.encodecmae.network import Attention, Block, Network, Positions, Streams
from earmark.representations.encodecmae.settings import BASE, LARGE, PRESETS, SMALL, TINY, Settings
from tests.representations.encodecmae import reference


def lively(settings: Settings, input_dim: int = 5, seed: int = 0) -> Network:
    """A network whose norms and scales are not neutral, as they are after training."""
    made = network.build(settings, input_dim, seed)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=rng))
    return made.double()


def test_attention_equals_softmax_spelt_out_and_torchs_own_of_equal_heads() -> None:
    ours = Attention(dim=12, heads=3, head_dim=5).double()
    frames = reference.numbers(2, 7, 12, dtype=torch.float64)
    queries, keys, values = (
        (frames @ rows.T).reshape(2, 7, 3, 5).transpose(1, 2) for rows in ours.into.weight.chunk(3)
    )
    weights = (queries @ keys.transpose(2, 3) / math.sqrt(5)).softmax(-1)
    spelt = (weights @ values).transpose(1, 2).flatten(2) @ ours.out.weight.T
    torch.testing.assert_close(ours(frames), spelt, rtol=0, atol=1e-12)
    torchs = functional.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(ours(frames), torchs @ ours.out.weight.T, rtol=0, atol=1e-12)


def test_attention_equals_torchs_multi_head_module_with_its_weights() -> None:
    ours = Attention(dim=12, heads=3, head_dim=4).double()
    theirs = nn.MultiheadAttention(12, 3, bias=False, batch_first=True).double()
    theirs.load_state_dict({"in_proj_weight": ours.into.weight, "out_proj.weight": ours.out.weight})
    frames = reference.numbers(2, 9, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(frames), theirs(frames, frames, frames)[0], rtol=0, atol=1e-12)


def test_a_block_keeps_the_equations_of_residual() -> None:
    block, feedforward = Block(reference.miniature()).double(), nn.Linear(16, 16).double()
    a, b = (reference.numbers(2, 5, 16, seed=seed, dtype=torch.float64) for seed in (0, 1))
    found = block(Streams(a, b), feedforward)
    y = block.attention(a)
    a, b = block.norm_1(a + y), b + y
    y = feedforward(a)
    torch.testing.assert_close(found.normed, block.norm_2(a + y))
    torch.testing.assert_close(found.summed, b + y)


def test_with_feed_forward_weights_of_zero_a_block_is_attention_and_two_norms() -> None:
    block, feedforward = Block(reference.miniature()).double(), nn.Linear(16, 16).double()
    nn.init.zeros_(feedforward.weight)
    nn.init.zeros_(feedforward.bias)
    frames = reference.numbers(1, 5, 16, dtype=torch.float64)
    found = block(Streams(frames, frames), feedforward)
    torch.testing.assert_close(found.summed, frames + block.attention(frames))
    torch.testing.assert_close(found.normed, block.norm_2(block.norm_1(found.summed)))


@pytest.mark.parametrize("share_ffn", [True, False])
@pytest.mark.parametrize("version", [1, 2])
def test_logits_equal_the_network_one_head_and_frame_at_a_time(version: int, share_ffn: bool) -> None:
    settings = reference.miniature(shared_positions=version == 1, share_ffn=share_ffn)
    state = reference.state_of(settings, version, input_dim=5)
    made = Network(settings, 5)
    made.load_state_dict(published.renamed(state, settings, "made here").network)
    frames, inputs = masking.draw(2, 12, 0.5, 3, torch.Generator().manual_seed(0)), reference.numbers(2, 12, 5)
    ours = made.double()(inputs.double(), frames)
    state = {name: tensor.double() for name, tensor in state.items()}
    for clip, visible in enumerate(frames.visible.tolist()):
        spelt = reference.logits(inputs[clip].double(), state, settings, version, visible)
        torch.testing.assert_close(ours[clip], spelt, rtol=0, atol=1e-6)  # positions are kept in single precision
        layers = [one[clip] for one in made.encoder.layers(inputs.double(), settings.encoder_layers)]
        expected = reference.encoder_layers(inputs[clip].double(), state, settings, version)
        for number, (layer, wanted) in enumerate(zip(layers, [*expected[:-2], expected[-1]], strict=True)):
            torch.testing.assert_close(layer, wanted, rtol=0, atol=1e-6, msg=f"layer {number}")
        last = made.encoder.without_last_norm(inputs.double())[clip]
        torch.testing.assert_close(last, expected[-2], rtol=0, atol=1e-6)


def test_the_encoder_never_sees_a_hidden_frame() -> None:
    made, frames = lively(reference.miniature()), masking.draw(2, 20, 0.5, 3, torch.Generator().manual_seed(1))
    inputs = reference.numbers(2, 20, 5, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(made(inputs, frames).square().sum(), inputs)
    hidden = torch.zeros(2, 20, dtype=torch.bool).scatter_(1, frames.hidden, True)
    assert gradient[hidden].abs().max() == 0.0, "not even through the decoder"
    assert bool((gradient[~hidden].abs().sum(-1) > 0).all())


def test_a_clip_never_sees_its_neighbours() -> None:
    made, frames = lively(reference.miniature()), masking.draw(2, 20, 0.5, 3, torch.Generator().manual_seed(1))
    inputs = reference.numbers(2, 20, 5, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(made(inputs, frames)[0].square().sum(), inputs)
    assert gradient[1].abs().max() == 0.0


def test_hidden_frames_are_zeros_or_the_learnt_token_and_their_place_is_known() -> None:
    frames = Frames(torch.tensor([[0, 2]]), torch.tensor([[1, 3]]))
    visible = reference.numbers(1, 2, 16, dtype=torch.float64)
    zeros = lively(reference.miniature())
    assert zeros.mask_token is None
    assert torch.equal(zeros.spread(visible, frames)[0, [1, 3]], torch.zeros(2, 16, dtype=torch.float64))
    learnt = lively(reference.miniature(mask_token="learned"))
    assert learnt.mask_token is not None
    assert torch.equal(learnt.spread(visible, frames)[0, [1, 3]], learnt.mask_token.expand(2, -1))
    for made in (zeros, learnt):
        assert torch.equal(made.spread(visible, frames)[0, [0, 2]], visible[0])
        said = made(reference.numbers(1, 4, 5, dtype=torch.float64), frames)
        assert not torch.allclose(said[0, 1], said[0, 3]), "positions tell hidden frames apart"
    torch.autograd.backward(learnt(reference.numbers(1, 4, 5, dtype=torch.float64), frames).square().sum())
    assert learnt.mask_token.grad is not None
    assert learnt.mask_token.grad.abs().min() > 0


def test_of_version_1_encoder_and_decoder_scale_their_positions_by_one_number() -> None:
    scales = {True: ["encoder.positions.scale"], False: ["encoder.positions.scale", "positions.scale"]}
    for shared, names in scales.items():
        made = network.build(reference.miniature(shared_positions=shared), 5, 0)
        assert [name for name, _ in made.named_parameters() if "scale" in name] == names


def test_positions_are_the_paper_s_sinusoids_times_their_scale_at_any_length() -> None:
    made = Positions(8)
    nn.init.constant_(made.scale, 0.5)
    for n_frames in (3, 1300):
        found = made(torch.ones(2, n_frames, 8))
        expected = 1 + 0.5 * reference.positions(n_frames, 8)
        torch.testing.assert_close(found[1].double(), expected, rtol=0, atol=1e-6)
    assert made(torch.ones(1, 3, 8)).shape == (1, 3, 8)


def test_one_feed_forward_module_serves_a_whole_stack_unless_asked_otherwise() -> None:
    shared, apart = (network.build(reference.miniature(share_ffn=one), 5, 0) for one in (True, False))
    assert [len(one.feedforwards) for one in (shared.encoder.stack, shared.decoder)] == [1, 1]
    assert [len(one.feedforwards) for one in (apart.encoder.stack, apart.decoder)] == [3, 2]


@pytest.mark.parametrize(
    ("settings", "shared", "unshared"),
    [(SMALL, 36_121_600, 67_603_200), (BASE, 47_933_440, 110_896_640), (LARGE, 118_374_400, 286_248_960)],
)
def test_sizes_are_the_published_ones_and_the_scale_of_the_sinusoids(
    settings: Settings, shared: int, unshared: int
) -> None:
    found = network.size(settings)
    assert (found.network, found.network_unshared) == (shared + 1, unshared + 1)


@pytest.mark.parametrize("name", [*PRESETS, "apart", "version 2", "learnt"])
def test_sizes_are_those_of_the_network_that_is_made(name: str) -> None:
    others = {
        "apart": reference.miniature(share_ffn=False),
        "version 2": reference.miniature(shared_positions=False, inputs="mel256"),
        "learnt": reference.miniature(mask_token="learned"),
    }
    settings = PRESETS.get(name) or others[name]
    with torch.device("meta"):
        made = Network(settings, settings.input_dim)
    found = network.size(settings)
    assert found.network == sum(one.numel() for one in made.parameters())
    assert found.encoder == sum(one.numel() for one in made.encoder.parameters())


def test_the_tiny_network_is_that_of_our_own_runs() -> None:
    assert network.size(TINY).network == 1_593_089


def test_linear_layers_begin_xavier_uniform_and_everything_else_neutral() -> None:
    made = network.build(reference.miniature(dim=64, heads=4, head_dim=16, ffn_dim=128), 32, 0)
    for name, parameter in made.named_parameters():
        if parameter.ndim == 2:
            matrices = parameter.chunk(3) if name.endswith("into.weight") else [parameter]
            for matrix in matrices:
                bound = math.sqrt(6 / sum(matrix.shape))
                assert 0.95 * bound < float(matrix.detach().abs().max()) <= bound, name
                assert float(matrix.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.1), name
        else:
            expected = 0.0 if name.endswith("bias") else 1.0
            assert torch.equal(parameter, torch.full_like(parameter, expected)), name


def test_a_seed_gives_one_network_and_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (network.build(reference.miniature(mask_token="learned"), 5, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
    assert not torch.equal(one.head.weight, other.head.weight)
    outs = [tensor for name, tensor in one.state_dict().items() if name.endswith("attention.out.weight")]
    assert not torch.equal(outs[0], outs[1]), "blocks are drawn apart"


def test_layers_above_the_deepest_asked_for_are_not_computed() -> None:
    made, ran = lively(reference.miniature()), list[int]()
    for number, block in enumerate(made.encoder.stack.blocks, start=1):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    inputs = reference.numbers(1, 6, 5, dtype=torch.float64)
    for deepest, expected in ((0, []), (1, [1]), (3, [1, 2, 3])):
        ran.clear()
        assert len(list(made.encoder.layers(inputs, deepest))) == deepest + 1
        assert ran == expected


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"heads": 0}, "Expected 'heads' of at least 1, got 0"),
        ({"dim": 15}, "Expected an even dim, half sines and half cosines; got 15"),
        ({"inputs": "mel"}, "Expected 'inputs' to be encodec or mel256 or mel128; got 'mel'"),
        ({"targets": "codes"}, "Expected 'targets' to be codec or mel_rvq or kmeans or codec"),
        ({"mask_token": "ones"}, "Expected 'mask_token' to be zeros or learned; got 'ones'"),
        ({"mask_share": 1.0}, "Expected a mask_share between 0 and 1, got 1"),
        ({"delta": 1.5}, "Expected a delta from 0 to 1, the weight of hidden frames; got 1.5"),
        ({"gamma": (1.0, 1.0)}, r"Expected a gamma of 3 weights from 0, not all 0, for 3 streams; got \(1.0, 1.0\)"),
        ({"gamma": (0.0, 0.0, 0.0)}, "not all 0, for 3 streams"),
        ({"gamma": (1.0, -1.0, 1.0)}, "weights from 0"),
        ({"targets": "codec+kmeans", "gamma": (1.0,)}, "Expected a gamma of 2 or 3 weights"),
        ({"targets": "codec+kmeans", "n_streams": 1, "gamma": None}, "for 1 streams; got None"),
    ],
)
def test_numbers_that_make_no_network_are_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(UserError, match=text):
        reference.miniature(**changes)


def test_weights_of_streams_are_gamma_or_equal_and_a_taught_stream_weighs_as_much_as_the_codec() -> None:
    assert reference.miniature().weights == (0.5, 0.3, 0.2)
    assert reference.miniature(gamma=None).weights == pytest.approx((1 / 3,) * 3)
    assert reference.miniature(targets="codec+kmeans", gamma=None).weights == (0.5, 0.5, 1.0)
    assert reference.miniature(targets="codec+kmeans", gamma=(0.6, 0.1)).weights == pytest.approx((0.6, 0.1, 0.7))
    assert reference.miniature(targets="codec+kmeans", gamma=(0.6, 0.1, 0.2)).weights == (0.6, 0.1, 0.2)
    assert reference.miniature(targets="mel_rvq+kmeans", gamma=(0.6, 0.1)).weights == pytest.approx((0.6, 0.1, 0.7))
    assert sum(BASE.weights) == pytest.approx(1.0)
    assert sum(TINY.weights) == pytest.approx(1.0)
