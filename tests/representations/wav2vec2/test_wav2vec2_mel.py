"""The log-mel front end, and the quantiser's arithmetic."""

import numpy as np
import pytest
import torch

from earmark import conformance
from earmark.errors import UserError
from earmark.representations import base
from earmark.representations._spectrogram import htk_filters
from earmark.representations.wav2vec2 import mel, quantiser
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import MEL_TINY
from tests.representations.wav2vec2 import reference


def test_filters_are_those_of_htk() -> None:
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=128, fmin=40, fmax=7600, htk=True, norm=None).T
    full = theirs.any(axis=0)
    ours = htk_filters(mel.SAMPLE_RATE, mel.N_FFT, mel.N_MELS, mel.LOWEST_HZ, mel.HIGHEST_HZ).numpy()
    np.testing.assert_allclose(np.linalg.norm(ours, axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(ours[:, full], (theirs / np.linalg.norm(theirs, axis=0).clip(1e-9))[:, full], atol=1e-5)
    assert (ours[:, ~full] > 0).sum(axis=0).max(initial=1) == 1, "a band narrower than a bin takes the nearest"


def test_bands_are_standardised_by_the_corpus() -> None:
    front = mel.MelFrontEnd(32)
    audio = reference.music(4, 16000)
    front.standardise_by(audio)
    bands = (front.log_mel(audio) - front.mean) / front.spread
    torch.testing.assert_close(bands.flatten(0, 1).mean(0), torch.zeros(128), rtol=0, atol=1e-3)
    torch.testing.assert_close(bands.flatten(0, 1).std(0), torch.ones(128), rtol=1e-3, atol=0)
    silent = mel.MelFrontEnd(32)
    silent.standardise_by(torch.zeros(1, 4000))
    assert silent(torch.zeros(1, 4000)).isfinite().all(), "silence has no spread"


def test_statistics_are_saved_with_the_weights() -> None:
    one, other = Wav2Vec2(MEL_TINY), Wav2Vec2(MEL_TINY, seed=1)
    one.prepare(reference.music(2, 16000))
    other.load_state_dict(one.state_dict())
    segments = reference.music(2, 16000, seed=5)
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    losses = [
        made.eval()(segments, generator).loss.total for made, generator in zip((one, other), generators, strict=True)
    ]
    assert torch.equal(*losses)


def test_the_variant_is_named_and_keeps_every_law() -> None:
    made = base.load("random:wav2vec2-mel-tiny")
    assert made.card.name == "random:wav2vec2-mel-tiny"
    assert made.card.architecture.startswith("log-mel (128 bands)")
    assert conformance.broken_by_representation(made) == ()


def test_another_front_end_is_refused() -> None:
    with pytest.raises(UserError, match="Expected front_end: mel, or no such setting for raw audio; got 'cqt'"):
        Wav2Vec2(MEL_TINY.reshaped(front_end="cqt"))


def test_a_choice_is_exactly_one_entry_of_each_group() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, noise = (torch.randn(2, 50, 2, 8, generator=rng) for _ in range(2))
    codebook = torch.randn(2, 8, 3, generator=rng)
    for given in (noise, None):
        chosen = quantiser.quantise(logits, codebook, given, 0.5)
        by_hand = [codebook[group][chosen.codes[..., group]] for group in range(2)]
        assert torch.equal(chosen.vectors, torch.cat(by_hand, -1)), "bit by bit, so equal codes are equal vectors"
        assert torch.equal(chosen.codes, (logits if given is None else logits + given).argmax(-1))
        torch.testing.assert_close(chosen.probabilities, logits.softmax(-1).sum((0, 1)))


def test_perplexity_counts_equally_likely_entries() -> None:
    given = torch.tensor([[0.25, 0.25, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(quantiser.perplexity(given), torch.tensor([4.0, 1.0]))


def test_codes_are_counted_by_group() -> None:
    codes = torch.tensor([[[0, 2], [1, 2]], [[0, 2], [0, 1]]])
    assert quantiser.counts(codes, 3).tolist() == [[3.0, 1.0, 0.0], [0.0, 1.0, 3.0]]
    assert quantiser.joint(codes, 3).tolist() == [[6, 7], [6, 3]]
