import numpy as np
import pytest

from earmark.errors import DataError, UserError
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.recipe import Recipe
from earmark.probes.sampling import batch_sizes, epoch_length, order
from earmark.probes.stack import Stack
from tests.probes.fitting import fit_seeds, problem_of

LABELS = np.repeat([0, 2, 3], [50, 3, 7])  # no clip has class 1


def drawn(seed: int) -> np.ndarray:
    return order("balanced", LABELS, len(LABELS), np.random.default_rng(seed))


def test_a_balanced_epoch_has_every_class_equally_often_and_about_as_many_clips() -> None:
    assert epoch_length("balanced", LABELS, 60) == 60
    assert np.unique(LABELS[drawn(1)], return_counts=True)[1].tolist() == [20, 20, 20]


def test_a_balanced_epoch_leaves_out_none_of_a_rare_class_and_repeats_none_of_a_common_one() -> None:
    times = np.bincount(drawn(1), minlength=60)
    assert times[:50].max() == 1
    assert set(times[50:53]) == {6, 7}
    assert set(times[53:]) == {2, 3}
    assert not np.array_equal(drawn(1), drawn(2))


def test_a_class_count_that_does_not_divide_the_clips_is_rounded_up() -> None:
    labels = np.repeat([0, 1, 2], [5, 1, 1])
    assert epoch_length("balanced", labels, 7) == 9 == len(order("balanced", labels, 7, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("fields", "length", "sizes"),
    [
        ({}, 201, [100, 100, 1]),
        ({"drop_last": True}, 201, [100, 100]),
        ({"drop_last": True}, 200, [100, 100]),
        ({"batch_norm": True, "hidden_units": (8,)}, 201, [100, 101]),
        ({"batch_norm": True, "hidden_units": (8,)}, 202, [100, 100, 2]),
        ({}, 7, [7]),
    ],
)
def test_batches_leave_nothing_out_unless_told(fields: dict[str, object], length: int, sizes: list[int]) -> None:
    assert batch_sizes(Recipe(**fields), length) == sizes  # type: ignore[arg-type]


def test_batches_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="drop_last would leave out all 7 training clips: they fill no batch of 100"):
        batch_sizes(Recipe(drop_last=True), 7)
    with pytest.raises(DataError, match="batch_norm needs batches of at least 2 clips, got 1 training clips"):
        batch_sizes(Recipe((8,), batch_norm=True), 1)


def fitted(recipe: Recipe) -> NetworkProbe:
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((250, 1, 6), dtype=np.float32)
    pair = embeddings, rng.integers(3, size=250)
    return fit_seeds(problem_of("multiclass", pair, pair, 3), recipe, [1])[0]


def orders_of(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Return the clips of every batch of a fit, known by their inputs."""
    seen: list[np.ndarray] = []
    step = Stack.step

    def spy(stack: Stack, batch: object, *rest: object) -> object:
        seen.append(batch.values[0].numpy().copy())  # type: ignore[attr-defined]
        return step(stack, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Stack, "step", spy)
    fitted(recipe)
    return seen


def test_the_last_batch_of_an_epoch_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # mir_ref drops it: a defect that changes numbers.
    assert [len(rows) for rows in orders_of(Recipe(epochs=2), monkeypatch)] == [100, 100, 50, 100, 100, 50]


def test_dropping_the_last_batch_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [len(rows) for rows in orders_of(Recipe(epochs=2, drop_last=True), monkeypatch)] == [100] * 4


def test_a_fixed_order_is_the_same_in_every_epoch_and_a_random_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = orders_of(Recipe(epochs=2, train_sampling="fixed"), monkeypatch)
    assert all(np.array_equal(one, other) for one, other in zip(fixed[:3], fixed[3:], strict=True))
    random = orders_of(Recipe(epochs=2), monkeypatch)
    assert not np.array_equal(random[0], random[3])


def test_training_ends_at_the_step_asked_for() -> None:
    probe = fitted(Recipe(steps=7, epochs=1, keep="last"))
    assert [(check.epoch, check.step) for check in probe.history] == [(1, 3), (2, 6), (3, 7)]


def test_balanced_sampling_is_for_tasks_of_one_class() -> None:
    rng = np.random.default_rng(0)
    pair = rng.standard_normal((20, 1, 6), dtype=np.float32), rng.standard_normal((20, 2), dtype=np.float32)
    with pytest.raises(UserError, match="balanced needs one class a clip, and this task is regression"):
        fit_seeds(problem_of("regression", pair, pair, 2), Recipe(train_sampling="balanced"), [1])
