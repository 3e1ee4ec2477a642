"""Laws of the deformations, and the effect that each of the thesis' four declares, measured."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import deformations
from earmark.deformations import CLEAN, PRESETS, Chain, Samples, Step
from earmark.errors import MissingPart, UserError

RATE = 44100


def chain(kind: str, **params: object) -> Chain:
    return Chain("a", (Step(kind, params),))


def fixed(kind: str, **values: float) -> Chain:
    return chain(kind, **{f"{end}_{name}": value for name, value in values.items() for end in ("min", "max")})


def melody(seconds: float, sample_rate: int = RATE) -> Samples:
    """Decaying notes over a little noise: aperiodic, so that a lag shows."""
    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    tones = sum(0.1 * np.sin(2 * np.pi * hz * t * (1 + 0.02 * t)) for hz in (220, 587, 1234, 2960))
    sound = (tones + 0.05 * rng.standard_normal(len(t))) * np.exp(-3 * (t * 3.7 % 1))
    return np.asarray(sound, np.float32)


def power_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def lag(deformed: Samples, clean: Samples) -> int:
    n = 2 * len(clean)
    spectrum = np.fft.rfft(deformed, n) * np.conj(np.fft.rfft(clean, n))
    found = int(np.argmax(np.fft.irfft(spectrum, n)))
    return found if found < len(clean) else found - n


def test_lag_finds_a_known_delay() -> None:
    clean = melody(0.5)
    assert lag(np.roll(clean, 529), clean) == 529
    assert lag(np.roll(clean, -3), clean) == -3


def test_clean_changes_nothing() -> None:
    samples = melody(0.2)
    assert deformations.apply(CLEAN, samples, RATE, 0) is samples


@pytest.mark.parametrize(("name", "snr_db"), [("snr15", 15), ("snr0", 0)])
def test_snr_is_within_a_tenth_of_a_db(name: str, snr_db: float) -> None:
    samples = melody(6)
    noise = deformations.apply(PRESETS[name], samples, RATE, 1) - samples
    assert power_db(samples) - power_db(noise) == pytest.approx(snr_db, abs=0.1)


def test_gain_is_exact() -> None:
    samples = melody(1)
    deformed = deformations.apply(PRESETS["gain-12"], samples, RATE, 1)
    np.testing.assert_allclose(deformed, samples * 10 ** (-12 / 20), rtol=1e-6)


def test_gain_of_0_db_changes_nothing() -> None:
    samples = melody(0.5)
    np.testing.assert_array_equal(deformations.apply(fixed("Gain", gain_db=0), samples, RATE, 1), samples)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000])
def test_mp3_delays_nothing(sample_rate: int) -> None:
    samples = melody(2, sample_rate)
    deformed = deformations.apply(PRESETS["mp3-32k"], samples, sample_rate, 1)
    assert lag(deformed, samples) == 0


def test_mp3_is_a_low_pass_that_leaves_the_rest_alike() -> None:
    samples = melody(4)
    deformed = deformations.apply(PRESETS["mp3-32k"], samples, RATE, 1)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (samples, deformed))
    assert 10 * np.log10(after[hz > 11000].sum() / before[hz > 11000].sum()) < -30
    assert abs(10 * np.log10(after[hz < 4000].sum() / before[hz < 4000].sum())) < 1
    assert 0.9 < np.corrcoef(samples, deformed)[0, 1] < 0.9999


def test_more_bits_are_nearer_to_the_original() -> None:
    samples = melody(2)
    errors = [
        power_db(deformations.apply(fixed("Mp3Compression", bitrate=kbps), samples, RATE, 1) - samples)
        for kbps in (32, 64, 128, 320)
    ]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("sample_rate", [96000, 44056])
def test_mp3_at_a_rate_it_does_not_know_keeps_time_and_length(sample_rate: int) -> None:
    samples = melody(1, sample_rate)
    deformed = deformations.apply(PRESETS["mp3-32k"], samples, sample_rate, 1)
    assert deformed.shape == samples.shape
    assert lag(deformed, samples) == 0
    assert np.corrcoef(samples, deformed)[0, 1] > 0.9


def test_mp3_refuses_a_bit_rate_that_the_sample_rate_has_not() -> None:
    with pytest.raises(UserError, match="44100 Hz has 32 to 320 kbit/s, not 8"):
        deformations.apply(fixed("Mp3Compression", bitrate=8), melody(0.5), RATE, 1)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("n_samples", [0, 1, 2, 100, 1152, 4409, 4410, 4411, 50001])
def test_length_and_type_are_kept(name: str, n_samples: int) -> None:
    samples = melody(2)[:n_samples]
    deformed = deformations.apply(PRESETS[name], samples, RATE, 1)
    assert deformed.shape == samples.shape
    assert deformed.dtype == np.float32
    assert np.isfinite(deformed).all()


@pytest.mark.parametrize("name", PRESETS)
def test_silence_stays_silent(name: str) -> None:
    deformed = deformations.apply(PRESETS[name], np.zeros(RATE, np.float32), RATE, 1)
    np.testing.assert_array_equal(deformed, 0)


def test_nothing_is_clipped() -> None:
    samples = melody(1) * 5
    noisy_mp3 = Chain("b", PRESETS["snr0"].steps + PRESETS["mp3-32k"].steps)
    for one in (PRESETS["snr0"], fixed("Gain", gain_db=12), noisy_mp3):
        assert np.abs(deformations.apply(one, samples, RATE, 1)).max() > 2


@pytest.mark.parametrize("name", PRESETS)
def test_the_samples_given_are_left_as_they_were(name: str) -> None:
    samples = melody(0.5)
    kept = samples.copy()
    deformations.apply(PRESETS[name], samples, RATE, 1)
    np.testing.assert_array_equal(samples, kept)


@pytest.mark.parametrize("name", PRESETS)
def test_the_same_seed_gives_the_same_bits_in_any_order_and_any_thread(name: str) -> None:
    samples = melody(0.3)

    def deform(seed: int) -> bytes:
        return deformations.apply(PRESETS[name], samples, RATE, seed).tobytes()

    alone = [deform(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(deform, reversed(range(8)))) == alone[::-1]


def test_another_clip_gets_other_noise() -> None:
    samples = melody(0.2)
    seeds = {deformations.clip_seed(PRESETS["snr15"], "studio", clip) for clip in ("a", "b")}
    noisy = {deformations.apply(PRESETS["snr15"], samples, RATE, seed).tobytes() for seed in seeds}
    assert len(noisy) == 2


def global_state() -> str:
    numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002 - it is what must not change
    assert isinstance(numpy_state, tuple)
    return repr((random.getstate(), numpy_state[1].tolist(), *numpy_state[2:]))


def test_the_global_generators_are_left_as_they_were() -> None:
    before = global_state()
    deformations.apply(PRESETS["snr15"], melody(0.2), RATE, 1)
    assert global_state() == before


def test_the_global_generators_are_left_as_they_were_when_a_step_fails() -> None:
    before = global_state()
    failing = Chain("b", PRESETS["snr15"].steps + fixed("Mp3Compression", bitrate=8).steps)
    with pytest.raises(UserError, match=r"Mp3Compression with .* fails at 44100 Hz"):
        deformations.apply(failing, melody(0.2), RATE, 1)
    assert global_state() == before


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("LowPassFilter", {"cutoff_freq": 8000, "rolloff": 12}),
        ("HighPassFilter", {"cutoff_freq": 9000, "rolloff": 12}),
        ("PeakingFilter", {"center_freq": 12000, "gain_db": 6, "q": 1}),
    ],
)
def test_a_filter_at_a_frequency_that_the_audio_does_not_have_is_refused(kind: str, values: dict[str, float]) -> None:
    step = fixed(kind, **values)
    assert len(deformations.apply(step, melody(0.2), 44100, 1))
    with pytest.raises(UserError, match=rf"{kind} with min_\w+_freq = \d+ Hz has nothing .* 16000 Hz ends at 8000 Hz"):
        deformations.apply(step, melody(0.2), 16000, 1)


def test_steps_run_in_their_order() -> None:
    samples = melody(1)
    gain, clip = fixed("Gain", gain_db=20).steps, chain("Clip", a_min=-0.1, a_max=0.1).steps
    assert np.abs(deformations.apply(Chain("b", gain + clip), samples, RATE, 1)).max() == pytest.approx(0.1)
    assert np.abs(deformations.apply(Chain("b", clip + gain), samples, RATE, 1)).max() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["PolarityInversion", "Reverse", "Normalize"])
def test_any_transform_of_audiomentations_runs(kind: str) -> None:
    samples = melody(0.3)
    deformed = deformations.apply(chain(kind), samples, RATE, 1)
    assert deformed.shape == samples.shape
    assert not np.array_equal(deformed, samples)


def test_time_stretch_and_pitch_shift_keep_the_length() -> None:
    samples = melody(1)
    for one in (fixed("TimeStretch", rate=0.8), fixed("PitchShift", semitones=2)):
        assert deformations.apply(one, samples, RATE, 1).shape == samples.shape


def test_a_transform_whose_package_is_absent_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_package(samples: Samples, sample_rate: int) -> Samples:
        raise ModuleNotFoundError("No module named 'room_maker'", name="room_maker")

    monkeypatch.setattr(deformations.transforms, "_transforms", lambda: {"Room": lambda p: without_package})
    with pytest.raises(MissingPart, match=r"Room needs another package\. Install it: pip install 'room-maker'"):
        deformations.apply(chain("Room"), melody(0.1), RATE, 1)


def impulse_response(folder: Path, delay: int) -> str:
    response = np.zeros(delay + 1, np.float32)
    response[delay] = 0.5
    path = folder / "hall.wav"
    soundfile.write(path, response, RATE, subtype="FLOAT")
    return str(path)


@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")  # audioread imports them
def test_an_impulse_response_is_read_from_its_path(tmp_path: Path) -> None:
    samples = melody(0.3)
    hall = chain("ApplyImpulseResponse", ir_path=impulse_response(tmp_path, 10))
    deformations.check(hall)
    deformed = deformations.apply(hall, samples, RATE, 1)
    assert lag(deformed, samples) == 10


@pytest.mark.parametrize("spoil", [lambda x: x[:-1], lambda x: x * np.float32(np.inf)], ids=["shorter", "infinite"])
def test_a_transform_that_breaks_its_promise_is_an_error(
    spoil: Callable[[Samples], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(p: float) -> Callable[[Samples, int], Samples]:
        return lambda samples, sample_rate: spoil(samples)

    monkeypatch.setattr(deformations.transforms, "_transforms", lambda: {"Broken": broken})
    with pytest.raises(UserError, match=r"must keep the length|not finite"):
        deformations.apply(chain("Broken"), np.full(100, 0.5, np.float32), RATE, 1)
