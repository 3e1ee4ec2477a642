"""What stands below the head: a network that moves, or vectors that were computed once because nothing does."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from earmark import audio, identity
from earmark.errors import UserError
from earmark.nouns import Clip
from earmark.representations import _weights
from earmark.representations.embed import BATCH_ON_GPU, Loop, device_of
from earmark.representations.trainable import Noise, Trainable
from earmark.training.finetune import lowrank
from earmark.training.finetune.recipe import Recipe

REMEMBERED_SAMPLES = 1 << 28  # 1 GB of float32
Region = tuple[Path, float | None, float | None]


class Portion(NamedTuple):
    """Some clips of a batch, by their places in it, and the mean over time of their last layer."""

    places: tuple[int, ...]
    vectors: Float[Tensor, "clips dim"]


class Body(Protocol):
    """What the head hears of clips."""

    @property
    def dim(self) -> int:
        """Of a vector."""
        ...

    @property
    def device(self) -> torch.device:
        """Where vectors are."""
        ...

    def parameters(self) -> list[nn.Parameter]:
        """Return what moves beside the head."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return all that moves, by name."""
        ...

    def set(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        ...

    def heard(self, batch: Sequence[int], epoch: int, seed: int) -> Iterator[Portion]:
        """Yield a batch of training clips in portions, with gradient."""
        ...

    def validated(self) -> Float32[np.ndarray, "clips dim"]:
        """Return the validation clips, whole, without gradient."""
        ...


@dataclass(frozen=True)
class Still:
    """Vectors of all clips, by a representation that stays as it is."""

    train: Float32[np.ndarray, "clips dim"]
    valid: Float32[np.ndarray, "clips dim"]

    @property
    def device(self) -> torch.device:
        """The CPU: there is little to compute."""
        return torch.device("cpu")

    @property
    def dim(self) -> int:
        """Of a vector."""
        return int(self.train.shape[1])

    def parameters(self) -> list[nn.Parameter]:
        """Return nothing."""
        return []

    def state(self) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def set(self, state: Mapping[str, Tensor]) -> None:
        """Take over nothing."""
        return

    def heard(self, batch: Sequence[int], epoch: int, seed: int) -> Iterator[Portion]:
        """Yield the batch at once."""
        yield Portion(tuple(range(len(batch))), torch.from_numpy(self.train[list(batch)]))

    def validated(self) -> Float32[np.ndarray, "clips dim"]:
        """Return the validation clips."""
        return self.valid


@dataclass
class Moving:
    """A network that learns. Its parts that do not are in evaluation mode, and no bit of them changes.

    `jobs` threads read audio; the first gigabyte of it is remembered.
    """

    representation: Trainable
    recipe: Recipe
    train: Sequence[Clip]
    valid: Sequence[Clip]
    seed: int
    jobs: int = 1
    _remembered: dict[Region, np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _n_remembered: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Set what moves. Raises UserError where the mode has nothing to move in this network."""
        self._readers = ThreadPoolExecutor(self.jobs)
        network = self.representation.network
        # Transformers' convolutions would ask for the gradient of the audio itself.
        if hasattr(self.representation.front_end, "_requires_grad"):
            cast(Any, self.representation.front_end)._requires_grad = False
        network.requires_grad_(self.recipe.mode != "lora")
        if self.recipe.mode == "frozen_cnn":
            self.representation.front_end.requires_grad_(False)
        if self.recipe.mode == "lora":
            names = self.representation.projections
            if not names:
                raise UserError(f"'{self.representation.card.name}' has no attention, and lora is for that alone.")
            draws = torch.Generator().manual_seed(identity.seed_for("low rank", self.seed) % 2**63)
            lowrank.add(network, names, self.recipe.rank, self.recipe.alpha, draws)
        self._moves = {name for name, one in network.named_parameters() if one.requires_grad}
        self._learn()
        self._moves |= {
            f"{name}.{own}".removeprefix(".")
            for name, module in network.named_modules()
            if module.training
            for own, _ in module.named_buffers(recurse=False)
        }

    def _learn(self) -> None:
        """Put what moves into training mode, all else into evaluation mode."""
        recipe, network = self.recipe, self.representation.network
        network.train(recipe.dropout and recipe.mode != "lora")
        if recipe.mode == "frozen_cnn":
            self.representation.front_end.eval()

    @property
    def dim(self) -> int:
        """Of a vector."""
        return self.representation.card.dim

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return device_of(self.representation)

    def parameters(self) -> list[nn.Parameter]:
        """Return the network's parameters that move."""
        return [one for one in self.representation.network.parameters() if one.requires_grad]

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the tensors that move, buffers of learning parts among them."""
        held = self.representation.network.state_dict()
        return {name: one.detach().cpu().clone() for name, one in held.items() if name in self._moves}

    def set(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.representation.network.load_state_dict(dict(state), strict=False)

    def merge(self) -> None:
        """Make the network a plain one, as its checkpoint holds it."""
        if self.recipe.mode == "lora":
            lowrank.merge(self.representation.network, self.representation.projections)
        self.representation.network.eval().requires_grad_(False)

    def heard(self, batch: Sequence[int], epoch: int, seed: int) -> Iterator[Portion]:
        """Yield a batch, clips of one length together, since none is ever padded."""
        pieces = self._pieces([self.train[index] for index in batch], epoch)
        by_length: dict[int, list[int]] = {}
        for place, piece in enumerate(pieces):
            by_length.setdefault(len(piece), []).append(place)
        for places in by_length.values():
            for first in range(0, len(places), self.recipe.clips_at_once):
                some = places[first : first + self.recipe.clips_at_once]
                stacked = torch.from_numpy(np.stack([pieces[place] for place in some]))
                vectors = self._vectors(stacked, identity.seed_for("portion", seed, some[0]) % 2**63)
                yield Portion(tuple(some), vectors)

    def _vectors(self, pieces: Float[Tensor, "clips samples"], seed: int) -> Float[Tensor, "clips dim"]:
        recipe, device = self.recipe, self.device
        noise = None
        if recipe.is_noisy:
            draws = torch.Generator().manual_seed(seed)
            noise = Noise(recipe.mask_probability, recipe.mask_frames, recipe.layerdrop, draws)
        bf16 = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
        with _weights.forked(seed, device), bf16:  # dropouts draw from the global generator
            frames = self.representation.last_layer(pieces.to(device), noise)
        return frames.float().mean(1)

    def validated(self) -> Float32[np.ndarray, "clips dim"]:
        """Return the validation clips as the saved predictor will hear them: in segments, each frame once."""
        self.representation.network.eval()
        card, batch = self.representation.card, 1 if self.device.type == "cpu" else BATCH_ON_GPU
        is_bf16 = self.recipe.precision == "bf16"
        loop = Loop[int](
            self.representation,
            (card.layers - 1,),
            self.recipe.segment_s,
            batch=batch,
            bf16=is_bf16,
        )
        finished = [one for place, clip in enumerate(self.valid) for one in loop.add(place, self._read(clip))]
        found = {one.tag: one.answer for one in (*finished, *loop.rest())}
        self._learn()
        for answer in found.values():
            if isinstance(answer, UserError):
                raise answer
        return np.stack([found[place][0, 0] for place in range(len(self.valid))])  # type: ignore[index]  # no error

    def _pieces(self, clips: Sequence[Clip], epoch: int) -> list[np.ndarray]:
        read = self._readers.map(self._read, clips)
        return [self._piece(one, clip, epoch) for one, clip in zip(read, clips, strict=True)]

    def _piece(self, samples: np.ndarray, clip: Clip, epoch: int) -> np.ndarray:
        """Return a piece of a clip that is longer than a segment; where, is told by seed, epoch and clip alone."""
        card = self.representation.card
        segment_s = self.recipe.segment_s or card.segment_s
        n = len(samples) if segment_s is None else round(segment_s * card.sample_rate)
        if len(samples) <= n:
            return samples
        draws = identity.generator("segment", self.seed, epoch, clip.id, clip.path.name)
        start = int(draws.integers(len(samples) - n + 1))
        return samples[start : start + n]

    def _read(self, clip: Clip) -> np.ndarray:
        region = clip.path, clip.start_s, clip.end_s
        if (found := self._remembered.get(region)) is None:
            found = audio.read(clip.path, self.representation.card.sample_rate, clip.start_s, clip.end_s).samples
            if self._n_remembered + len(found) <= REMEMBERED_SAMPLES:
                self._remembered[region] = found
                self._n_remembered += len(found)
        return found
