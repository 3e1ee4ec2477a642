"""A class of the user's own, found by "module:Name" from an experiment, the command line and its workers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import lookup
from earmark.datasets import names
from earmark.errors import UnknownName, UserError
from earmark.experiment import spec

RATE = 8000
PARTIALS = {"flute": (1.0, 0.1), "reed": (0.4, 1.0)}

SOURCE = '''\
"""Tones of two made-up instruments."""

from pathlib import Path

from earmark.nouns import DataCard


class MyNotes:
    label = "instrument"
    card = DataCard(title="tones of two made-up instruments", licence="CC0-1.0")

    def __init__(self, root):
        self.root = Path(root)

    def download(self):
        raise NotImplementedError

    def load_track_ids(self):
        return sorted(path.stem for path in self.root.glob("*.wav"))

    def load_label(self):
        return {name: name.partition("-")[0] for name in self.load_track_ids()}

    def load_audio_paths(self):
        return {name: f"{name}.wav" for name in self.load_track_ids()}
'''


def write_tones(folder: Path, each: int = 12) -> None:
    """Write so many quarter seconds of each instrument, which are told apart by their partials."""
    folder.mkdir(parents=True)
    steps = 2 * np.pi * np.arange(RATE // 4) / RATE
    for name, (low, high) in PARTIALS.items():
        for number in range(each):
            frequency_hz = 300 + 10 * number
            tone = low * np.sin(frequency_hz * steps) + high * np.sin(3 * frequency_hz * steps)
            soundfile.write(folder / f"{name}-{number:02}.wav", (0.2 * tone).astype(np.float32), RATE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to stand in, which is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_where_one_stands_is_found_by_the_capital_of_its_class(folder: Path) -> None:
    (folder / "own_notes.py").write_text(SOURCE)
    write_tones(folder / "tones")
    for name in ("own_notes:MyNotes", "own_pack.sub:MyNotes"):
        if "." in name:
            (folder / "own_pack").mkdir()
            (folder / "own_pack" / "sub.py").write_text(SOURCE)
        found = names.load(name, folder / "tones")
        assert (found.name, len(found.clips), found.labels) == (name, 24, ("instrument",))
        assert names.card(name).licence == "CC0-1.0"


def test_a_name_of_ours_is_never_theirs(folder: Path) -> None:
    for ours in ("folder", "studio"):
        (folder / f"{ours}.py").write_text(SOURCE)
    assert lookup.external("folder:MyNotes") is None
    assert lookup.external("studio:fluid") is None
    assert lookup.external("studio-pieces:Fluid") is None


def test_a_file_never_stands_for_a_library_of_its_name(folder: Path) -> None:
    (folder / "soundfile.py").write_text(SOURCE)
    assert lookup.external("soundfile:SoundFile") is soundfile.SoundFile


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("no_such_file:Notes", "", "No module named 'no_such_file'. Looked among what is installed and in '"),
        ("own_empty:Notes", "", "module 'own_empty' has no attribute 'Notes'"),
        ("own_wrong:Notes", "class Notes(", "was never closed"),
        ("own_lost:Notes", "import no_such_library", "No module named 'no_such_library'"),
    ],
)
def test_a_class_that_cannot_be_imported_says_why(folder: Path, name: str, text: str, said: str) -> None:
    if text or "empty" in name:
        (folder / f"{name.partition(':')[0]}.py").write_text(text)
    with pytest.raises(UserError) as caught:
        lookup.external(name)
    assert said in str(caught.value)
    assert f"Expected '{name}' to be importable as package.module:Name" in str(caught.value)


def test_a_misspelt_name_of_ours_is_still_answered_with_the_nearest(folder: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'studio'"):
        names.load("stduio:fluid", folder)


EXPERIMENT = """\
name: mine
experiments:
  - task: {name: mine, label: instrument, kind: multiclass}
    datasets: [{name: "NAME", dir: tones}]
    representations: [REPRESENTATION]
    probes: [{kind: mlp, hidden_units: [], epochs: 5}]
resamples: 20
"""


def test_what_an_experiment_names_is_checked_at_its_place(folder: Path) -> None:
    (folder / "own_check.py").write_text(SOURCE + "\nclass Less:\n    pass\n")
    for name, said in (("own_check:Less", "it lacks: download"), ("own_check:Lost", "no attribute 'Lost'")):
        text = EXPERIMENT.replace("NAME", name).replace("REPRESENTATION", "logmel")
        with pytest.raises(UserError, match=rf"^x\.yml:4:23: .*{said}"):
            spec.check_names(spec.parse(text, Path("x.yml")))


REPRESENTATION = """
from earmark.representations import logmel


class MyMel(type(logmel.load(""))):
    pass
"""


def earmark(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("earmark")
    return subprocess.run([str(script), *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_line_runs_a_file_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    write_tones(tmp_path / "tones", each=36)  # 72 clips are two shards: both worker processes must find the class
    (tmp_path / "my_notes.py").write_text(SOURCE + REPRESENTATION)
    text = EXPERIMENT.replace("NAME", "my_notes:MyNotes").replace("REPRESENTATION", 'logmel, "my_notes:MyMel"')
    (tmp_path / "experiment.yml").write_text(text)
    described = earmark(tmp_path, "describe", "dataset", "my_notes:MyNotes", "--dir", "tones")
    assert (described.returncode, described.stderr) == (0, "")
    assert "my_notes:MyNotes" in described.stdout
    planned = earmark(tmp_path, "plan", "experiment.yml")
    assert planned.returncode == 0, planned.stderr
    done = earmark(tmp_path, "run", "experiment.yml", "--jobs", "2", "-q")
    assert done.returncode == 0, done.stderr
    assert "mine on my_notes:MyNotes" in done.stdout
    missing = earmark(tmp_path, "describe", "dataset", "my_notes:MyNotes")
    assert missing.returncode == 4
    assert "earmark get dataset my_notes:MyNotes" in missing.stderr
