"""How far each file is, on stderr."""

import sys
import time

import pytest

from earmark.sources.bars import bars


def test_bars_say_plain_lines_where_there_is_no_terminal_and_nothing_when_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 100, 3))
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    with bars() as watch:
        for done in (1_000_000, 2_000_000, 3_000_000):
            watch.advance("a.zip", done, 4_000_000)
        watch.advance("b.zip", 5_000_000, None)
    with bars(quiet=True) as watch:
        watch.advance("a.zip", 1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "a.zip: 2.0 of 4.0 MB, 6 s\nb.zip: 5.0 MB, 12 s\n"


def test_bars_are_drawn_in_a_terminal_for_files_under_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with bars() as watch:
        watch.advance("a.zip", 1_000_000, 4_000_000)
        watch.advance("b.zip", 2, 2)
    err = capsys.readouterr().err
    assert "a.zip" in err
    assert "1.0/4.0 MB" in err
    assert "b.zip" not in err
