"""`worker:FILE#NAME`: what a representation in another process gives, and what it is known by.

The other Python is this one; test_essentia.py has a real one, test_worker_faults.py what can go wrong.
"""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earmark import conformance, doctor
from earmark.errors import MissingPart, SpecError, UserError
from earmark.representations import _worker_file, base, worker
from earmark.representations._worker_process import SERVER
from tests.representations.made_workers import Write, naive, sound, write

__all__ = ["write"]


def test_a_worker_gives_what_its_module_gives_here_though_it_prints(write: Write) -> None:
    found = base.load(write('print("at work"); os.write(1, b"garbage")'))
    assert (found.card.name, found.card.dim, found.card.layers) == ("worker:mine#toy", 3, 2)
    np.testing.assert_array_equal(found(sound(8123, rows=2)).numpy(), naive(sound(8123, rows=2)))
    np.testing.assert_array_equal(found(sound(), [1]).numpy(), naive(sound())[:, [1]])


def test_a_worker_keeps_the_laws(write: Write) -> None:
    assert conformance.broken_by_representation(base.load(write())) == ()


def test_a_minute_of_audio_goes_through_at_once(write: Write) -> None:
    audio = sound(60 * 8000, rows=2)
    np.testing.assert_array_equal(base.load(write())(audio).numpy(), naive(audio))


def test_a_worker_computes_on_one_thread_and_not_with_our_packages(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    what = 'raise KeyError(str([os.environ.get(one) for one in ("OMP_NUM_THREADS", "PYTHONPATH")]))'
    with pytest.raises(UserError, match=r"\['1', None\]"):
        base.load(write(what))(sound())


def test_it_is_started_once_for_a_file_that_stays(write: Write) -> None:
    name = write()
    assert base.load(name) is base.load(name) is base.load(f"{name}#toy")


def test_it_is_known_by_versions_code_options_and_weights_and_not_by_its_place(write: Write, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(b"one")
    made = "{factory: toy:load, options: {weights: w.bin}}"
    known = [base.load(write(made=made)).card.weights_sha256]
    assert f"CPython {sys.version.split()[0]}: numpy {np.__version__}" in base.load("worker:mine.yml").card.architecture

    def again(**other: str) -> str:
        worker._load.cache_clear()
        return base.load(write(**other)).card.weights_sha256

    known.append(again(made=made, what="audio = -audio"))
    known.append(again(made="{factory: toy:load, options: {weights: w.bin, scale: 2.0}}"))
    known.append(again(made=made, more="packages: [torch]"))
    (tmp_path / "w.bin").write_bytes(b"two")
    known.append(again(made=made))
    assert len(set(known)) == 5
    (tmp_path / "w.bin").rename(tmp_path / "elsewhere.bin")
    assert again(made="{factory: toy:load, options: {weights: elsewhere.bin}}") == known[-1]


def test_options_reach_the_factory(write: Write) -> None:
    found = base.load(write(made="{factory: toy:load, options: {scale: 3.0}}"))
    np.testing.assert_allclose(found(sound()).numpy(), naive(sound(), 3.0), rtol=1e-6)


def test_names_of_a_file_are_listed(write: Write, tmp_path: Path) -> None:
    write()
    with pytest.raises(UserError, match=r"Expected 'toi' among .* Did you mean 'toy'\? Known: toy"):
        base.load("worker:mine.yml#toi")
    (tmp_path / "two.yml").write_text("representations: {one: toy:load, two: toy:load}")
    with pytest.raises(UserError, match="Expected a name after worker:two, such as #one"):
        base.load("worker:two.yml")
    (tmp_path / "two.yml").write_text("paython: x\nrepresentations: {one: toy:load}")
    with pytest.raises(SpecError, match=r"two.yml:1:1: Unknown key 'paython'. Did you mean 'python'"):
        base.load("worker:two.yml#one")
    with pytest.raises(UserError, match=r"there is none. .*Shipped: .*essentia"):
        base.load("worker:nowhere.yml")


def test_a_shipped_file_is_known_by_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "essentia").mkdir()  # such as the environment itself
    with pytest.raises(MissingPart, match=r"There is no Python at .*environments/essentia/bin/python'"):
        base.load("worker:essentia#hpcp")


def test_doctor_tells_how_the_environment_of_a_shipped_worker_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    said = next(one for one in doctor.examine() if one.what.startswith("worker essentia"))
    folder = tmp_path / "environments" / "essentia"
    assert said == doctor.Finding(
        "ok",
        "worker essentia: not made here; it needs a Python of its own. Type:\n"
        f"  python3 -m venv {folder}\n  {folder}/bin/python -m pip install numpy essentia",
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    said = next(one for one in doctor.examine() if one.what.startswith("worker essentia"))
    assert said.level == "warning"
    assert "lacks numpy, essentia" in said.what


def test_doctor_tells_the_versions_of_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yml").write_text(f"python: {sys.executable}\nrepresentations: {{toy: toy:load}}")
    monkeypatch.setattr(_worker_file, "SHIPPED", tmp_path)
    version = sys.version.split()[0]
    assert doctor.Finding("ok", f"worker mine: CPython {version}, numpy {np.__version__}") in doctor.examine()


@pytest.mark.parametrize("file", sorted(SERVER.parent.glob("*.py")), ids=lambda file: file.name)
def test_what_runs_in_another_python_is_of_3_8_and_knows_nothing_of_earmark(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    top = {name.partition(".")[0] for name in imported}
    assert top <= {*sys.stdlib_module_names, "numpy", "essentia"}


def test_the_process_has_not_our_terminal(write: Write) -> None:
    with pytest.raises(UserError, match="KeyError: ''"):
        base.load(write("raise KeyError(sys.stdin.read())"))(sound())
