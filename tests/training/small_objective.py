"""An objective as small as one can be that has all that a trainer must get right, and segments for it.

Its count differs from segment to segment, a term is of the whole batch (as the diversity of codes is), a part gets no
gradient from some portions (as a dropped block does), and it may draw from the generator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark import identity
from earmark.representations.checkpoint import Contents
from earmark.representations.objective import Alarm, Measured, Objective, Step
from earmark.training.job import Training
from earmark.training.recipe import Recipe
from earmark.training.schedules import Schedule

N_SAMPLES, N_CODES = 16, 4


class SmallObjective(Objective):
    def __init__(self, seed: int, noise: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.noise, self.temperature = noise, 1.0
        self.first = nn.Parameter(torch.randn(N_SAMPLES, 8, generator=generator))
        self.codes = nn.Parameter(torch.randn(8, N_CODES, generator=generator))
        self.seldom = nn.Parameter(torch.randn(8, generator=generator))

    def before_step(self, step: int) -> None:
        self.temperature = 1.0 / (1 + step)

    def parts(self) -> Mapping[str, nn.Module]:
        return {"all": self}

    def hidden(self, segments: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(segments.shape, generator=generator, dtype=torch.float64).to(segments)
        return torch.tanh((segments + self.noise * noise) @ self.first)

    def survey(self, segments: Tensor, generator: torch.Generator) -> Measured:
        used = (self.hidden(segments, generator) @ self.codes).softmax(-1)
        return Measured(used.sum(0), used.new_tensor(len(used)))

    def forward(self, segments: Tensor, generator: torch.Generator, whole: Measured | None = None) -> Step:
        hidden = self.hidden(segments, generator)
        used = (hidden @ self.codes).softmax(-1)
        is_counted = (segments > 0).sum(1)
        count = is_counted.sum().to(segments.dtype)
        total = (hidden.square().sum(1) * is_counted).sum() * self.temperature
        chosen = segments[:, 0] > 0.5
        if bool(chosen.any()):
            total = total + (hidden @ self.seldom)[chosen].sum()
        of_all = used.sum(0) if whole is None else whole.total.to(used)
        n_all = float(len(used) if whole is None else whole.count)
        # d/dp of n_all · Σ p²: each portion adds its own share of the gradient.
        total = total + 2.0 * ((of_all / n_all).detach() * used).sum()
        watched = {
            "used": Measured(used.sum(0).detach(), used.new_tensor(len(used))),
            "size": Measured(hidden.detach().square().sum(), count),  # the very tensor that the loss counts by
        }
        return Step(Measured(total, count), watched)

    def read(self, means: Mapping[str, Tensor]) -> dict[str, float]:
        used = {f"used_{number}": float(mean) for number, mean in enumerate(means["used"])}
        return {**used, "size": float(means["size"])}

    def words(self, reading: Mapping[str, float]) -> str:
        return f"size {reading['size']:.3f}"

    def alarms(
        self, history: Sequence[Mapping[str, float]], validations: Sequence[Mapping[str, float]] = ()
    ) -> tuple[Alarm, ...]:
        step = int(history[-1]["step"])
        planted = (Alarm("planted", step, f"planted at step {step}"),) if step >= 2 else ()
        held_out = (Alarm("held_out", step, f"{len(validations)} held out"),) if validations else ()
        return planted + held_out


@dataclass(frozen=True)
class SmallSystem:
    noise: float = 0.0
    name: str = "small"
    sample_rate: int = 8

    def build(self, seed: int) -> Objective:
        return SmallObjective(seed, self.noise)

    def contents(self, objective: Objective) -> Contents:
        return Contents(objective.state_dict(), {"model_type": "small"}, {"sampling_rate": self.sample_rate})


@dataclass(frozen=True)
class SmallSegments:
    n: int = 37
    segment_s: float = N_SAMPLES / 8

    def __len__(self) -> int:
        return self.n

    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        return identity.generator("made", epoch, index).standard_normal(N_SAMPLES).astype(np.float32)


def made(folder: Path, *, noise: float = 0.0, **numbers: object) -> Training:
    """A training of twelve segments a step."""
    given: dict[str, object] = {"n_steps": 6, "segments_per_step": 12, "segments_at_once": 12, **numbers}
    recipe = Recipe(schedule=Schedule(0.01, 2), **given)  # type: ignore[arg-type]  # one place for many tests
    origin = {"trained_on": "noise", "objective": "to shrink", "licence": "CC0-1.0"}
    return Training("small", SmallSystem(noise), recipe, SmallSegments, folder, origin)
