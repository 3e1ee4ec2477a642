"""What a network probe is made by: its layers and how it is trained. A recipe is a value, and part of a probe's key.

A field that is added takes a default that does what was done before: then no key changes (see `base.told`).
"""

from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, Literal, get_args

from earmark.errors import UnknownName, UserError
from earmark.metrics import METRICS

Inferred = Literal["infer", "power_infer"]
Activation = Literal["relu", "leaky_relu", "tanh", "gelu", "sigmoid"]
Initialisation = Literal["glorot_uniform", "hear_uniform", "hear_normal", "torch"]
Loss = Literal["auto", "cross_entropy", "binary", "squared"]
Schedule = Literal["constant", "cosine", "plateau"]
TrainSampling = Literal["random", "balanced", "fixed"]
FramePool = Literal["none", "mean", "mean_std", "attention"]
Ties = Literal["loss", "first"]
Keep = Literal["best", "last"]
Average = Literal["probabilities", "logits"]
PowerRule = Literal["geometric", "mir_ref"]

INFERRED: tuple[Inferred, ...] = get_args(Inferred)
CHOICES: dict[str, tuple[str, ...]] = {
    "activation": get_args(Activation),
    "initialisation": get_args(Initialisation),
    "loss": get_args(Loss),
    "schedule": get_args(Schedule),
    "train_sampling": get_args(TrainSampling),
    "pool_frames": get_args(FramePool),
    "ties": get_args(Ties),
    "keep": get_args(Keep),
    "average": get_args(Average),
    "power_rule": get_args(PowerRule),
}
NEVER = "never"


@dataclass(frozen=True)
class Recipe:
    """How one probe is made: a network of dense layers, fitted by Adam.

    **The network.** `hidden_units`: one entry a hidden layer, a number of units or a rule (see `hidden_sizes`, also
    for `power_rule`). A
    hidden layer is dense → batch norm (`batch_norm`) → `activation` → dropout; for ReLU, as in HEAR, it is the same
    whether dropout stands before or behind it. `dropout` is the probability that a hidden unit is silenced in
    training. `initialisation`: see `initial`. `layer_weights`: the layers of a representation are summed under
    weights that are learned, as a softmax, instead of laid side by side. `pool_frames`: the rows of a clip are its
    frames, and the network sees their mean, their mean and standard deviation, or their mean under weights that are
    learned (see `networks.Network`). `standardise` scales each input by the mean and standard deviation of the
    training set. `pca` keeps so many principal components of them, or those that hold that share of the variance.

    **What is minimised.** `loss`: auto is that of the kind of task. binary counts each output by itself, with one-hot
    targets where a clip has one class. `weight_decay` is Keras' L2(λ): λ·Σw² is added to the loss, over kernels and,
    with `decay_biases`, over all else that is learned. `epsilon` is Adam's.

    `standardise_targets`: the values of a regression are learned in standard deviations from their mean, over the
    training clips; what is predicted is in their own unit.

    **How long and how fast.** `epochs` passes over the training rows, or, where it is set, `steps` batches. The rate
    rises from 0 over `warm_up_steps`, then `schedule`: constant; cosine, down to 0 at the last step; plateau, times
    `plateau_factor` after more than `plateau_patience` checks without a better stop criterion (see `schedules`).
    `train_sampling`: random order; balanced, every class equally often; fixed, one order drawn once. `drop_last`
    leaves out the last batch of an epoch where it is not full.

    **What is kept.** The validation clips are looked at every `check_every` epochs. Criteria: auto, the score of the
    kind of task; loss; the name of a metric; the probe stops after `patience` checks without a strictly better
    `stop_criterion` (never: it does not stop early), and `keep` says whether the check with the best `save_criterion`
    or the last one is what remains. `ties`: of equal scores the one of the lower validation loss is better, or no
    later one is. `penalised_loss`: the criterion loss has the penalty of weight_decay in it, as Keras' val_loss has,
    so that a network whose weights still grow stops earlier. `average`: what is averaged over the rows of a clip.
    """

    probe: ClassVar[str] = "mlp"

    hidden_units: tuple[int | Inferred, ...] = ()
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 100
    epochs: int = 100
    patience: int = 10
    standardise: bool = False
    dropout: float = 0.0
    pca: int | float | None = None
    activation: Activation = "relu"
    batch_norm: bool = False
    initialisation: Initialisation = "glorot_uniform"
    layer_weights: bool = False
    pool_frames: FramePool = "none"
    loss: Loss = "auto"
    epsilon: float = 1e-7
    decay_biases: bool = True
    steps: int | None = None
    schedule: Schedule = "constant"
    warm_up_steps: int = 0
    plateau_factor: float = 0.1
    plateau_patience: int = 10
    train_sampling: TrainSampling = "random"
    drop_last: bool = False
    check_every: int = 1
    stop_criterion: str = "auto"
    save_criterion: str = "auto"
    ties: Ties = "loss"
    keep: Keep = "best"
    average: Average = "probabilities"
    standardise_targets: bool = True
    penalised_loss: bool = False
    power_rule: PowerRule = "geometric"

    def __post_init__(self) -> None:
        for units in self.hidden_units:
            if isinstance(units, str) and units not in INFERRED:
                raise UnknownName("rule for hidden_units", units, INFERRED)
            if not isinstance(units, str):
                _require(units >= 1, "hidden_units", "numbers of at least 1", units)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UnknownName(name, str(getattr(self, name)), allowed)
        _check_criterion("stop_criterion", self.stop_criterion, ("auto", "loss", NEVER))
        _check_criterion("save_criterion", self.save_criterion, ("auto", "loss"))
        self._check_numbers()
        self._check_together()

    def _check_numbers(self) -> None:
        _require(0 < self.learning_rate < float("inf"), "learning_rate", "a number above 0", self.learning_rate)
        _require(0 <= self.weight_decay < float("inf"), "weight_decay", "a number of at least 0", self.weight_decay)
        _require(0 < self.epsilon < float("inf"), "epsilon", "a number above 0", self.epsilon)
        _require(self.batch_size >= 1, "batch_size", "at least 1 clip", self.batch_size)
        _require(self.epochs >= 1, "epochs", "at least 1", self.epochs)
        _require(self.steps is None or self.steps >= 1, "steps", "at least 1", self.steps)
        _require(self.patience >= 1, "patience", "at least 1 check", self.patience)
        _require(self.check_every >= 1, "check_every", "at least 1 epoch", self.check_every)
        _require(0 <= self.dropout < 1, "dropout", "a probability from 0 to below 1", self.dropout)
        _require(self.warm_up_steps >= 0, "warm_up_steps", "at least 0", self.warm_up_steps)
        _require(0 < self.plateau_factor < 1, "plateau_factor", "a number between 0 and 1", self.plateau_factor)
        _require(self.plateau_patience >= 0, "plateau_patience", "at least 0 checks", self.plateau_patience)
        if self.pca is not None:
            fits = 0 < self.pca < 1 or (self.pca >= 1 and self.pca == int(self.pca))
            _require(fits, "pca", "a number of components, or a share of the variance from 0 to 1", self.pca)

    def _check_together(self) -> None:
        """Refuse what says nothing, or two things, when it stands together."""
        if not self.hidden_units:
            for name, does in (("dropout", "silences"), ("batch_norm", "normalises"), ("activation", "bends")):
                if getattr(self, name) != _default(name):
                    raise UserError(
                        f"{name} {does} hidden units, but hidden_units is empty. Add a layer or drop the key."
                    )
        if self.schedule != "plateau":
            for name in ("plateau_factor", "plateau_patience"):
                if getattr(self, name) != _default(name):
                    raise UserError(f"{name} is for schedule plateau, got {self.schedule}. Drop one of the two.")
        if self.stop_criterion == NEVER and self.patience != _default("patience"):
            raise UserError("patience counts nothing where stop_criterion is never. Drop one of the two.")
        if self.penalised_loss and "loss" not in (self.stop_criterion, self.save_criterion):
            raise UserError("penalised_loss is for the criterion loss, and neither is it. Drop it, or stop by loss.")
        if self.steps is not None and self.warm_up_steps >= self.steps:
            raise UserError(
                f"Expected warm_up_steps below steps, got {self.warm_up_steps} of {self.steps}. Train longer."
            )
        if self.layer_weights and self.pca is not None:
            raise UserError("pca mixes the layers that layer_weights weighs. Drop one of the two.")
        if self.pool_frames != "none" and self.average == "logits":
            raise UserError("average is for several rows of a clip, but pool_frames leaves one. Drop one of the two.")


def hidden_sizes(recipe: Recipe, dim: int, n_outputs: int) -> tuple[int, ...]:
    """Return the numbers of hidden units of a recipe between `dim` inputs and `n_outputs` outputs.

    With n hidden layers, layer i = 1 … n of "infer" has D − i·(D − C)/(n + 1) units (a straight line from D to C)
    and of "power_infer" D·(C/D)^(i/(n + 1)) (a geometric one); with `power_rule` mir_ref it has C + i²·(D − C)/(n + 1),
    as that toolkit's code has it, which grows with depth. All are truncated, then made even by adding 1.
    So D = 768 and C = 14 give 392 for one layer and 516, 266 for two; by mir_ref's power rule 392, and 266, 1020.
    Raises UserError where that rule leaves a layer without units. Source: Plachouras 2023 (the toolkit's thesis,
    which says "power regression" and no formula) and its code, mir_ref.
    Differs: mir_ref reuses for the other representations the sizes inferred for the first; and where the first of
    its layers is inferred, so are all, by the same rule.
    """
    steps = len(recipe.hidden_units) + 1
    sizes = []
    for i, units in enumerate(recipe.hidden_units, start=1):
        if units == "infer":
            sizes.append(_even((dim * steps - i * (dim - n_outputs)) // steps))
        elif units == "power_infer" and recipe.power_rule == "mir_ref":
            sizes.append(_grown(i, steps, dim, n_outputs))
        elif units == "power_infer":
            # Rounding first: 27·(3/27)^½ is 9, but 8.999… in floating point.
            sizes.append(_even(int(round(dim * (n_outputs / dim) ** (i / steps), 9))))
        else:
            sizes.append(int(units))
    return tuple(sizes)


def _grown(i: int, steps: int, dim: int, n_outputs: int) -> int:
    units = (n_outputs * steps + i * i * (dim - n_outputs)) // steps
    if units < 1:
        raise UserError(
            f"mir_ref's power_infer gives layer {i} {units} units between {dim} inputs and {n_outputs} outputs, which "
            "are more. Write power_rule: geometric, or numbers."
        )
    return _even(units)


def _even(units: int) -> int:
    return units + units % 2


def _default(name: str) -> object:
    [found] = [one.default for one in fields(Recipe) if one.name == name]
    assert found is not MISSING
    return found


def _check_criterion(name: str, came: str, own: tuple[str, ...]) -> None:
    if came not in own and came not in METRICS:
        raise UnknownName(name, came, (*own, *METRICS))


def _require(is_met: bool, name: str, expected: str, came: object) -> None:
    if not is_met:
        raise UserError(f"Expected {name} to be {expected}, got {came}.")
