"""The loop: what reaches the network, in which batches, and what comes of it whatever the batch was."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from earmark import identity
from earmark.errors import UserError
from earmark.representations import _pooling, base, embed
from earmark.representations.base import Representation, check_call
from earmark.representations.embed import Finished, Loop, clip_embedding, device_of, frame_embeddings, segments
from earmark.representations.logmel import CARD

RATE, FRAME = 8000, 80


class Network:
    """Four layers, each the one before times two, of frames of 80 samples; writes down what it is given."""

    card = dataclasses.replace(
        CARD, name="network", sample_rate=RATE, frame_rate_hz=RATE / FRAME, dim=FRAME, layers=4, min_samples=FRAME
    )

    def __init__(self, holds: int = 1000) -> None:
        self.holds = holds
        self.shapes: list[tuple[int, ...]] = []
        self.layers: list[Sequence[int] | None] = []

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        wanted = check_call(audio, layers, self.card)
        self.shapes.append(tuple(audio.shape))
        self.layers.append(layers)
        if len(audio) > self.holds:
            raise torch.OutOfMemoryError("no room")
        frames = audio.unfold(1, FRAME, FRAME)
        return torch.stack([frames * 2**layer for layer in wanted], dim=1)


class Fussy(Network):
    """Refuses a batch in which a clip begins with a one."""

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        found = super().__call__(audio, layers)
        if (audio[:, 0] == 1.0).any():
            raise UserError("begins with a one")
        return found


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(n_samples, dtype=np.float32) * np.float32(0.1)


def through(loop: Loop[int], clips: Sequence[np.ndarray]) -> dict[int, np.ndarray | UserError]:
    """Give clips to a loop by their number; every one must come back, once."""
    finished: list[Finished[int]] = []
    for number, samples in enumerate(clips):
        finished += loop.add(number, samples)
    finished += loop.rest()
    assert sorted(one.tag for one in finished) == list(range(len(clips)))
    return {one.tag: one.answer for one in finished}


def alone(network: Representation, samples: np.ndarray, segment_s: float | None = None) -> np.ndarray:
    return clip_embedding(network, samples, None, segment_s)


def test_the_layers_asked_for_are_handed_to_the_network_so_that_it_may_stop_there() -> None:
    network = Network()
    found = clip_embedding(network, noise(800), [2, 0])
    assert network.layers == [[2, 0]]
    np.testing.assert_array_equal(found, clip_embedding(network, noise(800))[[2, 0]])


def test_no_segment_is_padded_and_the_tail_has_its_exact_length() -> None:
    network = Network()
    clip_embedding(network, noise(4 * 800 + 123), None, 0.1, batch=8)
    assert network.shapes == [(4, 800), (1, 123)]


def test_on_a_cpu_each_segment_goes_alone() -> None:
    network = Network()
    clip_embedding(network, noise(3 * 800), None, 0.1)
    assert network.shapes == [(1, 800)] * 3


def test_segments_of_one_length_go_together_whichever_clips_they_are_of() -> None:
    network, clips = Network(), [noise(800, 1), noise(960, 2), noise(800, 3), noise(800, 4), noise(960, 5)]
    found = through(Loop(network, batch=2), clips)
    assert sorted(network.shapes) == [(1, 800), (2, 800), (2, 960)]
    for number, samples in enumerate(clips):
        np.testing.assert_array_equal(found[number], alone(network, samples))


def test_a_clip_comes_back_only_with_its_last_segment() -> None:
    loop = Loop[str](Network(), None, 0.1, batch=3)
    assert loop.add("two segments", noise(1600)) == []
    finished = loop.add("a segment and a tail", noise(800 + 400))
    assert [one.tag for one in finished] == ["two segments"], "the other's tail has found no mates"
    assert [one.tag for one in loop.rest()] == ["a segment and a tail"]


def test_a_batch_that_does_not_fit_is_halved_and_the_next_ones_too() -> None:
    network, clips = Network(holds=3), [noise(800, seed) for seed in range(16)]
    loop = Loop[int](network, batch=8)
    found = through(loop, clips)
    assert loop.batch == 2, "eight, then four, then two"
    assert [shape[0] for shape in network.shapes] == [8, 4, 2, 2, 4, 2, 2, 2, 2, 2, 2]
    for number, samples in enumerate(clips):
        np.testing.assert_array_equal(found[number], alone(Network(), samples))


def test_a_segment_that_fits_in_no_memory_says_what_to_set() -> None:
    with pytest.raises(UserError, match=r"'network' needs more memory for 0\.1 s than there is\. Set segment_s\."):
        clip_embedding(Network(holds=0), noise(800))


def test_a_clip_that_is_refused_takes_no_other_with_it() -> None:
    clips = [noise(800, seed) for seed in range(4)]
    clips[2][0] = 1.0
    found = through(Loop(Fussy(), batch=4), clips)
    assert [number for number, answer in found.items() if isinstance(answer, UserError)] == [2]
    assert str(found[2]) == "begins with a one"
    np.testing.assert_array_equal(found[3], alone(Network(), clips[3]))


def test_a_refused_clip_is_given_up_at_once() -> None:
    network, samples = Fussy(), noise(8000)
    samples[0] = 1.0
    (found,) = Loop[None](network, None, 0.1).add(None, samples)
    assert isinstance(found.answer, UserError)
    assert len(network.shapes) == 1, "of ten segments"


def test_a_clip_too_short_is_answered_and_not_waited_for() -> None:
    (found,) = Loop[str](Network(), batch=8).add("short", noise(79))
    assert found.tag == "short"
    assert "too short for 'network'" in str(found.answer)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "WAITING_SAMPLES", 2000)
    loop = Loop[int](Network(), batch=64)
    finished = [len(loop.add(number, noise(800 + number, number))) for number in range(6)]
    assert finished == [0, 0, 3, 0, 0, 3], "every third clip fills the room, and all three go"
    assert loop.rest() == []


def test_the_sum_of_a_long_clip_is_that_of_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, network = noise(20 * FRAME), Network()
    at_once = clip_embedding(network, samples)
    monkeypatch.setattr(_pooling, "FRAMES_TOGETHER", 3)
    np.testing.assert_allclose(clip_embedding(network, samples), at_once, rtol=1e-6)


def test_a_network_that_gives_no_frames_is_refused() -> None:
    class Empty(Network):
        def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
            return super().__call__(audio, layers)[:, :, :0]

    with pytest.raises(UserError, match="no frames came of its 800 samples"):
        clip_embedding(Empty(), noise(800))


def test_the_loop_counts_the_seconds_of_finished_clips_and_of_its_forward_passes() -> None:
    loop = Loop[int](Network(), None, 0.1, 0.05)
    through(loop, [noise(8000), noise(4000), noise(10)])
    assert loop.audio_s == 1.5, "overlap is not counted twice, nor a clip that was refused"
    assert 0 < loop.seconds < 10


def test_frames_leave_the_callers_gradients_alone() -> None:
    frames = frame_embeddings(Network(), noise(1600), None, 0.1)
    next(frames)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_device_is_that_of_the_parameters() -> None:
    class Module(torch.nn.Module, Network):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("window", torch.zeros(1, device="meta"))

    assert device_of(Module()).type == "meta"
    assert device_of(Network()).type == "cpu"


def test_a_card_says_how_a_clip_is_cut_when_the_experiment_does_not() -> None:
    card = dataclasses.replace(CARD, segment_s=2.0, segment_hop_s=1.0)
    second = card.sample_rate
    assert segments(4 * second, card) == segments(4 * second, CARD, 2.0, 1.0)
    assert segments(4 * second, card, 3.0) == segments(4 * second, CARD, 3.0), "what is asked for counts alone"
    assert segments(4 * second, card, None, 2.0) == segments(4 * second, CARD, 2.0, 2.0)


@pytest.mark.parametrize("name", ["random:musicnn-tiny", "random:clap-tiny"])
def test_a_network_of_one_vector_a_segment_takes_a_long_clip_without_being_told_how(name: str) -> None:
    network = base.load(name)
    noise = identity.generator("test", name).standard_normal(21 * network.card.sample_rate).astype(np.float32)
    n_segments = len(segments(len(noise), network.card))
    assert n_segments > 2
    assert len(list(frame_embeddings(network, noise))) == n_segments
