"""The loop of fine-tuning: Adam by its rule, when it stops, what it keeps, and going on after an interruption."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from earmark.errors import UserError
from earmark.identity import generator
from earmark.nouns import Kind
from earmark.probes import fit as probes
from earmark.probes.network_probe import Check
from earmark.training.finetune import state as states
from earmark.training.finetune.bodies import Portion, Still
from earmark.training.finetune.head import Goal
from earmark.training.finetune.learn import Learner
from earmark.training.finetune.recipe import Keep, Recipe

LINEAR = Recipe("linear", head_learning_rate=1e-2, batch_size=8, epochs=5)
DRAWN = generator("vectors")
TRAIN, VALID = (DRAWN.standard_normal((n, 6)).astype(np.float32) for n in (30, 12))
CLASSES = ((TRAIN[:, 0] > 0).astype(np.int64), (VALID[:, 0] > 0).astype(np.int64))
TARGETS: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
    "multiclass": CLASSES,
    "pitch": CLASSES,
    "key": CLASSES,
    "multilabel": ((TRAIN[:, :2] > 0).astype(np.float32), (VALID[:, :2] > 0).astype(np.float32)),
    "regression": ((100 + 5 * TRAIN[:, :2]).astype(np.float32), (100 + 5 * VALID[:, :2]).astype(np.float32)),
}


def learner(
    folder: Path, recipe: Recipe = LINEAR, kind: Kind = "multiclass", seed: int = 0, key: str = "key"
) -> Learner:
    goal = Goal.of(kind, ("a", "b"), *TARGETS[kind])
    return Learner(Still(TRAIN, VALID), goal, recipe, seed, folder / "state", key, lambda line: None)


def test_a_step_is_adams_on_the_mean_loss_of_the_batch(tmp_path: Path) -> None:
    ours = learner(tmp_path, replace(LINEAR, batch_size=30, epochs=3, patience=5))
    reference = nn.Linear(6, 2)
    reference.load_state_dict(ours.head.state_dict())
    adam = torch.optim.Adam(reference.parameters(), lr=1e-2, betas=(0.9, 0.999), eps=1e-8)
    for _ in range(3):
        adam.zero_grad()
        loss = nn.functional.cross_entropy(reference(torch.from_numpy(TRAIN)), torch.from_numpy(TARGETS["pitch"][0]))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        adam.step()
    ours.learn()
    assert torch.allclose(ours.head.weight, reference.weight, rtol=0, atol=1e-6)
    assert torch.allclose(ours.head.bias, reference.bias, rtol=0, atol=1e-6)


def stopped_after(losses: Sequence[float], patience: int, epochs: int = 100) -> tuple[int, int]:
    """Return how many epochs are done when it stops, and which is kept, of validation losses given in turn."""
    state = states.State()
    for epoch, loss in enumerate(losses, start=1):
        state.curve.append(Check(epoch, epoch, 0.1, 0.0, loss, 0.0))
        if state.is_over(epochs, patience):
            break
    return len(state.curve), state.lowest.epoch


def test_it_stops_when_the_loss_has_not_fallen_for_ten_epochs() -> None:
    falling = [1.0, 0.9, 0.8]
    assert stopped_after([*falling, *[0.8] * 20], patience=10) == (13, 3)
    assert stopped_after([*falling, *[0.85] * 9, 0.7, *[0.9] * 20], patience=10) == (23, 13)
    assert stopped_after([*falling, *[0.7] * 20], patience=10, epochs=4) == (4, 4)
    assert not states.State().is_over(1, 1)


def test_what_is_kept_is_the_epoch_of_the_lowest_validation_loss(tmp_path: Path) -> None:
    ours = learner(tmp_path, replace(LINEAR, head_learning_rate=3.0, epochs=30, patience=10))
    end = ours.learn()
    losses = [one.valid_loss for one in end.curve]
    assert end.lowest.epoch == 1 + losses.index(min(losses)) < len(losses)
    assert ours.goal.judge(ours.head, VALID)[0] == pytest.approx(min(losses), abs=1e-12)
    assert torch.equal(ours.head.weight, end.best_head["weight"])


def test_the_epoch_of_the_best_score_or_the_last_can_be_kept_instead() -> None:
    seen = [(2.0, 0.1), (2.5, 0.3), (2.4, 0.3), (2.3, 0.2), (2.2, float("nan"))]
    state = states.State(curve=[Check(i, i, 0.1, 0.0, *one) for i, one in enumerate(seen, start=1)])
    assert [state.kept(keep).epoch for keep in ("loss", "score", "last")] == [1, 3, 5]


@pytest.mark.parametrize("keep", ["loss", "score", "last"])
def test_what_remains_is_the_head_of_the_epoch_that_is_kept(tmp_path: Path, keep: Keep) -> None:
    ours = learner(tmp_path, replace(LINEAR, head_learning_rate=3.0, epochs=12, keep=keep))
    end = ours.learn()
    assert ours.goal.judge(ours.head, VALID)[0] == pytest.approx(end.kept(keep).valid_loss, abs=1e-12)


def test_another_seed_is_another_head_and_another_order(tmp_path: Path) -> None:
    one, other = (learner(tmp_path, seed=seed) for seed in (0, 1))
    assert not torch.equal(one.head.weight, other.head.weight)
    assert one._batch() != other._batch()
    assert sorted(one._batch()) != list(range(8))


def test_an_epoch_is_every_clip_once(tmp_path: Path) -> None:
    ours, seen = learner(tmp_path), list[int]()
    for step in range(ours.n_steps):
        ours.state.step = step
        seen += ours._batch()
    assert sorted(seen) == list(range(30))


@pytest.mark.parametrize("kind", TARGETS)
def test_a_head_learns_every_kind_of_task_and_is_saved_as_a_predictor(tmp_path: Path, kind: Kind) -> None:
    ours = learner(tmp_path, replace(LINEAR, head_learning_rate=0.1, epochs=60, patience=60), kind)
    end = ours.learn()
    probe = ours.goal.probe(ours.head, ours.recipe, end.curve, end.lowest, 0)
    restored = probes.restore(probe.to_bytes())
    said = restored.predict(VALID[:, None])

    assert end.lowest.valid_loss < 0.5 * end.curve[0].valid_loss
    assert said.shape == (12, 2)
    assert restored.valid_score == pytest.approx(end.lowest.valid_score, nan_ok=False)
    if kind == "regression":
        assert np.abs(said - TARGETS[kind][1]).mean() < 1
    else:
        assert np.mean((said[:, 1] > 0.5) == (VALID[:, 0 if kind != "multilabel" else 1] > 0)) > 0.8
    assert probe.to_bytes() == restored.to_bytes()


class Interrupted(Exception):
    """Stands for a kill: nothing is saved when it comes."""


class Breaking(Still):
    """Vectors that break off at a step."""

    at = 7

    def heard(self, batch: Sequence[int], epoch: int, seed: int) -> Iterator[Portion]:
        """Yield the batch, or stop for good."""
        type(self).at -= 1
        if type(self).at < 0:
            raise Interrupted
        yield from super().heard(batch, epoch, seed)


def test_going_on_from_the_disk_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = learner(tmp_path / "whole")
    whole.learn()
    cut = learner(tmp_path / "cut")
    cut.body = Breaking(TRAIN, VALID)
    with pytest.raises(Interrupted):
        cut.learn()
    resumed = learner(tmp_path / "cut")
    assert 0 < resumed.state.step < whole.state.step
    end = resumed.learn()
    assert torch.equal(resumed.head.weight, whole.head.weight)
    assert end.curve == whole.state.curve


def test_a_state_of_another_fine_tuning_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    learner(tmp_path).learn()
    with pytest.raises(UserError, match="is of another fine-tuning"):
        learner(tmp_path, key="other")
    (tmp_path / "state").write_bytes(b"nothing")
    with pytest.raises(UserError, match="is damaged"):
        learner(tmp_path)


def test_a_loss_that_is_no_number_ends_it_with_what_to_do(tmp_path: Path) -> None:
    ours = learner(tmp_path)
    ours.body = Still(np.full_like(TRAIN, np.inf), VALID)
    with pytest.raises(UserError, match=r"no number any more at step 0: it diverged\. Write a lower learning rate"):
        ours.learn()


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"batch_size": 0}, {"layerdrop": 1.0}, {"mask_probability": -0.1}])
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"Expected {next(iter(wrong))} to be"):
        replace(LINEAR, **wrong)  # type: ignore[arg-type]


def test_a_recipe_tells_only_what_can_change_a_weight() -> None:
    assert LINEAR.told == replace(LINEAR, body_learning_rate=1.0, rank=3, clips_at_once=1).told
    full = replace(LINEAR, mode="full")
    assert full.told != replace(full, body_learning_rate=1.0).told
    assert full.told == replace(full, rank=3).told
