"""A representation on trial: the calls that several laws look at, each made once, and how far two answers are apart.

A second of sound is the unit, so that all laws together hear about half a minute: a network of BASE size at four
times real time is through in ten seconds on one core.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from earmark.conformance import sounds, surroundings
from earmark.nouns import Card
from earmark.representations import _weights
from earmark.representations.base import Representation

TOLERANCE = 1e-4


class First(NamedTuple):
    """The first answer, and what the call did beside answering."""

    answer: Tensor
    carries_gradient: bool
    changed_input: bool
    before: surroundings.Surroundings
    after: surroundings.Surroundings


class Repeats(NamedTuple):
    """What the chord alone gave, and whether it did so again: at one seed, at another, and after other audio."""

    alone: Float[Tensor, "1 layers frames dim"]
    at_one_seed: bool
    at_another_seed: bool
    after_other_audio: bool


@dataclass(frozen=True)
class Trial:
    """One representation, and its answers to the sounds that every law uses."""

    representation: Representation

    @property
    def card(self) -> Card:
        """The card that is held against it."""
        return self.representation.card

    @property
    def one_frame(self) -> bool:
        """Whether the card says that a call gives one frame, whatever its length: a frame rate of 0."""
        return self.card.frame_rate_hz == 0

    @property
    def hop_samples(self) -> float:
        """Samples between frames, as the card has it; infinite with one frame a call."""
        return math.inf if self.one_frame else self.card.sample_rate / self.card.frame_rate_hz

    def allowed(self, n_samples: float) -> int:
        """Return the number of samples nearest to `n_samples` that the card allows."""
        longest = self.card.max_samples or math.inf
        return int(min(max(n_samples, self.card.min_samples), longest))

    @cached_property
    def n_samples(self) -> int:
        """One second, or a quarter more than the least that is allowed."""
        return self.allowed(max(self.card.sample_rate, 1.25 * self.card.min_samples))

    @cached_property
    def rows(self) -> Float[Tensor, "3 samples"]:
        """Noise, a chord and a click, one second each."""
        return sounds.three(self.n_samples, self.card.sample_rate)

    @cached_property
    def first(self) -> First:
        """The answer to the three rows in one batch, with what lies around before and after."""
        given, before = self.rows.clone(), surroundings.look()
        answer = self.representation(given)
        after = surroundings.look()
        gradient = isinstance(answer, Tensor) and answer.requires_grad
        plain = answer.detach() if gradient else answer
        return First(plain, gradient, not torch.equal(given, self.rows), before, after)

    def call(self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None) -> Tensor:
        """Return the answer without a gradient. The audio is copied, so that a call cannot spoil the next."""
        return self.representation(audio.clone(), layers).detach()

    @cached_property
    def repeats(self) -> Repeats:
        """The chord again and again, with torch's generator at known seeds, and other audio in between."""
        chord, other = self.rows[1:2], self.rows[:1, : self.allowed(self.n_samples // 2)]

        def at(seed: int) -> Tensor:
            with _weights.seeded("conformance", seed):
                return self.call(chord)

        one, again, another = at(1), at(1), at(2)
        self.call(other)
        later = at(1)
        return Repeats(one, same(one, again), same(again, another), same(one, later))


def same(one: Tensor, other: Tensor) -> bool:
    """Say whether two answers are equal to the bit; what is not a number equals itself."""
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def apart(one: Float[Tensor, "batch layers frames dim"], other: Float[Tensor, "batch layers frames dim"]) -> float:
    """Return the largest difference, relative to the value and to the size of its layer; infinite for other shapes.

    The size of a layer is its root mean square: a value near zero in a layer of large ones is not held to more
    digits than float32 has.
    """
    if one.shape != other.shape:
        return math.inf
    left, right = one.double().nan_to_num(), other.double().nan_to_num()
    size = right.square().mean(dim=(0, 2, 3), keepdim=True).sqrt()
    return float(((left - right).abs() / (right.abs() + size).clamp_min(1e-30)).max())
