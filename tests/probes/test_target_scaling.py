"""A regression learns its targets in standard deviations and predicts them in their own unit."""

import numpy as np
import pytest

from earmark.probes.base import Examples, Job, Problem
from earmark.probes.fit import fit, restore
from earmark.probes.recipe import Recipe

RNG = np.random.default_rng(5)
EMBEDDINGS = RNG.standard_normal((300, 1, 12), dtype=np.float32)
VALUES = EMBEDDINGS[:, 0] @ RNG.standard_normal((12, 2)) * np.array([8.0, 0.01]) + np.array([-30.0, 2000.0])


def problem(values: np.ndarray = VALUES) -> Problem:
    values = values.astype(np.float32)
    return Problem("regression", Examples(EMBEDDINGS[:200], values[:200]), Examples(EMBEDDINGS[200:], values[200:]), 2)


def test_values_far_from_zero_are_learned_and_predicted_in_their_unit() -> None:
    [probe] = fit(problem(), [Job(Recipe(learning_rate=0.01), 0)])
    found = probe.predict(EMBEDDINGS[200:])
    assert probe.valid_score > 0.95
    np.testing.assert_allclose(found.mean(axis=0), VALUES[200:].mean(axis=0), atol=1.0)
    [raw] = fit(problem(), [Job(Recipe(learning_rate=0.01, standardise_targets=False), 0)])
    assert raw.valid_score < 0


def test_another_unit_gives_the_same_probe_in_that_unit() -> None:
    [metres], [feet] = (fit(problem(scale * VALUES), [Job(Recipe(epochs=5), 3)]) for scale in (1.0, 4.0))
    np.testing.assert_allclose(feet.predict(EMBEDDINGS), 4 * metres.predict(EMBEDDINGS), rtol=1e-5)


def test_a_saved_probe_predicts_in_the_unit_too() -> None:
    [probe] = fit(problem(), [Job(Recipe((8,), epochs=3), 1)])
    np.testing.assert_array_equal(restore(probe.to_bytes()).predict(EMBEDDINGS), probe.predict(EMBEDDINGS))


def test_a_value_that_never_varies_is_predicted_as_it_is() -> None:
    values = VALUES.copy()
    values[:, 1] = 7.0
    [probe] = fit(problem(values), [Job(Recipe(epochs=30, learning_rate=0.01), 0)])
    assert probe.predict(EMBEDDINGS)[:, 1] == pytest.approx(7.0, abs=1.0)


def test_company_does_not_matter_across_recipes_with_and_without_scaling() -> None:
    jobs = [Job(Recipe(epochs=2), 0), Job(Recipe(epochs=2, standardise_targets=False), 0), Job(Recipe(epochs=2), 9)]
    together = fit(problem(), jobs)
    for job, probe in zip(jobs, together, strict=True):
        [alone] = fit(problem(), [job])
        assert alone.predict(EMBEDDINGS).tobytes() == probe.predict(EMBEDDINGS).tobytes()
