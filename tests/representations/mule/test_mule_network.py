"""SF-NFNet has the shapes and parameters of the published one, and computes what its equations say."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations.mule import network
from earmark.representations.mule.network import Block, Conv, SfNfNet
from earmark.representations.mule.settings import F0, PRESETS, TINY, Settings
from tests.representations.mule import reference

GOLDEN = Path(__file__).parents[2] / "golden" / "mule"
# Of 300 frames, by the table in the facts: channels, bands, frames.
SHAPES = {
    **{"slow_stem": (128, 24, 19), "fast_stem": (16, 24, 75)},
    **{"fusions.0": (128, 24, 19), "fusions.1": (256, 24, 19), "fusions.2": (512, 12, 19), "fusions.3": (3072, 6, 19)},
    **{"slow_stages.0.0": (256, 24, 19), "slow_stages.1.1": (512, 12, 19)},
    **{"slow_stages.2.5": (1536, 6, 19), "slow_stages.3.2": (1536, 3, 19)},
    **{"fast_stages.0.0": (32, 24, 75), "fast_stages.1.1": (64, 12, 75)},
    **{"fast_stages.2.5": (192, 6, 75), "fast_stages.3.2": (192, 3, 75)},
}
INTO = {"slow_stages.0.0": 256, "slow_stages.1.0": 512, "slow_stages.2.0": 1024, "slow_stages.3.0": 4608}


def drawn(settings: Settings, seed: int = 0) -> SfNfNet:
    """A network with random weights whose branches say something."""
    made = SfNfNet(settings)
    made.draw(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, Block):
                module.gain.fill_(0.7)
    return made


@pytest.fixture
def f0() -> SfNfNet:
    """The published shape, without memory for its numbers."""
    with torch.device("meta"):
        return SfNfNet(F0).eval()


def count(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def test_the_network_has_the_published_number_of_parameters_and_their_split(f0: SfNfNet) -> None:
    # The facts say 0.62 of the fast path: a slip, for their parts must add up to 62.35 million.
    assert count(f0) == 62_345_742
    slow = [round(count(stage) / 1e6, 2) for stage in f0.slow_stages]
    assert slow == [0.30, 1.71, 33.09, 25.40]
    assert [round(count(one) / 1e6, 2) for one in (f0.fast_stages, f0.fusions)] == [0.82, 0.94]
    assert round((count(f0.slow_stem) + count(f0.fast_stem)) / 1e6, 2) == 0.08
    assert count(SfNfNet(TINY)) == 337_186
    assert PRESETS == {"f0": F0, "tiny": TINY}


def test_each_part_gives_the_shape_of_the_published_table(f0: SfNfNet) -> None:
    gave: dict[str, tuple[int, ...]] = {}
    took: dict[str, int] = {}

    def note(name: str, module: nn.Module, taken: tuple[Any, ...], given: Tensor) -> None:
        gave[name], took[name] = tuple(given.shape[1:]), taken[0].shape[1]

    for name, module in f0.named_modules():
        if name in SHAPES.keys() | INTO.keys():
            module.register_forward_hook(partial(note, name))
    assert f0(torch.empty(2, 1, 96, 300, device="meta")).shape == (2, 1728)
    assert {name: gave[name] for name in SHAPES} == SHAPES
    assert {name: took[name] for name in INTO} == INTO


@pytest.mark.parametrize("n_frames", [20, 100, 101, 300, 333, 400])
def test_slices_of_any_number_of_frames_are_taken(n_frames: int, f0: SfNfNet) -> None:
    assert f0(torch.empty(1, 1, 96, n_frames, device="meta")).shape == (1, 1728)
    assert drawn(TINY).eval()(torch.zeros(1, 1, 96, n_frames)).shape == (1, 160)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 4), (2, 8)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 1), (1, 3), (3, 3), (1, 7)])
@pytest.mark.parametrize("size", [(6, 8), (7, 9), (5, 16), (1, 2)])
def test_a_convolution_pads_as_tensorflow_does(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]
) -> None:
    conv = Conv(2, 2, kernel, stride, groups=1)
    reference.filled(conv)
    x = reference.numbers(1, 2, *size)
    torch.testing.assert_close(conv(x)[0], reference.convolved(x[0], conv.state_dict(), stride), rtol=1e-9, atol=1e-9)


def test_weights_are_standardised_by_their_formula_and_hardly_moving_ones_stay_small() -> None:
    conv = Conv(6, 4, (3, 3), groups=2)
    reference.filled(conv)
    with torch.no_grad():
        conv.weight[2] = 1.0 + 1e-4 * conv.weight[2]
    expected = reference.standardised(conv.weight.detach(), conv.gain.detach())
    torch.testing.assert_close(conv.standardised().detach(), expected, rtol=1e-10, atol=1e-12)
    norms = (expected.flatten(1).norm(dim=1) / conv.gain.abs()).tolist()
    assert norms[:2] + norms[3:] == pytest.approx([1.0, 1.0, 1.0])
    assert norms[2] < 0.1


@pytest.mark.parametrize("case", ["odd", "even", "grouped", "long"])
def test_a_convolution_answers_as_timm_s_within_what_timm_adds_to_the_variance(case: str) -> None:
    with np.load(GOLDEN / "timm.npz") as file:
        held = {of: torch.from_numpy(file[f"{case}/{of}"]) for of in ("weight", "gain", "bias", "x", "answer")}
    n_out, n_in, *kernel = held["weight"].shape
    stride = {"odd": (2, 2), "even": (2, 2), "grouped": (1, 1), "long": (1, 4)}[case]
    conv = Conv(held["x"].shape[1], n_out, (kernel[0], kernel[1]), stride, groups=held["x"].shape[1] // n_in)
    conv.load_state_dict({of: held[of].reshape(one.shape) for of, one in conv.state_dict().items()})
    torch.testing.assert_close(conv(held["x"]), held["answer"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("n_in", "is_transition"), [(3, True), (8, True), (8, False)])
@pytest.mark.parametrize("size", [(5, 3), (6, 4)])
def test_a_block_computes_what_is_written_of_it(
    size: tuple[int, int], n_in: int, is_transition: bool, stride: int
) -> None:
    stride = stride if is_transition else 1
    made = Block(n_in, 8, reference.SMALL.fast, stride, is_transition, beta=0.9)
    reference.filled(made)
    x = reference.numbers(2, n_in, *size)
    assert made.convs[1].groups == 2
    for clip in range(2):
        expected = reference.block(x[clip], made.state_dict(), 0.9, 0.2, stride)
        torch.testing.assert_close(made(x, 0.2)[clip], expected, rtol=1e-9, atol=1e-9)


def test_beta_is_one_over_the_deviation_that_is_expected() -> None:
    with torch.device("meta"):
        stages = SfNfNet(F0).slow_stages
    betas = [[block.beta for block in stage] for stage in stages]  # type: ignore[attr-defined]
    assert betas[0] == [1.0]
    for stage, depth in zip(betas[1:], (2, 6, 3), strict=True):
        assert stage == pytest.approx([(1.04 + 0.04 * number) ** -0.5 for number in range(depth)])


def test_gelu_is_the_exact_one_and_keeps_the_deviation() -> None:
    x = reference.numbers(400_000)
    torch.testing.assert_close(network.scaled_gelu(x), reference.gelu(x), rtol=1e-12, atol=1e-12)
    assert float(network.scaled_gelu(x).std()) == pytest.approx(1.0, abs=0.005)


def test_frozen_weights_give_the_same_and_training_thaws_them() -> None:
    made = drawn(TINY).eval()
    x = torch.randn(2, 1, 96, 100, generator=torch.Generator().manual_seed(1))
    expected, names = made(x).detach(), set(made.state_dict())
    made.freeze()
    assert not any(one.requires_grad for one in made.parameters())
    assert set(made.state_dict()) == names, "what is frozen is not saved"
    torch.testing.assert_close(made(x), expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        for one in made.parameters():
            one.mul_(2.0)
    torch.testing.assert_close(made.slow_stem(x), drawn(TINY).slow_stem(x).detach(), rtol=1e-5, atol=1e-5)
    made.train()
    assert all(one.frozen is None for one in made.modules() if isinstance(one, Conv))


def test_frozen_weights_move_to_another_device_with_the_rest() -> None:
    made = drawn(reference.SMALL)
    made.freeze()
    made.to("meta")
    assert made(torch.empty(1, 1, 30, 75, device="meta")).device.type == "meta"


def shares(made: SfNfNet, n_clips: int, generator: torch.Generator | None) -> dict[str, Any]:
    """What is taken of each block's branch while a network hears noise."""
    found: dict[str, Any] = {}

    def noted(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda module, taken: found.update({name: taken[1]})

    hooks = [
        module.register_forward_pre_hook(noted(name))
        for name, module in made.named_modules()
        if isinstance(module, Block)
    ]
    made(torch.zeros(n_clips, 1, 8, 8), generator)
    for hook in hooks:
        hook.remove()
    return found


def test_branches_are_left_out_a_growing_share_of_times_and_never_scaled_for_it() -> None:
    made, n_clips = drawn(reference.SMALL).train(), 5_000
    found = shares(made, n_clips, torch.Generator().manual_seed(0))
    for path in ("slow", "fast"):
        names = [f"{path}_stages.{stage}.{block}" for stage, block in ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0))]
        assert found[names[0]] == 0.2
        for number, name in enumerate(names[1:], start=1):
            taken = found[name]
            assert set(taken.tolist()) == {0.0, float(torch.tensor(0.2))}
            rate, share_of_left_out = 0.1 * number / 5, float((taken == 0).double().mean())
            assert abs(share_of_left_out - rate) < 4 * (rate * (1 - rate) / n_clips) ** 0.5
    assert not torch.equal(found["slow_stages.3.0"], found["fast_stages.3.0"]), "each block draws its own"
    again = shares(made, n_clips, torch.Generator().manual_seed(0))
    assert all(torch.equal(torch.as_tensor(found[name]), torch.as_tensor(again[name])) for name in found)


def test_without_training_no_branch_is_left_out() -> None:
    assert set(shares(drawn(reference.SMALL).eval(), 3, None).values()) == {0.2}


def test_a_network_in_training_asks_for_a_generator() -> None:
    with pytest.raises(UserError, match=r"Expected a generator: .* leaves branches out by chance.*\.eval\(\)"):
        drawn(reference.SMALL).train()(torch.zeros(1, 1, 16, 16))


def test_at_the_start_only_the_gains_of_branches_learn() -> None:
    made = SfNfNet(reference.SMALL)
    made.draw(torch.Generator().manual_seed(0))
    made.eval()
    x = torch.randn(2, 1, 30, 75, generator=torch.Generator().manual_seed(1))
    answer = made(x)
    answer.square().sum().backward()
    for name, block in made.named_modules():
        if isinstance(block, Block):
            assert block.gain.item() == 0.0
            assert block.gain.grad is not None
            assert float(block.gain.grad) != 0.0, name
            branch = [*block.convs.parameters(), *block.squeeze.parameters(), *block.excite.parameters()]
            assert all(one.grad is None or not one.grad.any() for one in branch), name
            if block.shortcut is not None:
                assert block.shortcut.weight.grad is not None
                assert bool(block.shortcut.weight.grad.any()), name


def test_weights_are_drawn_by_the_generator_and_from_what_is_said() -> None:
    first, again, other = (drawn(TINY, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["slow_stem.0.weight"], other["slow_stem.0.weight"])
    wide = first["slow_stages.3.0.convs.0.weight"]  # 256 inputs
    assert float(wide.std()) == pytest.approx(wide[0].numel() ** -0.5, rel=0.02)
    assert not first["slow_stages.3.0.squeeze.bias"].any()
    assert bool((first["slow_stem.0.gain"] == 1).all())
