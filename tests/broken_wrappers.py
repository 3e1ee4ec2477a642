"""A representation that keeps every law, and those that break one each, with the laws that must name them."""

import dataclasses
import random
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from earmark.nouns import Source
from earmark.representations.base import check_call
from earmark.representations.logmel import CARD

RATE, WINDOW, HOP = 16000, 400, 320


class Right:
    """Keeps every law: four numbers of each window of 400 samples, bent a little more in each of three layers."""

    card = dataclasses.replace(
        CARD, name="right", sample_rate=RATE, frame_rate_hz=RATE / HOP, dim=4, layers=3, min_samples=WINDOW
    )

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        wanted = check_call(audio, layers, self.card)
        return self.embed(audio, wanted)

    def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
        features = self.frames(audio)
        return torch.stack([torch.tanh((1 + layer) * features) for layer in wanted], dim=1)

    def frames(self, audio: Tensor) -> Tensor:
        windows = audio.unfold(1, WINDOW, HOP)
        steps = windows.diff(dim=-1).abs().mean(-1)
        return torch.stack([windows.mean(-1), windows.std(-1), windows.abs().amax(-1), steps], dim=-1)

    @classmethod
    def carded(cls, **fields: object) -> "Right":
        made = cls()
        made.card = dataclasses.replace(cls.card, **fields)  # type: ignore[arg-type] # a field's own type, by name
        return made


class PadsToWholeSeconds(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(nn.functional.pad(audio, (0, -audio.shape[1] % RATE)))


class PadsToThirtySeconds(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(nn.functional.pad(audio, (0, 30 * RATE - audio.shape[1])))


class DropsTheLastFrame(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio)[:, :-1]


class DropsEveryOtherFrame(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio)[:, ::2]


class KeepsTenSeconds(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio[:, : 10 * RATE])


class LeavesDropoutOn(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return nn.functional.dropout(super().frames(audio), 0.1, training=True)


class DrawsFromNumpy(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) + 0.01 * float(np.random.standard_normal())  # noqa: NPY002 - the fault


class HasItsOwnChance(Right):
    chance = torch.Generator()

    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) + torch.rand(1, generator=self.chance)


class SeedsTheGlobalGenerator(Right):
    def frames(self, audio: Tensor) -> Tensor:
        torch.manual_seed(0)
        return super().frames(audio)


class ShufflesWithPython(Right):
    def frames(self, audio: Tensor) -> Tensor:
        random.shuffle([1, 2, 3])
        return super().frames(audio)


class FailsOnSilence(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) / audio.abs().amax(1)[:, None, None]


class OverflowsAtFullScale(Right):
    def frames(self, audio: Tensor) -> Tensor:
        frames = super().frames(audio)
        return torch.where(audio.abs().mean(1)[:, None, None] > 0.99, torch.inf, frames)

    def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
        return self.frames(audio)[:, None].repeat(1, len(wanted), 1, 1)


class AnswersWithFiveAxes(Right):
    def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
        return super().embed(audio, wanted)[:, None]


class AnswersInNumpy(Right):
    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        return cast(Tensor, super().__call__(audio, layers).numpy())


class AnswersInDouble(Right):
    def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
        return super().embed(audio.double(), wanted)


class AnswersNothing(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio)[:, :0]


class AnswersTheSame(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return torch.ones_like(super().frames(audio))


class SubtractsTheMeanOfTheBatch(Right):
    card = dataclasses.replace(Right.card, padding_safe=False)

    def frames(self, audio: Tensor) -> Tensor:
        frames = super().frames(audio)
        return frames - frames.mean((0, 1))


class LeavesBatchNormInTraining(Right):
    """Besides, torch refuses to normalise the one frame of the shortest audio by itself."""

    card = dataclasses.replace(Right.card, padding_safe=False)

    def __init__(self) -> None:
        self.norm = nn.BatchNorm1d(4, affine=False)

    def frames(self, audio: Tensor) -> Tensor:
        normed: Tensor = self.norm(super().frames(audio).mT)
        return normed.mT


class RemembersThePeak(Right):
    peak: Tensor | None = None

    def frames(self, audio: Tensor) -> Tensor:
        before = self.peak if self.peak is not None else audio.abs().amax()
        self.peak = audio.abs().amax()
        return super().frames(audio) + 0.01 * before


class RemembersOtherLengths(Right):
    """Repeats itself as long as all audio has one length."""

    n_others = 0

    def frames(self, audio: Tensor) -> Tensor:
        self.n_others += int(audio.shape[1] < RATE)
        return super().frames(audio) + 0.01 * self.n_others


class WritesOnItsInput(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio.mul_(0.5))


class KeepsAGradient(Right):
    scale = torch.ones(4, requires_grad=True)

    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio) * self.scale


class ChangesThreads(Right):
    def frames(self, audio: Tensor) -> Tensor:
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().frames(audio)


class SwitchesGradientsOff(Right):
    def frames(self, audio: Tensor) -> Tensor:
        torch.set_grad_enabled(False)
        return super().frames(audio)


class SortsTheLayers(Right):
    def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
        return super().embed(audio, sorted(wanted))


class GivesEveryLayer(Right):
    def embed(self, audio: Tensor, wanted: Sequence[int]) -> Tensor:
        return super().embed(audio, range(3))


class TakesNegativeLayers(Right):
    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        return super().__call__(audio, None if layers is None else [layer % 3 for layer in layers])


class TakesWholeNumbers(Right):
    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        return super().__call__(audio.float(), layers)


class EqualisesLoudness(Right):
    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio / audio.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4))


class HearsTheFile(Right):
    """Listens to what is above 9 kHz on a scale without a floor: where a file has nothing, its rate."""

    card = dataclasses.replace(Right.card, sample_rate=44100, frame_rate_hz=44100 / HOP, dim=1)

    def frames(self, audio: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(audio.unfold(1, WINDOW, HOP) * torch.hann_window(WINDOW))[..., 90:]
        power: Tensor = spectrum.abs().square().mean(-1, keepdim=True)
        return (power + 1e-20).log10() / 10 + 1


class BreaksOnOddLengths(Right):
    def frames(self, audio: Tensor) -> Tensor:
        if audio.shape[1] % 2:
            raise KeyError("an odd length")
        return super().frames(audio)


class GivesOneFrame(Right):
    card = dataclasses.replace(Right.card, frame_rate_hz=0.0, padding_safe=False)

    def frames(self, audio: Tensor) -> Tensor:
        return super().frames(audio).mean(1, keepdim=True)


SOURCE = Source("https://weights.example/right.safetensors", "MIT", path="right.safetensors")

BROKEN: dict[str, tuple[Right, set[str]]] = {
    "wrong frame rate": (Right.carded(frame_rate_hz=43.0), {"frame rate"}),
    "wrong sample rate": (Right.carded(sample_rate=22050), {"frame rate"}),
    "pads to whole seconds": (PadsToWholeSeconds(), {"frame count"}),
    "pads to thirty seconds": (PadsToThirtySeconds(), {"frame count"}),
    "drops the last frame": (DropsTheLastFrame(), {"frame count"}),
    "drops every other frame": (DropsEveryOtherFrame(), {"frame rate"}),
    "keeps ten seconds": (KeepsTenSeconds(), {"frame count"}),
    "random in eval": (LeavesDropoutOn(), {"deterministic", "global generators"}),
    "random by numpy": (DrawsFromNumpy(), {"deterministic", "global generators"}),
    "random in secret": (HasItsOwnChance(), {"no memory"}),
    "seeds torch": (SeedsTheGlobalGenerator(), {"global generators"}),
    "uses python's generator": (ShufflesWithPython(), {"global generators"}),
    "NaN on silence": (FailsOnSilence(), {"finite"}),
    "infinite at full scale": (OverflowsAtFullScale(), {"finite"}),
    "wrong dim": (Right.carded(dim=5), {"shape"}),
    "wrong number of layers": (GivesEveryLayer.carded(layers=1), {"shape"}),
    "five axes": (AnswersWithFiveAxes(), {"shape"}),
    "no tensor": (AnswersInNumpy(), {"shape"}),
    "double": (AnswersInDouble(), {"float32"}),
    "empty output": (AnswersNothing(), {"not empty"}),
    "constant output": (AnswersTheSame(), {"sounds apart"}),
    "batch statistics": (SubtractsTheMeanOfTheBatch(), {"batch"}),
    "batch norm in training": (LeavesBatchNormInTraining(), {"batch", "frame count"}),
    "remembers the peak": (RemembersThePeak(), {"no memory"}),
    "remembers other lengths": (RemembersOtherLengths(), {"no memory"}),
    "writes on its input": (WritesOnItsInput(), {"input kept"}),
    "keeps a gradient": (KeepsAGradient(), {"no gradient"}),
    "changes threads": (ChangesThreads(), {"global settings"}),
    "switches gradients off": (SwitchesGradientsOff(), {"global settings"}),
    "sorts the layers": (SortsTheLayers(), {"layers"}),
    "gives every layer": (GivesEveryLayer(), {"layers"}),
    "takes negative layers": (TakesNegativeLayers(), {"refusals"}),
    "takes whole numbers": (TakesWholeNumbers(), {"refusals"}),
    "says padding is safe": (EqualisesLoudness(), {"padding safe", "segmented"}),
    "hears the file": (HearsTheFile(), {"four rates"}),
    "breaks on odd lengths": (BreaksOnOddLengths(), {"frame count"}),
    "many frames for one": (Right.carded(frame_rate_hz=0.0, padding_safe=False), {"frame count"}),
    "one frame for many": (GivesOneFrame.carded(frame_rate_hz=50.0), {"frame count"}),
    "no licence": (Right.carded(licence=" "), {"card facts"}),
    "sold although NC": (Right.carded(licence="CC BY-NC 4.0", commercial=True), {"card facts"}),
    "weights without a hash": (Right.carded(sources=(SOURCE,)), {"card facts"}),
    "version 0": (Right.carded(version=0), {"card numbers"}),
    "no least length": (Right.carded(min_samples=0), {"card numbers"}),
    "most below least": (Right.carded(max_samples=399), {"card numbers"}),
}
