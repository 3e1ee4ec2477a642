"""The constant-Q transform against a naive sum, librosa's transform and kernels, and tones of known pitch."""

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from earmark import conformance
from earmark.errors import UserError
from earmark.representations import base, cqt

RATE, HOP, WINDOW = cqt.SAMPLE_RATE, cqt.HOP_SAMPLES, cqt.WINDOW_SAMPLES
MIDDLE = WINDOW // 2


def sweep(seconds: float = 4.0) -> np.ndarray:
    """Return a sine that rises an octave a second from 100 Hz, in noise 40 dB below it."""
    noise = np.random.Generator(np.random.PCG64(1)).standard_normal(round(seconds * RATE))
    phases = 2 * np.pi * np.cumsum(100 * 2 ** (np.arange(len(noise)) / RATE)) / RATE
    return np.asarray(0.3 * np.sin(phases) + 0.003 * noise, dtype=np.float32)


def bins(samples: np.ndarray) -> np.ndarray:
    return base.load("cqt")(torch.from_numpy(samples)[None])[0, 0].numpy()


def test_the_laws_are_kept() -> None:
    assert conformance.broken_by_representation(base.load("cqt")) == ()


def test_the_centre_frequencies_are_librosas() -> None:
    theirs = librosa.cqt_frequencies(n_bins=84, fmin=float(librosa.note_to_hz("C1")))
    np.testing.assert_allclose(cqt.frequencies_hz(), theirs, rtol=1e-12)


def test_the_kernels_are_as_long_as_librosas() -> None:
    theirs, _ = librosa.filters.wavelet_lengths(freqs=cqt.frequencies_hz(), sr=RATE, gamma=0)
    np.testing.assert_allclose(cqt.lengths_samples(), theirs, rtol=1e-12)
    assert cqt.WINDOW_SAMPLES == 11685


@pytest.mark.parametrize("pitch_bin", [0, 11, 40, 83])
def test_a_bin_is_the_naive_sum(pitch_bin: int) -> None:
    samples, magnitudes = sweep(1.0), 10 ** (bins(sweep(1.0))[:, pitch_bin] / 20)
    length, hz = cqt.lengths_samples()[pitch_bin], cqt.frequencies_hz()[pitch_bin]
    half = int(length / 2)
    steps = np.arange(-half, half + 1)
    window = 0.5 + 0.5 * np.cos(2 * np.pi * steps / length)
    kernel = window / window.sum() * np.exp(-2j * np.pi * hz * steps / RATE)
    for frame, found in enumerate(magnitudes):
        centre = MIDDLE + frame * HOP
        value = (samples[centre - half : centre + half + 1].astype(np.float64) * kernel).sum()
        assert found == pytest.approx(np.sqrt(length) * abs(value), rel=1e-4, abs=2e-6)


def test_what_is_loud_is_as_loud_as_librosa_says() -> None:
    samples = sweep()
    theirs = 20 * np.log10(np.abs(librosa.cqt(samples, sr=RATE, sparsity=0)).T)
    first = -(-MIDDLE // HOP)  # the first of their frames, centred on multiples of the hop, that hears no padding
    ours = bins(samples[first * HOP - MIDDLE :])
    theirs = theirs[first : first + len(ours)]
    loud = theirs > theirs.max(axis=1, keepdims=True) - 40
    differences_db = np.abs(ours - theirs)[loud]
    assert loud.sum() > 500
    assert np.median(differences_db) < 0.1
    assert np.percentile(differences_db, 99) < 1.0, "they downsample between octaves, we do not"


@pytest.mark.parametrize(("midi", "pitch_bin"), [(24, 0), (69, 45), (107, 83)])
def test_a_note_is_loudest_in_its_own_bin(midi: int, pitch_bin: int) -> None:
    steps = np.arange(RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * steps)
    mean = bins(tone.astype(np.float32)).mean(0)
    assert int(mean.argmax()) == pitch_bin
    # A sine of amplitude a has a/2 in a kernel of absolute sum 1.
    assert mean[pitch_bin] == pytest.approx(20 * np.log10(0.25 * np.sqrt(cqt.lengths_samples()[pitch_bin])), abs=0.05)


@pytest.mark.parametrize("extra", [0, HOP - 1, HOP, 3 * HOP + 1])
def test_frames_follow_their_formula(extra: int) -> None:
    assert len(bins(sweep(1.0)[: WINDOW + extra])) == 1 + extra // HOP


def test_samples_put_behind_a_clip_change_none_of_its_frames() -> None:
    alone: Tensor = base.load("cqt")(torch.from_numpy(sweep(1.0))[None])
    padded = base.load("cqt")(torch.nn.functional.pad(torch.from_numpy(sweep(1.0))[None], (0, 9000)))
    torch.testing.assert_close(padded[:, :, : alone.shape[2]], alone, rtol=1e-5, atol=1e-3)


def test_it_has_no_weights_to_draw_and_no_variants() -> None:
    with pytest.raises(UserError, match="no weights to draw"):
        base.load("random:cqt")
    with pytest.raises(UserError, match="Unknown representation 'cqt-96'"):
        base.load("cqt-96")
