"""The numbers of EncodecMAE: the paper's three sizes, and one that fits a laptop.

Source: Pepino, Riera and Ferrer 2023 (seed 002), §2.2, §2.3 and §3.1, in the details of its published code.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from earmark.errors import UserError

# The paper's: mean quantisation error of each codebook on 150 clips, normalised. Which error is not said there.
PAPER_GAMMA = (0.22407463, 0.1759858, 0.14499009, 0.12150037, 0.10315603, 0.08831368, 0.07608274, 0.06589669)
# Mean norm of what is left before each stage of our own residual k-means on log-mel frames, normalised.
MEL_RVQ_GAMMA = (0.435, 0.215, 0.184, 0.166)

INPUT_DIMS: Mapping[str, int] = {"encodec": 128, "mel256": 256, "mel128": 128}
SAMPLE_RATES: Mapping[str, int] = {"encodec": 24000, "mel256": 24000, "mel128": 16000}
BESIDE = "+kmeans"
TARGETS = ("codec", "mel_rvq", "kmeans", f"codec{BESIDE}", f"mel_rvq{BESIDE}")
MASK_TOKENS = ("zeros", "learned")


@dataclass(frozen=True)
class Settings:
    """Network and objective; defaults are BASE's.

    `heads` times `head_dim` is the inner width of attention, which need not be `dim`. `share_ffn`: one feed-forward
    module for all blocks of a stack. Of each segment `mask_share` of the frames are hidden, in runs of `mask_frames`
    or more. `n_streams` codes a frame are sought, each of `n_codes`. `delta` is the weight of hidden frames,
    `gamma` that of each codebook (None: equal weights that sum to 1). `shared_positions`: encoder and decoder scale
    their sinusoids by one number (version 1 of the published code) or by one each (version 2).
    Raises UserError for numbers that make no network.
    """

    dim: int = 768
    heads: int = 12
    head_dim: int = 64
    encoder_layers: int = 10
    decoder_layers: int = 2
    ffn_dim: int = 4096
    share_ffn: bool = True
    mask_share: float = 0.5
    mask_frames: int = 15
    mask_token: Literal["zeros", "learned"] = "zeros"
    inputs: Literal["encodec", "mel256", "mel128"] = "encodec"
    targets: Literal["codec", "mel_rvq", "kmeans", "codec+kmeans", "mel_rvq+kmeans"] = "codec"
    n_streams: int = 8
    n_codes: int = 1024
    delta: float = 0.9
    gamma: tuple[float, ...] | None = PAPER_GAMMA
    shared_positions: bool = True

    def __post_init__(self) -> None:
        sizes = ("dim", "heads", "head_dim", "encoder_layers", "decoder_layers", "ffn_dim", "mask_frames")
        for name in (*sizes, "n_streams", "n_codes"):
            if getattr(self, name) < 1:
                raise UserError(f"Expected '{name}' of at least 1, got {getattr(self, name)}.")
        if self.dim % 2:
            raise UserError(f"Expected an even dim, half sines and half cosines; got {self.dim}.")
        for name, known in (("inputs", tuple(INPUT_DIMS)), ("targets", TARGETS), ("mask_token", MASK_TOKENS)):
            if getattr(self, name) not in known:
                raise UserError(f"Expected '{name}' to be {' or '.join(known)}; got '{getattr(self, name)}'.")
        if not 0.0 < self.mask_share < 1.0:
            raise UserError(f"Expected a mask_share between 0 and 1, got {self.mask_share:g}.")
        if not 0.0 <= self.delta <= 1.0:
            raise UserError(f"Expected a delta from 0 to 1, the weight of hidden frames; got {self.delta:g}.")
        _require_gamma(self)

    @property
    def input_dim(self) -> int:
        """Width of the frames that the published inputs of that name give."""
        return INPUT_DIMS[self.inputs]

    @property
    def least_samples(self) -> int:
        """The shortest segment of which frames are hidden and seen, by the frames that inputs of that name give.

        Encodec's are those of a codec whose hop is the published one, 320 samples.
        """
        n_frames = max(self.mask_frames + 1, math.ceil(1 / self.mask_share))
        hops = {"encodec": 320 * (n_frames - 1) + 1, "mel256": 637 + 318 * (n_frames - 1), "mel128": 320 * n_frames}
        return hops[self.inputs]

    @property
    def n_beside(self) -> int:
        """Streams of k-means that stand after those of other codebooks: 1 or none."""
        return int(self.targets.endswith(BESIDE))

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each stream's loss. A stream of k-means beside others weighs as much as these together."""
        n_given = self.n_streams - self.n_beside
        given = self.gamma or (1.0 / n_given,) * n_given
        return given if len(given) == self.n_streams else (*given, sum(given))


def _require_gamma(settings: Settings) -> None:
    """Raise UserError for weights that are not one for each stream."""
    if settings.gamma is None and settings.n_streams > settings.n_beside:
        return
    gamma = tuple(settings.gamma or ())
    wanted = {settings.n_streams, settings.n_streams - settings.n_beside}
    if len(gamma) not in wanted or not gamma or min(gamma) < 0.0 or sum(gamma) <= 0.0:
        raise UserError(
            f"Expected a gamma of {' or '.join(map(str, sorted(wanted)))} weights from 0, not all 0, for "
            f"{settings.n_streams} streams; got {settings.gamma}. Leave it empty for equal weights, or measure it: "
            "earmark corpus gamma."
        )


BASE = Settings()
SMALL = replace(BASE, encoder_layers=5)
# The published large network kept 12 heads: they have 85 dimensions each, 1,020 together.
LARGE = replace(BASE, dim=1024, head_dim=85, encoder_layers=20)
TINY = Settings(
    dim=192,
    heads=4,
    head_dim=48,
    encoder_layers=4,
    decoder_layers=1,
    ffn_dim=768,
    inputs="mel128",
    targets="mel_rvq",
    n_streams=4,
    n_codes=256,
    gamma=MEL_RVQ_GAMMA,
)
PRESETS: Mapping[str, Settings] = {"small": SMALL, "base": BASE, "large": LARGE, "tiny": TINY}
