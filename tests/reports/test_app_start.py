"""Starting the app: what it refuses before anything is served."""

import importlib.util
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark import cli
from earmark.errors import MissingPart, UserError


def test_without_streamlit_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = CliRunner().invoke(cli.app, ["app", "any"]).exception
    assert isinstance(found, MissingPart)
    assert "pip install 'earmark[app]'" in str(found)


@pytest.mark.app
def test_a_run_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path))
    found = CliRunner().invoke(cli.app, ["app", "nothing", "--no-browser"]).exception
    assert isinstance(found, UserError)


@pytest.mark.app
def test_a_port_that_is_taken_is_refused_or_left_for_the_next_one(tmp_path: Path) -> None:
    from earmark.reports.app import serving

    (tmp_path / "results.jsonl").write_text("")
    with socket.socket() as taken:
        taken.bind((serving.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} is taken"):
            serving.app(tmp_path, port, browser=False)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as it is tried: one that was just left is free
        first = serving._free_port()
        taken.bind((serving.HOST, first))
        taken.listen()
        assert serving._free_port() > first
