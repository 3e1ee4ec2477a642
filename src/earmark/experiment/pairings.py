"""A subject seen through a representation: its clips with the keys of their embeddings.

What a probe sees of a clip is one vector, or one for each segment, or every frame (`grain`); and of the training
clips all of them, or a share that is drawn anew for each seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from earmark import identity
from earmark.deformations import CLEAN, Chain
from earmark.experiment.keys import Keys
from earmark.experiment.spec import Block, ProbeChoice, RepresentationChoice, ShareOf
from earmark.experiment.subjects import Placed, Subject
from earmark.probes import portions
from earmark.probes.kinds import candidates
from earmark.probes.recipe import Recipe
from earmark.representations.embed import Grain


@dataclass(frozen=True)
class Part:
    """Clips with embeddings of one grain, and the keys of these.

    `parts` holds the keys in the clips' order, once for each part of the representation: more than once for `a+b`.
    """

    clips: tuple[Placed, ...]
    parts: tuple[tuple[str, ...], ...]
    grain: Grain = "clip"

    @property
    def keys(self) -> tuple[str, ...]:
        """What names the embedding of each clip: its key, or that of what it is joined from."""
        if len(self.parts) == 1:
            return self.parts[0]
        return tuple(identity.key_of(joined=keys) for keys in zip(*self.parts, strict=True))

    @property
    def embeddings(self) -> frozenset[str]:
        """Every embedding that is needed."""
        return frozenset(key for keys in self.parts for key in keys)


@dataclass(frozen=True)
class Pairing:
    """A subject seen through one representation. `tests` holds the test clips by the name of the chain."""

    subject: Subject
    choice: RepresentationChoice
    train: Part
    valid: Part
    tests: Mapping[str, Part]
    key: str

    @property
    def pool_name(self) -> str:
        """What a probe sees of a clip, as tables say it: "mean", "mean+std", "segments, mean", "frames"."""
        return pool_name(self.choice, self.train.grain)


def pool_name(choice: RepresentationChoice, grain: Grain) -> str:
    """Return what is seen of a clip, as tables say it: "mean", "mean+std", "segments, mean", "frames"."""
    pool = "+".join(choice.pool)
    return {"clip": pool, "segments": f"segments, {pool}", "frames": "frames"}[grain]


def grain_of(block: Block, probe: ProbeChoice) -> Grain:
    """Return what a probe sees of a clip: every frame, which it pools itself; its segments; or one vector."""
    if any(isinstance(recipe, Recipe) and recipe.pool_frames != "none" for recipe in candidates(probe.recipe)):
        return "frames"
    return "segments" if block.task.aggregation == "prediction" else "clip"


def grains_of(block: Block) -> tuple[Grain, ...]:
    """Return the grains that a block's probes see, each once."""
    return tuple(dict.fromkeys(grain_of(block, probe) for probe in block.probes))


def pair(
    subject: Subject,
    choice: RepresentationChoice,
    grain: Grain,
    chains: Sequence[Chain],
    keys: Keys,
    failed: frozenset[str],
) -> Pairing:
    """Return a subject seen through a representation; clips of which an embedding has `failed` are left out."""

    def part(placed: Sequence[Placed], chain: Chain) -> Part:
        named = [(one, [want.key for want in keys.wants(one, chain, choice, grain)]) for one in placed]
        kept = [(one, found) for one, found in named if failed.isdisjoint(found)]
        parts = zip(*(found for _, found in kept), strict=True) if kept else [()] * len(choice.parts)
        return Part(tuple(one for one, _ in kept), tuple(map(tuple, parts)), grain)

    train, valid = part(subject.train, CLEAN), part(subject.valid, CLEAN)
    key = _key(subject, choice, train, valid)
    tests = {chain.name: part(subject.test, chain) for chain in (CLEAN, *chains)}
    return Pairing(subject, choice, train, valid, tests, key)


def unfitted(pairing: Pairing) -> Pairing:
    """Return a pairing without training and validation clips, for what learns from none."""
    empty = Part((), ((),) * len(pairing.train.parts), pairing.train.grain)
    return replace(pairing, train=empty, valid=empty, key=_key(pairing.subject, pairing.choice, empty, empty))


def with_share(pairing: Pairing, share: float, seed: int, share_of: ShareOf = "clips") -> Pairing:
    """Return a pairing with a share of its training clips, drawn by class with a seed; validation stays whole.

    What is drawn with one seed for a smaller share is part of what is drawn for a larger one. `share_of` groups: the
    clips of a group are all in or all out, and as many groups are in as hold the nearest number of clips.
    """
    train = pairing.train
    if share == 1:
        return pairing
    of_all = pairing.subject.targets(train.clips)
    drawn_by = identity.seed_for("train share", pairing.subject.dataset, pairing.subject.task.name, seed)
    groups = [one.clip.group for one in train.clips] if share_of == "groups" else None
    (draw,) = portions.draws(of_all, 1, drawn_by, (share,), groups)
    kept = draw.clips.tolist()
    parts = tuple(tuple(keys[position] for position in kept) for keys in train.parts)
    fewer = replace(train, clips=tuple(train.clips[position] for position in kept), parts=parts)
    return replace(pairing, train=fewer, key=_key(pairing.subject, pairing.choice, fewer, pairing.valid))


def _key(subject: Subject, choice: RepresentationChoice, train: Part, valid: Part) -> str:
    """Return the key of what a probe is fitted on."""
    return identity.key_of(
        train=train.keys,
        valid=valid.keys,
        train_targets=subject.targets(train.clips).tolist(),
        valid_targets=subject.targets(valid.clips).tolist(),
        classes=subject.classes,
        kind=subject.task.kind,
        reduce=choice.reduce,
        pool=choice.pool,
    )
