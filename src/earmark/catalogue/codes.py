"""Which codes of a quantised representation go with which labels of a dataset.

Of a wav2vec 2.0 with its quantiser and NSynth's test split this is Figures 1 and 2 of Ragano et al. 2023. Every number
comes with what it is when labels are shuffled over the recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from jaxtyping import Float, Int

from earmark.analysis import codes as counting
from earmark.analysis import stats
from earmark.analysis.codes import Counts, Summary, Vocabulary
from earmark.analysis.stats import Interval
from earmark.catalogue.recordings import MIDDLE_S, Recordings, middle, parts
from earmark.errors import DataError, UserError
from earmark.experiment import devices, one_pass
from earmark.experiment.progress import bar
from earmark.identity import generator
from earmark.nouns import Clip, Failure
from earmark.representations.base import Representation
from earmark.representations.embed import device_of, segments

Array = np.ndarray
WITH_INTERVAL = {"label_purity": 1.0, "code_purity": 1.0, "information_bits": np.inf, "pnmi": 1.0}
"""What gets an interval, and its highest value."""
TOGETHER = 2
"""So many groups are one code when nothing else is asked: wav2vec 2.0 has two. Of a codec's the first leads."""


@dataclass(frozen=True)
class CodeRow:
    """What the codes of some groups, counted as one, say of a label; `chance`: the mean over ten shuffles of it.

    `n_possible`: how many codes there could be, None where the representation does not say. `intervals`: those of 95 %
    of some numbers of `found`, by leaving out one of `n_parts` parts of the recordings at a time; see
    `stats.jackknife`. Empty for a single part.
    """

    representation: str
    dataset: str
    label: str
    groups: tuple[int, ...]
    n_recordings: int
    n_possible: int | None
    found: Summary
    chance: Summary
    intervals: Mapping[str, Interval]
    n_parts: int


@dataclass(frozen=True)
class Codes:
    """Counts of the groups asked for together; a row for them, first, and for each group alone."""

    counts: Counts
    rows: tuple[CodeRow, ...]
    failures: tuple[Failure, ...]


class _Quantised(Representation, Protocol):
    """A representation with codes."""

    def codes(self, audio: Float[torch.Tensor, "batch samples"]) -> Int[torch.Tensor, "batch groups frames"]: ...


def codes(
    recordings: Recordings,
    representation: str,
    label: str,
    *,
    groups: Sequence[int] | None = None,
    middle_s: float | None = MIDDLE_S,
    device: str = devices.CPU,
    quiet: bool = True,
) -> Codes:
    """Return in how many frames each code and each label of the recordings occurred together.

    `groups` are counted as one code, in that order; None: all if there are at most two, else the first. A recording's
    label is of all its frames. Raises UserError for a representation without codes, DataError for a label of numbers
    or of several at once.
    """
    named = [_class_of(clip, label) for clip in recordings.clips]
    network = _quantised(representation, device)
    found, kept, failures = list[Int[Array, "groups frames"]](), list[tuple[Clip, str]](), list[Failure]()
    with bar(representation, len(recordings.clips), quiet) as progress:
        for clip, name in zip(recordings.clips, named, strict=True):
            progress.advance(1)
            try:
                found.append(_codes(network, clip, middle_s))
                kept.append((clip, name))
            except UserError as error:
                failures.append(recordings.failure(clip, error))
    if not found:
        raise UserError(f"No recording could be used. The first: {failures[0].path}: {failures[0].reason}")
    chosen, n_groups = _chosen(representation, len(found[0]), groups), len(found[0])
    size = getattr(network, "codebook_size", None)
    rows, counts = list[CodeRow](), list[Counts]()
    labels, label_of = np.unique(np.asarray([name for _, name in kept]), return_inverse=True)
    part_of = parts([clip for clip, _ in kept], [each.shape[1] for each in found])
    for some in (chosen, *((group,) for group in range(n_groups) if (group,) != chosen)):
        used = counting.vocabulary([counting.heard(each[list(some)]) for each in found])
        counts.append(counting.counted(used, label_of, labels.tolist()))
        rng = generator("analyse", "codes", recordings.name, label)
        values = counting.summary(counts[-1]), counting.by_chance(used, label_of, labels.tolist(), rng)
        possible = None if size is None else size ** len(some)
        about = representation, recordings.name, label, some, len(kept), possible
        intervals = _intervals(values[0], used, label_of, labels.tolist(), part_of)
        rows.append(CodeRow(*about, *values, intervals, len(set(part_of.tolist()))))
    return Codes(counts[0], tuple(rows), tuple(failures))


def _intervals(
    found: Summary,
    used: Vocabulary,
    label_of: Int[Array, " recordings"],
    labels: Sequence[str],
    part_of: Int[Array, " recordings"],
) -> dict[str, Interval]:
    each = sorted(set(part_of.tolist()))
    if len(each) < 2:
        return {}
    left = [counting.without(used, part_of == part) for part in each]
    summaries = [counting.summary(counting.counted(some, label_of, labels)) for some in left]
    return {
        name: stats.jackknife(getattr(found, name), [getattr(one, name) for one in summaries], bounds=(0.0, highest))
        for name, highest in WITH_INTERVAL.items()
    }


def _chosen(name: str, n_groups: int, groups: Sequence[int] | None) -> tuple[int, ...]:
    if groups is None:
        return tuple(range(n_groups if n_groups <= TOGETHER else 1))
    if not groups or len(set(groups)) < len(groups) or not set(groups) <= set(range(n_groups)):
        raise UserError(f"'{name}' has groups 0 to {n_groups - 1}, each to be given once; got {list(groups)}.")
    return tuple(groups)


def _quantised(name: str, device: str) -> _Quantised:
    network = one_pass.representation(name, device)
    if not callable(getattr(network, "codes", None)):
        raise UserError(
            f"'{name}' has no codes. Codecs have, such as encodec-24khz, and a wav2vec 2.0 saved with its quantiser, "
            "such as wav2vec2-base, or path: with a checkpoint of its pre-training."
        )
    return cast(_Quantised, network)


def _class_of(clip: Clip, label: str) -> str:
    if label not in clip.targets:
        raise DataError(f"Codes are counted against a label, and '{clip.id}' has no '{label}'. Give a dataset's clips.")
    target = clip.targets[label]
    if isinstance(target, tuple | float):
        raise DataError(f"Codes are counted with one class for each recording; '{label}' of '{clip.id}' is {target!r}.")
    return str(target)


@torch.inference_mode()
def _codes(network: _Quantised, clip: Clip, middle_s: float | None) -> Int[Array, "groups frames"]:
    """Return the codes of the middle of a clip, in segments as the card has them."""
    samples = torch.from_numpy(middle(clip, network.card.sample_rate, middle_s)).to(device_of(network))
    parts = [network.codes(samples[None, start:end])[0] for start, end in segments(len(samples), network.card)]
    found: np.ndarray = torch.cat(parts, dim=1).cpu().numpy()
    return found
