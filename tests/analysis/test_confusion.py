"""What was said beside what is true, against scikit-learn and plain loops."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

from earmark.analysis import confusion
from earmark.analysis.confusion import FOUND, MISSED, WRONGLY_GIVEN, Cells

N_CLASSES, N_CLIPS, N_SEEDS = 5, 60, 3


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def shares(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and scores of which each clip's sum to 1."""
    return rng.integers(0, N_CLASSES, N_CLIPS), rng.dirichlet(np.ones(N_CLASSES), (N_SEEDS, N_CLIPS)).astype(np.float32)


def test_classes_are_counted_as_scikit_learn_counts_them_seed_by_seed(rng: np.random.Generator) -> None:
    targets, scores = shares(rng)
    theirs = [confusion_matrix(targets, one.argmax(axis=1), labels=range(N_CLASSES)) for one in scores]
    np.testing.assert_array_equal(confusion.of_classes(targets, scores).counts, np.sum(theirs, axis=0) / N_SEEDS)


def test_labels_are_counted_as_scikit_learn_counts_them(rng: np.random.Generator) -> None:
    targets = (rng.random((N_CLIPS, N_CLASSES)) < 0.4).astype(np.float32)
    scores = rng.random((N_SEEDS, N_CLIPS, N_CLASSES)).astype(np.float32)
    found = confusion.of_labels(targets, scores).counts
    theirs = sum(multilabel_confusion_matrix(targets, one > 0.5) for one in scores) / N_SEEDS
    np.testing.assert_array_equal(found[:, FOUND], theirs[:, 1, 1])
    np.testing.assert_array_equal(found[:, MISSED], theirs[:, 1, 0])
    np.testing.assert_array_equal(found[:, WRONGLY_GIVEN], theirs[:, 0, 1])


def test_a_label_at_exactly_one_half_is_not_given() -> None:
    cells = confusion.of_labels(np.array([[1.0, 0.0]]), np.array([[[0.5, 0.5]]], np.float32))
    np.testing.assert_array_equal(cells.counts, [[0, 1, 0], [0, 0, 0]])


def test_numbers_are_counted_by_the_thirds_of_their_targets(rng: np.random.Generator) -> None:
    targets = rng.normal(size=(N_CLIPS, 2)).astype(np.float32)
    scores = (targets + rng.normal(size=(N_SEEDS, N_CLIPS, 2))).astype(np.float32)
    cells = confusion.of_numbers(targets, scores)
    expected = np.zeros((6, 3))
    for place in range(2):
        first, second = np.sort(targets[:, place])[[19, 39]]  # 20 clips a third
        for seed in range(N_SEEDS):
            for clip in range(N_CLIPS):
                row, column = (
                    0 if value <= first else 1 if value <= second else 2
                    for value in (targets[clip, place], scores[seed, clip, place])
                )
                expected[3 * place + row, column] += 1 / N_SEEDS
    np.testing.assert_allclose(cells.counts, expected)
    np.testing.assert_allclose(cells.counts.sum(axis=1), 20)


def test_equal_numbers_stand_in_one_range() -> None:
    cells = confusion.of_numbers(np.full((9, 1), 2.0), np.array([1.0, 2.0, 3.0] * 3).reshape(1, 9, 1))
    np.testing.assert_array_equal(cells.counts, [[6, 0, 3], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_the_members_of_a_cell_are_those_a_plain_loop_finds(kind: str, rng: np.random.Generator) -> None:
    cells = made(kind, rng)
    for row in range(cells.n_rows):
        for column in range(cells.n_columns):
            expected = {}
            for clip in range(N_CLIPS):
                places = [place for place in range(cells.rows.shape[1]) if cells.rows[clip, place] == row]
                scores = [
                    cells.scores[seed, clip, place]
                    for place in places
                    for seed in range(N_SEEDS)
                    if cells.columns[seed, clip, place] == column
                ]
                if scores:
                    expected[clip] = (np.mean(scores, dtype=np.float64), len(scores))
            found = cells.members(row, column)
            assert set(found.clips.tolist()) == set(expected)
            assert len(found.clips) == len(expected), "each clip once"
            for clip, score, n_seeds in zip(*found, strict=True):
                assert (score, n_seeds) == (pytest.approx(expected[clip][0]), expected[clip][1])
            assert found.n_seeds.sum() == pytest.approx(cells.counts[row, column] * N_SEEDS)


def made(kind: str, rng: np.random.Generator) -> Cells:
    targets, scores = shares(rng)
    if kind == "classes":
        return confusion.of_classes(targets, scores)
    if kind == "labels":
        return confusion.of_labels(rng.integers(0, 2, (N_CLIPS, N_CLASSES)), scores * 2)
    return confusion.of_numbers(rng.random((N_CLIPS, N_CLASSES)), scores)


@pytest.mark.parametrize(
    ("kind", "surest"),
    [
        ("classes", [0.9, 0.6]),
        ("labels, given", [0.9, 0.6]),
        ("labels, missed", [0.1, 0.4]),
        ("numbers", [-6.0, 1.0]),
    ],
)
def test_the_surest_clip_comes_first_and_of_numbers_the_furthest_off(kind: str, surest: list[float]) -> None:
    if kind == "classes":
        cells, cell = confusion.of_classes(np.zeros(2, np.int64), np.array([[[0.4, 0.6], [0.1, 0.9]]])), (0, 1)
    elif kind == "numbers":
        cells, cell = confusion.of_numbers(np.full((2, 1), 2.0), np.array([[[1.0], [-6.0]]])), (0, 0)
    else:
        scores = np.array([[[0.6], [0.9], [0.4], [0.1]]])
        cells, cell = confusion.of_labels(np.ones((4, 1)), scores), (0, FOUND if "given" in kind else MISSED)
    assert cells.members(*cell).scores.tolist() == surest


def test_of_equally_sure_clips_those_of_more_seeds_come_first() -> None:
    scores = np.array([[[0.75, 0.25], [0.75, 0.25]], [[0.25, 0.75], [0.75, 0.25]]])
    found = confusion.of_classes(np.ones(2, np.int64), scores).members(1, 0)
    assert found.clips.tolist() == [1, 0]
    assert found.n_seeds.tolist() == [2, 1]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_a_clip_whose_score_is_not_finite_stands_in_a_column_of_its_own(
    kind: str, wrong: float, rng: np.random.Generator
) -> None:
    targets, scores = shares(rng)
    scores[1, 7, 2] = wrong
    if kind == "classes":
        cells, answers = confusion.of_classes(targets, scores), 1
    elif kind == "labels":
        cells, answers = confusion.of_labels(np.ones((N_CLIPS, N_CLASSES)), scores), N_CLASSES
    else:
        cells, answers = confusion.of_numbers(rng.random((N_CLIPS, N_CLASSES)), scores), N_CLASSES
    assert cells.counts[:, -1].sum() == pytest.approx(answers / N_SEEDS)
    assert cells.counts.sum() == pytest.approx(answers * N_CLIPS), "no clip is lost"
    rows = np.flatnonzero(cells.counts[:, -1])
    assert {tuple(cells.members(int(row), cells.n_columns - 1).clips) for row in rows} == {(7,)}


def test_where_all_is_finite_there_is_no_further_column(rng: np.random.Generator) -> None:
    assert made("classes", rng).counts.shape == (N_CLASSES, N_CLASSES)


def test_many_classes_are_kept_as_one_answer_a_clip_and_seed(rng: np.random.Generator) -> None:
    scores = rng.random((2, 1000, 900)).astype(np.float32)
    cells = confusion.of_classes(rng.integers(0, 900, 1000), scores)
    kept = sum(one.nbytes for one in (cells.rows, cells.columns, cells.scores))
    assert kept < scores.nbytes / 100


def test_probabilities_lie_between_0_and_1_and_those_of_classes_have_the_sum_1(rng: np.random.Generator) -> None:
    _, scores = shares(rng)
    assert confusion.is_probability(scores, sum_to_1=True)
    assert confusion.is_probability(scores / 2, sum_to_1=False)
    assert not confusion.is_probability(scores / 2, sum_to_1=True), "as of a binary loss"
    assert not confusion.is_probability(scores - 0.5, sum_to_1=False), "as of ridge regression"
    scores[0, 0] = np.nan
    assert confusion.is_probability(scores, sum_to_1=True), "a clip without an answer says nothing of the others"


def test_the_most_confused_cells_are_the_greatest_errors_as_shares_of_their_rows() -> None:
    counts = np.array([[8.0, 2.0, 0.0], [5.0, 1.0, 2.0], [0.0, 0.0, 9.0]])
    found = confusion.most_confused(counts, ~np.eye(3, dtype=bool), 10)
    assert [(one.row, one.column, one.clips) for one in found] == [(1, 0, 5.0), (0, 1, 2.0), (1, 2, 2.0)]
    assert [one.share for one in found] == [5 / 8, 2 / 10, 2 / 8]
    assert confusion.most_confused(counts, ~np.eye(3, dtype=bool), 1) == found[:1]
    assert confusion.most_confused(np.eye(3), ~np.eye(3, dtype=bool), 3) == ()
