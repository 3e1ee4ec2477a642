"""Laws of the sound of the built-in data, on a few notes: rendering, and loading what was rendered."""

import hashlib
import io
import itertools
import os
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import conformance, identity
from earmark.datasets import _studio_notes as notes
from earmark.datasets import _studio_render as rendering
from earmark.datasets import studio
from earmark.datasets._studio_render import Sound, Strike, Unit
from earmark.errors import EarmarkError, MissingPart, UnknownName

UNITS = notes.units()
FONT = rendering.packaged_font()
OCARINA, ALTO_SAXOPHONE = 79, 65  # one pure and in tune, one whose samples carry reverberation
FEW = tuple(replace(unit, sounds=unit.sounds[:2]) for unit in (UNITS[0], UNITS[12], UNITS[22]))


def silent_progress(_done: int, _total: int) -> None:
    """Show nothing."""


def unit_of(program: int, *sounds: Sound) -> Unit:
    return Unit("some", "some", "train", (program,), 1.0, sounds)


def note(pitch: int, detune_cents: float = 0.0, peak_db: float = -6.0) -> Sound:
    return Sound(f"pitch-{pitch}", ((Strike(0.0, 0.8, pitch, 90),),), detune_cents, peak_db, {})


def digests(folder: Path) -> dict[str, str]:
    return {path.name: identity.file_sha256(path) for path in folder.glob("*.wav")}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> tuple[Unit, ...]:
    """Make studio a data set of six notes."""
    monkeypatch.setattr(notes, "units", lambda: FEW)
    return FEW


def test_a_bend_moves_the_pitch_by_as_many_cents() -> None:
    cents = (-45.0, -10.0, 0.0, 10.0, 45.0)
    for pitch in (55, 67):
        clips = rendering.render(FONT.read_bytes(), unit_of(OCARINA, *(note(pitch, each) for each in cents)))
        heard = [frequency(clip, 440 * 2 ** ((pitch - 69) / 12)) for clip in clips]
        nominal = 440 * 2 ** ((pitch - 69) / 12)
        np.testing.assert_allclose(1200 * np.log2(np.array(heard) / nominal), cents, atol=3)  # the font is 2 off


def frequency(clip: np.ndarray, near_hz: float) -> float:
    """Return the strongest frequency within two semitones, from half a second of the clip; bins of 0.1 Hz."""
    middle = clip[9600:33600] * np.hanning(24000)
    spectrum, hz = np.abs(np.fft.rfft(middle, 480_000)), np.fft.rfftfreq(480_000, 1 / rendering.SAMPLE_RATE)
    within = np.flatnonzero(np.abs(np.log2(np.maximum(hz, 1) / near_hz)) < 2 / 12)
    return float(hz[within[spectrum[within].argmax()]])


def test_frequency_finds_a_sine() -> None:
    seconds = np.arange(48_000) / 48_000
    assert frequency(np.sin(2 * np.pi * 201.3 * seconds), 196.0) == pytest.approx(201.3, abs=0.06)


def test_a_clip_has_the_peak_level_that_its_recipe_says() -> None:
    levels = (-24.0, -13.7, -3.0)
    clips = rendering.render(FONT.read_bytes(), unit_of(0, *(note(60 + n, 0, db) for n, db in enumerate(levels))))
    peaks = 20 * np.log10(np.abs(clips.astype(float)).max(axis=1) / 32768)
    np.testing.assert_allclose(peaks, levels, atol=0.003)  # half a step of 16 bits at −24 dB


def test_a_dry_clip_is_the_same_to_the_bit_whatever_sounds_before_it() -> None:
    font = FONT.read_bytes()
    row = rendering.render(font, unit_of(0, note(43), note(78), note(60)))
    np.testing.assert_array_equal(row[2], rendering.render(font, unit_of(0, note(60)))[0])


def test_reverberation_of_the_clip_before_is_60_db_below() -> None:
    font = FONT.read_bytes()
    after_others = rendering.render(font, unit_of(ALTO_SAXOPHONE, note(43), note(78), note(60)))[2].astype(float)
    alone = rendering.render(font, unit_of(ALTO_SAXOPHONE, note(60)))[0].astype(float)
    assert np.abs(after_others - alone).max() < 1e-3 * np.abs(alone).max()


def test_every_clip_of_a_unit_lies_where_it_is_said_to_and_starts_at_once() -> None:
    clips = rendering.render(FONT.read_bytes(), unit_of(0, *(note(pitch) for pitch in (50, 60, 70))))
    onsets = [int(np.argmax(np.abs(clip) > 0.05 * np.abs(clip).max())) for clip in clips]
    assert max(onsets) < 0.01 * rendering.SAMPLE_RATE
    with wave.open(io.BytesIO(rendering.wav_bytes(clips))) as file:
        whole = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(whole, clips.ravel())


def test_a_silent_clip_is_refused() -> None:
    with pytest.raises(EarmarkError, match="'pitch-64' came out silent"):
        rendering.render(FONT.read_bytes(), unit_of(ALTO_SAXOPHONE, note(64)))


def test_other_processes_render_the_same_bytes(tmp_path: Path) -> None:
    for processes in (1, 2):
        rendering.render_all(FONT, FEW, tmp_path / str(processes), silent_progress, processes)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    assert len(digests(tmp_path / "1")) == len(FEW)


def test_a_process_that_fails_is_an_error_and_no_hanging(tmp_path: Path) -> None:
    broken = unit_of(ALTO_SAXOPHONE, note(64))
    with pytest.raises(EarmarkError, match="Run it again: what was finished is kept"):
        rendering.render_all(FONT, [broken, FEW[0]], tmp_path, silent_progress, 2)


@pytest.mark.usefixtures("few")
def test_what_is_loaded_keeps_the_laws_of_a_dataset(tmp_path: Path) -> None:
    loaded = studio.load("", tmp_path, silent_progress)
    assert conformance.broken_by_dataset(loaded) == ()
    assert (loaded.name, len(loaded.clips), loaded.card.redistributable) == ("studio", 6, False)
    assert loaded.labels == ("detune_cents", "family", "pitch", "pitch_class", "program", "velocity")
    split = loaded.splits["program"][0]
    assert [len(split.train), len(split.valid), len(split.test)] == [2, 2, 2]
    for clip in loaded.clips:
        assert clip.start_s is not None
        assert clip.end_s == clip.start_s + notes.DURATION_S
    assert loaded.card.sources[0].url.startswith("pypi:pretty_midi==")
    assert loaded.card.sources[0].checksum == "sha256:" + hashlib.sha256(FONT.read_bytes()).hexdigest()


@pytest.mark.usefixtures("few")
def test_a_second_load_renders_nothing_and_is_equal(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    first = studio.load("", tmp_path, lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 3)
    assert calls[-1] == (3, 3)
    calls.clear()
    assert studio.load("", tmp_path, lambda done, total: calls.append((done, total))) == first
    assert calls == []


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_damaged_file_alone_is_made_again(tmp_path: Path, damage: str) -> None:
    first = studio.load("", tmp_path, silent_progress)
    whole = digests(first.root)
    path = first.clips[0].path
    path.unlink() if damage == "removed" else path.write_bytes(path.read_bytes()[:100])
    totals: set[int] = set()
    assert studio.load("", tmp_path, lambda _, total: totals.add(total)) == first
    assert totals == {1}
    assert digests(first.root) == whole


LOAD_ONE = """
import pathlib, sys
from dataclasses import replace
from earmark.datasets import _studio_notes, studio
unit = _studio_notes.units()[0]
_studio_notes.units = lambda: (replace(unit, sounds=unit.sounds[:1]),)
studio.load("", pathlib.Path(sys.argv[1]), lambda done, total: None)
"""


def load_one(root: Path, die_at: int) -> int:
    environment = os.environ | {"EARMARK_DIE_AT": str(die_at)}
    return subprocess.run([sys.executable, "-c", LOAD_ONE, str(root)], env=environment, check=False).returncode


def files_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_dying_at_any_step_and_loading_again_leaves_what_an_unharmed_load_leaves(tmp_path: Path) -> None:
    assert load_one(tmp_path / "unharmed", 0) == 0
    expected = files_below(tmp_path / "unharmed")
    for step in itertools.count(1):
        root = tmp_path / str(step)
        if load_one(root, step) == 0:
            break
        assert load_one(root, 0) == 0
        assert files_below(root) == expected
    assert step > 8  # a write, an fsync, a rename and the folder's fsync, for the audio and for the manifest


@pytest.mark.usefixtures("few")
def test_another_font_is_another_dataset_with_the_same_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Any font serves: a byte at its end makes it another one.
    other = tmp_path / "other.sf2"
    other.write_bytes(FONT.read_bytes() + b"\0")
    monkeypatch.setenv(studio.FLUID_PLACE, str(other))
    packaged, fluid = (studio.load(variant, tmp_path, silent_progress) for variant in ("", "fluid"))
    assert fluid.name == "studio:fluid"
    assert fluid.splits == packaged.splits
    assert [(clip.id, clip.targets) for clip in fluid.clips] == [(clip.id, clip.targets) for clip in packaged.clips]
    assert fluid.root != packaged.root
    assert fluid.version != packaged.version


@pytest.mark.parametrize("variant", ["fluid", "pieces-fluid", "pieces:fluid"])
def test_a_missing_font_is_named_with_the_line_to_type(
    variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(studio.FLUID_PLACE, str(tmp_path / "none.sf2"))
    with pytest.raises(MissingPart, match=r"none\.sf2.*Type: apt-get install fluid-soundfont-gm"):
        studio.load(variant, tmp_path)


def test_an_unknown_variant_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"Unknown dataset 'studio-peices'\. Did you mean 'studio-pieces'"):
        studio.load("peices", tmp_path)


@pytest.mark.usefixtures("few")
def test_outside_a_terminal_progress_is_plain_lines_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    studio.load("", tmp_path)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[0] == "rendering studio: 0 of 3 files"
    assert shown.err.splitlines()[-1] == "rendering studio: 3 of 3 files"
