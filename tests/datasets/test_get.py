"""Getting a dataset from a server of our own: whole, one side, a subset; what may not be fetched says what to do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.datasets import _mtg_jamendo_audio, mtg_jamendo, names, tinysol
from earmark.datasets.get import get
from earmark.errors import DataError, MissingPart
from tests.miniatures import mtg_jamendo as miniature
from tests.sources.flaky_server import FlakyServer

NAME = "mtg-jamendo:genre"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    """Serves a miniature of MTG-Jamendo as its publisher serves the real one: tables, lists, archives, tracks."""
    published = tmp_path / "published"
    miniature.make(published, "audio-low")
    miniature.archive(published, "audio-low")  # for its lists: they are fetched whatever the encoding
    miniature.make(published)
    archives = miniature.archive(published)
    tracks = {f"raw_30s/audio/{one.relative_to(published / 'audio')}": one for one in published.glob("audio/*/*.mp3")}
    tables = {one.relative_to(published).as_posix(): one for one in published.glob("data/**/*") if one.is_file()}
    files = {f"raw_30s/audio/{one.name}": one for one in archives} | tracks | tables
    with FlakyServer({name: path.read_bytes() for name, path in files.items()}) as running:
        monkeypatch.setattr(_mtg_jamendo_audio, "HOSTS", (running.url("").rstrip("/"),) * 2)
        for variant, card in mtg_jamendo.CARDS.items():
            ours = tuple(replace(one, url=running.url(one.path)) for one in card.sources)
            monkeypatch.setitem(mtg_jamendo.CARDS, variant, replace(card, sources=ours))
        yield running


def asked(server: FlakyServer, ending: str) -> list[str]:
    return [one.path for one in server.asked if one.method == "GET" and one.path.endswith(ending)]


def test_a_whole_dataset_is_its_tables_and_all_its_archives(server: FlakyServer, tmp_path: Path) -> None:
    found = get(NAME, tmp_path / "root").dataset
    assert found is not None
    assert len(found.clips) == len({clip.id for clip in found.clips}) > 40
    assert all(clip.path.is_file() for clip in found.clips)
    assert asked(server, ".tar")
    assert not asked(server, ".mp3")
    assert not list((tmp_path / "root").rglob("*.tar")), "an unpacked archive is not kept"


def test_a_second_get_fetches_nothing(server: FlakyServer, tmp_path: Path) -> None:
    get(NAME, tmp_path / "root")
    server.asked.clear()
    assert all(one.was_there for one in get(NAME, tmp_path / "root").files)
    assert not server.asked


def test_a_subset_fetches_so_many_tracks_and_no_archive(server: FlakyServer, tmp_path: Path) -> None:
    found = get(NAME, tmp_path / "root", subset=12, stratify=True).dataset
    assert found is not None
    assert len(found.clips) == len(asked(server, ".mp3")) == 12
    assert not asked(server, ".tar")
    assert all(clip.path.is_file() for clip in found.clips)
    assert any("a subset: 12 of" in note for note in found.notes)


def test_a_subset_has_a_version_of_its_own(server: FlakyServer, tmp_path: Path) -> None:
    part, whole = (get(NAME, tmp_path / str(n), subset=n).dataset for n in (12, None))
    assert part is not None
    assert whole is not None
    assert part.version != whole.version


def test_a_larger_subset_holds_the_smaller_and_fetches_only_what_is_new(server: FlakyServer, tmp_path: Path) -> None:
    small = get(NAME, tmp_path / "root", subset=8, stratify=True).dataset
    server.asked.clear()
    large = get(NAME, tmp_path / "root", subset=20, stratify=True).dataset
    assert small is not None
    assert large is not None
    assert small.by_id.keys() < large.by_id.keys()
    assert len(asked(server, ".mp3")) == len(large.clips) - len(small.clips) == 12


@pytest.mark.parametrize("stratify", [True, False])
def test_the_same_subset_is_drawn_each_time(server: FlakyServer, tmp_path: Path, stratify: bool) -> None:
    one, other = (get(NAME, tmp_path / place, subset=9, stratify=stratify).dataset for place in ("a", "b"))
    assert one is not None
    assert other is not None
    assert one.by_id.keys() == other.by_id.keys()


def test_the_whole_after_a_subset_is_the_whole(server: FlakyServer, tmp_path: Path) -> None:
    get(NAME, tmp_path / "root", subset=8)
    found = get(NAME, tmp_path / "root").dataset
    assert found is not None
    assert len(found.clips) > 40
    assert not found.notes


def test_labels_alone_are_fetched_without_a_byte_of_audio(server: FlakyServer, tmp_path: Path) -> None:
    found = get(NAME, tmp_path / "root", only="labels")
    assert found.dataset is None
    assert {one.source.holds for one in found.files} == {"labels"}
    assert not asked(server, ".mp3")
    assert not asked(server, ".tar")


@pytest.mark.parametrize("n", [0, 100_000])
def test_a_subset_of_more_than_there_is_or_of_nothing_is_refused(server: FlakyServer, tmp_path: Path, n: int) -> None:
    with pytest.raises(DataError, match="Expected a subset of 1 to"):
        get(NAME, tmp_path / "root", subset=n)


def test_a_subset_of_what_comes_whole_is_refused_before_the_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(tinysol.CARD, sources=tuple(one for one in tinysol.CARD.sources if one.holds == "audio"))
    monkeypatch.setitem(tinysol.CARDS, "", card)
    with pytest.raises(DataError, match=r"comes whole \(1.0 GB as far as published\).* write subset: N"):
        get("tinysol", tmp_path / "root", subset=5)


def test_what_a_human_must_do_is_said_where_a_program_may_not_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(tinysol.CARD, status="request", instructions="Ask its authors by the form on their page.")
    monkeypatch.setitem(tinysol.CARDS, "", card)
    with pytest.raises(MissingPart, match="Ask its authors") as error:
        get("tinysol", tmp_path / "root")
    assert f"Put its files into '{tmp_path / 'root'}'" in str(error.value)
    assert error.value.exit_code == 4


def test_your_own_data_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is your own data"):
        get("folder", tmp_path)


class Toy:
    """A user's dataset, which keeps a file of its downloads."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def download(self) -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "a.wav").touch()
        with (self.root / "downloads").open("a") as file:
            file.write("once ")

    def load_track_ids(self) -> list[str]:
        return ["a"]

    def load_label(self) -> dict[str, str]:
        return {"a": "x"}

    def load_audio_paths(self) -> dict[str, str]:
        return {"a": "a.wav"}


def test_a_class_of_the_users_own_downloads_itself(tmp_path: Path) -> None:
    found = get("tests.datasets.test_get:Toy", tmp_path / "toy").dataset
    assert found is not None
    assert (tmp_path / "toy" / "downloads").read_text() == "once "
    assert [clip.path for clip in found.clips] == [tmp_path / "toy" / "a.wav"]
    names.load("tests.datasets.test_get:Toy", tmp_path / "toy")
    assert (tmp_path / "toy" / "downloads").read_text() == "once ", "loading is not downloading"
