"""MULE hears what librosa's definition says, in windows where the published extraction has them."""

from typing import Any

import librosa
import numpy as np
import pytest
import torch

from earmark import conformance
from earmark.errors import UserError
from earmark.representations import base, mule
from earmark.representations.embed import segments
from earmark.representations.mule import frontend
from earmark.representations.mule.frontend import LogMel, standardised

RATE = 16000


def noise(n_samples: int, seed: int = 0) -> torch.Tensor:
    """Quiet noise with a tone in it, one clip."""
    generator = torch.Generator().manual_seed(seed)
    time_s = torch.arange(n_samples) / RATE
    return (0.1 * torch.randn(n_samples, generator=generator) + 0.3 * torch.sin(2 * torch.pi * 440 * time_s))[None]


def by_librosa(audio: np.ndarray) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=audio,
        sr=RATE,
        n_fft=2048,
        win_length=400,
        hop_length=160,
        window="hann",
        center=True,
        pad_mode="reflect",
        power=2.0,
        n_mels=96,
        fmin=0.0,
        fmax=8000.0,
        htk=True,
        norm=2.0,
    )
    return np.asarray(power)


@pytest.mark.parametrize("n_samples", [RATE, 16001, 48000, 47999])
def test_the_spectrogram_is_librosa_s(n_samples: int) -> None:
    audio = noise(n_samples)
    front = LogMel()
    found = (10.0 ** front(audio).double() - 1.0) / 1e4
    expected = by_librosa(audio[0].double().numpy())
    assert found.shape == (1, *expected.shape) == (1, 96, 1 + n_samples // 160)
    np.testing.assert_allclose(np.log10(1 + 1e4 * expected), front(audio)[0].numpy(), rtol=1e-5, atol=1e-5)
    around = torch.nn.functional.pad(audio[:, None], (200, 200), "reflect")[:, 0]
    power = front.power(around)[0].T.double().numpy()
    assert np.abs(power - expected).max() / expected.max() < 1e-6
    np.testing.assert_allclose(power, expected, rtol=1e-5, atol=1e-5 * float(expected.mean()))


def test_a_gain_is_put_on_the_audio_and_not_on_the_logarithm() -> None:
    audio = noise(RATE)
    torch.testing.assert_close(LogMel(0.5)(audio), LogMel()(0.5 * audio))
    assert not torch.allclose(LogMel(0.5)(audio), LogMel()(audio) * 0.5)


def test_slices_lose_their_mean_and_deviation_and_silence_stays_silence() -> None:
    slices = torch.randn(3, 96, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4 + 3
    found = standardised(slices)
    expected = (slices[1].numpy() - np.mean(slices[1].numpy())) / np.std(slices[1].numpy())
    np.testing.assert_allclose(found[1, 0].numpy(), expected, rtol=1e-10, atol=1e-12)
    assert found.shape == (3, 1, 96, 50)
    nearly = 1.0 + 1e-4 * slices[:1]
    torch.testing.assert_close(standardised(nearly)[:, 0], (nearly - nearly.mean()) / 0.01)
    assert not standardised(torch.ones(1, 96, 30)).any()


@pytest.fixture(scope="module")
def tiny() -> Any:
    return base.load("random:mule-tiny")


@pytest.fixture(scope="module")
def released() -> Any:
    return base.load("random:mule-tiny-released")


@pytest.mark.parametrize(
    ("n_frames", "expected"),
    [
        (300, (150,)),  # 2.99 s, the least: its one window ends with it
        (350, (200,)),
        (400, (200,)),
        (401, (200, 251)),
        (601, (200, 400, 451)),  # 6 s
        (1001, (200, 400, 600, 800, 851)),
    ],
)
def test_windows_stand_around_every_second_second_and_end_with_the_file(
    n_frames: int, expected: tuple[int, ...]
) -> None:
    assert mule.centres(n_frames) == expected


def test_at_multiples_of_80_s_no_window_is_taken() -> None:
    found = mule.centres(24_001)
    assert found[0] == 200
    assert not {0, 8000, 16000} & {*found}
    assert {7800, 8200, 15800, 16200, 23800} <= {*found}
    assert len(found) == 120 - 3  # 24,000 is left out as well


def test_six_seconds_give_three_embeddings_each_of_its_slice_of_the_whole_spectrogram(released: Any) -> None:
    audio = noise(6 * RATE)
    found = released(audio)
    assert found.shape == (1, 1, 3, 160)
    bands = LogMel()(audio)
    for number, centre in enumerate((200, 400, 451)):
        expected = released.network(standardised(bands[:, :, centre - 150 : centre + 150]))
        torch.testing.assert_close(found[0, :, number], expected, rtol=1e-5, atol=1e-5)


def test_more_windows_than_go_together_are_those_of_one_at_a_time(
    released: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = noise(40 * RATE)
    found = released(audio)
    assert found.shape[2] == 20 > mule.TOGETHER
    monkeypatch.setattr(mule, "TOGETHER", 1)
    torch.testing.assert_close(released(audio), found, rtol=1e-5, atol=1e-5)


def test_a_segment_is_one_embedding_of_its_spectrogram_less_the_last_frame(tiny: Any) -> None:
    audio = torch.cat([noise(3 * RATE, 1), noise(3 * RATE, 2)])
    found = tiny(audio)
    assert found.shape == (2, 1, 1, 160)
    bands = LogMel()(audio)
    assert bands.shape[2] == 301
    torch.testing.assert_close(found[:, 0, 0], tiny.network(standardised(bands[:, :, :300])))


def test_a_clip_is_cut_into_3_s_every_2_s_if_nothing_else_is_said(tiny: Any) -> None:
    found = [(one.start / RATE, one.end / RATE) for one in segments(7 * RATE, tiny.card)]
    assert found[:3] == [(0.0, 3.0), (2.0, 5.0), (4.0, 7.0)]


def test_a_note_of_nsynth_is_four_seconds_apart_or_one_window_of_them(tiny: Any) -> None:
    note = noise(4 * RATE)
    cut = [(one.start, one.end) for one in segments(4 * RATE, tiny.card, segment_s=1.0, segment_hop_s=1.0)]
    assert cut == [(first * RATE, (first + 1) * RATE) for first in range(4)]
    heard = []
    tiny.network.slow_stem.register_forward_pre_hook(lambda _, taken: heard.append(taken[0].shape[-1]))
    apart = torch.cat([tiny(note[:, first:last]) for first, last in cut], 2)
    whole = tiny(note)
    assert heard == [100, 100, 100, 100, 400]
    assert apart.shape == (1, 1, 4, 160)
    assert not torch.allclose(apart.mean(2), whole[:, :, 0])


@pytest.mark.parametrize(("name", "least"), [("random:mule-tiny", 3200), ("random:mule-tiny-released", 47_840)])
def test_shorter_audio_than_it_can_take_is_refused(name: str, least: int) -> None:
    made = base.load(name)
    assert made(noise(least)).shape == (1, 1, 1, 160)
    with pytest.raises(UserError, match=f"needs at least {least} samples at 16000 Hz, got {least - 1}"):
        made(noise(least - 1))


def test_variants_that_hear_in_another_way_have_the_same_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    for variant, form in mule.FORMS.items():
        monkeypatch.setitem(mule.FORMS, variant, form._replace(settings=mule.FORMS["tiny"].settings))
    plain, mono, other = (base.load(f"random:mule{ending}") for ending in ("", "-mono", "@1"))
    audio = noise(RATE)
    torch.testing.assert_close(mono(2 * audio), plain(audio))
    assert not torch.allclose(other(audio), plain(audio))
    assert mono.card.name == "random:mule-mono"


def test_the_filters_are_made_even_where_the_network_is_not() -> None:
    with torch.device("meta"):
        front = frontend.LogMel()
    assert {one.device.type for one in front.buffers()} == {"cpu"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random:mule", "random:mule-released"])
def test_the_whole_network_keeps_every_law(name: str) -> None:
    made: Any = base.load(name)
    assert sum(one.numel() for one in made.parameters()) == made.card.n_parameters == 62_345_742
    assert conformance.broken_by_representation(made) == ()
