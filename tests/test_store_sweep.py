"""`earmark store gc`: what may go, what stays for the runs that refer to it, and a sweep that is cut short."""

import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import earmark
from earmark.cli import app
from earmark.errors import DataError, UserError
from earmark.runs.kept import Kept, kept
from earmark.store import Store, Thing
from earmark.store.things import things, unwanted
from tests.full_disk import full_from
from tests.test_run import EXPERIMENT, make_tones
from tests.test_store import assert_holds, fill
from tests.test_store_crashes import KILLED, pulled_at

DAY_S = 86_400


def store(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["store", *map(str, arguments)])


def thing(name: str, age_days: float, n_bytes: int = 10, kind: str = "embeddings") -> Thing:
    return Thing(kind, name, n_bytes, -age_days * DAY_S, {"audio_sha256": name})


def test_what_may_go_is_all_or_what_is_old_or_the_oldest_until_it_fits() -> None:
    held = [thing("new", 1), thing("old", 9), thing("older", 10), thing("kept", 11)]

    def is_kept(one: Thing) -> bool:
        return one.name == "kept"

    def names(before_s: float | None = None, until_bytes: int | None = None) -> list[str]:
        return [one.name for one in unwanted(held, is_kept, before_s, until_bytes)]

    assert names() == ["older", "old", "new"]
    assert names(before_s=-5 * DAY_S) == ["older", "old"]
    assert names(until_bytes=40) == []
    assert names(until_bytes=39) == ["older"]
    assert names(until_bytes=20) == ["older", "old"]
    assert names(until_bytes=0) == ["older", "old", "new"]
    assert names(before_s=-9.5 * DAY_S, until_bytes=0) == ["older"]


def test_a_run_keeps_its_audio_its_probes_and_scores_and_what_tells_nothing() -> None:
    of_run = Kept(frozenset({"heard"}), frozenset({"p"}))
    assert of_run.holds(thing("heard", 1))
    assert not of_run.holds(thing("other", 1))
    assert of_run.holds(Thing("embeddings", "k", 1, 0, {}))
    assert of_run.holds(thing("p.safetensors", 1, kind="probes"))
    assert not of_run.holds(thing("q.parquet", 1, kind="scores"))
    assert of_run.holds(thing("q.json", 1, kind="drifts"))


def test_dropping_rows_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    for number in range(4):
        fill(tmp_path, [2 * number, 2 * number + 1], {"number": number})
    made = Store(tmp_path)
    made.put_file("probes", "p", ".bin", b"weights", {})
    gone = {"k0", "k1", "k2", "p.bin"}
    made.drop([one for one in things(tmp_path) if one.name in gone])
    assert Store(tmp_path).has(f"k{number}" for number in range(8)) == {f"k{number}" for number in range(3, 8)}
    for opened in (made, Store(tmp_path)):
        assert_holds(opened, range(3, 8))
        assert opened.file("probes", "p", ".bin") is None
    assert [Store(tmp_path).provenance(f"k{n}") for n in range(3, 8)] == [{"number": n // 2} for n in range(3, 8)]
    assert Store(tmp_path).verify() == []


def sweep(root: Path) -> None:
    """Drop two rows and a file. Its text is run in a process of its own."""
    from earmark.store.things import things as held

    Store(root).drop([one for one in held(root) if one.name in ("k0", "k3", "p.bin")])


def in_three_shards(root: Path) -> Path:
    for number in range(3):
        fill(root, [2 * number, 2 * number + 1])
    Store(root).put_file("probes", "p", ".bin", b"weights", {})
    return root


def test_dying_at_each_step_of_dropping_loses_nothing_else(tmp_path: Path) -> None:
    for k in itertools.count(1):
        root = in_three_shards(tmp_path / str(k))
        status, _ = pulled_at(k, sweep, root)
        assert_holds(Store(root), [1, 2, 4, 5])
        sweep(root)
        assert Store(root).has(f"k{number}" for number in range(6)) == {"k1", "k2", "k4", "k5"}
        assert all("harmless" in problem for problem in Store(root).verify())
        if status == 0:
            break
        assert status == KILLED
    assert k > 10


@pytest.mark.parametrize("act", [sweep, lambda root: Store(root).repair()], ids=["drop", "repair"])
def test_looking_after_a_store_on_a_full_disk_loses_nothing_else(tmp_path: Path, act: Callable[[Path], object]) -> None:
    for k in itertools.count(1):
        root = in_three_shards(tmp_path / str(k))
        with full_from(k):
            try:
                act(root)
            except OSError as error:
                said = str(error)
            else:
                break
        assert f"No space left on device: '{root}" in said
        assert_holds(Store(root), [1, 2, 4, 5])
        assert all("harmless" in problem for problem in Store(root).verify())
        act(root)
        assert_holds(Store(root), [1, 2, 4, 5])
    assert k > 3


def test_a_run_is_kept_and_another_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    kept_run, other = (run_on(tmp_path / name, each) for name, each in (("kept", 4), ("other", 8)))
    root, before = tmp_path / "home" / "store", len(list(things(tmp_path / "home" / "store")))
    dry = store("gc", "--keep-runs", kept_run)
    assert "would go: the same with --yes removes them" in dry.stdout
    assert len(list(things(root))) == before, "nothing goes without --yes"
    done = json.loads(store("gc", "--keep-runs", kept_run, "--yes", "--json").stdout)
    assert done["removed"]
    assert {one["kind"] for one in done["things"]} == {"embeddings", "probes", "scores"}
    assert len(list(things(root))) == before - len(done["things"])
    assert earmark.plan(tmp_path / "kept" / "tones.yml").jobs == 0
    assert earmark.plan(tmp_path / "other" / "tones.yml").jobs > 0
    assert earmark.run(tmp_path / "other" / "tones.yml", run_id=other.name, quiet=True).jobs_done > 0
    (kept_run / "ingredients.json").unlink()
    with pytest.raises(DataError, match=r"to hold ingredients\.json, which says what it heard"):
        kept([kept_run])


def run_on(folder: Path, each: int) -> Path:
    make_tones(folder / "audio", each)
    file = folder / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=folder / "audio"))
    return earmark.run(file, run_id=folder.name, quiet=True).folder


def test_what_may_go_must_be_said(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    with pytest.raises(UserError, match="Expected what may go: --keep-runs RUN, --older-than DAYS, --until SIZE"):
        CliRunner().invoke(app, ["store", "gc", str(tmp_path)], catch_exceptions=False)


def test_sizes_and_ages_are_read(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    old = time.time() - 3 * DAY_S
    for path in tmp_path.glob("embeddings/*"):
        os.utime(path, (old, old))
    assert "0.0 MB of 0.0 MB" in store("gc", tmp_path, "--until", "1kB").stdout
    assert "embeddings: 1 row" in store("gc", tmp_path, "--until", "64B").stdout
    assert "embeddings: 3 rows" in store("gc", tmp_path, "--older-than", 2).stdout
    assert "embeddings" not in store("gc", tmp_path, "--older-than", 4).stdout
    wrong = store("gc", tmp_path, "--until", "much")
    assert wrong.exit_code == 2
    assert "expected a size such as 500MB" in wrong.output
