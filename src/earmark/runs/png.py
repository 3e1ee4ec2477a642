"""Pictures of few colours as PNG files. Source: the PNG specification, W3C 2003, sections 5, 11.2 and 12.11."""

import struct
import zlib

import numpy as np
from jaxtyping import UInt8

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PALETTE_OF_BYTES = struct.pack("!BBBBB", 8, 3, 0, 0, 0)
"""Eight bits a pixel, places in a palette, deflated, not interlaced."""


def picture(pixels: UInt8[np.ndarray, "height width"], colours: UInt8[np.ndarray, "colours 3"]) -> bytes:
    """Return a picture of which each pixel is a place among the colours (red, green, blue); the first row is on top."""
    height, width = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels])  # a byte before each row: it is not filtered
    return SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack("!II", width, height) + PALETTE_OF_BYTES),
            _chunk(b"PLTE", colours.tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + name + content + struct.pack("!I", zlib.crc32(name + content))
