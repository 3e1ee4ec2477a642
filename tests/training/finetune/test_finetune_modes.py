"""What each way of fine-tuning moves, and that nothing else moves by a bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import earmark
from earmark.errors import UnknownName, UserError
from earmark.identity import generator
from earmark.nouns import Clip
from earmark.representations._speech import Speech
from earmark.representations.trainable import Noise, hidden_frames, trainable
from earmark.training.finetune.bodies import Moving
from earmark.training.finetune.head import Goal
from earmark.training.finetune.learn import Learner
from earmark.training.finetune.recipe import ALIASES, Mode, Recipe, mode_of

NAME = "random:wav2vec2-tiny"
FAMILIES = [NAME, "random:wav2vec2-mel-tiny", "random:hubert-tiny", "random:data2vec-tiny", "random:mert-tiny"]
QUICK = Recipe("full", body_learning_rate=1e-2, head_learning_rate=1e-2, batch_size=4, clips_at_once=4, epochs=2)
Learned = Callable[..., Learner]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Eight clips of a quarter of a second, and one of half."""
    folder, found = tmp_path_factory.mktemp("clips"), []
    for number in range(9):
        n = 8000 if number == 8 else 4000
        noise = generator("made", number).standard_normal(n)
        soundfile.write(folder / f"{number}.wav", (0.1 * noise).astype(np.float32), 16000)
        found.append(Clip(f"{number}.wav", folder / f"{number}.wav"))
    return found


@pytest.fixture
def learned(clips: list[Clip], tmp_path: Path) -> Learned:
    """Fine-tune a network on the clips, of two classes by turns."""

    def learn(recipe: Recipe, network: Any = None, seed: int = 0) -> Learner:
        body = Moving(network or trainable(earmark.load_representation(NAME)), recipe, clips, clips[:4], seed)
        targets = np.arange(9) % 2
        goal = Goal.of("multiclass", ("a", "b"), targets, targets[:4])
        learner = Learner(body, goal, recipe, seed, tmp_path / f"{recipe.mode}.state", "key", lambda line: None)
        learner.learn()
        return learner

    return learn


def state_of(network: Any) -> dict[str, torch.Tensor]:
    return {name: one.clone() for name, one in network.network.state_dict().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, one in before.items() if not torch.equal(one, after[name])}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_layer_with_gradient_is_the_last_layer_without(name: str) -> None:
    network: Any = earmark.load_representation(name)
    audio = torch.from_numpy(0.1 * generator("audio").standard_normal((2, 8000)).astype(np.float32))
    kept = network(audio, (network.card.layers - 1,))[:, 0]
    assert torch.equal(trainable(network).last_layer(audio).detach(), kept)


@pytest.mark.parametrize("name", FAMILIES)
def test_attention_has_four_projections_a_block(name: str) -> None:
    network = trainable(earmark.load_representation(name))
    assert len(network.projections) == 4 * (network.card.layers - 1)


def test_full_moves_every_parameter(learned: Learned) -> None:
    network: Any = earmark.load_representation(NAME)
    before = state_of(network)
    learned(QUICK, network)
    assert moved(before, state_of(network)) == set(before)


def test_frozen_cnn_leaves_the_convolutions_bit_for_bit(learned: Learned) -> None:
    network: Any = earmark.load_representation(NAME)
    before = state_of(network)
    learned(replace(QUICK, mode="frozen_cnn"), network)
    still = {name for name in before if name.startswith("feature_extractor.")}
    assert still
    assert moved(before, state_of(network)) == set(before) - still


def test_frozen_convolutions_with_batch_norm_and_dropout_stay_as_they_are(learned: Learned) -> None:
    network: Any = earmark.load_representation(NAME)
    front = network.network.feature_extractor.conv_layers[0]
    front.layer_norm = torch.nn.Sequential(torch.nn.BatchNorm1d(32), torch.nn.Dropout(0.5))
    before = state_of(network)
    learned(replace(QUICK, mode="frozen_cnn"), network)
    assert not {name for name in moved(before, state_of(network)) if name.startswith("feature_extractor.")}
    assert not front.layer_norm[1].training


def test_lora_leaves_all_but_attention_and_its_merged_network_says_the_same(learned: Learned) -> None:
    network: Any = earmark.load_representation(NAME)
    before, names = state_of(network), network.projections
    learner = learned(replace(QUICK, mode="lora"), network)
    audio = torch.from_numpy(0.1 * generator("audio").standard_normal((2, 8000)).astype(np.float32))
    split = network(audio)
    learner.body.merge()  # type: ignore[attr-defined]  # a network that moves
    assert torch.allclose(network(audio), split, rtol=0, atol=1e-6)
    assert moved(before, state_of(network)) == {f"{name}.weight" for name in names}


def test_lora_changes_nothing_before_the_first_step(clips: list[Clip]) -> None:
    network: Any = earmark.load_representation(NAME)
    audio = torch.zeros(1, 4000)
    before = network(audio)
    Moving(network, replace(QUICK, mode="lora"), clips, clips, 0)
    assert torch.equal(network(audio), before)


@pytest.mark.parametrize(("mode", "has_gradient"), [("full", True), ("frozen_cnn", False), ("lora", False)])
def test_a_gradient_reaches_the_convolutions_only_where_they_learn(
    clips: list[Clip], mode: Mode, has_gradient: bool
) -> None:
    network: Any = earmark.load_representation(NAME)
    body = Moving(network, replace(QUICK, mode=mode), clips, clips, 0)
    for portion in body.heard([0, 1, 8], epoch=0, seed=0):
        portion.vectors.square().sum().backward()  # type: ignore[no-untyped-call]  # torch's
    front = [one.grad for one in network.network.feature_extractor.parameters()]
    assert all(one is not None and bool(one.any()) for one in front) == has_gradient
    assert all(one.grad is not None for one in body.parameters())


def test_clips_of_other_lengths_are_heard_apart_and_say_what_they_say_alone(clips: list[Clip]) -> None:
    network: Any = earmark.load_representation(NAME)
    body = Moving(network, replace(QUICK, dropout=False), clips, clips, 0)
    portions = {place: vector for one in body.heard([8, 0, 1], 0, 0) for place, vector in zip(*one, strict=True)}
    assert sorted(portions) == [0, 1, 2]
    for place, clip in enumerate([8, 0, 1]):
        samples, _ = soundfile.read(clips[clip].path, dtype="float32")
        alone = network(torch.from_numpy(samples)[None], (network.card.layers - 1,))[0, 0].mean(0)
        assert torch.allclose(portions[place].detach(), alone, rtol=0, atol=1e-6)


def test_a_piece_of_a_longer_clip_is_told_by_seed_epoch_and_clip(clips: list[Clip]) -> None:
    def heard(seed: int, epoch: int) -> torch.Tensor:
        network: Any = earmark.load_representation(NAME)
        body = Moving(network, replace(QUICK, dropout=False, segment_s=0.3), clips, clips, seed)
        (portion,) = body.heard([8], epoch, 0)
        return portion.vectors.detach()

    assert torch.equal(heard(0, 0), heard(0, 0))
    assert not torch.equal(heard(0, 0), heard(0, 1))
    assert not torch.equal(heard(0, 0), heard(1, 0))


def test_validation_hears_every_segment_of_a_clip_once(clips: list[Clip]) -> None:
    network: Any = earmark.load_representation(NAME)
    samples = torch.from_numpy(soundfile.read(clips[8].path, dtype="float32")[0])
    frames = [network(samples[None, start : start + 4000], (3,))[0, 0] for start in (0, 4000)]
    body = Moving(network, replace(QUICK, segment_s=0.25), clips, [clips[8]], 0)
    assert body.validated()[0] == pytest.approx(torch.cat(frames).mean(0).numpy(), abs=1e-6)


@pytest.mark.parametrize("noise", [{"mask_probability": 0.9}, {"layerdrop": 0.9}])
def test_masks_and_left_out_blocks_trouble_training_and_not_validation(
    clips: list[Clip], noise: dict[str, float]
) -> None:
    vectors = []
    for more in ({}, noise):
        network: Any = earmark.load_representation(NAME)
        body = Moving(network, replace(QUICK, dropout=False, **more), clips, clips, 0)  # type: ignore[arg-type]
        (portion,) = body.heard([0, 1], 0, 1)
        vectors.append((portion.vectors.detach(), body.validated()))
    assert not torch.allclose(vectors[0][0], vectors[1][0], atol=1e-4)
    assert vectors[0][1].tobytes() == vectors[1][1].tobytes()


def test_spans_of_frames_are_hidden_and_their_expected_number_is_as_asked() -> None:
    noise = Noise(0.5, 10, 0.0, torch.Generator().manual_seed(0))
    hidden = hidden_frames(200, 500, noise)
    expected = 1 - (1 - 0.5 / 10) ** 10
    assert hidden.shape == (200, 500)
    assert float(hidden[:, 10:].double().mean()) == pytest.approx(expected, abs=0.01)
    runs = torch.diff(hidden.int(), dim=1, prepend=torch.zeros(200, 1), append=torch.zeros(200, 1))
    begins, ends = (runs == 1).nonzero()[:, 1], (runs == -1).nonzero()[:, 1]
    assert int((ends - begins)[ends < 500].min()) == 10


def test_the_old_names_mean_what_the_tables_of_the_paper_mean() -> None:
    assert {name: mode_of(name) for name in ("FT2", "FT1", "FE")} == ALIASES
    assert ALIASES == {"FT2": "full", "FT1": "frozen_cnn", "FE": "linear"}
    assert mode_of("lora") == "lora"
    with pytest.raises(UnknownName, match="Did you mean 'full'"):
        mode_of("ful")


def test_a_representation_without_gradients_is_refused_with_what_is_for_it() -> None:
    with pytest.raises(UserError, match=r"'logmel' has no network .* only `linear` is for it"):
        trainable(earmark.load_representation("logmel"))


def test_lora_of_a_network_without_attention_is_refused(clips: list[Clip]) -> None:
    network = earmark.load_representation(NAME)
    assert isinstance(network, Speech)

    class NoAttention(Speech):
        @property
        def projections(self) -> tuple[str, ...]:
            return ()

    bare = NoAttention(network.network, network.card, network.normalised)
    with pytest.raises(UserError, match="has no attention, and lora is for that alone"):
        Moving(bare, replace(QUICK, mode="lora"), clips, clips, 0)
