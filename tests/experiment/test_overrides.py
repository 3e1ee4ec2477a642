"""--set path.to.key=value."""

import pytest

from earmark.experiment import spec
from earmark.probes.base import told
from tests.experiment.specimens import EXPERIMENTS, LEAST, mistake, only_block


def test_an_override_sets_what_the_file_says_and_what_it_does_not() -> None:
    block = only_block(LEAST, "experiments.0.seeds=[4, 5]", "experiments.0.probes.0.learning_rate=1e-4")
    assert block.seeds == (4, 5)
    assert told(block.probes[0].recipe)["learning_rate"] == 1e-4


def test_an_override_of_what_is_shared_changes_one_place() -> None:
    first, second, *_ = spec.load(EXPERIMENTS / "demo.yml", ["experiments.0.probes.0.epochs=1"]).blocks
    assert told(first.probes[0].recipe)["epochs"] == 1
    assert "epochs" not in told(second.probes[0].recipe)


def test_an_override_understands_new_and_old_names() -> None:
    appendix = EXPERIMENTS / "thesis_appendix.yml"
    for key in ("probes", "downstream_models"):
        first = spec.load(appendix, [f"experiments.0.{key}.0.epochs=3"]).blocks[0]
        assert told(first.probes[0].recipe)["epochs"] == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nothing", "1: Expected path.to.key=value, got 'nothing'. For example, experiments.0.seeds=[0]."),
        (
            "experiments.0.probs.0.epochs=1",
            (
                "15: There is no key 'probs' to go through. Did you mean 'probes'? "
                "Keys here: task, representations, probes."
            ),
        ),
        (
            "xyz.share=0.05",
            (
                "1: There is no key 'xyz' to go through. Keys here: name, experiments. "
                "To add it, set it whole: xyz={name: value}."
            ),
        ),
        ("experiments.1.seeds=[0]", "13: Expected a number below 1 (the list has so many), got '1'."),
        (
            "experiments.0.task.n_train=4",
            (
                "20: Expected a mapping to set 'n_train' in, got 'studio_family'. "
                "Set the whole of it: {name: studio_family, n_train: …}."
            ),
        ),
        (
            "experiments.0.probes.0.learning_rate=-1",
            "38: Expected learning_rate to be a number above 0, got -1.0. Write, for example, learning_rate: 0.001.",
        ),
        (
            "experiments.0.seed=1",
            (
                "15: Unknown key 'seed'. Did you mean 'seeds'? Keys here: task, datasets, deformations, "
                "deformation_seed, representations, probes, metrics, train_shares, share_of, codelength, seeds, per."
            ),
        ),
    ],
)
def test_a_wrong_override_is_answered_at_its_column(override: str, message: str) -> None:
    assert mistake(LEAST, override) == f"--set:1:{message}"


def test_the_second_override_is_line_two() -> None:
    assert mistake(LEAST, "experiments.0.seeds=[1]", "resamples=0").startswith("--set:2:11: ")


def test_a_star_stands_for_every_entry_of_a_list() -> None:
    blocks = spec.load(EXPERIMENTS / "thesis.yml", ["experiments.*.representations=[logmel]"]).blocks
    assert [[one.name for one in block.representations] for block in blocks] == [["logmel"]] * 6


def test_a_star_changes_each_entry_alone() -> None:
    first, second, *_ = spec.load(
        EXPERIMENTS / "thesis.yml", ["experiments.*.seeds=[7]", "experiments.1.seeds.0=8"]
    ).blocks
    assert (first.seeds, second.seeds) == ((7,), (8,))
