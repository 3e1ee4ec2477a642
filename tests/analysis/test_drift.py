"""How far embeddings move, on embeddings of which the truth is known."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_distances

from earmark.analysis import drift
from earmark.errors import DataError

N, DIM, RESAMPLES = 90, 12, 200
GROUPS = [f"g{clip % 15}" for clip in range(N)]


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def measured(
    clean: np.ndarray, deformed: np.ndarray, groups: list[str] | None = GROUPS, resamples: int = RESAMPLES
) -> dict[str, float]:
    reference = drift.clean(clean, groups, resamples, np.random.default_rng(0))
    return {name: found.value for name, found in drift.against(reference, deformed).items()}


def test_what_does_not_move_is_invariant_and_says_nothing_of_how_it_moves() -> None:
    found = measured(CLEAN, CLEAN)
    assert (found["drift"], found["relative_drift"], found["self_retrieval"]) == (0.0, 0.0, 1.0)
    assert np.isnan([found["equivariance"], found["constant_shift"]]).all()


CLEAN = drawn(1, N, DIM)


@pytest.mark.parametrize("dim", [12, 300])
def test_an_exact_linear_map_is_foreseen_and_is_no_constant_shift(dim: int) -> None:
    clean = drawn(2, N, 8) @ drawn(3, 8, dim)  # of rank 8, so that 72 clips tell the map also in 300 dimensions
    found = measured(clean, clean @ drawn(4, dim, dim))
    assert found["equivariance"] > 0.999
    assert abs(found["constant_shift"]) < 0.1


def test_a_constant_shift_is_foreseen_by_both() -> None:
    found = measured(CLEAN, CLEAN + np.arange(DIM))
    assert found["constant_shift"] == pytest.approx(1)
    assert found["equivariance"] == pytest.approx(1)


def test_noise_is_not_foreseen() -> None:
    found = measured(CLEAN, CLEAN + 0.3 * drawn(5, N, DIM))
    assert abs(found["constant_shift"]) < 0.1
    assert found["equivariance"] < 0.1


def test_half_of_the_displacement_is_half_foreseen() -> None:
    turned = CLEAN @ drawn(6, DIM, DIM)
    noise = drawn(7, N, DIM)
    deformed = CLEAN + turned + noise * np.sqrt((turned**2).sum() / (noise**2).sum())
    assert measured(CLEAN, deformed)["equivariance"] == pytest.approx(0.45, abs=0.1)


def test_what_only_groups_foretell_is_not_foreseen() -> None:
    """Each group moves its own way: a map that saw some of its clips would know where the others went."""
    clean = np.repeat(drawn(8, 15, 40), 6, axis=0) + 0.01 * drawn(9, N, 40)
    names = [f"g{clip // 6}" for clip in range(N)]
    deformed = clean + np.repeat(drawn(10, 15, 40), 6, axis=0)
    assert measured(clean, deformed, names)["equivariance"] < 0.1
    assert measured(clean, deformed, None)["equivariance"] > 0.9


def test_drift_and_its_measure_are_those_of_scikit_learn() -> None:
    deformed = CLEAN + 0.5 * drawn(11, N, DIM)
    between = cosine_distances(CLEAN)[~np.eye(N, dtype=bool)].mean()
    own = np.diag(cosine_distances(CLEAN, deformed)).mean()
    found = measured(CLEAN, deformed)
    assert found["drift"] == pytest.approx(own)
    assert found["relative_drift"] == pytest.approx(own / between)


def test_another_clip_in_its_place_has_a_relative_drift_of_one_and_is_never_retrieved() -> None:
    found = measured(CLEAN, np.roll(CLEAN, 1, axis=0))
    assert found["relative_drift"] == pytest.approx(1, abs=0.1)
    assert found["self_retrieval"] == 0


def test_retrieval_counts_clips_whose_nearest_is_their_own() -> None:
    deformed = CLEAN.copy()
    deformed[:30] = CLEAN[30:60]
    assert measured(CLEAN, deformed)["self_retrieval"] == pytest.approx(60 / N)


def test_embeddings_that_are_all_alike_retrieve_by_chance_and_have_no_relative_drift() -> None:
    found = measured(np.ones((N, DIM)), np.ones((N, DIM)))
    assert found["self_retrieval"] == pytest.approx(1 / N)
    assert found["drift"] == 0
    assert np.isnan(found["relative_drift"])


def test_silence_is_near_to_silence_and_far_from_all_else() -> None:
    clean, deformed = np.eye(4), np.eye(4)
    clean[0] = deformed[0] = deformed[1] = 0
    assert measured(clean, deformed, None)["drift"] == pytest.approx(1 / 4)


def test_blocks_of_memory_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    deformed = CLEAN + 0.5 * drawn(12, N, DIM)
    whole = measured(CLEAN, deformed)
    monkeypatch.setattr(drift, "CHUNK_BYTES", 8 * N * 7)
    assert measured(CLEAN, deformed) == pytest.approx(whole)


def test_scale_changes_no_measure() -> None:
    deformed = CLEAN + 0.5 * drawn(13, N, DIM)
    assert measured(1e-6 * CLEAN, 1e-6 * deformed) == pytest.approx(measured(CLEAN, deformed))


def test_intervals_hold_their_values_and_are_wider_where_groups_are_drawn() -> None:
    moves = np.repeat(drawn(14, 15, DIM), 6, axis=0)
    names = [f"g{clip // 6}" for clip in range(N)]
    widths = []
    for groups in (names, None):
        reference = drift.clean(CLEAN, groups, 400, np.random.default_rng(0))
        found = drift.against(reference, CLEAN + moves)
        for name in drift.MEASURES:
            assert found[name].interval.low <= found[name].value <= found[name].interval.high
        widths.append(found["drift"].interval.high - found["drift"].interval.low)
        assert ("15 groups" if groups else "90 clips") in found["drift"].interval.method
    assert widths[0] > 1.2 * widths[1]


def test_where_all_are_retrieved_the_interval_is_exact() -> None:
    found = drift.against(drift.clean(CLEAN, GROUPS, 50, np.random.default_rng(0)), CLEAN)["self_retrieval"]
    assert found.interval.method == "Clopper–Pearson over 15 groups"
    assert found.interval.low == pytest.approx(0.025 ** (1 / 15))


def test_one_clip_alone_has_a_drift_and_no_more() -> None:
    found = measured(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), None)
    assert found["drift"] == pytest.approx(1)
    assert np.isnan([found[name] for name in ("relative_drift", "equivariance", "constant_shift")]).all()


def test_wrong_embeddings_are_refused_with_what_was_expected() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match=r"Expected embeddings \(clips, dim\) of at least one clip, got shape \(0, 3\)"):
        drift.clean(np.empty((0, 3)), None, 10, rng)
    with pytest.raises(DataError, match="Expected finite embeddings, got NaN or infinity"):
        drift.clean(np.full((2, 3), np.nan), None, 10, rng)
    with pytest.raises(DataError, match=r"Expected deformed embeddings of shape \(90, 12\), .* got \(90, 11\)"):
        drift.against(drift.clean(CLEAN, None, 10, rng), CLEAN[:, :11])


def test_two_clips_foresee_no_more_than_their_shift() -> None:
    """All penalties have one error then, and rounding must not choose: three clips leave two to fit on."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        embeddings, deformed = rng.normal(size=(2, 3, 4))
        found = drift.against(drift.clean(embeddings, None, 20, rng), deformed)
        assert found["equivariance"].value == pytest.approx(found["constant_shift"].value, abs=1e-12)
