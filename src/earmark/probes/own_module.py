"""A torch module of the user's as a probe: trained by a plain loop, by the rules of the dense networks."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import DataError, UserError
from earmark.lookup import blamed
from earmark.nouns import Kind
from earmark.probes.base import Problem, clip_means
from earmark.probes.logistic import curve
from earmark.probes.monitors import LOSSES, loss
from earmark.probes.own_recipe import Recipe, named_class, own_seed
from earmark.probes.preparation import Preparation
from earmark.probes.saved import Saved, pack
from earmark.probes.validation import valid_score

Array = np.ndarray

BLOCK = 1024
"""Rows that a module sees at a time when it predicts: fixed, so that it never changes a number."""


@dataclass(frozen=True, eq=False)
class ModuleProbe:
    """A trained module. `history` holds the validation score of every epoch run; `best_epoch` counts from 1."""

    recipe: Recipe
    kind: Kind
    classes: tuple[str, ...]
    n_outputs: int
    module: nn.Module
    preparation: Preparation
    seed: int
    valid_score: float = float("nan")
    best_epoch: int = 0
    history: tuple[float, ...] = ()

    @property
    def input_shape(self) -> tuple[int, int]:
        """The (layers, dim) of the embeddings that it was fitted on."""
        return self.preparation.input_shape

    def predict(self, embeddings: Array, clips: Array | None = None) -> Array:
        """Return (clips, outputs) float32: probabilities of classes, of each label, or values, by kind.

        Raises DataError for embeddings of another shape or not finite, UserError where the module answers wrongly.
        """
        inputs = torch.from_numpy(np.array(self.preparation(embeddings)))
        predicted = np.empty((len(inputs), self.n_outputs), np.float32)
        self.module.eval()
        with _seeded(self.seed), torch.no_grad():
            for start in range(0, len(inputs), BLOCK):
                sums = _answer(self, inputs[start : start + BLOCK]).numpy()
                predicted[start : start + BLOCK] = sums if self.kind == "regression" else curve(self.kind, sums)
        if not np.isfinite(predicted).all():
            raise DataError(
                f"Expected finite predictions, got NaN or infinity from '{self.recipe.name}'. Lower learning_rate, or "
                "set standardise if the embeddings are very large."
            )
        return clip_means(predicted, clips)

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file. The same probe gives the same bytes."""
        names = ("kind", "classes", "n_outputs", "input_shape", "seed", "valid_score", "best_epoch", "history")
        fields = {name: getattr(self, name) for name in names} | {"recipe": asdict(self.recipe)}
        state = {f"state.{name}": tensor.numpy() for name, tensor in self.module.state_dict().items()}
        return pack(Saved(Recipe.probe, fields, state | self.preparation.arrays))


def fit(problem: Problem, recipe: Recipe, preparation: Preparation, seed: int) -> ModuleProbe:
    """Return a trained module: Adam; the losses, batches, best epoch and patience of `mlp.fit`.

    The seed draws the order of every epoch by a generator of its own and, as torch's global one, all that the
    module draws itself: first weights and dropout; the global one is put back. A last batch of one row joins the one
    before it, because a batch norm cannot take one row.
    """
    with _seeded(seed):
        module = _made(recipe, preparation.n_outputs, problem.n_outputs)
        probe = ModuleProbe(recipe, problem.kind, problem.classes, problem.n_outputs, module, preparation, seed)
        return _trained(probe, problem)


def restore(saved: Saved, recipe: Recipe) -> ModuleProbe:
    """Return the probe that `to_bytes` wrote. Raises UserError where the user's module has changed its parameters."""
    fields, arrays = saved.fields, saved.arrays
    preparation = Preparation.from_arrays((fields["input_shape"][0], fields["input_shape"][1]), arrays)
    state = {
        name.removeprefix("state."): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith("state.")
    }
    with _seeded(fields["seed"]):
        module = _made(recipe, preparation.n_outputs, fields["n_outputs"])
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"'{recipe.name}' has other parameters than when this probe was saved: {error}") from error
    return ModuleProbe(
        recipe=recipe,
        kind=fields["kind"],
        classes=tuple(fields["classes"]),
        n_outputs=fields["n_outputs"],
        module=module,
        preparation=preparation,
        seed=fields["seed"],
        valid_score=fields["valid_score"],
        best_epoch=fields["best_epoch"],
        history=tuple(fields["history"]),
    )


def _trained(probe: ModuleProbe, problem: Problem) -> ModuleProbe:
    recipe, module, valid = probe.recipe, probe.module, problem.valid
    inputs = torch.from_numpy(np.array(probe.preparation(problem.train.embeddings)))
    targets = torch.from_numpy(np.array(problem.train.row_targets))
    optimiser = torch.optim.Adam(module.parameters(), recipe.learning_rate)
    rng, history = np.random.Generator(np.random.PCG64(probe.seed)), list[float]()
    best, best_epoch, kept = (-math.inf, -math.inf), 0, dict[str, Tensor]()
    for epoch in range(1, recipe.epochs + 1):
        module.train()
        for rows in _batches(rng.permutation(len(inputs)), recipe.batch_size):
            optimiser.zero_grad()
            _loss(probe.kind, _answer(probe, inputs[rows]), targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        predicted = probe.predict(valid.embeddings, valid.clips)
        history.append(valid_score(problem, predicted))
        reached = (history[-1], -loss(LOSSES[problem.kind], valid.targets, predicted))
        if reached > best:
            best, best_epoch = reached, epoch
            kept = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        if epoch - best_epoch >= recipe.patience:
            break
    module.load_state_dict(kept)
    return replace(probe, valid_score=best[0], best_epoch=best_epoch, history=tuple(history))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, which modules draw from, and put it back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(own_seed(seed))
        yield


def _made(recipe: Recipe, n_inputs: int, n_outputs: int) -> nn.Module:
    try:
        module: nn.Module = named_class(recipe.name)(n_inputs, n_outputs, **recipe.arguments)
    except Exception as error:  # whatever the user's own code raises is for the user to read
        raise blamed(f"{recipe.name}({n_inputs}, {n_outputs}, …)", error) from error
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise UserError(f"Expected '{recipe.name}' to have parameters to train, got none.")
    return module


def _answer(probe: ModuleProbe, batch: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows outputs"]:
    try:
        answer: object = probe.module(batch)
    except Exception as error:  # whatever the user's own code raises is for the user to read
        theirs = _from(type(probe.module), error.__traceback__)
        raise blamed(f"'{probe.recipe.name}', given {tuple(batch.shape)},", error.with_traceback(theirs)) from error
    shape = len(batch), probe.n_outputs
    if not isinstance(answer, Tensor) or tuple(answer.shape) != shape or answer.dtype != torch.float32:
        came = f"{answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
        raise UserError(
            f"Expected '{probe.recipe.name}' to return a float32 tensor {shape} of sums, without softmax or sigmoid, "
            f"got {came}."
        )
    return answer


def _from(made_of: type[nn.Module], calls: TracebackType | None) -> TracebackType | None:
    """Return the calls from the class's own file on, all if none is in it: torch's calls lead to a module's."""
    code, inner = getattr(made_of.forward, "__code__", None), calls
    while code and inner is not None and inner.tb_frame.f_code.co_filename != code.co_filename:
        inner = inner.tb_next
    return inner or calls


def _batches(order: Int[Array, " rows"], size: int) -> Iterator[Int[Tensor, " batch"]]:
    ends = [*range(size, len(order), size), len(order)]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    start = 0
    for end in ends:
        yield torch.from_numpy(order[start:end])
        start = end


def _loss(kind: Kind, answer: Float[Tensor, "rows outputs"], targets: Tensor) -> Float[Tensor, ""]:
    if kind == "regression":
        return functional.mse_loss(answer, targets.float())
    if kind == "multilabel":
        return functional.binary_cross_entropy_with_logits(answer, targets.float())
    return functional.cross_entropy(answer, targets.long())
