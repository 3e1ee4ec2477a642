"""The verdicts of a check, kept in the store under the hash of what was checked.

A verdict holds for a card, for the code of a user's own class, and for the laws as they were asked: when one of them
changes, there is none.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

import torch

from earmark import __version__, identity
from earmark.conformance.representations import LAWS_VERSION
from earmark.conformance.verdicts import Verdict
from earmark.nouns import Card
from earmark.store import Store

KIND, SUFFIX = "verdicts", ".json"


def write(store: Store, card: Card, code_sha256: str, found: Sequence[Verdict]) -> None:
    """Keep what a check found, in place of what an earlier one did; `code_sha256` as `base.code_sha256` gives it."""
    content = {
        "representation": card.name,
        "card_version": card.version,
        "weights_sha256": card.weights_sha256,
        "laws_version": LAWS_VERSION,
        "earmark": __version__,
        "torch": torch.__version__,
        "laws": [asdict(one) for one in found],
    }
    # The card of somebody else may hold what JSON has no word for, and is checked all the same.
    data = json.dumps(content, ensure_ascii=False, indent=1, default=str).encode()
    store.put_file(KIND, _key(card, code_sha256), SUFFIX, data)


def read(store: Store, card: Card, code_sha256: str) -> tuple[Verdict, ...] | None:
    """Return what the last check of exactly this found, law by law; None where there was none."""
    key = _key(card, code_sha256)
    if store.file(KIND, key, SUFFIX) is None:
        return None
    return tuple(Verdict(**one) for one in json.loads(store.read_file(KIND, key, SUFFIX))["laws"])


def _key(card: Card, code_sha256: str) -> str:
    # The whole card, for a law may ask about each of its fields; as text, for the reason above.
    return identity.key_of(card=repr(card), code_sha256=code_sha256, laws_version=LAWS_VERSION)
