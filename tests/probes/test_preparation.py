import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from earmark.errors import DataError
from earmark.probes.base import Job
from earmark.probes.fit import fit
from earmark.probes.preparation import CHUNK, Preparation, float64_chunks, principal_axes
from earmark.probes.recipe import Recipe, hidden_sizes
from earmark.probes.saved import unpack
from tests.probes.drawn import drawn

RNG = np.random.default_rng(11)


def embeddings(n_rows: int, layers: int = 2, dim: int = 10) -> np.ndarray:
    """Return rows that vary along every axis, by much and by little, around some place."""
    turned = RNG.standard_normal((n_rows, layers * dim)) * np.geomspace(10, 0.1, layers * dim)
    turned = turned @ np.linalg.qr(RNG.standard_normal((layers * dim, layers * dim)))[0] + 5
    rows: np.ndarray = turned.reshape(n_rows, layers, dim).astype(np.float32)
    return rows


@pytest.mark.parametrize("n_rows", [12, 3 * CHUNK + 7])
@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("pca", [5, 0.9])
def test_principal_components_are_those_of_scikit_learn_up_to_sign(
    n_rows: int, standardise: bool, pca: int | float
) -> None:
    train, unseen = embeddings(n_rows), embeddings(40)
    flat, asked = (one.reshape(len(one), -1).astype(float) for one in (train, unseen))
    if standardise:
        scaler = StandardScaler().fit(flat)
        flat, asked = scaler.transform(flat), scaler.transform(asked)
    theirs = PCA(pca, svd_solver="full").fit(flat)
    preparation = Preparation.of(train, standardise, pca)
    ours, expected = preparation(unseen), theirs.transform(asked)
    signs = np.sign((ours * expected).sum(axis=0))
    assert ours == pytest.approx(expected * signs, rel=1e-3, abs=1e-3)
    assert preparation.n_outputs == theirs.n_components_ == ours.shape[1]


@pytest.mark.parametrize("n_rows", [7, 20, 500])
def test_axes_are_orthonormal_and_hold_the_variances_from_large_to_small(n_rows: int) -> None:
    rows = embeddings(n_rows).reshape(n_rows, -1)
    found = principal_axes(rows)
    assert found.axes.shape == (min(n_rows, 20), 20)
    assert found.axes @ found.axes.T == pytest.approx(np.eye(len(found.axes)), abs=1e-10)
    assert (np.diff(found.variances) <= 0).all()
    assert ((rows - found.centre) @ found.axes.T).var(axis=0) == pytest.approx(found.variances, rel=1e-6, abs=1e-9)
    assert found.variances.sum() == pytest.approx(rows.astype(float).var(axis=0).sum())


def test_the_largest_entry_of_every_axis_is_positive() -> None:
    for n_rows in (12, 300):
        axes = principal_axes(embeddings(n_rows).reshape(n_rows, -1)).axes
        assert (np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1) > 0).all()


def test_standardising_is_scikit_learns() -> None:
    train, unseen = embeddings(2 * CHUNK + 1), embeddings(30)
    train[:, 1, 3] = 0.1  # never moves
    theirs = StandardScaler().fit(train.reshape(len(train), -1).astype(float))
    prepared = Preparation.of(train, standardise=True)(unseen)
    expected = theirs.transform(unseen.reshape(30, -1).astype(float))
    others = np.arange(20) != 13
    assert prepared[:, others] == pytest.approx(expected[:, others], abs=1e-4)
    assert prepared[:, 13] == pytest.approx(unseen[:, 1, 3] - 0.1, abs=1e-6)
    assert prepared.dtype == np.float32


def test_with_nothing_to_do_the_rows_are_only_laid_flat() -> None:
    train = embeddings(9)
    assert np.array_equal(Preparation.of(train)(train), train.reshape(9, 20))
    assert np.shares_memory(Preparation.of(train)(train), train)


def test_a_row_is_prepared_alike_in_any_company() -> None:
    train = embeddings(CHUNK + 50)
    preparation = Preparation.of(train, standardise=True, pca=6)
    whole = preparation(train)
    for places in (slice(0, 1), slice(5, 37), slice(CHUNK - 1, None)):
        assert preparation(train[places]) == pytest.approx(whole[places], abs=1e-6)


def test_constant_embeddings_have_axes_without_variance() -> None:
    constant = np.full((30, 1, 6), 0.1, np.float32)
    for pca in (2, 0.5):
        prepared = Preparation.of(constant, standardise=True, pca=pca)(constant)
        assert prepared == pytest.approx(np.zeros_like(prepared), abs=1e-6)


def test_fewer_rows_or_inputs_than_components_are_refused() -> None:
    with pytest.raises(DataError, match=r"at most 8 components, the smaller of 8 training rows and 20 inputs, got 9"):
        Preparation.of(embeddings(8), pca=9)
    with pytest.raises(DataError, match=r"at most 20 components.* 90 training rows.* got 21\. Lower pca"):
        Preparation.of(embeddings(90), pca=21)


def test_embeddings_of_another_shape_are_refused() -> None:
    preparation = Preparation.of(embeddings(9))
    with pytest.raises(DataError, match=r"\(…, 2, 10\), got \(9, 1, 20\).*another representation"):
        preparation(embeddings(9).reshape(9, 1, 20))
    broken = embeddings(9)
    broken[4, 1, 2] = np.inf
    with pytest.raises(DataError, match=r"NaN or infinity in 1 of 9 clips \(rows 4\)"):
        preparation(broken)


def test_no_second_copy_of_all_rows_is_made_in_float64() -> None:
    train = RNG.standard_normal((60_000, 1, 64), dtype=np.float32)
    tracemalloc.start()
    Preparation.of(train, standardise=True, pca=4)(train)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One standardised float32 copy, what comes out, and chunks: a float64 copy alone would be twice the rows.
    assert peak < 1.5 * train.nbytes


def test_chunks_are_all_rows_in_order() -> None:
    rows = np.arange(2 * (2 * CHUNK + 3), dtype=np.float32).reshape(-1, 2)
    places, chunks = zip(*float64_chunks(rows), strict=True)
    assert np.array_equal(np.concatenate(chunks), rows)
    assert all(np.array_equal(rows[place], chunk) for place, chunk in zip(places, chunks, strict=True))
    assert {chunk.dtype for chunk in chunks} == {np.dtype(np.float64)}


def test_inferred_sizes_are_those_behind_the_principal_components() -> None:
    recipe = Recipe(("infer",), pca=6, epochs=1)
    [probe] = fit(drawn("multiclass", dim=20), [Job(recipe, 0)])
    shapes = {array.shape for array in unpack(probe.to_bytes()).arrays.values()}
    [hidden] = hidden_sizes(recipe, 6, 4)
    assert {(6, 20), (6, hidden), (hidden, 4)} <= shapes
