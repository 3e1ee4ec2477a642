"""What EncodecMAE seeks: codes of every frame, by codebooks that are never trained with it. Settings name them.

codec     the first codebooks of EnCodec's residual quantiser, of the encoder's frames (the paper's)
mel_rvq   residual k-means of our own on the mel frames that are the inputs: no codec is needed
kmeans    k-means on a layer of a network that was trained before (self-training), of a whole segment
A name of two, "codec+kmeans" or "mel_rvq+kmeans", puts the streams of the second after those of the first.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations.base import Representation
from earmark.representations.encodec import Encodec
from earmark.representations.encodecmae import codebooks
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs

Audio = Float[Tensor, "batch samples"]
Frames = Float[Tensor, "batch frames dim"]
FIT_SEED = 0


class Coded(NamedTuple):
    """Segments that were heard and coded before: with these neither inputs nor targets run."""

    frames: Float[Tensor, "batch frames dim"]
    codes: Int[Tensor, "batch streams frames"]


class Targets(nn.Module, ABC):
    """Codes of audio: `n_streams` of each frame, each one of `n_codes`; never trained, and `train()` does nothing."""

    @property
    @abstractmethod
    def n_streams(self) -> int:
        """Codes of a frame."""

    @property
    @abstractmethod
    def n_codes(self) -> int:
        """Entries of a codebook."""

    @abstractmethod
    def forward(self, audio: Audio, frames: Frames) -> Int[Tensor, "batch streams frames"]:
        """Return the codes of audio; `frames` are what the inputs gave for it. Raises UserError where it cannot."""

    @abstractmethod
    def prepare(self, audio: Audio, frames: Frames, seed: int = FIT_SEED) -> None:
        """Fit codebooks to some audio, where there are none. Raises UserError where it has too few frames."""

    def train(self, mode: bool = True) -> "Targets":
        """Stay in the mode of inference, whatever a trainer asks of the whole network."""
        return super().train(False)


class Residual(Targets):
    """Residual codebooks, as a buffer, and the source of the frames that they code; None: the input frames.

    Only entries are kept of EnCodec's quantiser, so nothing is here that could follow the data: its published class
    moves its codebooks whenever it is in the mode of training.
    """

    codebooks: Tensor

    def __init__(
        self, entries: Float[Tensor, "streams codes dim"], source: Callable[[Audio], Frames] | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("codebooks", entries.detach().clone())
        self.source = source
        self.requires_grad_(False)
        self.train(False)

    @property
    def n_streams(self) -> int:
        """Codes of a frame."""
        return len(self.codebooks)

    @property
    def n_codes(self) -> int:
        """Entries of a codebook."""
        return self.codebooks.shape[1]

    @property
    def is_fitted(self) -> bool:
        """Whether there are codebooks: all zeros stand for none."""
        return bool(self.codebooks.any())

    def forward(self, audio: Audio, frames: Frames) -> Int[Tensor, "batch streams frames"]:
        """Return the codes of audio.

        Raises UserError before codebooks are fitted, and where the source gives another number of frames.
        """
        if not self.is_fitted:
            raise UserError(
                "Expected fitted codebooks, got none. Make them: earmark corpus targets CORPUS -o FOLDER, or call "
                "prepare with audio of the corpus."
            )
        with torch.no_grad(), torch.autocast(audio.device.type, enabled=False):
            heard = frames if self.source is None else self.source(audio)
            if heard.shape[1] != frames.shape[1]:
                raise UserError(
                    f"Expected as many frames to code as the inputs give, {frames.shape[1]}, got {heard.shape[1]} of "
                    f"{audio.shape[1]} samples. mel256 and EnCodec agree in segments of 4 s."
                )
            codes = codebooks.encode(heard.flatten(0, 1).to(self.codebooks.dtype), self.codebooks)
            return codes.reshape(*heard.shape[:2], -1).transpose(1, 2)

    @torch.no_grad()
    def prepare(self, audio: Audio, frames: Frames, seed: int = FIT_SEED) -> None:
        """Fit codebooks to some audio, where there are none. Raises UserError where it has too few frames."""
        if not self.is_fitted:
            heard = frames if self.source is None else self.source(audio)
            generator = torch.Generator().manual_seed(seed)
            fitted = codebooks.fit(heard.flatten(0, 1).float(), self.n_streams, self.n_codes, generator)
            self.codebooks.copy_(fitted)


class Joined(Targets):
    """The streams of several targets, one after the other. Raises UserError where they differ in how many codes."""

    def __init__(self, parts: Sequence[Targets]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self._streams, sizes = sum(one.n_streams for one in parts), {one.n_codes for one in parts}
        if len(sizes) != 1:
            raise UserError(f"Expected targets of one number of codes, got {' and '.join(map(str, sorted(sizes)))}.")
        self._codes = sizes.pop()

    @property
    def n_streams(self) -> int:
        """Codes of a frame, of all parts."""
        return self._streams

    @property
    def n_codes(self) -> int:
        """Entries of a codebook."""
        return self._codes

    def forward(self, audio: Audio, frames: Frames) -> Int[Tensor, "batch streams frames"]:
        """Return the codes of audio, of all parts."""
        return torch.cat([one(audio, frames) for one in self.parts], dim=1)

    def prepare(self, audio: Audio, frames: Frames, seed: int = FIT_SEED) -> None:
        """Fit the parts that have no codebooks."""
        for one in self.parts:
            cast(Targets, one).prepare(audio, frames, seed)


@dataclass(frozen=True)
class Teacher:
    """A layer of a representation as a source of frames; `layer` counts as its card says.

    `name` is what it was loaded by, "path:FOLDER" among others: the card of a folder has a shorter one.
    No module, and so no part of the network that learns from it: the teacher's weights stay out of checkpoints.
    """

    representation: Representation
    layer: int
    name: str

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return self.representation.card.sample_rate

    def __call__(self, audio: Audio) -> Frames:
        """Return the layer's frames."""
        network: object = self.representation
        if isinstance(network, nn.Module):
            network.to(audio.device)
        return self.representation(audio.float(), [self.layer])[:, 0].clone()  # a clone may be part of a graph


def require_rate(targets: Residual, inputs: Inputs) -> None:
    """Raise UserError where what the codebooks stand on hears another rate than the inputs: it is given their audio."""
    source = targets.source
    if isinstance(source, Teacher | EncodecFrames) and source.sample_rate != inputs.sample_rate:
        raise UserError(
            f"Expected targets and inputs that hear one rate, got '{source.name}' at {source.sample_rate} Hz and "
            f"'{inputs.name}' at {inputs.sample_rate} Hz. Take other inputs, or another teacher or codec."
        )


def of_codec(codec: Encodec, inputs: Inputs, n_streams: int = 8) -> Residual:
    """Return the first codebooks of an EnCodec. Its encoder runs once where it is the inputs too.

    Raises UserError for more streams than it has, and for inputs of another rate.
    """
    entries = torch.stack([stage.codebook.embed for stage in codec.quantizer.layers])
    if not 1 <= n_streams <= len(entries):
        raise UserError(f"Expected 1 to {len(entries)} codebooks of '{codec.card.name}', got {n_streams}.")
    if inputs.sample_rate != codec.card.sample_rate:
        raise UserError(
            f"Expected inputs at {codec.card.sample_rate} Hz beside codes of '{codec.card.name}', got '{inputs.name}' "
            f"at {inputs.sample_rate} Hz. Take encodec or mel256, or targets that fit it: mel_rvq."
        )
    is_shared = isinstance(inputs, EncodecFrames) and inputs.codec_name == codec.card.name
    return Residual(entries[:n_streams], None if is_shared else EncodecFrames(codec))


def of_inputs(inputs: Inputs, n_streams: int = 4, n_codes: int = 256) -> Residual:
    """Return codebooks, not yet fitted, on mel frames that are the inputs. Raises UserError for inputs of a codec."""
    if isinstance(inputs, EncodecFrames):
        raise UserError("Expected mel frames for mel_rvq, got inputs of a codec. Take mel128 or mel256, or codec.")
    return Residual(torch.zeros(n_streams, n_codes, inputs.dim))


def of_teacher(
    teacher: Representation, layer: int, n_streams: int = 1, n_codes: int = 1024, name: str | None = None
) -> Residual:
    """Return codebooks, not yet fitted, on a layer of a representation; `name` loads it, its card's when left out.

    Raises UserError for a layer it has not.
    """
    if not 0 <= layer < teacher.card.layers:
        raise UserError(f"'{teacher.card.name}' has layers 0 to {teacher.card.layers - 1}; got {layer}.")
    return Residual(
        torch.zeros(n_streams, n_codes, teacher.card.dim), Teacher(teacher, layer, name or teacher.card.name)
    )
