"""Laws of paired tests. Oracles: all swaps by hand, scipy, statsmodels' numbers, simulated test sets."""

from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from earmark.analysis.paired import errors_to_tell, holm, permutation_test, smallest_difference
from earmark.analysis.stats import resample_weights
from earmark.errors import DataError
from earmark.metrics import measure

Floats = NDArray[np.float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def of_mean(values: Floats, swaps: Floats) -> Floats:
    """The difference of two means over clips, from their differences clip by clip."""
    found: Floats = (1 - 2 * swaps) @ values / len(values)
    return found


# The permutation test


def test_few_clips_are_swapped_in_every_way() -> None:
    values = np.array([0.5, 1.0, -0.25, 0.75, 0.1])
    means = [abs(np.mean(np.multiply(signs, values))) for signs in product((1, -1), repeat=5)]
    found = permutation_test(partial(of_mean, values), 5, None, 32, rng())
    expected = np.mean([mean >= abs(values.mean()) - 1e-12 for mean in means])
    assert found == (expected, 32, True, expected)


def test_all_swaps_give_what_scipy_gives() -> None:
    values = rng(1).normal(0.4, 1.0, 10)
    expected = scipy.stats.permutation_test(
        (values,), lambda x, axis: x.mean(axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    found = permutation_test(partial(of_mean, values), 10, None, 2000, rng())
    assert found.p == found.p_whole == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("wins", range(6, 11))
def test_a_tie_counts_half_as_in_the_mid_p_value_of_mcnemars_test(wins: int) -> None:
    values = np.array([1.0] * wins + [-1.0] * (10 - wins) + [0.0] * 2)
    found = permutation_test(partial(of_mean, values), 12, None, 4096, rng())
    beyond, at = 2 * scipy.stats.binom.sf(wins, 10, 0.5), 2 * scipy.stats.binom.pmf(wins, 10, 0.5)
    assert found.p_whole == pytest.approx(beyond + at)
    # What was seen and its mirror count whole: two swaps more of 4096, each by a half.
    assert found.p == pytest.approx(beyond + at / 2 + 1 / 4096)
    drawn = permutation_test(partial(of_mean, values), 12, None, 4000, rng())
    assert drawn.p == pytest.approx(found.p, abs=0.02)


def test_no_p_of_few_units_is_below_what_their_swaps_allow() -> None:
    for units in (2, 4, 5, 6):
        found = permutation_test(partial(of_mean, np.ones(units)), units, None, 100, rng())
        assert found.p == found.p_whole == 2 / 2**units


def test_drawn_swaps_come_near_to_all_swaps() -> None:
    values = rng(2).normal(0.4, 1.0, 12)
    every = permutation_test(partial(of_mean, values), 12, None, 4096, rng())
    drawn = permutation_test(partial(of_mean, values), 12, None, 4095, rng())
    assert (every.is_exact, drawn.is_exact) == (True, False)
    assert drawn.p == pytest.approx(every.p, abs=0.02)


def test_a_p_is_never_0() -> None:
    found = permutation_test(partial(of_mean, np.ones(500)), 500, None, 99, rng())
    assert found == (0.01, 99, False, 0.01)


@pytest.mark.parametrize("values", [np.zeros(40), np.repeat([1.0, -1.0], 20), np.array([1.0, -1.0])])
def test_where_nothing_differs_p_is_1(values: Floats) -> None:
    found = permutation_test(partial(of_mean, values), len(values), None, 100, rng())
    assert found.p == found.p_whole == 1.0


def test_groups_are_swapped_whole() -> None:
    seen: list[Floats] = []

    def difference(swaps: Floats) -> Floats:
        seen.append(swaps)
        return of_mean(np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.2]), swaps)

    found = permutation_test(difference, 6, list("aabbcc"), 100, rng())
    assert found == (0.25, 8, True, 0.25)
    rows = np.vstack(seen)
    np.testing.assert_array_equal(rows[:, ::2], rows[:, 1::2])
    assert len(np.unique(rows, axis=0)) == 7, "all but the swap of everything, which is the mirror of what was seen"


def test_chunks_change_no_p(monkeypatch: pytest.MonkeyPatch) -> None:
    values = rng(3).normal(0.1, 1.0, 50)
    found = permutation_test(partial(of_mean, values), 50, None, 500, rng())
    monkeypatch.setattr("earmark.analysis.paired.CHUNK_BYTES", 8 * 50 * 7)
    assert permutation_test(partial(of_mean, values), 50, None, 500, rng()) == found


def test_an_undefined_difference_has_no_p() -> None:
    found = permutation_test(lambda swaps: np.full(len(swaps), np.nan), 4, None, 10, rng())
    assert np.isnan(found.p)


def test_a_test_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="got 0 clips and 10"):
        permutation_test(partial(of_mean, np.ones(0)), 0, None, 10, rng())
    with pytest.raises(DataError, match="one group for each of 3 clips, got 2"):
        permutation_test(partial(of_mean, np.ones(3)), 3, ["a", "b"], 10, rng())


class Told(NamedTuple):
    """The shares of test sets in which equal systems are told apart at 5 %: by p, and by p with ties whole."""

    p: float
    p_whole: float


def rejections(n: int, group_clips: int, seeds: int, permutations: int = 499, repetitions: int = 2000) -> Told:
    """Return how often two equally good systems of so many seeds, alike in groups of clips, are told apart."""
    draws, member = rng(4), np.arange(n) // group_clips
    groups = [str(group) for group in member] if group_clips > 1 else None
    n_groups = member[-1] + 1
    found = []
    for _ in range(repetitions):
        easy = draws.normal(0.8, 0.5, n_groups)[member]
        of_system = draws.normal(0, 0.7, (2, 1, n_groups))[:, :, member]
        right = easy + of_system + draws.normal(0, 0.7, (2, seeds, n)) > 0
        values = np.subtract(*right.mean(axis=1))
        found.append(permutation_test(partial(of_mean, values), n, groups, permutations, draws))
    return Told(*(float(np.mean([getattr(one, name) <= 0.05 for one in found])) for name in Told._fields))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("n", "group_clips"), [(50, 1), (300, 1), (300, 5)])
def test_equal_systems_are_told_apart_in_5_percent_of_test_sets(n: int, group_clips: int, seeds: int) -> None:
    told = rejections(n, group_clips, seeds, permutations=199 if n == 300 else 499)
    assert 0.035 <= told.p <= 0.065
    assert told.p_whole <= told.p


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("n", "group_clips"), [(50, 1), (300, 5), (300, 20)])
def test_equal_systems_are_told_apart_in_5_percent_of_4000_test_sets(n: int, group_clips: int, seeds: int) -> None:
    assert 0.04 <= rejections(n, group_clips, seeds, 999, 4000).p <= 0.06


def test_with_ties_whole_few_clips_and_one_seed_would_be_told_apart_too_seldom() -> None:
    assert rejections(50, 1, 1).p_whole < 0.035


def test_few_groups_are_told_apart_less_often_and_five_never() -> None:
    assert rejections(25, 5, 1).p == 0.0
    assert 0.005 < rejections(40, 5, 1).p < 0.05


def test_clips_of_a_group_must_not_be_swapped_alone() -> None:
    groups = [str(clip // 20) for clip in range(400)]
    draws, told = rng(5), {"clips": 0, "groups": 0}
    for _ in range(200):
        values = np.repeat(draws.choice([-1.0, 0.0, 1.0], 20), 20)
        told["clips"] += permutation_test(partial(of_mean, values), 400, None, 199, draws).p <= 0.05
        told["groups"] += permutation_test(partial(of_mean, values), 400, groups, 199, draws).p <= 0.05
    assert told["clips"] > 100
    assert told["groups"] < 25


@pytest.mark.slow
def test_equal_systems_are_told_apart_by_average_precision_in_about_5_percent_of_test_sets() -> None:
    draws, told, n, names = rng(6), 0, 150, ("a", "b", "c")
    for _ in range(400):
        targets = (draws.random((n, 3)) < 0.2).astype(int)
        one, other = (targets * 1.2 + draws.normal(size=(n, 3)) for _ in range(2))

        def difference(swaps: Floats, one: Floats = one, other: Floats = other, targets: Floats = targets) -> Floats:
            rows = np.block([[1 - swaps, swaps], [swaps, 1 - swaps]])
            both = np.concatenate([targets, targets])
            found = measure("average_precision", "multilabel", both, np.concatenate([one, other]), names, rows)
            mixed, swapped = np.split(found.averages["macro"], 2)
            return np.asarray(mixed - swapped)

        told += permutation_test(difference, n, None, 99, draws).p <= 0.05
    assert 0.02 <= told / 400 <= 0.08


# Many tests


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # statsmodels 0.14, multipletests(p, method="holm")
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.2, 0.0004, 0.012, 0.5, 0.012, 0.9, 0.03], [0.6, 0.0028, 0.072, 1.0, 0.072, 1.0, 0.12]),
        ([0.03], [0.03]),
    ],
)
def test_holm_equals_statsmodels(given: list[float], expected: list[float]) -> None:
    assert holm(np.array(given)) == pytest.approx(expected)


def test_an_undefined_p_is_not_counted() -> None:
    found = holm(np.array([0.01, np.nan, 0.04]))
    assert found == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)


def test_holm_lies_between_no_correction_and_that_of_bonferroni() -> None:
    given = rng(7).random(30) ** 3
    found = holm(given)
    assert (given <= found).all()
    assert (found <= np.minimum(30 * given, 1)).all()
    np.testing.assert_array_equal(np.argsort(found, kind="stable")[:3], np.argsort(given, kind="stable")[:3])


# Power


@pytest.mark.parametrize(("n", "discordant"), [(300, 0.3), (290, 0.2), (1000, 0.1)])
def test_the_smallest_difference_is_found_by_mcnemars_test_in_80_percent_of_test_sets(
    n: int, discordant: float
) -> None:
    difference = smallest_difference(n, discordant)
    share = (discordant + difference) / 2
    counts = rng(8).multinomial(n, [share, discordant - share, 1 - discordant], 20_000)
    told = (counts[:, 0] - counts[:, 1]) ** 2 / counts[:, :2].sum(axis=1) > scipy.stats.chi2.ppf(0.95, 1)
    assert told.mean() == pytest.approx(0.8, abs=0.02)


def test_the_smallest_difference_solves_connors_formula() -> None:
    difference = smallest_difference(290, 0.2)
    chance, strength = scipy.stats.norm.ppf([0.975, 0.8])
    n = (chance * np.sqrt(0.2) + strength * np.sqrt(0.2 - difference**2)) ** 2 / difference**2
    assert n == pytest.approx(290)


def test_a_few_clips_tell_nothing_apart_however_one_sided() -> None:
    assert np.isnan(smallest_difference(10, 0.2))
    assert smallest_difference(200, 0.2) > smallest_difference(2000, 0.2) > 0


def test_standard_errors_and_connors_formula_agree_where_systems_differ_little() -> None:
    error = np.sqrt(0.2 / 5000)
    assert errors_to_tell() * error == pytest.approx(smallest_difference(5000, 0.2), rel=0.01)
    assert errors_to_tell() == pytest.approx(2.8016, abs=1e-4)


@pytest.mark.parametrize("wrong", [(0, 0.2), (100, 0.0), (100, 1.5)])
def test_impossible_sizes_are_refused(wrong: tuple[int, float]) -> None:
    with pytest.raises(DataError, match="Expected"):
        smallest_difference(*wrong)


def test_the_two_tests_of_a_difference_agree() -> None:
    values = rng(9).choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.75, 0.15])
    weights = resample_weights(300, None, 4000, rng(10))
    error = (weights @ values / 300).std()
    normal = 2 * scipy.stats.norm.sf(abs(values.mean()) / error)
    assert permutation_test(partial(of_mean, values), 300, None, 4000, rng(11)).p == pytest.approx(normal, abs=0.03)
