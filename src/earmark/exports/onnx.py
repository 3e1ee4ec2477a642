"""A representation, alone or with a saved probe behind it, as one ONNX file: audio in, embeddings or scores out."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from earmark import durable
from earmark.catalogue.prediction import load_probe
from earmark.errors import DataError, UserError
from earmark.experiment import probe_folders, vectors
from earmark.experiment.probe_folders import ProbeCard
from earmark.exports.probes import Answering
from earmark.exports.written import Exported, cited, facts, files_of, plain, text
from earmark.nouns import Card
from earmark.probes.base import Fitted
from earmark.representations import _graphs, _sessions, base
from earmark.representations._graphs import ANSWER, AUDIO, TOLERANCE, Followed, Graph
from earmark.representations.base import Representation
from earmark.representations.embed import clip_embedding

FILE, FACTS = "model.onnx", "model.json"


def write(name: str, folder: Path, probe: Path | str | None = None) -> Exported:
    """Write the file, and beside it what it hears and says. The graph is held against torch before.

    Raises UserError where torch cannot write it, or it gives other numbers; DataError for a probe of another
    representation. With a probe, the answer to the same audio is also held against what `predict` says.
    """
    made = base.load(name)
    fitted, card = (None, None) if probe is None else (load_probe(probe), probe_folders.read_card(Path(probe)))
    after = None
    if fitted is not None and card is not None:
        _require_of(name, made.card, card)
        after = Answering(fitted, card.representation)
    graph = _graphs.graph_of(Followed(made, after))
    if fitted is not None and card is not None:
        _require_same(made, graph, fitted, card)
    segment_s, hop_s = _segments(made.card, card)
    said = {
        "representation": made.card.name,
        "weights_sha256": made.card.weights_sha256,
        "licence": made.card.licence,
        "sample_rate": made.card.sample_rate,
        "input": AUDIO,
        "input_shape": [1, "samples"],
        "least_samples": graph.least_samples,
        "most_samples": graph.most_samples,
        "segment_s": segment_s,
        "segment_hop_s": hop_s,
        "output": ANSWER,
        "output_shape": [1, "outputs"] if card else [1, "layers", "frames", "dim"],
        "difference_from_torch": graph.difference,
        "probe": asdict(card) if card else None,
    }
    durable.make_folder(folder)
    durable.write_file(folder / FILE, _graphs.with_facts(graph.content, said))
    text(folder / FACTS, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    text(folder / "README.md", f"# {made.card.name} as an ONNX file\n\n{facts(made.card)}{cited(made.card)}")
    return Exported(
        folder, files_of(folder), f"onnxruntime.InferenceSession('{folder / FILE}')", _notes(graph, segment_s, card)
    )


def _require_of(name: str, here: Card, card: ProbeCard) -> None:
    known = {plain(one): said for one, said in card.hears.items()}.get(plain(name))
    if known is None or len(card.hears) > 1:
        raise DataError(f"The probe '{card.key}' was fitted on {' + '.join(card.hears)}, not on '{name}'.")
    if (known["version"], known["weights_sha256"]) != (here.version, here.weights_sha256):
        raise DataError(f"The probe '{card.key}' was fitted on other weights of '{name}'. Fit it again.")
    if card.grain != "clip":
        raise UserError(
            f"The probe '{card.key}' sees {card.grain} and a graph gives it the mean of a clip. Export one that was "
            "fitted on means."
        )


def _require_same(made: Representation, graph: Graph, fitted: Fitted, card: ProbeCard) -> None:
    """Raise UserError where the file says something else than the probe does."""
    n_samples = next(_graphs.lengths(_graphs.example(made.card), graph.least_samples, graph.most_samples))
    choice, length_s = card.representation, n_samples / made.card.sample_rate
    run = _sessions.session("onnx", graph.content, [ANSWER])
    worst = 0.0
    for audio in _sounds(made.card, n_samples):
        seen = clip_embedding(made, audio[0], choice.layers, length_s, length_s)
        expected = fitted.predict(vectors.side_by_side([seen[None]], "clip", choice))
        (found,) = run({AUDIO: audio})
        worst = float(np.maximum(worst, np.abs(found - expected).max()))  # keeps what is not a number
    if not worst <= TOLERANCE:
        raise UserError(
            f"The file differs from what '{card.probe}' predicts by {worst:.2g}, more than {TOLERANCE:g}. Use earmark "
            "predict."
        )


def _sounds(card: Card, n_samples: int) -> Iterator[Float32[np.ndarray, "1 samples"]]:
    """Yield noise, the same 60 dB lower, and a tone that dies away in it: a probe may stretch what noise has not."""
    noise = _graphs.noise(card, n_samples)
    yield noise
    yield noise / 1000.0
    at_s = np.arange(n_samples, dtype=np.float32)[None] / card.sample_rate
    yield noise / 1000.0 + 0.5 * np.exp(-2.0 * at_s) * np.sin(2.0 * np.pi * 220.0 * at_s)


def _segments(heard: Card, card: ProbeCard | None) -> tuple[float | None, float | None]:
    """Return how long the pieces are that earmark cuts audio into, and how far apart: as for the probe, or the card."""
    choice = None if card is None else card.representation
    if choice is None or choice.segment_s is None:
        return heard.segment_s, heard.segment_hop_s
    return choice.segment_s, choice.segment_hop_s


def _notes(graph: Graph, segment_s: float | None, card: ProbeCard | None) -> tuple[str, ...]:
    notes = []
    if graph.is_of_one_length:
        notes.append(f"It takes audio of exactly {graph.least_samples:,} samples: torch could not leave that open.")
    if segment_s is not None:
        what = "earmark hears audio in" if card is None else "The probe was fitted on means over"
        notes.append(f"{what} segments of {segment_s:g} s: cut longer audio so, and average what the file says.")
    return tuple(notes)
