"""CREMA-D is read as it was published: what a name says, what raters heard, actors whole in every part."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import crema_d, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from tests.datasets.learning import learnt
from tests.miniatures import crema_d as miniature

TABLE = "processedResults/summaryTable.csv"
OTHERS = ("DFA", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")  # sentences without levels


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crema_d")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "crema_d"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("crema-d", published)


def test_a_name_says_actor_sentence_emotion_and_level(found: Dataset, published: Path) -> None:
    clip = found.by_id["1020_IEO_ANG_LO"]
    assert clip.path == published / "AudioWAV/1020_IEO_ANG_LO.wav"
    assert clip.group == "1020"
    assert clip.targets == {
        "emotion": "anger",
        "heard": "anger",
        "level": "low",
        "sentence": "IEO",
        "sex": "female",
        "actor": "1020",
    }


def test_a_level_that_was_not_asked_for_is_none(found: Dataset) -> None:
    assert "level" not in found.by_id["1001_DFA_SAD_XX"].targets


def test_what_was_heard_is_the_vote_and_none_where_raters_were_at_odds(found: Dataset) -> None:
    assert found.by_id["1001_DFA_ANG_XX"].targets["heard"] == "neutral"
    assert "heard" not in found.by_id["1001_DFA_DIS_XX"].targets


def test_the_file_that_lost_a_letter_is_found_by_the_name_in_the_table(found: Dataset) -> None:
    assert found.by_id["1040_ITH_SAD_X"].targets["emotion"] == "sadness"
    assert "1040_ITH_SAD_XX" not in found.by_id


def test_clips_without_sound_and_recordings_under_two_names_are_left_out_and_said(found: Dataset) -> None:
    out = {"1064_IEO_DIS_MD", "1064_TIE_SAD_XX", "1006_TIE_NEU_XX"}
    assert not out & set(found.by_id)
    assert "1006_TIE_HAP_XX" in found.by_id
    assert len(found.notes) == len(out)
    assert len(found.clips) == 7 * 12 + 2


def test_the_split_is_of_actors_as_tensorflow_datasets_draws_them(found: Dataset) -> None:
    (split,) = found.splits["tfds"]
    actors = [{found.by_id[name].group for name in ids} for ids in (split.train, split.valid, split.test)]
    assert actors == [{"1001", "1006", "1064"}, {"1015", "1020"}, {"1010", "1040"}]
    assert "1040_ITH_SAD_X" not in split.test, "it was not found under the table's name, so it is in no part"


def test_the_actors_of_valid_and_test_have_as_many_clips_as_tensorflow_datasets_says(root: Path) -> None:
    """Golden: 738 and 1,556 of its catalogue. 82 clips were planned of each actor; those of train are 20 short."""
    others = [f"{sentence}_{emotion}_XX" for sentence in OTHERS for emotion in miniature.EMOTIONS]
    levels = [
        f"IEO_{emotion}_{level}" for emotion in miniature.EMOTIONS if emotion != "NEU" for level in crema_d.LEVELS
    ]
    planned = [f"{actor}_{clip}" for actor in crema_d.ACTORS for clip in (*others, *levels, "IEO_NEU_XX")]
    assert len(planned) == 91 * 82
    (root / TABLE).write_text("".join(f"{line}\n" for line in ("FileName,VoiceVote", *(f"{one},A" for one in planned))))
    (root / "VideoDemographics.csv").write_text("ActorID,Sex\n" + "".join(f"{one},Male\n" for one in crema_d.ACTORS))
    (split,) = names.load("crema-d", root).splits["tfds"]
    (published,) = (card.sizes[0] for card in crema_d.CARD.splits)
    assert (len(split.valid), len(split.test)) == published[1:] == (738, 1556)
    assert len(split.train) == published[0] + 20


def test_the_parts_on_the_card_are_all_clips_but_the_renamed_one(found: Dataset) -> None:
    (card,) = found.card.splits
    assert found.card.n_clips == 7442 - len(found.card.bad)
    assert sum(card.sizes[0]) == found.card.n_clips - len(crema_d.NOT_OF_TFDS)


def test_every_law_holds_and_all_files_are_there(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()


def test_the_actor_is_no_label_of_a_split_by_actors(found: Dataset) -> None:
    (drawn,) = splits.resolve(found, None, "sex")
    assert drawn.name.startswith("random")
    assert "tfds" not in found.splits_for("actor")


def test_each_clip_can_be_fetched_alone(root: Path, found: Dataset) -> None:
    alone = crema_d.track_sources("", root)
    assert [one.clip.id for one in alone] == [clip.id for clip in found.clips]
    (renamed,) = (one for one in alone if one.clip.id == "1040_ITH_SAD_X")
    assert renamed.source.path == "AudioWAV/1040_ITH_SAD_X.wav"
    assert renamed.source.url.endswith("/AudioWAV/1040_ITH_SAD_X.wav")
    assert crema_d.sources_after_labels("", root) == tuple(one.source for one in alone)


def test_the_tables_may_lie_in_the_root(root: Path, found: Dataset) -> None:
    (root / TABLE).rename(root / "summaryTable.csv")
    assert names.load("crema-d", root).version == found.version


def test_a_missing_file_is_listed(root: Path) -> None:
    (root / "AudioWAV/1001_IEO_SAD_HI.wav").unlink()
    (law,) = conformance.broken_by_dataset(names.load("crema-d", root))
    assert "1 of 86 files are not there, first: 1001_IEO_SAD_HI" in law


@pytest.mark.parametrize("lost", [TABLE, "AudioWAV", "VideoDemographics.csv"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset crema-d"):
        names.load("crema-d", root)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (TABLE, "FileName", "fileName", "it lacks FileName"),
        (TABLE, "1001_DFA_ANG_XX", "1001_DFA_JOY_XX", "expected names such as .* got '1001_DFA_JOY_XX'"),
        (TABLE, "1001_DFA_ANG_XX", "2001_DFA_ANG_XX", r"by actors of .* got '2001_DFA_ANG_XX'"),
        ("VideoDemographics.csv", "1001,", "1002,", r"by actors of VideoDemographics.csv \(1001 to 1091\), got '1001_"),
    ],
)
def test_another_table_is_refused(root: Path, file: str, old: str, new: str, message: str) -> None:
    table = root / file
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"{message}[\s\S]*earmark get dataset crema-d --only labels"):
        names.load("crema-d", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'crema-d:audio'"):
        crema_d.load("audio", root)
    with pytest.raises(UnknownName, match="crema-d"):
        names.load("crema-d:audio", root)


def test_on_the_miniature_emotions_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("crema_d_emotion", "crema-d", published, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n, row.n_groups) for row in scores} == {("tfds", 24, 2)}
    assert min(row.value or 0 for row in scores) > 0.8
