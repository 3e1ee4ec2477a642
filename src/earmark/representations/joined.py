"""`A+B[+C]`: several representations of the same audio side by side, frame by frame, joined along dim.

Experiments and `earmark embed` join parts of any rates, clip by clip (see `RepresentationChoice.parts`); this is for
whoever wants the frames. So the parts must hear at one sample rate and give the same frames, for nothing is resampled
or interpolated here: the numbers of a part are those it has alone. A part with one layer stands beside every layer of
the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from earmark import identity
from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations.base import Representation, check_call, code_sha256
from earmark.representations.base import load as load_part

CARDS: Mapping[str, Card] = {}
FORM = "A+B[+C]"
VERSION = 1
TRUST = ("no", "own", "parity", "real")
REMEDY = "Experiments and `earmark embed` join any two, clip by clip; frame by frame these cannot be joined."


class Joined:
    """Several representations as one; layers 0 to the deepest of them, dim is the sum of theirs."""

    def __init__(self, parts: Sequence[Representation]) -> None:
        self.parts = tuple(parts)
        self.card = _card(self.parts)

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the parts' embeddings in the order of the name. Raises UserError when their frames differ in number.

        Frames differ where the windows do, though the frame rate is the same.
        """
        wanted = check_call(audio, layers, self.card)
        found = [part(audio, None if part.card.layers == 1 else wanted) for part in self.parts]
        counts = [one.shape[2] for one in found]
        if len(set(counts)) > 1:
            said = ", ".join(f"'{part.card.name}' {n}" for part, n in zip(self.parts, counts, strict=True))
            raise UserError(f"Frames can be joined only one to one; of {audio.shape[1]} samples {said}. {REMEDY}")
        return torch.cat([one.expand(-1, len(wanted), -1, -1) for one in found], dim=-1)


def parts(variant: str) -> tuple[str, ...]:
    """Return the names that a joined name is made of."""
    names = tuple(name.strip() for name in variant.split("+"))
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise UserError(f"Expected different names with + between them, such as logmel+mfcc; got '{variant}'.")
    return names


def load(variant: str) -> Joined:
    """Return the representations of `A+B` as one. Raises UserError when they do not fit, saying in what they differ."""
    found = [load_part(name) for name in parts(variant)]
    _require_same(found, "sample_rate", lambda card: f"{card.sample_rate} Hz")
    _require_same(found, "frame_rate_hz", lambda card: f"{card.frame_rate_hz:g} frames a second")
    deep = [one for one in found if one.card.layers > 1]
    _require_same(deep, "layers", lambda card: f"{card.layers} layers")
    return Joined(found)


def _require_same(found: Sequence[Representation], fact: str, say: Callable[[Card], str]) -> None:
    if len({getattr(one.card, fact) for one in found}) > 1:
        said = ", ".join(f"'{one.card.name}' has {say(one.card)}" for one in found)
        raise UserError(f"Only representations with the same {fact} can be joined: {said}. {REMEDY}")


def _card(found: Sequence[Representation]) -> Card:
    """Return what holds of all parts; the hash of the weights is one of all that makes their numbers."""
    cards = [one.card for one in found]
    longest = [card.max_samples for card in cards if card.max_samples is not None]
    # A part may be a user's own class, whose file is part of what it is; a handmade one is known by its version.
    made_of = [(one.card.name, one.card.version, one.card.weights_sha256, code_sha256(one)) for one in found]
    deepest = max(card.layers for card in cards)
    return Card(
        name="+".join(card.name for card in cards),
        version=VERSION,
        sample_rate=cards[0].sample_rate,
        frame_rate_hz=cards[0].frame_rate_hz,
        dim=sum(card.dim for card in cards),
        layers=deepest,
        layer_0=" + ".join(card.layer_0 for card in cards),
        min_samples=max(card.min_samples for card in cards),
        max_samples=min(longest, default=None),
        padding_safe=all(card.padding_safe for card in cards),
        architecture=_each(card.architecture for card in cards),
        n_parameters=sum(card.n_parameters for card in cards),
        trained_on=_each(card.trained_on for card in cards),
        objective=_each(card.objective for card in cards),
        licence=_each(card.licence for card in cards),
        commercial=all(card.commercial for card in cards),
        bibtex="\n".join(dict.fromkeys(card.bibtex for card in cards if card.bibtex)),
        verified=min((card.verified for card in cards), key=TRUST.index),
        weights_sha256=identity.key_of(parts=made_of),
    )


def _each(said: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(said))
