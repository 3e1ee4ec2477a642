"""How a network is fine-tuned: what of it moves, how fast, for how long. Numbers alone."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

from earmark.errors import UnknownName, UserError

Mode = Literal["full", "frozen_cnn", "linear", "lora"]
Precision = Literal["float32", "bf16"]
Keep = Literal["loss", "score", "last"]
MODES: tuple[Mode, ...] = get_args(Mode)
# The text of Ragano et al. 2023 swaps FT1 and FT2; these are what its tables and its other paragraphs mean.
ALIASES: Mapping[str, Mode] = {"FT2": "full", "FT1": "frozen_cnn", "FE": "linear"}


def mode_of(name: str) -> Mode:
    """Return the mode of a name or alias. Raises UnknownName."""
    found = ALIASES.get(name, name)
    if found not in MODES:
        raise UnknownName("mode of fine-tuning", name, (*MODES, *ALIASES))
    return found


@dataclass(frozen=True)
class Recipe:
    """Fine-tuning in numbers; defaults of rates, patience and noise are the paper's, the rest it does not say.

    `body_learning_rate` is of all that moves but the head. `batch_size` clips make a step, `clips_at_once` of them go
    through the network together: that decides its memory. An epoch is every training clip once; training stops after
    `patience` epochs in which the validation loss has not fallen. `keep`: the network is that after the epoch of the
    lowest validation loss, of the best validation score (accuracy, …), or after the last; the paper does not say which.
    Of a clip that is longer than `segment_s`, each epoch hears a piece of that length (None: all of it).

    `dropout`: whether the network's own dropouts run in the parts that learn. `mask_probability`, `mask_frames` and
    `layerdrop`: see `trainable.Noise`. `rank` and `alpha` are of lora. Source: Ragano et al. 2023, §2.2.
    """

    mode: Mode
    body_learning_rate: float = 1e-5
    head_learning_rate: float = 1e-4
    batch_size: int = 32
    clips_at_once: int = 32
    epochs: int = 100
    patience: int = 10
    keep: Keep = "loss"
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    segment_s: float | None = None
    precision: Precision = "float32"
    dropout: bool = True
    mask_probability: float = 0.0
    mask_frames: int = 10
    layerdrop: float = 0.0
    rank: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        for name in ("batch_size", "clips_at_once", "epochs", "patience", "mask_frames", "rank"):
            if getattr(self, name) < 1:
                raise UserError(f"Expected {name} to be at least 1, got {getattr(self, name)}.")
        for name in ("mask_probability", "layerdrop"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"Expected {name} to be from 0 to below 1, got {getattr(self, name)}.")

    @property
    def is_noisy(self) -> bool:
        """Whether anything but dropout troubles the network."""
        return bool(self.mask_probability or self.layerdrop)

    @property
    def told(self) -> dict[str, object]:
        """What enters a key: all that can change a weight of this mode."""
        body = ("body_learning_rate", "dropout", "mask_probability", "mask_frames", "layerdrop", "clips_at_once")
        idle = {"linear": (*body, "rank", "alpha"), "lora": ("dropout",)}.get(self.mode, ("rank", "alpha"))
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in idle}
