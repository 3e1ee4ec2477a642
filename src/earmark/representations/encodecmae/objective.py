"""The objective of EncodecMAE: to name the codes of hidden frames, given the others.

Loss of a batch: δ · (cross-entropy of hidden frames, their mean) + (1 − δ) · (that of visible frames, their mean), of
each codebook, times its weight γ, added. Source: Pepino et al. 2023, §2.3. Differs: means are over the whole batch, as
in the published code, and not over each clip; frames that are hidden come from a given generator, and are drawn in
validation too (the published code hides nothing there, and has no masked loss to report); padded frames, whose codes
are below 0, are in neither mean (there they count as visible).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.representations.encodecmae import masking, monitors, network
from earmark.representations.encodecmae.inputs import Inputs
from earmark.representations.encodecmae.masking import Frames
from earmark.representations.encodecmae.monitors import Scored
from earmark.representations.encodecmae.settings import Settings
from earmark.representations.encodecmae.targets import Coded, Targets
from earmark.representations.objective import Measured, Objective, Step

PADDED = -1


class EncodecMAE(Objective):
    """The network with what it is trained by. `inputs` and `targets` are frozen; batches that are Coded need neither.

    Raises UserError for targets that give other streams or codes than the settings say.
    """

    gamma: Tensor

    def __init__(
        self, settings: Settings, seed: int = 0, inputs: Inputs | None = None, targets: Targets | None = None
    ) -> None:
        super().__init__()
        self.settings = settings
        self.network = network.build(settings, inputs.dim if inputs else settings.input_dim, seed)
        self.inputs = inputs
        self.targets = targets
        # On the device already, and exact for whoever trains in double precision.
        self.register_buffer("gamma", torch.tensor(settings.weights, dtype=torch.float64), persistent=False)
        if targets and (targets.n_streams, targets.n_codes) != (settings.n_streams, settings.n_codes):
            raise UserError(
                f"Expected targets of {settings.n_streams} streams of {settings.n_codes} codes, got "
                f"{targets.n_streams} of {targets.n_codes}. Set n_streams and n_codes to those."
            )

    def parts(self) -> Mapping[str, nn.Module]:
        """Return encoder, decoder and head, projections with what they lead into."""
        own = self.network
        return {
            "encoder": own.encoder,
            "decoder": nn.ModuleList([own.into_decoder, own.decoder]),
            "head": own.head,
        }

    def prepare(self, segments: Tensor | Coded) -> None:
        """Let inputs and targets measure what they standardise by, or fit what is not fitted yet."""
        if isinstance(segments, Coded):
            return
        if self.inputs is not None:
            self.inputs.prepare(segments)
        if self.targets is not None:
            self.targets.prepare(segments, self._hear(segments))

    def forward(self, segments: Tensor | Coded, generator: torch.Generator, whole: Measured | None = None) -> Step:
        """Return loss and monitors of audio at the inputs' sample rate, or of cached frames and codes.

        Raises UserError for segments that are too short to hide a run of frames in, for codes that are not those of
        the settings, and for audio where there are no inputs or targets.
        """
        coded = self.coded(segments)
        return self.measure(coded, self.draw(coded.codes, generator), whole)

    def survey(self, segments: Tensor | Coded, generator: torch.Generator) -> Measured:
        """Return how many frames are hidden and seen, (2,), and how many there are: each mean is of the whole batch."""
        coded = self.coded(segments) if isinstance(segments, Coded) else self._uncoded(segments)
        found = monitors.kinds(coded.codes, self.draw(coded.codes, generator), coded.frames)
        return Measured(found.counts, _number(coded.codes.shape[0] * coded.codes.shape[2], found.counts))

    def draw(self, codes: Int[Tensor, "clips streams frames"], generator: torch.Generator) -> Frames:
        """Return which frames are hidden, on the device of the codes."""
        ours = self.settings
        n_clips, _, n_frames = codes.shape
        return masking.draw(n_clips, n_frames, ours.mask_share, ours.mask_frames, generator).to(codes.device)

    def coded(self, segments: Tensor | Coded) -> Coded:
        """Return frames and codes of audio; what is coded stays. Raises UserError as `forward` does."""
        if isinstance(segments, Coded):
            found = Coded(segments.frames, segments.codes.long())
        else:
            frames = self._hear(segments)
            with torch.no_grad():
                found = Coded(frames, _of(self.targets, "targets")(segments, frames).long())
        ours, (n_streams, n_frames) = self.settings, found.codes.shape[1:]
        if n_streams != ours.n_streams or n_frames != found.frames.shape[1]:
            raise UserError(
                f"Expected codes (clips, {ours.n_streams} streams, {found.frames.shape[1]} frames), got "
                f"{tuple(found.codes.shape)}. These codes are of other targets or of another rate: make them anew with "
                "earmark corpus codes."
            )
        if found.codes.device.type == "cpu" and int(found.codes.max()) >= ours.n_codes:  # a GPU would be waited for
            raise UserError(f"Expected codes below {ours.n_codes}, got {int(found.codes.max())}. Set n_codes.")
        return found

    def measure(self, coded: Coded, frames: Frames, whole: Measured | None = None) -> Step:
        """Return loss and monitors with everything random given; `whole` as `survey` gives it."""
        logits = self.network(coded.frames, frames)
        with torch.autocast(logits.device.type, enabled=False):
            return self._step(logits if logits.dtype == torch.float64 else logits.float(), coded.codes, frames, whole)

    def read(self, means: Mapping[str, Tensor]) -> dict[str, float]:
        """Return losses, hits and floors by codebook. See `monitors.read`."""
        return monitors.read(means)

    def _step(
        self,
        logits: Float[Tensor, "clips frames streams codes"],
        codes: Int[Tensor, "clips streams frames"],
        frames: Frames,
        whole: Measured | None,
    ) -> Step:
        ours = self.settings
        sought = codes.transpose(1, 2)
        nats = functional.cross_entropy(logits.flatten(0, 2), sought.flatten(), ignore_index=PADDED, reduction="none")
        nats = nats.view(sought.shape)
        found = monitors.kinds(codes, frames, nats)
        counts = found.counts if whole is None else whole.total
        n_all = _number(codes.shape[0] * codes.shape[2], nats)
        # A part counts as many frames as it has; times the frames of the whole, its share of either mean.
        n_whole = n_all if whole is None else whole.count
        of_masked, of_visible = ((n_whole / one.clamp_min(1.0)).to(nats.dtype) for one in counts)
        weight = ours.delta * of_masked * found.masked + (1.0 - ours.delta) * of_visible * found.visible
        total = torch.einsum("cfs,cf,s->", nats, weight, self.gamma.to(nats.dtype))
        with torch.no_grad():
            hits = (logits.argmax(-1) == sought).to(nats.dtype)
            watched = monitors.of_frames(Scored(nats.detach(), hits), found)
            watched |= monitors.floors(codes, frames, found, ours.n_codes)
        return Step(Measured(total, n_all), watched)

    def _hear(self, segments: Float[Tensor, "clips samples"]) -> Float[Tensor, "clips frames dim"]:
        inputs = _of(self.inputs, "inputs")
        with torch.no_grad():
            frames: Tensor = inputs(segments)
            return frames.clone() if frames.is_inference() else frames

    def _uncoded(self, segments: Float[Tensor, "clips samples"]) -> Coded:
        """Return as many frames and codes as audio has, all of them 0: enough to be counted. One clip is heard."""
        frames = self._hear(segments[:1]).expand(len(segments), -1, -1)
        return Coded(frames, frames.new_zeros(len(frames), 1, frames.shape[1], dtype=torch.long))


def _of(module: nn.Module | None, name: str) -> nn.Module:
    if module is None:
        raise UserError(f"Expected cached frames and codes, got audio: this objective was built without {name}.")
    return module


def _number(value: int, like: Tensor) -> Tensor:
    # Filled there and not sent there: a GPU would have to wait for it.
    return torch.full((), float(value), dtype=like.dtype, device=like.device)
