"""Search against brute force: tracks, segments, filters, and what is near what."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earmark import catalogue
from earmark.catalogue import conditions, form, listing, parts, searching
from earmark.catalogue.form import Form
from earmark.catalogue.listing import Entry
from earmark.catalogue.parts import Track
from earmark.catalogue.reader import Catalogue
from earmark.catalogue.writing import Writer
from earmark.errors import DataError, UserError
from tests.catalogue.sounding_files import NETWORK, RATE, folder_of, sounding

DIM = 6


def made(root: Path, n_tracks: int, n_parts: int, seed: int, labels: Callable[[int], object] = lambda _: {}) -> Path:
    """Write a catalogue of random rows, with 0 to 4 segments a track, one of them a zero row."""
    root.mkdir()
    how = Form(NETWORK, 1, "", "", RATE, (0,), ("mean",), DIM, 1.0, 1.0, "both")
    (root / form.FILE).write_text(json.dumps(asdict(how)))
    rng = np.random.Generator(np.random.PCG64(seed))
    for number in range(n_parts):
        writer = Writer(root, DIM, number + 1)
        for track in range(number, n_tracks, n_parts):
            n = int(rng.integers(0, 5))
            rows = rng.standard_normal((n + 1, DIM)).astype(np.float32)
            rows[0] *= track % 7 > 0
            times = [*((float(at), at + 1.0) for at in range(n)), (0.0, float(n))]
            told = json.dumps(labels(track))
            entry = Entry(f"{track:032x}", f"/m/{track}.wav", f"{track}", "/m", None, None, "", 1, 1, float(n), told)
            writer.put(entry, Track(entry, rows, times, [False] * n + [True]))
        writer.flush()
    return root


def brute(
    opened: Catalogue, query: np.ndarray, level: str, k: int, keep: Callable[[str], bool] = lambda _: True
) -> list[tuple[str, float]]:
    """Return the best tracks by scores computed one by one, in float64."""
    best = dict[str, float]()
    for block in opened.blocks(level):  # type: ignore[arg-type]
        for key, row in zip(block.keys, block.rows.reshape(-1, DIM).astype(np.float64), strict=True):
            length = np.linalg.norm(row) * np.linalg.norm(query)
            score = float(row @ query / length) if length else 0.0
            if keep(key):
                best[key] = max(best.get(key, -np.inf), score)
    return sorted(best.items(), key=lambda item: -item[1])[:k]


@given(
    n_tracks=st.integers(1, 60),
    n_parts=st.integers(1, 4),
    seed=st.integers(0, 1000),
    k=st.integers(1, 12),
    block=st.integers(1, 40),
    level=st.sampled_from(["track", "segment"]),
)
def test_the_nearest_are_those_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, n_tracks: int, n_parts: int, seed: int, k: int, block: int, level: str
) -> None:
    opened = catalogue.load(made(tmp_path_factory.mktemp("cat") / "c", n_tracks, n_parts, seed))
    queries = np.random.Generator(np.random.PCG64(seed + 1)).standard_normal((3, DIM)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opened, "stretches", partial(opened.stretches, n_rows=block))
        found = searching.nearest(opened, queries, k, level)  # type: ignore[arg-type]
    for query, scores, rows in zip(queries, found.scores, found.rows, strict=True):
        expected = brute(opened, query, level, k)
        got = [opened.record(int(row))["key"].tobytes().hex() for row in rows if row >= 0]
        np.testing.assert_allclose(scores[: len(expected)], [score for _, score in expected], atol=1e-6)
        assert len(got) == len(set(got)) == len(expected)
    assert found.n_searched == opened.n_rows(level)  # type: ignore[arg-type]


def test_conditions_and_times_leave_out_what_does_not_fulfil_them(tmp_path: Path) -> None:
    labels = {0: {"genre": "rock"}, 1: {"genre": "jazz", "bpm": 120.0}, 2: {"genre": ["rock", "live"], "bpm": 90.0}}
    cat = made(tmp_path / "c", 40, 2, 5, lambda track: labels.get(track % 4, {}))
    opened = catalogue.load(cat)
    query = np.ones((1, DIM), np.float32)
    for where, kept in (
        (["genre=rock"], (0, 2)),
        (["genre!=rock"], (1,)),
        (["genre=rock", "bpm<100"], (2,)),
        (["bpm>=90"], (1, 2)),
        (["bpm=120"], (1,)),
    ):
        tracks = conditions.allowed(opened, where)
        found = searching.nearest(opened, query, 40, "track", tracks)
        keys = {opened.record(int(row))["key"].tobytes().hex() for row in found.rows[0] if row >= 0}
        assert keys == {f"{track:032x}" for track in range(40) if track % 4 in kept}
    within = searching.nearest(opened, query, 40, "segment", None, (1.0, 3.0))
    starts = {int(opened.record(int(row))["start_ms"]) for row in within.rows[0] if row >= 0}
    assert starts == {1000, 2000}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("genre", "Expected a condition such as genre=rock"),
        ("bpm>fast", "Expected a number behind >, got 'fast'"),
        ("genre==rock", r"Expected one of = != < <= > >=, got '==' in 'genre==rock'\. Write 'genre=rock'"),
        ("genre=>rock", "got '=>' in 'genre=>rock'. Write 'genre>=rock'"),
        ("gender=rock", "Unknown label 'gender'. Did you mean 'genre'"),
    ],
)
def test_a_wrong_condition_is_told(text: str, message: str, tmp_path: Path) -> None:
    opened = catalogue.load(made(tmp_path / "c", 4, 1, 5, lambda _: {"genre": "rock", "bpm": 90.0}))
    with pytest.raises(UserError, match=message):
        conditions.allowed(opened, [text])


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A catalogue of eight files in segments of 0.25 s."""
    music = folder_of(tmp_path / "music", 8, 1.0)
    catalogue.add(tmp_path / "cat", [music], NETWORK, segment_s=0.25)
    return tmp_path / "cat"


def test_a_file_finds_itself_first_and_an_id_finds_others(sounds: Path, tmp_path: Path) -> None:
    found = catalogue.search(sounds, tmp_path / "music" / "02.wav", k=3)
    assert found.hits[0].id == "02.wav"
    assert found.hits[0].score == pytest.approx(1.0, abs=1e-6)
    assert len(found.hits) == 3
    assert found.n_searched == 8
    by_id = catalogue.search(sounds, "02.wav", k=2)
    assert [one.id for one in by_id.hits] == [one.id for one in found.hits[1:]]
    assert catalogue.search(sounds, str(tmp_path / "music" / "02.wav"), k=1).hits[0].id == "02.wav"


def test_a_piece_is_found_where_it_occurs(sounds: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(tmp_path / "music" / "04.wav")
    soundfile.write(tmp_path / "piece.wav", samples[round(0.5 * rate) : round(0.75 * rate)], rate)
    (best, *_) = catalogue.search(sounds, tmp_path / "piece.wav", k=2, level="segment").hits
    assert (best.id, best.start_s, best.end_s) == ("04.wav", 0.5, 0.75)
    assert best.score > 0.999
    assert len({one.id for one in catalogue.search(sounds, "04.wav", k=7, level="segment").hits}) == 7


def test_a_region_is_found_at_its_time_in_the_file(tmp_path: Path) -> None:
    sounding(tmp_path / "a.wav", 1, 2.0)
    (tmp_path / "m.csv").write_text("path,id,start_s,end_s\na.wav,x,1.0,1.5\n")
    catalogue.add(tmp_path / "cat", [tmp_path / "m.csv"], NETWORK)
    (hit,) = catalogue.search(tmp_path / "cat", tmp_path / "a.wav").hits
    assert (hit.id, hit.start_s, hit.end_s) == ("x", 1.0, 1.5)


@pytest.mark.parametrize(
    ("query", "level", "message"),
    [
        ("20.wav", None, "'20.wav' is no file here, and no id of the catalogue. Did you mean"),
        ("02.wav", "frame", "Unknown level 'frame'"),
    ],
)
def test_a_wrong_query_is_told(query: str, level: str | None, message: str, sounds: Path) -> None:
    with pytest.raises(UserError, match=message):
        catalogue.search(sounds, query, level=level)  # type: ignore[arg-type]


def test_a_level_that_is_not_kept_is_told(tmp_path: Path) -> None:
    catalogue.add(tmp_path / "cat", [sounding(tmp_path / "a.wav", 1)], NETWORK)
    with pytest.raises(DataError, match="keeps tracks only, no segments"):
        catalogue.search(tmp_path / "cat", "a.wav", level="segment")


def test_a_million_rows_open_without_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cat = made(tmp_path / "c", 50, 3, 1)
    monkeypatch.setattr(listing, "read", lambda _: pytest.fail("names were read"))
    opened = catalogue.load(cat)
    searching.nearest(opened, np.ones((1, DIM), np.float32), 3)
    assert opened.n_tracks == 50


def test_rows_are_checked_against_what_was_written(tmp_path: Path) -> None:
    cat = made(tmp_path / "c", 20, 2, 1)
    assert catalogue.verify(cat) == []
    (first, *_) = sorted(cat.glob("*" + parts.ROWS))
    content = bytearray(first.read_bytes())
    content[10] ^= 1
    first.write_bytes(content)
    (problem,) = catalogue.verify(cat)
    assert problem.endswith("row 0 is damaged; compact drops its track")
    done = catalogue.compact(cat)
    assert len(done.dropped) == 1
    assert catalogue.load(cat).n_tracks == 19
    assert catalogue.verify(cat) == [f"{done.dropped[0]}: its rows are not there (harmless: the next add hears it)"]


def test_a_value_may_begin_with_a_sign_behind_a_space() -> None:
    assert conditions.read("genre= <unknown>") == ("genre", "=", "<unknown>")


def test_of_several_files_of_one_content_the_one_that_fulfils_the_conditions_is_shown(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sounding(tmp_path / f"{name}.wav", 1)
    sounding(tmp_path / "query.wav", 2)
    (tmp_path / "m.csv").write_text("path,genre\na.wav,jazz\nb.wav,rock\n")
    catalogue.add(tmp_path / "cat", [tmp_path / "m.csv"], NETWORK)
    for genre, name in (("jazz", "a.wav"), ("rock", "b.wav")):
        (hit,) = catalogue.search(tmp_path / "cat", tmp_path / "query.wav", where=[f"genre={genre}"]).hits
        assert (hit.id, Path(hit.path).name, hit.labels) == (name, name, {"genre": genre})
        assert [Path(path).name for path in hit.paths] == ["a.wav", "b.wav"]


def test_more_tracks_than_there_are_take_no_room(tmp_path: Path) -> None:
    opened = catalogue.load(made(tmp_path / "c", 5, 2, 1))
    found = searching.nearest(opened, np.ones((1, DIM), np.float32), 10**9)
    assert found.scores.shape[1] <= sum(len(part.records) for part in opened.parts)
    assert len(set(found.tracks[found.tracks >= 0].tolist())) == 5
