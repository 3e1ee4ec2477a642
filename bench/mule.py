"""MULE: windows of a file together and with frozen weights, against one at a time with weights standardised anew.

The network is the published one (62 M parameters) with random weights, on one thread. The naive way takes each window
of the same spectrogram by itself; in each call it standardises weights as the formula stands, for gradients too. Real
time: seconds of a file that are embedded in one of CPU, at an embedding every 2 s, decoding aside.
"""

import importlib.util
from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from bench.ratio import Cost, Ratio, compare
from earmark.representations import base
from earmark.representations.mule import WINDOW_FRAMES, centres
from earmark.representations.mule.frontend import SAMPLE_RATE, LogMel, standardised
from earmark.representations.mule.network import LEAST_VARIANCE, Conv, SfNfNet
from earmark.representations.mule.objective import NO_MIXING, slices_of
from earmark.representations.mule.settings import F0

NAME, FILE_S, MOST_APART = "random:mule-released", 34, 1e-5
WINDOW_NAME, WINDOW_S = "random:mule", 3
N_TRAINED, ROUNDS = 4, 5
INFERENCE_GOAL = 6.0


class NaiveConv(Conv):
    """The same convolution with its formula written out: four passes over the weights."""

    def standardised(self) -> Float[Tensor, "out in height width"]:
        """Return the weights that are convolved with."""
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        variance = (self.weight - mean).square().mean((1, 2, 3), keepdim=True)
        scale = torch.sqrt(torch.clamp(variance * self.weight[0].numel(), min=LEAST_VARIANCE))
        return (self.weight - mean) * self.gain.view(-1, 1, 1, 1) / scale


def measure() -> list[Ratio | Cost]:
    """Return the ratios of inference and of a training step, and how many times real time inference is."""
    torch.set_num_threads(1)
    made: Any = base.load(NAME)
    audio = 0.1 * torch.randn(1, FILE_S * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    naive = _naive_copy(made.network).eval().requires_grad_(False)
    apart = float((made(audio)[0, 0] - _one_at_a_time(made.front, naive, audio)).abs().max())
    if apart > MOST_APART:
        raise AssertionError(f"Expected the same embeddings both ways; they are {apart:g} apart.")
    inference = compare(
        f"a file of {FILE_S} s, {len(centres(1 + audio.shape[1] // 160))} windows",
        ("earmark", lambda: made(audio)),
        ("one window at a time, weights standardised in each", lambda: _one_at_a_time(made.front, naive, audio)),
        goal=INFERENCE_GOAL,
        rounds=ROUNDS,
    )
    front = compare("", ("", lambda: made.front(audio)), ("", lambda: None), rounds=ROUNDS).ours_s
    real_time = Cost(
        f"the same file, of which {front:.2g} s for the spectrogram",
        inference.ours_s,
        f"{FILE_S / inference.ours_s:.0f} × real time; both ways {apart:.1g} apart",
    )
    ours = SfNfNet(F0)
    ours.draw(torch.Generator().manual_seed(0))
    training = compare(
        f"forward and backward, {N_TRAINED} slices of 3 s",
        ("earmark", _step(ours)),
        ("weights standardised as the formula stands", _step(_naive_copy(ours))),
        rounds=ROUNDS,
    )
    return [real_time, inference, *_compiled(), training]


def _compiled() -> list[Ratio]:
    """Return what a runtime gains besides, where it is here: a window of 3 s, spectrogram included."""
    if importlib.util.find_spec("openvino") is None or importlib.util.find_spec("onnxscript") is None:
        return []
    made, compiled = cast(Any, base.load(WINDOW_NAME)), base.load(f"openvino:{WINDOW_NAME}")
    naive = _naive_copy(made.network).eval().requires_grad_(False)
    audio = 0.1 * torch.randn(1, WINDOW_S * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))

    def one() -> Tensor:
        with torch.inference_mode():
            said: Tensor = naive(slices_of(made.front(audio), NO_MIXING, torch.Generator()))
            return said

    expected = one()
    apart = float((compiled(audio).flatten() - expected.flatten()).abs().max() / expected.abs().max())
    if apart > MOST_APART:
        raise AssertionError(f"Expected the same embedding by OpenVINO; it is {apart:g} of the largest number apart.")
    return [
        compare(
            f"a window of {WINDOW_S} s by openvino:mule, {apart:.1g} apart",
            ("earmark", lambda: compiled(audio)),
            ("one window at a time, weights standardised in each", one),
            goal=INFERENCE_GOAL,
            rounds=ROUNDS,
        )
    ]


def _one_at_a_time(front: LogMel, network: SfNfNet, audio: Tensor) -> Tensor:
    bands, half = front(audio), WINDOW_FRAMES // 2
    with torch.inference_mode():
        found = [network(standardised(bands[:, :, at - half : at + half])) for at in centres(bands.shape[2])]
    return torch.cat(found)


def _naive_copy(network: SfNfNet) -> SfNfNet:
    copied = SfNfNet(network.settings)
    copied.load_state_dict(network.state_dict())
    for module in copied.modules():
        if isinstance(module, Conv):
            module.__class__ = NaiveConv
    return copied


def _step(network: SfNfNet) -> Callable[[], object]:
    network.train().requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    slices = torch.randn(N_TRAINED, 1, 96, WINDOW_FRAMES, generator=generator)

    def step() -> None:
        network.zero_grad()
        network(slices, generator).square().mean().backward()

    return step
