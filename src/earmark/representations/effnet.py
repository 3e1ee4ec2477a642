"""`effnet-discogs-styles`: an EfficientNet on log-mel patches of 2 s, taught Discogs' styles of music. Extra `[onnx]`.

Its published graph is run by onnxruntime; what it hears is computed here, equal to essentia's. The thesis took another
graph of the same network (discogs_artist_embeddings-effnet-bs64-1, which learnt to tell artists apart), in a form for
TensorFlow: that one is `effnet-discogs`, and not here yet.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _sessions, _weights
from earmark.representations._sessions import Session
from earmark.representations._spectrogram import FilteredPower, mel_filters
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, HOP_SAMPLES, N_MELS = 16000, 512, 256, 96
PATCH_FRAMES, PATCH_HOP_FRAMES = 128, 62
COMPRESSION = 10_000
INPUT, OUTPUT = "melspectrogram", "embeddings"
# Patches that are given to the graph together.
BLOCK_PATCHES = 16

LICENCE = "CC-BY-NC-SA-4.0"
FILE = "discogs-effnet-bsdynamic-1.onnx"
CARD = Card(
    name="effnet-discogs-styles",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / (PATCH_HOP_FRAMES * HOP_SAMPLES),
    dim=1280,
    layers=1,
    layer_0="what the classifier of styles reads (the graph's output 'embeddings')",
    min_samples=(PATCH_FRAMES - 1) * HOP_SAMPLES,
    max_samples=None,
    padding_safe=False,
    architecture="log-mel 96 in patches of 2 s → EfficientNet-B0 (an ONNX graph) → 1280",
    n_parameters=4_500_000,  # as many as a file of 18 MB holds
    trained_on="music with Discogs' metadata, 400 styles; in-house, not public",
    objective="tagging with styles of music",
    licence=LICENCE,
    commercial=False,
    bibtex="""@inproceedings{alonso2022music,
  author = {Alonso-Jim{\\'e}nez, Pablo and Serra, Xavier and Bogdanov, Dmitry},
  title = {Music Representation Learning Based on Editorial Metadata from {Discogs}},
  booktitle = {International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2022}
}""",
    verified="no",
    sources=(
        Source(
            f"https://essentia.upf.edu/models/feature-extractors/discogs-effnet/{FILE}",
            LICENCE,
            path=FILE,
        ),
    ),
)
CARDS: Mapping[str, Card] = {"discogs-styles": CARD}


class LogMel:
    """log10(1 + 10,000 · power) in 96 bands every 16 ms. Frames: `1 + samples // 256`, each centred, zeros around.

    The Hann window is symmetric. Equal to essentia's TensorflowInputMusiCNN within 1e-4.
    """

    def __init__(self) -> None:
        self.power = FilteredPower(mel_filters(SAMPLE_RATE, N_FFT, N_MELS), N_FFT, HOP_SAMPLES)
        self.power.window = torch.hann_window(N_FFT, periodic=False)

    def __call__(self, audio: Float[Tensor, " samples"]) -> Float[Tensor, "frames mels"]:
        """Return the spectrogram of one row."""
        around = functional.pad(audio[None], (N_FFT // 2, N_FFT // 2))
        return torch.log10(1.0 + COMPRESSION * self.power(around))[0]


class EffNet:
    """One embedding of each 2 s, about one a second. Frames: `1 + (1 + samples // 256 − 128) // 62`.

    What is left over at the end of a clip is not heard, as by essentia with its defaults.
    """

    def __init__(self, card: Card, session: Session) -> None:
        self.card, self.session, self.log_mel = card, session, LogMel()

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the embedding of each patch as the one layer. Raises UserError for a graph that answers otherwise."""
        wanted = check_call(audio, layers, self.card)
        # A row at a time: batch mates cannot change a number.
        rows = torch.stack([self._row(row.float().cpu()) for row in audio])
        return rows[:, None].repeat(1, len(wanted), 1, 1)

    def _row(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "frames dim"]:
        patches = self.log_mel(samples).unfold(0, PATCH_FRAMES, PATCH_HOP_FRAMES).mT
        blocks = [self.session({INPUT: block.contiguous().numpy()})[0] for block in torch.split(patches, BLOCK_PATCHES)]
        found = torch.cat([torch.from_numpy(block) for block in blocks])
        if found.shape != (len(patches), self.card.dim):
            raise UserError(
                f"The graph of '{self.card.name}' gave {tuple(found.shape)} for {len(patches)} patches; expected "
                f"{self.card.dim} numbers a patch. Take {FILE}, and not one of another batch size or task."
            )
        return found


def load(variant: str) -> EffNet:
    """Return the representation. Raises MissingPart without its graph or without onnxruntime."""
    card = CARDS[variant]
    graph = _weights.file_of(card).read_bytes()
    card = dataclasses.replace(card, weights_sha256=hashlib.sha256(graph).hexdigest())
    return EffNet(card, _sessions.session("onnx", graph, [OUTPUT]))
