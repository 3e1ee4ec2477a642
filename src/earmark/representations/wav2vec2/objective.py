"""The objective of wav2vec 2.0: to tell the code of a hidden frame from the codes of other hidden frames.

Loss, summed over hidden frames (N of them in the batch): cross-entropy of the code sought among 1 + K candidates,
plus weight · N · (entries − perplexity) / entries, plus weight · N · mean square of the convolutions' output.
Source: Baevski et al. 2020, §3.2, in the details of its published code, which the facts of `settings` and `network`
follow too. Differs from transformers' class: masks, negatives and noise come from a given generator, hidden frames
alone are quantised and projected, the penalty and the factor on the gradient exist, and validation reports perplexity
of the softmax as training does.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.representations import _speech, _weights
from earmark.representations.objective import Alarm, Measured, Objective, Step
from earmark.representations.wav2vec2 import masking, monitors, network, quantiser
from earmark.representations.wav2vec2.masking import Draws
from earmark.representations.wav2vec2.mel import MelFrontEnd
from earmark.representations.wav2vec2.mel_task import MelTask, with_mel
from earmark.representations.wav2vec2.settings import Settings

NORM_FLOOR = 1e-8  # torch's cosine_similarity


class Heard(NamedTuple):
    """What the convolutions gave: raw, layer-normalised, and the copy for the quantiser (hidden frames only)."""

    raw: Float[Tensor, "clips channels frames"]
    z: Float[Tensor, "clips frames channels"]
    sought: Float[Tensor, "clips masked channels"]


class Answers(NamedTuple):
    """Logits of the candidates, the code sought first, and which of the others have its code."""

    logits: Float[Tensor, "clips masked candidates"]
    identical: Bool[Tensor, "clips masked negatives"]


class Wav2Vec2(Objective):
    """wav2vec 2.0's network (`network`: transformers' Wav2Vec2ForPreTraining) with what it is trained by.

    A block that is dropped gets no gradient in that part of the batch. Dropouts, which torch draws from its global
    generator, run on a copy of it that is seeded from the given one; the global one is left as it was.
    """

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.network = network.build(settings, seed)
        self.mel = MelTask(self._model.config, seed) if settings.mel.is_asked else None
        self.before_step(0)

    @property
    def _model(self) -> Any:
        return self.network

    @property
    def codebook(self) -> Float[Tensor, "groups entries part"]:
        """The entries of each group."""
        own = self._model.quantizer
        entries: Tensor = own.codevectors
        return entries.view(own.num_groups, own.num_vars, -1)

    def before_step(self, step: int) -> None:
        """Set the temperature of the Gumbel softmax, and whether the log-mel task is alone yet."""
        self.temperature = self.settings.temperature.at(step)
        self.is_mel_alone = step < self.settings.mel.alone_steps

    def prepare(self, segments: Float[Tensor, "batch samples"]) -> None:
        """Take the mean and spread of log-mel bands, where there are any and these are not known yet."""
        front = self._model.wav2vec2.feature_extractor
        if isinstance(front, MelFrontEnd) and not front.is_measured:
            front.standardise_by(self._normalised(segments))
        if self.mel is not None:
            self.mel.prepare(self._normalised(segments))

    def parts(self) -> Mapping[str, nn.Module]:
        """Return convolutions, transformer and quantiser, heads with what they are of."""
        return {
            name: nn.ModuleList([self.network.get_submodule(one) for one in modules])
            for name, modules in network.part_names().items()
        }

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames the convolutions give. Raises UserError where that is none."""
        config, n_frames = self._model.config, n_samples
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            n_frames = (n_frames - kernel) // stride + 1
            if n_frames < 1:
                raise UserError(f"Expected segments of at least one frame, got {n_samples} samples. Take longer ones.")
        return int(n_frames)

    def draw(self, n_clips: int, n_frames: int, generator: torch.Generator) -> Draws:
        """Return masks, negatives, noise, dropped blocks and a seed of dropouts, on the CPU.

        Raises UserError for segments that are too short, and for negatives across clips of a single clip.
        """
        ours, model = self.settings, self._model
        masked = masking.masked_frames(
            n_clips, n_frames, ours.mask_probability, ours.mask_frames, ours.least_spans, generator
        )
        n_masked = masked.shape[1]
        within = masking.within_clip(n_clips, n_masked, ours.negatives, generator)
        across = masking.across_clips(n_clips, n_masked, ours.negatives_across, generator)
        noise, kept = None, torch.ones(len(model.wav2vec2.encoder.layers), dtype=torch.bool)
        if self.training:
            noise = masking.gumbel((n_clips, n_masked, *self.codebook.shape[:2]), generator)
            kept = torch.rand(len(kept), generator=generator) >= model.config.layerdrop
        seed = int(torch.randint(2**62, (), generator=generator))
        return Draws(masked, within, across, noise, kept, seed)

    def forward(
        self, segments: Float[Tensor, "batch samples"], generator: torch.Generator, whole: Measured | None = None
    ) -> Step:
        """Return loss and monitors of segments at 16 kHz. Raises as `draw` does."""
        return self.measure(segments, self.draw(len(segments), self.n_frames(segments.shape[1]), generator), whole)

    def survey(self, segments: Float[Tensor, "batch samples"], generator: torch.Generator) -> Measured:
        """Return the sum of the hidden frames' distributions over codes: diversity is of the whole batch."""
        return self.surveyed(segments, self.draw(len(segments), self.n_frames(segments.shape[1]), generator))

    @torch.no_grad()
    def surveyed(self, segments: Float[Tensor, "batch samples"], draws: Draws) -> Measured:
        """Return the same with everything random given. The transformer does not run."""
        drawn = draws.to(segments.device)
        with self._dropouts(drawn.seed, segments.device):
            sought = self._hear(segments, drawn).sought
        with _full_precision(segments.device):
            logits = self._code_logits(sought)
            return Measured(logits.softmax(-1).sum((0, 1)), _number(drawn.masked.numel(), logits))

    def measure(self, segments: Float[Tensor, "batch samples"], draws: Draws, whole: Measured | None = None) -> Step:
        """Return loss and monitors with everything random given; `whole` as for `forward`."""
        drawn = draws.to(segments.device)
        with self._dropouts(drawn.seed, segments.device):
            heard = self._hear(segments, drawn)
            with self._unless_mel_is_alone():
                context = self._context(heard.z, drawn)
        with _full_precision(segments.device):
            with self._unless_mel_is_alone():
                chosen = self._quantise(heard.sought, drawn)
                answers = self._compare(_full(context), chosen, drawn)
                step = self._step(heard, chosen, answers, whole)
            if self.mel is None:
                return step
            told, ours = self.mel(_full(heard.z), self._normalised(segments)), self.settings.mel
            return with_mel(step, told, None if self.is_mel_alone and self.training else ours.weight)

    def read(self, means: Mapping[str, Tensor]) -> dict[str, float]:
        """Return losses (contrastive in nats and bits), accuracy, perplexities, used codes, and the rest by name."""
        return monitors.read(means)

    def words(self, reading: Mapping[str, float]) -> str:
        """Return used codes, perplexity and accuracy."""
        return monitors.words(reading)

    def alarms(
        self, history: Sequence[Mapping[str, float]], validations: Sequence[Mapping[str, float]] = ()
    ) -> tuple[Alarm, ...]:
        """Return the signatures of lost runs in a history. See `monitors.alarms`."""
        validated, ours = validations[-1] if validations else None, self.settings
        return monitors.alarms(history, ours.n_candidates, validated, ours.mel.alone_steps)

    def _unless_mel_is_alone(self) -> torch.set_grad_enabled:
        """Compute no gradient of the contrastive task where it is only watched."""
        return torch.set_grad_enabled(torch.is_grad_enabled() and not (self.is_mel_alone and self.training))

    def _normalised(self, segments: Float[Tensor, "clips samples"]) -> Float[Tensor, "clips samples"]:
        return _speech.zero_mean_unit_variance(segments) if self.settings.normalised else segments

    @contextmanager
    def _dropouts(self, seed: int, device: torch.device) -> Iterator[None]:
        if not self.training:
            yield
            return
        with _weights.forked(seed, device):
            yield

    def _hear(self, segments: Float[Tensor, "clips samples"], drawn: Draws) -> Heard:
        model = self._model
        raw = model.wav2vec2.feature_extractor(self._normalised(segments))
        raw = _scale_gradient(raw, self.settings.gradient_factor)
        z = model.wav2vec2.feature_projection.layer_norm(raw.transpose(1, 2))
        return Heard(raw, z, model.dropout_features(_at(z, drawn.masked)))

    def _context(self, z: Float[Tensor, "clips frames channels"], drawn: Draws) -> Float[Tensor, "clips masked dim"]:
        """Return what the transformer says of the hidden frames, projected."""
        model = self._model.wav2vec2
        projected = model.feature_projection.dropout(model.feature_projection.projection(z))
        is_hidden = torch.zeros(z.shape[:2], dtype=torch.bool, device=z.device).scatter_(1, drawn.masked, True)
        hidden = torch.where(is_hidden[..., None], model.masked_spec_embed.to(projected.dtype), projected)
        encoder, is_stable = model.encoder, model.config.do_stable_layer_norm
        hidden = hidden + encoder.pos_conv_embed(hidden)
        hidden = encoder.dropout(hidden if is_stable else encoder.layer_norm(hidden))
        for block, keep in zip(encoder.layers, drawn.kept.tolist(), strict=True):
            hidden = block(hidden) if keep else hidden
        hidden = _at(hidden, drawn.masked)
        said: Tensor = self._model.project_hid(encoder.layer_norm(hidden) if is_stable else hidden)
        return said

    def _code_logits(
        self, sought: Float[Tensor, "clips masked channels"]
    ) -> Float[Tensor, "clips masked groups entries"]:
        logits: Tensor = self._model.quantizer.weight_proj(_full(sought))
        return logits.view(*logits.shape[:2], *self.codebook.shape[:2])

    def _quantise(self, sought: Float[Tensor, "clips masked channels"], drawn: Draws) -> quantiser.Quantised:
        logits = self._code_logits(sought)
        noise = None if drawn.noise is None else drawn.noise.to(logits.dtype)
        return quantiser.quantise(logits, self.codebook, noise, self.temperature)

    def _compare(
        self, context: Float[Tensor, "clips masked dim"], chosen: quantiser.Quantised, drawn: Draws
    ) -> Answers:
        """Return cosines over temperature. Candidates are looked up among the similarities of all pairs of a clip."""
        said = functional.normalize(context, dim=-1, eps=NORM_FLOOR)
        sought = functional.normalize(self._model.project_q(chosen.vectors), dim=-1, eps=NORM_FLOOR)
        names = quantiser.joint(chosen.codes, self.codebook.shape[1])
        pairs = said @ sought.transpose(1, 2)
        logits = [pairs.diagonal(dim1=1, dim2=2)[..., None], pairs.gather(2, drawn.within)]
        others = [names[:, None].expand_as(pairs).gather(2, drawn.within)]
        if drawn.across.shape[2]:
            far = said @ sought.flatten(0, 1).T
            logits.append(far.gather(2, drawn.across))
            others.append(names.flatten()[drawn.across])
        identical = torch.cat(others, 2) == names[..., None]
        blocked = functional.pad(identical, (1, 0), value=False)
        scaled = torch.cat(logits, 2) / self.settings.logit_temperature
        return Answers(scaled.masked_fill(blocked, -torch.inf), identical)

    def _step(self, heard: Heard, chosen: quantiser.Quantised, answers: Answers, whole: Measured | None) -> Step:
        ours, flat = self.settings, answers.logits.flatten(0, 1)
        n = _number(len(flat), flat)
        contrastive = functional.cross_entropy(flat, flat.new_zeros(len(flat), dtype=torch.long), reduction="sum")
        lost = quantiser.lost_diversity(chosen.probabilities, n, whole)
        square = _full(heard.raw).square().sum()
        n_values = _number(heard.raw.numel(), square)
        total = contrastive + ours.diversity_weight * lost + ours.penalty_weight * n * square / n_values
        is_right = (flat.argmax(1) == 0) & (flat.argmin(1) != 0)  # of equal logits none is right
        one = _number(1, flat)
        with torch.no_grad():
            watched = {
                "contrastive": Measured(contrastive, n),
                "diversity": Measured(lost, n),
                "z_square": Measured(square, n_values),
                "accuracy": Measured(is_right.to(n.dtype).sum(), n),
                "identical": Measured(
                    answers.identical.to(n.dtype).sum(), _number(answers.identical.numel(), flat).clamp_min(1)
                ),
                "masked": Measured(n, _number(heard.z.shape[0] * heard.z.shape[1], flat)),
                "temperature": Measured(one * self.temperature, one),
                "codes_soft": Measured(chosen.probabilities, n),
                "codes_hard": Measured(quantiser.counts(chosen.codes, self.codebook.shape[1]), n),
                "neighbours": monitors.neighbours(_full(heard.z)),
            }
        detached = {name: Measured(one.total.detach(), one.count) for name, one in watched.items()}
        return Step(Measured(total, n), detached)


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def _scale_gradient(values: Tensor, factor: float) -> Tensor:
    """Return the values; what flows back through them is multiplied."""
    scaled: Tensor = values if factor == 1.0 else _ScaledGradient.apply(values, factor)  # type: ignore[no-untyped-call]
    return scaled


def _at(frames: Float[Tensor, "clips frames dim"], chosen: Int[Tensor, "clips chosen"]) -> Tensor:
    return frames.gather(1, chosen[..., None].expand(-1, -1, frames.shape[2]))


def _full(values: Tensor) -> Tensor:
    """Return values in at least single precision."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _full_precision(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, enabled=False)


def _number(value: int, like: Tensor) -> Tensor:
    # Filled there and not sent there: a GPU would have to wait for it.
    return torch.full((), float(value), dtype=like.dtype, device=like.device)
