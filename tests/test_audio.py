"""Laws of reading audio: librosa's bits, exact regions, and no file read short in silence."""

import io
import os
import re
import signal
import struct
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from earmark import audio, containers
from earmark.audio import libsndfile
from earmark.errors import AudioError
from tests.audio_files import RATE, sound, written

# librosa.load imports audioread, which imports these.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")

FORMATS = ("wav", "flac", "ogg", "mp3")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return written(tmp_path / "a.wav", sound())


@pytest.mark.parametrize("extension", ["wav", "flac"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8])
def test_reading_equals_librosa_to_the_bit(tmp_path: Path, extension: str, channels: int) -> None:
    path = written(tmp_path / f"a.{extension}", sound(20011, channels))
    for sample_rate in (16000, 22050, 24000, 48000):
        theirs, _ = librosa.load(path, sr=sample_rate, res_type="soxr_hq")
        ours = audio.read(path, sample_rate)
        np.testing.assert_array_equal(ours.samples, theirs)
        assert ours.samples.dtype == np.dtype(np.float32)
        assert ours.sample_rate == sample_rate


@pytest.mark.parametrize("extension", ["ogg", "mp3"])
def test_reading_what_loses_bits_equals_librosa_too(tmp_path: Path, extension: str) -> None:
    path = written(tmp_path / f"a.{extension}", sound())
    np.testing.assert_array_equal(audio.read(path, 16000).samples, librosa.load(path, sr=16000, res_type="soxr_hq")[0])


@pytest.mark.parametrize("n_samples", [1, 2, 100, 441, 44101])
@pytest.mark.parametrize("rates", [(44100, 16000), (16000, 44100), (48000, 16000), (11025, 22050)])
def test_resampling_gives_the_promised_count(n_samples: int, rates: tuple[int, int]) -> None:
    source, target = rates
    resampled = audio.resample(sound(n_samples, 1)[:, 0], source, target)
    assert len(resampled) == -(-n_samples * target // source)


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    samples = sound(100, 1)[:, 0]
    assert audio.resample(samples, 16000, 16000) is samples


def test_mono_is_the_mean_of_the_channels() -> None:
    np.testing.assert_array_equal(audio.mono(np.array([[1, 3], [-1, 0.5]], np.float32)), [2, -0.25])


@pytest.mark.parametrize("extension", FORMATS)
def test_info_agrees_with_what_is_read(tmp_path: Path, extension: str) -> None:
    path = written(tmp_path / f"a.{extension}", sound())
    found = audio.info(path)
    assert found == (3 * RATE + 317, RATE, 2, extension.upper(), 3 + 317 / RATE)
    assert len(audio.read(path).samples) == found.frames


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("sample_rate", [16000, 44100])
def test_a_region_is_cut_to_the_sample(tmp_path: Path, extension: str, sample_rate: int) -> None:
    path = written(tmp_path / f"a.{extension}", sound(), sample_rate)
    whole = audio.read(path).samples
    for start, stop in ((0, 1), (0, 5000), (1151, 1153), (20000, 60001), (len(whole) - 4321, len(whole))):
        region = audio.read(path, start_s=start / sample_rate, end_s=stop / sample_rate)
        np.testing.assert_array_equal(region.samples, whole[start:stop])
    np.testing.assert_array_equal(audio.read(path, start_s=0.5).samples, whole[sample_rate // 2 :])
    np.testing.assert_array_equal(audio.read(path, end_s=0.5).samples, whole[: sample_rate // 2])


def inexact_seeks(path: Path) -> int:
    with soundfile.SoundFile(path) as file:
        whole = file.read(dtype="float32")
        n_other = 0
        for start in range(1000, len(whole) - 2000, 3001):
            file.seek(start)
            n_other += not np.array_equal(file.read(1000, dtype="float32"), whole[start : start + 1000])
    return n_other


def test_seeking_is_exact_where_it_is_used_and_not_where_it_is_not(tmp_path: Path) -> None:
    for extension in ("wav", "flac", "aiff", "au"):
        assert inexact_seeks(written(tmp_path / f"a.{extension}", sound())) == 0
    vbr = written(tmp_path / "a.mp3", sound(), 16000, bitrate_mode="VARIABLE")
    assert inexact_seeks(vbr) > 0
    assert audio.INEXACT_SEEK == ("MP3", "OGG")


def test_a_region_is_resampled_by_itself(wav: Path) -> None:
    region = audio.read(wav, start_s=0.25, end_s=1.5).samples
    np.testing.assert_array_equal(audio.read(wav, 16000, 0.25, 1.5).samples, audio.resample(region, RATE, 16000))


@pytest.mark.parametrize("how", [("wav", 44100), ("flac", 44100), ("ogg", 44100), ("mp3", 44100), ("mp3", 16000)])
@pytest.mark.parametrize("target", [None, 24000])
def test_streaming_changes_no_bit(
    tmp_path: Path, how: tuple[str, int], target: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / f"a.{how[0]}", sound(), how[1])
    whole, region = audio.read(path, target).samples, audio.read(path, target, 0.3, 2.9).samples
    monkeypatch.setattr(audio, "STREAMED_ABOVE_S", 0.5)
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 10007)
    np.testing.assert_array_equal(audio.read(path, target).samples, whole)
    np.testing.assert_array_equal(audio.read(path, target, 0.3, 2.9).samples, region)


def test_a_file_above_five_minutes_is_streamed_to_the_same_bits(tmp_path: Path) -> None:
    samples = sound(8000 * 301, 1)
    path = written(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.read(path, 16000).samples, audio.resample(samples[:, 0], 8000, 16000))


def missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def a_folder(path: Path) -> None:
    path.mkdir()


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (missing, "no such file."),
    "a folder": (a_folder, "cannot be opened (Is a directory)."),
    "empty": (lambda path: path.write_bytes(b""), "expected audio, got an empty file (0 bytes)."),
    "one byte": (lambda path: path.write_bytes(b"\xff"), "expected audio, got what libsndfile cannot read"),
    "text": (lambda path: path.write_text("hello\n" * 99), "expected audio, got what libsndfile cannot read"),
    "half a header": (lambda path: path.write_bytes(b"RIFF\0\0"), "expected audio, got what libsndfile cannot read"),
    "begins like an MP3": (lambda path: path.write_bytes(b"\xff\xfb\x90\0" + b"hello" * 50), "expected audio, got"),
    "no samples": (lambda path: soundfile.write(path, np.zeros((0, 1)), RATE), "expected audio, got a file without"),
    "not a number": (
        lambda path: soundfile.write(path, np.array([0.1, np.nan, 0.2]), RATE, subtype="FLOAT"),
        "expected finite samples, got NaN or infinity.",
    ),
    "infinite": (
        lambda path: soundfile.write(path, np.full(99, np.inf), RATE, subtype="FLOAT"),
        "expected finite samples, got NaN or infinity.",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("sample_rate", [None, 16000])
def test_a_wrong_file_is_named_with_its_reason(tmp_path: Path, kind: str, sample_rate: int | None) -> None:
    make, reason = WRONG[kind]
    path = tmp_path / "a.wav"
    make(path)
    with pytest.raises(AudioError, match="^" + re.escape(f"{path}: {reason}")):
        audio.read(path, sample_rate)


@pytest.mark.parametrize("ending", [b"wav", b"mp3"])
def test_a_name_that_is_no_text_is_an_error_of_that_file(tmp_path: Path, ending: bytes) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9." + ending)
    soundfile.write(tmp_path / f"a.{ending.decode()}", 0.1 * np.ones(8000), 8000)
    (tmp_path / f"a.{ending.decode()}").rename(path)
    for read in (audio.read, audio.info):
        with pytest.raises(AudioError) as caught:
            read(path)
        assert caught.value.reason == "its name is no text in UTF-8. Rename it."


@pytest.mark.parametrize(
    ("start_s", "end_s", "reason"),
    [
        (-0.1, 1.0, "expected a region inside the file (2 s), got -0.1 s to 1 s."),
        (0.0, 2.1, "expected a region inside the file (2 s), got 0 s to 2.1 s."),
        (2.0, None, "expected a region inside the file (2 s), got 2 s to 2 s."),
        (float("nan"), 1.0, "expected a region inside the file (2 s), got nan s to 1 s."),
        (1.0, float("nan"), "expected a region inside the file (2 s), got 1 s to nan s."),
        (1.5, 1.5, "expected a region that ends after it starts, got 1.5 s to 1.5 s."),
        (1.5, 0.5, "expected a region that ends after it starts, got 1.5 s to 0.5 s."),
        (1.5, 1.500001, "expected a region that ends after it starts, got 1.5 s to 1.5 s."),
    ],
)
def test_a_wrong_region_is_refused(tmp_path: Path, start_s: float, end_s: float | None, reason: str) -> None:
    path = written(tmp_path / "a.wav", sound(2 * RATE))
    with pytest.raises(AudioError, match=re.escape(reason)):
        audio.read(path, start_s=start_s, end_s=end_s)


def test_the_versions_for_keys_name_what_makes_samples() -> None:
    assert set(audio.library_versions()) == {"libsndfile", "soxr", "resampler"}


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_m4a_without_ffmpeg_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.m4a").write_bytes(b"....ftypM4A ")
    with pytest.raises(AudioError, match=r"\.m4a needs ffmpeg, which is not on PATH\. Install it, or convert to FLAC"):
        audio.read(tmp_path / "a.m4a")


def test_m4a_is_read_as_what_ffmpeg_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in gives the bytes that the real program pipes: AU of unknown length."""
    decoded = written(tmp_path / "decoded.au", sound(), subtype="FLOAT")
    content = decoded.read_bytes()
    decoded.write_bytes(content[:8] + b"\xff\xff\xff\xff" + content[12:])
    program(tmp_path, "ffmpeg", f'[ "$6" = "{tmp_path}/a.m4a" ] && [ "$8 $9" = "au -acodec" ] && cat "{decoded}"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "a.m4a"
    path.write_bytes(b"....ftypM4A ")
    np.testing.assert_array_equal(audio.read(path).samples, audio.mono(sound()))
    np.testing.assert_array_equal(audio.read(path, None, 0.5, 1).samples, audio.mono(sound())[RATE // 2 : RATE])


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo 'moov atom not found' >&2; exit 1", "moov atom not found"), ("exit 0", "no output")],
)
def test_what_ffmpeg_cannot_decode_is_said_in_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    program(tmp_path, "ffmpeg", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.wma").write_bytes(b"hello")
    with pytest.raises(AudioError, match=f"ffmpeg cannot decode it: {words}"):
        audio.read(tmp_path / "a.wma")


def test_samples_come_back_from_ogg_as_many_and_alike() -> None:
    tone = 0.5 * np.sin(np.arange(22050) * 0.1).astype(np.float32)
    samples, rate = soundfile.read(io.BytesIO(audio.encode_ogg(tone, 22050)), dtype="float32")
    assert (samples.shape, rate) == (tone.shape, 22050)
    assert np.abs(samples - tone).max() < 0.05


@pytest.mark.parametrize("n_samples", [1, 2, 4095, 3 * libsndfile.OGG_BLOCK_FRAMES + 1])
@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_any_number_of_samples_can_be_encoded(n_samples: int, rate: int) -> None:
    content = audio.encode_ogg(sound(n_samples, 1)[:, 0], rate)
    assert soundfile.info(io.BytesIO(content)).frames == n_samples


def test_what_is_louder_than_full_scale_is_clipped() -> None:
    loud = np.where(np.arange(22050) // 50 % 2, 3.0, -3.0).astype(np.float32)
    assert audio.encode_ogg(loud, 22050) == audio.encode_ogg(np.clip(loud, -1, 1), 22050)


def test_the_same_samples_give_the_same_ogg_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """libsndfile draws a serial number by the clock, which stands in each page and is under its checksum."""
    drawn, mended = list[bytes](), containers.with_ogg_serial

    def noted(content: bytes) -> bytes:
        drawn.append(content)
        return mended(content)

    monkeypatch.setattr(containers, "with_ogg_serial", noted)
    tone = sound(RATE, 1)[:, 0]
    assert audio.encode_ogg(tone, 22050) == audio.encode_ogg(tone, 22050)
    for content in drawn:
        [serial] = struct.unpack("<I", content[containers.OGG_SERIAL])
        assert mended(content, serial) == content, "its own serial and checksums, to the bit"
    assert mended(drawn[0], 7) == mended(drawn[1], 7) != drawn[0]


def test_no_samples_are_no_ogg() -> None:
    with pytest.raises(ValueError, match="Expected samples to encode, got none"):
        audio.encode_ogg(np.zeros(0, np.float32), 22050)


def test_a_rate_that_no_audio_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros(5000, np.float32), 1)
    with pytest.raises(AudioError, match=r"at least 1,000 Hz, got 1 Hz\. Mend its header\."):
        audio.info(path)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_a_mended_file_is_read_is_neither_lost_nor_the_file_s_fault(tmp_path: Path) -> None:
    class Interrupted(io.BytesIO):
        def readinto(self, buffer: object, /) -> int:
            os.kill(os.getpid(), signal.SIGINT)
            return super().readinto(buffer)  # type: ignore[arg-type]

    path = tmp_path / "noise.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 200_000), 16000)
    with pytest.raises(KeyboardInterrupt):
        libsndfile.File(Interrupted(path.read_bytes()))
    assert len(audio.read(path).samples) == 200_000
