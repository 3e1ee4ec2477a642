"""MULE can go on learning, as fine-tuning asks for it, and a folder of it gives it back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import earmark
from earmark.errors import UserError
from earmark.identity import generator
from earmark.nouns import Clip
from earmark.representations import checkpoint
from earmark.representations.mule import Mule
from earmark.representations.trainable import Noise, trainable
from earmark.training.finetune.bodies import Moving
from earmark.training.finetune.head import Goal
from earmark.training.finetune.learn import Learner
from earmark.training.finetune.recipe import Recipe

QUICK = Recipe("full", body_learning_rate=1e-2, head_learning_rate=1e-2, batch_size=4, clips_at_once=4, epochs=2)
FORMS = ["mule-tiny", "mule-tiny-released"]
CARD = {"trained_on": "noise", "objective": "none", "licence": "CC0-1.0"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Eight clips of a quarter of a second."""
    folder, found = tmp_path_factory.mktemp("clips"), []
    for number in range(8):
        soundfile.write(folder / f"{number}.wav", 0.1 * generator("made", number).standard_normal(4000), 16000)
        found.append(Clip(f"{number}.wav", folder / f"{number}.wav"))
    return found


def mule(name: str = "mule-tiny") -> Mule:
    found: Any = earmark.load_representation(f"random:{name}")
    with torch.no_grad():
        for block in (block for stage in found.network.slow_stages for block in stage):
            block.gain.fill_(0.8)  # it begins at 0: what is left out of a branch would not be seen
    return found  # type: ignore[no-any-return]


def audio(n_samples: int = 60_000) -> torch.Tensor:
    return torch.from_numpy(0.1 * generator("audio").standard_normal((2, n_samples)).astype(np.float32))


def conv_weights(network: Mule) -> dict[str, torch.Tensor]:
    return {name: one.clone() for name, one in network.network.state_dict().items()}


@pytest.mark.parametrize("name", FORMS)
def test_the_last_layer_with_gradient_is_the_last_layer_without(name: str) -> None:
    network = mule(name)
    assert torch.equal(trainable(network).last_layer(audio()), network(audio())[:, 0])
    network.network.requires_grad_(True)
    torch.testing.assert_close(network.last_layer(audio()).detach(), network(audio())[:, 0])


def test_weights_that_learn_are_standardised_anew() -> None:
    """Frozen weights would hide what a step changed, and would give none of them a gradient."""
    network = mule()
    network.network.requires_grad_(True)
    before = network(audio())
    network.last_layer(audio()).square().sum().backward()  # type: ignore[no-untyped-call]  # torch's
    weight = next(network.network.slow_stem.parameters())
    assert weight.grad is not None
    with torch.no_grad():
        weight.add_(weight.grad.sign(), alpha=0.1)
    assert not torch.equal(network(audio()), before)


def test_branches_are_left_out_by_the_generator_that_is_given() -> None:
    network = mule()
    network.network.settings = replace(network.network.settings, skip_rate=0.9)
    network.network.train()
    said = [
        network.last_layer(audio(), Noise(0.0, 1, 0.0, torch.Generator().manual_seed(seed))).detach()
        for seed in (1, 1, 2)
    ]
    assert torch.equal(said[0], said[1])
    assert not torch.equal(said[0], said[2])


@pytest.mark.parametrize("mode", ["full", "frozen_cnn"])
def test_fine_tuning_moves_all_but_what_is_frozen(mode: Any, clips: list[Clip], tmp_path: Path) -> None:
    network, targets = mule(), np.arange(8) % 2
    before = conv_weights(network)
    body = Moving(trainable(network), replace(QUICK, mode=mode), clips, clips[:4], 0)
    goal = Goal.of("multiclass", ("a", "b"), targets, targets[:4])
    Learner(body, goal, body.recipe, 0, tmp_path / "state", "key", lambda line: None).learn()
    after = network.network.state_dict()
    stems = {name for name in before if "_stem." in name}
    assert stems
    still = {name for name, one in before.items() if torch.equal(one, after[name])}
    assert still == (stems if mode == "frozen_cnn" else set())


def test_there_is_no_attention_for_lora(clips: list[Clip]) -> None:
    with pytest.raises(UserError, match="has no attention, and lora is for that alone"):
        Moving(trainable(mule()), replace(QUICK, mode="lora"), clips, clips, 0)


@pytest.mark.parametrize(("name", "gain"), [("mule-tiny", 1.0), ("mule-tiny-released", 1.0), ("mule-tiny", 0.5)])
def test_a_folder_gives_back_what_was_written(name: str, gain: float, tmp_path: Path) -> None:
    network = mule(name)
    network.front.gain = gain
    network.network.freeze()
    checkpoint.write(tmp_path / "saved", network.contents(), CARD)
    again: Any = earmark.load_representation(f"path:{tmp_path / 'saved'}")
    torch.testing.assert_close(again(audio()), network(audio()), rtol=1e-5, atol=1e-6)
    assert (again.card.dim, again.card.frame_rate_hz) == (network.card.dim, network.card.frame_rate_hz)
    assert (again.card.segment_s, again.card.segment_hop_s) == (network.card.segment_s, network.card.segment_hop_s)
    assert (again.card.min_samples, again.card.n_parameters) == (network.card.min_samples, network.card.n_parameters)
