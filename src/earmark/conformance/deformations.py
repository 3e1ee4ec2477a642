"""The laws of a deformation chain."""

from collections.abc import Iterator

import numpy as np

from earmark import deformations, identity
from earmark.deformations import Chain


def broken_by_chain(chain: Chain) -> tuple[str, ...]:
    """Check that a deformation keeps length and type, repeats itself, and leaves its input as it was."""
    return tuple(_of_chain(chain))


def _of_chain(chain: Chain) -> Iterator[str]:
    rng = identity.generator("conformance", deformations.identity_of(chain))
    for rate in (16000, 44100, 48000):
        samples = (0.1 * rng.standard_normal(rate)).astype(np.float32)
        kept = samples.copy()
        answer = deformations.apply(chain, samples, rate, 1)
        if answer.shape != samples.shape or answer.dtype != np.float32:
            yield f"{rate} Hz: expected {samples.shape} float32, got {answer.shape} {answer.dtype}"
        elif not np.isfinite(answer).all():
            yield f"{rate} Hz: noise gave samples that are not finite"
        elif not np.array_equal(answer, deformations.apply(chain, samples, rate, 1)):
            yield f"{rate} Hz: the same seed twice gave different samples"
        if not np.array_equal(samples, kept):
            yield f"{rate} Hz: the samples given were changed in place"
