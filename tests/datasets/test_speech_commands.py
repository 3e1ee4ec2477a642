"""Speech Commands is read as it was published: words, speakers, the two lists; and as HEAR makes its task of it."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import names, speech_commands
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.sources import archives
from tests.datasets.learning import learnt
from tests.miniatures import speech_commands as miniature

NAME, HEAR = "speech-commands", "speech-commands:hear"
FOLDER, TESTING = "speech_commands_v0.02", "speech_commands_test_set_v0.02"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("speech_commands")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "speech_commands"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load(NAME, published)


@pytest.fixture(scope="module")
def hear(published: Path) -> Dataset:
    return names.load(HEAR, published)


def test_a_file_is_a_clip_of_its_folders_word_and_its_names_speaker(found: Dataset, published: Path) -> None:
    assert len(found.clips) == len(miniature.WORDS) * 8
    clip = found.by_id["marvin/2aca1e72_nohash_0"]
    assert clip.path == published / FOLDER / "marvin/2aca1e72_nohash_0.wav"
    assert clip.targets == {"word": "marvin"}
    assert clip.group == "2aca1e72"
    assert {one.targets["word"] for one in found.clips} == set(miniature.WORDS), "noise is no word"


def test_the_split_is_the_two_lists_and_the_rest_is_train(found: Dataset) -> None:
    (split,) = found.splits["official"]
    for role, ids in (("train", split.train), ("valid", split.valid), ("test", split.test)):
        assert {found.by_id[name].group for name in ids} == set(miniature.SPEAKERS[role])
        assert len(ids) == len(miniature.SPEAKERS[role]) * len(miniature.WORDS)


@pytest.mark.parametrize("name", [NAME, HEAR])
def test_every_law_holds_and_all_files_are_there(published: Path, name: str) -> None:
    assert conformance.broken_by_dataset(names.load(name, published)) == ()


def test_the_parts_on_the_card_are_all_clips(found: Dataset, hear: Dataset) -> None:
    (card,) = found.card.splits
    assert sum(card.sizes[0]) == found.card.n_clips
    full, fewer = (split.sizes[0] for split in hear.card.splits)
    assert sum(full) == hear.card.n_clips
    assert fewer == (16_000, 2_000, full[2])
    assert [split.name for split in hear.card.splits] == list(hear.splits)


def test_a_listed_file_that_is_not_there_stays_a_clip(root: Path, found: Dataset) -> None:
    (root / FOLDER / "yes/26e573a9_nohash_0.wav").unlink()
    other = names.load(NAME, root)
    assert other.version == found.version
    assert not other.by_id["yes/26e573a9_nohash_0"].path.is_file()


def test_hears_task_has_ten_words_and_one_class_for_the_others(hear: Dataset) -> None:
    said = {clip.targets["command"] for clip in hear.clips}
    assert said == {*miniature.COMMANDS, "_unknown_", "_silence_"}
    assert hear.by_id["bed/004ae714_nohash_0"].targets == {"command": "_unknown_"}
    assert hear.by_id["test/_unknown_/0132a06d_nohash_0"].targets == {"command": "_unknown_"}
    assert hear.by_id["test/_silence_/0132a06d_nohash_0"].group is None, "no speaker speaks there"


def test_hears_silence_is_a_second_of_noise_every_half_and_a_file_of_its_own_validates(hear: Dataset) -> None:
    (split,) = hear.splits["hear-full"]
    silent = [clip for clip in hear.clips if clip.targets["command"] == "_silence_" and clip.start_s is not None]
    starts = [0.0, 0.5, 1.0, 1.5, 2.0]  # range(0, 3.25 s - 1 s, half a second)
    for name, ids in (("white_noise", split.train), ("running_tap", split.valid)):
        pieces = [clip for clip in silent if clip.id in set(ids)]
        assert {clip.path.stem for clip in pieces} == {clip.group for clip in pieces} == {name}
        assert [(clip.start_s, clip.end_s) for clip in pieces] == [(start_s, start_s + 1) for start_s in starts]
    assert len(silent) == 2 * len(starts)


def test_hear_tests_on_the_second_archive_and_leaves_out_the_first_ones_test_list(hear: Dataset) -> None:
    (split,) = hear.splits["hear-full"]
    assert {hear.by_id[name].path.parents[1].name for name in split.test} == {TESTING}
    assert len(split.test) == 24
    assert not {"yes/0132a06d_nohash_0", "yes/ad63d93c_nohash_0"} & set(hear.by_id)
    assert len(split.train) == 5 * len(miniature.WORDS) + 5


def test_five_hours_are_drawn_as_pandas_draws_them() -> None:
    """Golden: pandas 2.3, DataFrame.sample(frac=1, random_state=str2int("SubsampleSplit(train)")) of 50 names."""
    every = {f"a{number:03d}": f"clip {number}" for number in reversed(range(50))}
    drawn = speech_commands.drawn_by_hear("train", every, 8)
    assert drawn == tuple(f"clip {number}" for number in (17, 21, 15, 23, 37, 30, 39, 24))
    assert sorted(speech_commands.drawn_by_hear("valid", every, 99)) == sorted(every.values())


def test_where_there_is_less_than_five_hours_all_is_drawn(hear: Dataset) -> None:
    (full,), (fewer,) = hear.splits["hear-full"], hear.splits["hear-5h"]
    assert (set(full.train), set(full.valid), full.test) == (set(fewer.train), set(fewer.valid), fewer.test)


@pytest.mark.parametrize("place", [".", f"SpeechCommands/{FOLDER}"])
def test_the_first_archive_may_lie_elsewhere(root: Path, found: Dataset, place: str, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / place
    target.parent.mkdir(parents=True, exist_ok=True)
    (root / FOLDER).rename(target)
    assert names.load(NAME, tmp_path / "elsewhere").version == found.version


def test_the_archives_unpack_to_what_is_read(root: Path, hear: Dataset) -> None:
    packed = miniature.archive(root)
    assert packed == [root / source.path for source in hear.card.sources]
    for path, source in zip(packed, hear.card.sources, strict=True):
        shutil.rmtree(root / str(source.unpack_into))
        archives.unpack([path], root / str(source.unpack_into))
    assert names.load(HEAR, root).version == hear.version


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        (NAME, f"{FOLDER}/validation_list.txt"),
        (NAME, f"{FOLDER}/testing_list.txt"),
        (HEAR, f"{FOLDER}/_background_noise_"),
        (HEAR, TESTING),
    ],
)
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, name: str, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset {name}"):
        names.load(name, root)


def test_empty_lines_and_other_line_ends_of_a_list_are_nothing(root: Path) -> None:
    expected = names.load(NAME, root).version
    path = root / FOLDER / "testing_list.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert names.load(NAME, root).version == expected


def test_a_line_of_a_list_that_names_no_file_is_refused(root: Path) -> None:
    with (root / FOLDER / "validation_list.txt").open("a") as file:
        file.write("yes\n")
    with pytest.raises(
        DataError, match=r"validation_list.txt:13: expected a file such as .*, got 'yes'\. Type: earmark"
    ):
        names.load(NAME, root)


def test_another_variant_is_refused(root: Path) -> None:
    with pytest.raises(UnknownName, match="speech-commands:hear"):
        speech_commands.load("v1", root)
    with pytest.raises(UnknownName, match="speech-commands"):
        names.load(f"{NAME}:v1", root)


def test_on_the_miniature_words_and_silence_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("speech_commands_hear", HEAR, published, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n) for row in scores} == {("hear-full", 24)}
    assert min(row.value or 0 for row in scores) > 0.7
