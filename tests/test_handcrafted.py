"""The hand-made representations against librosa, and the laws of the segment loop."""

import librosa
import numpy as np
import pytest
import torch

from earmark.errors import UserError
from earmark.representations import base, chroma, logmel
from earmark.representations._spectrogram import chroma_filters, mel_filters
from earmark.representations.embed import Segment, clip_embedding, frame_embeddings, segments

NAMES = ("logmel", "mfcc", "chroma")


def tone(seconds: float = 2.0, frequency_hz: float = 440.0, rate: int = 22050) -> np.ndarray:
    noise = np.random.Generator(np.random.PCG64(1)).standard_normal(round(seconds * rate))
    steps = np.arange(len(noise)) / rate
    return (0.3 * np.sin(2 * np.pi * frequency_hz * steps) + 0.01 * noise).astype(np.float32)


def frames_of(name: str, samples: np.ndarray) -> np.ndarray:
    return np.concatenate(list(frame_embeddings(base.load(name), samples)), axis=1)


def test_mel_filters_equal_librosa() -> None:
    theirs = librosa.filters.mel(sr=22050, n_fft=2048, n_mels=128)
    np.testing.assert_allclose(mel_filters(22050, 2048, 128).numpy().T, theirs, atol=1e-8)


@pytest.mark.parametrize(("rate", "n_fft"), [(22050, 4096), (16000, 2048)])
def test_chroma_filters_equal_librosa(rate: int, n_fft: int) -> None:
    theirs = librosa.filters.chroma(sr=rate, n_fft=n_fft, tuning=0.0)
    np.testing.assert_allclose(chroma_filters(rate, n_fft).numpy().T, theirs, atol=1e-6)


def test_logmel_equals_librosa() -> None:
    samples = tone()
    theirs = librosa.feature.melspectrogram(y=samples, sr=22050, n_fft=2048, hop_length=512, center=False)
    ours = frames_of("logmel", samples)[0].T
    np.testing.assert_allclose(ours, 10 * np.log10(np.maximum(theirs, 1e-10)), atol=2e-3)
    loud = theirs > 1e-8
    np.testing.assert_allclose(ours[loud] / 10 * np.log(10), np.log(theirs[loud]), atol=2e-4)


def test_mfcc_equals_librosa() -> None:
    samples = tone()
    mel = librosa.feature.melspectrogram(y=samples, sr=22050, n_fft=2048, hop_length=512, center=False)
    theirs = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=20)
    np.testing.assert_allclose(frames_of("mfcc", samples)[0].T, theirs, atol=5e-3)


def test_chroma_equals_librosa() -> None:
    samples = tone()
    theirs = librosa.feature.chroma_stft(y=samples, sr=22050, n_fft=4096, hop_length=1024, tuning=0.0, center=False)
    np.testing.assert_allclose(frames_of("chroma", samples)[0].T, theirs, atol=1e-4)


def test_an_a_is_an_a() -> None:
    mean = clip_embedding(base.load("chroma"), tone(frequency_hz=440.0))[0, 0]
    assert int(mean.argmax()) == 9, "C is 0, so A is 9"


@pytest.mark.parametrize("name", NAMES)
def test_a_silent_clip_gives_finite_numbers(name: str) -> None:
    assert np.isfinite(clip_embedding(base.load(name), np.zeros(22050, np.float32))).all()


@pytest.mark.parametrize("name", NAMES)
def test_four_axes_always(name: str) -> None:
    representation = base.load(name)
    answer = representation(torch.zeros(3, 22050))
    card = representation.card
    hop = round(card.sample_rate / card.frame_rate_hz)
    assert tuple(answer.shape) == (3, card.layers, 1 + (22050 - card.min_samples) // hop, card.dim)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_changes_no_number(name: str) -> None:
    samples = tone(6.0)
    one, eight = (clip_embedding(base.load(name), samples, None, 0.5, 0.5, batch) for batch in (1, 8))
    np.testing.assert_allclose(one, eight, rtol=1e-5, atol=1e-5)


def test_mean_and_deviation_are_those_of_all_frames() -> None:
    samples = tone(3.0)
    frames = np.concatenate(list(frame_embeddings(base.load("logmel"), samples, None, 1.0, 1.0)), axis=1)
    pooled = clip_embedding(base.load("logmel"), samples, None, 1.0, 1.0)
    np.testing.assert_allclose(pooled[:, 0], frames.mean(1), rtol=1e-5)
    np.testing.assert_allclose(pooled[:, 1], frames.std(1), rtol=1e-3)


@pytest.mark.parametrize("n_samples", [22050, 30000, 33075, 44100, 45000, 47000, 60000])
@pytest.mark.parametrize("hop_s", [0.5, 1.0])
def test_segments_cover_every_sample(n_samples: int, hop_s: float) -> None:
    found = segments(n_samples, logmel.CARD, 1.0, hop_s)
    covered = np.zeros(n_samples, bool)
    for start, end in found:
        assert end - start >= logmel.CARD.min_samples
        covered[start:end] = True
    assert covered.all()


def test_a_tail_too_short_joins_its_neighbour() -> None:
    assert segments(44100 + 100, logmel.CARD, 1.0, 1.0) == (Segment(0, 22050), Segment(22050, 44200))


def test_a_clip_too_short_says_how_long_it_must_be() -> None:
    with pytest.raises(UserError, match=r"too short for 'chroma': 0\.045 s, at least 0\.186 s needed"):
        segments(1000, chroma.CARD)


def test_stereo_is_refused_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"Expected mono audio .* got \(2, 2, 44100\)\. Mix down with audio\.mono"):
        base.load("logmel")(torch.zeros(2, 2, 44100))


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UserError, match=r"Unknown representation 'logmell'\. Did you mean 'logmel'"):
        base.load("logmell")
