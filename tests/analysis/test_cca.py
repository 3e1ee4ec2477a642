"""Similarity of views: against the definitions by QR and Gram matrices, another implementation, and chance itself."""

import itertools
import json

import numpy as np
import pytest

from earmark.analysis import cca, stats
from earmark.analysis.cca import Covariances, Moments, Weighting
from earmark.errors import UserError
from tests.golden.repsim.make import GOLDEN, views

Array = np.ndarray
N = 400


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def related(dim_x: int, dim_y: int, seed: int = 0) -> tuple[Array, Array]:
    """Return two views of which each holds something of the other, of uneven variances and far from zero."""
    drawn = rng(seed)
    shared = drawn.standard_normal((N, 4))
    x, y = (
        (shared @ drawn.standard_normal((4, dim)) + drawn.standard_normal((N, dim))) * np.geomspace(3, 0.1, dim) + 5
        for dim in (dim_x, dim_y)
    )
    return x, y


def mixing(dim: int, seed: int) -> Array:
    """Return an invertible map: a rotation, and a scale from 1 to 5 for each direction."""
    return np.asarray(np.linalg.qr(rng(seed).standard_normal((dim, dim)))[0] * np.geomspace(1, 5, dim))


def by_qr(x: Array, y: Array, weighting: Weighting) -> float:
    """PWCCA as Morcos et al. define it, by QR decompositions of the whole centred views."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    bases = np.linalg.qr(x)[0], np.linalg.qr(y)[0]
    u, rho, v = np.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    scores = {}
    for name, view, variates in (("x", x, bases[0] @ u), ("y", y, bases[1] @ v.T)):
        alpha = np.abs(view.T @ variates).sum(axis=0)
        scores[name] = float(alpha @ rho / alpha.sum())
    scores["mean"] = (scores["x"] + scores["y"]) / 2
    scores["smaller"] = scores["x" if x.shape[1] <= y.shape[1] else "y"]
    return scores[weighting]


def test_the_helper_by_qr_knows_that_a_view_is_itself() -> None:
    x, _ = related(5, 5)
    assert by_qr(x, x, "x") == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("weighting", ["x", "y", "smaller", "mean"])
@pytest.mark.parametrize("dims", [(6, 9), (9, 6), (7, 7)])
def test_pwcca_from_covariances_is_that_of_the_definition_by_qr(dims: tuple[int, int], weighting: Weighting) -> None:
    x, y = related(*dims)
    assert cca.pwcca(cca.covariances(x, y), weighting) == pytest.approx(by_qr(x, y, weighting), abs=1e-10)


def test_pwcca_and_linear_cka_are_those_of_repsim() -> None:
    golden, both = json.loads(GOLDEN.read_text()), cca.covariances(*views())
    assert cca.pwcca(both, "mean") == pytest.approx(golden["pwcca"], abs=1e-10)
    assert cca.cka(both) == pytest.approx(golden["cka"], abs=1e-10)


def test_svcca_is_the_mean_correlation_of_what_holds_99_percent_of_the_variance() -> None:
    x, y = related(12, 15)
    kept = []
    for view in (x, y):
        u, s, _ = np.linalg.svd(view - view.mean(axis=0), full_matrices=False)
        kept.append(u[:, : int(np.argmax(np.cumsum(s**2) / (s**2).sum() >= 0.99)) + 1])
    assert kept[0].shape[1] < 12
    expected = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean()
    assert cca.svcca(cca.covariances(x, y)) == pytest.approx(expected, abs=1e-10)


def test_svcca_of_the_whole_variance_is_mean_cca() -> None:
    both = cca.covariances(*related(6, 9))
    assert cca.svcca(both, 1.0) == pytest.approx(cca.cca(both), abs=1e-12)


def test_linear_cka_is_that_of_centred_gram_matrices() -> None:
    x, y = related(6, 9)
    centring = np.eye(N) - 1 / N
    k, m = centring @ (x @ x.T) @ centring, centring @ (y @ y.T) @ centring
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert cca.cka(cca.covariances(x, y)) == pytest.approx(expected, abs=1e-10)


def test_invertible_maps_of_the_view_that_does_not_weigh_and_shifts_of_both_change_no_pwcca() -> None:
    x, y = related(6, 9)
    mapped = y @ mixing(9, 1) + 100.0
    before, after = cca.covariances(x, y), cca.covariances(x - 40.0, mapped)
    assert cca.pwcca(after, "x") == pytest.approx(cca.pwcca(before, "x"), abs=1e-9)
    assert cca.pwcca(after, "y") != pytest.approx(cca.pwcca(before, "y"), abs=1e-3)


def test_invertible_maps_of_both_views_change_no_mean_cca() -> None:
    x, y = related(6, 9)
    mapped = cca.covariances(x @ mixing(6, 1) - 3, y @ mixing(9, 2) + 7)
    assert cca.cca(mapped) == pytest.approx(cca.cca(cca.covariances(x, y)), abs=1e-9)


def test_rotations_and_one_scale_change_no_cka() -> None:
    x, y = related(6, 9)
    turned = 3.0 * y @ np.linalg.qr(rng(1).standard_normal((9, 9)))[0] + 1
    assert cca.cka(cca.covariances(x, turned)) == pytest.approx(cca.cka(cca.covariances(x, y)), abs=1e-12)


@pytest.mark.parametrize("measure", ["pwcca", "svcca", "cca", "cka"])
def test_a_view_is_wholly_like_itself(measure: cca.Measure) -> None:
    x, _ = related(6, 9)
    assert cca.measured(cca.covariances(x, x), measure) == pytest.approx(1.0, abs=1e-9)


def test_a_view_that_is_another_mapped_is_wholly_told_by_it() -> None:
    x, _ = related(6, 9)
    assert cca.pwcca(cca.covariances(x, x @ rng(3).standard_normal((6, 11)))) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("measure", ["pwcca", "svcca", "cca"])
def test_a_direction_that_is_only_rounding_changes_nothing(measure: cca.Measure) -> None:
    x, y = related(6, 9)
    doubled = np.concatenate([y, y[:, :2]], axis=1)  # two of its directions are null
    noisy = np.concatenate([y, np.full((N, 1), 0.5) + 1e-9 * rng(4).standard_normal((N, 1))], axis=1)
    expected = cca.measured(cca.covariances(x, y), measure, "x")
    for other in (noisy, doubled) if measure != "svcca" else (noisy,):
        assert cca.measured(cca.covariances(x, other), measure, "x") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("measure", ["pwcca", "svcca", "cca", "cka"])
def test_against_a_view_that_never_changes_there_is_no_number(measure: cca.Measure) -> None:
    x, _ = related(6, 9)
    assert np.isnan(cca.measured(cca.covariances(x, np.full((N, 3), 7.0)), measure, "mean"))


@pytest.mark.parametrize("sizes", [(400,), (1, 399), (150, 0, 249, 1), (1,) * 400])
def test_pieces_give_the_covariances_of_the_whole_far_from_zero_too(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cca, "BLOCK_FRAMES", 100)
    x, y = related(4, 6)
    x = x + 1e4
    moments, at = Moments([(0, 1)]), 0
    for size in sizes:
        moments.add((x[at : at + size], y[at : at + size]))
        at += size
    found = moments.covariances(0, 1)
    exact = np.cov(x, y, rowvar=False, bias=True)
    assert found.n == N
    np.testing.assert_allclose(found.xx, exact[:4, :4], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.yy, exact[4:, 4:], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.xy, exact[:4, 4:], rtol=1e-9, atol=1e-9)


def test_several_views_are_gathered_at_once() -> None:
    x, y = related(4, 6)
    moments = Moments([(0, 1), (2, 1)])
    moments.add((x, y, x[::-1]))
    assert moments.n == N
    assert cca.cca(moments.covariances(0, 1)) == pytest.approx(cca.cca(cca.covariances(x, y)), abs=1e-12)
    assert cca.cca(moments.covariances(2, 1)) == pytest.approx(cca.cca(cca.covariances(x[::-1], y)), abs=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros((4, 2)), "Expected views of the same frames, got 3, 4 frames."),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "Expected finite numbers in every frame, got NaN or infinity."),
        (np.zeros((1, 2)), np.zeros((1, 2)), "Expected at least 2 frames to compare views by, got 1."),
    ],
)
def test_views_that_cannot_be_compared_are_refused(x: Array, y: Array, message: str) -> None:
    with pytest.raises(UserError, match=message):
        cca.covariances(x, y)


@pytest.mark.parametrize(("n", "expected"), [(2_000, 0.579), (8_000, 0.283), (32_835, 0.139)])
def test_chance_is_far_above_zero_at_the_size_of_the_paper(n: int, expected: float) -> None:
    # The numbers: independent Gaussians that were really drawn and streamed, 512 x 768, another seed.
    assert cca.cca(cca.independent(n, 512, 768, rng())) == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize("n", [60, 8])  # 8: fewer frames than dimensions
@pytest.mark.parametrize("measure", ["pwcca", "cca", "cka"])
def test_chance_without_streaming_is_distributed_as_that_of_frames_that_were_drawn(
    measure: cca.Measure, n: int
) -> None:
    ours, drawn = rng(1), rng(2)
    found = [cca.measured(cca.independent(n, 4, 6, ours), measure) for _ in range(400)]
    streamed = [
        cca.measured(cca.covariances(drawn.standard_normal((n, 4)), drawn.standard_normal((n, 6))), measure)
        for _ in range(400)
    ]
    error = np.hypot(np.std(found), np.std(streamed)) / np.sqrt(400)
    assert np.mean(found) == pytest.approx(np.mean(streamed), abs=4 * error + 1e-9)


def test_coloured_chance_is_that_of_gaussians_with_such_covariances() -> None:
    scales = np.geomspace(10, 0.01, 20)
    like = Covariances(50, np.diag(scales**2), np.diag(scales**2), np.zeros((20, 20)))
    ours, drawn = rng(1), rng(2)
    found = [cca.cka(cca.coloured(cca.independent(50, 20, 20, ours), like)) for _ in range(300)]
    pairs = [(drawn.standard_normal((50, 20)) * scales, drawn.standard_normal((50, 20)) * scales) for _ in range(300)]
    streamed = [cca.cka(cca.covariances(*pair)) for pair in pairs]
    error = np.hypot(np.std(found), np.std(streamed)) / np.sqrt(300)
    assert np.mean(found) == pytest.approx(np.mean(streamed), abs=4 * error)
    assert np.mean(found) < 0.5 * cca.cka(cca.independent(50, 20, 20, rng(3)))


def test_coloured_chance_has_the_mean_correlation_of_plain_chance() -> None:
    x, y = related(6, 9)
    noise = cca.independent(N, 6, 9, rng())
    assert cca.cca(cca.coloured(noise, cca.covariances(x, y))) == pytest.approx(cca.cca(noise), abs=1e-9)


def test_parts_together_are_the_whole_and_without_one_the_rest() -> None:
    x, y = related(4, 6)
    x, ends = x + 1e4, (0, 300, 301, N)
    parts = []
    for first, end in itertools.pairwise(ends):
        parts.append(Moments([(0, 1)]))
        parts[-1].add((x[first:end], y[first:end]))
    empty = Moments([(0, 1)])
    for some, own_x, own_y in (
        (parts, x, y),
        ([parts[0], empty, parts[2]], np.delete(x, 300, 0), np.delete(y, 300, 0)),
    ):
        found = cca.together(some, 0, 1)
        exact = np.cov(own_x, own_y, rowvar=False, bias=True)
        assert found.n == len(own_x)
        np.testing.assert_allclose(found.xx, exact[:4, :4], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.yy, exact[4:, 4:], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.xy, exact[:4, 4:], rtol=1e-9, atol=1e-9)


def test_leaving_parts_out_holds_a_correlation_that_drawing_twice_lies_above() -> None:
    """40 recordings of 5 sounds, 20 frames alike each: PWCCA rises when fewer of them are different."""
    rng = np.random.default_rng(0)
    into = 0.3 * rng.standard_normal((24, 30))

    def heard() -> tuple[Array, Array]:
        x = rng.standard_normal((5, 24)).repeat(20, axis=0) + 0.3 * rng.standard_normal((100, 24))
        return x, x @ into + rng.standard_normal((5, 30)).repeat(20, axis=0)

    def score(some: list[tuple[Array, Array]]) -> float:
        x, y = (np.concatenate(views) for views in zip(*some, strict=True))
        return cca.pwcca(cca.covariances(x, y))

    sets = [[heard() for _ in range(40)] for _ in range(8)]
    expected = float(np.mean([score(one) for one in sets]))
    for one in sets:
        value = score(one)
        drawn = [score([one[place] for place in rng.integers(0, 40, 40)]) for _ in range(40)]
        without = [score([piece for place, piece in enumerate(one) if place % 8 != part]) for part in range(8)]
        assert min(drawn) > value
        assert stats.jackknife(value, without).low < expected < stats.jackknife(value, without).high
