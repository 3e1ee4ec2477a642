"""What a file may say of probes: every kind, its keys, and what is refused where it stands."""

import pytest

from earmark.experiment import spec
from earmark.probes import knn, logistic, own_recipe, ridge, select
from earmark.probes.base import AnyRecipe
from earmark.probes.recipe import Recipe
from tests.experiment.specimens import LEAST, mistake, only_block, parse, with_probe


def recipe_of(probe: str) -> AnyRecipe:
    (found,) = only_block(with_probe(probe)).probes
    return found.recipe


@pytest.mark.parametrize(
    ("probe", "recipe", "name"),
    [
        ("{kind: logistic, c: 0.1}", logistic.Recipe(c=0.1), "logistic-c0.1"),
        ("{kind: ridge, standardise: true}", ridge.Recipe(standardise=True), "ridge-standardised"),
        ("{kind: knn, k: 3, metric: euclidean}", knn.Recipe(3, "euclidean"), "knn-k3-euclidean"),
        (
            "{kind: own, name: mine, class_path: 'a.b:C', params: {d: 1}}",
            own_recipe.Recipe("a.b:C", {"d": 1}),
            "mine",
        ),
        (
            "{kind: selected, among: [{kind: knn}, {kind: mlp, hidden_units: [8]}], layers: [0, 1]}",
            select.Recipe((knn.Recipe(), Recipe((8,))), (0, 1)),
            "grid-knn-mlp-8",
        ),
        (
            "{kind: mlp, hidden_units: [8], activation: tanh, stop_criterion: loss, decay_biases: false}",
            Recipe((8,), activation="tanh", stop_criterion="loss", decay_biases=False),
            "mlp-8-tanh-no_decay_biases-stop_loss",
        ),
    ],
)
def test_every_kind_is_written_read_back_and_named_by_its_content(probe: str, recipe: AnyRecipe, name: str) -> None:
    experiment = parse(with_probe(probe))
    (found,) = experiment.blocks[0].probes
    assert (found.recipe, found.name) == (recipe, name)
    assert parse(spec.to_yaml(experiment)) == experiment


def test_a_preset_with_a_grid_is_written_and_read_back() -> None:
    experiment = parse(with_probe("{preset: hear2021, epochs: 7}"))
    assert parse(spec.to_yaml(experiment)) == experiment


def test_a_preset_may_be_among_the_candidates() -> None:
    found = recipe_of("{kind: selected, among: [{preset: mir_ref-fixed, only: [M1, M2]}, {kind: knn}]}")
    assert isinstance(found, select.Recipe)
    assert found.recipes == (Recipe(), Recipe((128,)), knn.Recipe())


def test_a_loss_that_the_task_has_anyway_is_not_said() -> None:
    # So it is one probe, under one key, whether a file says it or not.
    assert recipe_of("{kind: mlp, loss: cross_entropy}") == Recipe()
    assert recipe_of("{kind: mlp, loss: binary}") == Recipe(loss="binary")


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (
            "{kind: mlp, c: 1}",
            "5:26: 'c' is for kind logistic, and this probe is of kind mlp. Keys of mlp: hidden_units",
        ),
        ("{kind: knn, dropout: 0.1}", "5:26: 'dropout' is for kind mlp, and this probe is of kind knn"),
        (
            "{kind: own, params: {}}",
            "5:14: A probe of kind own needs 'class_path'. Write class_path: my_probes:MyProbe.",
        ),
        ("{kind: selected}", "5:14: A probe of kind selected needs 'among'."),
        (
            "{kind: mlp, loss: squared}",
            "5:32: Expected the loss of a multiclass task to be cross_entropy or binary, got squared.",
        ),
        ("{kind: mlp, save_criterion: key_score}", "5:42: Metric 'key_score' is for key tasks, not multiclass."),
        ("{kind: mlp, stop_criterion: los}", "5:42: Unknown stop_criterion 'los'. Did you mean 'loss'?"),
        ("{kind: mlp, activation: relu6, hidden_units: [8]}", "5:38: Unknown activation 'relu6'. Did you mean 'relu'?"),
        ("{kind: mlp, dropout: 0.5}", "5:35: dropout silences hidden units, but hidden_units is empty."),
        ("{preset: mule2022, only: [mtt], steps: 10}", "5:53: Expected warm_up_steps below steps, got 1000 of 10."),
        (
            "{kind: selected, among: [{kind: knn, k: 0}]}",
            "5:54: Expected k to be at least 1",
        ),
        (
            "{kind: selected, among: [{preset: hear2021}, {kind: knn}]}",
            "5:38: first_fold_only counts for a whole choice, and here stands in a candidate of another",
        ),
        (
            "{kind: lasso}",
            "5:21: Expected 'kind' to be 'mlp', 'logistic', 'ridge', 'knn', 'reading', 'own' or 'selected', got",
        ),
    ],
)
def test_a_wrong_probe_is_answered_at_its_place(probe: str, message: str) -> None:
    assert mistake(with_probe(probe)).removeprefix("x.yml:").startswith(message)


def test_two_changes_that_only_go_together_may_override_a_preset() -> None:
    found = recipe_of("{preset: mule2022, only: [gtzan], steps: 10, warm_up_steps: 2}")
    assert isinstance(found, Recipe)
    assert (found.steps, found.warm_up_steps) == (10, 2)


def test_balanced_sampling_is_refused_where_a_clip_has_no_one_class() -> None:
    text = with_probe("{kind: mlp, train_sampling: balanced}").replace(
        "task: studio_family", "task: {name: t, label: x, kind: regression}"
    )
    assert mistake(text + "    datasets: [a]\n") == (
        "x.yml:5:42: train_sampling balanced needs one class a clip, and this task is regression. "
        "Write train_sampling: random."
    )


@pytest.mark.parametrize(
    ("old", "recipe"),
    [
        ("save_criterion: val_loss", Recipe(save_criterion="loss")),
        ("save_criterion: val_categorical_accuracy", Recipe(save_criterion="accuracy")),
        ("save_criterion: val_categorical_accuracy / val_auc", Recipe()),
        ("output_activation: sigmoid", Recipe(loss="binary")),
        ("output_activation: softmax", Recipe()),
        ("output_activation: softmax / sigmoid", Recipe()),
        ("train_sampling: random", Recipe()),
        ("train_sampling: balanced", Recipe(train_sampling="balanced")),
        ("emb_dim_reduction: PCA, emb_shape: 64", Recipe(pca=64)),
        ("emb_dim_reduction: False, emb_shape: infer", Recipe()),
        ("optimizer: adam", Recipe()),
    ],
)
def test_every_field_of_the_thesis_is_read(old: str, recipe: Recipe) -> None:
    assert recipe_of(f"{{type: classifier, {old}}}") == recipe


def test_a_softmax_over_labels_is_refused() -> None:
    text = with_probe("{type: classifier, output_activation: softmax}").replace(
        "task: studio_family", "task: {name: t, label: x, kind: multilabel}"
    )
    said = mistake(text + "    datasets: [a]\n")
    assert "Expected the loss of a multilabel task to be binary, got cross_entropy" in said


def test_the_least_file_says_no_more_of_a_probe_than_before() -> None:
    assert parse(LEAST).blocks[0].probes[0].recipe == Recipe()
