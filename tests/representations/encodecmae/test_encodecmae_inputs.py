"""Inputs: EnCodec's frames against its own pass, filter banks against Kaldi and naive sums, frozen for certain."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import EncodecConfig, EncodecModel

from earmark.errors import UnknownName, UserError
from earmark.representations import _weights, encodec
from earmark.representations.encodecmae import fbank, inputs
from earmark.representations.encodecmae.fbank import KaldiBank
from earmark.representations.encodecmae.inputs import EncodecFrames, Mel128, Mel256

GOLDENS = Path(__file__).parents[2] / "golden" / "kaldi" / "goldens.npz"
TINY = "random:encodec-tiny"
EVERY = {"encodec": TINY, "mel128": "", "mel256": ""}


def noise(n_samples: int, rows: int = 2) -> Tensor:
    return 0.1 * torch.randn(rows, n_samples, generator=torch.Generator().manual_seed(n_samples))


def frames_of_transformers(heard: Tensor) -> Tensor:
    """The encoder of the miniature as transformers runs it, whole, row by row."""
    model: Any = EncodecModel(EncodecConfig(**encodec.CONFIGURATIONS["tiny"])).eval()  # type: ignore[no-untyped-call]
    model.load_state_dict(encodec.build("tiny", 0).state_dict(), strict=False)
    with torch.no_grad():
        return torch.cat([model.encoder(row[None, None]) for row in heard]).transpose(1, 2)


@pytest.mark.parametrize("n_samples", [320, 321, 639, 96000])
def test_frames_of_the_codec_are_those_of_transformers(n_samples: int) -> None:
    heard = noise(n_samples)
    made = inputs.inputs("encodec", TINY)

    assert torch.equal(made(heard), frames_of_transformers(heard))
    assert (made.sample_rate, made.frame_rate_hz, made.dim) == (24000, 75.0, 16)


@pytest.mark.parametrize("n_samples", [11840, 11841, 12159, 12480, 23685, 96000])
def test_long_audio_in_pieces_gives_the_frames_of_one_pass(n_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = noise(n_samples)
    monkeypatch.setattr(inputs, "PIECE_FRAMES", 37)
    found, whole = inputs.inputs("encodec", TINY)(heard), frames_of_transformers(heard)

    assert found.shape == whole.shape
    assert float((found - whole).abs().max()) < 3e-5 * float(whole.abs().max())


def test_a_piece_hears_just_as_much_before_as_the_convolutions_see() -> None:
    """One frame less would be heard, and one more would be for nothing."""
    made = EncodecFrames(encodec.build("tiny", 0))
    convolutions = [layer for layer in made.encoder.layers if not hasattr(layer, "lstm")][:-2]
    heard = noise(320 * 9, 1)[:, None].requires_grad_(True)
    hidden: Tensor = heard
    for layer in convolutions:
        hidden = layer(hidden)
    (gradient,) = torch.autograd.grad(hidden[0, :, 6].sum(), heard)
    seen = gradient[0, 0].nonzero()
    first, last = int(seen.min()), int(seen.max())

    assert (320 * 6 - first, last) == (478, 320 * 7 - 1)
    assert inputs._seen_samples(encodec.build("tiny", 0).config) == 478
    assert made.seen_frames == 2


def test_the_bank_is_kaldis_own() -> None:
    golden = np.load(GOLDENS)
    found = KaldiBank(24000, 128, 637, 318, 20.0)(torch.from_numpy(golden["audio"])[None])[0]

    assert found.shape == golden["bands"].shape == (17, 128)
    assert np.abs(found.numpy() - golden["bands"]).max() < 2e-3
    assert (found.numpy() == golden["bands"].min()).any(), "silence lies at the floor of both"


def mel(hz: float) -> float:
    return 1127.0 * math.log(1.0 + hz / 700.0)


def test_the_bank_of_256_is_that_of_sums_written_out() -> None:
    """What Kaldi refuses: bands that hold no bin, which are at the floor."""
    heard = noise(637 + 318, 1)
    found = KaldiBank(24000, 256, 637, 318, 20.0)(heard)[0]
    step = (mel(12000.0) - mel(20.0)) / 257
    empty = 0
    for frame in range(2):
        x = heard[0, 318 * frame : 318 * frame + 637].double().numpy()
        x = x - x.mean()
        x = x - 0.97 * np.concatenate([x[:1], x[:-1]])
        x = x * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(637) / 636))
        power = np.abs(np.fft.rfft(x, 1024)) ** 2
        for band in range(256):
            left, centre, right = (mel(20.0) + step * (band + edge) for edge in range(3))
            total = 0.0
            for number in range(512):
                at = mel(number * 24000 / 1024)
                if left < at < right:
                    slope = (at - left) / (centre - left) if at <= centre else (right - at) / (right - centre)
                    total += slope * power[number]
            empty += total == 0
            assert float(found[frame, band]) == pytest.approx(np.log(max(total, fbank.FLOOR)), abs=2e-3)
    assert empty == 2 * 5


def test_blocks_of_frames_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Mel256()(noise(48000))
    monkeypatch.setattr(fbank, "BLOCK_FRAMES", 11)

    assert torch.allclose(Mel256()(noise(48000)), whole, atol=1e-5)


def test_mel256_is_the_bank_standardised_by_the_published_numbers() -> None:
    heard = noise(96000, 1)
    made = Mel256()

    assert torch.equal(made(heard), (KaldiBank(24000, 256, 637, 318, 20.0)(heard) + 6.12) / 4.82)
    assert made(heard).shape == (1, 300, 256)


def test_mel128_is_the_logarithm_of_windows_around_each_hop() -> None:
    heard = noise(64000, 1)
    found = Mel128()(heard)[0]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    padded = np.pad(heard[0].double().numpy(), 352, mode="reflect")
    bank = Mel128().power
    filters = np.zeros((513, 128))
    for number, (start, stop) in enumerate(bank.ranges):
        filters[start:stop, 32 * number : 32 * number + 32] = bank.get_buffer(f"group_{number}").numpy()

    assert found.shape == (200, 128)
    for frame in (0, 1, 100, 199):
        power = np.abs(np.fft.rfft(padded[320 * frame : 320 * frame + 1024] * window)) ** 2
        assert np.abs(found[frame].numpy() - np.log(power @ filters + 1e-3)).max() < 1e-4


def test_mel128_is_standardised_by_the_audio_that_it_was_given() -> None:
    made, heard = Mel128(), noise(64000, 3)
    made.prepare(heard)
    frames = made(heard).flatten(0, 1)

    assert float(frames.mean(0).abs().max()) < 1e-4
    assert float((frames.std(0, correction=0) - 1).abs().max()) < 1e-4
    assert {"mean", "spread"} == set(made.state_dict()), "they lie in checkpoints"


def test_statistics_that_are_there_stay() -> None:
    """Codebooks and networks were fitted to frames that were standardised by them."""
    made = Mel128()
    assert not made.is_measured
    made.prepare(noise(64000))
    before = {name: one.clone() for name, one in made.state_dict().items()}
    made.prepare(0.01 * noise(48000))

    assert made.is_measured
    assert all(torch.equal(one, before[name]) for name, one in made.state_dict().items())


def test_a_band_that_never_changes_is_not_divided_by_nothing() -> None:
    made = Mel128()
    made.prepare(torch.zeros(1, 16000))

    assert torch.equal(made(torch.zeros(1, 16000)), torch.zeros(1, 50, 128))


@pytest.mark.parametrize("name", EVERY)
def test_training_changes_nothing_of_them(name: str) -> None:
    made, heard = inputs.inputs(name, TINY), noise(96000)
    before, frames = _weights.sha256_of_state(made), made(heard)
    outer = torch.nn.Sequential(made, torch.nn.Linear(made.dim, 3))
    outer.train()
    optimiser = torch.optim.SGD([one for one in outer.parameters() if one.requires_grad], 0.1)
    outer(heard).square().mean().backward()
    optimiser.step()

    assert len(optimiser.param_groups[0]["params"]) == 2, "those of the layer that learns"
    assert not any(one.training for one in made.modules())
    assert _weights.sha256_of_state(made) == before
    assert torch.equal(made(heard), frames)


@pytest.mark.parametrize("name", EVERY)
def test_half_precision_of_the_network_is_none_of_theirs(name: str) -> None:
    made, heard = inputs.inputs(name, TINY), noise(48000)
    with torch.autocast("cpu", torch.bfloat16):
        found = made(heard)

    assert found.dtype == torch.float32
    assert torch.equal(found, made(heard))


@pytest.mark.parametrize("name", EVERY)
def test_a_row_does_not_depend_on_its_batch(name: str) -> None:
    made, heard = inputs.inputs(name, TINY), noise(48000, 3)

    assert torch.allclose(made(heard)[1:2], made(heard[1:2]), atol=1e-5)


@pytest.mark.parametrize(("name", "least"), [("encodec", 320), ("mel128", 353), ("mel256", 637)])
def test_audio_that_is_too_short_is_an_error_that_says_how_long(name: str, least: int) -> None:
    made = inputs.inputs(name, TINY)

    assert made(noise(least)).shape[1] == 1
    with pytest.raises(UserError, match=f"'{name}' needs at least {least} samples at .* Hz, got {least - 1}"):
        made(noise(least)[:, 1:])


def test_unknown_inputs_and_codecs_are_errors_with_what_is_known() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'mel256'"):
        inputs.inputs("mel255")
    with pytest.raises(UserError, match="to be an EnCodec, got 'logmel'"):
        inputs.inputs("encodec", "logmel")
