"""VGGish against an independent port with the same weights, and its front end against its definition."""

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import vggish
from tests.drawn_weights import drawn, sound

GOLDEN = Path(__file__).parent.parent / "golden" / "vggish" / "torchvggish.npz"
# How torchvggish numbers its layers: ReLU and pooling count there.
FEATURES, EMBEDDINGS = (0, 3, 6, 8, 11, 13), (0, 2, 4)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def published(widths: vggish.Widths) -> dict[str, torch.Tensor]:
    """A file as torchvggish has it, with the golden's weights."""
    network = vggish.Network(widths)
    theirs = {
        **{f"convolutions.{ours}": f"features.{number}" for ours, number in enumerate(FEATURES)},
        **{f"dense.{ours}": f"embeddings.{number}" for ours, number in enumerate(EMBEDDINGS)},
    }
    names = {
        f"{theirs[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": one for name, one in network.named_parameters()
    }
    return {name: torch.from_numpy(drawn(name, one.shape)) for name, one in names.items()}


def put(folder: str, widths: vggish.Widths, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a file with drawn weights where `earmark get weights` puts the published one; its hash counts as right."""
    file = places.weights_folder(folder) / vggish.WEIGHTS.path
    file.parent.mkdir(parents=True)
    torch.save(published(widths), file)
    monkeypatch.setattr(vggish, "SHA256_BEGINS", "")
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))


@pytest.mark.usefixtures("home")
def test_with_the_same_weights_it_says_what_torchvggish_says(
    golden: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("vggish-audioset", vggish.PUBLISHED, monkeypatch)
    plain, rectified = vggish.load("audioset"), vggish.load("audioset-relu")
    audio = torch.from_numpy(sound(0, 2 * 15_360 + 999))[None]
    answer = rectified(audio)
    assert answer.shape == (1, 1, 2, 128)
    np.testing.assert_allclose(answer[0, 0], golden["embedding"], atol=2e-4, rtol=1e-5)
    assert (plain(audio) < 0).any(), "before the ReLU there are numbers below 0"
    assert torch.equal(plain(audio).relu(), answer)


def test_its_log_mel_is_that_of_torchvggish(golden: dict[str, np.ndarray]) -> None:
    ours = vggish.LogMel()(torch.from_numpy(sound(0, 2 * 15_360 + 999)))
    np.testing.assert_allclose(ours[:192], golden["log_mel"].reshape(192, 64), atol=2e-5)


def test_its_log_mel_is_what_its_definition_says() -> None:
    audio = sound(1, 16_000)
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float64), 400)[::160]
    magnitude = np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 400), 512))
    mel = 2595 * np.log10(1 + np.arange(257) * 16_000 / 512 / 700)
    edges = np.linspace(2595 * np.log10(1 + 125 / 700), 2595 * np.log10(1 + 7_500 / 700), 66)
    filters = np.stack([np.interp(mel, edges[band : band + 3], [0, 1, 0], 0, 0) for band in range(64)], axis=1)
    ours = vggish.LogMel()(torch.from_numpy(audio))
    np.testing.assert_allclose(ours, np.log(magnitude @ filters + 0.01), atol=2e-5)


def test_whitening_is_that_of_torchvggish_within_the_rounding(golden: dict[str, np.ndarray]) -> None:
    after = vggish.Whitening(128)
    after.load_state_dict(
        {"vectors": torch.from_numpy(drawn("pca", (128, 128))), "means": torch.from_numpy(drawn("means", (128,)))}
    )
    ours = after(torch.from_numpy(golden["embedding"])).numpy()
    apart = golden["whitened"] - ours
    assert set(np.unique(apart)) == {0, 1}, "torchvggish rounds, Google leaves out what is behind the point"


@pytest.mark.usefixtures("home")
def test_the_whitened_form_reads_the_published_file(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, means = drawn("pca", (128, 128)), drawn("means", (128, 1))
    put("vggish-audioset-pca", vggish.PUBLISHED, monkeypatch)
    np.savez(
        places.weights_folder("vggish-audioset-pca") / vggish.WHITENING.path, pca_eigen_vectors=vectors, pca_means=means
    )
    made, audio = vggish.load("audioset-pca"), torch.from_numpy(sound(2, 15_600))[None]
    plain = vggish.load("audioset")(audio)[0, 0].numpy()
    expected = np.clip((vectors @ (plain.T - means)).T, -2, 2)
    np.testing.assert_allclose(made(audio)[0, 0], ((expected + 2) * 255 / 4).astype(np.uint8), atol=1)
    assert made.card.weights_sha256 != vggish.load("audioset").card.weights_sha256


@pytest.mark.usefixtures("home")
def test_a_file_that_is_not_the_published_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPart, match="earmark get weights vggish-audioset"):
        vggish.load("audioset")
    file = put("vggish-audioset", vggish.TINY, monkeypatch)
    with pytest.raises(UserError, match=r"vggish-10086976.pth' does not hold the weights of 'vggish-audioset'"):
        vggish.load("audioset")
    monkeypatch.undo()
    monkeypatch.setenv("EARMARK_HOME", str(file.parents[2]))
    with pytest.raises(UserError, match=r"Expected a file whose sha256 begins with 10086976, got .* Delete the file"):
        vggish.load("audioset")


def test_a_miniature_has_no_weights() -> None:
    with pytest.raises(UserError, match="Write 'random:vggish-tiny'"):
        vggish.load("tiny")


@pytest.mark.parametrize("variant", vggish.CARDS)
def test_random_vggish_keeps_every_law_and_its_card_is_true(variant: str) -> None:
    made = vggish.build(variant, 0)
    assert conformance.broken_by_representation(made) == ()
    assert made.card.n_parameters == sum(one.numel() for one in made.parameters())


def test_patches_follow_each_other_without_overlap_and_the_rest_is_not_heard() -> None:
    made, audio = vggish.build("tiny", 0), torch.from_numpy(sound(3, 3 * 15_360 + 5_000))[None]
    found = made(audio)[0, 0]
    assert len(found) == (1 + (audio.shape[1] - 400) // 160) // 96 == 3
    for number in range(3):
        alone = made(audio[:, number * 15_360 : number * 15_360 + 15_600])[0, 0, 0]
        torch.testing.assert_close(alone, found[number])
    assert torch.equal(made(audio[:, : 3 * 15_360 + 240])[0, 0], found)
