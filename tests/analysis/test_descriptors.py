"""Numbers of a sound against sounds made to have them, and against librosa."""

import librosa
import numpy as np
import pytest
from jaxtyping import Float32

from earmark.analysis.descriptors import (
    DESCRIPTORS,
    bandwidth_hz,
    centroid_hz,
    duration_s,
    level_db,
    pitch_midi,
    tempo_bpm,
)

RATE = 22050
Samples = Float32[np.ndarray, " samples"]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def noise(length_s: float, rate: int = RATE, seed: int = 0) -> Samples:
    return np.float32(0.1) * generator(seed).standard_normal(round(length_s * rate), np.float32)


def note(midi: float, length_s: float = 0.6, rate: int = RATE, n_partials: int = 6) -> Samples:
    """A harmonic tone whose partials halve in amplitude, each with a phase of its own."""
    steps = np.arange(round(length_s * rate)) / rate
    partials = 440 * 2 ** ((midi - 69) / 12) * np.arange(1, n_partials + 1)
    tones = [0.5**k * np.sin(2 * np.pi * f * steps + k) for k, f in enumerate(partials) if f < 0.45 * rate]
    return np.asarray(0.3 * np.sum(tones, axis=0), np.float32)


def clicks(bpm: float, length_s: float, seed: int = 0) -> Samples:
    """A short burst of noise on each beat."""
    rng, samples = generator(seed), np.zeros(round(length_s * RATE))
    for start in np.arange(0, length_s, 60 / bpm):
        burst = rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
        place = samples[round(start * RATE) :][:400]
        place += 0.5 * burst[: len(place)]
    return samples.astype(np.float32)


def test_levels_are_those_of_known_waves() -> None:
    square = np.tile(np.array([1, -1], np.float32), 5000)
    sine = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert level_db(square, RATE) == 0
    assert level_db(sine, RATE) == pytest.approx(20 * np.log10(1 / np.sqrt(2)), abs=1e-6)
    assert level_db(noise(2), RATE) == pytest.approx(-20, abs=0.1), "its standard deviation is 0.1"


def test_half_the_amplitude_is_six_decibels_less_and_nothing_else() -> None:
    sound = clicks(100, 8) + note(57, 8)
    for name, one in DESCRIPTORS.items():
        lost = 20 * np.log10(2) if name == "audio.level" else 0.0
        assert one.function(sound / 2, RATE) == pytest.approx(one.function(sound, RATE) - lost, rel=1e-6), name


def test_a_long_clip_has_the_level_of_its_samples_at_once() -> None:
    sound = noise(100)
    assert level_db(sound, RATE) == pytest.approx(10 * np.log10(np.mean(sound.astype(np.float64) ** 2)), abs=1e-9)


def test_duration_counts_samples() -> None:
    assert duration_s(np.zeros(11025, np.float32), RATE) == 0.5


@pytest.mark.parametrize("frequency_hz", [220.0, 1000.0, 5000.0])
@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_a_sine_has_its_centroid_and_bandwidth_at_its_frequency(frequency_hz: float, rate: int) -> None:
    sine = (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(rate) / rate)).astype(np.float32)
    inner = sine * np.hanning(len(sine)).astype(np.float32)  # without the clicks of its ends
    assert centroid_hz(inner, rate) == pytest.approx(frequency_hz, rel=0.02, abs=5)
    assert bandwidth_hz(inner, rate) == pytest.approx(frequency_hz, abs=1.6 * rate / 512)


def test_the_centroid_is_librosas_frame_by_frame() -> None:
    sound = note(60, 1.0, 44100) * np.linspace(1, 0, 44100, dtype=np.float32) + noise(1.0, 44100)
    sound -= sound.mean()
    spectra = np.abs(librosa.stft(sound, n_fft=2048, hop_length=512))
    theirs = librosa.feature.spectral_centroid(S=spectra, sr=44100)[0]
    energy = np.square(spectra).sum(axis=0)
    assert centroid_hz(sound, 44100) == pytest.approx(float(theirs @ energy / energy.sum()), rel=1e-3)


def test_noise_is_as_wide_as_its_band() -> None:
    spectrum = np.fft.rfft(noise(4).astype(np.float64))
    frequencies = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    band = np.fft.irfft(np.where(frequencies < 4000, spectrum, 0)).astype(np.float32)
    assert bandwidth_hz(band, RATE) == pytest.approx(0.99 * 4000, abs=RATE / 1024)
    assert centroid_hz(band, RATE) == pytest.approx(2000, rel=0.03)


def test_an_offset_is_no_sound() -> None:
    assert centroid_hz(note(69) + np.float32(0.3), RATE) == pytest.approx(centroid_hz(note(69), RATE), rel=1e-3)
    assert bandwidth_hz(note(69) + np.float32(0.3), RATE) == bandwidth_hz(note(69), RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_pitch_is_found_to_a_few_cents(rate: int) -> None:
    pitches = [midi for midi in np.arange(22.2, 108, 2.37) if 440 * 2 ** ((midi - 69) / 12) < 0.4 * rate]
    wrong = {
        round(float(midi), 2): found
        for midi in pitches
        if not abs((found := pitch_midi(note(midi, rate=rate), rate)) - midi) < 0.1
    }
    assert wrong == {}


def test_vibrato_keeps_a_note_one_note() -> None:
    steps = np.arange(RATE) / RATE
    bend = 0.6 * np.sin(2 * np.pi * 5.5 * steps)  # semitones
    phase = 2 * np.pi * np.cumsum(330 * 2 ** (bend / 12)) / RATE
    assert pitch_midi((0.3 * np.sin(phase)).astype(np.float32), RATE) == pytest.approx(
        69 + 12 * np.log2(330 / 440), abs=0.3
    )


def test_a_decaying_note_keeps_its_pitch() -> None:
    faded = note(50, 2.0) * np.exp(-3 * np.arange(2 * RATE) / RATE).astype(np.float32) + 0.01 * noise(2)
    assert pitch_midi(faded, RATE) == pytest.approx(50, abs=0.1)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(noise(1), id="noise"),
        pytest.param(clicks(120, 2), id="clicks"),
        pytest.param(np.concatenate([note(60), note(64), note(67)]), id="melody"),
        pytest.param(note(60) + note(64.3) + note(66.7), id="chord"),
        pytest.param(note(60, 0.1), id="too short"),
        pytest.param(np.zeros(RATE, np.float32), id="silence"),
        pytest.param(np.full(RATE, 0.5, np.float32), id="offset"),
        pytest.param(np.zeros(0, np.float32), id="nothing"),
    ],
)
def test_what_is_no_single_note_has_no_pitch(sound: Samples) -> None:
    assert np.isnan(pitch_midi(sound, RATE))


@pytest.mark.parametrize("bpm", [60, 72.5, 90, 100, 120, 133.3, 150])
def test_clicks_have_their_tempo(bpm: float) -> None:
    assert tempo_bpm(clicks(bpm, 20), RATE) == pytest.approx(bpm, rel=0.005)
    assert tempo_bpm(clicks(bpm, 7) + 0.3 * noise(7), RATE) == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("bpm", [180, 200, 230])
def test_a_fast_tempo_is_heard_an_octave_lower(bpm: float) -> None:
    assert tempo_bpm(clicks(bpm, 20), RATE) == pytest.approx(bpm / 2, rel=0.01)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(clicks(120, 5.9), id="too short"),
        pytest.param(noise(20), id="noise"),
        pytest.param(note(60, 10.0), id="a held note"),
        pytest.param(np.zeros(10 * RATE, np.float32), id="silence"),
        pytest.param(np.zeros(0, np.float32), id="nothing"),
    ],
)
def test_what_does_not_beat_has_no_tempo(sound: Samples) -> None:
    assert np.isnan(tempo_bpm(sound, RATE))


def test_silence_has_a_duration_and_nothing_else() -> None:
    found = {name: one.function(np.zeros(7 * RATE, np.float32), RATE) for name, one in DESCRIPTORS.items()}
    assert {name for name, number in found.items() if not np.isnan(number)} == {"audio.duration"}
    assert all(np.isnan(one.function(np.zeros(0, np.float32), RATE)) for one in DESCRIPTORS.values())


@pytest.mark.parametrize("length", [1, 2, 50, 1000])
def test_the_shortest_sounds_have_numbers_or_none_but_no_warning(length: int) -> None:
    for one in DESCRIPTORS.values():
        assert not np.isinf(one.function(noise(1)[:length], RATE))
