"""What an experiment file means."""

from dataclasses import replace

import pytest

from earmark.deformations import Step
from earmark.experiment import spec
from earmark.experiment.presets import preset
from earmark.probes.recipe import Recipe
from tests.experiment.specimens import LEAST, only_block, parse, with_deformations, with_probe


def test_the_least_file_means_its_defaults() -> None:
    block = only_block(LEAST)
    assert block.task.task.label == "family"
    assert block.datasets == (spec.DatasetChoice("studio", "studio"),)
    assert block.representations == (spec.RepresentationChoice("logmel"),)
    assert block.probes == (spec.ProbeChoice("M1", "mir_ref-fixed", preset("mir_ref-fixed")["M1"]),)
    assert (block.deformations, block.metrics, block.seeds) == ((), (), (0,))


def test_a_file_without_a_name_has_that_of_the_file() -> None:
    assert parse(LEAST.replace("name: least\n", "")).name == "x"


def test_a_probe_of_a_preset_takes_overrides_and_leaves_the_preset_alone() -> None:
    (probe,) = only_block(with_probe("{preset: mir_ref-fixed, only: [M3], standardise: true, epochs: 3}")).probes
    assert probe.recipe == replace(preset("mir_ref-fixed")["M3"], standardise=True, epochs=3)
    assert preset("mir_ref-fixed")["M3"] == Recipe((256, 128))


def test_a_preset_brings_all_its_probes() -> None:
    assert [probe.name for probe in only_block(with_probe("mir_ref-fixed")).probes] == ["M1", "M2", "M3", "M4", "M5"]


@pytest.mark.parametrize(
    ("probe", "name"),
    [
        ("{kind: mlp}", "linear"),
        ("{kind: mlp, hidden_units: [256, 128]}", "mlp-256-128"),
        ("{kind: mlp, hidden_units: [infer], learning_rate: 1e-4}", "mlp-infer-lr0.0001"),
        ("{kind: mlp, standardise: true, batch_size: 277}", "linear-batch277-standardised"),
        ("{kind: mlp, name: mine, epochs: 5}", "mine"),
    ],
)
def test_a_probe_is_named_by_its_content(probe: str, name: str) -> None:
    assert [one.name for one in only_block(with_probe(probe)).probes] == [name]


def test_own_recipes_start_from_the_defaults_of_a_recipe() -> None:
    (probe,) = only_block(with_probe("{kind: mlp, hidden_units: [8], dropout: 0.5}")).probes
    assert (probe.preset, probe.recipe) == (None, Recipe(hidden_units=(8,), dropout=0.5))


def test_a_task_in_a_mapping_changes_only_what_it_says() -> None:
    named = only_block(LEAST).task.task
    changed = only_block(LEAST.replace("task: studio_family", "task: {name: studio_family, n_train: 50}")).task.task
    assert changed == replace(named, n_train=50)


def test_a_dataset_entry_without_a_name_is_the_one_of_the_task() -> None:
    block = only_block(LEAST + "    datasets: [{split_type: [0.5, 0.25, 0.25], subset: 40}]\n")
    assert block.datasets == (spec.DatasetChoice("studio", "studio", None, (0.5, 0.25, 0.25), 40),)


def test_fitting_on_one_dataset_and_scoring_another() -> None:
    block = only_block(LEAST + "    datasets: [{train: studio, test: 'studio:fluid'}]\n")
    assert block.datasets == (spec.DatasetChoice("studio", "studio:fluid"),)


@pytest.mark.parametrize(
    ("layers", "reduce", "name"),
    [
        (None, "mean", "all"),
        ((6,), "mean", "6"),
        ((4, 5, 6), "mean", "4-6"),
        ((0, 6, 12), "mean", "0,6,12"),
        ((4, 5, 6), "concat", "concat 4-6"),
    ],
)
def test_layers_have_a_short_name(layers: tuple[int, ...] | None, reduce: str, name: str) -> None:
    said = f"{{name: logmel, reduce: {reduce}{'' if layers is None else f', layers: {list(layers)}'}}}"
    (choice,) = only_block(LEAST.replace("[logmel]", f"[{said}]")).representations
    assert (choice.layers, choice.layer_name) == (layers, name)


def test_deformations_are_a_mapping_a_list_of_names_or_a_list_of_chains() -> None:
    snr15 = "{type: AddGaussianSNR, params: {min_snr_db: 15, max_snr_db: 15}}"
    forms = [f"{{snr15: [{snr15}]}}", f"{{snr15: {snr15}}}", "[snr15]", f"[{snr15}]", f"[[{snr15}]]"]
    chains = {only_block(with_deformations(form)).deformations for form in forms}
    assert len(chains) == 1
    assert next(iter(chains))[0].name == "snr15"


def test_the_mix_of_chains_and_steps_that_the_thesis_prints_is_read() -> None:
    text = """\
    deformations:
      - - type: Mp3Compression
          params: {min_bitrate: 32, max_bitrate: 32, p: 1}
        - type: Gain
          params: {min_gain_in_db: -12, max_gain_in_db: -12, p: 1}
      - type: AddGaussianSNR
        params: {min_snr_in_db: 0, max_snr_in_db: 0, p: 1.0}
"""
    first, second = only_block(LEAST + text).deformations
    assert (first.name, second.name) == ("mp3-32k+gain-12", "snr0")
    assert first.steps[1] == Step("Gain", {"min_gain_db": -12, "max_gain_db": -12})


def test_the_deformation_seed_reaches_every_chain() -> None:
    block = only_block(with_deformations("[snr15, snr0]") + "    deformation_seed: 7\n")
    assert [chain.seed for chain in block.deformations] == [7, 7]


def test_shipped_chains_may_be_named() -> None:
    names = list(spec.EXAMPLE_CHAINS)
    assert [chain.name for chain in only_block(with_deformations(f"[{', '.join(names)}]")).deformations] == names
