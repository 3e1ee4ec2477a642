"""CLMR's SampleCNN against its authors' with the same weights, and the zip that they published."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import clmr
from tests.drawn_weights import drawn, sound

GOLDEN = Path(__file__).parent.parent / "golden" / "clmr" / "sample_cnn.npz"


def published_name(name: str) -> str:
    part, number, kind = name.split(".")
    return f"sequential.{number}.{int(part == 'norms')}.{kind}"


def weights() -> dict[str, torch.Tensor]:
    """The golden's weights, by the names of the authors' network."""
    named = {published_name(name): one for name, one in clmr.SampleCnn().state_dict().items()}
    return {name: torch.from_numpy(drawn(name, one.shape)) if one.ndim else one for name, one in named.items()}


def put(state: dict[str, torch.Tensor], member: str = clmr.MEMBER) -> Path:
    """Put a zip where `earmark get weights clmr-v2` puts the published one."""
    path, content = places.weights_folder("clmr-v2") / clmr.CARD.sources[0].path, io.BytesIO()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content.getvalue())
        archive.writestr("clmr_checkpoint_10000_optim.pt", b"of the optimiser")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("prefix", ["encoder.", "model.encoder."])
def test_with_the_same_weights_it_says_what_the_authors_network_says(prefix: str) -> None:
    put({f"{prefix}{name}": one for name, one in weights().items()} | {"projector.0.weight": torch.zeros(2, 2)})
    made, audio = clmr.load("v2"), torch.from_numpy(sound(0, 2 * 59_049))[None]
    answer = made(audio)
    assert answer.shape == (1, 1, 2, 512)
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(answer[0, 0], golden["embedding"], atol=1e-5)
        assert golden["embedding"].max() > 0.1, "the golden is not trivial"


@pytest.mark.usefixtures("home")
def test_a_zip_without_the_network_is_refused() -> None:
    with pytest.raises(MissingPart, match="earmark get weights clmr-v2"):
        clmr.load("v2")
    put({"encoder.fc.weight": torch.zeros(2)})
    with pytest.raises(UserError, match=r"does not hold the weights of 'clmr-v2'"):
        clmr.load("v2")
    file = put({}, member="other.pt")
    with pytest.raises(UserError, match=r"Expected a zip with one clmr_checkpoint_10000\.pt in it"):
        clmr.load("v2")
    file.write_bytes(b"<html>")
    with pytest.raises(UserError, match=r"Expected a zip .* not a zip file"):
        clmr.load("v2")


@pytest.mark.parametrize("variant", clmr.CARDS)
def test_random_clmr_keeps_every_law_and_its_card_is_true(variant: str) -> None:
    made = clmr.build(variant, 0)
    assert made.card.n_parameters == sum(one.numel() for one in made.parameters())
    assert variant == "v2" or conformance.broken_by_representation(made) == ()


def test_a_frame_is_of_its_own_window_alone_and_the_rest_is_not_heard() -> None:
    made, audio = clmr.build("tiny", 0), torch.from_numpy(sound(1, 3 * 59_049 - 1))[None]
    found = made(audio)[0, 0]
    assert len(found) == 2
    torch.testing.assert_close(made(audio[:, 59_049 : 2 * 59_049])[0, 0, 0], found[1])
