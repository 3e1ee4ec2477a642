"""Runtimes: a network's forward pass by ONNX Runtime and by OpenVINO, against torch, on one thread.

Random weights, full size. Torch is asked for the same layers as the graphs give: all. Seconds are of one pass; each
graph was held against torch, within 1e-4, before it was timed.
"""

import importlib.util
from collections.abc import Callable

import torch

from bench.ratio import Cost, NotHere, Ratio, compare
from earmark.representations import base
from earmark.representations._sessions import RUNTIMES

SIZES = {"random:wav2vec2-base": (6.0, 1.15), "random:mule": (3.0, 1.2)}
"""By name: seconds of audio in a pass, and the goal."""
ROUNDS = 5


def measure() -> list[Ratio | Cost]:
    """Return a ratio for each network and runtime that is here."""
    lacking = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacking:
        raise NotHere(f"no {', '.join(lacking)}")
    torch.set_num_threads(1)
    return [_ratio(name, runtime) for name in SIZES for runtime in RUNTIMES if _is_here(runtime)]


def _is_here(runtime: str) -> bool:
    return importlib.util.find_spec({"onnx": "onnxruntime"}.get(runtime, runtime)) is not None


def _ratio(name: str, runtime: str) -> Ratio:
    length_s, goal = SIZES[name]
    torchs, theirs = base.load(name), base.load(f"{runtime}:{name}")
    n_samples = round(length_s * torchs.card.sample_rate)
    audio = 0.1 * torch.randn(1, n_samples, generator=torch.Generator().manual_seed(0))

    def run(network: base.Representation) -> Callable[[], object]:
        return lambda: network(audio)

    return compare(f"{name}, {length_s:g} s", (runtime, run(theirs)), ("torch", run(torchs)), goal=goal, rounds=ROUNDS)
