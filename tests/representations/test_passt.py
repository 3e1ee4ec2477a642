"""PaSST against its authors' module with the same weights, and its front end against its definition."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import passt
from earmark.representations._patches import PatchTransformer
from tests.drawn_weights import drawn, sound

GOLDEN = Path(__file__).parent.parent / "golden" / "passt" / "hear21passt.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def network() -> PatchTransformer:
    """The network of published size, with the golden's weights."""
    made = PatchTransformer(passt.PUBLISHED)
    made.load_state_dict({name: torch.from_numpy(drawn(name, one.shape)) for name, one in made.state_dict().items()})
    return made


@pytest.fixture
def tiny_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where `earmark get weights passt` puts it, of a small network that counts as the published one."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setitem(passt.SHAPES, "", passt.TINY)
    file = places.weights_folder("passt") / passt.WEIGHTS.path
    file.parent.mkdir(parents=True)
    torch.save(passt.build("tiny", 0).network.state_dict(), file)
    return file


def test_with_the_same_weights_it_says_what_the_module_of_hear_says(
    golden: dict[str, np.ndarray], network: PatchTransformer
) -> None:
    audio = torch.from_numpy(np.stack([sound(seed, 64_000) for seed in (0, 1)]))
    answer = passt.PaSST(passt.CARDS["hear"], network)(audio)
    assert answer.shape == (2, 1, 1, 1295)
    np.testing.assert_allclose(answer[:, 0, 0], golden["scene"], atol=5e-5)
    plain = passt.PaSST(passt.CARDS[""], network)(audio)
    torch.testing.assert_close(plain[:, 0, 0], answer[:, 0, 0, 527:])


def test_its_spectrogram_is_that_of_the_module_of_hear(golden: dict[str, np.ndarray]) -> None:
    audio = torch.from_numpy(np.stack([sound(seed, 64_000) for seed in (0, 1)]))
    np.testing.assert_allclose(passt.LogMel()(audio)[:, :, ::20], golden["mel"], atol=1e-4)


def test_its_spectrogram_is_what_its_definition_says() -> None:
    audio = sound(2, 16_000).astype(np.float64)
    around = np.pad(audio[1:] - 0.97 * audio[:-1], 512, "reflect")
    window = np.pad(scipy.signal.get_window("hann", 800, fftbins=False), 112)
    frames = np.lib.stride_tricks.sliding_window_view(around, 1024)[::320] * window
    mel = 2595 * np.log10(1 + np.arange(512) * 32_000 / 1024 / 700)
    edges = np.linspace(0, 2595 * np.log10(1 + 15_000 / 700), 130)
    filters = np.stack([np.interp(mel, edges[band : band + 3], [0, 1, 0], 0, 0) for band in range(128)], axis=1)
    power = np.abs(np.fft.rfft(frames)[:, :512]) ** 2
    expected = (np.log(power @ filters + 1e-5) + 4.5) / 5
    np.testing.assert_allclose(passt.LogMel()(torch.from_numpy(audio).float()[None])[0].T, expected, atol=1e-4)


def test_ten_seconds_are_a_thousand_frames_and_fit_the_learnt_positions(network: PatchTransformer) -> None:
    assert passt.LogMel()(torch.zeros(1, passt.LONGEST)).shape == (1, 128, 1000)
    assert network.time_new_pos_embed.shape[3] == (1000 - 16) // 10 + 1


@pytest.mark.usefixtures("tiny_published")
def test_the_published_file_is_read_by_the_names_that_it_has(tiny_published: Path) -> None:
    made = passt.load("")
    held = torch.load(tiny_published, weights_only=True)
    assert all(torch.equal(one, held[name]) for name, one in made.network.state_dict().items())
    torch.save({name: one for name, one in held.items() if name != "cls_token"}, tiny_published)
    with pytest.raises(UserError, match=r"(?s)does not hold the weights of 'passt'.*cls_token"):
        passt.load("")
    tiny_published.unlink()
    with pytest.raises(MissingPart, match="earmark get weights passt"):
        passt.load("")


@pytest.mark.parametrize("variant", ["tiny", "tiny-hear", "tiny-layers"])
def test_random_passt_keeps_every_law(variant: str) -> None:
    made = passt.build(variant, 0)
    assert conformance.broken_by_representation(made) == ()
    assert made.card.n_parameters == sum(one.numel() for one in made.parameters())


def test_the_cards_of_one_network_count_the_same_parameters() -> None:
    with torch.device("meta"):
        counted = sum(one.numel() for one in PatchTransformer(passt.PUBLISHED).parameters())
    assert {card.n_parameters for card in passt.CARDS.values() if card.sources} == {counted}
    # Four bytes each, and what torch's file takes besides.
    assert 0 < (passt.WEIGHTS.size_bytes or 0) - 4 * counted < 100_000


def test_the_last_layer_holds_the_tokens_that_the_plain_form_averages() -> None:
    plain, layers = passt.build("tiny", 0), passt.build("tiny-layers", 0)
    audio = torch.from_numpy(sound(3, 32_000))[None]
    tokens = layers(audio, [2])[0, 0, 0, :32].unflatten(0, (2, 16))
    torch.testing.assert_close(layers.network.norm(tokens).mean(0), plain(audio)[0, 0, 0])
    assert torch.equal(layers(audio, [2, 0]), layers(audio)[:, [2, 0]])
