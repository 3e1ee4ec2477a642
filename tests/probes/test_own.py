import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from torch import nn
from torch.nn import functional

from earmark.errors import DataError, UserError
from earmark.nouns import Kind
from earmark.probes import ridge, select
from earmark.probes.base import Examples, Fitted, Job, Problem, told
from earmark.probes.fit import fit, restore
from earmark.probes.kinds import code_sha256
from earmark.probes.own_module import ModuleProbe
from earmark.probes.own_recipe import Recipe, own_seed
from tests.probes import users_probes
from tests.probes.drawn import KINDS, drawn, in_rows
from tests.probes.users_probes import Plain

HERE = "tests.probes.users_probes"
SMALL = Recipe(f"{HERE}:Small", {"units": 32}, standardise=True, learning_rate=0.02, epochs=12)
FOREST = Recipe("sklearn.ensemble:RandomForestClassifier", {"n_estimators": 30})


def fitted(problem: Problem, recipe: Recipe, seed: int = 3) -> Fitted:
    [probe] = fit(problem, [Job(recipe, seed)])
    return probe


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_learns_every_kind_and_comes_back_to_the_bit(kind: Kind) -> None:
    problem = replace(drawn(kind, layers=2), classes=tuple("abcd"))
    problem = replace(problem, train=in_rows(problem.train, 2), valid=in_rows(problem.valid, 2))
    probe = fitted(problem, SMALL)
    assert probe.valid_score > 0.5
    again = restore(probe.to_bytes())
    for clips in (None, problem.valid.clips):
        predicted = probe.predict(problem.valid.embeddings, clips)
        assert np.array_equal(again.predict(problem.valid.embeddings, clips), predicted)
    assert (again.recipe, again.kind, again.classes) == (SMALL, kind, ("a", "b", "c", "d"))
    assert (again.input_shape, again.valid_score) == ((2, 12), probe.valid_score)
    assert again.to_bytes() == probe.to_bytes()


def test_a_module_in_company_and_alone_is_the_same_and_no_global_generator_moves() -> None:
    problem = drawn("multiclass")
    before = torch.get_rng_state()
    together = fit(problem, [Job(SMALL, 1), Job(SMALL, 2**40), Job(replace(SMALL, epochs=3), 1)])
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3, generator=torch.default_generator)
    assert fitted(problem, SMALL, 1).to_bytes() == together[0].to_bytes()
    assert together[0].to_bytes() != together[1].to_bytes()


def test_a_module_is_trained_as_a_plain_loop_would() -> None:
    problem, recipe = drawn("multiclass"), Recipe(f"{HERE}:Plain", learning_rate=0.01, batch_size=64, epochs=5)
    inputs, targets = torch.from_numpy(problem.train.embeddings[:, 0]), torch.from_numpy(problem.train.targets)
    with torch.random.fork_rng():
        torch.manual_seed(own_seed(9))
        module = Plain(12, 4)
    optimiser, rng = torch.optim.Adam(module.parameters(), 0.01), np.random.Generator(np.random.PCG64(9))
    history = []
    for _ in range(5):
        for rows in torch.split(torch.from_numpy(rng.permutation(150)), 64):
            optimiser.zero_grad()
            functional.cross_entropy(module(inputs[rows]), targets[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        sums = module(torch.from_numpy(problem.valid.embeddings[:, 0])).detach().numpy()
        history.append(float((sums.argmax(axis=1) == problem.valid.targets).mean()))
    probe = fitted(problem, recipe, 9)
    assert isinstance(probe, ModuleProbe)
    assert probe.history == tuple(history)
    assert probe.valid_score == max(history) == history[probe.best_epoch - 1]
    if probe.best_epoch == 5:
        assert np.array_equal(probe.module.state_dict()["linear.weight"].numpy(), module.linear.weight.detach().numpy())


def test_patience_ends_and_the_best_epoch_is_kept() -> None:
    script = iter([0.1, 0.5, 0.4, 0.2, 0.4, 0.9])
    problem = replace(drawn("multiclass"), monitor=lambda _targets, _scores: next(script))
    probe = fitted(problem, replace(SMALL, patience=3))
    assert isinstance(probe, ModuleProbe)
    assert (probe.history, probe.best_epoch, probe.valid_score) == ((0.1, 0.5, 0.4, 0.2, 0.4), 2, 0.5)
    rising = iter([0.1, 0.5])
    short = replace(problem, monitor=lambda _targets, _scores: next(rising))
    kept = fitted(short, replace(SMALL, epochs=2))
    assert np.array_equal(probe.predict(problem.valid.embeddings), kept.predict(problem.valid.embeddings))


def test_a_last_batch_of_one_row_joins_the_one_before() -> None:
    problem = drawn("multiclass", n_train=101)
    assert fitted(problem, replace(SMALL, batch_size=50, epochs=1)).valid_score >= 0


def test_a_modules_mistakes_are_told_as_its_own() -> None:
    problem = drawn("multiclass")
    cases = {
        "Certain": r"Certain' to return a float32 tensor \(100, 4\) of sums.* got torch.float32 \(100, 3\)",
        "Broken": r"Broken', given \(100, 12\), raised ValueError: too loud \(users_probes.py, line \d+\)",
        "NothingToLearn": "NothingToLearn' to have parameters to train, got none",
        "Missing": f"Expected '{HERE}:Missing' to be importable",
        "not_a_class": r"to be a torch.nn.Module, or a class with fit\(X, y\) and predict\(X\)",
    }
    for name, text in cases.items():
        with pytest.raises(UserError, match=text):
            fitted(problem, Recipe(f"{HERE}:{name}"))
    with pytest.raises(UserError, match=r"Small\(12, 4, …\) raised TypeError.*colour"):
        fitted(problem, Recipe(f"{HERE}:Small", {"colour": 1}))
    with pytest.raises(DataError, match=r"Expected finite predictions, got NaN or infinity from.*Lower learning_rate"):
        fitted(problem, Recipe(f"{HERE}:Exploding"))


def test_a_module_with_other_parameters_than_were_saved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = fitted(drawn("multiclass"), Recipe(f"{HERE}:Plain", epochs=1)).to_bytes()

    class Wider(Plain):
        def __init__(self, n_inputs: int, n_outputs: int) -> None:
            super().__init__(n_inputs, n_outputs)
            self.more = nn.Linear(1, 1)

    monkeypatch.setattr(f"{HERE}.Plain", Wider)
    with pytest.raises(UserError, match="has other parameters than when this probe was saved"):
        restore(content)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_a_forest_is_the_one_that_its_seed_gives(kind: Kind) -> None:
    problem = drawn(kind)
    inputs, asked = (one.embeddings[:, 0] for one in (problem.train, problem.valid))
    theirs = RandomForestClassifier(30, random_state=own_seed(77)).fit(inputs, problem.train.targets)
    expected = theirs.predict_proba(asked)
    if kind == "multilabel":
        expected = np.stack([one[:, 1] for one in expected], axis=1)
    assert fitted(problem, FOREST, 77).predict(problem.valid.embeddings) == pytest.approx(expected)
    given = replace(FOREST, params={"n_estimators": 30, "random_state": 5})
    one, other = (fitted(problem, given, seed).predict(problem.valid.embeddings) for seed in (1, 2))
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("kind", "name", "params"),
    [
        ("multiclass", "sklearn.ensemble:RandomForestClassifier", {"n_estimators": 5}),
        ("multiclass", "sklearn.svm:LinearSVC", {"dual": "auto"}),
        ("multiclass", f"{HERE}:NearestMean", {}),
        ("key", "sklearn.neighbors:KNeighborsClassifier", {}),
        ("multilabel", "sklearn.ensemble:ExtraTreesClassifier", {"n_estimators": 5}),
        (
            "multilabel",
            "sklearn.neural_network:MLPClassifier",
            {"hidden_layer_sizes": [8], "solver": "lbfgs", "alpha": 1.0, "max_iter": 5000},
        ),
        ("multilabel", "sklearn.linear_model:RidgeClassifier", {}),
        ("multilabel", "sklearn.tree:DecisionTreeClassifier", {}),
        ("regression", "sklearn.linear_model:LinearRegression", {}),
    ],
)
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_estimators_of_every_sort_predict_and_come_back(
    kind: Kind, name: str, params: dict[str, object], n_outputs: int
) -> None:
    n_outputs += kind in ("multiclass", "key")  # one class is no task
    problem = drawn(kind, n_outputs=n_outputs)
    problem = replace(problem, valid=in_rows(problem.valid, 2))
    probe = fitted(problem, Recipe(name, params, standardise=True))
    predicted = probe.predict(problem.valid.embeddings, problem.valid.clips)
    assert predicted.shape == (60, n_outputs)
    assert probe.valid_score > 0.35
    again = restore(probe.to_bytes())
    assert np.array_equal(again.predict(problem.valid.embeddings, problem.valid.clips), predicted)
    assert (again.valid_score, again.recipe) == (probe.valid_score, probe.recipe)
    assert again.to_bytes() == probe.to_bytes()


def test_decisions_keep_their_order() -> None:
    problem = drawn("multiclass")
    theirs = SVC(kernel="linear").fit(problem.train.embeddings[:, 0], problem.train.targets)
    expected = theirs.decision_function(problem.valid.embeddings[:, 0])
    predicted = fitted(problem, Recipe("sklearn.svm:SVC", {"kernel": "linear"})).predict(problem.valid.embeddings)
    assert np.array_equal(predicted.argsort(axis=1), expected.argsort(axis=1))
    assert predicted.sum(axis=1) == pytest.approx(np.ones(60))


def test_a_class_that_an_estimator_never_saw_gets_0() -> None:
    problem = replace(drawn("multiclass"), n_outputs=6)
    problem.train.targets[:] = np.where(problem.train.targets == 1, 5, problem.train.targets)
    predicted = fitted(problem, FOREST).predict(problem.valid.embeddings)
    assert np.array_equal(predicted[:, [1, 4]], np.zeros((60, 2)))
    labels = drawn("multilabel")
    labels.train.targets[:, 2] = 0
    assert np.array_equal(fitted(labels, FOREST).predict(labels.valid.embeddings)[:, 2], np.zeros(60))


def test_an_estimator_that_comes_back_as_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = fitted(drawn("multiclass"), Recipe(f"{HERE}:Fickle")).to_bytes()
    monkeypatch.setattr("earmark.probes.own_estimator.sklearn.__version__", "99.0")
    with pytest.raises(DataError, match=r"answers otherwise than then.*scikit-learn was 1\.\S+, is 99\.0.*Fit the"):
        restore(content)


def test_an_estimators_mistakes_are_told_as_its_own() -> None:
    problem = drawn("multiclass")
    with pytest.raises(UserError, match=r"Strict', when it was fitted, raised RuntimeError: 150 rows are too few"):
        fitted(problem, Recipe(f"{HERE}:Strict"))
    with pytest.raises(UserError, match=r"when it was fitted, raised TypeError.*depth"):
        fitted(problem, replace(FOREST, params={"depth": 1}))
    with pytest.raises(
        UserError, match=r"epochs, patience: for a torch module, but .*LogisticRegression' trains itself"
    ):
        fitted(problem, Recipe("sklearn.linear_model:LogisticRegression", epochs=3, patience=1))


def test_a_saved_file_can_name_nothing_but_a_probe() -> None:
    for name in ("os.path:join", "subprocess:Popen", "multiprocessing.pool:Pool", "builtins:eval", "print"):
        with pytest.raises(UserError, match="Expected"):
            fitted(drawn("multiclass"), Recipe(name))


def test_params_are_the_same_in_any_order_and_plain_in_a_key() -> None:
    one = Recipe("sklearn.svm:SVC", {"kernel": "rbf", "C": 2.0})
    assert one == Recipe("sklearn.svm:SVC", {"C": 2.0, "kernel": "rbf"})
    assert hash(one) == hash(replace(one))
    assert told(one) == {"kind": "own", "name": "sklearn.svm:SVC", "params": [["C", 2.0], ["kernel", "rbf"]]}
    assert Recipe("a.b:C", {"sizes": [8, 4]}).arguments == {"sizes": (8, 4)}
    with pytest.raises(UserError, match="numbers, words or lists of them, got base = LogisticRegression"):
        Recipe("a.b:C", {"base": LogisticRegression()})
    with pytest.raises(UserError, match="Expected epochs to be a whole number of at least 1, got 0"):
        Recipe("a.b:C", epochs=0)
    with pytest.raises(UserError, match="Expected learning_rate to be a number above 0, got -1"):
        Recipe("a.b:C", learning_rate=-1)


def test_the_users_file_is_part_of_what_is_fitted() -> None:
    expected = hashlib.sha256(Path(users_probes.__file__).read_bytes()).hexdigest()
    assert code_sha256(SMALL) == (expected,)
    assert code_sha256(SMALL) != code_sha256(FOREST)
    assert code_sha256(select.Recipe((ridge.Recipe(), SMALL, replace(SMALL, epochs=2)))) == (expected, expected)
    assert code_sha256(ridge.Recipe()) == ()


def test_one_clip_per_class_and_constant_embeddings_can_be_fitted() -> None:
    problem = drawn("multiclass")
    first = [int(np.flatnonzero(problem.train.targets == one)[0]) for one in range(4)]
    few = replace(problem, train=Examples(np.ones((4, 1, 12), np.float32), problem.train.targets[first]))
    for recipe in (replace(SMALL, epochs=1), FOREST):
        assert np.isfinite(fitted(few, recipe).predict(problem.valid.embeddings)).all()
