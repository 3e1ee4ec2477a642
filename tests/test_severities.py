"""Every severity an experiment can sweep does what its number says, measured on sound of which the truth is known."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.fft import rfft, rfftfreq

from earmark import deformations
from earmark.deformations import Chain, Samples, Step
from earmark.errors import UserError

RATE = 44100
NOTE_HZ = 440.0


def deformed(samples: Samples, kind: str, **params: object) -> Samples:
    """Return samples under a chain as a file writes it: an x stands for min_x and max_x."""
    step = Step(kind, deformations.both_ends(kind, params))
    chain = Chain("a", (step,))
    return deformations.apply(chain, samples, RATE, deformations.clip_seed(chain, "d", "c"))


def note(seconds: float = 2.0) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * NOTE_HZ * time)).astype(np.float32)


def noise(seconds: float = 2.0) -> Samples:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def share_above(samples: Samples, hz: float) -> float:
    power = np.abs(rfft(samples)) ** 2
    return float(power[rfftfreq(len(samples), 1 / RATE) > hz].sum() / power.sum())


def falls(values: Sequence[float]) -> bool:
    return all(one > other for one, other in pairwise(values))


@pytest.mark.parametrize("snr_db", [40, 10, -5])
def test_noise_has_its_ratio_to_the_clip(snr_db: float) -> None:
    added = deformed(note(), "AddGaussianSNR", snr_db=snr_db) - note()
    assert level_db(note()) - level_db(added) == pytest.approx(snr_db, abs=0.2)


@pytest.mark.parametrize("gain_db", [-24, -1.5, 6])
def test_a_gain_is_a_gain(gain_db: float) -> None:
    assert level_db(deformed(note(), "Gain", gain_db=gain_db)) - level_db(note()) == pytest.approx(gain_db, abs=1e-3)


def test_a_lower_bitrate_leaves_less_as_it_was() -> None:
    coded = [deformed(noise(), "Mp3Compression", bitrate=rate) for rate in (192, 96, 48, 32)]
    assert falls([level_db(noise()) - level_db(one - noise()) for one in coded])


@pytest.mark.parametrize("semitones", [-4, 1, 12])
def test_a_pitch_shift_moves_a_note_by_its_semitones(semitones: float) -> None:
    shifted = deformed(note(), "PitchShift", semitones=semitones)
    spectrum = np.abs(rfft(shifted * np.hanning(len(shifted)), 4 * len(shifted)))
    found_hz = rfftfreq(4 * len(shifted), 1 / RATE)[spectrum.argmax()]
    assert 12 * np.log2(found_hz / NOTE_HZ) == pytest.approx(semitones, abs=0.05)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_a_time_stretch_moves_what_happens_and_keeps_pitch_and_length(rate: float) -> None:
    samples = note()
    samples[RATE:] = 0  # it ends after a second
    stretched = deformed(samples, "TimeStretch", rate=rate)
    loud = np.flatnonzero(np.abs(stretched) > 0.1)
    assert len(stretched) == len(samples)
    assert loud[-1] / RATE == pytest.approx(1 / rate, abs=0.06)
    spectrum = np.abs(rfft(stretched))
    assert rfftfreq(len(stretched), 1 / RATE)[spectrum.argmax()] == pytest.approx(NOTE_HZ, abs=2)


def test_a_low_pass_filter_passes_what_is_low() -> None:
    shares = [share_above(deformed(noise(), "LowPassFilter", cutoff_freq=hz, rolloff=24), hz) for hz in (8000, 1000)]
    assert max(shares) < 0.2 < share_above(noise(), 8000)


@pytest.mark.parametrize("percentile", [10, 40])
def test_clipping_is_of_its_share_of_the_samples(percentile: int) -> None:
    clipped = deformed(noise(), "ClippingDistortion", percentile_threshold=percentile)
    assert np.mean(clipped != noise()) == pytest.approx(percentile / 100, abs=0.01)


ROOM = {
    **{"size_x": 6.0, "size_y": 5.0, "size_z": 3.0, "source_x": 2.0, "source_y": 2.0, "source_z": 1.5},
    **{"mic_distance": 1.0, "mic_azimuth": 0.5, "mic_elevation": 0.0, "absorption_value": 0.2},
    **{"calculation_mode": "rt60", "max_order": 8, "use_ray_tracing": False, "leave_length_unchanged": True},
}


def test_a_room_rings_the_longer_the_later_it_is_silent() -> None:
    pytest.importorskip("pyroomacoustics", reason="no pyroomacoustics, extra [deformations]")
    click = np.zeros(RATE, np.float32)
    click[RATE // 4] = 1.0
    tails = []
    for rt60_s in (0.3, 0.6, 1.2):
        heard = deformed(click, "RoomSimulator", **ROOM, target_rt60=rt60_s)
        assert heard.tobytes() == deformed(click, "RoomSimulator", **ROOM, target_rt60=rt60_s).tobytes()
        start = int(np.abs(heard).argmax())
        tails.append(
            level_db(heard[start : start + RATE // 200]) - level_db(heard[start + RATE // 10 : start + RATE // 5])
        )
    assert falls(tails)


def test_rays_that_follow_no_seed_are_refused() -> None:
    chain = Chain("a", (Step("RoomSimulator", {"leave_length_unchanged": True}),))
    with pytest.raises(UserError, match="use_ray_tracing must be False, got True: its rays follow no seed"):
        deformations.check(chain)
