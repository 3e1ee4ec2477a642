"""Numbers that the sound itself gives: level, brightness, bandwidth, pitch, tempo, duration. Samples in, a float out.

They are labels for probes: how well a representation predicts them says what else its scores may rest on. A sound of
which a number would mean nothing has none (NaN).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import resample_poly

Array = NDArray[Any]
Samples = Float32[Array, " samples"]

PREFIX = "audio."
"""What the names of these labels begin with."""

WINDOW_S = 0.046  # 2048 samples at 44.1 kHz: the power of two next to it
CHUNK_FRAMES = 256
BLOCK_SAMPLES = 1 << 20
BANDWIDTH_SHARE = 0.99

LOWEST_HZ, HIGHEST_HZ = 27.5, 5000.0
PITCH_HOP_S = 0.02
APERIODIC = 0.1  # YIN's threshold
QUIET_DB = 30.0
LEAST_PITCH_RATE = 40_000  # below it a period of a few samples would often be missed
LEAST_FRAMES = 3
STABLE_SHARE = 0.7
STABLE_SEMITONES = 1.0

LEAST_TEMPO_S = 6.0  # four beats of the slowest tempo
ONSET_HOP_S = 0.01
SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
USUAL_BPM, OCTAVES = 120.0, 1.0
LEAST_PULSE = 0.2
COMPRESSION = 100.0


@dataclass(frozen=True)
class Descriptor:
    """A number of a sound. `function` maps mono samples and their rate in Hz to it, NaN where there is none.

    `lacking` says what a sound without it lacks. `version` is raised whenever its numbers change.
    """

    label: str
    function: Callable[[Samples, int], float]
    unit: str
    lacking: str
    version: int = 1


def level_db(samples: Samples, sample_rate: int) -> float:
    """Return the level in dB full scale: the root mean square, 0 dB being that of a square wave from −1 to 1.

    A full-scale sine has −3.01 dB. Digital silence has no level.
    """
    # In blocks, so that a long clip is not held once more in float64.
    blocks = (samples[at : at + BLOCK_SAMPLES].astype(np.float64) for at in range(0, len(samples), BLOCK_SAMPLES))
    power = sum(float(block @ block) for block in blocks) / max(len(samples), 1)
    return float(10 * np.log10(power)) if power else np.nan


def duration_s(samples: Samples, sample_rate: int) -> float:
    """Return the duration in seconds."""
    return len(samples) / sample_rate if len(samples) else np.nan


def centroid_hz(samples: Samples, sample_rate: int) -> float:
    """Return the spectral centroid in Hz: of each frame by magnitude, then the mean over frames weighted by energy.

    Frames are of about 46 ms, hop a quarter, Hann. An offset is no sound and is taken away first. Source: as
    librosa's spectral_centroid, frame by frame. Differs: silent frames do not count.
    """
    weighted = energy = 0.0
    for power in _powers(samples, sample_rate):
        magnitude, of_frame = np.sqrt(power), power.sum(axis=1)
        heard = of_frame > 0
        frequencies = np.arange(power.shape[1]) * (sample_rate / _window(sample_rate))
        centroid = (magnitude[heard] @ frequencies) / magnitude[heard].sum(axis=1)
        weighted += float(of_frame[heard] @ centroid)
        energy += float(of_frame.sum())
    return weighted / energy if energy else np.nan


def bandwidth_hz(samples: Samples, sample_rate: int) -> float:
    """Return the frequency in Hz below which 99 % of the energy lies; frames as those of the centroid."""
    total = sum((power.sum(axis=0) for power in _powers(samples, sample_rate)), start=np.zeros(1))
    reached = np.cumsum(total)
    if not reached[-1]:
        return np.nan
    return float(np.searchsorted(reached, BANDWIDTH_SHARE * reached[-1]) * sample_rate / _window(sample_rate))


def pitch_midi(samples: Samples, sample_rate: int) -> float:
    """Return the pitch of one note as a real MIDI number: the median over its frames, 69 being 440 Hz.

    For monophonic sounds from 27.5 Hz to 5 kHz. There is none unless at least 70 % of the frames within 30 dB of the
    loudest are periodic and within a semitone of the median: noise, drums, chords and melodies have none. Source: the
    difference function and threshold of YIN (de Cheveigné & Kawahara 2002, steps 2 to 5). Differs: no step 6.
    """
    if _is_still(samples):
        return np.nan
    samples = samples - samples.mean()
    finer = -(-LEAST_PITCH_RATE // sample_rate)
    if finer > 1:
        samples, sample_rate = resample_poly(samples, finer, 1), finer * sample_rate
    longest = int(np.ceil(sample_rate / LOWEST_HZ))
    hop = round(PITCH_HOP_S * sample_rate)
    if len(samples) < 2 * longest + (LEAST_FRAMES - 1) * hop:
        return np.nan
    heard = [_periods(some, longest, sample_rate) for some in _framed(samples, 2 * longest, hop)]
    period, energy = np.concatenate(heard, axis=1)
    is_loud = energy >= energy.max() * 10 ** (-QUIET_DB / 10)
    found = period[is_loud & np.isfinite(period)]
    if len(found) < LEAST_FRAMES:
        return np.nan
    pitches = 69 + 12 * np.log2(sample_rate / found / 440)
    pitch = float(np.median(pitches))
    near = np.count_nonzero(np.abs(pitches - pitch) <= STABLE_SEMITONES)
    return pitch if near >= STABLE_SHARE * np.count_nonzero(is_loud) else np.nan


def tempo_bpm(samples: Samples, sample_rate: int) -> float:
    """Return the tempo in beats per minute: the likeliest distance at which the onsets repeat, 40 to 240.

    Half and double of a tempo fit the same onsets: of these the one nearer to 120 is preferred, as people do, so
    an error by an octave is common. Clips shorter than 6 s, or without onsets that repeat, have none. Source: the
    autocorrelation of onset strength under a log-normal weight of one octave about 120, Ellis 2007, "Beat Tracking by
    Dynamic Programming", section 3.2. Differs: the strength is a compressed spectral flux, and the peak is refined by
    a parabola.
    """
    if len(samples) < LEAST_TEMPO_S * sample_rate or _is_still(samples):
        return np.nan
    hop = round(ONSET_HOP_S * sample_rate)
    strength = _onset_strength(samples, sample_rate, hop)
    similar = _autocorrelation(strength - strength.mean())
    frames_a_minute = 60 * sample_rate / hop
    lags = np.arange(int(frames_a_minute / FASTEST_BPM), int(frames_a_minute / SLOWEST_BPM) + 1)
    usual = np.exp(-0.5 * (np.log2(frames_a_minute / lags / USUAL_BPM) / OCTAVES) ** 2)
    best = int(lags[np.argmax(similar[lags] * usual)])
    if not similar[best] >= LEAST_PULSE:
        return np.nan
    return float(frames_a_minute / (best + _vertex(*similar[best - 1 : best + 2])))


DESCRIPTORS: Mapping[str, Descriptor] = {
    one.label: one
    for one in (
        Descriptor("audio.level", level_db, "dB full scale", "they are silent"),
        Descriptor("audio.centroid", centroid_hz, "Hz", "they are silent"),
        Descriptor("audio.bandwidth", bandwidth_hz, "Hz", "they are silent"),
        Descriptor("audio.pitch", pitch_midi, "MIDI number", "they have no one stable pitch"),
        Descriptor(
            "audio.tempo", tempo_bpm, "beats per minute", "they are shorter than 6 s or have no onsets that repeat"
        ),
        Descriptor("audio.duration", duration_s, "s", "they are empty"),
    )
}


def _is_still(samples: Samples) -> bool:
    """Return whether a sound never moves: silence, a mere offset, or no samples at all."""
    return not len(samples) or bool(np.ptp(samples) == 0)


def _window(sample_rate: int) -> int:
    """Return the length of a spectrum's frames in samples."""
    return int(2 ** round(np.log2(WINDOW_S * sample_rate)))


def _framed(samples: Array, window: int, hop: int) -> Iterator[Float[Array, "frames window"]]:
    """Yield the frames of samples in turn, some at a time, in float64."""
    views = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    for start in range(0, len(views), CHUNK_FRAMES):
        yield views[start : start + CHUNK_FRAMES].astype(np.float64)


def _powers(samples: Samples, sample_rate: int, hop: int | None = None) -> Iterator[Float[Array, "frames bins"]]:
    """Yield the power spectra of centred Hann frames, some at a time; nothing of a sound that never moves."""
    if _is_still(samples):
        return
    window, offset = _window(sample_rate), float(samples.mean(dtype=np.float64))
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    padded = np.pad(samples, window // 2, constant_values=np.float32(offset))
    for frames in _framed(padded, window, hop or window // 4):
        yield np.square(np.abs(rfft((frames - offset) * shape)))


def _periods(frames: Float[Array, "frames window"], longest: int, sample_rate: int) -> Float[Array, "2 frames"]:
    """Return the period of each frame in samples (NaN: not periodic), and its energy."""
    size = next_fast_len(frames.shape[1], real=True)
    halves = frames[:, :longest]
    products = irfft(np.conj(rfft(halves, size)) * rfft(frames, size), size)[:, : longest + 1]
    summed = np.cumsum(np.pad(np.square(frames), ((0, 0), (1, 0))), axis=1)
    energy = summed[:, longest : 2 * longest + 1] - summed[:, : longest + 1]
    difference = np.maximum(energy[:, :1] + energy - 2 * products, 0)
    difference[:, 0] = 0
    so_far = np.cumsum(difference, axis=1)
    lags = np.arange(longest + 1)
    normal = np.divide(difference * lags, so_far, out=np.ones_like(difference), where=so_far > 0)
    first = int(sample_rate / HIGHEST_HZ)
    inner = normal[:, first:-1]
    dips = (inner < APERIODIC) & (inner <= normal[:, first + 1 :])
    lag = first + dips.argmax(axis=1)
    rows = np.arange(len(frames))
    around = [difference[rows, lag + step] for step in (-1, 0, 1)]
    return np.stack([np.where(dips.any(axis=1), lag + _vertex(*around), np.nan), energy[:, 0]])


def _vertex(before: Any, at: Any, after: Any) -> Any:
    """Return where the parabola through three neighbours turns, from −½ to ½ about the middle one."""
    bend = np.asarray(before - 2 * at + after, np.float64)
    shift = np.divide(0.5 * (before - after), bend, out=np.zeros_like(bend), where=bend != 0)
    return np.clip(shift, -0.5, 0.5)


def _onset_strength(samples: Samples, sample_rate: int, hop: int) -> Float[Array, " frames"]:
    """Return how much louder each frame is than the one before, summed over the bins of a compressed spectrum."""
    loudest = max(float(power.max()) for power in _powers(samples, sample_rate, hop))
    strengths, last = [], np.zeros((1, _window(sample_rate) // 2 + 1))
    for power in _powers(samples, sample_rate, hop):
        heard = np.log1p(COMPRESSION * np.sqrt(power / loudest))
        rise = np.diff(np.concatenate([last, heard]), axis=0)
        strengths.append(np.maximum(rise, 0).sum(axis=1))
        last = heard[-1:]
    return np.concatenate(strengths)


def _autocorrelation(values: Float[Array, " frames"]) -> Float[Array, " frames"]:
    """Return how alike a series is to itself at each distance, 1 at 0; far ones are not made smaller by their few."""
    n = len(values)
    size = next_fast_len(2 * n, real=True)
    raw = irfft(np.square(np.abs(rfft(values, size))), size)[:n]
    similar: Array = raw / np.arange(n, 0, -1) / (raw[0] / n)
    return similar
