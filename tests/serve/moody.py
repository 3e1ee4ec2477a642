"""A representation that does to its process what the level of constant audio tells it: dawdles, hangs, dies."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from earmark.representations.logmel import CARD

NAME = "tests.serve.moody:Moody"
USUAL, SLOW, HANGS, DIES, BREAKS, GREEDY = 0.1, 0.3, 0.5, 0.7, 0.9, 0.4
SLOW_S = 0.25


class Moody:
    """One number a segment: its loudest sample."""

    card = replace(CARD, name="moody", dim=1, min_samples=16, frame_rate_hz=0.0, sample_rate=8000)

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        level = float(audio.min())
        if level > 0.05 and level == float(audio.max()):
            _act(round(level, 2))
        return audio.abs().amax(1)[:, None, None, None]


def _act(level: float) -> None:
    if level == SLOW:
        time.sleep(SLOW_S)
    if level == HANGS:
        time.sleep(600)
    if level == DIES:
        os.abort()
    if level == GREEDY:
        bytearray(1 << 40)
    if level == BREAKS:
        raise RuntimeError("a bug of somebody's")
