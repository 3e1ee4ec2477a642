"""What a worker survives, and what is said: no interpreter, no packages, wrong answers, death, hanging, memory."""

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import earmark
from earmark.errors import MissingPart, UserError
from earmark.representations import base, worker
from earmark.representations._worker_process import Answer, Process
from earmark.representations.embed import Loop
from tests.representations.made_workers import Write, killed_by_loud, naive, sound, write
from tests.test_run import make_tones

__all__ = ["write"]


def test_an_interpreter_that_is_not_there_comes_with_the_lines_that_make_it(write: Write, tmp_path: Path) -> None:
    with pytest.raises(MissingPart) as raised:
        base.load(write(python="env/bin/python", more="packages: [essentia]"))
    python = tmp_path / "env/bin/python"
    assert str(raised.value).splitlines() == [
        f"There is no Python at '{python}'. Type:",
        f"  python3 -m venv {tmp_path / 'env'}",
        f"  {python} -m pip install numpy essentia",
    ]


def test_an_interpreter_by_the_name_of_a_variable(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(python="$MY_PYTHON")
    with pytest.raises(MissingPart, match=r"wants its Python in \$MY_PYTHON, which is not set"):
        base.load(name)
    monkeypatch.setenv("MY_PYTHON", sys.executable)
    assert base.load(name).card.dim == 3


def test_packages_that_are_not_right_come_with_the_line_of_pip(write: Write) -> None:
    wrong = rf"lacks numpy 0.1 \(it has {np.__version__}\), nowhere-to-be .*-m pip install numpy==0.1 nowhere-to-be"
    with pytest.raises(MissingPart, match=wrong):
        base.load(write(more="packages: [nowhere-to-be, numpy==0.1]"))


def test_a_python_without_numpy_says_so(write: Write, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(MissingPart, match=r"lacks numpy .*bare/bin/python -m pip install numpy"):
        base.load(write(python="bare/bin/python"))


def test_what_is_no_python_is_told_by_what_it_says(write: Write, tmp_path: Path) -> None:
    (tmp_path / "shell").write_text("#!/bin/sh\necho welcome\ncat >/dev/null\n")
    (tmp_path / "shell").chmod(0o755)
    with pytest.raises(UserError, match=r"to answer as a worker does, got 'welcome'. Is it an interpreter"):
        base.load(write(python="./shell"))


def test_what_ends_at_once_is_told_by_its_last_words(write: Write, tmp_path: Path) -> None:
    (tmp_path / "shell").write_text("#!/bin/sh\necho no licence >&2\nexit 3\n")
    (tmp_path / "shell").chmod(0o755)
    with pytest.raises(UserError, match="'worker:mine#toy' ended with 3; it printed last: no licence"):
        base.load(write(python="./shell"))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("return audio", r"got float32 \(1, 8000\). Mend toy:load or its card"),
        ("return np.zeros((1, 2, 5, 4))", r"\(1, 2, frames, 3\), got float64 \(1, 2, 5, 4\)"),
        ("return np.zeros((1, 2, 5, 3), int)", r"float32 .* got int64"),
        ("return [None]", "ValueError: Object arrays cannot be saved"),
        ("return 1 / 0", r"could not embed 8000 samples: ZeroDivisionError: division by zero \(toy.py, line 1\d\)"),
        ("import nowhere", "No module named 'nowhere'.* If it is a package, name it under packages"),
    ],
)
def test_an_answer_that_is_none_is_an_error_and_the_next_is_right(write: Write, what: str, said: str) -> None:
    found = base.load(write(f"if audio.shape[1] == 8000: {what}"))
    with pytest.raises(UserError, match=said):
        found(sound())
    np.testing.assert_array_equal(found(sound(8001)).numpy(), naive(sound(8001)))


def test_a_factory_that_is_not_there_is_named(write: Write) -> None:
    with pytest.raises(UserError, match=r"could not make toy:lod: AttributeError: module 'toy' has no attribute 'lod'"):
        base.load(write(made="toy:lod"))


def test_a_card_that_is_none_is_told(write: Write, tmp_path: Path) -> None:
    write()
    text = (tmp_path / "toy.py").read_text(encoding="utf-8")
    (tmp_path / "toy.py").write_text(text.replace('"dim": 3', '"dim": "three"'), encoding="utf-8")
    with pytest.raises(UserError, match=r"sample_rate, dim, licence .* 'dim': Input should be a valid integer"):
        base.load("worker:mine.yml")


def test_one_that_dies_is_started_again(write: Write) -> None:
    once = "if not os.path.exists('died'): open('died', 'w').close(); os._exit(1)"
    np.testing.assert_array_equal(base.load(write(once))(sound()).numpy(), naive(sound()))


def test_what_kills_it_twice_has_failed_and_others_go_on(write: Write) -> None:
    found = base.load(write(killed_by_loud("print('too loud', file=sys.stderr); os.kill(os.getpid(), 9)")))
    loop = Loop[str](found)
    told = {one.tag: one.answer for name in ("a", "loud", "b") for one in loop.add(name, clip(name))}
    assert str(told["loud"]) == (
        "the process of 'worker:mine#toy' was killed by SIGKILL, as happens where memory runs out; it printed last: "
        "too loud"
    )
    assert all(isinstance(told[name], np.ndarray) for name in ("a", "b"))


def clip(name: str) -> np.ndarray:
    return sound(peak=1.0 if name == "loud" else 0.3)[0].numpy()


def test_one_that_dies_again_and_again_ends_the_run(write: Write) -> None:
    found = base.load(write("os._exit(7)"))
    for _ in range(worker.MOST_LOST - 1):
        with pytest.raises(UserError, match="ended with 7"):
            found(sound())
    with pytest.raises(MissingPart, match="ended on 5 inputs in a row, so the fault is hardly theirs"):
        found(sound())


def test_one_that_hangs_is_ended_in_time_and_started_for_the_next(write: Write) -> None:
    found = base.load(write(killed_by_loud("time.sleep(60)"), more="time_limit_s: 1"))
    began = time.monotonic()
    with pytest.raises(UserError, match="'worker:mine#toy' took longer than 1 s, its time_limit_s"):
        found(sound(peak=1.0))
    assert time.monotonic() - began < 10
    np.testing.assert_array_equal(found(sound()).numpy(), naive(sound()))


def test_one_that_was_interrupted_does_not_give_its_answer_to_the_next(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    found = base.load(write())
    with monkeypatch.context() as patched:
        patched.setattr(Process, "_head", interrupted)
        with pytest.raises(KeyboardInterrupt):
            found(sound(16000))
    np.testing.assert_array_equal(found(sound()).numpy(), naive(sound()))


def test_one_that_wants_too_much_memory_fails_and_goes_on(write: Write) -> None:
    found = base.load(write(killed_by_loud("np.ones(400_000_000)"), more="memory_limit_gb: 1"))
    with pytest.raises(UserError, match="MemoryError"):
        found(sound(peak=1.0))
    np.testing.assert_array_equal(found(sound()).numpy(), naive(sound()))


def test_one_that_is_another_after_it_was_started_again_ends_the_run(write: Write) -> None:
    found = base.load(write(killed_by_loud("os._exit(1)")))
    write(killed_by_loud("os._exit(2)"))
    with pytest.raises(MissingPart, match="'worker:mine#toy' has changed since this began"):
        found(sound(peak=1.0))


@pytest.mark.parametrize("what", ["pass", "time.sleep(60)"])
def test_it_ends_with_a_process_that_is_killed(write: Write, tmp_path: Path, what: str) -> None:
    name = write(f"open('pid', 'w').write(str(os.getpid())); os.replace('pid', 'at_work'); {what}")
    code = (
        "import time, torch\nfrom earmark.representations import base\n"
        f"base.load('{name}')(torch.zeros(1, 8000))\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    wait_for(lambda: (tmp_path / "at_work").exists())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    child = int((tmp_path / "at_work").read_text())
    wait_for(lambda: not is_running(child))


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Say whether a process runs; one that ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_ends_when_it_is_let_go(write: Write) -> None:
    found = base.load(write("raise KeyError(os.getpid())"))
    with pytest.raises(UserError, match="KeyError: ") as raised:
        found(sound())
    process = int(str(raised.value).partition("KeyError: ")[2].split()[0])
    assert is_running(process)
    worker._load.cache_clear()
    del found, raised
    assert not is_running(process)


def test_an_array_that_is_damaged_on_its_way_is_refused(write: Write) -> None:
    found = base.load(write())
    assert isinstance(found, worker.Worker)
    out = io.BytesIO()
    np.save(out, naive(sound()))
    for content in (b"", b"no array", out.getvalue()[:-1]):
        with pytest.raises(UserError, match="Expected an array from 'worker:mine#toy', but: "):
            found._array(Answer({}, content), 1)


RUN = """
name: worked
experiments:
  - task: {name: tone, label: label, kind: multiclass}
    datasets: [{name: folder, dir: audio, split_type: [0.5, 0.25, 0.25]}]
    representations: ["worker:mine.yml"]
    probes: [{kind: logistic, standardise: true}]
resamples: 50
"""


def test_a_run_goes_on_and_lists_the_clips_that_kill_it_or_are_not_finite(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    make_tones(tmp_path / "audio")
    for name, peak in (("low/0.wav", 1.0), ("high/0.wav", 0.8)):
        soundfile.write(tmp_path / "audio" / name, sound(8000, peak=peak)[0].numpy(), 8000)
    write(f"{killed_by_loud('os._exit(1)')}\n        if abs(audio).max() > 0.7: return np.full((1, 2, 9, 3), np.nan)")
    (tmp_path / "run.yml").write_text(RUN)
    run = earmark.run(tmp_path / "run.yml", quiet=True)
    assert {one.clip: one.reason for one in run.failures} == {
        "high/0.wav": "'worker:mine.yml' gave numbers that are not finite",
        "low/0.wav": "the process of 'worker:mine#toy' ended with 1; it printed last: from a shell",
    }
    assert max(run.frame.filter(representation="worker:mine.yml")["n"]) >= 5
