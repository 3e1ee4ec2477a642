"""A fitted network: what it learned, what it predicts, and what was seen of it in training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from earmark.nouns import Kind
from earmark.probes.base import clip_means
from earmark.probes.batches import BLOCK, frame_table, pool
from earmark.probes.inputs import check_shape
from earmark.probes.monitors import loss_of
from earmark.probes.networks import Network, activate, outputs
from earmark.probes.preparation import Preparation
from earmark.probes.recipe import Average, Loss, Recipe
from earmark.probes.saved import Saved, pack


class Check(NamedTuple):
    """One look at the validation clips: when, at which learning rate, and what was seen.

    `epoch` and `step` count what is done, from 1. `train_loss` is the mean over the batches since the check before,
    each before its step and with dropout; `valid_score` is that of the save criterion, higher is better. The losses,
    and errors, of a regression whose targets were standardised are in their standard deviations.
    """

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    valid_loss: float
    valid_score: float


@dataclass(frozen=True, eq=False)
class NetworkProbe:
    """A fitted network and how it came about.

    `classes` names the outputs, or is empty. `weights` are float32, by the names of `Network`'s parts, without
    padding. `history` holds every check; `best_epoch` is the epoch of the one that was kept, whose score is
    `valid_score`.
    """

    recipe: Recipe
    kind: Kind
    classes: tuple[str, ...]
    network: Network
    weights: Mapping[str, np.ndarray]
    preparation: Preparation
    input_shape: tuple[int, int]
    best_epoch: int
    valid_score: float
    history: tuple[Check, ...]
    seed: int

    def predict(self, embeddings: np.ndarray, clips: np.ndarray | None = None) -> np.ndarray:
        """Return (clips, outputs) float32: probabilities of classes, of each label, or values, by kind.

        With loss binary, the probability of each class by itself. `embeddings` is float32 (rows, layers, dim).
        Computed in float64 and rounded once, so that neither the other clips nor the number of threads show. Raises
        DataError for another shape or for values not finite.
        """
        if self.recipe.pool_frames in ("mean", "mean_std"):
            check_shape(embeddings, self.input_shape)
            embeddings, clips = pool(self.recipe.pool_frames, embeddings, clips), None
        logits = self._logits(self.preparation(embeddings), clips)
        rows_of = None if self.network.attends else clips
        return predictions(logits, rows_of, loss_of(self.recipe.loss, self.kind), self.recipe.average).astype(
            np.float32
        )

    def _logits(self, inputs: np.ndarray, clips: np.ndarray | None) -> np.ndarray:
        """Return the outputs of the network, float64: one row an input, or a clip where it attends to frames."""
        named = {name: torch.from_numpy(array.astype(np.float64)) for name, array in self.weights.items()}
        named = {name: one[None] if one.ndim == 2 else one[None, None] for name, one in named.items()}
        layers = (self.network.n_weighed,) if self.network.n_weighed else ()
        found = []
        for rows in self._blocks(len(inputs), clips):
            values = torch.from_numpy(inputs[rows].astype(np.float64)).reshape(1, -1, *layers, self.network.sizes[0])
            present = None
            if self.network.attends:
                whose = np.arange(values.shape[1]) if clips is None else clips[rows] - clips[rows.start]
                frames, there = frame_table(whose)
                values, present = values[:, frames], there[None]
            found.append(outputs(self.network, named, values, present)[0].numpy())
        return np.concatenate(found) if found else np.zeros((0, self.network.sizes[-1]))

    def _blocks(self, n_rows: int, clips: np.ndarray | None) -> list[slice]:
        """Return slices of rows, a bounded number each; where the network attends, of whole clips."""
        if self.network.attends and clips is not None:
            starts = np.flatnonzero(np.diff(clips, prepend=-1))
            edges = [int(starts[at]) for at in range(0, len(starts), max(1, BLOCK * len(starts) // max(n_rows, 1)))]
        else:
            edges = list(range(0, n_rows, BLOCK))
        return [slice(start, end) for start, end in pairwise([*edges, n_rows])]

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file. The same probe gives the same bytes."""
        fields = {name: getattr(self, name) for name in _PLAIN}
        fields |= {"recipe": asdict(self.recipe), "network": asdict(self.network)}
        arrays = {f"network.{name}": array for name, array in self.weights.items()}
        history = {"history": np.array(self.history, np.float64)}
        return pack(Saved(Recipe.probe, fields, arrays | history | self.preparation.arrays))


def restore(saved: Saved) -> NetworkProbe:
    """Return the probe that `to_bytes` wrote. Raises ValueError for weights of another network than it says."""
    fields, arrays = saved.fields, saved.arrays
    recipe = fields["recipe"] | {"hidden_units": tuple(fields["recipe"]["hidden_units"])}
    network = Network(**fields["network"] | {"sizes": tuple(fields["network"]["sizes"])})
    input_shape = (fields["input_shape"][0], fields["input_shape"][1])
    is_wider = recipe["pool_frames"] == "mean_std"
    weights = {name.removeprefix("network."): one for name, one in arrays.items() if name.startswith("network.")}
    if {name: one.shape for name, one in weights.items()} != {
        part.name: part.shape for parts in network.parts for part in parts
    }:
        raise ValueError(f"other weights than those of {network}")
    return NetworkProbe(
        recipe=Recipe(**recipe),
        kind=fields["kind"],
        classes=tuple(fields["classes"]),
        network=network,
        weights=weights,
        preparation=Preparation.from_arrays((input_shape[0], input_shape[1] * (1 + is_wider)), arrays),
        input_shape=input_shape,
        best_epoch=fields["best_epoch"],
        valid_score=fields["valid_score"],
        history=tuple(Check(int(row[0]), int(row[1]), *map(float, row[2:])) for row in arrays["history"]),
        seed=fields["seed"],
    )


def curves(probe: NetworkProbe) -> list[dict[str, float]]:
    """Return the curves of a probe as rows: one a check, by the names of `Check`; `is_kept` is 1 where it was kept."""
    return [check._asdict() | {"is_kept": float(check.epoch == probe.best_epoch)} for check in probe.history]


def predictions(logits: np.ndarray, clips: np.ndarray | None, loss: Loss, average: Average) -> np.ndarray:
    """Return what the outputs of rows say of clips: averaged as logits or as what they say, see `Recipe.average`."""
    if average == "logits":
        return activate(loss, torch.from_numpy(clip_means(logits, clips))).numpy()
    return clip_means(activate(loss, torch.from_numpy(logits)).numpy(), clips)


_PLAIN = ("kind", "classes", "input_shape", "best_epoch", "valid_score", "seed")
