"""The stack against the plain thing: one nn.Sequential, one autograd and one Adam for each probe."""

from itertools import count, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from earmark.nouns import Kind
from earmark.probes.initial import initial
from earmark.probes.networks import LINE, Network, activate, backward, forward, layers, outputs, unpadded, views
from earmark.probes.recipe import Recipe, hidden_sizes
from tests.probes.fitting import fit_seeds, problem_of

N_TRAIN, DIM, N_OUTPUTS = 230, 19, 6
LOSSES: dict[Kind, type[nn.Module]] = {
    "multiclass": nn.CrossEntropyLoss,
    "multilabel": nn.BCEWithLogitsLoss,
    "regression": nn.MSELoss,
}


def material(kind: Kind) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    embeddings = rng.standard_normal((N_TRAIN, 1, DIM), dtype=np.float32)
    values = rng.standard_normal((N_TRAIN, N_OUTPUTS), dtype=np.float32)
    targets = {"multilabel": (values > 0).astype(np.float32), "regression": values}
    return embeddings, targets.get(kind, values.argmax(axis=1))


class Dropout(nn.Module):
    """Silence units by draws from the probe's own generator."""

    def __init__(self, recipe: Recipe, rng: np.random.Generator) -> None:
        super().__init__()
        self.probability, self.rng = recipe.dropout, rng

    def forward(self, units: Tensor) -> Tensor:
        if not self.probability:
            return units
        survives = torch.from_numpy(self.rng.random(tuple(units.shape), np.float32) >= self.probability)
        return units * survives / (1 - self.probability)


def naive(recipe: Recipe, kind: Kind, seed: int, explicit_penalty: bool) -> list[nn.Linear]:
    """Return the linear layers of one probe fitted the plain way, with L2 as weight decay or as a term of the loss."""
    rng = np.random.Generator(np.random.PCG64(seed))
    embeddings, targets = (torch.from_numpy(array) for array in material(kind))
    linears = []
    for fan_in, fan_out in pairwise((DIM, *hidden_sizes(recipe, DIM, N_OUTPUTS), N_OUTPUTS)):
        linear = nn.Linear(fan_in, fan_out)
        limit = np.float32(np.sqrt(6 / (fan_in + fan_out)))
        linear.weight.data = torch.from_numpy((2 * rng.random((fan_in, fan_out), np.float32) - 1) * limit).T.clone()
        linear.bias.data.zero_()
        linears.append(linear)
    network = nn.Sequential(
        *[module for linear in linears for module in (linear, nn.ReLU(), Dropout(recipe, rng))][:-2]
    )
    decay = 0 if explicit_penalty else 2 * recipe.weight_decay
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=1e-7, weight_decay=decay)
    for _ in range(recipe.epochs):
        for rows in torch.split(torch.from_numpy(rng.permutation(N_TRAIN)), recipe.batch_size):
            optimiser.zero_grad()
            loss: Tensor = LOSSES[kind]()(network(embeddings[rows, 0]), targets[rows])
            if explicit_penalty:
                loss = loss + recipe.weight_decay * sum(p.square().sum() for p in network.parameters())
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
    return linears


def assert_same(recipe: Recipe, kind: Kind, explicit_penalty: bool) -> None:
    seeds, rising = [3, 1, 2**64 - 1], count()
    pair = material(kind)
    given = problem_of(kind, pair, pair, N_OUTPUTS, monitor=lambda _targets, _scores: float(next(rising)))
    probes = fit_seeds(given, recipe, seeds)
    for seed, probe in zip(seeds, probes, strict=True):
        assert probe.best_epoch == recipe.epochs
        for depth, linear in enumerate(naive(recipe, kind, seed, explicit_penalty)):
            weight, bias = probe.weights[f"dense.{depth}.weight"], probe.weights[f"dense.{depth}.bias"]
            assert pytest.approx(linear.weight.detach().numpy(), abs=1e-5) == weight.T
            assert bias == pytest.approx(linear.bias.detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("kind", list(LOSSES))
@pytest.mark.parametrize("hidden", [(), (24,), (16, "infer")])
def test_a_stack_of_three_is_three_plain_loops(kind: Kind, hidden: tuple[int, ...]) -> None:
    assert_same(
        Recipe(hidden, weight_decay=1e-3, batch_size=40, epochs=5, standardise_targets=False),
        kind,
        explicit_penalty=False,
    )


def test_dropout_keeps_the_expectation_of_a_unit_as_the_plain_loop_does() -> None:
    assert_same(Recipe((24, 16), batch_size=40, epochs=5, dropout=0.3), "multiclass", explicit_penalty=False)


@pytest.mark.parametrize("kind", list(LOSSES))
def test_weight_decay_is_the_penalty_of_keras_on_kernels_and_biases(kind: Kind) -> None:
    assert_same(
        Recipe((16,), weight_decay=0.02, batch_size=40, epochs=5, standardise_targets=False),
        kind,
        explicit_penalty=True,
    )


def test_glorot_weights_fill_their_range_and_leave_the_padding_and_biases_at_zero() -> None:
    network = Network((100, 45))
    weights = initial(network, "glorot_uniform", np.random.Generator(np.random.PCG64(0)))
    drawn = unpadded(weights, network)["dense.0.weight"]
    limit = np.sqrt(6 / 145)
    assert weights.kernels.shape == (1, 112 * 64)
    assert drawn.shape == (100, 45)
    assert limit * 0.99 < drawn.max() <= limit
    assert -limit <= drawn.min() < -limit * 0.99
    assert float(drawn.std()) == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert torch.count_nonzero(weights.kernels) == torch.count_nonzero(drawn) == 4500
    assert torch.count_nonzero(weights.others) == 0


def test_every_slot_and_part_begins_on_a_cache_line() -> None:
    network = Network((19, 7, 5), batch_norm=True, n_weighed=3, attends=True)
    weights = initial(network, "glorot_uniform", np.random.Generator(np.random.PCG64(0)))
    for flat, parts in zip(weights, network.parts, strict=True):
        for view in views(flat.expand(3, -1).clone(), parts).values():
            assert view.storage_offset() % LINE == 0
            assert view.stride(0) % LINE == 0


def test_the_gradient_by_hand_is_that_of_autograd_with_dropout() -> None:
    network, rng = Network((9, 8, 7, 4)), np.random.Generator(np.random.PCG64(1))
    first = [initial(network, "torch", rng) for _ in range(2)]
    learned = [torch.cat(flats) for flats in zip(*first, strict=True)][:2]
    named = {
        k: v for flat, parts in zip(learned, network.parts[:2], strict=True) for k, v in views(flat, parts).items()
    }
    leaves = {name: view.clone().requires_grad_() for name, view in named.items()}
    drawn = np.random.default_rng(2)
    inputs = torch.from_numpy(drawn.standard_normal((2, 10, LINE), dtype=np.float32))
    dropout = [torch.from_numpy(drawn.integers(2, size=(2, 10, LINE)).astype(np.float32) * 2) for _ in range(2)]
    answer = outputs(network, leaves, inputs, dropout=dropout, is_training=True)
    answer.square().sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    slopes = {name: torch.zeros_like(view) for name, view in named.items()}
    activations = forward(layers(named), inputs, dropout)
    assert torch.allclose(activations[-1], answer)
    backward(layers(named), layers(slopes), activations, 2 * activations[-1], dropout)
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        assert torch.allclose(slopes[name], leaf.grad, rtol=1e-4, atol=1e-5)
        assert slopes[name].abs().max() > 0.1


def test_activations_are_probabilities_of_classes_of_each_label_or_values() -> None:
    given = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert activate("cross_entropy", given).tolist() == [[0.5, 0.5, 0.0]]
    assert activate("binary", given).tolist() == [[0.5, 0.5, 0.0]]
    assert activate("squared", given) is given
