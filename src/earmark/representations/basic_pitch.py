"""`basic-pitch`: a small transcriber of polyphonic music; its three outputs side by side. Extra `[onnx]`.

It takes windows of exactly 43,844 samples: write `segment_s: 1.9884`.
"""

import dataclasses
import hashlib
import zipfile
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _sessions, _weights
from earmark.representations._sessions import Session
from earmark.representations.base import check_call, refuse_variant

SAMPLE_RATE, HOP_SAMPLES, WINDOW_SAMPLES = 22050, 256, 43844
INPUT = "serving_default_input_2:0"
# Onsets of the 88 piano keys, notes of the 88, and contours: three bins a semitone.
OUTPUTS = ("StatefulPartitionedCall:2", "StatefulPartitionedCall:1", "StatefulPartitionedCall:0")
KEYS, CONTOUR_BINS = 88, 264
MEMBER = "basic_pitch/saved_models/icassp_2022/nmp.onnx"

# Read as a zip and never imported: the package wants TensorFlow.
WHEEL = Source(
    url="pypi:basic-pitch==0.4.0",
    licence="Apache-2.0",
    checksum="sha256:738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
    size_bytes=758279,
    path="basic_pitch-0.4.0-py2.py3-none-any.whl",
)
CARD = Card(
    name="basic-pitch",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / HOP_SAMPLES,
    dim=2 * KEYS + CONTOUR_BINS,
    layers=1,
    layer_0="the outputs: onsets (88 keys from A0), notes (88), contours (264, three a semitone), each 0 to 1",
    min_samples=WINDOW_SAMPLES,
    max_samples=WINDOW_SAMPLES,
    padding_safe=False,
    architecture="constant-Q transform, harmonic stacking, convolutions (Basic Pitch, ICASSP 2022; an ONNX graph)",
    n_parameters=16_782,
    trained_on="MAESTRO, GuitarSet, MedleyDB-Pitch, iKala, Slakh",
    objective="onsets, notes and pitch contours: binary cross-entropy",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@inproceedings{bittner2022lightweight,
  author = {Bittner, Rachel M. and Bosch, Juan Jos{\\'e} and Rubinstein, David and Meseguer-Brocal, Gabriel
            and Ewert, Sebastian},
  title = {A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription and Multipitch Estimation},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2022}
}""",
    verified="real",
    segment_s=WINDOW_SAMPLES / SAMPLE_RATE,
    sources=(WHEEL,),
)
CARDS: Mapping[str, Card] = {"": CARD}


class BasicPitch:
    """The published graph run by onnxruntime, a window at a time: 172 frames, one every 256 samples.

    Source: Bittner et al. 2022; sizes and names are those of the graph itself.
    *Differs from the package*: all 172 frames of a window are given, where the package overlaps windows by 30 frames,
    drops 15 at either end, and pads the first and last window with zeros. The frames at the ends see the zeros that
    the graph itself puts there.
    """

    def __init__(self, card: Card, session: Session) -> None:
        self.card = card
        self.session = session

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the outputs of each frame as the one layer. Raises UserError for audio longer than the window."""
        wanted = check_call(audio, layers, self.card)
        # A row at a time: batch mates cannot change a number, and a batch would not be faster.
        rows = [torch.cat(self._outputs(row), dim=-1) for row in audio]
        return torch.stack(rows)[:, None].repeat(1, len(wanted), 1, 1)

    def _outputs(self, samples: Float[Tensor, " samples"]) -> list[Float[Tensor, "frames bins"]]:
        given = {INPUT: samples.float().cpu().numpy()[None, :, None]}
        return [torch.from_numpy(output[0]) for output in self.session(given)]


def load(variant: str) -> BasicPitch:
    """Return the representation; it has no variants. Raises MissingPart without its weights or without onnxruntime."""
    refuse_variant("basic-pitch", variant)
    wheel_path = _weights.need(CARD) / WHEEL.path
    try:
        with zipfile.ZipFile(wheel_path) as wheel:
            graph = wheel.read(MEMBER)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(
            f"'{wheel_path}' is not the package that earmark fetches: {error}. Remove it, and type: "
            "earmark get weights basic-pitch"
        ) from error
    card = dataclasses.replace(CARD, weights_sha256=hashlib.sha256(graph).hexdigest())
    return BasicPitch(card, _sessions.session("onnx", graph, OUTPUTS))
