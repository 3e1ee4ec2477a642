"""One training step of wav2vec 2.0 BASE against transformers' module used as in its example, on one clip of 15.6 s.

The example's loop: masks and negatives of all frames are drawn by the collator, and come with the batch (here they are
not in its time, while ours draws its own in the step); the module gives the loss, gradients are divided by the number
of hidden frames, AdamW steps. Both are of one shape, without layerdrop, in float32. Differs: the example refuses BASE's
group norm, its module does not; ours also has the penalty on the convolutions' output, and its monitors. The loss part
is all that comes after convolutions and transformer, forward and backward, of given frames.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import Wav2Vec2BaseModelOutput
from transformers.models.wav2vec2 import modeling_wav2vec2 as theirs

from bench.ratio import Cost, Ratio, compare
from earmark.experiment import costs
from earmark.representations.wav2vec2 import network
from earmark.representations.wav2vec2.objective import Heard, Wav2Vec2
from earmark.representations.wav2vec2.settings import BASE

N_SAMPLES, N_STEPS = 250_000, 2
N_PARAMETERS, BYTES_HELD = 95_044_608, 16  # in float32: a weight, its gradient, two moments
SETTINGS = BASE.reshaped(layerdrop=0.0)
LOSS_GOAL, STEP_GOAL, MEMORY_GOAL = 3.0, 0.95, 1.11  # memory: a tenth less
ROUNDS = 5
OURS, THEIRS = "earmark", "transformers, as in its example"


def measure() -> list[Ratio | Cost]:
    """Return the ratios of the loss part, of a step, of peak memory, and the share of what both have in common."""
    torch.set_num_threads(1)
    loss = compare(
        "the loss part alone, of 781 frames",
        (OURS, _our_loss()),
        (THEIRS, _their_loss()),
        goal=LOSS_GOAL,
        rounds=ROUNDS,
    )
    step = compare("a step, 1 × 15.6 s, CPU", (OURS, our_step()), (THEIRS, their_step()), goal=STEP_GOAL, rounds=ROUNDS)
    trunk = Cost(
        "convolutions, transformer and optimiser, which both have in common",
        step.ours_s - loss.ours_s,
        f"{1 - loss.ours_s / step.ours_s:.0%} of our step, {1 - loss.theirs_s / step.theirs_s:.0%} of theirs",
    )
    return [trunk, loss, step, *_memory()]


def our_step() -> Callable[[], object]:
    """Return what takes one step of ours."""
    objective = Wav2Vec2(SETTINGS)
    optimiser, audio = _adam(objective), _audio()
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        measured = objective(audio, generator)
        torch.autograd.backward(measured.loss.total / measured.loss.count)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def their_step() -> Callable[[], object]:
    """Return what takes one step of theirs."""
    model = _their_module()
    optimiser, given = _adam(model), _collated(model)

    def step() -> None:
        torch.autograd.backward(model(_audio(), **given).loss)
        n_hidden = given["mask_time_indices"].sum()
        for one in model.parameters():
            if one.grad is not None:
                one.grad.mul_(1 / n_hidden)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def _our_loss() -> Callable[[], object]:
    objective = Wav2Vec2(SETTINGS)
    n_frames = objective.n_frames(N_SAMPLES)
    z, said = _frames(n_frames, 512), _frames(n_frames, 768)
    raw = z.detach().transpose(1, 2).contiguous().requires_grad_()
    generator, model = torch.Generator().manual_seed(0), _any(objective.network)

    def loss() -> None:
        drawn = objective.draw(1, n_frames, generator)
        at = drawn.masked[..., None]
        sought = model.dropout_features(z.gather(1, at.expand(-1, -1, 512)))
        context = model.project_hid(said.gather(1, at.expand(-1, -1, 768)))
        chosen = objective._quantise(sought, drawn)
        step = objective._step(Heard(raw, z, sought), chosen, objective._compare(context, chosen, drawn), None)
        torch.autograd.backward(step.loss.total)
        objective.zero_grad(set_to_none=True)

    return loss


def _their_loss() -> Callable[[], object]:
    model = _their_module()
    given = _collated(model)
    n_frames = given["mask_time_indices"].shape[1]
    z, said = _frames(n_frames, 512), _frames(n_frames, 768)
    model.wav2vec2 = _Given(z, said)

    def loss() -> None:
        torch.autograd.backward(model(_audio(), **given).loss)
        model.zero_grad(set_to_none=True)

    return loss


class _Given(nn.Module):
    """Stands for convolutions and transformer: gives what they gave."""

    def __init__(self, z: Tensor, said: Tensor) -> None:
        super().__init__()
        self.frames = z, said

    def forward(self, *_: object, **__: object) -> Wav2Vec2BaseModelOutput:
        """Return the frames, whatever is heard."""
        z, said = self.frames
        return Wav2Vec2BaseModelOutput(last_hidden_state=said, extract_features=z)


def _their_module() -> Any:
    return transformers.Wav2Vec2ForPreTraining(transformers.Wav2Vec2Config.from_dict(network.config(SETTINGS))).train()


def _collated(model: Any) -> dict[str, Tensor]:
    """Return what the example's collator puts beside the audio."""
    config = model.config
    shape = (1, int(model._get_feat_extract_output_lengths(N_SAMPLES)))
    masks = theirs._compute_mask_indices(shape, config.mask_time_prob, config.mask_time_length)
    negatives = theirs._sample_negative_indices(shape, config.num_negatives, masks)
    return {
        "mask_time_indices": torch.tensor(masks, dtype=torch.long),
        "sampled_negative_indices": torch.tensor(negatives, dtype=torch.long),
    }


def _memory() -> list[Ratio]:
    """Return what steps take of memory, whole and beyond what any step must hold, each in a process of its own."""
    ours, other = (_peak(name) for name in ("our_step", "their_step"))
    held = N_PARAMETERS * BYTES_HELD
    question = f"peak memory of {N_STEPS} such steps, process and libraries apart: GB, not s"
    beyond = "the same without weights, gradients and both moments of Adam: GB, not s"
    rows = ((question, MEMORY_GOAL, ours, other), (beyond, None, ours - held, other - held))
    return [Ratio(said, OURS, THEIRS, goal, b / a, b / a, b / a, a / 1e9, b / 1e9, 1) for said, goal, a, b in rows]


def _peak(name: str) -> int:
    call = f"from bench import pretraining; pretraining.print_peak({name!r})"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    return int(done.stdout)


def print_peak(name: str) -> None:
    """Take steps, and print by how many bytes they raised the peak of this process's memory."""
    torch.set_num_threads(1)
    before = costs.peak_bytes()
    step = {"our_step": our_step, "their_step": their_step}[name]()
    for _ in range(N_STEPS):
        step()
    print(costs.peak_bytes() - before)


def _adam(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(module.parameters(), lr=1e-6, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)


def _audio() -> Tensor:
    return 0.1 * torch.randn(1, N_SAMPLES, generator=torch.Generator().manual_seed(0))


def _frames(n_frames: int, dim: int) -> Tensor:
    return torch.randn(1, n_frames, dim, generator=torch.Generator().manual_seed(dim)).requires_grad_()


def _any(module: nn.Module) -> Any:
    return module
