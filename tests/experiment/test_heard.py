"""A network that is tested on what it was trained on: a plan says so, for corpora and for files."""

import json
from pathlib import Path

import pytest

from earmark.experiment.study import study
from earmark.representations import checkpoint
from earmark.training import corpus
from earmark.training.systems import Wav2Vec2System
from tests.training.made_corpora import RATE, audio_folder

SMALL = {"network": {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}}
RECORDING = """\
experiments:
  - task: recording
    datasets: [{{name: {name}, dir: {dir}}}]
    representations: ['path:{net}', logmel]
    probes: [{{kind: knn}}]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of four tracks of twelve seconds, of which two stand in a corpus of their own."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    audio_folder(tmp_path / "audio", n_files=4, seconds=12.0)
    corpus.build([tmp_path / "audio"], tmp_path / "corpus", RATE)
    corpus.build([tmp_path / "audio" / "a"], tmp_path / "half", RATE)
    return tmp_path


def net(folder: Path, **card: object) -> Path:
    """Write a small checkpoint whose card says this."""
    system = Wav2Vec2System("wav2vec2-mel-tiny", SMALL)
    said = {"trained_on": "made", "objective": "made", "licence": "none", "steps": 3, **card}
    checkpoint.write(folder / "net", system.contents(system.build(0)), said)
    return folder / "net"


def marks(folder: Path) -> str:
    return " ".join(sorted(track.sha256[:12] for track in corpus.open(folder).tracks))


def notes(home: Path, name: str = "recording", where: str = "corpus") -> list[str]:
    file = home / "asked.yml"
    file.write_text(RECORDING.format(name=json.dumps(name), dir=home / where, net=home / "net"))
    return [note for note in study(file).notes if "trained" in note]


@pytest.mark.parametrize("where", ["corpus", "audio"])
def test_a_network_that_heard_some_of_the_tracks_is_named_with_how_many(home: Path, where: str) -> None:
    net(home, heard=marks(home / "half"))
    (note,) = notes(home, where=where)
    assert note.startswith(
        f"recording on recording:{where}: 'path:{home / 'net'}' was trained or validated on 2 of the 4 "
    )
    assert "such as that of a/" in note


def test_a_network_whose_card_does_not_say_what_it_heard_is_doubted_where_that_is_the_question(home: Path) -> None:
    net(home)
    (note,) = notes(home)
    assert note.endswith(
        f"the card of '{'path:' + str(home / 'net')}' does not say which tracks it was trained on: these, perhaps."
    )


def test_what_heard_nothing_or_other_tracks_is_not_spoken_of(home: Path) -> None:
    net(home, heard=marks(home / "corpus"), steps=0)
    assert notes(home) == []
    (home / "net" / "card.json").write_text(
        json.dumps({"trained_on": "a", "objective": "b", "licence": "c", "steps": 3, "heard": "0" * 12})
    )
    assert notes(home) == []


def test_tracks_left_out_by_the_checkpoint_itself_leave_nothing_to_say(home: Path) -> None:
    net(home, heard=marks(home / "half"))
    (note,) = notes(home, name=f"recording:{home / 'net'}")
    assert note == "recording on recording:corpus: left out, as 'net' was trained on them: 2 tracks"
