"""Getting a dataset from a server of our own: whole, one side, a subset; what may not be fetched says what to do."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earmark.datasets import _mtg_jamendo_audio, mtg_jamendo, names, tinysol
from earmark.datasets.get import get
from earmark.errors import DataError, MissingPart, UserError
from earmark.nouns import Source
from earmark.sources.fetch import Fetched
from tests.miniatures import mtg_jamendo as miniature
from tests.sources.flaky_server import FlakyServer

NAME = "mtg-jamendo:genre"
get_module = sys.modules["earmark.datasets.get"]


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"subset": 0}, "Expected a subset of 1 to 55094 clips, got 0"),
        ({"subset": -3}, "Expected a subset of 1 to 55094 clips, got -3"),
        ({"subset": 100_000}, "Expected a subset of 1 to 55094 clips, got 100000"),
        ({"stratify": True}, "none is asked for: add --subset N"),
        ({"subset": 5, "only": "labels"}, "--only labels fetches none: leave out one of the two"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_a_byte_is_fetched(
    server: FlakyServer, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        get(NAME, tmp_path / "root", **options)
    assert not server.asked
    assert not (tmp_path / "root").exists()


def test_a_subset_of_more_than_the_labels_tell_of_is_refused_and_leaves_no_folder_of_audio(
    server: FlakyServer, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"Expected a subset of 1 to 60 clips, got 5000"):
        get(NAME, tmp_path / "root", subset=5000)
    assert not (tmp_path / "root" / "audio").exists()


def test_a_subset_of_what_comes_whole_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    # Its sources are those of the publisher, which no test can reach.
    with pytest.raises(DataError, match=r"comes whole \(1.0 GB as far as published\).* write subset: N"):
        get("tinysol", tmp_path / "root", subset=5)


def test_a_subset_is_what_was_asked_for_last_whatever_was_there(server: FlakyServer, tmp_path: Path) -> None:
    root = tmp_path / "root"
    get(NAME, root, subset=8)
    after = get(NAME, root, subset=12, stratify=True).dataset
    alone = get(NAME, tmp_path / "other", subset=12, stratify=True).dataset
    assert after is not None
    assert alone is not None
    assert after.by_id.keys() == alone.by_id.keys()
    assert after.version == alone.version
    assert names.load(NAME, root).by_id.keys() == alone.by_id.keys()


def test_variants_in_one_folder_have_each_their_own_subset(server: FlakyServer, tmp_path: Path) -> None:
    root, other = tmp_path / "root", "mtg-jamendo:instrument"
    genre = get(NAME, root, subset=8).dataset
    instrument = get(other, root, subset=10, stratify=True).dataset
    assert genre is not None
    assert instrument is not None
    assert (len(genre.clips), len(instrument.clips)) == (8, 10)
    for name, got in ((NAME, genre), (other, instrument)):
        assert names.load(name, root).by_id.keys() == got.by_id.keys()
        assert names.load(name, root).version == got.version


def test_the_plain_name_and_the_variant_that_it_means_have_one_subset(server: FlakyServer, tmp_path: Path) -> None:
    plain = get("mtg-jamendo", tmp_path / "root", subset=7).dataset
    assert plain is not None
    assert names.load("mtg-jamendo:top50", tmp_path / "root").by_id.keys() == plain.by_id.keys()
    assert names.load("mtg-jamendo", tmp_path / "root").by_id.keys() == plain.by_id.keys()


@pytest.mark.parametrize("subset", [None, 20])
def test_a_get_that_fails_leaves_the_subset_that_was_there(
    server: FlakyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subset: int | None
) -> None:
    small = get(NAME, tmp_path / "root", subset=8).dataset
    assert small is not None

    def refused(sources: Sequence[Source], *_: object, **__: object) -> tuple[Fetched, ...]:
        if any(one.holds == "audio" for one in sources):
            raise MissingPart("no room on the disk")
        return ()

    monkeypatch.setattr(get_module, "fetch", refused)
    with pytest.raises(MissingPart, match="no room"):
        get(NAME, tmp_path / "root", subset=subset)
    left = names.load(NAME, tmp_path / "root")
    assert (left.by_id.keys(), left.notes) == (small.by_id.keys(), small.notes)


@pytest.mark.parametrize("content", [b"[1, 2", b'["track_1"]', b'{"mtg-jamendo:genre": 3}', b"\xff"])
def test_a_broken_note_of_a_subset_is_named_with_what_to_do(
    server: FlakyServer, tmp_path: Path, content: bytes
) -> None:
    get(NAME, tmp_path / "root", subset=8)
    (tmp_path / "root" / ".earmark-subset.json").write_bytes(content)
    with pytest.raises(DataError, match=r"\.earmark-subset\.json: expected .* Delete it, and fetch the subset again"):
        names.load(NAME, tmp_path / "root")


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


class Offline(Toy):
    """A user's dataset whose host is not there."""

    def download(self) -> None:
        raise FileNotFoundError("no such host")


def test_what_a_download_of_the_users_own_raises_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"test_get:Offline\.download raised FileNotFoundError: no such host \(test_get\.py, line \d+\)"
    ):
        get("tests.datasets.test_get:Offline", tmp_path / "toy")


@pytest.mark.parametrize("options", [{"only": "audio"}, {"subset": 3}, {"stratify": True}])
def test_a_class_of_the_users_own_comes_whole(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="downloads itself, whole: leave out --only, --subset and --stratify"):
        get("tests.datasets.test_get:Toy", tmp_path / "toy", **options)
    assert not (tmp_path / "toy").exists()
