"""The weights of some slots, one step for all of them, and the predictions of each."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adam import adam

from earmark.probes.batches import Batch, Inputs
from earmark.probes.networks import Network, Weights, activate, backward, forward, layers, outputs, rows_at, views
from earmark.probes.recipe import Loss

SMALLEST = torch.finfo(torch.float32).tiny


class Rate(NamedTuple):
    """How a slot takes its next step: Adam's rate and epsilon, and what of the weights is added to the gradient."""

    learning_rate: float
    epsilon: float
    kernel_decay: float
    other_decay: float


class Stack:
    """Some slots of one network and one loss: the weights, their gradients and the two moments of Adam.

    A plain network goes through the gradient written by hand; any other through autograd, whose leaves are views of
    the flat tensors here. It lives on the device of its weights.
    """

    def __init__(self, network: Network, loss: Loss, weights: Weights) -> None:
        self.network, self.loss, self.weights = network, loss, weights
        learned = (weights.kernels, weights.others)
        self.gradients, self.first, self.second = ([torch.zeros_like(flat) for flat in learned] for _ in range(3))
        self.n_steps = 0
        self.named = self._views(weights)
        self.layers = layers(self.named)
        slopes = [views(flat, parts) for flat, parts in zip(self.gradients, network.parts, strict=False)]
        self.slopes = slopes[0] | slopes[1]
        self.slope_layers = layers(self.slopes)
        if not network.is_plain:
            for name in self.slopes:
                self.named[name].requires_grad_()

    def step(self, batch: Batch, targets: Tensor, dropout: Sequence[Tensor], rates: Sequence[Rate]) -> Tensor:
        """Take one step, each slot at its rate; return the mean loss of each slot's batch before it, float32.

        `targets`: (slots, batch) class indices for cross_entropy, else (slots, batch, outputs), padded with zeros.
        """
        if self.network.is_plain:
            activations = forward(self.layers, batch.values, dropout)
            losses, error = self._error(activations[-1], targets)
            backward(self.layers, self.slope_layers, activations, error, dropout)
        else:
            answer = outputs(self.network, self.named, *batch, dropout, is_training=True)
            losses, error = self._error(answer.detach().clone(), targets)
            found = torch.autograd.grad(answer, [self.named[name] for name in self.slopes], error)
            for slope, gradient in zip(self.slopes.values(), found, strict=True):
                slope.copy_(gradient)
        self._adam(rates)
        return losses

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> Float[Tensor, "slots clips outputs"]:
        """Return the outputs of every slot for inputs that all share, padded."""
        shared = [batch.shared_by(len(self.weights.kernels)) for batch in inputs.blocks()]
        if self.network.is_plain:
            return torch.cat([forward(self.layers, one.values)[-1] for one in shared], dim=1)
        return torch.cat([outputs(self.network, self.named, *one) for one in shared], dim=1)

    def only(self, keep: Sequence[int]) -> "Stack":
        """Return a stack of some of the slots, mid-way as they are."""
        fewer = Stack(self.network, self.loss, self.weights.of(keep))
        moments = (self.first, self.second)
        fewer.first, fewer.second = ([rows_at(flat, keep) for flat in flats] for flats in moments)
        fewer.n_steps = self.n_steps
        return fewer

    def _views(self, weights: Weights) -> dict[str, Tensor]:
        pairs = zip(weights, self.network.parts, strict=True)
        return {name: view for flat, parts in pairs for name, view in views(flat, parts).items()}

    def _error(self, answer: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return each slot's mean loss, and the gradient of it by the outputs, which are overwritten."""
        n_batch, n_outputs = answer.shape[1], self.network.sizes[-1]
        if self.loss == "squared":
            error = answer.sub_(targets)
            return error.square().sum(dim=(1, 2)) / (n_batch * n_outputs), error.mul_(2 / (n_batch * n_outputs))
        # For both of these the gradient by the outputs is probability − target, scaled.
        # Padding must come out as 0 and take nothing from the sum of a softmax.
        answer[..., n_outputs:] = -torch.inf
        error = activate(self.loss, answer)
        if self.loss == "binary":
            right = 1 - error.sub_(targets).abs()
            return -right.clamp_(SMALLEST).log_().sum(dim=(1, 2)) / (n_batch * n_outputs), error.mul_(
                1 / (n_batch * n_outputs)
            )
        places = targets.unsqueeze(-1)
        right = error.gather(2, places)
        error.scatter_(2, places, right - 1)
        return -right.clamp_(SMALLEST).log_().mean(dim=(1, 2)), error.mul_(1 / n_batch)

    @torch.no_grad()
    def _adam(self, rates: Sequence[Rate]) -> None:
        """Step every run of neighbours with one rate at once: elementwise, so the same as each by itself."""
        start = 0
        for rate, run in groupby(rates):
            end = start + len(list(run))
            if rate.kernel_decay == rate.other_decay:
                self._adam_of((0, 1), slice(start, end), rate, rate.kernel_decay)
            else:
                self._adam_of((0,), slice(start, end), rate, rate.kernel_decay)
                self._adam_of((1,), slice(start, end), rate, rate.other_decay)
            start = end
        self.n_steps += 1

    def _adam_of(self, which: Sequence[int], run: slice, rate: Rate, decay: float) -> None:
        flats = (self.weights[:2], self.gradients, self.first, self.second)
        weights, gradients, first, second = ([flat[one][run] for one in which] for flat in flats)
        # torch counts the steps of each tensor by itself.
        steps = [torch.full((), float(self.n_steps), device=self.weights.kernels.device) for _ in which]
        adam(
            weights,
            gradients,
            first,
            second,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate.learning_rate,
            weight_decay=decay,
            eps=rate.epsilon,
            maximize=False,
        )
