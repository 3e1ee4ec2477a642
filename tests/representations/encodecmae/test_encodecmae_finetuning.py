"""An EncodecMAE goes on learning by the contract of fine-tuning, and what comes out is one again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

import earmark
from earmark.identity import generator
from earmark.nouns import Clip
from earmark.representations import checkpoint
from earmark.representations.encodecmae import saved
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import Settings
from earmark.representations.trainable import Noise, Trainable, hidden_frames, trainable
from earmark.training.finetune.bodies import Moving
from earmark.training.finetune.head import Goal
from earmark.training.finetune.learn import Learner
from earmark.training.finetune.recipe import Mode, Recipe
from tests.representations.encodecmae import reference
from tests.representations.encodecmae.test_encodecmae_saved import CARD, SHAPES, made

QUICK = Recipe("full", body_learning_rate=1e-2, head_learning_rate=1e-2, batch_size=4, clips_at_once=4, epochs=2)


def network(folder: Path, settings: Settings) -> Any:
    """Load a checkpoint with random weights."""
    checkpoint.write(folder, saved.contents(made(settings)), CARD)
    return earmark.load_representation(f"path:{folder}")


@pytest.fixture
def small(tmp_path: Path) -> Any:
    return network(tmp_path / "one", SHAPES["mel128"])


def learned(recipe: Recipe, representation: Any, folder: Path) -> Moving:
    """Fine-tune on eight clips of a quarter of a second, of two classes by turns."""
    clips = []
    for number in range(8):
        noise = 0.1 * generator("made", number).standard_normal(representation.card.sample_rate // 4)
        soundfile.write(folder / f"{number}.wav", noise.astype(np.float32), representation.card.sample_rate)
        clips.append(Clip(f"{number}.wav", folder / f"{number}.wav"))
    body = Moving(trainable(representation), recipe, clips, clips[:4], 0)
    targets = np.arange(8) % 2
    goal = Goal.of("multiclass", ("a", "b"), targets, targets[:4])
    Learner(body, goal, recipe, 0, folder / "state", "key", lambda line: None).learn()
    return body


def state_of(representation: Any) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in representation.state_dict().items()}


def moved(before: dict[str, Tensor], representation: Any) -> set[str]:
    return {name for name, one in state_of(representation).items() if not torch.equal(one, before[name])}


@pytest.mark.parametrize("name", SHAPES)
def test_the_last_layer_with_gradient_is_the_last_layer_without(name: str, tmp_path: Path) -> None:
    ours = network(tmp_path / "one", SHAPES[name])
    audio = 0.1 * reference.numbers(2, 9600)

    assert isinstance(ours, Trainable)
    assert torch.equal(ours.last_layer(audio), ours(audio, (ours.card.layers - 1,))[:, 0])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("mode", ["full", "frozen_cnn", "lora"])
def test_each_mode_moves_what_it_says_and_never_the_inputs(mode: Mode, name: str, tmp_path: Path) -> None:
    ours = network(tmp_path / "one", SHAPES[name])
    before = state_of(ours)
    learned(replace(QUICK, mode=mode), ours, tmp_path).merge()
    encoder = {one for one in before if one.startswith("encoder.")}
    expected = {
        "full": encoder,
        "frozen_cnn": encoder - {"encoder.project.weight", "encoder.project.bias"},
        "lora": {f"encoder.{one}.weight" for one in ours.projections},
    }

    assert moved(before, ours) == expected[mode]
    assert len(ours.projections) == 2 * (ours.card.layers - 1)


@pytest.mark.parametrize("name", SHAPES)
def test_what_was_fine_tuned_is_a_checkpoint_without_decoder_and_says_the_same(name: str, tmp_path: Path) -> None:
    ours = network(tmp_path / "one", SHAPES[name])
    learned(QUICK, ours, tmp_path).merge()
    checkpoint.write(tmp_path / "tuned", ours.contents(), CARD)
    again: Any = earmark.load_representation(f"path:{tmp_path / 'tuned'}")
    audio = 0.1 * reference.numbers(2, 9600)

    assert torch.equal(again(audio), ours(audio))
    assert not [one for one in ours.contents().tensors if "decoder" in one or "head" in one or "targets" in one]


def test_hidden_frames_keep_their_positions_alone(small: Any) -> None:
    audio = 0.1 * reference.numbers(1, 9600)
    noise = Noise(0.5, 4, 0.0, torch.Generator().manual_seed(2))
    is_hidden = hidden_frames(1, 30, Noise(0.5, 4, 0.0, torch.Generator().manual_seed(2)))
    projected = small.encoder.project(small.inputs(audio))
    by_hand = small.encoder.stack(small.encoder.positions(torch.where(is_hidden[..., None], 0.0, projected)))

    assert 0 < int(is_hidden.sum()) < 30
    assert torch.equal(small.last_layer(audio, noise), by_hand)


def test_blocks_are_left_out_but_for_the_first(small: Any) -> None:
    audio = 0.1 * reference.numbers(1, 9600)
    placed = small.encoder.placed(small.inputs(audio))
    *_, first = small.encoder.stack.streams(placed, [0])

    assert torch.equal(small.last_layer(audio, Noise(0.0, 1, 1.0, torch.Generator())), small.encoder.stack.end(first))


def test_pre_training_does_not_go_on_from_what_has_no_decoder(small: Any, tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "tuned", small.contents(), CARD)
    objective: EncodecMAE = made(SHAPES["mel128"])
    with pytest.raises(earmark.errors.UserError, match=r"is of another architecture: .*decoder"):
        saved.begin(objective, checkpoint_of(tmp_path / "tuned"))


def checkpoint_of(folder: Path) -> Any:
    from earmark.representations._saved import Saved

    return Saved("path:tuned", folder)
