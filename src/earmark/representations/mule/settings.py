"""Shapes of SF-NFNet: how wide and deep each of its two paths is. Pure."""

from dataclasses import dataclass

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
