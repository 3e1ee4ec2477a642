"""Laws of length: a file that was cut short is refused, and one that does not know its length is read to its end."""

import io
import itertools
import re
import struct
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark import audio, containers
from earmark.errors import AudioError
from tests.audio_files import RATE, sound, written

# librosa.load imports audioread, which imports these.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return written(tmp_path / "a.wav", sound())


def without_first_frame(path: Path) -> bytes:
    """Return an MP3 without its length header, as tools that cut streams leave it."""
    data = path.read_bytes()
    return data[data.index(data[:2], 4) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("sample_rate", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("id3", [b"", b"ID3\x03\0\0\0\0\x02\x00" + bytes(256)], ids=["bare", "id3"])
def test_an_mp3_without_a_length_is_read_to_its_end(
    tmp_path: Path, mode: str, sample_rate: int, channels: int, id3: bytes
) -> None:
    n_samples = 3 * RATE + 317
    tagged = written(tmp_path / "a.mp3", sound(n_samples, channels), sample_rate, bitrate_mode=mode)
    bare = tmp_path / "b.mp3"
    bare.write_bytes(id3 + without_first_frame(tagged))
    ours = audio.read(bare).samples
    assert n_samples <= len(ours) < n_samples + 4 * 1152
    assert audio.info(bare).frames == len(ours)
    theirs, _ = librosa.load(bare, sr=None)
    theirs = theirs[529:]  # the decoder's own delay, which is only trimmed where there is a length
    n_both = min(len(ours), len(theirs))
    assert n_both > 1000
    np.testing.assert_array_equal(ours[:n_both], theirs[:n_both])


def with_sizes(wav: Path, riff: int, data: int) -> Path:
    content = bytearray(wav.read_bytes())
    assert content[36:40] == b"data"
    content[4:8], content[40:44] = struct.pack("<I", riff), struct.pack("<I", data)
    wav.write_bytes(content)
    return wav


@pytest.mark.parametrize(
    ("riff", "data"), [(0, 0), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFFFFF, 0x7FFFFFDB)]
)
def test_a_streamed_wav_whose_length_nobody_knew_is_read_to_its_end(wav: Path, riff: int, data: int) -> None:
    whole = audio.read(wav).samples
    np.testing.assert_array_equal(audio.read(with_sizes(wav, riff, data)).samples, whole)
    assert audio.info(wav).frames == len(whole)


@pytest.mark.parametrize("sample_rate", [None, 16000])
def test_a_streamed_flac_whose_length_nobody_knew_is_read_to_its_end(tmp_path: Path, sample_rate: int | None) -> None:
    path = written(tmp_path / "a.flac", sound())
    found, whole, region = audio.info(path), audio.read(path, sample_rate), audio.read(path, sample_rate, 1.1, 2.2)
    content = bytearray(path.read_bytes())
    content[21:26] = bytes((content[21] & 0xF0, 0, 0, 0, 0))
    path.write_bytes(content)
    assert audio.info(path) == found
    np.testing.assert_array_equal(audio.read(path, sample_rate).samples, whole.samples)
    np.testing.assert_array_equal(audio.read(path, sample_rate, 1.1, 2.2).samples, region.samples)


def test_a_wav_that_says_that_it_is_empty_is_believed(wav: Path) -> None:
    with pytest.raises(AudioError, match="a file without samples"):
        audio.read(with_sizes(wav, wav.stat().st_size - 8, 0))


TRUNCATED = {
    "a.wav": {},
    "a.aiff": {},
    "a.au": {},
    "a.w64": {},
    "a.caf": {},
    "a.flac": {},
    "a.ogg": {},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {},
}


@pytest.mark.parametrize("name", TRUNCATED)
@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = written(tmp_path / name, sound(48000 * 3), 48000, **TRUNCATED[name])
    audio.read(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(AudioError, match=r"truncated or damaged: .*\. Fetch or export the file again\.") as caught:
        audio.read(path)
    assert caught.value.path == path
    assert str(path) not in caught.value.reason


def test_a_truncated_wav_is_refused_however_much_metadata_stands_before_its_samples(wav: Path) -> None:
    comments = b"".join(b"ICMT" + struct.pack("<I", 2) + b"a\0" for _ in range(600))
    chunk = b"LIST" + struct.pack("<I", 4 + len(comments)) + b"INFO" + comments
    content = wav.read_bytes()
    content = content[:36] + chunk + content[36:]
    wav.write_bytes(content)
    whole = audio.read(wav).samples
    assert len(whole) == 3 * RATE + 317
    wav.write_bytes(content[:-400])
    with pytest.raises(AudioError, match="bytes of samples and"):
        audio.info(wav)


def pages_of(content: bytes) -> list[bytes]:
    starts = [found.start() for found in re.finditer(b"OggS", content)]
    return [content[start:end] for start, end in itertools.pairwise([*starts, len(content)])]


def miscounted(content: bytes, n_samples: int, after: int = 0) -> bytes:
    """Return an Ogg file whose count of samples jumps by so many once it is beyond a number."""
    pages = pages_of(content)
    for number, page in enumerate(pages):
        position = struct.unpack("<q", page[6:14])[0]
        pages[number] = page[:6] + struct.pack("<q", position + n_samples * (position > after)) + page[14:]
    return containers.with_ogg_serial(b"".join(pages))


@pytest.mark.parametrize("streamed_above_s", [0.5, 300.0])
@pytest.mark.parametrize("target", [None, 16000])
def test_a_whole_ogg_that_promises_too_much_is_read_to_its_end(
    tmp_path: Path, target: int | None, streamed_above_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.ogg", sound(48000 * 3), 48000)
    whole, content = audio.read(path, target).samples, path.read_bytes()
    path.write_bytes(miscounted(content, 5000, 48000))
    monkeypatch.setattr(audio, "STREAMED_ABOVE_S", streamed_above_s)
    assert audio.info(path).frames == 48000 * 3 + 5000
    np.testing.assert_array_equal(audio.read(path, target).samples, whole)
    np.testing.assert_array_equal(audio.read(path, target, 0.0, 1.0).samples, audio.read(path, target, 0, 1).samples)
    with pytest.raises(AudioError, match=r"says 3\.104 s and it ends at 3\.000 s"):
        audio.read(path, target, 3.05, 3.1)


@pytest.mark.parametrize("fault", ["a page is gone", "a byte is another", "too much is promised"])
def test_an_ogg_that_lacks_a_part_is_refused_although_its_end_is_there(tmp_path: Path, fault: str) -> None:
    path = written(tmp_path / "a.ogg", sound(48000 * 3), 48000)
    content = miscounted(path.read_bytes(), 9000 if fault == "too much is promised" else 100, 48000)
    pages = pages_of(content)
    if fault == "a page is gone":
        del pages[-2]
    elif fault == "a byte is another":
        pages[-2] = pages[-2][:-1] + bytes([pages[-2][-1] ^ 1])
    path.write_bytes(b"".join(pages))
    with pytest.raises(AudioError, match="truncated or damaged"):
        audio.read(path)


def test_of_a_file_under_another_head_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sound(20 * RATE))
    with_sizes(path, 0, 0)
    with path.open("rb") as raw:
        tracemalloc.start()
        found = containers.with_riff_length(raw)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100_000 < path.stat().st_size
    assert found is not None
    whole = bytearray(path.read_bytes())
    whole[40:44] = b"\xff\xff\xff\xff"
    assert found.read() == whole, "though what it was made of is closed"


@given(st.binary(max_size=9), st.binary(max_size=20), st.data())
def test_a_file_under_another_head_reads_as_if_it_lay_in_memory(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, content: bytes, data: st.DataObject
) -> None:
    path, start = tmp_path_factory.mktemp("headed") / "a", data.draw(st.integers(0, len(content)))
    path.write_bytes(content)
    with path.open("rb") as raw, containers.Headed(head, raw, start) as found:
        held = io.BytesIO(head + content[start:])
        for _ in range(5):
            at, whence, n_bytes = data.draw(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 30)))
            assert found.seek(at, whence) == held.seek(at, whence)
            assert found.read(n_bytes) == held.read(n_bytes)
            assert found.tell() == held.tell()
