"""Shapes of SF-NFNet: how wide and deep each of its two paths is; and by what numbers it is trained. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Pair = tuple[int, int]
"""Of an axis of frequency, then one of time."""


@dataclass(frozen=True)
class Path:
    """One of the two paths: four convolutions, then four stages of residual blocks.

    The slow one has many channels and few frames, the fast one few channels and many frames. `group_size` is the number
    of channels that a grouped convolution of a block looks at together.
    """

    stem_channels: tuple[int, int, int, int]
    stem_kernels: tuple[Pair, Pair, Pair, Pair]
    stem_strides: tuple[Pair, Pair, Pair, Pair]
    channels: tuple[int, int, int, int]
    group_size: int


@dataclass(frozen=True)
class Settings:
    """A network. `fused` are the channels that the fast path adds to the slow one before each stage.

    `alpha` scales each residual branch, of which training drops one by one a growing share, up to `skip_rate`.
    """

    slow: Path
    fast: Path
    depths: tuple[int, int, int, int]
    squeezed: tuple[int, int, int, int]
    fused: tuple[int, int, int, int]
    alpha: float = 0.2
    skip_rate: float = 0.1

    @property
    def dim(self) -> int:
        """Of an embedding."""
        return self.slow.channels[-1] + self.fast.channels[-1]


TALL, SQUARE = (3, 1), (3, 3)

F0 = Settings(
    slow=Path(
        stem_channels=(16, 32, 64, 128),
        stem_kernels=(TALL, TALL, TALL, SQUARE),
        stem_strides=((2, 8), (1, 1), (1, 1), (2, 2)),
        channels=(256, 512, 1536, 1536),
        group_size=128,
    ),
    fast=Path(
        stem_channels=(2, 4, 8, 16),
        stem_kernels=(SQUARE, SQUARE, SQUARE, SQUARE),
        stem_strides=((2, 2), (1, 1), (1, 1), (2, 2)),
        channels=(32, 64, 192, 192),
        group_size=16,
    ),
    depths=(1, 2, 6, 3),
    squeezed=(32, 32, 64, 192),
    fused=(128, 256, 512, 3072),
)


@dataclass(frozen=True)
class Mixing:
    """Mixup of log-mel spectrograms while training, of either segment of a pair with those of other pairs.

    `way`: "convex" takes g of one and 1 − g of the other, "additive" one and g of the other, "none" leaves them alone;
    g is of Beta(`alpha`, `beta`). `when`: "before" or "after" slices are standardised; after it they are so once more.
    McCallum et al. 2022 (seed 004, section 2.1) leave way and place open.
    """

    way: Literal["convex", "additive", "none"] = "convex"
    when: Literal["before", "after"] = "before"
    alpha: float = 5.0
    beta: float = 2.0


@dataclass(frozen=True)
class Head:
    """The projector: widths of its hidden layers, and the deviation of its first weights."""

    hidden: tuple[int, ...] = (4096, 4096, 4096)
    deviation: float = 0.01


@dataclass(frozen=True)
class Contrast:
    """SimCLR: a network, the projector on it, what is compared (`n_out` numbers) and how sharply."""

    network: Settings
    head: Head = Head()
    n_out: int = 1024
    temperature: float = 0.1
    mixing: Mixing = Mixing()


@dataclass(frozen=True)
class Tagging:
    """With labels: a network, the projector from it to a logit for each tag, and how segments are mixed."""

    network: Settings
    head: Head = Head()
    mixing: Mixing = Mixing()


# Strides early, and no groups: what makes it fast on a CPU.
TINY = Settings(
    slow=Path(
        stem_channels=(8, 16, 24, 24),
        stem_kernels=(TALL, TALL, TALL, SQUARE),
        stem_strides=((2, 8), (2, 2), (1, 1), (1, 1)),
        channels=(48, 96, 128, 128),
        group_size=64,
    ),
    fast=Path(
        stem_channels=(4, 8, 8, 8),
        stem_kernels=(SQUARE, SQUARE, SQUARE, SQUARE),
        stem_strides=((2, 2), (2, 2), (1, 1), (1, 1)),
        channels=(8, 16, 32, 32),
        group_size=16,
    ),
    depths=(1, 1, 2, 1),
    squeezed=(8, 8, 16, 32),
    fused=(24, 48, 96, 128),
)
PRESETS = {"f0": F0, "tiny": TINY}
# What is compared of a tiny network is as small; wider first weights suit narrower layers: 1 / √512.
TINY_HEAD = Head(hidden=(512, 512), deviation=0.044)
CONTRASTS: Mapping[str, Contrast] = {
    "mule": Contrast(F0),
    "mule-tiny": Contrast(TINY, TINY_HEAD, n_out=128, mixing=Mixing(way="none")),
}
"""SimCLR by the name of what it is of."""
TAGGINGS: Mapping[str, Tagging] = {"mule": Tagging(F0), "mule-tiny": Tagging(TINY, TINY_HEAD, Mixing(way="none"))}
"""With labels, by the name of what it is of."""
