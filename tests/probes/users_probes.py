"""What users might bring as a probe, named in the tests as tests.probes.users_probes:Name."""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn


class Small(nn.Module):
    """A network with everything that draws or remembers: dropout and a batch norm."""

    def __init__(self, n_inputs: int, n_outputs: int, units: int = 16, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(n_inputs),
            nn.Linear(n_inputs, units),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(units, n_outputs),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layers(inputs)
        return outputs


class Plain(nn.Module):
    """A linear layer."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(inputs)
        return outputs


class Certain(Plain):
    """It answers with one number too few."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, 1:]


class Broken(Plain):
    """It raises."""

    def forward(self, inputs: Tensor) -> Tensor:
        raise ValueError("too loud")


class NothingToLearn(nn.Module):
    """It has no parameters."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        super().__init__()


class Exploding(Plain):
    """Its sums are not finite."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * torch.inf


class NearestMean:
    """No scikit-learn in it: only fit and predict."""

    def fit(self, rows: np.ndarray, targets: np.ndarray) -> "NearestMean":
        self.known = np.unique(targets)
        self.means = np.stack([rows[targets == one].mean(axis=0) for one in self.known])
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.known[np.square(rows[:, None] - self.means).sum(axis=2).argmin(axis=1)]
        return found


class Fickle(NearestMean):
    """It is another one at every fit."""

    n_fits = 0

    def fit(self, rows: np.ndarray, targets: np.ndarray) -> "Fickle":
        Fickle.n_fits += 1
        super().fit(rows, targets)
        self.known = (self.known + Fickle.n_fits) % 4
        return self


class Strict(LogisticRegression):  # type: ignore[misc]  # scikit-learn publishes no types
    """It wants more than there is."""

    def fit(self, rows: np.ndarray, targets: np.ndarray, **others: Any) -> "Strict":
        raise RuntimeError(f"{len(rows)} rows are too few")


def not_a_class() -> None:
    """It cannot be a probe."""
