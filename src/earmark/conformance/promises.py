"""The laws of what a card promises: axes, type, frames, facts, and what is refused."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from earmark import licences
from earmark.conformance import sounds
from earmark.conformance.trial import Trial
from earmark.conformance.verdicts import CRASHES
from earmark.errors import EarmarkError

# Some wrappers keep the first ten seconds without a word.
LONG_S = 12.0
LONG_FRAMES, LONGEST_S = 20, 60.0
N_PARAMETERS_WITHIN = 0.05


def possible_numbers(trial: Trial) -> Iterator[str]:
    """Yield each number of the card that no representation can have."""
    card = trial.card
    whole = {"version": card.version, "sample_rate": card.sample_rate, "dim": card.dim, "layers": card.layers}
    whole["min_samples"] = card.min_samples
    for field, value in whole.items():
        if not isinstance(value, int) or value < 1:
            yield f"expected {field} to be a whole number from 1, got {value!r}"
    rate = card.frame_rate_hz
    if not isinstance(rate, int | float) or not math.isfinite(rate) or not 0 <= rate <= card.sample_rate:
        yield f"expected frame_rate_hz from 0 (one frame a call) to the sample rate, got {rate!r}"
    if card.max_samples is not None and card.max_samples < card.min_samples:
        yield f"expected max_samples of at least {card.min_samples}, the least allowed, got {card.max_samples}"


def plausible_facts(trial: Trial) -> Iterator[str]:
    """Yield each thing that the card leaves out or that contradicts another."""
    card = trial.card
    for field in ("name", "layer_0", "architecture", "trained_on", "licence"):
        if not getattr(card, field).strip():
            yield f"{field} is empty"
    if card.commercial and (why := licences.why_not(card.licence)):
        yield f"commercial is True, and the licence is {why}"
    if card.sources and not card.weights_sha256:
        yield "it names where weights come from, but holds no weights_sha256 of those loaded"
    counted = _n_parameters(trial.representation)
    if counted and abs(card.n_parameters - counted) > N_PARAMETERS_WITHIN * counted:
        yield f"n_parameters is {card.n_parameters:,}, the network has {counted:,}"


def _n_parameters(representation: object) -> int:
    """Return the parameters of the torch modules that a representation is or holds, each once."""
    held = [representation, *vars(representation).values()] if hasattr(representation, "__dict__") else []
    modules = [one for one in held if isinstance(one, nn.Module)]
    return sum({id(one): one.numel() for module in modules for one in module.parameters()}.values())


def shape(trial: Trial) -> Iterator[str]:
    """Yield what is wrong with the axes of the first answer; their number of frames is for another law."""
    card, answer = trial.card, trial.first.answer
    wanted = f"(3, {card.layers}, frames, {card.dim})"
    if not isinstance(answer, Tensor):
        yield f"expected a torch tensor {wanted}, got {type(answer).__name__}"
    elif answer.ndim != 4 or (answer.shape[0], answer.shape[1], answer.shape[3]) != (3, card.layers, card.dim):
        yield f"expected {wanted}, got {tuple(answer.shape)}"


def has_frames(trial: Trial) -> Iterator[str]:
    """Yield a line when a second of sound has no frame."""
    if not trial.first.answer.shape[2]:
        yield f"{trial.n_samples} samples gave no frame"


def is_float32(trial: Trial) -> Iterator[str]:
    """Yield the type, where it is another."""
    if trial.first.answer.dtype != torch.float32:
        yield f"expected torch.float32, got {trial.first.answer.dtype}"


def frame_rate(trial: Trial) -> Iterator[str]:
    """Yield a line when a second more of audio does not give a second more of frames.

    A count that does not grow at all is no rate: the law of counts speaks of it.
    """
    short, long = trial.n_samples, trial.allowed(2 * trial.n_samples)
    more = _n_frames(trial, long) - _n_frames(trial, short)
    promised = (long - short) / trial.hop_samples
    if more and abs(more - promised) > 1 + 1e-6:
        yield (
            f"from {short} to {long} samples came {more} frames more; {trial.card.frame_rate_hz:g} frames a second "
            f"at {trial.card.sample_rate} Hz promise {promised:.1f}"
        )


def frame_count(trial: Trial) -> Iterator[str]:
    """Yield the first length whose frames do not follow from the card.

    With a hop of h samples and a window of at most min_samples, n samples have from 1 + ⌊(n − min_samples) / h⌋
    (nothing padded) to n / h + 2 frames (padded by half a window at both ends). Between two lengths the count
    grows by their difference over h, within one frame.
    """
    hop, least, before = trial.hop_samples, trial.card.min_samples, 0
    start = None
    for n_samples in _lengths(trial):
        count = _n_frames(trial, n_samples)
        start = (n_samples, count) if start is None else start
        fewest, most = 1 + math.floor((n_samples - least) / hop - 1e-6), n_samples / hop + 2
        grown = start[1] + (n_samples - start[0]) / hop
        if trial.one_frame and count != 1:
            yield f"a frame rate of 0 promises one frame a call; {n_samples} samples gave {count}"
        elif not trial.one_frame and not (max(fewest, before) <= count <= most and abs(count - grown) <= 1 + 1e-6):
            yield f"{n_samples} samples gave {count} frames, the card promises about {n_samples / hop:.1f}"
        else:
            before = count
            continue
        return


def _lengths(trial: Trial) -> tuple[int, ...]:
    """Return the lengths that frames are counted at: around the least, odd ones, a second, and a long one."""
    card, hop = trial.card, 0 if trial.one_frame else trial.hop_samples
    long_s = LONG_S if trial.one_frame else min(max(LONG_S, LONG_FRAMES / card.frame_rate_hz), LONGEST_S)
    around = (0, 1, math.ceil(hop) - 1, math.ceil(hop), math.ceil(hop) + 1)
    wanted: list[float] = [card.min_samples + more for more in around]
    wanted += [card.sample_rate // 3 * 2 | 1, trial.n_samples, trial.n_samples * 4 // 3 | 1, long_s * card.sample_rate]
    return tuple(sorted({trial.allowed(length) for length in wanted}))


def _n_frames(trial: Trial, n_samples: int) -> int:
    """Return the frames of so much noise, counted in layer 0, where early exit makes it cheap."""
    return trial.call(torch.from_numpy(sounds.noise(n_samples))[None], [0]).shape[2]


def refusals(trial: Trial) -> Iterator[str]:
    """Yield a line for each wrong input that is not refused with an error of ours."""
    card, call, least = trial.card, trial.representation, trial.card.min_samples
    right = torch.zeros(1, trial.n_samples)
    wrong: dict[str, Callable[[], object]] = {
        "one sample too few": lambda: call(torch.zeros(1, least - 1)),
        "stereo": lambda: call(torch.zeros(1, 2, trial.n_samples)),
        "whole numbers for audio": lambda: call(torch.zeros(1, trial.n_samples, dtype=torch.int16)),
        "a layer out of range": lambda: call(right, [card.layers]),
        "a negative layer": lambda: call(right, [-1]),
        "an empty list of layers": lambda: call(right, []),
    }
    for what, calling in wrong.items():
        try:
            calling()
        except EarmarkError:
            continue
        except CRASHES as error:
            yield f"{what} ended in {type(error).__name__}, not in a UserError: call base.check_call first"
        else:
            yield f"{what} was not refused: call base.check_call first"
