"""Codes and labels: counts against a naive loop, measures against scikit-learn's, and what was planted is found."""

import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from earmark.analysis import codes as counting
from earmark.analysis.codes import Counts, Heard
from earmark.errors import UserError

Array = np.ndarray
LABELS = ("bass", "brass", "flute")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def recordings(n: int = 40, seed: int = 0) -> tuple[list[Array], Array]:
    """Return codes (groups, frames) of recordings of uneven lengths, and a label of each."""
    drawn = rng(seed)
    label_of = drawn.integers(len(LABELS), size=n)
    return [drawn.integers(5, size=(2, int(drawn.integers(1, 60)))) for _ in range(n)], label_of


def counts_of(found: list[Array], label_of: Array, labels: tuple[str, ...] = LABELS) -> Counts:
    return counting.counted(counting.vocabulary([counting.heard(one) for one in found]), label_of, labels)


def planted(share: float, n: int = 300, seed: int = 0) -> tuple[list[Array], Array]:
    """Return codes of which a share is the label's own pair, (label, 7), and the rest anything."""
    drawn = rng(seed)
    label_of = drawn.integers(len(LABELS), size=n)
    found = []
    for label in label_of:
        own = np.array([[label], [7]]).repeat(40, axis=1)
        found.append(np.where(drawn.random(40) < share, own, drawn.integers(10, 40, size=(2, 40))))
    return found, label_of


def test_counts_are_those_of_a_naive_loop_over_frames() -> None:
    found, label_of = recordings()
    naive: dict[tuple[tuple[int, ...], int], int] = {}
    for one, label in zip(found, label_of, strict=True):
        for code in one.T:
            naive[tuple(code), label] = naive.get((tuple(code), label), 0) + 1
    counts = counts_of(found, label_of)
    assert counts.frames.dtype == np.int64
    assert {
        (tuple(code), label): n
        for code, line in zip(counts.codes, counts.frames, strict=True)
        for label, n in enumerate(line)
        if n
    } == naive


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    found, label_of = recordings()
    whole, parts = (
        counts_of(found, label_of),
        (counts_of(found[:11], label_of[:11]), counts_of(found[11:], label_of[11:])),
    )
    total: dict[tuple[int, ...], Array] = {}
    for part in parts:
        for code, line in zip(part.codes, part.frames, strict=True):
            total[tuple(code)] = total.get(tuple(code), np.zeros(3, np.int64)) + line
    assert [total[tuple(code)].tolist() for code in whole.codes] == whole.frames.tolist()


def test_shares_of_a_code_and_of_a_label_add_up_to_one() -> None:
    counts = counts_of(*recordings())
    np.testing.assert_allclose(counts.label_given_code.sum(axis=1), 1.0)
    np.testing.assert_allclose(counts.code_given_label.sum(axis=0), 1.0)
    unused = counts_of(*recordings(), labels=(*LABELS, "harp"))
    assert not unused.code_given_label[:, 3].any()


def test_mutual_information_is_that_of_scikit_learn() -> None:
    counts = counts_of(*recordings())
    expected = mutual_info_score(None, None, contingency=counts.frames) / math.log(2)
    said = counting.summary(counts)
    shares = counts.frames.sum(axis=0) / counts.frames.sum()
    assert said.information_bits == pytest.approx(expected, abs=1e-12)
    assert said.pnmi == pytest.approx(expected / -(shares * np.log2(shares)).sum(), abs=1e-12)


def test_purities_and_perplexity_of_a_small_matrix_are_those_counted_by_hand() -> None:
    counts = Counts(np.arange(3)[:, None], ("a", "b"), np.array([[4, 0], [0, 2], [1, 1]]))
    said = counting.summary(counts)
    assert said.n_frames == 8
    assert said.label_purity == pytest.approx((4 + 2 + 1) / 8)
    assert said.code_purity == pytest.approx((4 + 2) / 8)
    assert said.perplexity == pytest.approx(2**1.5)


def test_equally_likely_codes_have_their_number_as_perplexity() -> None:
    even = [np.arange(16)[None, :].repeat(3, axis=1)]
    assert counting.summary(counts_of(even, np.array([0]))).perplexity == pytest.approx(16.0)


def test_a_single_label_has_no_share_of_its_entropy() -> None:
    found, label_of = recordings()
    assert math.isnan(counting.summary(counts_of(found, np.zeros_like(label_of))).pnmi)


def test_a_planted_co_occurrence_is_recovered() -> None:
    found, label_of = planted(0.5)
    counts = counts_of(found, label_of)
    for label in range(3):
        place = counts.codes.tolist().index([label, 7])
        assert counts.label_given_code[place].tolist() == [float(other == label) for other in range(3)]
        assert counts.code_given_label[place, label] == pytest.approx(0.5, abs=0.03)


def test_what_is_planted_is_above_chance_and_what_is_not_is_within_it() -> None:
    for share, is_there in ((0.2, True), (0.0, False)):
        found, label_of = planted(share)
        used = counting.vocabulary([counting.heard(one) for one in found])
        said = counting.summary(counting.counted(used, label_of, LABELS))
        chance = counting.by_chance(used, label_of, LABELS, rng(5))
        assert chance.n_frames == said.n_frames
        assert chance.perplexity == pytest.approx(said.perplexity)
        assert (said.pnmi > chance.pnmi + 0.1) is is_there
        assert (abs(said.pnmi - chance.pnmi) < 0.02) is not is_there


def test_chance_alone_makes_much_of_rare_codes() -> None:
    found, label_of = planted(0.0, n=30)
    used = counting.vocabulary([counting.heard(one) for one in found])
    assert counting.by_chance(used, label_of, LABELS, rng()).label_purity > 0.7


def test_a_pair_of_groups_is_one_code_and_a_group_alone_another() -> None:
    found, label_of = planted(1.0)
    assert counts_of(found, label_of).codes.tolist() == [[0, 7], [1, 7], [2, 7]]
    assert counts_of([one[1:] for one in found], label_of).codes.tolist() == [[7]]
    assert counting.summary(counts_of([one[1:] for one in found], label_of)).pnmi == pytest.approx(0.0, abs=1e-12)


def test_arranged_has_labels_by_frequency_and_codes_by_their_label_and_share() -> None:
    counts = Counts(
        np.array([[3], [5], [8], [9]]), ("a", "b", "never"), np.array([[1, 3, 0], [0, 9, 0], [2, 0, 0], [4, 1, 0]])
    )
    found = counting.arranged(counts)
    assert found.labels == ("b", "a")
    assert found.codes[:, 0].tolist() == [5, 3, 8, 9]
    assert found.frames.tolist() == [[9, 0], [3, 1], [0, 2], [1, 4]]


def test_no_frames_at_all_are_refused() -> None:
    with pytest.raises(UserError, match="Expected codes of at least one frame, got none"):
        counting.vocabulary([Heard(np.zeros((0, 2), np.int64), np.zeros(0, np.int64))])


def test_without_some_recordings_are_the_counts_of_the_others() -> None:
    found, label_of = recordings()
    left_out = np.arange(len(found)) % 3 == 0
    used = counting.vocabulary([counting.heard(one) for one in found])
    rest = counting.counted(counting.without(used, left_out), label_of, LABELS)
    expected = counts_of([one for one, out in zip(found, left_out, strict=True) if not out], label_of[~left_out])
    chosen = rest.frames.sum(axis=1) > 0
    assert rest.codes[chosen].tolist() == expected.codes.tolist()
    assert rest.frames[chosen].tolist() == expected.frames.tolist()
    assert counting.summary(rest).pnmi == pytest.approx(counting.summary(expected).pnmi, abs=1e-12)
