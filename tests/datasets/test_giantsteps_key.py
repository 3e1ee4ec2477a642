"""GiantSteps key is read out of its two repositories: sure keys, parts by a hash of artists, audio track by track."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import earmark
from earmark import conformance, metrics
from earmark.datasets import giantsteps_key, names, splits
from earmark.datasets.base import Dataset
from earmark.datasets.get import get
from earmark.datasets.giantsteps_key import COMMITS, MTG, TEST
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.miniatures import giantsteps_key as miniature
from tests.sources.flaky_server import FlakyServer

MTG_FOLDER, TEST_FOLDER = (f"{name}-{COMMITS[name]}" for name in (MTG, TEST))
KEYS, PEOPLE = f"{MTG_FOLDER}/annotations/annotations.txt", f"{MTG_FOLDER}/annotations/beatport_metadata.txt"

FITTING = "epochs: 300, patience: 50, learning_rate: 0.01, batch_size: 16, standardise: true"  # for so few clips


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("giantsteps_key")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "giantsteps_key"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("giantsteps-key", published)


def number(place: int) -> str:
    return str(miniature.FIRST_SURE + 7 * place)


def test_a_track_is_a_clip_by_its_number_with_key_genre_and_artist(found: Dataset, published: Path) -> None:
    assert len(found.clips) == miniature.N_SURE + len(miniature.UNSURE) + miniature.N_TEST
    clip = found.by_id["5061"]
    assert clip.path == published / MTG_FOLDER / "audio/5061.LOFI.mp3"
    assert clip.targets == {"key": "D# minor", "genre": "trance"}
    assert clip.group == "DJ 40"
    test = found.by_id["10089"]
    assert test.path == published / TEST_FOLDER / "audio/10089.LOFI.mp3"
    assert test.targets == {"key": "D# minor", "genre": "trance"}, "Eb minor is one of the 24 under another name"
    assert test.group is None


def test_only_one_key_of_full_confidence_is_a_key_and_the_others_are_counted(found: Dataset) -> None:
    unsure = [number(miniature.N_SURE + place) for place in range(len(miniature.UNSURE))]
    assert not [one for one in unsure if "key" in found.by_id[one].targets]
    assert all("genre" in found.by_id[one].targets for one in unsure)
    assert found.notes == ("6 of the MTG's 60 tracks carry no 'key': 5 with a confidence below 2, 1 with several keys",)
    assert {clip.targets["key"] for clip in found.clips if "key" in clip.targets} <= set(metrics.KEYS)


def _published_parts(artists: list[str]) -> list[str]:
    """The rule step by step, as its authors describe it."""
    rows = [[name.strip() for name in cell.split(",")] for cell in artists]
    ratios = ["train"] * 100 + ["valid"] * 16
    part = {n: ratios[int(hashlib.sha1(n.lower().encode()).hexdigest(), 16) % 116] for names in rows for n in names}
    for _ in range(2):
        for row in rows:
            if "valid" in [part[name] for name in row]:
                part.update(dict.fromkeys(row, "valid"))
    return ["valid" if "valid" in {part[name] for name in row} else "train" for row in rows]


def test_the_parts_are_those_of_the_published_rule(found: Dataset) -> None:
    (split,) = found.splits["castellon2021"]
    parts = _published_parts([miniature.artist(place) for place in range(miniature.N_SURE + len(miniature.UNSURE))])
    for part, ids in (("train", split.train), ("valid", split.valid)):
        assert list(ids) == [number(place) for place in range(miniature.N_SURE) if parts[place] == part]
    assert {number(3), number(4), number(6)} < set(split.valid), "who plays with Mia is valid, and who plays with them"
    assert len(split.train) > len(split.valid) > 8
    assert set(split.test) == {str(miniature.FIRST_TEST + 3 * place) for place in range(miniature.N_TEST)}


def test_two_looks_through_the_table_go_as_far_as_the_published_rule_and_no_farther() -> None:
    chain = [["Dan", "Cleo"], ["Bea", "Dan"], ["Ada", "Bea"], ["Mia", "Ada"], ["Cleo"]]
    assert giantsteps_key.parts_of(chain) == _published_parts([", ".join(names) for names in chain])
    assert giantsteps_key.parts_of(chain) == ["train", "valid", "valid", "valid", "train"]
    assert giantsteps_key.parts_of(chain[::-1]) == ["valid"] * 5


def test_every_law_of_a_dataset_holds(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()
    assert "not known" in found.card.splits[0].leak


def test_the_split_is_the_default_for_key_alone(found: Dataset) -> None:
    assert splits.resolve(found, None, "key")[0].split == found.splits["castellon2021"][0]
    (drawn,) = splits.resolve(found, None, "genre")
    assert drawn.name == "random-0.8-0.1-0.1"


def _cloned(root: Path) -> None:
    for name, commit in COMMITS.items():
        (root / f"{name}-{commit}").rename(root / name)


def _of_the_branch(root: Path) -> None:
    for name, commit in COMMITS.items():
        (root / f"{name}-{commit}").rename(root / f"{name}-master")


@pytest.mark.parametrize("unpacked", [_cloned, _of_the_branch])
def test_a_clone_is_the_same_dataset(root: Path, found: Dataset, unpacked: Callable[[Path], None]) -> None:
    unpacked(root)
    other = names.load("giantsteps-key", root)
    assert other.version == found.version
    assert all(clip.path.is_file() for clip in other.clips)


@pytest.mark.parametrize("lost", [MTG_FOLDER, TEST_FOLDER, KEYS, PEOPLE, f"{TEST_FOLDER}/annotations/key"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset giantsteps-key"):
        names.load("giantsteps-key", root)


def test_without_all_audio_it_is_missing_and_without_some_it_is_listed(root: Path) -> None:
    shutil.rmtree(root / MTG_FOLDER / "audio")
    assert not names.load("giantsteps-key", root).by_id["5061"].path.exists()
    shutil.rmtree(root / TEST_FOLDER / "audio")
    with pytest.raises(MissingPart, match=rf"expected '{TEST_FOLDER}/audio' there"):
        names.load("giantsteps-key", root)


def test_the_archives_unpack_to_what_names_every_track_with_its_host_and_md5(root: Path, found: Dataset) -> None:
    packed = {path.name: path for path in miniature.archive(root)}
    other = root / "other"
    for source in found.card.sources:
        assert source.holds == "labels"
        archives.unpack([packed[Path(source.path).name]], other / str(source.unpack_into))
    tracks = {one.clip.id: one for one in giantsteps_key.track_sources("", other)}
    assert tracks.keys() == found.by_id.keys()
    assert giantsteps_key.sources_after_labels("", other) == tuple(one.source for one in tracks.values())
    for clip in found.clips:
        source = tracks[clip.id].source
        assert found.root / source.path == clip.path
        assert source.checksum == f"md5:{hashlib.md5(clip.path.read_bytes()).hexdigest()}"
        folder = "mtg_key_backup" if clip.group else "backup"
        assert source.url == f"http://www.cp.jku.at/datasets/giantsteps/{folder}/{clip.id}.LOFI.mp3"


def test_a_subset_is_fetched_track_by_track_out_of_both_sets(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"archives/{path.name}": path.read_bytes() for path in miniature.archive(root)}
    for name, backup in giantsteps_key.BACKUPS.items():
        tracks = (root / f"{name}-{COMMITS[name]}" / "audio").iterdir()
        files |= {f"{backup}/{path.name}": path.read_bytes() for path in tracks}
    with FlakyServer(files) as server:
        card = giantsteps_key.CARD
        ours = tuple(replace(one, url=server.url(one.path), checksum="") for one in card.sources)
        monkeypatch.setitem(giantsteps_key.CARDS, "", replace(card, sources=ours))
        monkeypatch.setattr(giantsteps_key, "HOST", server.url("").rstrip("/"))
        got = get("giantsteps-key", tmp_path / "fetched", subset=20).dataset
    assert got is not None
    assert len(got.clips) == 20
    assert {clip.path.parent.parent.name for clip in got.clips} == {MTG_FOLDER, TEST_FOLDER}
    assert all(clip.path.is_file() for clip in got.clips)


def test_what_is_no_md5_is_refused(root: Path) -> None:
    (root / MTG_FOLDER / "md5/5061.LOFI.md5").write_text("<html>")
    with pytest.raises(DataError, match=r"5061\.LOFI\.md5: expected an md5 of 32 digits, got '<html>'"):
        giantsteps_key.track_sources("", root)


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        (KEYS, "MANUAL KEY", "KEY", "it lacks MANUAL KEY"),
        (KEYS, "5061\tD# minor\t2", "5061\tD# minor", r"txt:2: expected 3 cells, got 2"),
        (KEYS, "5061\tD# minor\t2", "5061\tD# other\t2", "'D# other' is not a major or minor key"),
        (KEYS, "5061\t", "4\t", r"track 4 has no row in beatport_metadata\.txt"),
        (PEOPLE, "ARTIST", "NAME", "it lacks ARTIST"),
        (PEOPLE, "5061\t", "id\t", "expected a track's number, got 'id'"),
    ],
)
def test_a_table_that_is_not_as_published_is_refused(root: Path, table: str, old: str, new: str, message: str) -> None:
    text = (root / table).read_text()
    assert old in text
    (root / table).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"{message}[\s\S]*earmark get dataset giantsteps-key --only labels"):
        names.load("giantsteps-key", root)


def test_a_test_track_without_one_key_is_refused_with_its_file(root: Path) -> None:
    path = root / TEST_FOLDER / "annotations/key/10089.LOFI.key"
    path.write_text("Bb major / G minor")
    with pytest.raises(DataError, match=r"10089\.LOFI\.key: 'Bb major / G minor' is not a major or minor key"):
        names.load("giantsteps-key", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'giantsteps-key:plus'"):
        giantsteps_key.load("plus", root)
    with pytest.raises(UnknownName, match="giantsteps-key"):
        names.load("giantsteps-key:plus", root)


def test_on_the_miniature_key_is_learnt_on_one_set_and_scored_on_the_other(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    file = tmp_path / "giantsteps.yml"
    file.write_text(
        f"""name: giantsteps-miniature
resamples: 20
experiments:
  - task: giantsteps_key
    datasets: [{{name: giantsteps-key, dir: {published}}}]
    representations: [logmel]
    probes: [{{preset: mir_ref-fixed, only: [M1], {FITTING}}}]
    seeds: [0]
"""
    )
    done = earmark.run(file, quiet=True)
    assert not done.failures
    scores = [row for row in done.rows if row.probe != "constant" and row.metric == "key_score" and row.label is None]
    assert {(row.split, row.n) for row in scores} == {("castellon2021", miniature.N_TEST)}
    assert min(row.value or 0 for row in scores) > 0.8
