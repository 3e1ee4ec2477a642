"""What a block means once its data is there: folds of a drawn split, and two datasets crossed fold by fold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.datasets.base import Dataset
from earmark.errors import SpecError
from earmark.experiment import subjects
from earmark.experiment.subjects import Subject
from earmark.nouns import Clip, Split
from tests.experiment.specimens import LEAST, parse


def made(name: str, n_folds: int = 0) -> Dataset:
    """Return 30 clips of two families, and a split of so many folds."""
    ids = [f"{name}{i:02}" for i in range(30)]
    clips = tuple(Clip(one, Path(one), targets={"family": "xy"[i % 2]}) for i, one in enumerate(ids))
    folds = tuple(Split(tuple(ids[10:]), tuple(ids[:5]), tuple(ids[5:10])) for _ in range(n_folds))
    return Dataset(name, "1", Path(), clips, {"folds": folds} if folds else {})


def silent(dataset: Dataset, labels: Sequence[str]) -> Dataset:
    """Stand in for the computing of labels where no task asks for any."""
    raise AssertionError(f"{labels} were computed for {dataset.name}")


def of(datasets: str, loaded: Mapping[str, Dataset]) -> tuple[Subject, ...]:
    text = LEAST.replace("studio_family", "{name: mine, label: family, kind: multiclass}")
    experiment = parse(text + f"    datasets: [{datasets}]\n")
    (found,) = subjects.of_experiment(experiment, lambda name, folder: loaded[name], silent).values()
    return found


def test_folds_by_number_are_a_subject_each() -> None:
    found = of("{name: a, split_type: kfold-5}", {"a": made("a")})
    assert [(one.split, one.fold, len(one.test)) for one in found] == [("kfold-5", fold, 6) for fold in range(5)]
    assert {placed.clip.id for one in found for placed in one.test} == {clip.id for clip in made("a").clips}


def test_two_datasets_are_crossed_fold_by_fold() -> None:
    found = of("{train: a, test: b, split_type: kfold-3}", {"a": made("a"), "b": made("b")})
    assert [one.fold for one in found] == [0, 1, 2]
    for one in found:
        assert {placed.dataset for placed in (*one.train, *one.valid)} == {"a"}
        assert {placed.dataset for placed in one.test} == {"b"}


def test_a_dataset_that_is_there_to_be_tested_is_crossed_whole_and_cannot_be_fitted() -> None:
    other = made("b")
    other = replace(other, splits={"all": (Split((), (), tuple(clip.id for clip in other.clips)),)})
    (found,) = of("{train: a, test: b}", {"a": made("a"), "b": other})
    assert [placed.clip.id for placed in found.test] == sorted(other.by_id)
    assert any("scored on the test part of the other's split 'all'" in note for note in found.notes)
    with pytest.raises(SpecError, match="Split 'all' of 'b' has no train clip with 'family'"):
        of("{name: b}", {"b": other})


def test_a_split_that_the_task_names_is_the_training_sets_where_the_other_has_none_of_that_name() -> None:
    other = replace(made("b"), splits={"all": (Split((), (), tuple(made("b").by_id)),)})
    text = LEAST.replace("studio_family", "{name: mine, label: family, kind: multiclass, split: folds}")
    experiment = parse(text + "    datasets: [{train: a, test: b}]\n")
    loaded = {"a": made("a", 1), "b": other}
    (found,) = subjects.of_experiment(experiment, lambda name, folder: loaded[name], silent).values()
    assert (found[0].split, len(found[0].train), len(found[0].test)) == ("folds", 20, 30)
    assert "scored on the test part of the other's split 'all'" in found[0].notes
    loaded["a"] = made("a")
    with pytest.raises(SpecError, match="Dataset 'a' has no split 'folds'"):
        subjects.of_experiment(experiment, lambda name, folder: loaded[name], silent)


def test_datasets_with_other_numbers_of_folds_cannot_be_crossed() -> None:
    with pytest.raises(SpecError) as caught:
        of("{train: a, test: b, split_type: all}", {"a": made("a", 3), "b": made("b", 2)})
    assert str(caught.value) == (
        "x.yml:3:11: 'a' has 3 folds and 'b' 2, so they cannot be crossed fold by fold. Write split_type: single."
    )


def test_two_datasets_of_one_name_are_refused_and_one_that_stands_twice_is_not(tmp_path: Path) -> None:
    first = made("music")
    other = replace(first, root=tmp_path)
    assert len(of("a, b", {"a": first, "b": first})) == 2
    with pytest.raises(SpecError) as caught:
        of("a, b", {"a": first, "b": other})
    assert str(caught.value) == (
        f"x.yml:3:11: Two datasets of this file are called 'music': those at '.' and '{tmp_path}'. Clips and rows are "
        "told apart by it, so rename a folder (or a manifest's file), or write two experiments."
    )
