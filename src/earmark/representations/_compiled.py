"""A representation whose forward pass another runtime computes: the same numbers within 1e-4, or none.

The graph is written once, into the store's folder, and held against torch whenever it is loaded. Part of the weights'
hash, and so of every key, are the versions of what writes and runs it.
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

VERSION = 1
FOLDER = "graphs"


class Compiled:
    """All layers in one pass; rows one at a time, so that batch mates cannot change a number."""

    def __init__(self, card: Card, session: Session) -> None:
        self.card, self.session = card, session

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for (None: all). Raises UserError for wrong audio or layers."""
        wanted = list(check_call(audio, layers, self.card))
        rows = [self.session({AUDIO: row[None].float().cpu().numpy()})[0] for row in audio]
        return torch.from_numpy(np.concatenate(rows))[:, wanted]


def load(runtime: Runtime, name: str) -> Compiled:
    """Return a representation by its name, computed by a runtime.

    Raises what loading it raises, MissingPart without the runtime, UserError where torch cannot write its graph, or
    where the runtime's numbers are not those of torch.
    """
    if not name:
        raise UserError(f"Expected a representation after {runtime}:, as in {runtime}:wav2vec2-base.")
    made = load_torch(name)
    known_as = {"runtime": _sessions.version(runtime), **_written_by(made)}
    graph = _kept(made)
    session = _sessions.session(runtime, graph.content, [ANSWER])
    n_samples = _graphs.example(made.card)
    lengths = _graphs.lengths(n_samples, graph.least_samples, graph.most_samples)
    worst = _graphs.difference(Followed(made), session, lengths)
    if worst > TOLERANCE:
        raise UserError(
            f"'{runtime}:{name}' differs from torch by {worst:.2g}, more than {TOLERANCE:g}, by "
            f"{known_as['runtime']}. Use it with torch: {name}"
        )
    return Compiled(_card(made.card, f"{runtime}:{made.card.name}", graph, identity.key_of(**known_as)), session)


def _card(card: Card, name: str, graph: Graph, weights_sha256: str) -> Card:
    """Return the card under another name, of the lengths that the graph takes."""
    one_length = graph.least_samples / card.sample_rate if graph.is_of_one_length else None
    return replace(
        card,
        name=name,
        min_samples=graph.least_samples,
        max_samples=graph.most_samples,
        weights_sha256=weights_sha256,
        segment_s=one_length or card.segment_s,
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
