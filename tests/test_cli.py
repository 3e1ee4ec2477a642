"""The command line as a user meets it: exit codes, one message for a mistake, help that is quick."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from earmark import cli

WRONG = sorted((Path(__file__).parent / "experiment" / "wrong").glob("*.yml"))


def earmark(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "earmark", *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_there_are_ten_wrong_files() -> None:
    assert len([file for file in WRONG if file.stem.islower()]) >= 10


def test_a_wrong_file_ends_with_2_one_message_and_no_traceback() -> None:
    done = earmark("plan", str(WRONG[-1]))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("earmark: ")


def test_a_bug_of_ours_ends_with_70_and_says_so() -> None:
    code = "import earmark.cli as cli, earmark.doctor as doctor\ndoctor.examine = lambda: 1 / 0\ncli.main()"
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr
    assert "This is a bug in earmark" in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "PermissionError(13, 'Permission denied', 'x')",
            "Permission denied ('x'). Change who may write and read there",
        ),
        ("PermissionError('Permission denied (os error 13): x')", "Permission denied (os error 13): x. Change who may"),
        ("FileExistsError(17, 'File exists', 'x')", "File exists ('x'). Name another place."),
        ("NotADirectoryError(20, 'Not a directory', 'x')", "Not a directory ('x'). Name another place."),
        ("IsADirectoryError(21, 'Is a directory', 'x')", "Is a directory ('x'). Name another place."),
        ("OSError(30, 'Read-only file system', 'x')", "Read-only file system ('x'). Change who may"),
    ],
)
def test_a_path_that_the_system_refuses_is_no_bug_of_ours(error: str, said: str) -> None:
    code = (
        "import earmark.cli as cli, earmark.doctor as doctor\n"
        f"def refused(): raise {error}\n"
        "doctor.examine = refused\ncli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"earmark: {said}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_with_130() -> None:
    code = (
        "import earmark.cli as cli, earmark.doctor as doctor\n"
        "def interrupt(): raise KeyboardInterrupt\n"
        "doctor.examine = interrupt\ncli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "run the same command again to go on" in done.stderr


@pytest.mark.parametrize(("verb", "shown"), [("pretrain", "pretraining"), ("finetune", "finetuning")])
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("KeyboardInterrupt", 130, "earmark: interrupted; run the same command again{more} to go on."),
        ("OSError(28, 'No space left')", 2, "earmark: No space left. Make room, and run the same command again{more}."),
    ],
)
def test_a_verb_that_goes_on_by_resume_says_so(verb: str, shown: str, error: str, code: int, said: str) -> None:
    program = (
        f"import earmark.cli as cli, earmark.show.{shown} as shown\n"
        f"def stop(*given): raise {error}\n"
        f"shown.{shown.replace('ing', 'ed')} = stop\ncli.main()"
    )
    for given, more in (((), " with --resume"), (("--resume",), "")):
        arguments = [sys.executable, "-c", program, verb, "tiny", *given]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.strip()) == (code, said.format(more=more))


def test_the_schema_is_json_and_names_the_keys() -> None:
    done = CliRunner().invoke(cli.app, ["schema"])
    assert "experiments" in json.loads(done.stdout)["properties"]


def test_init_writes_a_file_that_loads_and_never_over_another(tmp_path: Path) -> None:
    file = tmp_path / "first.yml"
    assert CliRunner().invoke(cli.app, ["init", str(file)]).exit_code == 0
    assert CliRunner().invoke(cli.app, ["check", "experiment", str(file)]).exit_code == 0
    before = file.read_text()
    again = CliRunner().invoke(cli.app, ["init", str(file)])
    assert "exists already" in str(again.exception)
    assert file.read_text() == before


def test_init_for_a_folder_loads_too(tmp_path: Path) -> None:
    (tmp_path / "audio" / "drums").mkdir(parents=True)
    file = tmp_path / "own.yml"
    assert CliRunner().invoke(cli.app, ["init", str(file), "--dir", str(tmp_path / "audio")]).exit_code == 0
    assert CliRunner().invoke(cli.app, ["check", "experiment", str(file)]).exit_code == 0


@pytest.mark.parametrize("noun", ["dataset", "representation", "task", "deformation", "probe", "metric", "run"])
def test_every_noun_is_listed(noun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path))
    done = CliRunner().invoke(cli.app, ["list", noun])
    assert done.exit_code == 0
    assert bool(done.stdout.strip()) == (noun != "run"), "there are no runs here"


def test_embed_writes_one_row_a_file_and_names_the_broken(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(22050, np.float32), 22050)
    (tmp_path / "b.wav").write_text("no audio")
    out = tmp_path / "out.npz"
    done = CliRunner().invoke(
        cli.app, ["embed", str(tmp_path / "a.wav"), str(tmp_path / "b.wav"), "-r", "chroma", "-o", str(out)]
    )
    assert done.exit_code == 3
    assert np.load(out)["vectors"].shape == (1, 1, 2, 12)


def test_doctor_finds_this_machine_fit() -> None:
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 0
    assert "numpy" in done.stdout


def test_checking_a_dataset_with_a_broken_file_ends_with_1(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        noise = 0.1 * np.random.Generator(np.random.PCG64(ord(name))).standard_normal(22050)
        soundfile.write(tmp_path / name / "whole.wav", noise.astype(np.float32), 22050)
    (tmp_path / "a" / "empty.wav").write_bytes(b"")
    done = CliRunner().invoke(cli.app, ["check", "dataset", "folder", "--dir", str(tmp_path)])
    assert done.exit_code == 1
    assert "a/empty.wav" in done.stdout


def test_the_thesis_names_of_the_verbs_still_work() -> None:
    for name in ("experiment", "conduct", "generate", "train", "evaluate"):
        done = CliRunner().invoke(cli.app, [name, "-c", "nowhere.yml"])
        assert "nowhere.yml" in str(done.exception), name
    assert "in memory" in CliRunner().invoke(cli.app, ["deform", "-c", "nowhere.yml"]).stdout


def test_a_full_disk_is_no_bug_of_ours() -> None:
    code = (
        "import earmark.cli as cli, earmark.doctor as doctor\n"
        "def full(): raise OSError(28, 'No space left on device', 'out.svg')\n"
        "doctor.examine = full\ncli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "earmark: No space left on device ('out.svg'). Make room" in done.stderr
    assert "Traceback" not in done.stderr
