"""Embeddings in the plane: principal components are those of scikit-learn, and the same whatever the order or sign."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from earmark.analysis import projection
from earmark.errors import DataError, MissingPart


def drawn(rows: int, dim: int, seed: int = 0) -> np.ndarray:
    """Vectors of which each direction varies less than the one before."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((rows, dim)) * 0.7 ** np.arange(dim) + rng.standard_normal(dim)).astype(np.float32)


@pytest.mark.parametrize(("rows", "dim"), [(50, 8), (8, 50), (9, 9), (200, 3), (3, 200)])
def test_it_is_the_pca_of_scikit_learn_but_for_signs(rows: int, dim: int) -> None:
    vectors = drawn(rows, dim)
    theirs = PCA(2, svd_solver="full").fit(vectors.astype(np.float64))
    ours = projection.principal(vectors)
    assert np.abs(ours.points) == pytest.approx(np.abs(theirs.transform(vectors)), abs=1e-6)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_, abs=1e-9)


@given(st.permutations(range(12)), st.sampled_from([4, 40]))
def test_the_order_of_the_rows_changes_nothing(order: list[int], dim: int) -> None:
    vectors = drawn(12, dim)
    assert projection.principal(vectors[order]).points == pytest.approx(
        projection.principal(vectors).points[order], abs=1e-5
    )


@pytest.mark.parametrize("dim", [4, 40])
def test_mirrored_vectors_are_a_mirrored_picture_of_the_same_directions(dim: int) -> None:
    vectors = drawn(20, dim)
    assert projection.principal(-vectors).points == pytest.approx(-projection.principal(vectors).points, abs=1e-5)


def test_where_vectors_stand_changes_nothing() -> None:
    vectors = drawn(20, 6).astype(np.float64)
    assert projection.principal(vectors + 5).points == pytest.approx(projection.principal(vectors).points)


def test_one_dimension_fills_one_axis() -> None:
    found = projection.principal(np.array([[1.0], [2.0], [4.0]]))
    assert found.points[:, 0] == pytest.approx([-4 / 3, -1 / 3, 5 / 3])
    assert found.points[:, 1] == pytest.approx(0)
    assert found.explained == pytest.approx((1, 0))


@pytest.mark.parametrize("vectors", [np.ones((5, 3)), np.ones((1, 3))])
def test_what_does_not_vary_is_one_point(vectors: np.ndarray) -> None:
    found = projection.principal(vectors)
    assert found.points == pytest.approx(0)
    assert found.explained == (0, 0)


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 3 embeddings hold numbers that are not finite"):
        projection.principal(np.array([[1.0, 2.0], [np.nan, 1.0], [1.0, 1.0]]))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (4,)])
def test_no_vectors_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="Expected vectors"):
        projection.principal(np.zeros(shape))


def test_without_umap_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "has_umap", lambda: False)
    with pytest.raises(MissingPart, match=r"pip install 'earmark\[map\]'"):
        projection.umap(drawn(20, 4))


def test_umap_wants_a_few_clips() -> None:
    with pytest.raises(DataError, match="at least 4 clips"):
        projection.umap(drawn(3, 4))


@pytest.mark.skipif(not projection.has_umap(), reason="no umap")
def test_umap_keeps_groups_apart_and_is_the_same_each_time() -> None:
    vectors = np.concatenate([drawn(30, 5), drawn(30, 5, 1) + 50])
    found = projection.umap(vectors)
    first, second = found.points[:30], found.points[30:]
    spread = max(np.ptp(first, axis=0).max(), np.ptp(second, axis=0).max())
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > spread / 2
    assert found.explained is None
    assert (projection.umap(vectors).points == found.points).all()
