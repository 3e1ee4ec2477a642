"""A saved probe as a torch module that a graph can hold: pooling, layers, standardisation, axes, and the fit."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.experiment.spec import RepresentationChoice
from earmark.probes import networks, ridge
from earmark.probes.base import Fitted
from earmark.probes.linear_probe import LinearProbe
from earmark.probes.monitors import loss_of
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.preparation import Preparation
from earmark.probes.select import Selected


class Answering(nn.Module):
    """(1, layers, frames, dim) of all layers → (1, outputs), as `predict` says them."""

    def __init__(self, fitted: Fitted, choice: RepresentationChoice) -> None:
        super().__init__()
        self.choice, self.layer = choice, None
        while isinstance(fitted, Selected):
            self.layer = fitted.chosen.layer if self.layer is None else self.layer
            fitted = fitted.fitted
        if isinstance(fitted, LinearProbe):
            self.fit: nn.Module = _Linear(fitted)
        elif isinstance(fitted, NetworkProbe) and fitted.recipe.pool_frames == "none":
            self.fit = _Network(fitted)
        else:
            raise UserError(
                f"A graph can hold probes of the kinds mlp, logistic and ridge that see one vector a clip, and not "
                f"'{type(fitted).__name__}'. Export the representation alone, and use earmark predict."
            )

    def forward(self, answer: Float[Tensor, "1 layers frames dim"]) -> Float[Tensor, "1 outputs"]:
        """Return what the probe says of the mean over frames."""
        # float64, as in `predict`: a probe that divides by small deviations makes much of a last digit.
        exact = answer.double()
        chosen = exact if self.choice.layers is None else exact[:, list(self.choice.layers)]
        mean = chosen.mean(2)
        pooled = {"mean": mean, "std": (chosen - mean[:, :, None]).square().mean(2).sqrt()}
        seen = torch.cat([pooled[name] for name in self.choice.pool], dim=-1)
        if self.choice.reduce == "mean":
            seen = seen.mean(1, keepdim=True)
        seen = seen if self.layer is None else seen[:, self.layer : self.layer + 1]
        said: Tensor = self.fit(seen.flatten(1)).float()
        return said


class _Prepared(nn.Module):
    """Standardised and turned onto principal axes, where the probe was."""

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        for name in ("mean", "std", "centre", "axes"):
            array = getattr(preparation, name)
            self.register_buffer(name, None if array is None else _tensor(array))

    def forward(self, seen: Float[Tensor, "1 inputs"]) -> Float[Tensor, "1 prepared"]:
        held: Any = self
        seen = seen if held.mean is None else (seen - held.mean) / held.std
        return seen if held.axes is None else (seen - held.centre) @ held.axes.T


class _Linear(nn.Module):
    def __init__(self, fitted: LinearProbe) -> None:
        super().__init__()
        self.prepared, self.kind, self.curve = _Prepared(fitted.preparation), fitted.kind, fitted.curve
        self.register_buffer("weight", _tensor(fitted.weight))
        self.register_buffer("bias", _tensor(fitted.bias))

    def forward(self, seen: Float[Tensor, "1 inputs"]) -> Float[Tensor, "1 outputs"]:
        held: Any = self
        sums: Tensor = self.prepared(seen) @ held.weight + held.bias
        if self.curve is ridge.curve:
            if self.kind == "regression":
                return sums
            return torch.sigmoid(4 * sums - 2) if self.kind == "multilabel" else torch.softmax(2 * sums, -1)
        return torch.sigmoid(sums) if self.kind == "multilabel" else torch.softmax(sums, -1)


class _Network(nn.Module):
    def __init__(self, fitted: NetworkProbe) -> None:
        super().__init__()
        self.prepared, self.network = _Prepared(fitted.preparation), fitted.network
        self.loss = loss_of(fitted.recipe.loss, fitted.kind)
        self.names = tuple(fitted.weights)
        for number, array in enumerate(fitted.weights.values()):
            one = _tensor(array)
            self.register_buffer(f"part_{number}", one[None] if one.ndim == 2 else one[None, None])

    def forward(self, seen: Float[Tensor, "1 inputs"]) -> Float[Tensor, "1 outputs"]:
        named = {name: self.get_buffer(f"part_{number}") for number, name in enumerate(self.names)}
        weighed = (self.network.n_weighed,) if self.network.n_weighed else ()
        values = self.prepared(seen).reshape(1, 1, *weighed, self.network.sizes[0])
        return networks.activate(self.loss, networks.outputs(self.network, named, values)[0])


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, np.float64))
