"""Laws of the user's own metrics: a function or a `Metric`, by "module:name"."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from earmark.analysis.tables import lower_is_better
from earmark.errors import DataError, SpecError, UnknownName, UserError
from earmark.experiment import spec
from earmark.metrics import METRICS, code_sha256, find, measure
from tests.experiment.specimens import LEAST, mistake, parse
from tests.metric_samples import KINDS, SEEDS, draw, values

OWN = '''
"""Metrics of a user."""
import numpy as np
from earmark.metrics import METRICS, Metric
from earmark.metrics.ranking import roc_auc

def share(targets, predictions):
    """Say how many are right.

    More of it."""
    return (predictions.argmax(axis=1) == targets).mean()

def recalls(targets, predictions):
    right = predictions.argmax(axis=1) == targets
    return {"micro": right.mean()} | {"abcdefg"[one]: right[targets == one].mean() for one in np.unique(targets)}

def fragile(targets, predictions):
    if len(np.unique(targets)) < 2:
        raise ValueError("one class only")
    return 0.5

def greedy(targets, predictions):
    targets[:] = 0
    predictions[:] = 0
    return 1

def one_argument(targets):
    return 1.0

def mean_error(targets, predictions):
    return 0.5

LOSS = Metric("loss", roc_auc, frozenset({"multilabel"}), ("macro",), "less is better", higher_is_better=False)
AREA = Metric("area", roc_auc, frozenset({"multilabel"}), ("macro",), "an area")
NUMBER = 3
always = {text: (lambda said: lambda targets, predictions: said)(said) for text, said in {
    "infinite": float("inf"), "none": None, "two": np.ones(2), "text": "0.5", "empty": {}, "stranger": {"zzz": 1.0},
}.items()}
infinite, none, two, text, empty, stranger = always.values()
'''


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the user's beside where they stand."""
    file = tmp_path / "own_metrics.py"
    file.write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_metrics", raising=False)
    return file


@pytest.fixture
def weights() -> np.ndarray:
    rows = np.random.default_rng(0).poisson(0.8, (6, 40)).astype(float)
    rows[0] = 1
    rows[5] = 0
    return rows


def test_a_function_scores_every_row_as_our_own_metric_does(weights: np.ndarray) -> None:
    sample = draw("multiclass", 4)
    found = measure("own_metrics:share", "multiclass", *sample, weights)
    ours = measure("accuracy", "multiclass", *sample, weights)
    np.testing.assert_allclose(found.averages["micro"], ours.averages["micro"], rtol=0, atol=1e-12)
    assert (tuple(found.averages), found.labels, found.left_out) == (("micro",), {}, ())


def test_a_mapping_fills_labels_and_their_macro_average(weights: np.ndarray) -> None:
    sample = draw("multiclass", 1)
    found = measure("own_metrics:recalls", "multiclass", *sample, weights)
    ours = measure("accuracy", "multiclass", *sample, weights)
    np.testing.assert_allclose(values(found), values(ours), rtol=0, atol=1e-12)
    assert found.left_out == ours.left_out != ()


def test_a_metric_object_scores_all_rows_itself_and_keeps_its_kinds(weights: np.ndarray) -> None:
    sample = draw("multilabel", 4)
    found = measure("own_metrics:AREA", "multilabel", *sample, weights)
    np.testing.assert_array_equal(values(found), values(measure("roc_auc", "multilabel", *sample, weights)))
    assert find("own_metrics:AREA").name == "own_metrics:AREA"
    with pytest.raises(UserError, match=r"'own_metrics:AREA' is for multilabel tasks, not key\."):
        find("own_metrics:AREA", "key")


def test_a_function_is_for_every_kind_and_is_described_by_its_first_line() -> None:
    metric = find("own_metrics:share")
    assert metric.kinds == set(KINDS)
    assert metric.description == "Say how many are right."
    assert not metric.is_proportion


def test_a_function_that_overwrites_its_arguments_changes_nothing() -> None:
    sample = draw("multiclass", 4)
    kept = sample.predictions.copy(), sample.targets.copy()
    measure("own_metrics:greedy", "multiclass", *sample)
    np.testing.assert_array_equal(sample.predictions, kept[0])
    np.testing.assert_array_equal(sample.targets, kept[1])


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_library_metric_is_had_by_its_name(seed: int) -> None:
    sample = draw("regression", seed)
    found = measure("sklearn.metrics:r2_score", "regression", *sample)
    assert found.averages["micro"][0] == pytest.approx(measure("r2", "regression", *sample).averages["macro"][0])


# Mistakes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_metrics:NUMBER", r"a function of \(targets, predictions\) that returns a number, .* got 3\."),
        ("own_metrics:one_argument", r"'own_metrics:one_argument' to be a function of \(targets, predictions\)"),
        ("own_metrics:shares", "importable as package.module:Name, but: .*no attribute 'shares'"),
        ("no_such_module:share", "No module named 'no_such_module'"),
    ],
)
def test_what_is_no_metric_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("infinite", "a finite number, or NaN where it is undefined; got inf"),
        ("none", "a finite number, .* got None"),
        ("two", r"a finite number, .* got array\(\[1\., 1\.\]\)"),
        ("text", "a finite number, .* got '0.5'"),
        ("empty", "names of classes to numbers; got the keys of an empty mapping"),
        ("stranger", "names of classes to numbers; got the keys 'zzz'"),
    ],
)
def test_an_answer_that_is_no_number_is_refused(name: str, message: str) -> None:
    with pytest.raises(DataError, match=f"Expected metric 'own_metrics:{name}' to return .*{message}"):
        measure(f"own_metrics:{name}", "multiclass", *draw("multiclass", 0))


def test_an_error_of_the_function_names_its_line_and_whether_clips_were_drawn_again() -> None:
    sample = np.array([0, 1]), np.eye(2), ("a", "b")
    assert measure("own_metrics:fragile", "multiclass", *sample).averages["micro"][0] == 0.5
    with pytest.raises(UserError, match=r"drawn again, which can lack a class .* one class only \(own_metrics\.py, l"):
        measure("own_metrics:fragile", "multiclass", *sample, np.array([[2.0, 0.0]]))
    with pytest.raises(UserError, match=r"^Metric 'own_metrics:fragile' raised ValueError: one class only"):
        measure("own_metrics:fragile", "multiclass", np.zeros(2, int), *sample[1:])


def test_clips_cannot_be_repeated_in_fractions() -> None:
    with pytest.raises(DataError, match="which can repeat clips; got weights in fractions"):
        measure("own_metrics:share", "multiclass", np.array([0, 1]), np.eye(2), ("a", "b"), np.array([[0.5, 1.5]]))


# What names it


def test_the_sha256_is_that_of_the_file_where_a_function_is_defined(own: Path) -> None:
    (own.parent / "again_metrics.py").write_text("from own_metrics import share, AREA\n")
    theirs = hashlib.sha256(OWN.encode()).hexdigest()
    assert code_sha256("own_metrics:share") == code_sha256("again_metrics:share") == theirs
    assert code_sha256("own_metrics:AREA") == theirs
    assert {code_sha256(name) for name in METRICS} == {""}
    with pytest.raises(UserError, match="to stand in a file"):
        code_sha256("sys:getrefcount")


def with_metric(name: str) -> str:
    return LEAST + f"    metrics: [accuracy, '{name}']\n"


def test_an_experiment_takes_a_metric_of_ones_own_and_asks_for_it_by_check_names() -> None:
    assert parse(with_metric("nowhere:share")).blocks[0].metrics == ("accuracy", "nowhere:share")
    spec.check_names(parse(with_metric("own_metrics:share")))
    assert mistake(with_metric("nowhere:share")).startswith("x.yml:6:25: Expected 'nowhere:share' to be importable")
    assert "x.yml:6:25: Metric 'own_metrics:AREA' is for multilabel" in mistake(with_metric("own_metrics:AREA"))


def test_a_misspelt_metric_is_no_file_of_the_users() -> None:
    with pytest.raises(SpecError, match=r"Unknown metric 'acuracy'\. Did you mean 'accuracy'"):
        parse(with_metric("acuracy"))
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        find("acuracy")


def test_less_is_better_of_an_error_alone_in_tables_and_comparisons_alike() -> None:
    assert lower_is_better("own_metrics:mean_error")
    assert not find("own_metrics:mean_error").higher_is_better
    assert find("own_metrics:share").higher_is_better
    for name, metric in METRICS.items():
        assert lower_is_better(name) != metric.higher_is_better
    with pytest.raises(UserError) as caught:
        find("own_metrics:LOSS")
    assert str(caught.value) == (
        "Expected higher_is_better of 'own_metrics:LOSS' to be True: less is better of a metric whose name ends in "
        "_error, and of no other. Rename one of the two."
    )
