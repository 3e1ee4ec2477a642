"""A manifest means what its docstring says, and every mistake in one is named by its line."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import manifest
from earmark.datasets.base import Dataset
from earmark.errors import DataError
from earmark.nouns import Split


def put_audio(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, 0.1 * np.ones(800, np.float32), 8000)


def loaded(folder: Path, text: str, name: str = "songs.csv") -> Dataset:
    put_audio(folder, "a.wav", "b.wav", "c.wav", "d.wav")
    (folder / name).write_text(text, encoding="utf-8")
    return manifest.load("", folder / name)


def targets(dataset: Dataset, label: str) -> list[object]:
    return [clip.targets.get(label) for clip in dataset.clips]


def test_a_word_is_a_class_a_number_a_target_and_a_bar_sets_several_apart(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "path,genre,tempo,tags,mood,pitch\n"
        "a.wav,rock,120,live|loud,0.1|0.7,60\n"
        "b.wav,jazz,90.5,quiet,0.2|-0.3,61\n"
        "c.wav,,,|,,\n",
    )
    assert targets(found, "genre") == ["rock", "jazz", None]
    assert targets(found, "tempo") == [120.0, 90.5, None]
    assert targets(found, "tags") == [("live", "loud"), ("quiet",), ()]
    assert targets(found, "mood") == [(0.1, 0.7), (0.2, -0.3), None]
    assert targets(found, "pitch") == [60, 61, None]
    assert [type(value) for value in targets(found, "pitch")[:2]] == [int, int]
    assert found.name == "manifest:songs"


def test_a_type_after_the_name_of_a_column_settles_what_it_holds(tmp_path: Path) -> None:
    found = loaded(tmp_path, "path,digit:class,one:tags,note:pitch\na.wav,7,x,60\nb.wav,8,y,61\n")
    assert [targets(found, label) for label in ("digit", "one", "note")] == [["7", "8"], [("x",), ("y",)], [60, 61]]


def test_json_lines_hold_strings_numbers_and_lists_as_they_are(tmp_path: Path) -> None:
    rows = [
        {"path": "a.wav", "genre": "3", "tempo": 120, "tags": ["b", "a"], "mood": [0.5, 1], "midi": 60},
        {"path": "b.wav", "genre": "rock", "tempo": None, "tags": [], "end_s": 0.05},
    ]
    found = loaded(tmp_path, "\n".join(map(json.dumps, rows)) + "\n", "songs.jsonl")
    assert found.clips[0].targets == {"genre": "3", "tempo": 120.0, "tags": ("a", "b"), "mood": (0.5, 1.0), "midi": 60}
    assert found.clips[1].targets == {"genre": "rock", "tags": ()}
    assert all(type(value) is str for value in targets(found, "genre"))


@pytest.mark.parametrize(("name", "separator"), [("songs.tsv", "\t"), ("songs.csv", ";"), ("songs.csv", ",")])
def test_commas_semicolons_and_tabs_set_columns_apart(tmp_path: Path, name: str, separator: str) -> None:
    text = "path,genre\na.wav,rock\n\nb.wav,jazz\n".replace(",", separator)
    assert targets(loaded(tmp_path, "\ufeff" + text, name), "genre") == ["rock", "jazz"]


def test_an_id_is_the_given_one_else_the_path_and_region(tmp_path: Path) -> None:
    found = loaded(tmp_path, "path,id,start_s,end_s\na.wav,first,,\n./b.wav,,,\nc.wav,,0.01,0.0512345\nd.wav,,,0.05\n")
    assert [clip.id for clip in found.clips] == ["first", "b.wav", "c.wav#0.01-0.0512345", "d.wav#-0.05"]


def test_ids_are_composed_and_paths_are_as_the_disk_has_them(tmp_path: Path) -> None:
    composed, parted = (unicodedata.normalize(form, "café.wav") for form in ("NFC", "NFD"))
    put_audio(tmp_path, composed)
    found = loaded(tmp_path, f"path\n{parted}\n")
    assert found.clips[0].id == composed
    assert found.clips[0].path.exists()


def test_group_is_what_must_not_straddle_then_artist_then_the_file_of_several_regions(tmp_path: Path) -> None:
    both = loaded(tmp_path, "path,group,artist\na.wav,g,x\nb.wav,,y\n")
    assert [clip.group for clip in both.clips] == ["g", None]
    assert targets(both, "artist") == ["x", "y"]
    artist = loaded(tmp_path, "path,artist\na.wav,x\nb.wav,\n")
    assert ([clip.group for clip in artist.clips], artist.labels) == (["x", None], ())
    regions = loaded(tmp_path, "path,start_s,end_s\na.wav,0,0.05\na.wav,0.05,0.1\nb.wav,,\n")
    assert [clip.group for clip in regions.clips] == ["a.wav", "a.wav", None]


def test_the_split_column_is_the_official_split_whatever_valid_is_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "earmark.datasets")
    found = loaded(tmp_path, "path,split\na.wav,train\nb.wav,dev\nc.wav,test\nd.wav,\n")
    assert found.splits == {"manifest": (Split(("a.wav",), ("b.wav",), ("c.wav",)),)}
    assert "split 'dev' is read as 'valid' (1 clips)" in caplog.text


def test_each_fold_is_the_test_part_once(tmp_path: Path) -> None:
    found = loaded(tmp_path, "path,fold\na.wav,2\nb.wav,1\nc.wav,10\nd.wav,1\n")
    folds = found.splits["folds"]
    assert [fold.test for fold in folds] == [("b.wav", "d.wav"), ("a.wav",), ("c.wav",)]
    assert all(set(fold.train) | set(fold.test) == set(found.by_id) for fold in folds)


def test_the_version_follows_the_content_and_not_the_order(tmp_path: Path) -> None:
    one = loaded(tmp_path, "path,genre\na.wav,rock\nb.wav,jazz\n")
    turned = loaded(tmp_path, "path,genre\nb.wav,jazz\na.wav,rock\n")
    other = loaded(tmp_path, "path,genre\na.wav,rock\nb.wav,rock\n")
    assert one.version == turned.version != other.version


def test_a_missing_file_stays_a_clip(tmp_path: Path) -> None:
    assert len(loaded(tmp_path, "path\na.wav\ngone.wav\n").clips) == 2


def test_a_folder_with_one_manifest_stands_for_it(tmp_path: Path) -> None:
    loaded(tmp_path, "path\na.wav\n", "manifest.csv")
    assert manifest.load("mine", tmp_path).name == "manifest:mine"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("pth,genre\na.wav,rock\n", 1, "expected a column 'path', got genre, pth. Did you mean 'pth'?"),
        ("path,a,a\na.wav,1,2\n", 1, "got the column 'a' 2 times"),
        ("path,genre\na.wav,rock,loud\n", 2, "expected 2 cells as in the first line, got 3"),
        ('path,genre\na.wav,rock\nb.wav,"jazz\n', 3, "Check the quotes"),
        ("path,genre\na.wav,rock\n,jazz\n", 3, "expected the path of an audio file in 'path', got ''"),
        ("path,start_s\na.wav,soon\n", 2, "'start_s': expected seconds from the start of the file, got 'soon'"),
        ("path,start_s,end_s\na.wav,2,1\n", 2, "expected end_s after start_s, got 2 to 1"),
        ("path,split\na.wav,train\nb.wav,tset\n", 3, "expected train, valid or test, got 'tset'. Did you mean 'test'?"),
        ("path,fold\na.wav,one\n", 2, "'fold': expected a whole number such as 1, got 'one'"),
        ("path\na.wav\na.wav\n", 3, "the clip 'a.wav' already stands at line 2"),
        ("path,pitch\na.wav,60\nb.wav,C4\n", 3, "expected a MIDI number from 0 to 127, 60 for middle C, got 'C4'"),
        ("path,pitch\na.wav,128\n", 2, "expected a MIDI number from 0 to 127"),
        ("path,x\na.wav,1\nb.wav,2\nc.wav,n/a\n", 4, "column 'x' holds 2 numbers, and here 'n/a'"),
        ("path,x:number\na.wav,1\nb.wav,nan\n", 3, "expected a finite number, got 'nan'"),
        ("path,x\na.wav,1|2\nb.wav,1|2|3\n", 3, "expected 2 numbers as in the lines above, got 3"),
        ("path\nx.wav\ny.wav\n", 2, "none of the 2 audio files exist"),
        ("path\na.wav\nb\0.wav\n", 3, "expected a path without the character NUL in 'path', got 'b"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(DataError) as caught:
        loaded(tmp_path, text)
    assert f"songs.csv:{line}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"path": "a.wav"\n', "songs.jsonl:1: expected one JSON object a line"),
        ('\n["a.wav"]\n', "songs.jsonl:2: expected an object"),
        ('{"path": "a.wav", "live": true}\n', "songs.jsonl:1: 'live': expected one class name"),
        ('{"path": "a.wav", "tags": ["a", null]}\n', "songs.jsonl:1: 'tags': expected class names"),
        ('{"path": 3}\n', "songs.jsonl:1: expected the path of an audio file in 'path', got 3"),
        ('{"path": "a.wav", "genre": "a\\ud800"}\n', "songs.jsonl:1: expected text, got half of a character, \\ud800"),
        ('{"path": "a.wav", "x": {"\\uDFFF": 1}}\n', "songs.jsonl:1: expected text, got half of a character, \\udfff"),
        ('{"path": "a.wav"}\n{"path": "\\ud83d.wav"}\n', "songs.jsonl:2: expected text, got half of a character"),
        ('{"path": "a\\u0000.wav"}\n', "songs.jsonl:1: expected a path without the character NUL in 'path', got 'a"),
    ],
)
def test_a_wrong_json_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=r"songs\.jsonl:") as caught:
        loaded(tmp_path, text, "songs.jsonl")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected one line per clip, found none"),
        ("path,genre\n", "expected one line per clip, found none"),
        ("path,fold\na.wav,1\n", "expected at least two folds in 'fold', got only 1"),
        ("path,x:clas\na.wav,1\n", "expected class, tags, number, numbers, pitch after the colon, got 'clas'. Did"),
        ("path,x:class,x:tags\na.wav,1,2\n", "two columns give the label 'x'"),
    ],
)
def test_a_wrong_manifest_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=r"songs\.csv") as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value)


def test_a_character_that_json_writes_in_two_halves_is_one(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, '{"path": "a.wav", "genre": "\\uD83D\\uDE00"}\n', "songs.jsonl")
    assert targets(dataset, "genre") == ["\U0001f600"]


def test_other_files_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found songs\.xlsx"):
        loaded(tmp_path, "", "songs.xlsx")
    (tmp_path / "latin.csv").write_bytes("path,genre\na.wav,música\n".encode("latin-1"))
    with pytest.raises(DataError, match="Save it as UTF-8"):
        manifest.load("", tmp_path / "latin.csv")
    with pytest.raises(DataError, match="found nothing"):
        manifest.load("", tmp_path / "nowhere")
