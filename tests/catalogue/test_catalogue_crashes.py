"""Pulling the plug on a catalogue: at each step of adding, pruning and compacting, at random, and with a full disk."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from earmark import catalogue
from earmark.catalogue import listing, parts, writing
from earmark.catalogue.listing import Entry
from earmark.catalogue.parts import Part, Track
from earmark.catalogue.writing import Writer
from tests.catalogue.sounding_files import NETWORK, folder_of, held, sounding
from tests.full_disk import full_from, no_temporaries

ROOT = Path(__file__).parents[2]
SEGMENT_S = 0.2


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Three files that sound, two of one content, and one that does not."""
    folder = folder_of(tmp_path / "music" / "now", 3, 0.4)
    shutil.copy(folder / "00.wav", folder / "copy.wav")
    (folder / "text.wav").write_text("no audio")
    return folder.parent


def steps_of(act: str, music: Path, start: Path, tmp_path: Path) -> int:
    """Return how many steps an act took, after each has been died at and gone on from."""
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "tests.catalogue.crashes_of_adding", act, music, start, tmp_path / "work"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) steps, 0 wrong", done.stdout)
    assert counted is not None
    return int(counted[1])


def test_dying_at_each_step_of_adding_and_adding_again_gives_the_same(tmp_path: Path, music: Path) -> None:
    assert steps_of("adding", music, tmp_path / "none", tmp_path) > 20


def test_dying_at_each_step_of_changing_and_pruning_and_doing_it_again_gives_the_same(
    tmp_path: Path, music: Path
) -> None:
    now, cat = music / "now", tmp_path / "cat"
    catalogue.add(cat, [now], NETWORK, segment_s=SEGMENT_S)
    sounding(now / "00.wav", 70)
    (now / "deeper" / "01.wav").unlink()
    (now / "02.wav").rename(now / "moved.wav")
    assert steps_of("changing", music, cat, tmp_path) > 15


def test_dying_at_each_step_of_compacting_and_compacting_again_gives_the_same(tmp_path: Path, music: Path) -> None:
    now, cat = music / "now", tmp_path / "cat"
    catalogue.add(cat, [now / "deeper"], NETWORK, segment_s=SEGMENT_S)
    catalogue.add(cat, [now])
    sounding(now / "00.wav", 71)
    catalogue.add(cat, [now])
    assert len(catalogue.load(cat).parts) > 2
    assert steps_of("compacting", music, cat, tmp_path) > 10


def test_a_disk_that_is_full_at_any_write_leaves_a_catalogue_that_goes_on(tmp_path: Path, music: Path) -> None:
    catalogue.add(tmp_path / "whole", [music / "now"], NETWORK, segment_s=SEGMENT_S)
    expected = held(tmp_path / "whole")
    for k in range(1, 30):
        cat = tmp_path / f"full-{k}"
        with full_from(k), contextlib.suppress(OSError):
            catalogue.add(cat, [music / "now"], NETWORK, segment_s=SEGMENT_S)
            break
        assert no_temporaries(cat)
        if (cat / "catalogue.json").exists():
            assert all("harmless" in one for one in catalogue.verify(cat))
        catalogue.add(cat, [music / "now"], NETWORK, segment_s=SEGMENT_S)
        assert held(cat) == expected
    assert k > 4, "an add writes its form, names, rows, records and failures"


@pytest.mark.parametrize("k", range(1, 12))
def test_a_batch_that_cannot_be_written_is_told_of_and_torn_ends_are_not_written_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    def put(*numbers: int) -> None:
        for number in numbers:
            entry = Entry(f"{number:032x}", f"/m/{number}", f"{number}", "/m", None, None, "", 1, 1, 1.0)
            writer.put(entry, Track(entry, np.full((1, 8), number, np.float32), ((0.0, 1.0),), (True,)))

    monkeypatch.setattr(writing, "FLUSH_BYTES", 3 * 8 * 4)
    writer = Writer(tmp_path, 8, 1)
    put(0, 1, 2)
    writer.flush()
    with full_from(k), pytest.raises(OSError, match="No space left"):
        put(*range(3, 100))
    put(*range(200, 207))
    writer.flush()
    torn, whole = sorted(parts.list_parts(tmp_path, 8), key=lambda part: float(part.rows[0, 0]))
    assert whole.rows[:, 0].tolist() == list(range(200, 207))
    assert torn.rows[:, 0].tolist() == list(range(len(torn.rows)))
    n_batches, n_more = divmod(k - 1, 3)
    # Of the batch that was torn one record may be whole, once its rows and names and all before are there.
    assert 3 * max(1, n_batches) <= len(torn.rows) <= 3 + 3 * n_batches + (n_more == 2)
    for part in (torn, whole):
        assert not len(Part(part.stem, 8).damaged())
        assert part.recorded() <= set(listing.read([part.stem])["key"]), "names are on the disk before records"


@pytest.mark.slow
def test_random_kills_lose_no_row_that_was_seen(tmp_path: Path) -> None:
    music = folder_of(tmp_path / "music", 120, 0.6)
    catalogue.add(tmp_path / "whole", [music], NETWORK)
    rng, cat, seen = np.random.Generator(np.random.PCG64(12)), tmp_path / "cat", set[str]()
    command = [sys.executable, "-m", "earmark", "catalogue", "add", cat, music, "-r", NETWORK, "--jobs", "2", "--json"]
    n_killed = 0
    for _ in range(10):
        process = subprocess.Popen(list(map(str, command)), start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(3, 9))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            n_killed += 1
        process.wait()
        if (cat / "catalogue.json").exists():
            now = set(catalogue.load(cat).contents())
            assert seen <= now
            seen = now
    assert n_killed
    catalogue.add(cat, [music], NETWORK)
    assert held(cat) == held(tmp_path / "whole")
