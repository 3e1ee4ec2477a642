"""The head: one linear layer on the mean over time of the last layer, what it minimises, and as a saved predictor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark import identity
from earmark.nouns import Kind
from earmark.probes.monitors import LOSSES, MONITORS
from earmark.probes.network_probe import Check, NetworkProbe
from earmark.probes.networks import Network, activate
from earmark.probes.preparation import Preparation
from earmark.probes.recipe import Recipe as ProbeRecipe
from earmark.probes.target_scaling import TargetScaling
from earmark.representations import _weights
from earmark.training.finetune.recipe import Recipe

LAYER = "dense.0"


def new(dim: int, n_outputs: int, seed: int) -> nn.Linear:
    """Return a head with torch's own random weights, drawn from a seed."""
    with _weights.seeded("head", seed):
        return nn.Linear(dim, n_outputs)


@dataclass(frozen=True)
class Goal:
    """What is learned of clips: the kind of task, the names of outputs, the targets of each part.

    `train` and `valid`: class indices (clips,), or (clips, outputs); those of a regression are in standard deviations
    from their mean over the training clips, as `scaling` has them.
    """

    kind: Kind
    classes: tuple[str, ...]
    train: Tensor
    valid: Tensor
    scaling: TargetScaling | None = None

    @classmethod
    def of(cls, kind: Kind, classes: tuple[str, ...], train: np.ndarray, valid: np.ndarray) -> "Goal":
        """Return the goal of targets as a subject of an experiment gives them."""
        if kind != "regression":
            return cls(kind, classes, torch.from_numpy(train), torch.from_numpy(valid))
        exact = train.astype(np.float64)
        spread = exact.std(axis=0)
        scaling = TargetScaling(exact.mean(axis=0), np.where(spread > 0, spread, 1.0))
        learnt, held_out = (
            torch.from_numpy(((one - scaling.mean) / scaling.std).astype(np.float32)) for one in (train, valid)
        )
        return cls(kind, classes, learnt, held_out, scaling)

    def loss(self, logits: Float[Tensor, "clips outputs"], targets: Tensor) -> Tensor:
        """Return the sum over clips of the cross-entropy, or of the mean over outputs of what each loses."""
        match LOSSES[self.kind]:
            case "cross_entropy":
                return functional.cross_entropy(logits, targets, reduction="sum")
            case "binary":
                losses = functional.binary_cross_entropy_with_logits(logits, targets.to(logits), reduction="none")
            case _:
                losses = (logits - targets.to(logits)).square()
        return losses.mean(1).sum()

    @torch.no_grad()
    def judge(self, head: nn.Linear, vectors: Float[np.ndarray, "clips dim"]) -> tuple[float, float]:
        """Return the mean loss on the validation clips, and the score of the kind of task (accuracy, …), in float64."""
        weight, bias = head.weight.double().cpu(), head.bias.double().cpu()
        logits = torch.from_numpy(vectors.astype(np.float64)) @ weight.T + bias
        loss = float(self.loss(logits, self.valid)) / len(self.valid)
        said = activate(LOSSES[self.kind], logits).numpy()
        return loss, MONITORS[self.kind](self.valid.numpy(), said)

    def probe(self, head: nn.Linear, recipe: Recipe, curve: Sequence[Check], best: Check, seed: int) -> NetworkProbe:
        """Return the head as a fitted probe of that one layer, which is how predictors are saved."""
        weights = {
            f"{LAYER}.weight": head.weight.detach().cpu().numpy().T.copy(),
            f"{LAYER}.bias": head.bias.detach().cpu().numpy().copy(),
        }
        dim = head.in_features
        return NetworkProbe(
            recipe=probe_recipe(recipe),
            kind=self.kind,
            classes=self.classes,
            network=Network((dim, head.out_features)),
            weights=self.scaling.undone(weights, LAYER) if self.scaling else weights,
            preparation=Preparation((1, dim)),
            input_shape=(1, dim),
            best_epoch=best.epoch,
            valid_score=best.valid_score,
            history=tuple(curve),
            seed=identity.seed_for("head", seed),
        )


def probe_recipe(recipe: Recipe) -> ProbeRecipe:
    """Return what a probe's recipe can say of how the head was made."""
    return ProbeRecipe(
        learning_rate=recipe.head_learning_rate,
        weight_decay=0.0,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        patience=recipe.patience,
        initialisation="torch",
        epsilon=recipe.epsilon,
        stop_criterion="loss",
        save_criterion="auto" if recipe.keep == "score" else "loss",
        keep="last" if recipe.keep == "last" else "best",
        ties="loss" if recipe.keep == "score" else "first",
    )
