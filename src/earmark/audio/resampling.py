"""Mixing down and resampling, as librosa would; the one file that imports soxr."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from jaxtyping import Float32

VERSION: str = soxr.__libsoxr_version__
QUALITY = "HQ"


def mono(samples: Float32[np.ndarray, "frames channels"]) -> Float32[np.ndarray, " frames"]:
    """Mix down to the mean of the channels, equal to the bit to librosa's.

    Channels are added one by one because `ndarray.mean` over so short an axis is 19× slower.
    """
    channels = samples.shape[1]
    if channels == 1:
        return samples[:, 0]
    total: np.ndarray = samples[:, 0] + samples[:, 1]
    for channel in range(2, channels):
        total += samples[:, channel]
    total /= channels
    return total


def resample(
    samples: Float32[np.ndarray, " samples"], source_rate: int, target_rate: int
) -> Float32[np.ndarray, " resampled"]:
    """Resample mono audio with soxr HQ. Samples out: ceil(n · target_rate / source_rate), rates in Hz.

    Differs from soxr: the count is librosa's, so a last sample may be a zero that soxr did not compute.
    """
    if source_rate == target_rate:
        return samples
    resampled = soxr.resample(samples, source_rate, target_rate, quality=QUALITY)
    return _fitted(resampled, len(samples), source_rate, target_rate)


def resampled(
    blocks: Iterable[Float32[np.ndarray, " block"]], source_rate: int, target_rate: int
) -> Iterator[Float32[np.ndarray, " resampled"]]:
    """Yield blocks resampled, as many samples in all as `resample` returns."""
    stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality=QUALITY)
    n_in = n_out = 0
    for block in blocks:
        part = stream.resample_chunk(block)
        n_in, n_out = n_in + len(block), n_out + len(part)
        yield part
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    n_rest = max(0, -(-n_in * target_rate // source_rate) - n_out)
    yield np.pad(rest, (0, max(0, n_rest - len(rest))))[:n_rest]


def _fitted(
    resampled: Float32[np.ndarray, " any"], n_samples: int, source_rate: int, target_rate: int
) -> Float32[np.ndarray, " resampled"]:
    n_out = -(-n_samples * target_rate // source_rate)
    short = n_out - len(resampled)
    return np.pad(resampled, (0, short)) if short > 0 else resampled[:n_out]
