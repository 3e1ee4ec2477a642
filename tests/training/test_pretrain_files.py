"""Pre-training as a file: shipped ones parse, and a mistake is answered at its place."""

from pathlib import Path

import pytest

from earmark.errors import SpecError, UserError
from earmark.representations.encodecmae.settings import PAPER_GAMMA
from earmark.representations.wav2vec2.settings import BASE
from earmark.training import config
from earmark.training.overrides import overridden
from earmark.training.recipe import Adam, Recipe
from earmark.training.schedules import Schedule
from earmark.training.systems import EncodecMAESystem, Wav2Vec2System

GOOD = """\
name: small
representation: wav2vec2-tiny
corpus: corpora/music
segments: {kind: random, segment_s: 2}
steps: 10
batch_s: 16
portion_s: 8
schedule: {learning_rate: 1.0e-3}
"""

SHIPPED = {
    "wav2vec2_music_paper": ("wav2vec2-base", 5600),
    "single_gpu": ("wav2vec2-base", 1440),
    "tiny": ("wav2vec2-mel-tiny", 48),
    "tiny_raw": ("wav2vec2-tiny", 24),
    "encodecmae_tiny": ("encodecmae-tiny", 64),
    "encodecmae_small": ("encodecmae-small", 512),
    "encodecmae_base": ("encodecmae-base", 512),
    "encodecmae_base_st": ("encodecmae-base", 512),
    "encodecmae_large": ("encodecmae-large", 512),
    "mule_tiny": ("mule-tiny", 256),
    "mule_ularge": ("mule", 11520),
    "mule_usmall": ("mule", 1536),
    "mule_audioset": ("mule", 1536),
    "mule_supervised": ("mule", 1536),
    "mule_tags_tiny": ("mule-tiny", 128),
}


def of(text: str, tmp_path: Path) -> config.Pretraining:
    file = tmp_path / "small.yml"
    file.write_text(text)
    return config.load(file)


def test_a_file_says_how_a_network_is_trained(tmp_path: Path) -> None:
    asked = of(GOOD + "objective: {negatives: 20, temperature: {last: 1}}\n", tmp_path)

    assert asked.recipe == Recipe(10, 8, 4, Schedule(1e-3))
    assert asked.corpus == Path("corpora/music")
    assert asked.system == Wav2Vec2System("wav2vec2-tiny", {"negatives": 20, "temperature": {"last": 1}})
    assert (asked.system.settings.negatives, asked.system.settings.temperature.last) == (20, 1.0)
    assert asked.system.settings.temperature.first == BASE.temperature.first


@pytest.mark.parametrize(("name", "representation", "seconds_a_step"), [(name, *one) for name, one in SHIPPED.items()])
def test_shipped_ones_are_found_by_name_and_state_their_batch_in_seconds(
    name: str, representation: str, seconds_a_step: int
) -> None:
    asked = config.load(Path(name))

    assert asked.system.name == representation
    heard_s = asked.recipe.segments_per_step * asked.segments.heard_s
    assert heard_s == pytest.approx(seconds_a_step, abs=asked.segments.heard_s / 2)
    assert config.load(config.SHIPPED / f"{name}.yml") == asked


def test_the_paper_s_numbers_are_those_of_the_published_recipe() -> None:
    recipe = config.load(Path("wav2vec2_music_paper")).recipe

    assert recipe.adam == Adam((0.9, 0.98), 1e-6, 0.01)
    assert recipe.schedule == Schedule(5e-4, 32000, "linear")
    assert (recipe.n_steps, recipe.clip_norm, recipe.segments_at_once) == (400_000, None, round(87.5 / 15.625))


@pytest.mark.parametrize("name", ["encodecmae_small", "encodecmae_base", "encodecmae_base_st", "encodecmae_large"])
def test_encodecmae_is_trained_by_the_numbers_of_its_published_code(name: str) -> None:
    recipe = config.load(Path(name)).recipe

    assert recipe.adam == Adam((0.9, 0.95), 1e-8, 0.05)
    assert recipe.schedule == Schedule(1e-4, 0, "constant")
    assert (recipe.n_steps, recipe.clip_norm) == (150_000 if name.endswith("st") else 500_000, None)
    assert (recipe.segments_per_step, recipe.segments_at_once) == (128, 64 if name.endswith("large") else 128)


def test_self_training_adds_a_stream_that_weighs_as_much_as_the_codec() -> None:
    asked = config.load(Path("encodecmae_base_st"))
    assert isinstance(asked.system, EncodecMAESystem)

    assert asked.system.weights == Path("pretrained/encodecmae-base/checkpoints/encodecmae-base-step-500000")
    assert asked.system.front == Path("corpora/music24-taught-codes/front")
    assert asked.system.settings.weights == (*PAPER_GAMMA, sum(PAPER_GAMMA))


@pytest.mark.parametrize("name", ["small", "base", "large", "tiny", "base_st"])
def test_any_setting_of_the_objective_can_be_set_from_outside(name: str) -> None:
    asked = config.load(Path(f"encodecmae_{name}"), ["objective.delta=0.5", "objective.gamma=null"])

    assert isinstance(asked.system, EncodecMAESystem)
    assert (asked.system.settings.delta, asked.system.settings.gamma) == (0.5, None)


def test_every_shipped_one_is_tested() -> None:
    assert {one.stem for one in config.SHIPPED.glob("*.yml")} == set(SHIPPED)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("sede: 1\n", r"small.yml:9:1: Unknown key 'sede'. Did you mean 'seed'?"),
        ("objective: {negative: 3}\n", r"small.yml:9:12: There is no setting 'negative'. Did you mean 'negatives'?"),
        ("objective: {negatives: many}\n", r"small.yml:9:12: Expected 'negatives' to be of the kind of 50, got 'many'"),
        ("precision: half\n", r"small.yml:9:12: Expected 'precision' to be 'float32', 'bf16' or 'float64', got 'half'"),
    ],
)
def test_a_mistake_is_answered_at_its_place(tmp_path: Path, wrong: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        of(GOOD + wrong, tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps: 10\n", "", "Missing key 'steps'. Write, for example, steps: 400."),
        ("wav2vec2-tiny", "wav2vec2-tny", "2:17: Unknown pre-training 'wav2vec2-tny'. Did you mean 'wav2vec2-tiny'?"),
        ("kind: random", "kind: grid", "4:11: Missing key 'hop_s': a grid needs it. Write, for example, hop_s: 10."),
        ("segment_s: 2", "segment_s: 2, hop_s: 1", "4:40: 'hop_s' is not of random segments. Take it out."),
        ("portion_s: 8", "portion_s: 0.5", "7:12: Expected 'portion_s' to hold a segment of 2 s, got 0.5 s."),
        ("steps: 10", "steps: 0", "5:8: Expected 'steps' to be at least 1, got 0."),
    ],
)
def test_a_wrong_value_is_answered_at_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        of(GOOD.replace(old, new), tmp_path)
    assert said in str(caught.value)


def test_values_can_be_set_from_outside(tmp_path: Path) -> None:
    file = tmp_path / "small.yml"
    file.write_text(GOOD)

    assert config.load(file, ["schedule.warm_up_steps=3", "seed=7"]).recipe.schedule.warm_up_steps == 3


def test_an_override_keeps_the_rest_of_a_mapping() -> None:
    network = overridden(BASE, {"network": {"hidden_size": 24}}).network

    assert network["hidden_size"] == 24
    assert {**network, "hidden_size": 768} == dict(BASE.network)


def test_a_file_that_is_not_there_is_named_as_what_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Expected a pre-training file at '.*tny.yml', .* Did you mean 'tiny'\?"):
        config.load(tmp_path / "tny.yml")
