"""Approximate search: what it finds has exact scores, it finds most, and it says when its index is old."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from earmark import catalogue, cli
from earmark.catalogue import approximate, form, searching
from earmark.catalogue.form import Form
from earmark.catalogue.listing import Entry
from earmark.catalogue.parts import Track
from earmark.catalogue.writing import Writer
from earmark.errors import DataError, UserError

DIM, N = 32, 3_000
pytest.importorskip("faiss", reason="no faiss")


def put(root: Path, turn: int, first: int, rows: np.ndarray) -> None:
    writer = Writer(root, DIM, turn)
    for number, row in enumerate(rows, first):
        told = json.dumps({"of": "few" if number % 1000 == 5 else "half" if number % 2 else "others"})
        entry = Entry(f"{number * 2**97:032x}", f"/m/{number}", f"{number}", "/m", None, None, "", 1, 1, 1.0, told)
        writer.put(entry, Track(entry, row[None], ((0.0, 1.0),), (True,)))
    writer.flush()


@pytest.fixture(scope="module")
def cat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 3,000 rows around 300 centres, in two parts, with an index, made by the verb."""
    root = tmp_path_factory.mktemp("cat") / "c"
    root.mkdir()
    how = Form("logmel", 1, "", "", 22050, (0,), ("mean",), DIM, None, None, "tracks")
    (root / form.FILE).write_text(json.dumps(asdict(how)))
    rng = np.random.Generator(np.random.PCG64(3))
    centres = rng.standard_normal((300, DIM))
    rows = (centres[rng.integers(300, size=N)] + 0.4 * rng.standard_normal((N, DIM))).astype(np.float32)
    put(root, 1, 0, rows[: N // 2])
    put(root, 2, N // 2, rows[N // 2 :])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(approximate, "LEAST_ROWS", 1000)
        made = CliRunner().invoke(cli.app, ["catalogue", "index", str(root)])
    assert "3,000 tracks" in made.stdout
    return root


def test_most_of_the_nearest_are_found_and_their_scores_are_exact(cat: Path) -> None:
    opened = catalogue.load(cat)
    queries = np.concatenate([block.rows.reshape(-1, DIM)[:20] for block in opened.blocks(n_rows=1500)])
    exact = searching.nearest(opened, queries, 10)
    found = searching.nearest(opened, queries, 10, approximately=True)
    assert searching.nearest(opened, queries[:1], 10, approximately=True).n_searched <= 10 * approximate.COMPARED_EACH
    shared = [len(set(a) & set(b)) for a, b in zip(exact.tracks.tolist(), found.tracks.tolist(), strict=True)]
    assert np.mean(shared) > 9
    every = searching.nearest(opened, queries, N)
    for query in range(len(queries)):
        scores = dict(zip(every.tracks[query].tolist(), every.scores[query].tolist(), strict=True))
        expected = [scores[track] for track in found.tracks[query].tolist()]
        np.testing.assert_allclose(found.scores[query], expected, atol=1e-6)


@pytest.mark.parametrize(("label", "n"), [("few", 3), ("half", 1497)])
def test_what_few_rows_fulfil_is_found_too(cat: Path, label: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "CELLS_LOOKED_INTO", 1)
    exact = catalogue.search(cat, "8", 3, where=[f"of={label}"])
    found = catalogue.search(cat, "8", 3, where=[f"of={label}"], approximately=True)
    assert [hit.labels for hit in found.hits] == [{"of": label}] * 3
    assert found.n_searched <= 4 * approximate.COMPARED_EACH < exact.n_searched == n or found.n_searched == n == 3
    assert found.hits == exact.hits or label == "half"


def test_what_is_allowed_may_lie_in_other_cells_than_what_is_near(cat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "CELLS_LOOKED_INTO", 1)
    monkeypatch.setattr(approximate, "COMPARED_EACH", 1)
    opened = catalogue.load(cat)
    query = next(iter(opened.blocks())).rows.reshape(-1, DIM)[:1]
    scores = searching.nearest(opened, query, N)
    far = np.zeros(N, bool)
    far[scores.tracks[0, -10:]] = True
    found = searching.nearest(opened, query, 5, "track", far, approximately=True)
    assert np.isfinite(found.scores).all()
    assert far[found.tracks].all()


def test_the_verb_says_that_it_is_approximate(cat: Path) -> None:
    done = CliRunner().invoke(cli.app, ["catalogue", "search", str(cat), "7", "--approximate", "-k", "3"])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 4
    assert "approximate: nearer ones may have been missed" in done.stderr


def test_a_damaged_index_is_refused_and_made_again(cat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "LEAST_ROWS", 1000)
    before = catalogue.search(cat, "7", approximately=True)
    (index,) = cat.glob("*.faiss")
    for n_bytes in (index.stat().st_size // 2, 10, 0):
        os.truncate(index, n_bytes)
        with pytest.raises(DataError, match=r"got a damaged file\. Make it: earmark catalogue index"):
            catalogue.search(cat, "7", approximately=True)
    approximate.build(catalogue.load(cat), "track")
    assert catalogue.search(cat, "7", approximately=True) == before


def test_an_index_of_the_catalogue_before_is_refused(cat: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="keeps tracks only"):
        catalogue.search(cat, "7", level="segment", approximately=True)
    put(cat, 3, N, np.ones((1, DIM), np.float32))
    with pytest.raises(DataError, match=r"no index of its tracks as they are now\. Make it: earmark catalogue index"):
        catalogue.search(cat, "7", approximately=True)


def test_few_rows_need_no_index(tmp_path: Path, cat: Path) -> None:
    (tmp_path / form.FILE).write_text((cat / form.FILE).read_text())
    put(tmp_path, 1, 0, np.ones((3, DIM), np.float32))
    with pytest.raises(UserError, match="of 3 exact search takes no time"):
        approximate.build(catalogue.load(tmp_path), "track")
