"""Residual codebooks against brute force and scikit-learn, and what they leave over of planted data."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from earmark.errors import UserError
from earmark.representations.encodecmae import codebooks


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def groups(n_groups: int, n_each: int, dim: int = 6, spread: float = 0.05) -> Tensor:
    """Vectors around centres that are far from each other, shuffled."""
    centres = 20.0 * torch.eye(n_groups, dim) + drawn(n_groups, dim, seed=7)
    points = (centres[:, None] + spread * drawn(n_groups, n_each, dim, seed=8)).flatten(0, 1)
    return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(9))]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_codes_are_those_of_the_nearest_entries_one_codebook_after_the_other() -> None:
    vectors, entries = drawn(300, 5), drawn(3, 16, 5, seed=1)
    naive = torch.empty(300, 3, dtype=torch.long)
    for point, vector in enumerate(vectors.double()):
        left = vector
        for stream, book in enumerate(entries.double()):
            naive[point, stream] = torch.linalg.vector_norm(left - book, dim=1).argmin()
            left = left - book[naive[point, stream]]

    assert torch.equal(codebooks.encode(vectors, entries), naive)


def test_blocks_change_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, entries = drawn(300, 5), drawn(3, 16, 5, seed=1)
    whole = codebooks.encode(vectors, entries)
    monkeypatch.setattr(codebooks, "BLOCK_POINTS", 7)

    assert torch.equal(codebooks.encode(vectors, entries), whole)
    assert torch.equal(codebooks.nearest(vectors, entries[0]), whole[:, 0])


def test_of_entries_that_are_equally_near_the_first_is_taken() -> None:
    entries = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])

    assert codebooks.nearest(torch.tensor([[0.0, 2.0], [0.0, 0.0]]), entries).tolist() == [0, 0]


@pytest.mark.parametrize("n_rounds", [1, 4, 100])
def test_k_means_is_that_of_scikit_learn_from_the_same_beginning(n_rounds: int) -> None:
    vectors, first = drawn(400, 4), drawn(400, 4)[:12]
    theirs = KMeans(12, init=first.numpy(), n_init=1, max_iter=n_rounds, tol=0.0, algorithm="lloyd").fit(
        vectors.numpy()
    )
    ours = codebooks.kmeans(vectors, first, n_rounds)

    assert np.abs(ours.numpy() - theirs.cluster_centers_).max() < 1e-5


def test_an_entry_that_is_nearest_to_nothing_moves_to_the_vector_farthest_from_its_own() -> None:
    vectors = torch.tensor([[0.0], [0.2], [9.0], [10.0], [14.0]])
    first = torch.tensor([[0.0], [10.0], [1000.0]])

    assert codebooks.kmeans(vectors, first, n_rounds=1).flatten().tolist() == pytest.approx([0.1, 11.0, 14.0])
    assert codebooks.kmeans(vectors, first).flatten().tolist() == pytest.approx([0.1, 9.5, 14.0])


def test_planted_groups_are_found() -> None:
    vectors = groups(6, 50)
    found = codebooks.fit(vectors, 1, 6, generator())
    left = codebooks.residuals(vectors, found)

    assert torch.bincount(codebooks.encode(vectors, found)[:, 0]).tolist() == [50] * 6
    assert float(left.explained[0]) > 0.999


def test_the_same_seed_fits_the_same_codebooks_and_another_others() -> None:
    vectors = drawn(500, 4)
    one, again, other = (codebooks.fit(vectors, 2, 8, generator(seed)) for seed in (1, 1, 2))

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_first_entries_are_vectors_that_differ() -> None:
    vectors = drawn(10, 3).repeat(20, 1)
    entries = codebooks.first_entries(vectors, 10, generator())

    assert sorted(entries.tolist()) == sorted(drawn(10, 3).tolist())


def test_first_entries_are_drawn_in_proportion_to_squared_distance() -> None:
    vectors = torch.tensor([[0.0], [1.0], [3.0]])
    chosen = [codebooks.first_entries(vectors, 2, generator(seed)).flatten().tolist() for seed in range(900)]
    second = [float(one[1]) for one in chosen if one[0] == 0.0]

    assert len(second) == pytest.approx(300, abs=60)
    assert second.count(3.0) / len(second) == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize("n_points", [3, 9])
def test_fewer_vectors_than_codes_is_an_error_that_says_so(n_points: int) -> None:
    with pytest.raises(UserError, match=f"got {n_points} vectors for 10 codes. Take more audio, or fewer codes"):
        codebooks.fit(drawn(n_points, 2), 1, 10, generator())


def test_fewer_vectors_that_differ_than_codes_is_an_error_that_says_so() -> None:
    with pytest.raises(UserError, match="at least 5 vectors that differ, got 4 among 40"):
        codebooks.fit(drawn(4, 2).repeat(10, 1), 1, 5, generator())


def planted() -> tuple[Tensor, Tensor]:
    """Vectors that are sums of entries: lengths 8, 4 and 1 along axes of their own, and 0.5 that nothing explains."""
    books = torch.zeros(3, 2, 4)
    for stream, length in enumerate((8.0, 4.0, 1.0)):
        books[stream, :, stream] = torch.tensor([-length, length])
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)
    return signs * torch.tensor([8.0, 4.0, 1.0, 0.5]), books


def test_what_is_left_of_planted_data_is_what_was_planted() -> None:
    found = codebooks.residuals(*planted())
    after = torch.tensor([17.25, 1.25, 0.25], dtype=torch.float64)
    before = torch.tensor([81.25, 17.25, 1.25], dtype=torch.float64)

    assert found.variance == 81.25
    assert found.energies.tolist() == [81.25, 17.25, 1.25, 0.25]
    assert torch.allclose(found.lengths, found.energies.sqrt())
    assert torch.allclose(found.explained, 1.0 - after / 81.25)
    assert torch.allclose(found.gamma(), after / after.sum())
    assert torch.allclose(found.gamma("energy", "before"), before / before.sum())
    assert torch.allclose(found.gamma("length", "before"), before.sqrt() / before.sqrt().sum())


def test_codebooks_that_leave_nothing_have_no_weights() -> None:
    vectors, books = planted()
    with pytest.raises(UserError, match="something left over"):
        codebooks.residuals(vectors * torch.tensor([1.0, 0.0, 0.0, 0.0]), books[:1]).gamma()
