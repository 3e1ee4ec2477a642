"""A representation as one ONNX graph: audio in, embeddings out, held against torch before anybody gets it.

Torch follows the forward pass and writes down what it saw. Where it can leave the number of samples open, the graph
takes any length from the least to the most that torch found; where the graph then gives other numbers at another
length, as one does that cuts audio into blocks, it is made again for one length.
"""

import contextlib
import importlib.util
import io
import json
import logging
import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark import identity
from earmark.errors import MissingPart, UserError
from earmark.nouns import Card
from earmark.representations import _sessions
from earmark.representations._sessions import Session
from earmark.representations.base import Representation

AUDIO, ANSWER = "audio", "answer"
TOLERANCE = 1e-4
EXAMPLE_S = 2.37  # no round number, for a graph that only fits multiples of something to be found out
OTHER_LENGTHS = (1.37, 2.0, 0.5)
OPSET = 18

# What torch ends in where it cannot follow a network: its words are what a user is told.
FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Graph:
    """An ONNX file, the least and the most samples that it takes (None: no end), and how far from torch it was."""

    content: bytes
    least_samples: int
    most_samples: int | None
    difference: float

    @property
    def is_of_one_length(self) -> bool:
        """Whether it takes audio of one length alone."""
        return self.least_samples == self.most_samples

    def takes(self, n_samples: int) -> bool:
        """Whether it takes audio so long."""
        return self.least_samples <= n_samples and (self.most_samples is None or n_samples <= self.most_samples)


class Followed(nn.Module):
    """The forward pass of a representation, of all layers, as torch can follow it; then whatever comes `after`."""

    def __init__(self, representation: Representation, after: nn.Module | None = None) -> None:
        super().__init__()
        self.representation, self.after = representation, after or nn.Identity()
        called = getattr(type(representation), "forward", type(representation).__call__)
        self.called = getattr(called, "__wrapped__", called)  # inference mode is not to be followed

    def forward(self, audio: Float[Tensor, "1 samples"]) -> Tensor:
        """Return (1, layers, frames, dim), or what `after` makes of it."""
        answer: Tensor = self.after(self.called(self.representation, audio))
        return answer


def graph_of(network: Followed) -> Graph:
    """Return the graph of a representation. Raises UserError, with torch's reason, where torch cannot write it.

    Raises MissingPart where what torch writes it with is not installed.
    """
    _require_writers()
    card = network.representation.card
    n_samples = example(card)
    reason = ""
    for is_open in (True, False):
        try:
            content, least, most = _written(network.eval(), n_samples, is_open)
        except FAILURES as error:
            reason = _first_line(error)
            continue
        least, most = max(least, card.min_samples), _smaller(most, card.max_samples)
        try:
            worst = difference(network, _sessions.session("onnx", content, [ANSWER]), lengths(n_samples, least, most))
        except FAILURES as error:
            reason = _first_line(error)
            continue
        if worst <= TOLERANCE:
            return Graph(content, least, most, worst)
        reason = f"its graph differs from torch by {worst:.2g}, more than {TOLERANCE:g}"
    raise UserError(f"'{card.name}' cannot be written as an ONNX graph: {reason}. Use it with torch: {card.name}")


def difference(network: Followed, session: Session, wanted: Iterator[int]) -> float:
    """Return the largest difference from torch over lengths; of large embeddings, as a share of the largest."""
    worst = 0.0
    for n_samples in wanted:
        audio = noise(network.representation.card, n_samples)
        with torch.no_grad():
            expected = network(torch.from_numpy(audio)).numpy()
        (found,) = session({AUDIO: audio})
        if found.shape != expected.shape:
            return math.inf
        apart = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
        if not math.isfinite(apart):  # max would pass over what is not a number
            return math.inf
        worst = max(worst, apart)
    return worst


def lengths(n_samples: int, least: int, most: int | None) -> Iterator[int]:
    """Yield the lengths to check: the one that torch followed, and others, of those that the graph takes."""
    yield min(max(n_samples, least), most or n_samples)
    for factor in OTHER_LENGTHS:
        other = round(factor * n_samples)
        if least != most and least <= other and (most is None or other <= most):
            yield other


def noise(card: Card, n_samples: int) -> Float[np.ndarray, "1 samples"]:
    """Return the same soft noise always."""
    rng = identity.generator("graph", card.name, n_samples)
    return (0.1 * rng.standard_normal((1, n_samples))).astype(np.float32)


def example(card: Card) -> int:
    wanted = round((card.segment_s or EXAMPLE_S) * card.sample_rate)
    wanted = max(wanted, card.min_samples)
    return wanted if card.max_samples is None else min(wanted, card.max_samples)


def _written(network: Followed, n_samples: int, is_open: bool) -> tuple[bytes, int, int | None]:
    """Return the file, and the least and most samples that it takes."""
    sizes: Any = torch.export.Dim
    audio = (torch.from_numpy(noise(network.representation.card, n_samples)),)
    # Torch says on both streams how it goes on, and stdout is for what was asked.
    with contextlib.redirect_stdout(sys.stderr), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It warns of what it knows no operators of, such as those of a torchvision that is not here.
        logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
        with torch.no_grad():
            shapes = ({1: sizes.AUTO},) if is_open else None
            followed = torch.export.export(network, audio, dynamic_shapes=shapes, strict=False)
        program: Any = torch.onnx.export(
            followed, input_names=[AUDIO], output_names=[ANSWER], opset_version=OPSET, dynamo=True, verbose=False
        )
        with TemporaryDirectory() as folder:
            program.save(str(Path(folder) / "graph.onnx"), external_data=False)
            content = (Path(folder) / "graph.onnx").read_bytes()
    ranges = list(followed.range_constraints.values()) if is_open else []
    if len(ranges) != 1:
        return content, n_samples, n_samples
    most = str(ranges[0].upper)
    return content, int(ranges[0].lower), int(most) if most.isdecimal() else None


def _require_writers() -> None:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPart(f"Writing ONNX graphs needs {', '.join(missing)}. Type: pip install 'earmark[onnx]'")


def _smaller(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if not line.startswith(("def ", "#", "sym_"))), type(error).__name__)
    return said[:300].rstrip(".")


def with_facts(content: bytes, facts: Mapping[str, object]) -> bytes:
    """Return an ONNX file that says, under "earmark" in its own metadata, what is known of it."""
    _require_writers()
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, {"earmark": json.dumps(facts, ensure_ascii=False)})
    found: bytes = model.SerializeToString()
    return found
