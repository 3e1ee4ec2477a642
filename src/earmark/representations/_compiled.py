"""A representation whose forward pass another runtime computes: the same numbers within 1e-4, or none.

The graph is written once, into the store's folder, and held against torch whenever it is loaded. Audio of a length that
it does not take, such as the short end of a clip, torch computes: a clip is cut as that of the network is. Part of the
weights' hash, and so of every key, are the versions of what writes and runs it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from earmark import durable, identity, places
from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations import _graphs, _sessions
from earmark.representations._graphs import ANSWER, AUDIO, TOLERANCE, Followed, Graph
from earmark.representations._sessions import Runtime, Session
from earmark.representations.base import Representation, check_call, code_sha256
from earmark.representations.base import load as load_torch

VERSION = 2
FOLDER = "graphs"


class Compiled:
    """All layers in one pass; rows one at a time, so that batch mates cannot change a number."""

    def __init__(self, card: Card, session: Session, graph: Graph, made: Representation) -> None:
        self.card, self.session, self.graph, self.made = card, session, graph, made

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for (None: all). Raises UserError for wrong audio or layers."""
        wanted = list(check_call(audio, layers, self.card))
        if not self.graph.takes(audio.shape[1]):
            return torch.cat([self.made(row[None], wanted) for row in audio])
        rows = [self.session({AUDIO: row[None].float().cpu().numpy()})[0] for row in audio]
        return torch.from_numpy(np.concatenate(rows))[:, wanted]


def load(runtime: Runtime, name: str) -> Compiled:
    """Return a representation by its name, computed by a runtime.

    Raises what loading it raises, MissingPart without the runtime, UserError where torch cannot write its graph, where
    that takes one length which clips are not cut into, or where the runtime's numbers are not those of torch.
    """
    if not name:
        raise UserError(f"Expected a representation after {runtime}:, as in {runtime}:wav2vec2-base.")
    made = load_torch(name)
    known_as = {"runtime": _sessions.version(runtime), **_written_by(made)}
    graph = _kept(made)
    _require_pieces(made.card, graph, f"{runtime}:{name}")
    session = _sessions.session(runtime, graph.content, [ANSWER])
    n_samples = _graphs.example(made.card)
    lengths = _graphs.lengths(n_samples, graph.least_samples, graph.most_samples)
    worst = _graphs.difference(Followed(made), session, lengths)
    if not worst <= TOLERANCE:
        raise UserError(
            f"'{runtime}:{name}' differs from torch by {worst:.2g}, more than {TOLERANCE:g}, by "
            f"{known_as['runtime']}. Use it with torch: {name}"
        )
    card = replace(made.card, name=f"{runtime}:{made.card.name}", weights_sha256=identity.key_of(**known_as))
    return Compiled(card, session, graph, made)


def _require_pieces(card: Card, graph: Graph, name: str) -> None:
    """Raise UserError for a graph of one length that the network is not given, so that torch would do all the work."""
    given = card.min_samples if card.segment_s is None else round(card.segment_s * card.sample_rate)
    if graph.is_of_one_length and (
        graph.least_samples != given or (card.segment_s is None and card.max_samples != given)
    ):
        raise UserError(
            f"'{name}' could compute audio of {graph.least_samples:,} samples alone, and '{card.name}' hears other "
            f"lengths. Use it with torch: {card.name}"
        )


def _written_by(made: Representation) -> dict[str, object]:
    """Return what a graph is made of and by."""
    card = made.card
    return {
        "name": card.name,
        "card_version": card.version,
        "weights_sha256": card.weights_sha256,
        "code_sha256": code_sha256(made),
        "graph": VERSION,
        "torch": torch.__version__,
    }


def _kept(made: Representation) -> Graph:
    """Return the graph from the store's folder; written into it first where it is not there."""
    key = identity.key_of(**_written_by(made))
    file = places.store_folder() / FOLDER / f"{key}.onnx"
    facts = file.with_suffix(".json")  # written last: without it there is nothing
    if facts.is_file():
        return Graph(file.read_bytes(), **json.loads(facts.read_text("utf-8")))
    graph = _graphs.graph_of(Followed(made))
    said = {name: one for name, one in asdict(graph).items() if name != "content"}
    durable.make_folder(file.parent)
    durable.write_file(file, graph.content)
    durable.write_file(facts, json.dumps(said).encode())
    return graph
