import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import names, splits, vocalset
from earmark.errors import MissingPart, UnknownName, UserError
from earmark.experiment.subjects import Placed, members
from earmark.tasks import TASKS
from tests.miniatures import vocalset as miniature


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("vocalset")
    miniature.make(made)
    return made


def test_singer_context_and_technique_are_read_from_the_folders_and_the_vowel_from_the_name(root: Path) -> None:
    found = vocalset.load("", root)
    assert conformance.broken_by_dataset(found) == ()
    clip = found.by_id["female1/scales/belt/f1_scales_belt_a"]
    assert clip.path == root / "FULL/female1/scales/belt/f1_scales_belt_a.wav"
    assert clip.group == "f1"
    assert clip.targets == {
        "singer": "f1",
        "gender": "female",
        "technique": "belt",
        "all_techniques": "belt",
        "vowel": "a",
        "context": "scales",
    }
    assert found.version.startswith("1.1+")


@pytest.mark.parametrize(
    ("name", "singer", "technique", "vowel"),
    [
        ("female2/arpeggios/vibrado/slow_vibrato_arps", "f2", "vibrato", None),
        ("female2/arpeggios/lip_trill/lip_trill_arps", "f2", "lip_trill", None),
        ("female4/scales/straight/scales_straight_a", "f4", "straight", "a"),
        ("female6/long_tones/trillo/f6_ long_trillo_a", "f6", "trillo", "a"),
        ("male1/scales/straight/m1_straight_tone_scales_u", "m1", "straight", "u"),
        ("male10/excerpts/vibrato/caro_vibrato", "m10", "vibrato", None),
        ("male11/excerpts/spoken/m11_row_spoken", "m11", "spoken", None),
    ],
)
def test_names_without_a_singer_and_misspelt_ones_are_understood(
    root: Path, name: str, singer: str, technique: str, vowel: str | None
) -> None:
    clip = vocalset.load("", root).by_id[name]
    assert (clip.targets["singer"], clip.targets["technique"]) == (singer, technique)
    assert clip.targets.get("vowel") == vowel


@pytest.mark.parametrize(
    ("name", "technique"),
    [
        ("f1_scales_lip_trill_a", "lip_trill"),
        ("f1_long_trillo_a", "trillo"),
        ("f1_long_trill_a", "trill"),
        ("f5_scales_f_sow_forte_o", "slow_forte"),
        ("m1_long_forte_a", "forte"),
        ("vibrado", "vibrato"),
        ("f1_long_trills_a", None),
    ],
)
def test_a_technique_is_the_longest_whole_words_of_a_name(name: str, technique: str | None) -> None:
    assert vocalset.technique_of(name) == technique


def test_where_name_and_folder_disagree_the_folder_wins_and_a_note_says_so(root: Path) -> None:
    found = vocalset.load("", root)
    lost, theirs = (found.by_id[f"{one}/excerpts/vibrato/m9_caro_vibrato"] for one in ("male8", "male9"))
    assert (lost.targets["singer"], lost.group) == ("m8", "m8")
    assert (theirs.targets["singer"], theirs.group) == ("m9", "m9")
    assert found.by_id["female9/arpeggios/fast_forte/arps_fast_piano_c"].targets["all_techniques"] == "fast_forte"
    singer, technique = found.notes[:2]
    assert singer.startswith("vocalset: 1 clips are named for another singer than their folder")
    assert singer.endswith(": male8/excerpts/vibrato/m9_caro_vibrato ('m9')")
    assert technique.startswith("vocalset: 1 clips are named for another technique than their folder")
    assert technique.endswith(": female9/arpeggios/fast_forte/arps_fast_piano_c ('fast_piano')")


def test_a_file_outside_the_folders_is_read_by_its_name_and_a_hidden_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "FULL" / "female1").mkdir(parents=True)
    for name in (
        "female1/f1_scales_belt_a.wav",
        "female1/._f1_scales_belt_a.wav",
        "m10_long_lip_trill_e.wav",
        "noise.WAV",
    ):
        (tmp_path / "FULL" / name).write_bytes(b"")
    found = vocalset.load("", tmp_path).by_id
    assert sorted(found) == ["female1/f1_scales_belt_a", "m10_long_lip_trill_e", "noise"]
    assert found["female1/f1_scales_belt_a"].targets["technique"] == "belt"
    assert found["m10_long_lip_trill_e"].targets["singer"] == "m10"
    assert found["m10_long_lip_trill_e"].targets["technique"] == "lip_trill"
    assert found["noise"].targets == {}
    assert found["noise"].group is None


def test_the_split_goes_by_whole_singer_ids_never_m1_for_m10_or_m11(root: Path) -> None:
    found = vocalset.load("", root)
    (split,) = found.splits["singers"]
    singers = [
        {str(found.by_id[one].targets["singer"]) for one in ids} for ids in (split.train, split.valid, split.test)
    ]
    assert singers == [
        {"f1", "f3", "f4", "f5", "f6", "f7", "m1", "m2", "m4", "m6", "m7", "m8"},
        {"f9", "m9", "m11"},
        {"f2", "f8", "m3", "m5", "m10"},
    ]
    assert sum(map(len, (split.train, split.valid, split.test))) == len(found.clips)
    listed = (root / "test_singers_technique.txt").read_text().split()
    assert {vocalset.singer_of(one) for one in listed} == singers[2]


@pytest.mark.parametrize(
    ("name", "singer"),
    [("male1", "m1"), ("male10", "m10"), ("m11_row_spoken", "m11"), ("male12", None), ("m1row", None), ("", None)],
)
def test_a_singer_is_a_whole_id(name: str, singer: str | None) -> None:
    assert vocalset.singer_of(name) == singer


def test_technique_has_the_ten_of_the_authors_in_each_part_and_no_other(root: Path) -> None:
    found = vocalset.load("", root)
    task = TASKS["vocalset_technique"]
    (named,) = splits.resolve(found, task.split, task.label)
    for ids in (named.split.train, named.split.valid, named.split.test):
        assert {found.by_id[one].targets["technique"] for one in ids} == set(vocalset.TEN)
    others = {clip.targets["all_techniques"] for clip in found.clips if "technique" not in clip.targets}
    assert others == {"fast_forte", "fast_piano", "slow_forte", "slow_piano"}
    assert len(vocalset.TECHNIQUES) == 17


def test_every_clip_says_who_sings_and_how_for_scores_per_singer_gender_and_technique(root: Path) -> None:
    clips = vocalset.load("", root).clips
    found = members([Placed("vocalset", clip) for clip in clips], ["singer", "gender", "all_techniques"])
    for attribute, n_values in (("singer", 20), ("gender", 2), ("all_techniques", 14)):
        parts = [positions for name, positions in found.items() if name.startswith(f"{attribute}=")]
        assert len(parts) == n_values
        assert sorted(position for part in parts for position in part) == list(range(len(clips)))


def test_the_split_was_made_for_technique_so_singers_are_drawn(root: Path) -> None:
    found = vocalset.load("", root)
    assert list(found.splits_for("technique")) == ["singers"]
    assert found.splits_for("singer") == {}


def test_the_three_copies_are_left_out_with_the_reason(root: Path) -> None:
    found = vocalset.load("", root)
    copies = [name for name in vocalset.CARD.bad if (root / "FULL" / f"{name}.wav").is_file()]
    assert len(copies) == 3
    for name in copies:
        original = root / "FULL" / f"{name.removesuffix('(1)')}.wav"
        assert original.read_bytes() == (root / "FULL" / f"{name}.wav").read_bytes()
        assert name not in found.by_id
        assert name.removesuffix("(1)") in found.by_id
        assert any(name in note and "the same bytes" in note for note in found.notes)


def test_the_trees_of_version_1_2_hold_the_same_audio_which_is_listed_once(tmp_path: Path, root: Path) -> None:
    miniature.make(tmp_path / "VocalSet1-2")
    (tmp_path / "VocalSet1-2" / "FULL").rename(tmp_path / "VocalSet1-2" / "data_by_singer")
    copy = tmp_path / "VocalSet1-2" / "data_by_technique" / "belt" / "f1_scales_belt_a.wav"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"")
    found = vocalset.load("", tmp_path)
    assert found.version == vocalset.load("", root).version
    (tmp_path / "VocalSet1-2" / "FULL" / "female1").mkdir(parents=True)
    (tmp_path / "VocalSet1-2" / "FULL" / "female1" / "f1_scales_belt_a.wav").write_bytes(b"")
    assert [clip.id for clip in vocalset.load("", tmp_path).clips] == ["female1/f1_scales_belt_a"]


def test_the_archive_and_any_nesting_of_the_singers_folders_are_the_same_dataset(tmp_path: Path, root: Path) -> None:
    whole = vocalset.load("", root).version
    assert vocalset.load("", root / "FULL").version == whole
    miniature.make(tmp_path / "made" / "VocalSet")
    assert vocalset.load("", tmp_path / "made").version == whole
    (packed,) = miniature.archive(tmp_path / "made" / "VocalSet")
    assert packed == tmp_path / "made" / "VocalSet" / vocalset.CARD.sources[0].path
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert vocalset.load("", tmp_path / "unpacked").version == whole


def test_missing_files_and_variants_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"expected 'FULL/female1' there\. Type: earmark get dataset vocalset"):
        vocalset.load("", tmp_path)
    (tmp_path / "FULL").mkdir()
    (tmp_path / "__MACOSX" / "FULL" / "female1").mkdir(parents=True)
    with pytest.raises(MissingPart, match="FULL/female1"):
        vocalset.load("", tmp_path)
    with pytest.raises(UserError, match=r"has no variants, got 'vocalset:technique'\. Write 'vocalset'"):
        vocalset.load("technique", tmp_path)
    with pytest.raises(UnknownName, match="Unknown dataset 'vocalset:technique'"):
        names.card("vocalset:technique")


def test_the_miniature_is_deterministic_small_and_has_every_singer_in_each_technique_it_shows(
    tmp_path: Path, root: Path
) -> None:
    miniature.make(tmp_path)
    files = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert all((root / path).read_bytes() == content for path, content in files.items())
    assert sum(map(len, files.values())) < 10_000_000
    shown = defaultdict(set)
    for clip in vocalset.load("", tmp_path).clips:
        shown[clip.targets["singer"]].add(clip.targets["all_techniques"])
    assert len(shown) == 20
    assert min(map(len, shown.values())) >= 6
