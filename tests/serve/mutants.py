"""Uploads that nobody means well: audio files with bytes changed, cut, doubled or made up, and bodies of that kind."""

import io
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import soundfile

from tests.serve.served import as_form

FORMS = (
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "MS_ADPCM"),
    ("WAVEX", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
    ("AU", "ULAW"),
    ("CAF", "PCM_16"),
    ("W64", "PCM_16"),
    ("RF64", "PCM_16"),
    ("VOC", "PCM_16"),
)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)
HEAD_BYTES = 128


class Mutant(NamedTuple):
    """One upload: a body, and the headers that go with it."""

    body: bytes
    headers: dict[str, str]


@cache
def originals() -> tuple[bytes, ...]:
    """Return a short audio file of each form."""
    rng = np.random.Generator(np.random.PCG64(0))
    found = []
    for form, subtype in FORMS:
        buffer = io.BytesIO()
        rate = 48000 if subtype == "OPUS" else 16000
        samples = 0.3 * np.sin(np.arange(rate // 5) / 20) + 0.01 * rng.standard_normal(rate // 5)
        soundfile.write(buffer, np.stack([samples, samples[::-1]], 1), rate, format=form, subtype=subtype)
        found.append(buffer.getvalue())
    return tuple(found)


def mutants(count: int, seed: int) -> Iterator[Mutant]:
    """Yield so many uploads; the same ones for a seed. One in four is a form, and some of these forms are broken."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for number in range(count):
        content = bytearray(originals()[number % len(originals())])
        for _ in range(int(rng.integers(1, 4))):
            content = _changed(content, rng)
        if number % 4:
            yield Mutant(bytes(content), {"Content-Type": "audio/wav"})
            continue
        body, headers = as_form(bytes(content), name=str(rng.choice(["a.wav", "../../etc/passwd", "\u202e.mp3"])))
        if rng.random() < 0.5:
            body = bytes(_changed(bytearray(body), rng))
        if rng.random() < 0.2:
            charset = rng.choice(["undefined", "idna", "zlib", "no-such", "utf-16"])
            headers = {"Content-Type": f"{headers['Content-Type']}; charset={charset}"}
        yield Mutant(body, headers)


def _changed(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Return content with one thing done to it."""
    size = max(len(content), 1)
    head = min(size, HEAD_BYTES)
    match int(rng.integers(8)):
        case 0:  # bytes of the header
            for at in rng.integers(0, head, int(rng.integers(1, 9))).tolist():
                content[at : at + 1] = bytes([int(rng.choice(EXTREMES))])
        case 1:  # a number of the header: a size, a rate, a count of channels
            at = int(rng.integers(0, head))
            content[at : at + 4] = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000])).to_bytes(4, "little")
        case 2:  # bits anywhere
            for at in rng.integers(0, size, int(rng.integers(1, 33))).tolist():
                content[at : at + 1] = bytes([int(rng.integers(256))])
        case 3:  # the end is missing
            del content[int(rng.integers(0, size)) :]
        case 4:  # something is missing within
            at = int(rng.integers(0, size))
            del content[at : at + int(rng.integers(1, 512))]
        case 5:  # something stands twice
            at = int(rng.integers(0, size))
            content[at:at] = content[at : at + int(rng.integers(1, 2048))]
        case 6:  # another file's head
            other = originals()[int(rng.integers(len(originals())))]
            content[:head] = other[:head]
        case _:  # noise
            at = int(rng.integers(0, size))
            content[at : at + 64] = rng.bytes(64)
    return content
