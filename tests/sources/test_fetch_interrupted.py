"""A fetch that fails, is interrupted, dies or meets another one: nothing lost, nothing torn, nothing hidden."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from earmark.errors import DataError
from earmark.nouns import Source
from earmark.sources.fetch import fetch
from earmark.sources.receipts import NAME
from tests.sources.flaky_server import FlakyServer, Reply
from tests.sources.served import ARCHIVE, MEMBERS, NOISE, Sources, files_in


def test_one_failure_stops_no_other_and_all_are_told(server: FlakyServer, sources: Sources, folder: Path) -> None:
    gone = Source(server.url("gone.csv"), "CC0")
    wrong = replace(sources.labels, checksum="md5:" + "0" * 32)
    with pytest.raises(DataError) as caught:
        fetch([gone, wrong, *sources[1:]], folder)
    told = str(caught.value)
    assert told.startswith("2 of 4 files could not be fetched into")
    assert re.search(r"gone.csv: .*404", told)
    assert re.search(r"annotations/labels.csv: .*expected md5:0+, got md5:", told)
    assert files_in(folder) == {"noise.bin": NOISE, **MEMBERS}


def test_a_damaged_archive_is_told_and_the_other_files_are_there(server: FlakyServer, folder: Path) -> None:
    server.files["torn.tgz"] = ARCHIVE[:-1000]
    torn = Source(server.url("torn.tgz"), "CC0", unpack_into="torn")
    with pytest.raises(DataError, match=r"1 of 2 files .*\n  torn.tgz: .*torn.tgz"):
        fetch([torn, Source(server.url("labels.csv"), "CC0")], folder)
    assert not list(folder.rglob("*.wav"))
    assert (folder / "labels.csv").exists()


def test_an_interrupt_leaves_parts_that_the_next_fetch_resumes(
    server: FlakyServer, sources: Sources, folder: Path
) -> None:
    class Interrupt:
        def advance(self, name: str, done: int, total: int | None) -> None:
            if name == "noise.bin" and done >= 20_000:
                raise KeyboardInterrupt

    server.script("noise.bin", Reply(cut_at=20_000))
    with pytest.raises(KeyboardInterrupt):
        fetch(sources, folder, watch=Interrupt())
    assert not (folder / "noise.bin").exists()
    fetch(sources, folder)
    assert server.starts("noise.bin") == [0, 20_000]
    assert (folder / "noise.bin").read_bytes() == NOISE


def test_an_interrupt_ends_every_thread_at_its_next_bytes(server: FlakyServer, folder: Path) -> None:
    server.files |= {f"{number}": NOISE for number in range(20)}
    for number in range(20):
        server.always(f"{number}", Reply(status=503, headers={"Retry-After": "100"}))

    class Interrupt:
        def advance(self, name: str, done: int, total: int | None) -> None:
            raise KeyboardInterrupt

    wanted = [Source(server.url("noise.bin"), "CC0"), *(Source(server.url(f"{number}"), "CC0") for number in range(20))]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch(wanted, folder, watch=Interrupt())
    assert time.monotonic() - began < 50, "a wait of 100 s is broken off"
    n_asked = len(server.asked)
    time.sleep(0.1)
    assert len(server.asked) == n_asked


def test_a_bug_of_ours_is_not_taken_for_a_failed_file(sources: Sources, folder: Path) -> None:
    class Broken:
        def advance(self, name: str, done: int, total: int | None) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch(sources, folder, watch=Broken())


def until(happened: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < 20
        time.sleep(0.01)


def test_two_fetches_into_one_folder_take_turns_and_fetch_once(
    server: FlakyServer, sources: Sources, folder: Path
) -> None:
    recipe = folder.parent / "sources.json"
    recipe.write_text(json.dumps([asdict(source) for source in sources]))
    program = (
        "import sys\nfrom pathlib import Path\nfrom earmark.sources.fetch import fetch\n"
        "from tests.sources.fetch_crash_points import sources_of\n"
        "print(*(one.was_there for one in fetch(sources_of(Path(sys.argv[1])), Path(sys.argv[2]))))"
    )
    command = [sys.executable, "-c", program, str(recipe), str(folder)]
    root = Path(__file__).parents[2]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate()[0] for process in both)
    assert said == ["False False False\n", "True True True\n"]
    assert [len(server.starts(name)) for name in ("labels.csv", "set.tgz", "noise.bin")] == [1, 1, 1]


def test_who_waits_for_another_is_told(
    server: FlakyServer, sources: Sources, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("noise.bin", Reply(stall_at=10_000))
    first = threading.Thread(target=fetch, args=([sources.noise], folder))
    first.start()
    until(lambda: bool(server.starts("noise.bin")))
    second = threading.Thread(target=fetch, args=([sources.noise], folder))
    second.start()
    until(lambda: bool(caplog.records))
    server.released.set()
    first.join()
    second.join()
    assert "Another process fetches into" in caplog.text
    assert (folder / "noise.bin").read_bytes() == NOISE


def test_dying_at_each_step_of_a_fetch_and_fetching_again_gives_the_same(
    server: FlakyServer, sources: Sources, folder: Path, tmp_path: Path
) -> None:
    server.always("labels.csv", Reply(chunked=True))
    recipe = tmp_path / "sources.json"
    recipe.write_text(json.dumps([asdict(source) for source in sources]))
    done = subprocess.run(
        [sys.executable, "-m", "tests.sources.fetch_crash_points", str(recipe), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) crash points, 0 wrong", done.stdout)
    assert counted is not None
    assert int(counted[1]) > 50, "a fetch writes, syncs and renames many times"


def test_a_fetch_that_died_late_asks_only_for_what_is_missing(
    server: FlakyServer, sources: Sources, folder: Path, tmp_path: Path
) -> None:
    fetch([sources.noise, sources.labels], folder)
    n_asked = len(server.asked)
    (folder / NAME).unlink()  # it died before the receipts were written
    assert all(one.was_there for one in fetch([sources.noise, sources.labels], folder))
    assert len(server.asked) == n_asked
