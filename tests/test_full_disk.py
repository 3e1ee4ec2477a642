"""A full disk, at every write once: an error that names the place, nothing torn, and going on when there is room."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.errors import UserError
from earmark.store import Store
from earmark.training import _journal, corpus
from earmark.training.job import Hardware
from earmark.training.trainer import fit
from tests.crash_points import answer
from tests.full_disk import full_from, no_temporaries
from tests.test_run import EXPERIMENT, make_tones
from tests.test_store_crashes import content, session
from tests.training.crash_points_of_training import answer as weights_and_curve
from tests.training.made_corpora import RATE, audio_folder, files
from tests.training.small_objective import made


def refusal(work: Callable[[Path], object], folder: Path) -> str | None:
    """Return what some work said when it could not go on; None where it ended well."""
    try:
        work(folder)
    except OSError as error:
        return f"{error.strerror} {error.filename}"
    except UserError as error:
        return str(error)
    return None


def at_every_write(work: Callable[[Path], object], folder: Path, each: int = 1) -> list[Path]:
    """Do some work on a disk that is full from its first write on, its second, …, each in a new folder; return these.

    Asserts that the error says what is wrong and where. The last folder is that of the work that met no full disk.
    """
    folders = []
    for k in itertools.count(1, each):
        folders.append(folder / f"full-{k}")
        folders[-1].mkdir(parents=True)
        with full_from(k):
            said = refusal(work, folders[-1])
        if said is None:
            break
        assert "No space left on device" in said
        assert str(folders[-1]) in said
        assert no_temporaries(folders[-1])
    return folders


def test_a_store_is_intact_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    *full, whole = at_every_write(session, tmp_path)
    assert len(full) > 10
    for root in full:
        assert all("harmless" in problem for problem in Store(root).verify())
        session(root)
        assert content(root) == content(whole)


def test_a_corpus_goes_on_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_journal, "FLUSH_ITEMS", 2)
    sounds = audio_folder(tmp_path / "sounds", 5, 0.2)
    *full, whole = at_every_write(lambda out: corpus.build([sounds], out / "corpus", RATE), tmp_path)
    assert len(full) > 8
    for out in full:
        corpus.build([sounds], out / "corpus", RATE)
        assert files(out / "corpus") == files(whole / "corpus")


def run_in(file: Path, home: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EARMARK_HOME", str(home / "home"))
        patched.setenv("EARMARK_RUNS", str(home / "runs"))
        earmark.run(file, jobs=1, quiet=True)


def tones(folder: Path) -> Path:
    make_tones(folder / "audio", each=4)
    file = folder / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=folder / "audio"))
    return file


@pytest.mark.parametrize("each", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_goes_on_when_there_is_room(tmp_path: Path, each: int) -> None:
    file = tones(tmp_path)
    *full, whole = at_every_write(lambda home: run_in(file, home), tmp_path, each)
    assert len(full) > 50 // each
    for home in full:
        assert all("harmless" in problem for problem in Store(home / "home" / "store").verify())
        run_in(file, home)
        assert answer(home) == answer(whole)


@pytest.mark.slow
def test_a_training_goes_on_when_there_is_room(tmp_path: Path) -> None:
    def train(folder: Path) -> None:
        training = made(folder / "run", noise=0.5, n_steps=4, segments_at_once=5, save_every_steps=2)
        fit(training, Hardware(), resume=True)

    *full, whole = at_every_write(train, tmp_path)
    assert len(full) > 10
    for folder in full:
        train(folder)
        assert weights_and_curve(folder) == weights_and_curve(whole)


LIMITED = """\
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from earmark.cli.main import main
main()
"""


def limited(n_bytes: int, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb in a process that the system lets write no file longer than so."""
    environment = {**os.environ, "EARMARK_HOME": str(home / "home"), "EARMARK_RUNS": str(home / "runs")}
    command = [sys.executable, "-c", LIMITED, str(n_bytes), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_real_limit_on_files_is_said_with_its_place_and_what_to_do(tmp_path: Path, jobs: str) -> None:
    file = tones(tmp_path)
    run_in(file, tmp_path / "whole")
    for n_bytes in np.geomspace(300, 30_000, 3).astype(int):
        home = tmp_path / f"at-{n_bytes}"
        done = limited(n_bytes, home, "run", str(file), "--jobs", jobs, "-q")
        assert done.returncode == 2, done.stderr
        assert "earmark: File too large ('" in done.stderr
        assert "Raise the limit on the size of a file (`ulimit -f`), and run the same command again." in done.stderr
        assert "Traceback" not in done.stderr
        assert all("harmless" in problem for problem in Store(home / "home" / "store").verify())
        run_in(file, home)
        assert answer(home) == answer(tmp_path / "whole")
