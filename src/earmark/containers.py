"""What an audio file's own bytes say of its length: libsndfile believes too little of it, or too much.

It plays a file that was cut short as if it ended there, reads nothing from a WAV whose writer did not know
the length yet, fails to seek in such a FLAC, and guesses how long an MP3 without a length header is.
"""

import json
import os
import re
import struct
from collections.abc import Iterator
from io import RawIOBase
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

RAW, CORPUS = ".i16", "corpus.json"

# A container's magic → offset of its first chunk, layout of a chunk's head, alignment of chunks.
CHUNKED = {b"RIFF": (12, "<4sI", 2), b"RF64": (12, "<4sI", 2), b"FORM": (12, ">4sI", 2), b"caff": (8, ">4sq", 1)}
LACKING = re.compile(r"(?:data|riff|SSND|Data Size) *: (\d+) \(should be (\d+)\)")
# Writers that stream cannot know the length: they put 0, or about 2 or 4 GiB instead.
UNKNOWN_LENGTH = 0x7FFF0000
LARGEST_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
OGG_SERIAL, OGG_NUMBER, OGG_CHECKSUM = slice(14, 18), slice(18, 22), slice(22, 26)
OGG_POLYNOMIAL = 0x04C11DB7

# By MPEG version (3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5): highest bit rate in kbit/s, samples a frame, and
# the divisor of MPEG 1's sample rates. Source: ISO/IEC 11172-3 and 13818-3, layer III.
MPEG = {3: (320, 1152, 1), 2: (160, 576, 2), 0: (160, 576, 4)}
MPEG_RATES = (44100, 48000, 32000)
SMALLEST_MPEG_FRAME_BYTES = 24


class SampleChunk(NamedTuple):
    """Where a container's samples begin, how many bytes its header says they are, and how many are there."""

    position: int
    declared: int
    found: int


class Headed(RawIOBase):
    """Another head and then the rest of a file, which goes on at byte `start`; only what is asked for is read.

    It lives on when the file that it was given is closed.
    """

    def __init__(self, head: bytes, raw: BinaryIO, start: int) -> None:
        self._head, self._start, self._position = head, start, 0
        self._descriptor = os.dup(raw.fileno())

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte, and return which that is."""
        size = len(self._head) + os.fstat(self._descriptor).st_size - self._start
        self._position = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence])
        return self._position

    def tell(self) -> int:
        """Return the byte that is read next."""
        return self._position

    def readinto(self, room: Any) -> int:
        """Fill what is given as far as there are bytes, and return how many they were."""
        wanted = memoryview(room).cast("B")
        of_head = self._head[self._position : self._position + len(wanted)]
        wanted[: len(of_head)] = of_head
        n_read = len(of_head)
        if n_read < len(wanted):
            at = self._start + self._position + n_read - len(self._head)
            n_read += os.preadv(self._descriptor, [wanted[n_read:]], at)
        self._position += n_read
        return n_read

    def close(self) -> None:
        """Let go of the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class MpegLengthTag(NamedTuple):
    """An MPEG frame that says how many frames follow, to be put before the one at byte `first`."""

    first: int
    head: bytes
    n_bytes: int
    frame_samples: int
    most_frames: int

    def before(self, raw: BinaryIO, n_frames: int) -> Headed:
        """Return the file with the tag in front, saying `n_frames`."""
        tag = self.head + b"Info" + struct.pack(">II", 1, n_frames)
        return Headed(tag.ljust(self.n_bytes, b"\0"), raw, self.first)


def raw_form(path: Path) -> dict[str, object]:
    """Return how libsndfile is to read the samples of a corpus, which have no header; nothing for any other file.

    They are int16, little-endian and mono; CORPUS beside them says their rate.
    """
    beside = path.with_name(CORPUS)
    if path.suffix != RAW or not beside.is_file():
        return {}
    rate = json.loads(beside.read_bytes())["sample_rate"]
    return {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE", "channels": 1, "samplerate": rate}


def what_is_missing(raw: BinaryIO, magic: bytes) -> str:
    """Say what a file that begins with `magic` (4 bytes) lacks at its end; empty when nothing is seen to lack."""
    if magic == b"OggS":
        return "" if _ends_with_last_ogg_page(raw) else "its last page is missing"
    chunk = _sample_chunk(raw, magic)
    return _lack(chunk.declared, chunk.found) if chunk else ""


def what_libsndfile_missed(log: str) -> str:
    """Say the same from libsndfile's log, which knows further containers but is cut at 2,047 characters."""
    lacking = LACKING.search(log)
    return _lack(int(lacking[1]), int(lacking[2])) if lacking else ""


def with_riff_length(raw: BinaryIO) -> Headed | None:
    """Return a WAV whose writer left its lengths 0 with "unknown" in their place; None for any other file."""
    raw.seek(0)
    magic, riff_length = raw.read(4), raw.read(4)
    chunk = _sample_chunk(raw, magic) if magic == b"RIFF" else None
    if chunk is None or chunk.declared or riff_length not in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        return None
    raw.seek(0)
    head = raw.read(chunk.position - 4) + b"\xff\xff\xff\xff"
    return Headed(head, raw, chunk.position)


def lacks_flac_length(raw: BinaryIO) -> bool:
    """Tell whether a file is a FLAC whose writer left the number of samples 0."""
    raw.seek(0)
    head = raw.read(26)
    return head[:4] == b"fLaC" and len(head) == 26 and not _flac_samples(head)


def with_flac_length(raw: BinaryIO, n_samples: int) -> Headed:
    """Return a FLAC with its number of samples per channel filled in (36 bits of its STREAMINFO block)."""
    raw.seek(0)
    head = bytearray(raw.read(26))
    head[21:26] = (int.from_bytes(head[21:26], "big") >> 36 << 36 | n_samples).to_bytes(5, "big")
    return Headed(bytes(head), raw, len(head))


def mpeg_length_tag(raw: BinaryIO) -> MpegLengthTag | None:
    """Return a length tag for an MP3 that has none, or None where it has one or is no MP3.

    Without a tag libsndfile guesses the length from the first frame and stops there, which loses the end
    of most such files, and most of a file of variable bit rate. With one, the decoder's own delay of 529
    samples is trimmed from the start, as it is from every file that came with a tag.
    """
    size = raw.seek(0, 2)
    raw.seek(0)
    id3 = raw.read(10)
    first = 10 + sum(byte << 7 * place for place, byte in enumerate(id3[:5:-1])) if id3[:3] == b"ID3" else 0
    raw.seek(first)
    frame = raw.read(192)
    is_layer_3 = len(frame) == 192 and frame[0] == 0xFF and frame[1] & 0xE6 == 0xE2
    if not is_layer_3 or b"Xing" in frame or b"Info" in frame:
        return None
    version, rate_index = frame[1] >> 3 & 3, frame[2] >> 2 & 3
    if version not in MPEG or rate_index == 3:
        return None
    # The tag's frame takes the highest bit rate, so that it is long enough for the tag.
    kbps, frame_samples, divisor = MPEG[version]
    n_bytes = frame_samples * 125 * kbps * divisor // MPEG_RATES[rate_index]
    is_mono = frame[3] >> 6 == 3
    side_bytes = (17 if is_mono else 32) if version == 3 else (9 if is_mono else 17)
    head = bytes((0xFF, frame[1] | 1, 14 << 4 | rate_index << 2, frame[3])) + bytes(side_bytes)
    return MpegLengthTag(first, head, n_bytes, frame_samples, size // SMALLEST_MPEG_FRAME_BYTES)


def _flac_samples(head: bytes) -> int:
    return int.from_bytes(head[21:26], "big") & (1 << 36) - 1


def _lack(declared: int, found: int) -> str:
    is_short = found < declared < UNKNOWN_LENGTH
    return f"its header says {declared} bytes of samples and {found} are there" if is_short else ""


def _sample_chunk(raw: BinaryIO, magic: bytes) -> SampleChunk | None:
    if magic not in CHUNKED:
        return None
    size = raw.seek(0, 2)
    position, layout, alignment = CHUNKED[magic]
    n_head = struct.calcsize(layout)
    while position + n_head <= size:
        raw.seek(position)
        name, length = struct.unpack(layout, raw.read(n_head))
        position += n_head
        if name in (b"data", b"SSND"):
            return SampleChunk(position, length, size - position)
        position += max(length, 0) + -length % alignment
    return None


def with_ogg_serial(content: bytes, serial: int = 1) -> bytes:
    """Return an Ogg file of one stream under another serial number: libsndfile draws one by the clock.

    Source: RFC 3533, section 6, whose checksum goes over the whole page, its own bytes as zeros.
    """
    pages = list[bytearray]()
    for page in _ogg_pages(content):
        page[OGG_SERIAL] = struct.pack("<I", serial)
        page[OGG_CHECKSUM] = _ogg_checksum(page)
        pages.append(page)
    return b"".join(pages)


def is_whole_ogg(raw: BinaryIO) -> bool:
    """Return whether an Ogg file of one stream has all its pages, one after the other and each undamaged.

    Takes about a third of a second for each MB.
    """
    raw.seek(0)
    pages = list(_ogg_pages(raw.read()))
    in_order = all(page[OGG_NUMBER] == struct.pack("<I", number) for number, page in enumerate(pages))
    return in_order and all(page[OGG_CHECKSUM] == _ogg_checksum(page) for page in pages)


def _ogg_pages(content: bytes) -> Iterator[bytearray]:
    """Yield each page, and whatever stands between two as if it were one."""
    position = 0
    while position < len(content):
        lengths = content[position + 26 : position + 27]
        n_segments = lengths[0] if lengths else 0
        end = position + 27 + n_segments + sum(content[position + 27 : position + 27 + n_segments])
        yield bytearray(content[position:end])
        position = end


def _ogg_checksum(page: bytearray) -> bytes:
    checksum = 0
    for byte in chain(page[: OGG_CHECKSUM.start], bytes(4), page[OGG_CHECKSUM.stop :]):
        checksum = (checksum << 8) & 0xFFFFFFFF ^ OGG_CHECKSUMS[checksum >> 24 ^ byte]
    return struct.pack("<I", checksum)


def _remainder(byte: int) -> int:
    checksum = byte << 24
    for _ in range(8):
        checksum = (checksum << 1) & 0xFFFFFFFF ^ (OGG_POLYNOMIAL if checksum & 0x80000000 else 0)
    return checksum


OGG_CHECKSUMS = tuple(map(_remainder, range(256)))


def _ends_with_last_ogg_page(raw: BinaryIO) -> bool:
    size = raw.seek(0, 2)
    raw.seek(max(0, size - LARGEST_OGG_PAGE_BYTES))
    tail = raw.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    is_whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return is_whole and bool(page[5] & 4)
