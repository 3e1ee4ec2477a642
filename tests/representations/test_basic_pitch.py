"""basic-pitch: what it refuses, and that the real graph hears the notes that are played to it."""

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from earmark import conformance, places
from earmark.errors import MissingPart, UserError
from earmark.representations import base, basic_pitch
from earmark.representations.base import Representation
from earmark.representations.basic_pitch import CARD, MEMBER, WHEEL
from earmark.representations.embed import clip_embedding, segments
from tests.real_weights import fetched

RATE, WINDOW = basic_pitch.SAMPLE_RATE, basic_pitch.WINDOW_SAMPLES


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    return tmp_path


def put_wheel(member: str) -> None:
    path = places.weights_folder("basic-pitch") / WHEEL.path
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, b"a graph")


def test_missing_weights_tell_the_line_to_type(home: Path) -> None:
    with pytest.raises(MissingPart, match=r"licence: Apache-2\.0\)\. Type: earmark get weights basic-pitch"):
        base.load("basic-pitch")


def test_without_onnxruntime_the_line_to_type_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_wheel(MEMBER)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPart, match=r"Type: pip install 'earmark\[onnx\]'"):
        base.load("basic-pitch")


def test_another_file_of_that_name_is_refused(home: Path) -> None:
    put_wheel("basic_pitch/nothing.onnx")
    with pytest.raises(UserError, match=r"not the package .* get weights basic-pitch"):
        base.load("basic-pitch")


@pytest.mark.parametrize("seconds", [1.9884, 2.0, 7.3])
def test_the_segment_length_that_the_docstring_names_is_the_window(seconds: float) -> None:
    found = segments(round(seconds * RATE), CARD, 1.9884)
    assert {end - start for start, end in found} == {WINDOW}


@pytest.fixture(scope="module")
def real() -> Representation:
    fetched("basic-pitch")
    return base.load("basic-pitch")


def chord(*midi: int) -> Tensor:
    """Return notes of four harmonics that begin together 0.3 s into the window."""
    steps = np.arange(WINDOW) / RATE
    pitches_hz = [440.0 * 2 ** ((number - 69) / 12) for number in midi]
    tones = sum(np.sin(2 * np.pi * n * hz * steps) / n for hz in pitches_hz for n in range(1, 5))
    return torch.from_numpy((0.1 * tones * (steps > 0.3)).astype(np.float32))[None]


@pytest.mark.onnx
def test_the_laws_are_kept(real: Representation) -> None:
    assert conformance.broken_by_representation(real) == ()


@pytest.mark.onnx
def test_each_note_of_a_chord_is_heard(real: Representation) -> None:
    frames = real(chord(57, 61, 64))[0, 0]
    assert frames.shape == (172, 88 + 88 + 264)
    onsets, notes, contours = frames[:, :88], frames[:, 88:176], frames[:, 176:]
    keys = torch.tensor([57, 61, 64]) - 21
    assert sorted(notes[60:120].mean(0).topk(3).indices.tolist()) == keys.tolist()
    assert sorted(onsets.amax(0).topk(3).indices.tolist()) == keys.tolist()
    assert sorted(contours[60:120].mean(0).topk(3).indices.tolist()) == (3 * keys + 1).tolist(), "the middle of three"
    assert onsets[:, keys].mean(1).argmax() == pytest.approx(0.3 * RATE / 256, abs=2)


@pytest.mark.onnx
def test_another_length_is_refused_with_what_to_write(real: Representation) -> None:
    with pytest.raises(UserError, match=r"takes at most 43844 samples .* Write segment_s: 1\.988"):
        real(torch.zeros(1, WINDOW + 1))


@pytest.mark.onnx
def test_a_long_clip_goes_through_the_loop(real: Representation) -> None:
    samples = np.tile(chord(60)[0].numpy(), 3)[:-999]
    assert clip_embedding(real, samples, None, 1.9884, 1.9884, 2).shape == (1, 2, 440)
