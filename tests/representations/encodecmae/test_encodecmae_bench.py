"""What is timed against each other computes one thing."""

import random
from dataclasses import replace

import torch

from bench import encodecmae as bench
from earmark.representations.encodecmae.settings import BASE
from tests.representations.encodecmae import reference

SMALL = reference.miniature(inputs="encodec", targets="codec", n_streams=2, n_codes=1024, gamma=(0.7, 0.3))


def test_both_ways_of_a_step_give_one_loss_and_one_gradient() -> None:
    sides = bench.Sides(replace(SMALL, mask_frames=15), "tiny")
    assert bench.difference(sides) < bench.NO_MORE_THAN
    frames = sides.objective.draw(sides.cached.codes, torch.Generator().manual_seed(2))
    network, found = sides.objective.network, []
    for loss in (sides.our_loss, sides.their_loss):
        network.zero_grad()
        torch.autograd.backward(loss(frames))
        found.append({name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None})

    assert found[0].keys() == found[1].keys()
    for name, ours in found[0].items():
        torch.testing.assert_close(ours, found[1][name], rtol=2e-2, atol=2e-4)


def test_what_is_timed_at_base_is_the_published_size() -> None:
    assert (BASE.n_streams, BASE.n_codes, bench.CROP_SAMPLES) == (8, 1024, 4 * 24000)


def test_spans_drawn_in_turn_hide_exactly_the_quota() -> None:
    drawn = bench.drawn_in_turn(40, 300, BASE, random.Random(3))

    assert drawn.hidden.shape == (40, 150)
    for hidden, visible in zip(drawn.hidden, drawn.visible, strict=True):
        assert sorted([*hidden.tolist(), *visible.tolist()]) == list(range(300))
