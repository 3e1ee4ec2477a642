"""Which tracks of the parts count: those that are whole, of contents that some file has, each once."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from earmark.catalogue import parts
from earmark.catalogue.parts import Part

Array = np.ndarray


def first_of_tracks(records: Array) -> Int[Array, " tracks"]:
    """Return where each track of a part begins: a track ends with the record that says so."""
    last = np.flatnonzero(records["flags"] & parts.IS_LAST)
    return np.concatenate([[0], last[:-1] + 1]).astype(np.int64) if len(last) else last


def are_whole(records: Array, firsts: Int[Array, " tracks"]) -> Bool[Array, " tracks"]:
    """Return which tracks have sound records alone, all of one content: where one lost its end, two stand as one."""
    if not len(firsts):
        return np.zeros(0, bool)
    sound = records["flags"] != 0
    if len(firsts) < len(records):
        keys = as_words(records["key"])
        sound &= (keys == np.repeat(keys[firsts], np.diff(firsts, append=len(records)), axis=0)).all(axis=1)
    return np.logical_and.reduceat(sound, firsts)


def which(found: Sequence[Part], firsts: Sequence[Array]) -> list[Bool[Array, " tracks"]]:
    """Return by part which of its tracks count: of one content the first whole one that no later turn says is gone."""
    turns = np.repeat([part.turn for part in found], [len(first) for first in firsts]).astype(np.int64)
    each = zip(found, firsts, strict=True)
    keys = np.concatenate(
        [np.zeros((0, 2), np.uint64), *(as_words(part.records["key"][first]) for part, first in each)]
    )
    live = np.concatenate([np.zeros(0, bool), *map(are_whole, (part.records for part in found), firsts)])
    said = {bytes(key): part.turn for part in found for key in part.gone}  # later turns overwrite earlier ones
    for number in np.flatnonzero(np.isin(keys[:, 0], [int.from_bytes(key[:8], "little") for key in said])):
        live[number] &= turns[number] >= said.get(keys[number].tobytes(), -1)
    seen = set[bytes]()
    for number in _first_word_shared(keys[:, 0]):
        if live[number]:
            live[number] = keys[number].tobytes() not in seen
            seen.add(keys[number].tobytes())
    return np.split(live, np.cumsum([len(first) for first in firsts])[:-1]) if found else []


def _first_word_shared(words: Int[Array, " tracks"]) -> Int[Array, " some"]:
    """Return in order where a word stands that stands elsewhere too: among a million contents hardly any."""
    order = np.argsort(words)
    same = words[order[1:]] == words[order[:-1]]
    return np.unique(np.concatenate([order[1:][same], order[:-1][same]]))


def as_words(keys: Array) -> Int[Array, "tracks 2"]:
    """Return keys of 16 bytes as two numbers each, which sort and compare quicker."""
    return np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)
