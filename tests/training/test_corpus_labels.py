"""Labels of a corpus: each track has those of the table or dataset, and what does not belong together is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark.cli.app import app
from earmark.cli.main import main  # noqa: F401  (imports every verb)
from earmark.errors import DataError
from earmark.nouns import Failure
from earmark.training import corpus, labels
from earmark.training.corpus import Corpus
from earmark.training.labels import Labels
from tests.training.made_corpora import RATE, audio_folder, corpus_of


@pytest.fixture
def made(tmp_path: Path) -> Corpus:
    """Tracks "0" to "3"; the clip "broken" could not become one."""
    found = corpus_of(tmp_path, 8, 5, 9, 7)
    return replace(found, failures=(Failure("folder", "broken", "broken", "silent"),))


def table(folder: Path, text: str, name: str = "tags.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_every_track_has_the_tags_of_its_line_and_a_file_keeps_them(made: Corpus, tmp_path: Path) -> None:
    found = labels.read(table(tmp_path, "id,genre\n3,rock|live\n0,jazz\nbroken,polka\n2,rock\n"), made)
    labels.write(found, tmp_path / "tags.jsonl")

    assert (found.label, found.tags) == ("genre", ("jazz", "live", "rock"))
    assert found.by_id == {"0": ("jazz",), "2": ("rock",), "3": ("live", "rock")}
    assert labels.open(tmp_path / "tags.jsonl", made) == found
    assert labels.open(tmp_path / "tags.jsonl", made).key == found.key


def test_a_file_keeps_names_with_any_character_that_ends_lines_elsewhere(made: Corpus, tmp_path: Path) -> None:
    found = Labels(made.key, "genre", ("a\u2028b", "c\x85"), {"0\u2029": ("c\x85",), "1\x1c": ("a\u2028b",)})
    labels.write(found, tmp_path / "tags.jsonl")
    assert labels.open(tmp_path / "tags.jsonl", made) == found


def test_a_track_without_a_label_is_not_one_without_tags(made: Corpus, tmp_path: Path) -> None:
    found = labels.read(table(tmp_path, "id,genre:tags\n0,jazz\n1,|\n2,\n"), made)
    assert found.by_id == {"0": ("jazz",), "1": ()}


def test_the_key_tells_other_labels_apart_and_not_their_order_in_the_table(made: Corpus, tmp_path: Path) -> None:
    texts = ("id,genre\n0,a\n1,b\n", "id,genre\n1,b\n0,a\n", "id,genre\n0,b\n1,a\n", "id,genre\n0,a\n1,b\n2,b\n")
    keys = [labels.read(table(tmp_path, text), made).key for text in texts]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_rare_tags_are_left_out_and_their_tracks_stay(made: Corpus, tmp_path: Path) -> None:
    found = labels.read(table(tmp_path, "id,genre\n0,a|x\n1,a\n2,y\n3,b\n"), made)
    assert labels.frequent(found, 1) == found
    assert labels.frequent(found, 2).by_id == {"0": ("a",), "1": ("a",), "2": (), "3": ()}
    with pytest.raises(DataError, match=r"all 4 labelled tracks have the same: none. Take another label"):
        labels.frequent(found, 3)


def test_a_label_is_chosen_where_there_are_several(made: Corpus, tmp_path: Path) -> None:
    source = table(tmp_path, "id\tgenre\tmood\n0\ta\tsad\n1\tb\tglad\n", "tags.tsv")
    assert labels.read(source, made, "mood").tags == ("glad", "sad")
    with pytest.raises(DataError, match=r"cannot tell which of its labels is meant. Write --label with one of: ge"):
        labels.read(source, made)
    with pytest.raises(DataError, match=r"the label 'moood' is meant. Did you mean 'mood'"):
        labels.read(source, made, "moood")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,genre\n0,a\n7,b\n", r"tags.csv:3: '.*' has no track '7'.*Write a table such as: id,genre"),
        ("id,genre\n0,a\n0,b\n", r"tags.csv:3: the track '0' stands here a second time. Remove one"),
        ("id,loud\n0,0.5\n1,0.7\n", r"tags.csv:2: expected tags in 'loud', got the number 0.5. .* 'loud:class'"),
        ("id,genre\n0,a\n1,a\n", "tell tracks apart, but all 2 labelled tracks have the same: a"),
        ("id,genre\nbroken,a\n", "has no label of any of 4 tracks"),
        ("id,genre\n0,\n1,\n", "has no label of any of 4 tracks of '.*', such as '0'"),
        ("id\n0\n1\n", "Write --label with one of: none, there is no label"),
        ("track,genre\n0,a\n", "expected a table with the columns id; it lacks id. Write a table such as"),
        ("id,genre\n", "expected rows below the head, got none"),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_their_line(made: Corpus, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        labels.read(table(tmp_path, text), made)


def test_a_table_that_is_not_there_is_an_error(made: Corpus, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a table of labels, or dataset:NAME, got '.*none.csv'"):
        labels.read(str(tmp_path / "none.csv"), made)


def test_files_of_another_corpus_or_damaged_are_refused(made: Corpus, tmp_path: Path) -> None:
    file = tmp_path / "tags.jsonl"
    labels.write(labels.read(table(tmp_path, "id,genre\n0,a\n1,b\n"), made), file)
    with pytest.raises(DataError, match=r"of another corpus \(key key\) than '.*' \(key other\). Make them: earmark"):
        labels.open(file, replace(made, key="other"))
    lines = file.read_text().splitlines(keepends=True)
    for damaged in (lines[:-1], [lines[0].replace('"scheme": 1', '"scheme": 9'), *lines[1:]], lines[1:], ["{"], []):
        file.write_text("".join(damaged))
        with pytest.raises(DataError, match="holds no labels as earmark writes them, or is damaged"):
            labels.open(file, made)
    file.write_text("".join([lines[0], lines[1].replace('"a"', '"b"'), lines[2]]))
    with pytest.raises(DataError, match="or is damaged"):
        labels.open(file, made)
    with pytest.raises(DataError, match=r"Expected labels in '.*none', found none. Make them: earmark corpus labels"):
        labels.open(tmp_path / "none", made)


def manifest(folder: Path) -> Path:
    """A data set of four files, of which one has no genre; and a number for each."""
    audio_folder(folder, 4)
    rows = ("a/0.wav,rock,3", "b/1.wav,jazz,4", "a/2.wav,rock|live,5", "b/3.wav,,6")
    (folder / "manifest.csv").write_text("\n".join(["path,genre,year", *rows]) + "\n")
    return folder


def test_an_excerpt_has_the_labels_of_its_clip(tmp_path: Path) -> None:
    root = manifest(tmp_path / "data")
    built = corpus.build(["dataset:manifest"], tmp_path / "corpus", RATE, data_folder=root, excerpt_s=0.2)
    found = labels.read("dataset:manifest", built, "genre", data_folder=root)

    assert all("#" in name for name in found.by_id)
    assert {name.partition("#")[0]: tags for name, tags in found.by_id.items()} == {
        "a/0.wav": ("rock",),
        "a/2.wav": ("live", "rock"),
        "b/1.wav": ("jazz",),
    }


@pytest.mark.parametrize("others", [(), ("other",)], ids=["alone", "beside_another_source"])
def test_a_dataset_labels_its_clips_wherever_its_tracks_stand(tmp_path: Path, others: tuple[str, ...]) -> None:
    root = manifest(tmp_path / "data")
    folders = [audio_folder(tmp_path / one, 2) for one in others]
    built = corpus.build(["dataset:manifest", *folders], tmp_path / "corpus", RATE, data_folder=root)
    found = labels.read("dataset:manifest", built, "genre", data_folder=root)
    before = "manifest:manifest/" if others else ""

    expected = {"a/0.wav": ("rock",), "a/2.wav": ("live", "rock"), "b/1.wav": ("jazz",)}
    assert found.by_id == {before + name: tags for name, tags in expected.items()}
    assert len(built.tracks) == 4 + 2 * len(others)
    with pytest.raises(DataError, match=r"dataset:manifest, '.*a/0.wav': expected tags in 'year', got the number 3.0"):
        labels.read("dataset:manifest", built, "year", data_folder=root)
    with pytest.raises(DataError, match="has no label of any of 4 tracks"):
        labels.read("dataset:manifest", corpus_of(tmp_path, 3, 3, 3, 3), "genre", data_folder=root)


def test_the_verb_says_what_is_labelled_and_what_is_not(tmp_path: Path) -> None:
    built = corpus.build([audio_folder(tmp_path / "sounds", 4)], tmp_path / "corpus", RATE)
    source = table(tmp_path, "id,genre\na/0.wav,rock\nb/1.wav,jazz|rare\na/2.wav,rock\n")
    said = CliRunner().invoke(
        app, ["corpus", "labels", str(built.folder), source, "-o", str(tmp_path / "tags.jsonl"), "--least", "2"]
    )
    head = json.loads((tmp_path / "tags.jsonl").read_text().splitlines()[0])

    assert said.exit_code == 0
    assert "1 tag of 'genre' on 3 of 4 tracks, from 2 (rock) to 2 (rock)" in " ".join(said.stdout.split())
    for note in (
        "1 of 4 tracks have no label, such as b/3.wav",
        "2 tags on fewer than 2 tracks left out, such as jazz",
        "1 labelled tracks have none of the tags",
    ):
        assert note in " ".join(said.stderr.split())
    assert (head["corpus"], head["tags"]) == (built.key, ["rock"])
