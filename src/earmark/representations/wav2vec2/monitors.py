"""What is watched while wav2vec 2.0 trains, and the signatures of runs that are lost. Pure.

Monitors are sums and counts, so that they add up over micro-batches, devices, steps and epochs; `read` turns their
means into numbers, and `alarms` looks at a history of these. The signatures are those that users of the public
implementations reported, and one that we measured ourselves (phase noise).
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from earmark.representations.objective import Alarm, Measured
from earmark.representations.wav2vec2 import quantiser

Reading = Mapping[str, float]

RECENT_STEPS, PLATEAU_STEPS, EARLY_STEPS = 20, 200, 500
ONE_CODE_PERPLEXITY = 2.0  # a group: it tends to 1
LEAST_PERPLEXITY = 10.0  # of all groups together
MOST_IDENTICAL = 0.5
PLATEAU_NATS = 0.01
SURE_ACCURACY, FALLEN_TO = 0.95, 0.5
VALIDATION_GAP = 0.3
LEAST_LAG_1 = 0.2


def neighbours(z: Float[Tensor, "clips frames dim"]) -> Measured:
    """Return sums over neighbouring frames a, b of z, by channel: a, b, a², b², ab; of which `lag_1` is made."""
    a, b = z[:, :-1].flatten(0, 1), z[:, 1:].flatten(0, 1)
    sums = [one.sum(0) for one in (a, b, a.square(), b.square(), a * b)]
    return Measured(torch.stack(sums), torch.full((), float(len(a)), device=z.device))


def lag_1(means: Float[Tensor, "5 dim"]) -> float:
    """Return the correlation of neighbouring frames, channels pooled: covariance over the geometric mean of variances.

    Values are centred by channel over all that was added. 0 where z does not vary.
    """
    a, b, a_square, b_square, product = means.double()
    variances = (a_square - a.square()).sum().clamp_min(0) * (b_square - b.square()).sum().clamp_min(0)
    return float((product - a * b).sum() / variances.sqrt()) if variances > 0 else 0.0


def read(means: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the numbers to show. Contrastive loss in nats and bits; perplexities and used codes by group from 0."""
    said = {name: float(mean) for name, mean in means.items() if mean.ndim == 0 and name != "contrastive"}
    contrastive = float(means["contrastive"])
    said |= {"contrastive_nats": contrastive, "contrastive_bits": contrastive / math.log(2.0)}
    said["lag_1"] = lag_1(means["neighbours"])
    for kind in ("soft", "hard"):
        for group, one in enumerate(quantiser.perplexity(means[f"codes_{kind}"].double())):
            said[f"perplexity_{kind}_{group}"] = float(one)
    for group, used in enumerate((means["codes_hard"] > 0).sum(1)):
        said[f"used_codes_{group}"] = float(used)
    return said


def words(reading: Reading) -> str:
    """Return a reading in a few words: used codes and perplexity by group, and accuracy."""
    used, perplexity = (
        " + ".join(f"{reading[name]:.0f}" for name in reading if name.startswith(kind))
        for kind in ("used_codes_", "perplexity_soft_")
    )
    return f"used codes {used}, perplexity {perplexity}, accuracy {reading['accuracy']:.2f}"


def alarms(
    history: Sequence[Reading], n_candidates: int, validated: Reading | None = None, first_step: int = 0
) -> tuple[Alarm, ...]:
    """Return the signatures that the readings of a run show, each with "step" and what `read` gave, in order of steps.

    `n_candidates` is 1 + the number of negatives; `validated` is the latest reading of validation clips. A history
    may begin late, but it holds the first 500 steps for "shortcut" and the first for "phase_noise". What was read
    before `first_step` counts for nothing: the contrastive task was only watched.
    """
    history = [one for one in history if one["step"] >= first_step]
    if not history:
        return ()
    step = int(history[-1]["step"])
    found = (
        *_collapsed(history, step),
        *_learns_nothing(history, step, n_candidates, first_step),
        *_shortcut(history, step, first_step),
        *_differs(history[-1], validated, step),
    )
    return tuple(found)


def _collapsed(history: Sequence[Reading], step: int) -> list[Alarm]:
    recent, long = _last(history, RECENT_STEPS), _last(history, EARLY_STEPS)
    found = []
    identical = bool(recent) and _mean(recent, "identical") > MOST_IDENTICAL
    if identical and all(max(_perplexities(one)) < ONE_CODE_PERPLEXITY for one in recent):
        found.append(_alarm("one_code", step, "all frames choose one code. Raise the effective batch, lower the rate."))
    elif identical:
        found.append(
            _alarm("identical_negatives", step, "more than half of the negatives have the code of what is sought.")
        )
    if long and all(sum(_perplexities(one)) < LEAST_PERPLEXITY for one in long):
        found.append(_alarm("few_codes", step, f"perplexity below {LEAST_PERPLEXITY:g} for {EARLY_STEPS} steps."))
    return found


def _learns_nothing(history: Sequence[Reading], step: int, n_candidates: int, first_step: int) -> list[Alarm]:
    plateau, level = _last(history, PLATEAU_STEPS), math.log(n_candidates)
    found = []
    if plateau and abs(_mean(plateau, "contrastive_nats") - level) < PLATEAU_NATS:
        text = f"contrastive loss at ln {n_candidates} = {level:.3f} for {PLATEAU_STEPS} steps: every candidate is as "
        found.append(_alarm("uniform_guesses", step, text + "likely. Normal only early in a long warm-up."))
    first = history[0]
    if first["step"] == first_step and first["lag_1"] < LEAST_LAG_1:
        text = f"neighbouring frames correlate by {first['lag_1']:.2f} at the start, below {LEAST_LAG_1:g}: the front "
        text += "end gives noise, which a small budget cannot learn to predict."
        found.append(_alarm("phase_noise", first_step, text))
    return found


def _shortcut(history: Sequence[Reading], step: int, first_step: int) -> list[Alarm]:
    recent, first = _last(history, RECENT_STEPS), history[0]
    is_early = step < first_step + EARLY_STEPS and first["step"] == first_step
    if not is_early or not recent or _mean(recent, "accuracy") < SURE_ACCURACY:
        return []
    now = sum(_mean(recent, name) for name in first if name.startswith("perplexity_soft_"))
    # Where most negatives are blocked every guess is right: that is a collapse, named already.
    if now > FALLEN_TO * sum(_perplexities(first)) or _mean(recent, "identical") > MOST_IDENTICAL:
        return []
    return [_alarm("shortcut", step, "accuracy near 1 within a few hundred steps, while perplexity fell by half.")]


def _differs(last: Reading, validated: Reading | None, step: int) -> list[Alarm]:
    if validated is None or validated["diversity"] - last["diversity"] < VALIDATION_GAP:
        return []
    return [_alarm("validation_differs", step, "fewer codes in validation than in training: validate on more clips.")]


def _alarm(name: str, step: int, text: str) -> Alarm:
    return Alarm(name, step, f"{name} at step {step}: {text}")


def _last(history: Sequence[Reading], n_steps: int) -> Sequence[Reading]:
    """Return the readings of the last steps, latest first; none before there were so many."""
    since = history[-1]["step"] - n_steps
    if history[0]["step"] > since + 1:
        return ()
    return list(itertools.takewhile(lambda one: one["step"] > since, reversed(history)))


def _mean(readings: Sequence[Reading], name: str) -> float:
    return sum(one[name] for one in readings) / len(readings)


def _perplexities(reading: Reading) -> list[float]:
    return [value for name, value in reading.items() if name.startswith("perplexity_soft_")]
