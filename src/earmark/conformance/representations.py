"""The laws of a representation, in the order they are asked, and why each matters.

Frames that see the whole input cannot be asked to be the same in a segment, and are not; a frame rate of 0 in the
card says that a call gives one frame, whatever its length.
"""

from collections.abc import Iterable

import torch

from earmark.conformance import promises, steadiness, surroundings
from earmark.conformance.trial import Trial
from earmark.conformance.verdicts import Law, Verdict, verdicts
from earmark.representations.base import Representation

# Raised when a law is added, renamed, or asks for more or less than before: kept verdicts are then of other laws.
LAWS_VERSION = 1
BATCH = "batch"

ANSWERS = ("shape", "not empty")
REPEATS = (*ANSWERS, "deterministic", "no memory")


def _not_with_one_frame(trial: Trial) -> str:
    return "its card has a frame rate of 0: one frame a call" if trial.one_frame else ""


LAWS: tuple[Law[Trial], ...] = (
    Law(
        "card numbers",
        "The loop, the plan and the store read every length, rate and shape from the card.",
        promises.possible_numbers,
    ),
    Law(
        "card facts",
        "The licence decides who may use the numbers; the hash of the weights is part of every key, and without it two "
        "checkpoints share their stored embeddings.",
        promises.plausible_facts,
    ),
    Law(
        "shape",
        "Axes are told apart by their place: of another shape, the mean goes over layers or dimensions.",
        promises.shape,
        needs=("card numbers",),
    ),
    Law(
        "not empty",
        "The mean over no frames is no number: the clip would be counted as failed, or a score come from fewer clips.",
        promises.has_frames,
        needs=("shape",),
    ),
    Law(
        "float32",
        "Stored vectors are float32: another type is rounded at another place than in the run it is compared with, "
        "and doubles or halves the memory that the plan promised.",
        promises.is_float32,
        needs=ANSWERS,
    ),
    Law(
        "finite",
        "One NaN makes the mean of its clip NaN, and one such clip the standardisation of a whole training set.",
        steadiness.finite,
        needs=ANSWERS,
    ),
    Law(
        "frame rate",
        "The time of every frame is computed from it: segment hops, times of frames and bytes an hour are off by "
        "the same factor, and a wrong rate is often the sign of audio at a wrong sample rate.",
        promises.frame_rate,
        needs=ANSWERS,
        not_asked=_not_with_one_frame,
    ),
    Law(
        "frame count",
        "Padding inside mixes silence into the mean of every clip that is shorter; cutting or dropping inside leaves "
        "audio out of it: scores then depend on how long clips are.",
        promises.frame_count,
        needs=(*ANSWERS, "frame rate"),
    ),
    Law(
        "refusals",
        "What is not refused is embedded: stereo as two clips, whole numbers at 32,768 times full scale, layer -1 "
        "under another key than the last one's.",
        promises.refusals,
        needs=("card numbers",),
    ),
    Law(
        "input kept",
        "One decode serves every model and deformation of a clip: the next would hear the changed audio.",
        steadiness.input_kept,
        needs=("shape",),
    ),
    Law(
        "no gradient",
        "Each answer keeps the whole computation that made it: memory grows with every clip until the run dies.",
        steadiness.no_gradient,
        needs=("shape",),
    ),
    Law(
        "global generators",
        "The draws of whoever comes next (shuffles, first weights, augmentations) change because this representation "
        "was in the experiment: its neighbours' scores are no longer theirs.",
        steadiness.generators_left_alone,
        needs=("shape",),
    ),
    Law(
        "global settings",
        "Everything that the process computes afterwards is computed under them: other models' numbers and speed.",
        steadiness.settings_left_alone,
        needs=("shape",),
    ),
    Law(
        "deterministic",
        "A second run disagrees with the first and with the store, and its noise is taken for an effect.",
        steadiness.deterministic,
        needs=ANSWERS,
    ),
    Law(
        "no memory",
        "The vector of a clip depends on the clips before it: results change with --jobs, order and resuming.",
        steadiness.no_memory,
        needs=(*ANSWERS, "deterministic"),
    ),
    Law(
        BATCH,
        "A clip has another vector on a machine with more memory: scores depend on who was beside whom.",
        steadiness.batch,
        needs=REPEATS,
    ),
    Law(
        "layers",
        "The table would print the score of one layer under the number of another.",
        steadiness.layers,
        needs=REPEATS,
    ),
    Law(
        "sounds apart",
        "A probe on vectors that are all alike scores the class prior: a broken wrapper looks like a weak model.",
        steadiness.tells_sounds_apart,
        needs=ANSWERS,
    ),
    Law(
        "four rates",
        "Between a dataset stored at 44.1 kHz and one at 16 kHz, a drop in score would measure the files.",
        steadiness.four_rates,
        needs=REPEATS,
    ),
    Law(
        "padding safe",
        "The loop pads clips of unequal length into one batch where the card allows it: each would be changed by the "
        "longest beside it.",
        steadiness.padding_safe,
        needs=REPEATS,
        not_asked=steadiness.not_padded,
    ),
    Law(
        "segmented",
        "The vector of a long clip would depend on where its segments were cut.",
        steadiness.segmented,
        needs=(*REPEATS, "frame rate"),
        not_asked=steadiness.not_segmented,
    ),
)


def laws_of_representation(representation: Representation) -> tuple[Verdict, ...]:
    """Put every law to a representation, about half a minute of audio in all; leave the process as it was.

    Raises MissingPart when the representation needs something that is not installed.
    """
    with surroundings.restored(), torch.enable_grad():
        return verdicts(LAWS, Trial(representation))


def broken_by_representation(representation: Representation) -> tuple[str, ...]:
    """Return a line for each broken law: its name, what broke, and what number would be wrong."""
    return tuple(str(one) for one in laws_of_representation(representation) if one.broken)


def is_batchable(found: Iterable[Verdict]) -> bool:
    """Say whether a check found that a clip has the same numbers alone as beside others. Not asked is not found."""
    return any(one.law == BATCH and one.holds for one in found)
