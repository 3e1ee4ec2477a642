"""MAEST against another packaging with the same weights, its front end against librosa, and its checkpoints."""

from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import maest
from earmark.representations._patches import PatchTransformer
from tests.drawn_weights import drawn, sound

GOLDEN = Path(__file__).parent.parent / "golden" / "maest" / "maest_infer.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def made() -> maest.Maest:
    """The network of published size, with the golden's weights."""
    network = PatchTransformer(maest.SHAPES[""])
    drawn_state = {name: torch.from_numpy(drawn(name, one.shape)) for name, one in network.state_dict().items()}
    network.load_state_dict(drawn_state)
    return maest.Maest(maest.CARDS[""], network)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `earmark get weights maest` puts a file; a small network counts as the published one."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setitem(maest.SHAPES, "", maest.TINY)
    path = places.weights_folder("maest") / maest.CARDS[""].sources[0].path
    path.parent.mkdir(parents=True)
    return path


def drawn_network() -> PatchTransformer:
    """A small network."""
    return maest.build("tiny", 0).network


def test_with_the_same_weights_each_depth_is_what_maest_infer_says(
    golden: dict[str, np.ndarray], made: maest.Maest
) -> None:
    answer = made(torch.from_numpy(sound(0, 48_000))[None], [1, 7, 12])
    assert answer.shape == (1, 3, 1, 2304)
    # It counts blocks from 0, and gives what comes out of them.
    for number, block in enumerate((0, 6, 11)):
        np.testing.assert_allclose(answer[0, number], golden[f"block {block}"], atol=1e-4)


def test_with_the_same_weights_its_labels_are_those_of_maest_infer(
    golden: dict[str, np.ndarray], made: maest.Maest
) -> None:
    with torch.inference_mode():
        *_, last = made.network.places(made.log_mel(torch.from_numpy(sound(0, 48_000))[None]))
        answer = made.network.answer(last)
    np.testing.assert_allclose(answer, golden["answer"], atol=5e-5)
    np.testing.assert_allclose(made.network.logits(answer), golden["logits"], atol=5e-5)


def test_its_spectrogram_is_that_of_maest_infer(golden: dict[str, np.ndarray], made: maest.Maest) -> None:
    ours = made.log_mel(torch.from_numpy(sound(0, 48_000))[None])[0, :, ::10]
    np.testing.assert_allclose(ours, golden["mel"].reshape(ours.shape), atol=1e-5)


def test_its_spectrogram_is_what_its_definition_says(made: maest.Maest) -> None:
    audio = sound(1, 16_000)
    mel = librosa.feature.melspectrogram(y=audio, sr=16_000, n_fft=512, hop_length=256, n_mels=96, pad_mode="reflect")
    expected = (np.log10(1 + 10_000 * mel) - 2.06755686098554) / (2 * 1.268292820667291)
    np.testing.assert_allclose(made.log_mel(torch.from_numpy(audio)[None])[0], expected, atol=1e-5)


@pytest.mark.parametrize("variant", maest.CHECKPOINTS)
def test_the_longest_segment_fits_the_learnt_positions_and_the_card_is_true(variant: str) -> None:
    card = maest.CARDS[variant]
    with torch.device("meta"):
        network = PatchTransformer(maest.SHAPES[variant])
    assert card.max_samples is not None
    frames = 1 + card.max_samples // 256
    assert (frames - 16) // 10 + 1 <= network.time_new_pos_embed.shape[3]
    assert card.n_parameters == sum(one.numel() for one in network.parameters())
    # Four bytes each, and what torch's file takes besides: the published files hold this network once.
    assert 0 < (card.sources[0].size_bytes or 0) - 4 * card.n_parameters < 100_000


@pytest.mark.parametrize("prefix", ["", "net.", "net_swa."])
def test_a_checkpoint_is_read_under_any_prefix_and_beside_other_things(prefix: str, file: Path) -> None:
    state = drawn_network().state_dict()
    held: dict[str, Any] = {f"{prefix}{name}": one for name, one in state.items()}
    if prefix:
        held = {"state_dict": held | {"mel.window": torch.zeros(3)}, "epoch": 129}
    torch.save(held, file)
    network = maest.load("").network.state_dict()
    assert all(torch.equal(one, state[name]) for name, one in network.items())


def test_of_two_networks_in_a_checkpoint_the_averaged_one_is_taken(file: Path) -> None:
    state = drawn_network().state_dict()
    plain = {f"net.{name}": torch.zeros_like(one) for name, one in state.items()}
    torch.save({"state_dict": plain | {f"net_swa.{name}": one for name, one in state.items()}}, file)
    assert torch.equal(maest.load("").network.cls_token, state["cls_token"])


def test_a_checkpoint_of_something_else_is_refused(file: Path) -> None:
    with pytest.raises(MissingPart, match="earmark get weights maest"):
        maest.load("")
    torch.save({"weight": torch.zeros(3)}, file)
    with pytest.raises(UserError, match=r"Expected a network with a cls_token in .* found weight"):
        maest.load("")
    state = drawn_network().state_dict()
    torch.save({name: one for name, one in state.items() if name != "norm.weight"}, file)
    with pytest.raises(UserError, match=r"(?s)does not hold the weights of 'maest'.*norm\.weight"):
        maest.load("")


def test_random_maest_keeps_every_law() -> None:
    made = maest.build("tiny", 0)
    assert conformance.broken_by_representation(made) == ()
    assert made.card.n_parameters == sum(one.numel() for one in made.parameters())
