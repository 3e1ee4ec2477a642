"""OpenL3 against an independent port with the same weights, its spectrograms against librosa, and its Keras files."""

import gzip
import io
from pathlib import Path

import h5py
import librosa
import numpy as np
import pytest
import torch

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import openl3
from tests.drawn_weights import drawn, sound

GOLDEN = Path(__file__).parent.parent / "golden" / "openl3" / "torchopenl3.npz"
PUBLISHED = [variant for variant, card in openl3.CARDS.items() if card.sources]
KERAS_NAMES = {"running_mean": "moving_mean", "running_var": "moving_variance"}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def layer_of(name: str) -> str:
    """torchopenl3's, and Keras', name of the layer of a tensor."""
    part, number, _ = name.split(".")
    kind = "conv2d" if part == "convolutions" else "batch_normalization"
    return openl3.LAST if (kind, number) == ("conv2d", "7") else f"{kind}_{int(number) + 1}"


def weights(network: openl3.Network) -> dict[str, torch.Tensor]:
    """The golden's weights under our names."""
    named = {name: one for name, one in network.state_dict().items() if one.ndim}
    theirs = {name: f"{layer_of(name)}.{name.rpartition('.')[2]}" for name in named}
    return {name: torch.from_numpy(drawn(theirs[name], one.shape)) for name, one in named.items()}


def put(name: str, *, without: str = "", channels: tuple[int, ...] = openl3.CHANNELS) -> Path:
    """Put drawn weights, as Keras saves them, where `earmark get weights NAME` puts the published ones."""
    content, card = io.BytesIO(), openl3.CARDS[name.removeprefix("openl3").removeprefix("-")]
    with h5py.File(content, "w") as file:
        file["melspectrogram_1/melspectrogram_1/Variable:0"] = np.zeros((1025, 128), np.float32)
        for ours, tensor in weights(openl3.Network(channels)).items():
            layer, kind = layer_of(ours), ours.rpartition(".")[2]
            norm = {**KERAS_NAMES, "weight": "gamma", "bias": "beta"}
            part = norm[kind] if ours.startswith("norms") else {"weight": "kernel", "bias": "bias"}[kind]
            turned = tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor
            if layer != without:
                file[f"model_weights/{layer}/{layer}/{part}:0"] = turned.numpy()
    path = places.weights_folder(name) / card.sources[0].path
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(content.getvalue(), 1))
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("bands", [128, 256])
def test_with_the_same_weights_it_says_what_torchopenl3_says(bands: int, golden: dict[str, np.ndarray]) -> None:
    put(f"openl3-music-mel{bands}-512")
    audio = torch.from_numpy(sound(0, 96_000)).view(2, 48_000)
    for dim in (512, 6144):
        answer = openl3.load(f"music-mel{bands}-{dim}")(audio)
        assert answer.shape == (2, 1, 1, dim)
        expected = golden[f"{bands}/{dim}"]
        np.testing.assert_allclose(answer[:, 0, 0], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("bands", [128, 256])
def test_its_spectrogram_is_that_of_torchopenl3(bands: int, golden: dict[str, np.ndarray]) -> None:
    second = torch.from_numpy(sound(0, 96_000)[48_000:])[None]
    ours = openl3.Mel(openl3.FORMS[f"music-mel{bands}-512"])(second)
    assert ours.shape == (1, bands, 199)
    np.testing.assert_allclose(ours[0, :, ::20], golden[f"{bands}/mel"], atol=2e-4)


@pytest.mark.filterwarnings("ignore:Empty filters")  # of 256 bands the lowest are narrower than a bin, as published
@pytest.mark.parametrize("variant", ["", "music-mel128-512", "music-mel256-512"])
def test_its_spectrograms_are_what_their_definitions_say(variant: str) -> None:
    form, second = openl3.FORMS[variant], sound(1, 48_000)
    around = (0, 1964) if form.is_released else (982, 982)
    padded = np.pad(second.astype(np.float64), around)
    magnitude = np.abs(librosa.stft(padded, n_fft=2048, hop_length=242, center=False))
    filters = librosa.filters.mel(
        sr=48_000, n_fft=2048, n_mels=form.bands, htk=not form.is_released, norm="slaney", dtype=np.float64
    )
    mel = filters @ magnitude if form.is_released else np.sqrt(filters @ magnitude**2)
    level = 10 * np.log10(np.maximum(mel, 1e-10))
    expected = np.maximum(level - level.max(), -80)
    np.testing.assert_allclose(openl3.Mel(form)(torch.from_numpy(second)[None])[0], expected, atol=1e-4)


def test_silence_is_at_the_loudest_level_everywhere_and_loudness_is_not_heard() -> None:
    mel = openl3.Mel(openl3.FORMS[""])
    assert not mel(torch.zeros(1, 48_000)).any()
    second = torch.from_numpy(sound(2, 48_000))[None]
    torch.testing.assert_close(mel(second), mel(second / 8), atol=1e-4, rtol=0)


@pytest.mark.usefixtures("home")
def test_forms_with_as_many_bands_share_a_file() -> None:
    put("openl3")
    assert openl3.load("").card.weights_sha256 == openl3.load("music-mel128-6144").card.weights_sha256 != ""
    with pytest.raises(MissingPart, match="earmark get weights openl3-music-mel256-512"):
        openl3.load("music-mel256-512")


@pytest.mark.usefixtures("home")
def test_a_file_that_lacks_a_layer_or_is_cut_off_is_refused() -> None:
    file = put("openl3", without="conv2d_3")
    with pytest.raises(UserError, match=r"does not hold the weights of 'openl3'"):
        openl3.load("")
    file.write_bytes(file.read_bytes()[:5_000])
    with pytest.raises(UserError, match=r"is damaged: .* Delete it, and fetch it again"):
        openl3.load("")


@pytest.mark.parametrize("variant", ["tiny", "tiny-large"])
def test_random_openl3_keeps_every_law(variant: str) -> None:
    # Whether so small a network minds the band that a sound was stored with is luck. One of full size does not.
    assert conformance.broken_by_representation(openl3.build(variant, 1)) == ()


@pytest.mark.parametrize("variant", openl3.CARDS)
def test_the_card_of_openl3_is_true(variant: str) -> None:
    made = openl3.build(variant, 0)
    assert made.card.n_parameters == sum(one.numel() for one in made.parameters())
    audio = torch.from_numpy(sound(3, 48_000 + made.form.hop_samples))[None]
    assert made(audio).shape == (1, 1, 2, made.card.dim)


def test_a_frame_is_of_its_own_second_alone() -> None:
    made, audio = openl3.build("tiny-large", 0), torch.from_numpy(sound(4, 96_000))[None]
    found = made(audio)[0, 0]
    assert len(found) == 3
    torch.testing.assert_close(made(audio[:, 24_000:72_000])[0, 0, 0], found[1])
