import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from earmark.errors import DataError, UserError
from earmark.nouns import Kind
from earmark.probes.base import Examples, Problem
from earmark.probes.fit import fit
from earmark.probes.monitors import LOSSES, Monitor, loss
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.networks import Layer, forward
from earmark.probes.recipe import Recipe
from tests.probes.fitting import fit_seeds, problem_of, same_bits

KINDS: tuple[Kind, ...] = ("multiclass", "key", "pitch", "multilabel", "regression")


def problem(kind: Kind, dim: int = 20, n_outputs: int = 5, n_train: int = 230, noise: float = 0.3) -> Problem:
    """Return something a linear probe can learn: targets made from a random linear map of the embeddings."""
    rng = np.random.default_rng(7)
    embeddings = rng.standard_normal((n_train + 70, 1, dim), dtype=np.float32)
    values = embeddings[:, 0] @ rng.standard_normal((dim, n_outputs), dtype=np.float32) / np.sqrt(dim)
    values = (values + noise * rng.standard_normal(values.shape)).astype(np.float32)
    targets = {"multilabel": (values > 0.5).astype(np.float32), "regression": values}.get(kind, values.argmax(axis=1))
    sides = (embeddings[:n_train], targets[:n_train]), (embeddings[n_train:], targets[n_train:])
    return problem_of(kind, *sides, n_outputs)


def run(recipe: Recipe, given: Problem, seeds: list[int], monitor: Monitor | None = None) -> list[NetworkProbe]:
    return fit_seeds(replace(given, monitor=monitor), recipe, seeds)


def both(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    return examples.embeddings, examples.targets


def scores(probe: NetworkProbe) -> tuple[float, ...]:
    return tuple(check.valid_score for check in probe.history)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("hidden", "dim", "n_outputs", "dropout"),
    [((), 13, 7, 0.0), ((), 128, 12, 0.0), ((33,), 50, 3, 0.0), ((17, "infer"), 21, 14, 0.0), ((40, 9), 31, 5, 0.4)],
)
def test_a_probe_is_the_same_to_the_bit_in_any_company(
    kind: Kind, hidden: tuple[int, ...], dim: int, n_outputs: int, dropout: float
) -> None:
    given = problem(kind, dim, n_outputs, n_train=201)  # the last batch is a single clip
    recipe = Recipe(hidden, learning_rate=0.02, epochs=8, patience=2, dropout=dropout)
    a, b, c = 5, 2**63 + 5, 12345
    [alone] = run(recipe, given, [a])
    for company in ([a, b], [b, c, a], [c, a, b, 0, 1, 2, 3], [a, a]):
        assert same_bits(run(recipe, given, company)[company.index(a)], alone), company


def test_slots_that_stop_early_leave_the_others_as_they_are() -> None:
    given = problem("multiclass")
    recipe = Recipe((16,), learning_rate=0.03, epochs=60, patience=2)
    together = run(recipe, given, list(range(6)))
    assert len({len(probe.history) for probe in together}) > 2, "the slots must end at different times"
    for seed, probe in enumerate(together):
        assert same_bits(run(recipe, given, [seed])[0], probe)


@pytest.mark.parametrize(
    ("seeds", "script", "expected"),
    [
        ([0], [0.1, 0.2, 0.3, 0.4, 0.5], [2, 2, 2, 2, 2]),
        ([0, 1, 2], [0.5, 0.5, 0.5, 0.1, 0.1, 0.6, 0.7, 0.8, 0.9], [3, 3, 2, 2, 2]),  # only the third lives on
    ],
)
def test_the_kernels_never_see_fewer_than_two_slots(
    seeds: list[int], script: list[float], expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(stack: Sequence[Layer], inputs: Tensor, dropout: Sequence[Tensor] = ()) -> list[Tensor]:
        seen.append(len(inputs))
        return forward(stack, inputs, dropout)

    monkeypatch.setattr("earmark.probes.stack.forward", spy)
    recipe, scores = Recipe((8,), batch_size=230, epochs=5, patience=1), iter(script)
    run(recipe, problem("multiclass"), seeds, lambda _targets, _scores: next(scores))
    assert seen[::2] == seen[1::2] == expected  # each epoch: one batch, one validation


def test_seeds_differ_in_all_their_64_bits() -> None:
    # torch.Generator keeps the lower 32 only: 5 and 5 + 2³² would be one probe.
    one, other = run(Recipe(epochs=1), problem("multiclass"), [5, 5 + 2**32])
    assert not np.array_equal(one.weights["dense.0.weight"], other.weights["dense.0.weight"])


@pytest.mark.parametrize("n_slots", [1, 2])
def test_patience_counts_epochs_since_the_first_best_one(n_slots: int) -> None:
    script = iter([score for score in (0.1, 0.5, 0.4, 0.2, 0.4, 0.9) for _ in range(n_slots)])
    given = problem("multiclass")
    for probe in run(Recipe((8,), patience=3), given, [1, 2][:n_slots], lambda _targets, _scores: next(script)):
        assert (probe.best_epoch, probe.valid_score) == (2, 0.5)
        assert scores(probe) == (0.1, 0.5, 0.4, 0.2, 0.4)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_of_equal_scores_the_lower_validation_loss_wins(kind: Kind) -> None:
    given, recipe = problem(kind), Recipe((8,), learning_rate=0.05, epochs=12, patience=3)
    [still] = run(recipe, given, [1], lambda _targets, _scores: 0.5)
    [by_loss] = run(recipe, given, [1], lambda targets, predicted: -loss(LOSSES[kind], targets, predicted))
    assert still.best_epoch == by_loss.best_epoch > 1
    assert len(still.history) == len(by_loss.history)
    assert still.weights["dense.0.weight"].tobytes() == by_loss.weights["dense.0.weight"].tobytes()


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_the_validation_loss_is_torchs(kind: Kind) -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    outputs = torch.from_numpy(rng.standard_normal((20, 4)))
    if kind == "multiclass":
        targets = rng.integers(0, 4, 20)
        expected = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(targets))
        assert loss(LOSSES[kind], targets, outputs.softmax(1).numpy()) == pytest.approx(float(expected))
    elif kind == "multilabel":
        labels = rng.integers(0, 2, (20, 4)).astype(np.float64)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(outputs, torch.from_numpy(labels))
        assert loss(LOSSES[kind], labels, outputs.sigmoid().numpy()) == pytest.approx(float(expected))
    else:
        values = rng.standard_normal((20, 4))
        expected = torch.nn.functional.mse_loss(outputs, torch.from_numpy(values))
        assert loss(LOSSES[kind], values, outputs.numpy()) == pytest.approx(float(expected))


def test_the_weights_kept_are_those_of_the_best_epoch() -> None:
    given, script = problem("multiclass"), iter([0.1, 0.5, 0.4, 0.3, 0.2])
    [kept] = run(Recipe((8,), epochs=5), given, [1], lambda _targets, _scores: next(script))
    rising = iter([0.1, 0.5])
    [short] = run(Recipe((8,), epochs=2), given, [1], lambda _targets, _scores: next(rising))
    assert kept.weights["dense.0.weight"].tobytes() == short.weights["dense.0.weight"].tobytes()


def test_a_slot_that_is_done_is_scored_no_more() -> None:
    script = iter([0.9, 0.1, 0.1, 0.2, 0.3, 0.2])  # first and second slot in turn, then the second alone
    one, other = run(Recipe((8,), patience=1), problem("pitch"), [1, 2], lambda _targets, _scores: next(script))
    assert scores(one) == (0.9, 0.1)
    assert scores(other) == (0.1, 0.2, 0.3, 0.2)


def test_the_monitor_gets_the_validation_targets_and_the_predictions() -> None:
    given = problem("multilabel")
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def monitor(targets: np.ndarray, scores: np.ndarray) -> float:
        seen.append((targets, scores.copy()))
        return len(seen)

    [probe] = run(Recipe((8,), epochs=2), given, [1], monitor)
    assert len(seen) == 2
    assert np.array_equal(seen[-1][0], given.valid.targets)
    assert seen[-1][1] == pytest.approx(probe.predict(given.valid.embeddings), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [(), (256, 128)])
def test_every_kind_learns(kind: Kind, hidden: tuple[int, ...]) -> None:
    given = problem(kind, n_train=600, noise=0.05)
    [probe] = run(Recipe(hidden), given, [0])
    assert probe.valid_score > 0.8
    assert scores(probe)[0] < probe.valid_score


def test_a_linear_probe_does_as_well_as_logistic_regression() -> None:
    given = problem("multiclass", n_train=3000)
    (train, valid, unseen), (labels, watched, truth) = (np.split(array, [1000, 1500]) for array in both(given.train))
    reference = LogisticRegression(max_iter=500).fit(train[:, 0], labels).score(unseen[:, 0], truth)
    [probe] = run(Recipe(learning_rate=0.01), problem_of("multiclass", (train, labels), (valid, watched), 5), [0])
    assert reference > 0.75
    assert np.mean(probe.predict(unseen).argmax(axis=1) == truth) == pytest.approx(reference, abs=0.02)


def test_only_a_hidden_layer_solves_exclusive_or() -> None:
    embeddings = np.random.default_rng(1).standard_normal((900, 1, 2), dtype=np.float32)
    targets = (embeddings[:, 0, 0] * embeddings[:, 0, 1] > 0).astype(np.int64)
    given = problem_of("multiclass", (embeddings[:600], targets[:600]), (embeddings[600:], targets[600:]), 2)
    assert run(Recipe(), given, [0])[0].valid_score < 0.7
    assert run(Recipe((128,)), given, [0])[0].valid_score > 0.95


def test_standardising_is_fitting_on_standardised_embeddings() -> None:
    given = problem("multiclass")
    given.train.embeddings[:] = given.train.embeddings * 30 + 100
    given.valid.embeddings[:] = given.valid.embeddings * 30 + 100
    mean, std = given.train.embeddings.mean(axis=0, dtype=float), given.train.embeddings.std(axis=0, dtype=float)
    train, valid = (((side.embeddings - mean) / std).astype(np.float32) for side in (given.train, given.valid))
    plain = problem_of("multiclass", (train, given.train.targets), (valid, given.valid.targets), 5)
    [one] = run(Recipe((8,), epochs=5, standardise=True), given, [3])
    [other] = run(Recipe((8,), epochs=5), plain, [3])
    assert one.weights["dense.0.weight"] == pytest.approx(other.weights["dense.0.weight"], abs=1e-4)
    assert one.predict(given.valid.embeddings) == pytest.approx(other.predict(valid), abs=1e-4)


@pytest.mark.parametrize("odd_one", [0.1, np.nextafter(np.float32(0.1), np.float32(1))])
def test_an_input_that_moves_by_rounding_only_cannot_blow_up_a_prediction(odd_one: float) -> None:
    given = problem("multiclass")
    given.train.embeddings[:, :, 0] = given.valid.embeddings[:, :, 0] = 0.1
    given.train.embeddings[0, 0, 0] = odd_one
    [probe] = run(Recipe(epochs=2, standardise=True), given, [0])
    moved = given.valid.embeddings.copy()
    moved[:, :, 0] = 0.1001
    assert probe.predict(moved) == pytest.approx(probe.predict(given.valid.embeddings), abs=1e-3)


def test_layers_are_flattened_with_their_dimensions() -> None:
    given = problem("multiclass")
    shape = (-1, 4, 5)
    train, valid = (
        (given.train.embeddings.reshape(shape), given.train.targets),
        (given.valid.embeddings.reshape(shape), given.valid.targets),
    )
    [stacked] = run(Recipe((8,), epochs=3), problem_of("multiclass", train, valid, 5), [1])
    [flat] = run(Recipe((8,), epochs=3), given, [1])
    assert same_bits(stacked, flat)
    assert (stacked.input_shape, flat.input_shape) == ((4, 5), (1, 20))


def test_inputs_may_be_read_only_and_the_global_generators_are_left_alone() -> None:
    given = problem("multilabel")
    for array in (*both(given.train), *both(given.valid)):
        array.setflags(write=False)
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())  # noqa: NPY002 (read, not used)
    run(Recipe((8,), epochs=2, dropout=0.5, standardise=True), given, [1, 2])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert str(np.random.get_state()) == before[2]  # noqa: NPY002 (read, not used)


def test_data_that_cannot_be_used_is_refused_with_what_to_do() -> None:
    given = problem("multiclass")
    right, valid_pair = both(given.train), both(given.valid)
    x, y = right
    broken = x.copy()
    broken[3] = np.nan
    no_clips = (x[:0], y[:0])
    cases = [
        ((x.astype(np.float64), y), valid_pair, r"float32 \(clips, layers, dim\), got float64"),
        ((x[:, 0], y), valid_pair, "One layer is an axis of 1"),
        ((broken, y), valid_pair, r"1 of 230 clips \(rows 3\)"),
        ((x, y[1:]), valid_pair, r"shape \(230,\) in train, got \(229,\)"),
        ((x, y.astype(np.float32)), valid_pair, "class indices, got float32"),
        ((x, y + 1), valid_pair, "from 0 to 4 in train, got 1 to 5"),
        (right, (x[:, :, 1:], y), r"one \(layers, dim\)"),
        (right, no_clips, "valid split has no clips.*Use a split"),
        (no_clips, valid_pair, "train split has no clips"),
    ]
    for train, valid, text in cases:
        with pytest.raises(DataError, match=text):
            run(Recipe(epochs=1), problem_of("multiclass", train, valid, 5), [0])


def test_targets_of_another_kind_are_refused() -> None:
    labels, values = problem("multilabel"), problem("regression")
    halves = (labels.train.embeddings, labels.train.targets / 2)
    with pytest.raises(DataError, match="0 or 1 only"):
        run(Recipe(), problem_of("multilabel", halves, both(labels.valid), 5), [0])
    values.train.targets[0, 0] = np.inf
    with pytest.raises(DataError, match="finite targets in train"):
        run(Recipe(), values, [0])
    with pytest.raises(DataError, match=r"shape \(230, 4\)"):
        run(Recipe(), replace(labels, n_outputs=4), [0])


def test_a_validation_score_that_is_undefined_is_refused() -> None:
    given = problem("multilabel")
    given.valid.targets[:] = 0
    with pytest.raises(DataError, match="Choose a larger validation split"):
        run(Recipe(), given, [0])


def test_predictions_that_are_not_finite_name_the_seed() -> None:
    given = problem("regression")
    given.train.embeddings[:] *= np.float32(1e37)
    with pytest.raises(DataError, match=r"after epoch 1 of the probe with seed 77.*standardise"):
        run(Recipe(), given, [77])


def test_a_fit_needs_seeds_classes_and_their_names() -> None:
    given = problem("multiclass")
    with pytest.raises(UserError, match="at least one seed"):
        fit(given, [])
    with pytest.raises(DataError, match="5 outputs, got 2 names"):
        run(Recipe(), replace(given, classes=("a", "b")), [0])
    with pytest.raises(DataError, match="at least two classes"):
        run(Recipe(), replace(given, n_outputs=1), [0])
