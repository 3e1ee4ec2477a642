"""EffNet's front end against essentia's, and its session on a small graph with the published names."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import _sessions, base, effnet
from tests.drawn_weights import drawn, sound

GOLDEN = Path(__file__).parent.parent / "golden" / "effnet"
SMALL = (GOLDEN / "small.onnx").read_bytes()


@pytest.fixture
def small() -> effnet.EffNet:
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    card = dataclasses.replace(effnet.CARD, name="effnet-small", dim=12, n_parameters=1_212, sources=())
    return effnet.EffNet(card, _sessions.session("onnx", SMALL, [effnet.OUTPUT]))


def test_it_hears_what_essentia_gives_its_own() -> None:
    with np.load(GOLDEN / "essentia.npz") as golden:
        ours = effnet.LogMel()(torch.from_numpy(sound(0, 40_000)))[::4]
        assert len(golden["bands"]) - len(ours) in (0, 1), "essentia may add a frame that is mostly zeros"
        np.testing.assert_allclose(ours, golden["bands"][: len(ours)], atol=1e-4)


def test_patches_of_two_seconds_follow_each_other_every_62_frames(small: effnet.EffNet) -> None:
    audio = torch.from_numpy(sound(1, 80_000))
    found, bands = small(audio[None])[0, 0], small.log_mel(audio).numpy()
    assert len(bands) == 1 + 80_000 // 256
    assert len(found) == 1 + (len(bands) - 128) // 62 == 3
    expected = np.stack([bands[first : first + 128].mean(0) for first in (0, 62, 124)]) @ drawn("mix", (96, 12))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_keeps_every_law_with_a_small_graph(small: effnet.EffNet) -> None:
    assert conformance.broken_by_representation(small) == ()


def test_a_graph_of_another_task_is_refused(small: effnet.EffNet) -> None:
    other = effnet.EffNet(effnet.CARD, small.session)
    with pytest.raises(
        UserError, match=r"gave \(1, 12\) for 1 patches; expected 1280 .* Take discogs-effnet-bsdynamic"
    ):
        other(torch.zeros(1, 33_000))


def test_the_file_that_the_user_fetched_is_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra [onnx]")
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    with pytest.raises(MissingPart, match="earmark get weights effnet-discogs-styles"):
        base.load("effnet-discogs-styles")
    file = places.weights_folder("effnet-discogs-styles") / effnet.FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(SMALL)
    made = base.load("effnet-discogs-styles")
    assert made.card.verified == "no"
    assert len(made.card.weights_sha256) == 64
