"""The laws that every plug-in must keep. The tests hold ours to them; `earmark check` holds anybody's.

Each check returns the laws that were broken, in words, and none when all hold.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from earmark import deformations, identity
from earmark.datasets.base import Dataset
from earmark.deformations import Chain
from earmark.errors import EarmarkError
from earmark.representations.base import Representation

TOLERANCE = 1e-4


def broken_by_representation(representation: Representation) -> tuple[str, ...]:
    """Check shapes, finite numbers, determinism, independence of batch mates, input kept, and the card's claims."""
    return tuple(_of_representation(representation))


def _of_representation(representation: Representation) -> Iterator[str]:
    card = representation.card
    longer = min(card.max_samples or 2 * card.sample_rate, max(2 * card.sample_rate, 2 * card.min_samples))
    rng = identity.generator("conformance", card.name)
    audio = torch.from_numpy((0.1 * rng.standard_normal((3, longer))).astype(np.float32))
    kept = audio.clone()
    answer = representation(audio)
    if answer.ndim != 4 or answer.shape[0] != 3 or answer.shape[1] != card.layers or answer.shape[3] != card.dim:
        yield f"expected (3, {card.layers}, frames, {card.dim}), got {tuple(answer.shape)}"
        return
    if not torch.equal(audio, kept):
        yield "the audio given was changed in place"
    if answer.requires_grad:
        yield "the answer carries a gradient"
    if not torch.isfinite(answer).all():
        yield "noise gave numbers that are not finite"
    if not torch.isfinite(representation(torch.zeros(1, longer))).all():
        yield "silence gave numbers that are not finite"
    if not torch.equal(answer, representation(audio)):
        yield "the same audio twice gave different numbers"
    alone = torch.cat([representation(row[None]) for row in audio])
    if not torch.allclose(alone, answer, atol=TOLERANCE, rtol=TOLERANCE):
        yield f"batch mates change numbers by up to {(alone - answer).abs().max():.2g}"
    last = card.layers - 1
    if not torch.equal(representation(audio, [last])[:, 0], answer[:, last]):
        yield f"asking for layer {last} alone gives other numbers than asking for all"
    expected = (longer / card.sample_rate) * card.frame_rate_hz
    window = card.min_samples / card.sample_rate * card.frame_rate_hz
    if abs(answer.shape[2] - expected) > window + 1:
        yield f"the card's {card.frame_rate_hz:g} frames a second promise about {expected:.0f}, got {answer.shape[2]}"
    yield from _refusals(representation)


def _refusals(representation: Representation) -> Iterator[str]:
    """Yield a line for each wrong input that is not refused with an error of ours."""
    card = representation.card
    wrong: dict[str, Callable[[], object]] = {
        "one sample too few": lambda: representation(torch.zeros(1, card.min_samples - 1)),
        "stereo": lambda: representation(torch.zeros(1, 2, card.min_samples)),
        "a layer out of range": lambda: representation(torch.zeros(1, card.min_samples), [card.layers]),
    }
    for what, call in wrong.items():
        try:
            call()
        except EarmarkError:
            continue
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            yield f"{what} ended in {type(error).__name__}, not in a UserError: call base.check_call first"
        else:
            yield f"{what} was not refused"


def broken_by_dataset(dataset: Dataset) -> tuple[str, ...]:
    """Check ids, files and splits: known ids, no clip in two roles, no group across roles unless the card says so."""
    return tuple(_of_dataset(dataset))


def _of_dataset(dataset: Dataset) -> Iterator[str]:
    if not dataset.clips:
        yield "it has no clips"
        return
    missing = [clip.id for clip in dataset.clips if not clip.path.is_file()]
    if missing:
        yield f"{len(missing)} of {len(dataset.clips)} files are not there, first: {missing[0]}"
    if not dataset.labels:
        yield "no clip has a target"
    for name, folds in dataset.splits.items():
        for number, split in enumerate(folds):
            where = f"split '{name}' fold {number}"
            roles = {"train": split.train, "valid": split.valid, "test": split.test}
            unknown = {one for ids in roles.values() for one in ids} - dataset.by_id.keys()
            if unknown:
                yield f"{where} names clips that do not exist: {sorted(unknown)[:3]}"
                continue
            yield from _straddling(dataset, where, roles, dataset.known_leak(name))


def _straddling(dataset: Dataset, where: str, roles: dict[str, tuple[str, ...]], leak: str) -> Iterator[str]:
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        both = set(roles[one]) & set(roles[other])
        if both:
            yield f"{where}: {len(both)} clips are in {one} and in {other}"
        groups = [{dataset.by_id[name].group for name in roles[role]} - {None} for role in (one, other)]
        shared = groups[0] & groups[1]
        if shared and not leak:
            yield f"{where}: {len(shared)} groups are in {one} and in {other}, first: {min(map(str, shared))}"


def broken_by_chain(chain: Chain) -> tuple[str, ...]:
    """Check that a deformation keeps length and type, repeats itself, and leaves its input as it was."""
    return tuple(_of_chain(chain))


def _of_chain(chain: Chain) -> Iterator[str]:
    rng = identity.generator("conformance", deformations.identity_of(chain))
    for rate in (16000, 44100, 48000):
        samples = (0.1 * rng.standard_normal(rate)).astype(np.float32)
        kept = samples.copy()
        answer = deformations.apply(chain, samples, rate, 1)
        if answer.shape != samples.shape or answer.dtype != np.float32:
            yield f"{rate} Hz: expected {samples.shape} float32, got {answer.shape} {answer.dtype}"
        elif not np.isfinite(answer).all():
            yield f"{rate} Hz: noise gave samples that are not finite"
        elif not np.array_equal(answer, deformations.apply(chain, samples, rate, 1)):
            yield f"{rate} Hz: the same seed twice gave different samples"
        if not np.array_equal(samples, kept):
            yield f"{rate} Hz: the samples given were changed in place"
