"""Training is right: fifty steps end where a loop written the long way ends."""

from collections.abc import Mapping

import pytest
import torch

from earmark.representations.wav2vec2.objective import Wav2Vec2
from tests.representations.wav2vec2 import reference

N_STEPS, N_SAMPLES = 50, 16000
RATES = [5e-4 * min(1.0, (step + 1) / 10) for step in range(N_STEPS)]


def optimiser(module: torch.nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(module.parameters(), lr=5e-4, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)


def moved(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> dict[str, float]:
    return {name: float((after[name] - before[name]).abs().max()) for name in before}


@pytest.mark.parametrize("seed", [0, 1])
def test_fifty_steps_follow_a_reference_written_by_hand(seed: int) -> None:
    ours = Wav2Vec2(reference.miniature(), seed)
    theirs = reference.twin(ours)
    start = {name: one.clone() for name, one in ours.network.state_dict().items()}
    optimisers = optimiser(ours), optimiser(theirs)
    generator = torch.Generator().manual_seed(seed)
    for number in range(N_STEPS):
        segments = reference.music(4, N_SAMPLES, seed=1000 * seed + number)
        ours.before_step(number)
        draws = ours.draw(4, ours.n_frames(N_SAMPLES), generator)
        step = ours.measure(segments, draws)
        torch.autograd.backward(step.loss.total / step.loss.count)
        terms = reference.terms(theirs, segments, draws, ours.settings, max(2.0 * 0.999995**number, 0.5))
        torch.autograd.backward((terms.contrastive + 0.1 * terms.diversity + 10.0 * terms.penalty) / terms.n_masked)
        for one in optimisers:
            one.param_groups[0]["lr"] = RATES[number]
            one.step()
            one.zero_grad()
    apart = moved(theirs.state_dict(), ours.network.state_dict())
    assert max(apart.values()) <= 1e-4, apart
    travelled = moved(start, ours.network.state_dict())
    unmoved = {name for name, far in travelled.items() if far < 1e-3}
    assert all("bias" in name for name in unmoved), "every weight has gone at least ten times as far"
