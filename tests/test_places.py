"""Where things lie: a home that cannot be written is the user's to set right, and no traceback."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark import cli, places
from earmark.datasets import names
from earmark.errors import UserError


@pytest.fixture
def in_the_way(tmp_path: Path) -> Path:
    """Return a home below what is a file: nobody, not even root, can make a folder there."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "home"


def test_a_folder_of_ours_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "a" / "home"))
    assert places.store_folder() == tmp_path / "a" / "home" / "store"
    assert places.store_folder().is_dir()


def test_a_home_that_cannot_be_made_is_the_users_mistake(in_the_way: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(in_the_way))
    with pytest.raises(UserError, match=r"Expected to write into '.*home.store', but: .*Set EARMARK_HOME to a folder"):
        places.store_folder()


def test_a_folder_that_is_there_and_may_not_be_written_is_the_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of root nothing is refused by its mode, so the answer of the system stands in for it.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="but: it is there and may not be written"):
        places.writable(tmp_path)


def test_a_check_in_a_home_that_cannot_be_written_ends_with_a_message(
    in_the_way: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(in_the_way))
    (tmp_path / "a.wav").touch()
    done = CliRunner().invoke(cli.app, ["check", "dataset", "tests.datasets.test_get:Toy", "--dir", str(tmp_path)])
    assert isinstance(done.exception, UserError)


def test_a_dataset_that_is_made_at_first_use_says_so_too(in_the_way: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(in_the_way))
    with pytest.raises(UserError, match=r"Expected to write into '.*studio', but: .*Set EARMARK_HOME"):
        names.load("studio")


def test_what_only_reads_does_without_a_home(in_the_way: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(in_the_way))
    assert CliRunner().invoke(cli.app, ["list", "dataset"]).exit_code == 0
