"""The laws of numbers that depend on nothing but the sound: not on chance, mates, memory, files or the layers asked."""

import math
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from earmark import audio
from earmark.conformance import sounds
from earmark.conformance.trial import TOLERANCE, Trial, apart
from earmark.representations.embed import clip_embedding

RATES = (16000, 22050, 44100, 48000)
LEAST_COSINE = 0.99
MOST_OF_THE_WAY = 0.5
LEAST_DIFFERENCE = 1e-3


def input_kept(trial: Trial) -> Iterator[str]:
    """Yield a line when the audio is another after the call."""
    if trial.first.changed_input:
        yield "the audio given was changed in place"


def no_gradient(trial: Trial) -> Iterator[str]:
    """Yield a line when the answer remembers how it was made."""
    if trial.first.carries_gradient:
        yield "the answer carries a gradient: put torch.inference_mode on the call"


def generators_left_alone(trial: Trial) -> Iterator[str]:
    """Yield the global generators that a call drew from or seeded."""
    moved = trial.first.before.moved_generators(trial.first.after)
    if moved:
        yield f"a call drew from, or seeded, the global generator of {', '.join(moved)}"


def settings_left_alone(trial: Trial) -> Iterator[str]:
    """Yield the settings of torch that a call left changed."""
    for changed in trial.first.before.changed_settings(trial.first.after):
        yield f"a call changed {changed}"


def deterministic(trial: Trial) -> Iterator[str]:
    """Yield a line when chance is in the numbers.

    At one seed of torch, chance repeats itself unless it is another library's; then its generator has moved.
    """
    others_moved = {"numpy", "python"} & set(trial.first.before.moved_generators(trial.first.after))
    repeats = trial.repeats
    if (repeats.at_one_seed and not repeats.at_another_seed) or (not repeats.at_one_seed and others_moved):
        yield "the same audio twice gave different numbers: is dropout on, is the network in eval mode?"


def no_memory(trial: Trial) -> Iterator[str]:
    """Yield a line when an answer depends on the calls before it."""
    if not trial.repeats.at_one_seed:
        yield "the same audio twice gave other numbers at one seed: something is kept between calls, or draws in secret"
    elif not trial.repeats.after_other_audio:
        yield "the same audio gave other numbers after other audio was heard"


def finite(trial: Trial) -> Iterator[str]:
    """Yield the sounds that gave a number that is none."""
    n_samples, rate = trial.n_samples, trial.card.sample_rate
    answers = {
        "noise, a chord and a click": trial.first.answer,
        "silence": trial.call(torch.zeros(1, n_samples)),
        "a square wave at full scale": trial.call(sounds.square(n_samples, rate)),
    }
    for sound, answer in answers.items():
        if not torch.isfinite(answer).all():
            yield f"{sound} gave numbers that are not finite"


def batch(trial: Trial) -> Iterator[str]:
    """Yield a line when a row has other numbers alone, or beside others in another place, than in the first batch."""
    noise, _, click = trial.rows[:, None]
    together = trial.first.answer
    alone = torch.cat([trial.call(noise), trial.repeats.alone, trial.call(click)])
    turned = trial.call(torch.cat([click, noise])).flip(0)
    for how, answer, kept in (("alone", alone, together), ("beside other rows", turned, together[[0, 2]])):
        if (by := apart(answer, kept)) > TOLERANCE:
            yield f"batch mates change numbers: a row {how} is off by {by:.2g} of its size"


def layers(trial: Trial) -> Iterator[str]:
    """Yield a line when layers asked for by number differ from those among all, or come in another order."""
    everything, last = trial.repeats.alone, trial.card.layers - 1
    for wanted in ([last], [last, 0], [0]) if last else ([0],):
        answer = trial.call(trial.rows[1:2], wanted)
        if answer.shape[1] != len(wanted):
            yield f"asked for layers {wanted}, got a layer axis of {answer.shape[1]}"
        elif apart(answer, everything[:, wanted]) > TOLERANCE:
            yield f"layers {wanted} asked for alone differ from the same among all {last + 1}"


def tells_sounds_apart(trial: Trial) -> Iterator[str]:
    """Yield the layers whose mean over frames is the same for noise, for a chord and for a click."""
    means = trial.first.answer.mean(2, keepdim=True)
    deaf = [
        layer
        for layer in range(trial.card.layers)
        if all(apart(means[other : other + 1, [layer]], means[:1, [layer]]) < LEAST_DIFFERENCE for other in (1, 2))
    ]
    if deaf:
        yield f"noise, a chord and a click have the same vector in layers {deaf}"


def four_rates(trial: Trial) -> Iterator[str]:
    """Yield the rates of files that give another clip embedding than the first.

    The sound lies below the Nyquist frequency of all of them and of the card, is written as 16-bit WAV, read and
    resampled as in a run, and cut to one length. Its cosine must be at least 0.99 in each layer; and as the vectors of
    many networks point the same way whatever is heard, files must be nearer to each other than halfway to noise.
    """
    noise = trial.first.answer[0].double().mean(1).numpy()
    first = _embedding_of_a_file(trial, RATES[0])
    to_noise = np.linalg.norm(first - noise, axis=1)
    for rate in RATES[1:]:
        vectors = _embedding_of_a_file(trial, rate)
        cosines = np.array([_cosine(one, other) for one, other in zip(vectors, first, strict=True)])
        shares = np.linalg.norm(vectors - first, axis=1) / np.maximum(to_noise, 1e-30)
        if wrong := np.flatnonzero((cosines < LEAST_COSINE) | (shares > MOST_OF_THE_WAY)).tolist():
            yield (
                f"one sound, stored at {rate} and at {RATES[0]} Hz, has a cosine of {cosines.min():.3f} and is "
                f"{shares.max():.0%} of the way to noise apart (layers {wrong})"
            )


def _embedding_of_a_file(trial: Trial, rate: int) -> np.ndarray:
    """Return the mean over frames, (layers, dim), of the chord from a file at `rate` Hz."""
    target = trial.card.sample_rate
    spare = 2 * math.ceil(rate / target) + 2  # resampling rounds the length; what is cut off is cut at one place
    n_stored = math.ceil(trial.n_samples * rate / target) + spare
    below_hz = 0.4 * min(*RATES, target)
    with tempfile.TemporaryDirectory() as folder:
        file = sounds.store(Path(folder) / f"{rate}.wav", sounds.chord(n_stored, rate, below_hz), rate)
        stored = audio.read(file)
    samples = audio.resample(stored.samples, stored.sample_rate, target)[: trial.n_samples]
    mean: np.ndarray = clip_embedding(trial.representation, samples)[:, 0].astype(np.float64)
    return mean


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths else float(np.array_equal(one, other))


def padding_safe(trial: Trial) -> Iterator[str]:
    """Yield a line when zeros after the end change the frames before them, although the card says they do not."""
    row = trial.rows[1:2]
    zeros = torch.zeros(1, trial.allowed(2 * trial.n_samples) - trial.n_samples)
    padded = trial.call(torch.cat([row, zeros], dim=1))
    kept = trial.repeats.alone
    if (by := apart(padded[:, :, : kept.shape[2]], kept)) > TOLERANCE:
        yield f"zeros after the end change the frames before it by {by:.2g} of their size"


def not_padded(trial: Trial) -> str:
    """Say why padding is not tried."""
    return "" if trial.card.padding_safe else "its card is not padding_safe, so the loop never pads it"


def segmented(trial: Trial) -> Iterator[str]:
    """Yield a line when frames well inside a segment differ from the same frames of the whole."""
    cut, skipped = _cut(trial)
    edge, card = _edge_frames(trial), trial.card
    row = torch.from_numpy(sounds.chord(_whole_samples(trial), card.sample_rate, 0.4 * card.sample_rate))[None]
    whole, part = trial.call(row), trial.call(row[:, cut:])
    inside = min(whole.shape[2] - skipped, part.shape[2]) - edge
    by = apart(part[:, :, edge:inside], whole[:, :, skipped + edge : skipped + inside])
    if by > TOLERANCE:
        yield f"frames more than {edge} from the edge of a segment differ from the whole's by {by:.2g} of their size"


def not_segmented(trial: Trial) -> str:
    """Say why segments are not compared with the whole."""
    if not trial.card.padding_safe:
        return "its card is not padding_safe: frames may hear the whole segment, whose length is part of the key"
    if trial.one_frame:
        return "its card has a frame rate of 0: one frame a segment"
    return "" if trial.allowed(_whole_samples(trial)) == _whole_samples(trial) else "max_samples is too short for it"


def _whole_samples(trial: Trial) -> int:
    """Return the length of a whole of which a segment has eight frames that are away from its edges."""
    frames = 2 * _edge_frames(trial) + 8
    return _cut(trial)[0] + trial.card.min_samples + math.ceil(frames * trial.hop_samples)


def _cut(trial: Trial) -> tuple[int, int]:
    """Return the first cut that lies on a frame: its sample and its frame."""
    hop = Fraction(trial.hop_samples).limit_denominator(1000)
    return hop.numerator, hop.denominator


def _edge_frames(trial: Trial) -> int:
    return math.ceil(trial.card.min_samples / trial.hop_samples)
