"""What stops a probe and what is kept of it, and how the rows of a clip become one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from earmark.errors import UserError
from earmark.nouns import Kind
from earmark.probes import mlp
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.fit import restore
from earmark.probes.monitors import Monitor, criterion, loss_of
from earmark.probes.network_probe import NetworkProbe, curves
from earmark.probes.recipe import Recipe
from tests.probes.fitting import same_bits

RNG = np.random.default_rng(9)
CLIPS = np.repeat(np.arange(150), RNG.integers(1, 5, 150))


def examples(first: int, last: int, kind: Kind = "multiclass", n_layers: int = 2) -> Examples:
    """Return clips whose rows say their class a little, and layer 1 better than layer 0."""
    here = CLIPS[(first <= CLIPS) & (last > CLIPS)]
    rng = np.random.default_rng(first)
    classes = rng.integers(3, size=last - first)
    rows = rng.standard_normal((len(here), n_layers, 6)).astype(np.float32)
    rows[:, -1, :3] += np.eye(3, dtype=np.float32)[classes[here - first]]
    targets = classes if kind == "multiclass" else np.eye(3, dtype=np.float32)[classes]
    return Examples(rows, targets, here - first)


def problem(kind: Kind = "multiclass", monitor: Monitor | None = None) -> Problem:
    return Problem(kind, examples(0, 100, kind), examples(100, 150, kind), 3, monitor=monitor)


def fitted(recipe: Recipe, given: Problem) -> NetworkProbe:
    return mlp.fit(given, [Job(recipe, 1)])[0]


SLOW = Recipe((8,), learning_rate=0.01, epochs=30, patience=4)


def test_the_epoch_kept_and_the_stop_follow_their_own_criteria() -> None:
    # mir_ref stops by the loss and keeps by the score; whoever mixes them up gets another probe.
    script = iter([0.1, 0.2, 0.9, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3] + [0.3] * 30)
    probe = fitted(replace(SLOW, stop_criterion="loss"), problem(monitor=lambda _targets, _scores: next(script)))
    losses = [check.valid_loss for check in probe.history]
    assert probe.best_epoch == 3
    assert len(losses) == min(int(np.argmin(losses)) + 1 + 4, 30)
    assert len(losses) > 3 + 4, "by the score it would have stopped at epoch 7"


def test_one_criterion_both_stops_and_keeps_unless_told() -> None:
    script = iter([0.1, 0.2, 0.9] + [0.3] * 30)
    probe = fitted(SLOW, problem(monitor=lambda _targets, _scores: next(script)))
    assert (probe.best_epoch, len(probe.history)) == (3, 7)


def test_the_loss_as_criterion_keeps_the_lowest() -> None:
    probe = fitted(
        replace(SLOW, learning_rate=0.1, save_criterion="loss", stop_criterion="never", patience=10), problem()
    )
    losses = [check.valid_loss for check in probe.history]
    assert len(losses) == 30
    assert probe.best_epoch == int(np.argmin(losses)) + 1 < 30
    assert probe.valid_score == -min(losses)


@pytest.mark.parametrize("name", ["f1", "accuracy"])
def test_a_metric_by_name_is_the_score_that_is_kept(name: str) -> None:
    probe = fitted(replace(SLOW, save_criterion=name), problem())
    valid = problem().valid
    predicted = probe.predict(valid.embeddings, valid.clips).argmax(axis=1)
    expected = (
        f1_score(valid.targets, predicted, average="micro") if name == "f1" else (predicted == valid.targets).mean()
    )
    assert probe.valid_score == pytest.approx(expected)


def test_roc_auc_and_errors_stand_the_right_way_round() -> None:
    valid = problem("multilabel").valid
    scores = np.random.default_rng(0).random((50, 3))
    found = criterion("roc_auc", "multilabel", ())(valid.targets, scores)
    assert found == pytest.approx(roc_auc_score(valid.targets, scores))
    values = problem("regression").valid.targets
    far = criterion("mean_absolute_error", "regression", ())
    assert far(values, values + 1) == -1 < far(values, values) == 0


def test_criteria_and_losses_of_another_kind_are_refused() -> None:
    with pytest.raises(UserError, match=r"Metric 'roc_auc' is for .* tasks, not regression"):
        fitted(replace(SLOW, save_criterion="roc_auc"), problem("regression"))
    with pytest.raises(UserError, match="loss of a multilabel task to be binary, got cross_entropy"):
        fitted(replace(SLOW, loss="cross_entropy"), problem("multilabel"))
    with pytest.raises(UserError, match="loss of a pitch task to be cross_entropy or binary, got squared"):
        loss_of("squared", "pitch")
    with pytest.raises(UserError, match="loss of a regression task to be squared, got binary"):
        loss_of("binary", "regression")
    assert (loss_of("auto", "key"), loss_of("binary", "key")) == ("cross_entropy", "binary")


def test_the_last_epoch_is_kept_where_the_recipe_says_so() -> None:
    script = iter([0.9, 0.1, 0.2])
    recipe = replace(SLOW, epochs=3, keep="last")
    last = fitted(recipe, problem(monitor=lambda _targets, _scores: next(script)))
    rising = iter([0.1, 0.2, 0.3])
    best = fitted(replace(recipe, keep="best"), problem(monitor=lambda _targets, _scores: next(rising)))
    assert (last.best_epoch, last.valid_score) == (3, 0.2)
    for name, array in last.weights.items():
        assert array.tobytes() == best.weights[name].tobytes()


def test_of_equal_scores_the_first_is_kept_where_ties_say_so() -> None:
    still: Monitor = lambda _targets, _scores: 0.5  # noqa: E731 (one line, typed)
    first = fitted(replace(SLOW, ties="first"), problem(monitor=still))
    by_loss = fitted(SLOW, problem(monitor=still))
    assert (first.best_epoch, len(first.history)) == (1, 5)
    assert by_loss.best_epoch > 1


def test_patience_counts_checks() -> None:
    script = iter([0.5, 0.4, 0.4, 0.4])
    recipe = replace(SLOW, check_every=3, patience=2, epochs=100)
    probe = fitted(recipe, problem(monitor=lambda _targets, _scores: next(script)))
    assert [check.epoch for check in probe.history] == [3, 6, 9]
    assert probe.best_epoch == 3


def test_a_probe_that_ends_between_checks_keeps_one_anyway() -> None:
    assert [check.epoch for check in fitted(replace(SLOW, check_every=4, epochs=6), problem()).history] == [4]
    assert [check.epoch for check in fitted(replace(SLOW, check_every=9, epochs=6), problem()).history] == [6]
    last = replace(SLOW, check_every=4, epochs=6, keep="last")
    assert [check.epoch for check in fitted(last, problem()).history] == [4, 6]


def test_logits_or_probabilities_of_a_clips_rows_are_averaged() -> None:
    valid = problem().valid
    assert valid.clips is not None
    for average in ("probabilities", "logits"):
        recipe = replace(SLOW, average=average)
        probe = fitted(recipe, problem())
        logits = probe._logits(valid.embeddings.reshape(-1, 12), None)
        rows = [torch.from_numpy(logits[valid.clips == clip]) for clip in range(50)]
        by_logits = torch.stack([torch.softmax(one.mean(dim=0), dim=0) for one in rows]).numpy()
        by_probabilities = torch.stack([torch.softmax(one, dim=1).mean(dim=0) for one in rows]).numpy()
        right, wrong = (by_logits, by_probabilities)[:: 1 if average == "logits" else -1]
        predicted = probe.predict(valid.embeddings, valid.clips)
        assert predicted == pytest.approx(right, abs=1e-6)
        assert np.abs(predicted - wrong).max() > 1e-4
        assert probe.valid_score == (predicted.argmax(axis=1) == valid.targets).mean()


@pytest.mark.parametrize("how", ["mean", "mean_std"])
def test_pooling_frames_is_fitting_on_pooled_embeddings(how: Any) -> None:
    given = problem()

    def pooled(side: Examples) -> Examples:
        assert side.clips is not None
        frames = [side.embeddings[side.clips == clip].astype(np.float64) for clip in range(len(side.targets))]
        parts = [[one.mean(axis=0) for one in frames], [one.std(axis=0) for one in frames]]
        kept = [np.stack(part) for part in parts[: 1 if how == "mean" else 2]]
        return Examples(np.concatenate(kept, axis=-1).astype(np.float32), side.targets)

    recipe = replace(SLOW, pool_frames=how, standardise=True)
    probe = fitted(recipe, given)
    plain = replace(given, train=pooled(given.train), valid=pooled(given.valid))
    other = fitted(replace(recipe, pool_frames="none"), plain)
    assert same_bits(probe, other)
    assert probe.input_shape == (2, 6)
    predicted = probe.predict(given.valid.embeddings, given.valid.clips)
    assert predicted == pytest.approx(other.predict(plain.valid.embeddings), abs=1e-6)


def test_attention_is_a_softmax_over_the_frames_that_there_are() -> None:
    probe = fitted(replace(SLOW, pool_frames="attention"), problem())
    valid = problem().valid
    assert valid.clips is not None
    direction = probe.weights["frames.weight"].astype(np.float64)
    assert np.abs(direction).max() > 0.01, "it must have learned"
    expected = []
    for clip in range(50):
        frames = valid.embeddings[valid.clips == clip].reshape(-1, 12).astype(np.float64)
        shares = np.exp(frames @ direction) / np.exp(frames @ direction).sum()
        units = np.maximum(shares @ frames @ probe.weights["dense.0.weight"] + probe.weights["dense.0.bias"], 0)
        outputs = units @ probe.weights["dense.1.weight"] + probe.weights["dense.1.bias"]
        expected.append(np.exp(outputs) / np.exp(outputs).sum())
    assert probe.predict(valid.embeddings, valid.clips) == pytest.approx(np.array(expected), abs=1e-6)


def test_weights_of_layers_find_the_layer_that_knows() -> None:
    probe = fitted(
        replace(SLOW, layer_weights=True, learning_rate=0.03, stop_criterion="never", patience=10), problem()
    )
    shares = np.exp(probe.weights["layers.weight"]) / np.exp(probe.weights["layers.weight"]).sum()
    assert shares[1] > 0.6
    assert probe.weights["dense.0.weight"].shape == (6, 8)
    valid = problem().valid
    mixed = np.einsum("rld,l->rd", valid.embeddings.astype(np.float64), shares)[:, None].astype(np.float32)
    plain = replace(probe, network=replace(probe.network, n_weighed=0))
    direct = plain._logits(mixed[:, 0], None)
    assert probe._logits(valid.embeddings.reshape(-1, 12), None) == pytest.approx(direct, abs=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_norm": True, "pool_frames": "attention", "layer_weights": True, "standardise": True},
        {"pool_frames": "mean_std", "pca": 5},
        {"loss": "binary", "average": "logits"},
    ],
    ids=str,
)
def test_any_network_comes_back_to_the_bit_and_predicts_each_clip_by_itself(change: dict[str, Any]) -> None:
    probe, valid = fitted(replace(SLOW, **change), problem()), problem().valid
    assert valid.clips is not None
    again = restore(probe.to_bytes())
    assert isinstance(again, NetworkProbe)
    assert same_bits(again, probe)
    assert again.recipe == probe.recipe
    assert again.to_bytes() == probe.to_bytes()
    predicted = probe.predict(valid.embeddings, valid.clips)
    assert again.predict(valid.embeddings, valid.clips).tobytes() == predicted.tobytes()
    each = [valid.embeddings[valid.clips == clip] for clip in range(50)]
    alone = [probe.predict(rows, np.zeros(len(rows), np.int64)) for rows in each]
    assert np.concatenate(alone) == pytest.approx(predicted, abs=1e-7)


def test_curves_have_a_row_for_every_check_and_mark_the_one_kept() -> None:
    probe = fitted(replace(SLOW, schedule="cosine"), problem())
    rows = curves(probe)
    assert [row["epoch"] for row in rows] == list(range(1, len(probe.history) + 1))
    assert [row["epoch"] for row in rows if row["is_kept"]] == [probe.best_epoch]
    assert rows[0]["train_loss"] > rows[-1]["train_loss"]
    assert rows[0]["learning_rate"] > rows[-1]["learning_rate"]
