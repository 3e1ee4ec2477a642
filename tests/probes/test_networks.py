"""The stack against the plain thing: one nn.Sequential, one autograd and one Adam for each probe."""

from itertools import count, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from earmark.nouns import Kind
from earmark.probes.fit import fit
from earmark.probes.networks import WIDTH, activate, backward, forward, glorot, layers, n_parameters
from earmark.probes.recipe import Recipe, hidden_sizes

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
    probes = fit(recipe, kind, pair, pair, N_OUTPUTS, seeds, monitor=lambda _targets, _scores: float(next(rising)))
    for seed, probe in zip(seeds, probes, strict=True):
        assert probe.best_epoch == recipe.epochs
        for linear, dense in zip(naive(recipe, kind, seed, explicit_penalty), probe.layers, strict=True):
            assert pytest.approx(linear.weight.detach().numpy(), abs=1e-5) == dense.weight.T
            assert dense.bias == pytest.approx(linear.bias.detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("kind", list(LOSSES))
@pytest.mark.parametrize("hidden", [(), (24,), (16, "infer")])
def test_a_stack_of_three_is_three_plain_loops(kind: Kind, hidden: tuple[int, ...]) -> None:
    assert_same(Recipe(hidden, weight_decay=1e-3, batch_size=40, epochs=5), kind, explicit_penalty=False)


def test_dropout_keeps_the_expectation_of_a_unit_as_the_plain_loop_does() -> None:
    assert_same(Recipe((24, 16), batch_size=40, epochs=5, dropout=0.3), "multiclass", explicit_penalty=False)


@pytest.mark.parametrize("kind", list(LOSSES))
def test_weight_decay_is_the_penalty_of_keras_on_kernels_and_biases(kind: Kind) -> None:
    assert_same(Recipe((16,), weight_decay=0.02, batch_size=40, epochs=5), kind, explicit_penalty=True)


def test_glorot_weights_fill_their_range_and_leave_the_padding_and_biases_at_zero() -> None:
    sizes = (100, 45)
    flat = glorot(sizes, np.random.Generator(np.random.PCG64(0)))
    [layer] = layers(flat[None], sizes)
    limit = np.sqrt(6 / 145)
    drawn = layer.weight[0, :100, :45]
    assert flat.shape == (n_parameters(sizes),) == ((128 + 1) * 64,)
    assert limit * 0.99 < drawn.max() <= limit
    assert -limit <= drawn.min() < -limit * 0.99
    assert float(drawn.std()) == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert torch.count_nonzero(flat) == torch.count_nonzero(drawn) == 4500


def test_every_slot_and_layer_begins_on_a_multiple_of_the_width() -> None:
    sizes = (19, 7, 5)
    flat = torch.zeros(3, n_parameters(sizes))
    for layer in layers(flat, sizes):
        for view in layer:
            assert view.storage_offset() % WIDTH == 0
            assert view.stride(0) % WIDTH == 0


def test_the_gradient_by_hand_is_that_of_autograd_with_dropout() -> None:
    sizes, rng = (9, 8, 7, 4), np.random.Generator(np.random.PCG64(1))
    flat = torch.stack([glorot(sizes, rng), glorot(sizes, rng)]).requires_grad_()
    drawn = np.random.default_rng(2)
    inputs = torch.from_numpy(drawn.standard_normal((2, 10, WIDTH), dtype=np.float32))
    dropout = [torch.from_numpy(drawn.integers(2, size=(2, 10, WIDTH)).astype(np.float32) * 2) for _ in range(2)]
    values = inputs
    for depth, layer in enumerate(layers(flat, sizes)):
        values = values @ layer.weight + layer.bias
        values = values if depth == 2 else values.relu() * dropout[depth]
    values.square().sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert flat.grad is not None
    stack, gradient = layers(flat.detach(), sizes), torch.zeros_like(flat.detach())
    activations = forward(stack, inputs, dropout)
    backward(stack, layers(gradient, sizes), activations, 2 * activations[-1], dropout)
    assert torch.allclose(gradient, flat.grad, rtol=1e-4, atol=1e-5)
    assert gradient.abs().max() > 0.1


def test_activations_are_probabilities_of_classes_of_each_label_or_values() -> None:
    outputs = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert activate("key", outputs).tolist() == [[0.5, 0.5, 0.0]]
    assert activate("multilabel", outputs).tolist() == [[0.5, 0.5, 0.0]]
    assert activate("regression", outputs) is outputs
