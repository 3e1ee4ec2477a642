"""Engines schedule jobs: the laws that all of them keep, on this machine, as SLURM tasks and as actors of Ray."""

import builtins
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from earmark.cli import engines as command_line
from earmark.errors import AudioError, UnknownName, UserError
from earmark.experiment.engines import Engine, EngineChoice, EngineName, Local, OnPaper, start
from earmark.experiment.engines.parcel import Parcel, make_room
from earmark.experiment.engines.slurm import Share
from tests.experiment import errands, made_up_slurm

PRINT = builtins.print
ENGINES = [
    "local",
    pytest.param("slurm-here", marks=pytest.mark.slurm),
    pytest.param("ray", marks=pytest.mark.ray),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cluster of Ray for all tests: an engine joins one that this process has started."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch, start(EngineChoice("ray"), folder, 2) as engine:
        patch.setenv("EARMARK_HOME", str(folder))
        assert list(engine.map([2], errands.square)) == [4]
        yield


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "ray":
        request.getfixturevalue("cluster")
    with start(EngineChoice(request.param), tmp_path, 2) as started:
        yield started


def test_every_job_is_answered_once(engine: Engine) -> None:
    assert sorted(engine.map(range(7), errands.square)) == [0, 1, 4, 9, 16, 25, 36]
    assert list(engine.map([3], errands.square)) == [9]
    assert list(engine.map([], errands.square)) == []
    assert sorted(engine.in_turn([1, 2], errands.square)) == [1, 4]


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_ray_leaves_python_as_it_was() -> None:
    progress = importlib.import_module("ray.experimental.tqdm_ray")
    progress.instance()  # as when Ray itself has something to say
    assert builtins.print is PRINT, "no pickle could hold what names the one before"


def test_a_worker_keeps_what_it_loaded(engine: Engine) -> None:
    seen = list(engine.map(range(8), errands.remember))
    assert len({one.pid for one in seen}) <= 2
    assert max(one.n_done for one in seen) >= 4, "eight jobs, two workers"


def test_an_error_comes_out_as_it_was_raised(engine: Engine) -> None:
    with pytest.raises(AudioError, match=r"b\.wav: it holds no sound") as caught:
        list(engine.map(range(4), errands.refuse))
    assert caught.value.reason == "it holds no sound"
    with pytest.raises(ZeroDivisionError):
        list(engine.map(range(4), errands.break_down))


def test_a_worker_stands_where_the_jobs_were_handed_out(
    engine: Engine, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(engine.map(range(2), errands.where)) == {(str(tmp_path), str(home), str(tmp_path))}


def test_the_job_of_a_killed_worker_is_done_by_another(engine: Engine, tmp_path: Path, home: Path) -> None:
    assert sorted(engine.map(range(6), errands.die_once)) == [0, 1, 2, 3, 4, 5]
    first, second = (tmp_path / "begun").read_text().split()
    assert first != second
    assert not list(home.glob("engines/*")), "answered jobs leave nothing"


def test_many_jobs_that_each_kill_one_worker_are_all_done(engine: Engine) -> None:
    assert sorted(engine.map(range(5), errands.die_each_once)) == [0, 1, 2, 3, 4]


def test_a_job_that_kills_every_worker_is_given_up(engine: Engine) -> None:
    with pytest.raises(UserError, match="killed 3 times"):
        list(engine.map(range(4), errands.die_always))


@pytest.mark.slurm
def test_a_task_that_is_killed_before_it_begins_is_given_up(tmp_path: Path) -> None:
    with (
        start(EngineChoice("slurm-here"), tmp_path, 1) as engine,
        pytest.raises(UserError, match="A task of the array was killed 3 times, and 2 jobs of 2 have no answer"),
    ):
        list(engine.map([1, 2], errands.DiesWhenRead()))


def test_the_script_for_sbatch_does_the_jobs_when_it_is_run(tmp_path: Path, home: Path) -> None:
    asked = EngineChoice("slurm", partition="gpu", array=2, sbatch={"mem": "8G", "time": "90"}, print_sbatch=True)
    with start(asked, tmp_path, 1, with_gpu=True) as engine, pytest.raises(OnPaper) as paper:
        next(engine.map(range(5), errands.square))
    (folder,) = (home / "engines").iterdir()
    script = paper.value.script
    options = {line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")}
    wanted = {"array=0-1", "partition=gpu", "mem=8G", "time=90", "gpus-per-node=1", "cpus-per-task=1"}
    assert options == wanted | {"job-name=earmark", f"output={folder}/task-%a.log"}
    for number in "01":
        settings = {**os.environ, "SLURM_ARRAY_TASK_ID": number}
        subprocess.run(["bash", "-c", script], check=True, env=settings)
    done = Parcel(folder, 5)
    assert [done.answer(one) for one in done.answered(range(5))] == [0, 1, 4, 9, 16]


def test_a_task_of_the_script_ends_with_the_error_of_its_job(tmp_path: Path) -> None:
    Parcel.packed(tmp_path / "parcel", range(4), errands.refuse, tmp_path)
    command = [sys.executable, "-m", "earmark.experiment.engines", str(tmp_path / "parcel")]
    done = subprocess.run([*command, "0", "2"], capture_output=True, text=True, check=False)
    assert (done.returncode, "b.wav: it holds no sound" in done.stderr) == (1, True)
    assert subprocess.run([*command, "1", "2"], check=False).returncode == 0
    assert Parcel(tmp_path / "parcel", 4).answered(range(4)) == [0, 1, 2, 3]


def test_a_job_with_an_answer_is_not_done_again(tmp_path: Path) -> None:
    parcel = Parcel.packed(tmp_path / "parcel", [0, 1, 2], errands.die_once, tmp_path)
    (tmp_path / "begun").write_text("1\n")
    for _ in range(2):
        parcel.do(2)
    assert (tmp_path / "begun").read_text().split() == ["1", str(os.getpid())]
    assert parcel.answered([0, 1, 2]) == [2]


def test_to_make_room_is_no_kill_and_undoes_none(tmp_path: Path) -> None:
    parcel = Parcel.packed(tmp_path / "parcel", [0], errands.leave, tmp_path)
    make_room(parcel.folder)  # before any job
    for makes_room in [True] * 4 + [False, True, False, True, False]:
        with pytest.raises(SystemExit):
            parcel.do(0)
        for _ in range(2 * makes_room):  # a second signal may come while the first is heard
            make_room(parcel.folder)
    parcel.do(0)
    with pytest.raises(UserError, match="killed 3 times"):
        parcel.answer(0)


def test_shares_are_every_job_once(tmp_path: Path) -> None:
    parcel = Parcel(tmp_path, 10)
    assert sorted(job for number in range(3) for job in parcel.share(number, 3)) == list(range(10))


def test_what_one_engine_is_asked_another_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match=r"Unknown engine 'slrm'\. Did you mean 'slurm'\?"):
        EngineChoice("slrm")  # type: ignore[arg-type]  # as from Python
    with pytest.raises(UserError, match="--partition is for --engine slurm, not ray"):
        EngineChoice("ray", partition="gpu")
    with pytest.raises(UserError, match="--address is for --engine ray, not local"):
        EngineChoice("local", address="auto")
    with pytest.raises(UserError, match="at least one task, got 0"):
        EngineChoice("slurm", array=0)
    with pytest.raises(UserError, match="in minutes, such as time=120, got '2:00:00'"):
        EngineChoice("slurm", sbatch={"time": "2:00:00"})


@pytest.mark.slurm
def test_tasks_of_an_array_share_the_jobs_and_one_that_is_killed_is_submitted_again(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm = made_up_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{slurm}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MADE_UP_SLURM", str(slurm))
    asked = EngineChoice("slurm", partition="gpu", sbatch={"mem": "4G", "time": "90"})
    with start(asked, tmp_path, 2, with_gpu=True) as engine:
        assert sorted(engine.map(range(6), errands.die_once)) == [0, 1, 2, 3, 4, 5]
    first, second = (one.read_text() for one in sorted(slurm.glob("*.sbatch"), key=lambda path: path.stat().st_mtime))
    wanted = ["array=0-1%2", "partition=gpu", "mem=4G", "time=90", "gpus-per-node=1", "cpus-per-task=1"]
    assert [one for one in wanted if f"#SBATCH --{one}" not in first] == []
    assert "--array" not in second, "only the killed task"
    assert not list(home.glob("engines/*"))


@pytest.mark.slurm
def test_a_task_that_must_make_room_is_queued_again_for_what_it_left(tmp_path: Path) -> None:
    parcel = Parcel.packed(tmp_path / "parcel", range(4), errands.square, tmp_path)
    parcel.do(2)
    again = Share(parcel.folder, 0, 2).checkpoint()
    again.result()
    assert parcel.answered(range(4)) == [0, 2], "its share is every other job"
    assert [parcel.answer(one) for one in (0, 2)] == [0, 4]


@pytest.mark.slurm
def test_a_job_that_makes_room_more_often_than_a_kill_is_borne_is_done(tmp_path: Path) -> None:
    with start(EngineChoice("slurm-here"), tmp_path, 1) as engine:
        assert list(engine.map([5], errands.go_on)) == [5]


@pytest.mark.slurm
def test_slurm_is_refused_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Expected sbatch and srun on PATH"):
        start(EngineChoice("slurm"), tmp_path, 2)


@pytest.mark.ray
def test_a_cluster_that_is_not_there_is_said(tmp_path: Path) -> None:
    text = f"""
from pathlib import Path
from earmark.experiment.engines import EngineChoice, start
with start(EngineChoice("ray", address="127.0.0.1:9"), Path({str(tmp_path)!r}), 1) as engine:
    list(engine.map([1], print))
"""
    settings = {**os.environ, "RAY_TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", text], env=settings, capture_output=True, text=True, check=False)
    assert (
        "UserError: Expected a Ray cluster at '127.0.0.1:9'; there is none. Start one (ray start --head)" in done.stderr
    )


@pytest.mark.ray
def test_an_actor_that_is_killed_says_nothing_on_stdout(tmp_path: Path, home: Path) -> None:
    text = f"""
from pathlib import Path
from earmark.experiment.engines import EngineChoice, start
from tests.experiment import errands
if __name__ == "__main__":
    with start(EngineChoice("ray"), Path({str(tmp_path)!r}), 2) as engine:
        found = sorted(engine.map(range(4), errands.die_once))
    print(found)
"""
    settings = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    done = subprocess.run([sys.executable, "-c", text], env=settings, capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 1, 2, 3]\n"


def test_nobody_imports_a_cluster_library_before_it_is_asked_for() -> None:
    text = "import sys, earmark.experiment.engines as engines; print(*sorted({'ray', 'submitit'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_command_line_names_the_engines_that_there_are() -> None:
    assert get_args(command_line.EngineName) == get_args(EngineName)


def test_local_is_importable_as_ever(tmp_path: Path) -> None:
    with Local(tmp_path, 1) as engine:
        assert list(engine.map([2], errands.square)) == [4]
