from dataclasses import fields, replace

import numpy as np
import pytest
import safetensors.numpy

from earmark.errors import DataError
from earmark.probes.fit import restore
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.recipe import Recipe
from tests.probes.fitting import fit_seeds, problem_of, same_bits

RNG = np.random.default_rng(3)
EMBEDDINGS = RNG.standard_normal((60, 2, 5), dtype=np.float32)
TARGETS = RNG.integers(3, size=60)
RECIPE = Recipe((7, "infer"), epochs=3, standardise=True)


def fitted(recipe: Recipe = RECIPE) -> NetworkProbe:
    train, valid = (EMBEDDINGS[:40], TARGETS[:40]), (EMBEDDINGS[40:], TARGETS[40:])
    return fit_seeds(problem_of("multiclass", train, valid, 3, ["x", "y", "ž"]), recipe, [2**64 - 1])[0]


@pytest.mark.parametrize("recipe", [RECIPE, Recipe((), epochs=2)])
def test_a_saved_probe_comes_back_to_the_bit(recipe: Recipe) -> None:
    probe = fitted(recipe)
    again = restore(probe.to_bytes())
    assert isinstance(again, NetworkProbe)
    plain = [field.name for field in fields(NetworkProbe) if field.name not in ("weights", "preparation")]
    assert [getattr(again, name) for name in plain] == [getattr(probe, name) for name in plain]
    assert same_bits(again, probe)
    assert again.predict(EMBEDDINGS).tobytes() == probe.predict(EMBEDDINGS).tobytes()


def test_the_same_probe_gives_the_same_bytes() -> None:
    first = fitted().to_bytes()
    assert fitted().to_bytes() == first
    assert restore(first).to_bytes() == first


def test_bytes_that_are_no_whole_probe_are_refused() -> None:
    content = fitted().to_bytes()
    other = safetensors.numpy.save({"weight": np.zeros(3, np.float32)})
    for wrong in (b"", b"RIFF....WAVEfmt ", other, content[:50]):
        with pytest.raises(DataError, match="Expected a probe saved by earmark"):
            restore(wrong)
    with pytest.raises(DataError, match="cut short"):
        restore(content[:-1])


def test_a_format_of_the_future_is_refused() -> None:
    with pytest.raises(DataError, match="format 2, got 3"):
        restore(fitted().to_bytes().replace(rb"\"format\": 2", rb"\"format\": 3"))


def test_predictions_are_probabilities_of_classes() -> None:
    predicted = fitted().predict(EMBEDDINGS)
    assert predicted.shape == (60, 3)
    assert predicted.dtype == np.float32
    assert predicted.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_the_prediction_of_a_clip_does_not_depend_on_the_others() -> None:
    probe = fitted()
    alone = np.concatenate([probe.predict(EMBEDDINGS[i : i + 1]) for i in range(60)])
    assert alone.tobytes() == probe.predict(EMBEDDINGS).tobytes()
    assert probe.predict(EMBEDDINGS[:0]).shape == (0, 3)


def test_a_linear_probe_predicts_the_softmax_of_its_weights() -> None:
    probe = fitted(Recipe((), epochs=2))
    values = EMBEDDINGS.reshape(60, 10) @ probe.weights["dense.0.weight"] + probe.weights["dense.0.bias"]
    expected = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    assert probe.predict(EMBEDDINGS) == pytest.approx(expected, abs=1e-6)


def test_embeddings_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(…, 2, 5\), got \(60, 1, 10\).*another representation"):
        fitted().predict(EMBEDDINGS.reshape(60, 1, 10))
    with pytest.raises(DataError, match="float64"):
        fitted().predict(EMBEDDINGS.astype(np.float64))


def test_the_valid_score_is_that_of_the_best_epoch_and_of_what_is_predicted() -> None:
    probe = fitted()
    kept = probe.history[probe.best_epoch - 1]
    assert (kept.epoch, kept.valid_score) == (probe.best_epoch, probe.valid_score)
    assert probe.valid_score == max(check.valid_score for check in probe.history)
    assert np.mean(probe.predict(EMBEDDINGS[40:]).argmax(axis=1) == TARGETS[40:]) == probe.valid_score


def test_replacing_a_field_leaves_the_probe_as_it_was() -> None:
    probe = fitted()
    assert replace(probe, classes=()).classes == ()
    assert probe.classes == ("x", "y", "ž")
