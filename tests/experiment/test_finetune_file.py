"""Fine-tuning files: what is shipped, what each key does, and the paper's numbers as defaults."""

from pathlib import Path

import pytest

from earmark.experiment import finetune_file
from earmark.experiment.finetune_file import FinetuneShape, load
from earmark.training.finetune.recipe import Recipe

LEAST = "name: least\nrepresentation: random:wav2vec2-tiny\ntask: studio_family\n"
CHANGED: dict[str, tuple[str, dict[str, object]]] = {
    "modes": ("[lora]", {"mode": "lora"}),
    "body_learning_rate": ("0.5", {"body_learning_rate": 0.5}),
    "head_learning_rate": ("0.5", {"head_learning_rate": 0.5}),
    "batch_size": ("7", {"batch_size": 7, "clips_at_once": 7}),
    "clips_at_once": ("3", {"clips_at_once": 3}),
    "epochs": ("2", {"epochs": 2}),
    "patience": ("3", {"patience": 3}),
    "keep": ("score", {"keep": "score"}),
    "betas": ("[0.5, 0.6]", {"betas": (0.5, 0.6)}),
    "epsilon": ("0.1", {"epsilon": 0.1}),
    "segment_s": ("2", {"segment_s": 2}),
    "precision": ("bf16", {"precision": "bf16"}),
    "dropout": ("false", {"dropout": False}),
    "mask": ("{probability: 0.5, frames: 4}", {"mask_probability": 0.5, "mask_frames": 4}),
    "layerdrop": ("0.1", {"layerdrop": 0.1}),
}
SAID: dict[str, tuple[str, str, object]] = {
    "datasets": ("[{name: 'studio:fluid'}]", "datasets", "studio:fluid"),
    "deformations": ("[snr15]", "deformations", "snr15"),
    "metrics": ("[accuracy]", "metrics", "accuracy"),
    "per": ("[pitch]", "per", "pitch"),
    "seeds": ("[4, 5]", "seeds", "4"),
}


@pytest.fixture
def least(tmp_path: Path) -> Path:
    (tmp_path / "least.yml").write_text(LEAST)
    return tmp_path / "least.yml"


@pytest.mark.parametrize("name", sorted(one.stem for one in finetune_file.SHIPPED.glob("*.yml")))
def test_a_shipped_file_loads_by_its_path_and_by_its_name(name: str) -> None:
    by_path, by_name = load(finetune_file.SHIPPED / f"{name}.yml"), load(Path(name))
    assert (by_path.recipes, by_path.text) == (by_name.recipes, by_name.text)


def test_nsynth_is_shipped_with_the_numbers_of_the_paper() -> None:
    for name, task in (("nsynth_pitch", "nsynth_pitch"), ("nsynth_instrument", "nsynth_family")):
        asked = load(Path(name))
        linear, frozen, full = asked.recipes
        assert asked.experiment.blocks[0].task.task.name == task
        assert [one.mode for one in asked.recipes] == ["linear", "frozen_cnn", "full"]
        assert {one.patience for one in asked.recipes} == {10}
        assert linear.head_learning_rate == 1e-3
        assert (full.body_learning_rate, full.head_learning_rate) == (1e-5, 1e-4)
        assert (frozen.body_learning_rate, frozen.head_learning_rate) == (1e-5, 1e-4)
        assert full.betas == (0.9, 0.999)
        assert (full.mask_probability, full.layerdrop) == (0, 0)


def test_defaults_are_those_of_the_recipe(least: Path) -> None:
    (only,) = load(least).recipes
    assert only == Recipe("full")
    (linear,) = load(least, ["modes=[linear]"]).recipes
    assert linear == Recipe("linear", head_learning_rate=1e-3)


@pytest.mark.parametrize("key", CHANGED)
def test_a_key_changes_the_recipe(least: Path, key: str) -> None:
    written, expected = CHANGED[key]
    (recipe,) = load(least, [f"{key}={written}"]).recipes
    assert {name: getattr(recipe, name) for name in expected} == expected
    assert recipe != load(least).recipes[0]


@pytest.mark.parametrize("key", SAID)
def test_a_key_of_an_experiment_means_what_it_means_there(least: Path, key: str) -> None:
    written, field, expected = SAID[key]
    (block,) = load(least, [f"{key}={written}"]).experiment.blocks
    (before,) = load(least).experiment.blocks
    assert getattr(block, field) != getattr(before, field)
    assert str(expected) in str(getattr(block, field))


def test_the_rest_of_the_keys_is_read_too(least: Path) -> None:
    asked = load(least, ["resamples=7", "ci_level=0.5", "deformation_seed=3", "deformations=[snr15]"])
    assert (asked.experiment.resamples, asked.experiment.ci_level) == (7, 0.5)
    assert {chain.seed for chain in asked.experiment.blocks[0].deformations} == {3}
    (low,) = load(least, ["modes=[lora]", "lora={rank: 2, alpha: 3}"]).recipes
    assert (low.rank, low.alpha) == (2, 3)
    (linear,) = load(least, ["modes=[linear]", "linear_learning_rate=0.7"]).recipes
    assert linear.head_learning_rate == 0.7
    tried = {*CHANGED, *SAID, "name", "representation", "task"}
    tried |= {"resamples", "ci_level", "deformation_seed", "lora", "linear_learning_rate"}
    assert tried == set(FinetuneShape.model_fields)
