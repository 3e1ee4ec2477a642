"""A dataset as a class of the thesis' four methods: what it may return, and what is refused."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark import conformance
from earmark.datasets import _methods, names
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UserError
from earmark.nouns import Clip, DataCard, Split

IDS = ["a", "b", "c", "d"]
PATHS = {name: f"{name}.wav" for name in IDS}
NAME = "mine:Mine"


class Mine:
    """What a test changes is given as an attribute of a subclass."""

    ids: Any = IDS
    labels: Any = dict.fromkeys(IDS, "x")
    paths: Any = PATHS

    def __init__(self, root: Path) -> None:
        self.root = root

    def download(self) -> None:
        raise AssertionError("nobody asked for it")

    def load_track_ids(self) -> Any:
        return self.ids

    def load_label(self) -> Any:
        return self.labels

    def load_audio_paths(self) -> Any:
        return self.paths


class Parted(Mine):
    splits: Any = None

    def get_splits(self) -> Any:
        return self.splits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in IDS:
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(800, np.float32), 8000)
    return tmp_path


def load(root: Path, base: type = Mine, **changes: object) -> Dataset:
    return _methods.load(type("Mine", (base,), changes), NAME, root)


def targets(dataset: Dataset) -> list[dict[str, object]]:
    return [dict(clip.targets) for clip in dataset.clips]


def test_the_four_methods_make_a_dataset_that_keeps_the_laws(root: Path) -> None:
    found = load(root)
    assert [(clip.id, clip.path, dict(clip.targets)) for clip in found.clips] == [
        (name, root / f"{name}.wav", {"label": "x"}) for name in IDS
    ]
    assert (found.name, found.root, found.splits, found.card) == (NAME, root, {}, DataCard(title=NAME))
    assert conformance.broken_by_dataset(found) == ()


def test_the_version_changes_with_the_labels_and_starts_with_that_of_the_card(root: Path) -> None:
    card = DataCard(title="mine", version="2.1")
    plain, other, named = load(root), load(root, labels=dict.fromkeys(IDS, "y")), load(root, card=card)
    assert len(plain.version) == 8
    assert plain.version != other.version
    assert named.version == f"2.1+{plain.version}"
    assert named.card is card


def test_ids_may_be_numbers_and_paths_absolute(root: Path) -> None:
    paths = {number: root / f"{name}.wav" for number, name in enumerate(IDS)}
    found = load(root, ids=range(4), labels={0: "x", "1": "y", np.int64(2): "x", 3: "y"}, paths=paths)
    assert [clip.id for clip in found.clips] == ["0", "1", "2", "3"]
    assert [clip.path for clip in found.clips] == list(paths.values())
    assert targets(found) == [{"label": "x"}, {"label": "y"}, {"label": "x"}, {"label": "y"}]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["x", "3", "y", None], ["x", "3", "y", None]),
        ([1, 2.5, np.float32(0.5), float("nan")], [1.0, 2.5, 0.5, None]),
        ([["b", "a"], {"c"}, [], ("a", "a")], [("a", "b"), ("c",), (), ("a",)]),
        ([[0.1, 2], np.array([0.5, 1.0]), (3, 4), None], [(0.1, 2.0), (0.5, 1.0), (3.0, 4.0), None]),
        (["e\u0301", "\u00e9", "", " z"], ["\u00e9", "\u00e9", None, "z"]),
    ],
)
def test_a_label_is_what_a_cell_of_a_manifest_may_be(root: Path, values: list[object], expected: list[object]) -> None:
    found = load(root, labels=dict(zip(IDS, values, strict=True)))
    assert [clip.targets.get("label") for clip in found.clips] == expected


def test_several_labels_stand_under_their_names_and_a_pitch_is_a_midi_number(root: Path) -> None:
    labels = {"a": {"pitch": 60.0, "digit:class": 7}, "b": {"pitch": np.int64(61)}, "c": {"digit:class": 8}}
    assert targets(load(root, labels=labels)) == [{"pitch": 60, "digit": "7"}, {"pitch": 61}, {"digit": "8"}, {}]


def test_the_one_label_has_the_name_that_the_class_gives_it(root: Path) -> None:
    assert load(root, label="instrument").labels == ("instrument",)


def test_groups_are_kept_and_need_not_be_there_for_every_clip(root: Path) -> None:
    found = load(root, load_groups=lambda self: {"a": "ann", "b": 3, "c": None})
    assert [clip.group for clip in found.clips] == ["ann", "3", None, None]


def test_groups_of_no_clip_at_all_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"load_groups gives nothing for 4 of 4 ids, first 'a'; .* example, 'a\.wav'"):
        load(root, load_groups=lambda self: {"a.wav": "ann", "b.wav": "bob"})


def test_groups_that_fit_in_part_are_kept_and_said(root: Path) -> None:
    found = load(root, load_groups=lambda self: {"a": "ann", "b": None, "c.wav": "cy", "d": "dan"})
    assert [clip.group for clip in found.clips] == ["ann", None, None, "dan"]
    assert found.notes == (
        "load_groups gives nothing for 1 of 4 clips, first 'c'",
        "load_groups names 1 that are no clips, first 'c.wav'",
    )
    assert load(root, load_groups=lambda self: dict.fromkeys(IDS, "ann")).notes == ()
    assert load(root, load_groups=lambda self: {}).notes == ()


WHOLE = {"train": ["a", "b"], "valid": ["c"], "test": ["d"]}
OTHER = {"train": ["c", "d"], "validation": ["a"], "test": ["b"]}
A, B = Split(("a", "b"), ("c",), ("d",)), Split(("c", "d"), ("a",), ("b",))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (WHOLE, {"given": (A,)}),
        ({"Train": ["a"], "TEST": ["b"]}, {"given": (Split(("a",), (), ("b",)),)}),
        ({"mine": WHOLE, "theirs": OTHER}, {"mine": (A,), "theirs": (B,)}),
        ({"folds": [WHOLE, OTHER]}, {"folds": (A, B)}),
        ({}, {}),
        (None, {}),
    ],
)
def test_splits_come_in_three_forms_or_not_at_all(root: Path, given: object, expected: object) -> None:
    assert load(root, Parted, splits=given).splits == expected


def test_ids_of_splits_are_those_of_the_clips_also_when_numbers(root: Path) -> None:
    paths = dict(enumerate(f"{name}.wav" for name in IDS))
    found = load(
        root, Parted, ids=[0, 1], labels={0: "x", 1: "y"}, paths=paths, splits={"train": [0], "test": np.array([1])}
    )
    assert found.splits == {"given": (Split(("0",), (), ("1",)),)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ids": "abcd"}, "load_track_ids: expected a list of ids, got str"),
        ({"ids": None}, "load_track_ids: expected a list of ids, got NoneType"),
        ({"ids": [1.5]}, "load_track_ids: expected each id to be text or a whole number, got 1.5"),
        ({"ids": []}, "load_track_ids: expected ids, got none"),
        ({"labels": ["x"]}, "load_label: expected a dict by id, got list"),
        ({"labels": {1: "x", "1": "x"}}, "load_label: expected each id once, got 2 keys for 1 ids"),
        (
            {"labels": {"a.wav": "x"}},
            "load_label gives nothing for 4 of 4 ids, first 'a'; it knows, for example, 'a.wav'",
        ),
        ({"labels": dict.fromkeys(IDS, True)}, "clip 'a': 'label': expected one class name"),
        ({"labels": {"a": ["x", 1, None]}}, "clip 'a': 'label': expected class names"),
        ({"labels": {"a": {"pitch": 127.5}}}, "clip 'a': 'pitch': expected a MIDI number from 0 to 127"),
        ({"labels": {"a": 1, "b": 2, "c": "three"}}, "clip 'c': column 'label' holds 2 numbers, and here 'three'"),
        ({"paths": {"a": "a.wav"}}, "load_audio_paths gives nothing for 3 of 4 ids, first 'b'"),
        ({"paths": dict.fromkeys(IDS, 3)}, "load_audio_paths: expected a path for 'a', got 3"),
        ({"load_groups": lambda self: {"a": 0.5}}, "load_groups: expected each id to be text or a whole number"),
        ({"card": {"title": "x"}}, "Expected mine:Mine.card to be an earmark.nouns.DataCard, got dict"),
    ],
)
def test_an_answer_that_is_not_of_the_contract_is_named(root: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(root, **changes)
    assert said in str(caught.value)
    assert NAME in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([WHOLE], "get_splits: expected {'train': ids, 'valid': ids, 'test': ids}, got list"),
        (
            {"train": ["a"], "tset": ["b"]},
            "get_splits: expected train, valid and test with ids, got 'tset'. Did you mean",
        ),
        ({"folds": [["a"], ["b"]]}, "get_splits, 'folds': expected train, valid and test with ids, got 'list'"),
        ({"train": ["a"], "valid": ["b"], "val": ["c"]}, "expected each part once, got train, valid, val"),
        ({"train": "a"}, "get_splits, 'train': expected a list of ids, got str"),
    ],
)
def test_splits_of_another_form_are_named(root: Path, given: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(root, Parted, splits=given)
    assert said in str(caught.value)


def test_a_missing_method_is_named() -> None:
    less = type("Less", (), {"load_label": Mine.load_label, "download": None})
    for use in (_methods.load, _methods.made):
        with pytest.raises(DataError, match=r"it lacks: download, load_track_ids, load_audio_paths\..*new_dataset\.md"):
            use(less, NAME, None)
    with pytest.raises(DataError, match="it lacks: download"):
        _methods.card(less, NAME)


def test_a_class_that_takes_no_folder_is_told_how() -> None:
    with pytest.raises(DataError, match=r"to take the folder of its files and no more: def __init__\(self, root\)"):
        _methods.made(type("Mine", (Mine,), {"__init__": lambda self: None}), NAME, None)


def test_a_function_of_the_root_may_stand_for_the_class(root: Path) -> None:
    def notes(place: Path) -> Dataset:
        return Dataset("notes", "1", place, (Clip("a", place / "a.wav"),))

    assert _methods.load(notes, NAME, root) == notes(root)
    assert _methods.card(notes, NAME) == DataCard(title=NAME)
    with pytest.raises(DataError, match="is a function, so it has no download"):
        _methods.made(notes, NAME, root)
    with pytest.raises(DataError, match=r"to take the folder of its files and no more: def Mine\(root\)"):
        _methods.load(lambda: None, NAME, root)
    with pytest.raises(DataError, match=r"to return an earmark\.datasets\.base\.Dataset, got list"):
        _methods.load(lambda place: [], NAME, root)


def test_any_other_value_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="got a value of type Dataset"):
        _methods.load(load(root), NAME, root)


def test_files_that_are_not_there_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"found no '.*a\.wav'\. Type: earmark get dataset mine:Mine, or correct"):
        load(tmp_path)
    with pytest.raises(MissingPart, match=r"found no '.*nowhere'\. Type: earmark get dataset mine:Mine"):
        load(tmp_path / "nowhere", ids=[])
    with pytest.raises(MissingPart, match=r"found no '.*labels\.csv'"):
        load(tmp_path, load_label=lambda self: (self.root / "labels.csv").read_text())


def test_a_single_missing_file_stays_listed_for_the_run_to_name(root: Path) -> None:
    (root / "b.wav").unlink()
    assert [clip.id for clip in load(root).clips] == IDS


def test_download_is_called_with_the_folder_given_and_else_one_in_the_data_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    assert _methods.made(Mine, NAME, tmp_path).root == tmp_path
    assert _methods.made(Mine, NAME, None).root == tmp_path / "home" / "data" / "mine.Mine"


def broken(*_: object) -> Any:
    return [].nothing  # type: ignore[attr-defined]  # that is the point


def bit_by_bit(self: object) -> Iterator[str]:
    yield from IDS[:2]
    broken()


METHODS = ("load_track_ids", "load_label", "load_audio_paths", "load_groups", "get_splits", "__init__")


@pytest.mark.parametrize("method", METHODS)
def test_an_error_in_the_users_own_code_is_named_with_its_line_and_is_no_bug_of_ours(root: Path, method: str) -> None:
    line = broken.__code__.co_firstlineno + 1
    with pytest.raises(UserError) as caught:
        load(root, Mine, **{method: broken})
    wanted = f"{NAME}.{method} raised AttributeError: 'list' object has no attribute 'nothing' (test_methods.py, line"
    assert str(caught.value) == f"{wanted} {line})"
    assert caught.value.exit_code == 2
    assert isinstance(caught.value.__cause__, AttributeError)


def test_an_error_in_ids_that_are_made_bit_by_bit_is_the_users_too(root: Path) -> None:
    with pytest.raises(UserError, match=r"load_track_ids raised AttributeError: .* \(test_methods\.py, line \d+\)"):
        load(root, load_track_ids=bit_by_bit)
    assert [clip.id for clip in load(root, load_track_ids=lambda self: iter(IDS)).clips] == IDS


def test_the_line_named_is_the_users_and_not_that_of_a_library_below(root: Path) -> None:
    with pytest.raises(UserError, match=r"raised JSONDecodeError: .* \(test_methods\.py, line \d+\)"):
        load(root, load_label=lambda self: json.loads("{"))


def test_an_error_of_ours_and_a_missing_file_pass_as_they_are(root: Path) -> None:
    def refuse(self: object) -> None:
        raise DataError("my own words")

    with pytest.raises(DataError, match=r"^my own words$"):
        load(root, load_label=refuse)
    with pytest.raises(MissingPart, match="Type: earmark get dataset"):
        load(root, load_label=lambda self: (self.root / "labels.csv").read_text())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("X = 1\nY = X + 'a'\n", r"'{name}', when it was imported, raised TypeError: .* \({name}\.py, line 2\)"),
        ("def f():\n    raise KeyError('x')\nf()\n", r"raised KeyError: 'x' \({name}\.py, line 2\)"),
        ("import no_such_module\n", "to be importable as package.module:Name, but: No module named 'no_such_module'"),
        ("class Other: pass\n", "to be importable as package.module:Name, but: module .* has no attribute 'Notes'"),
        ("{{}}.x\n", "'{name}', when it was imported, raised AttributeError"),
    ],
)
def test_an_error_in_the_import_of_the_users_file_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    name = f"broken_notes_{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    (tmp_path / f"{name}.py").write_text(source.replace("{{", "{").replace("}}", "}"))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=said.replace("{name}", name)):
        names.load(f"{name}:Notes", tmp_path)
