"""mirdata's datasets are earmark's: whole-track annotations are labels, people are groups, its splits are splits."""

import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from earmark import conformance
from earmark.datasets import _mirdata_tracks as tracks
from earmark.datasets import get, mirdata, names, splits
from earmark.errors import DataError, MissingPart, UnknownName
from tests.datasets.learning import learnt
from tests.miniatures import mirdata as miniature


@dataclass
class Track:
    """A track as mirdata's loaders make them: what it lacks, it has not got as an attribute or is None."""

    audio_path: str | None = None
    key: object = None
    genres: object = None
    tempo: object = None
    pitch_id: object = None
    tags: object = None
    artists: object = None
    instrument: object = None
    midi_nr: object = None
    fx_type: object = None
    canonical_composer: object = None
    tonic: object = None
    split: object = None
    beats: object = field(default_factory=object)


def test_what_is_said_of_a_whole_track_is_a_target() -> None:
    said = {
        "a": Track(key=["A minor "], genres={"genres": ["Techno"]}, tempo="128", pitch_id=60, tags=["dark", "film"]),
        "b": Track(key=["A minor", "C major"], tempo=np.float64(99.5), instrument=np.str_("flute")),
        "c": Track(key="Bb major", tempo=float("nan"), tags=[], instrument=" "),
        "d": Track(key=["-"], tempo="fast", genres={"genres": ["Techno", "House"]}),
        "e": Track(midi_nr="45", fx_type=11, canonical_composer="Clara Schumann"),
    }
    assert dict(tracks.targets_of("mirdata:made", said)) == {
        "a": {"key": "A minor", "genre": ("Techno",), "tempo": 128.0, "pitch": 60, "tags": ("dark", "film")},
        "b": {"tempo": 99.5, "instrument": "flute"},
        "c": {"key": "A# major", "tags": ()},
        "d": {"genre": ("House", "Techno")},
        "e": {"pitch": 45, "effect": "11", "composer": "Clara Schumann"},
    }


@pytest.mark.parametrize(
    ("tonics", "expected"),
    [(("B", "C#", None), ["B", "C#"]), (("138.6", 220.0, None), [138.6, 220.0]), (("B", 220.0), ["B", "220.0"])],
)
def test_a_tonic_is_a_name_or_a_number_in_all_tracks(tonics: tuple[object, ...], expected: list[object]) -> None:
    said = {str(place): Track(tonic=one) for place, one in enumerate(tonics)}
    found = dict(tracks.targets_of("mirdata:made", said))
    assert [each["tonic"] for each in found.values() if each] == expected


def test_class_names_that_are_digits_stay_names() -> None:
    assert dict(tracks.targets_of("mirdata:made", {"a": Track(instrument=3)})) == {"a": {"instrument": "3"}}


def test_those_who_share_a_track_are_one_group() -> None:
    said = {"a": Track(artists=["Ann", "Bo"]), "b": Track(artists=["Bo"]), "c": Track(artists=["Cy"]), "d": Track()}
    groups = tracks.groups_of("mirdata:made", said)
    assert groups["a"] == groups["b"] != groups["c"]
    assert "d" not in groups


def test_roles_are_a_split_and_numbers_are_folds_and_two_unknown_words_are_neither() -> None:
    roles = {"a": Track(split="train"), "b": Track(split="validation"), "c": Track(split="test"), "d": Track()}
    (split,) = tracks.splits_of("mirdata:made", roles)["mirdata"]
    assert (split.train, split.valid, split.test) == (("a",), ("b",), ("c",))
    folds = {str(i): Track(split=i % 11) for i in range(22)}
    found = tracks.splits_of("mirdata:made", folds)["mirdata"]
    assert len(found) == 11
    assert (found[2].test, found[2].valid) == (("2", "13"), ("3", "14"))
    assert tracks.splits_of("mirdata:made", {"a": Track(split="x"), "b": Track(split="y")}) == {}


def test_what_mirdata_cannot_read_is_said_with_its_own_words() -> None:
    def broken() -> None:
        raise KeyError("Pitch ID")

    def lost() -> None:
        raise FileNotFoundError(2, "no such file", "meta.csv")

    with pytest.raises(DataError, match=r"'mirdata:made': mirdata itself failed: KeyError: 'Pitch ID'"):
        tracks.asked("mirdata:made", broken)
    with pytest.raises(MissingPart, match=r"no 'meta.csv'. Type: earmark get dataset mirdata:made "):
        tracks.asked("mirdata:made", lost)


def test_without_mirdata_the_line_to_install_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(MissingPart, match=r"Type: pip install 'earmark\[mirdata\]'"):
        names.load("mirdata:ballroom", tmp_path)


@pytest.mark.mirdata
def test_a_dataset_of_mirdata_is_read_with_an_index_beside_its_files(tmp_path: Path) -> None:
    home = miniature.giantsteps(tmp_path)
    found = names.load("mirdata:giantsteps_key", tmp_path)
    assert found.root == home
    assert found.by_id["2"].targets == {"key": "A# minor", "genre": ("Techno",), "tempo": 128.0}
    assert found.by_id["1"].group == found.by_id["2"].group != found.by_id["3"].group
    assert found.splits == {}
    assert found.card.bibtex.startswith("@")
    assert found.notes == (
        "mirdata:giantsteps_key: earmark reads it itself, with its splits as published: giantsteps-key",
        "mirdata:giantsteps_key: left out, annotations in time and others that no task takes: title",
    )
    assert conformance.broken_by_dataset(found) == ()
    assert names.load("mirdata:giantsteps-key", home).version == found.version


@pytest.mark.mirdata
def test_mirdatas_own_parts_are_folds_of_the_split(tmp_path: Path) -> None:
    found = names.load("mirdata:tinysol", miniature.notes(tmp_path))
    ours = names.load("tinysol", found.root)
    assert {clip.id: (clip.path, clip.targets["pitch"]) for clip in found.clips} == {
        clip.id: (clip.path, clip.targets["pitch"]) for clip in ours.clips
    }
    assert {tuple(sorted(fold.test)) for fold in found.splits["mirdata"]} == {
        tuple(sorted(fold.test)) for fold in ours.splits["folds"]
    }
    assert splits.resolve(found, None, "instrument")[0].name == "mirdata"


@pytest.mark.mirdata
def test_to_get_a_dataset_is_to_fetch_what_mirdata_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = miniature.giantsteps(tmp_path)
    said: list[tuple[str, Path]] = []

    def named(variant: str, root: Path) -> tuple[()]:
        said.append((variant, root))
        return ()

    monkeypatch.setattr(mirdata, "sources_after_labels", named)
    got = get.get("mirdata:giantsteps_key", home)
    assert said == [("giantsteps_key", home)]
    assert got.dataset is not None
    assert got.dataset.card.status == "open"


@pytest.mark.mirdata
def test_every_dataset_that_has_a_loader_of_ours_is_one_of_both() -> None:
    import mirdata as theirs

    assert set(mirdata.OURS) <= set(theirs.list_datasets())
    assert all(names.card(ours) for ours in mirdata.OURS.values())


@pytest.mark.mirdata
def test_every_dataset_names_what_would_be_fetched_below_its_own_folder(tmp_path: Path) -> None:
    import mirdata as theirs

    wanting, offline, broken = [], [], []
    for name in theirs.list_datasets():
        try:
            fetched = mirdata.sources_after_labels(name, tmp_path)
        except MissingPart as error:
            wanting.append(str(error).partition("Type: ")[2])
            continue
        except DataError as error:
            broken.append(str(error))
            continue
        if not fetched:
            offline.append(name)
            continue
        assert fetched[0].path.startswith(f"{name}/")
        assert fetched[0].path.endswith(".json")
        assert fetched[0].unpack_into is None
        assert all(one.path.startswith(f"{name}/") and one.checksum.startswith("md5:") for one in fetched)
    assert offline == ["hainsworth"], "its makers send it on request, index and all"
    assert [one.partition(". ")[0] for one in broken] == ["'mirdata:simac': mirdata itself failed: KeyError: '1.0'"]
    assert set(wanting) <= {f"pip install 'mirdata[{one}]'" for one in ("cipi", "dali", "haydn-op20")}


@pytest.mark.mirdata
def test_an_index_that_came_packed_is_read_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    home = miniature.giantsteps(tmp_path)
    (index,) = home.glob("*index*.json")
    content = index.read_bytes()
    with zipfile.ZipFile(index, "w") as packed:
        packed.writestr(index.name, content)
    assert len(names.load("mirdata:giantsteps_key", home).clips) == 3
    index.write_text("<html>")
    with pytest.raises(DataError, match=r"expected an index of mirdata, but: .* Delete it. Type: earmark get dataset"):
        names.load("mirdata:giantsteps_key", home)
    index.write_text('{"multitracks": {}}')
    with pytest.raises(DataError, match="has no tracks in its index"):
        names.load("mirdata:giantsteps_key", home)


@pytest.mark.mirdata
def test_what_is_not_there_is_named_with_the_line_to_type(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"needs the index .*ballroom.* Type: earmark get dataset mirdata:ballroom "):
        names.load("mirdata:ballroom", tmp_path)
    home = miniature.giantsteps(tmp_path)
    (home / "keys/1.key").unlink()
    with pytest.raises(MissingPart, match=r"mirdata found no '.*1.key'. Type: earmark get dataset mirdata:giantsteps_"):
        names.load("mirdata:giantsteps_key", home)
    (home / "audio").rename(home / "elsewhere")
    with pytest.raises(MissingPart, match=r"found no audio: looked first for '.*audio/1.wav'"):
        names.load("mirdata:giantsteps_key", home)


@pytest.mark.mirdata
@pytest.mark.parametrize("name", ["mirdata", "mirdata:ballrom"])
def test_a_name_that_mirdata_has_not_is_refused_with_the_nearest(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="mirdata:ballroom"):
        names.load(name, tmp_path)


@pytest.mark.mirdata
def test_on_a_dataset_of_mirdata_tones_are_learnt_from_log_mel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = miniature.gtzan(tmp_path)
    notes = names.load("mirdata:gtzan_genre", home).notes
    assert "1 of 31 tracks have no audio in mirdata's index, first 'rock.00010'" in notes[1]
    assert notes[2] == "mirdata:gtzan_genre: left out, annotations in time and others that no task takes: beats, tempo"
    scores = learnt("genre_classification", "mirdata:gtzan_genre", home, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n, row.unverified) for row in scores} == {("random-0.8-0.1-0.1", 3, True)}
    assert min(row.value or 0 for row in scores) > 0.8
