"""Each preset against what its paper and its code say."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import UnknownName, UserError
from earmark.experiment import spec
from earmark.experiment.presets import find, preset, presets
from earmark.nouns import Kind
from earmark.probes import select
from earmark.probes.base import Examples, Fitted, Job, Problem
from earmark.probes.fit import fit
from earmark.probes.presets import preset_of, shortened
from earmark.probes.recipe import Recipe
from tests.experiment.specimens import mistake, only_block, parse, with_probe

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"


def networks(name: str) -> dict[str, Recipe]:
    found = preset(name)
    assert all(isinstance(one, Recipe) for one in found.values())
    return {probe: one for probe, one in found.items() if isinstance(one, Recipe)}


def grid_of(name: str) -> tuple[Recipe, ...]:
    [one] = preset(name).values()
    assert isinstance(one, select.Recipe)
    return tuple(recipe for recipe in one.recipes if isinstance(recipe, Recipe))


def differing(one: Recipe, other: Recipe) -> set[str]:
    return {each.name for each in fields(Recipe) if getattr(one, each.name) != getattr(other, each.name)}


def test_the_fixed_preset_is_the_five_probes_of_the_thesis() -> None:
    # Source: Plachouras 2023, the downstream models M1 to M5; Adam 1e-3, L2 1e-5, batch 100, patience 10.
    recipes = networks("mir_ref-fixed")
    hidden = [recipe.hidden_units for recipe in recipes.values()]
    assert list(recipes) == ["M1", "M2", "M3", "M4", "M5"]
    assert hidden == [(), (128,), (256, 128), ("infer",), ("infer", "infer")]
    for recipe in recipes.values():
        assert recipe == Recipe(recipe.hidden_units, 1e-3, 1e-5, 100, 100, 10, False, 0.0)


def test_the_fixed_preset_differs_from_the_thesis_in_the_faults_that_it_mends() -> None:
    as_was, mended = networks("mir_ref"), networks("mir_ref-fixed")
    faults = {"drop_last", "stop_criterion", "save_criterion", "ties", "penalised_loss", "power_rule"}
    assert [differing(as_was[name], mended[name]) for name in as_was] == [
        faults | ({"batch_size"} if name == "M2" else set()) for name in as_was
    ]
    assert as_was["M2"].batch_size == 277


def test_mir_ref_keeps_the_epoch_by_the_score_of_the_kind() -> None:
    kinds: tuple[Kind, ...] = ("multiclass", "key", "multilabel", "regression")
    kept = []
    for kind in kinds:
        [one] = preset("mir_ref", ["M1"], kind).values()
        assert isinstance(one, Recipe)
        assert one.stop_criterion == "loss"
        kept.append(one.save_criterion)
    assert kept == ["accuracy", "accuracy", "roc_auc", "r2"]


def test_the_eight_points_of_hear_are_the_published_ones_in_their_order() -> None:
    # Source: hear-eval-kit at 8559649, its grid shuffled by Python's generator after seed 42; seen in a run's log.
    points = [(len(one.hidden_units), one.initialisation[5:], one.learning_rate) for one in grid_of("hear2021")]
    assert points == [
        (1, "normal", 1e-4),
        (2, "uniform", 1e-3),
        (1, "normal", 1e-3),
        (1, "normal", 3.2e-4),
        (2, "normal", 3.2e-4),
        (2, "uniform", 3.2e-4),
        (2, "normal", 3.2e-3),
        (2, "uniform", 3.2e-3),
    ]
    chosen = [*preset("hear2021").values(), *preset("hear2021-fixed").values()]
    assert [isinstance(one, select.Recipe) and one.first_fold_only for one in chosen] == [True, True]
    for one in grid_of("hear2021"):
        assert set(one.hidden_units) == {1024}
        assert (one.dropout, one.batch_norm, one.batch_size, one.weight_decay) == (0.1, True, 1024, 0)
        assert (one.epochs, one.check_every, one.patience) == (500, 3, 20)
        assert (one.train_sampling, one.ties, one.keep) == ("fixed", "first", "best")
    both = zip(grid_of("hear2021"), grid_of("hear2021-fixed"), strict=True)
    assert [differing(*pair) for pair in both] == [{"train_sampling"}] * 8


@pytest.mark.parametrize(
    ("name", "hidden", "dropout", "batch", "l2", "rate", "warm_up", "decay"),
    [
        # Source: McCallum et al. 2022, table 2, and the published configurations for Musicset-ULarge.
        ("mtt", (512,), 0.5, 256, 1e-6, 5e-5, 1_000, 29_000),
        ("gtzan", (), 0, 2560, 0, 5e-5, 1_000, 19_000),
        ("giantsteps_key", (512,), 0.9, 512, 1e-4, 1e-4, 1_000, 9_000),
        ("emo", (1024,), 0.5, 512, 0, 1e-4, 1_000, 9_000),
        ("nsynth_pitch", (), 0, 64, 0, 1e-4, 5_000, 795_000),
        ("nsynth_instrument", (), 0, 64, 0, 1e-4, 5_000, 395_000),
        ("jam50", (512,), 0.75, 256, 1e-5, 1e-4, 1_000, 17_000),
        ("jam_all", (1024, 1024), 0.5, 256, 1e-5, 1e-4, 1_000, 19_000),
        ("jam_mt", (512,), 0.75, 256, 1e-5, 1e-4, 1_000, 14_000),
        ("msds", (1024, 1024), 0.5, 256, 1e-6, 1e-4, 1_000, 39_000),
        ("msd50", (512,), 0.5, 256, 1e-5, 1e-4, 1_000, 29_000),
        ("msd100", (2048, 2048), 0.5, 256, 5e-6, 1e-4, 1_000, 34_000),
        ("msd500", (4096, 4096, 4096), 0.5, 256, 1e-6, 1e-4, 1_000, 19_000),
        ("amm", (1024,), 0.5, 256, 5e-6, 3e-4, 1_000, 29_000),
    ],
)
def test_each_probe_of_mule_has_its_published_numbers(
    name: str, hidden: tuple[int, ...], dropout: float, batch: int, l2: float, rate: float, warm_up: int, decay: int
) -> None:
    recipe = networks("mule2022")[name]
    assert (recipe.hidden_units, recipe.dropout, recipe.batch_size) == (hidden, dropout, batch)
    assert (recipe.weight_decay, recipe.learning_rate) == (l2, rate)
    assert (recipe.warm_up_steps, recipe.steps) == (warm_up, warm_up + decay)
    assert (recipe.schedule, recipe.epsilon, recipe.decay_biases) == ("cosine", 1e-7, False)
    assert (recipe.stop_criterion, recipe.keep) == ("never", "last")
    assert recipe.loss == ("binary" if name == "gtzan" else "auto")


def test_marbles_versions_differ_in_the_epoch_they_keep() -> None:
    first, second, mended = (networks(name) for name in ("marble1", "marble2", "marble2-fixed"))
    assert {one.keep for one in first.values()} == {one.keep for one in mended.values()} == {"best"}
    assert {one.keep for one in second.values()} == {"last"}
    assert [differing(second[name], mended[name]) for name in second] == [{"keep"}] * len(second)
    for one in (*first.values(), *second.values()):
        assert (one.hidden_units, one.dropout, one.weight_decay) == ((512,), 0.2, 0)
        assert (one.average, one.epsilon, one.initialisation) == ("logits", 1e-8, "torch")
    rates = {name: (one.learning_rate, one.plateau_patience, one.patience) for name, one in first.items()}
    assert rates == {
        "gtzan": (5e-3, 6, 20),
        "giantsteps_key": (1e-3, 5, 20),
        "emo": (1e-3, 5, 20),
        "mtt": (1e-3, 3, 10),
    }


def test_wav2vec2_music_is_the_output_layer_alone() -> None:
    # Source: Ragano et al. 2023, section 2: Adam, rate 0.001, 10 epochs without a lower validation loss.
    [recipe] = networks("wav2vec2_music").values()
    assert (recipe.hidden_units, recipe.learning_rate, recipe.patience) == ((), 1e-3, 10)
    assert (recipe.stop_criterion, recipe.save_criterion) == ("loss", "loss")


def test_some_probes_of_a_preset_come_in_the_order_asked_for() -> None:
    assert list(preset("mir_ref-fixed", ["M3", "M1"])) == ["M3", "M1"]
    assert preset("mir_ref-fixed", []) == {}


def test_unknown_presets_and_probes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"Unknown preset 'mirref'\. Did you mean 'mir_ref'"):
        preset("mirref")
    with pytest.raises(UnknownName, match=r"probe of mir_ref-fixed 'M6'.*Known: M1, M2, M3, M4, M5"):
        preset("mir_ref-fixed", ["M6"])
    with pytest.raises(UnknownName, match="Unknown preset 'mule'"):
        preset("mule~200")


def test_a_preset_with_a_key_that_there_is_not_is_refused() -> None:
    with pytest.raises(UserError, match="got fault"):
        preset_of({"name": "x", "version": 1, "cites": "", "description": "", "fault": {}})


def test_a_short_version_is_named_so_and_has_at_most_so_many_steps() -> None:
    assert find("mule2022~200").name == "mule2022~200"
    for recipe in networks("mule2022~200").values():
        assert recipe.steps == 200
        assert recipe.warm_up_steps <= 20
    assert networks("mule2022~900000")["gtzan"] == networks("mule2022")["gtzan"]
    assert list(preset("hear2021~9")) == ["hear2021~9"]
    assert {one.steps for one in grid_of("hear2021~9")} == {9}
    (probe,) = only_block(with_probe("{preset: mule2022~200, only: [mtt]}")).probes
    assert (probe.name, probe.preset) == ("mule2022~200/mtt", "mule2022~200")


def test_probes_of_one_name_are_told_apart_by_their_presets_in_any_order_and_in_the_copy_of_the_file() -> None:
    several = ["mir_ref-fixed", "{preset: mir_ref, only: [M3]}", "{kind: knn, name: M2}", "hear2021~5"]
    told = {"M1", "M2", "mir_ref-fixed/M2", "mir_ref-fixed/M3", "mir_ref/M3", "M4", "M5", "hear2021~5"}
    for order in (several, several[::-1]):
        assert {probe.name for probe in only_block(with_probe(", ".join(order))).probes} == told
    whole = parse(with_probe(", ".join(several)))
    assert parse(spec.to_yaml(whole)) == whole
    assert "Probe 'mir_ref/M1' stands here a second time" in mistake(with_probe("mir_ref, mir_ref"))


def test_only_networks_are_cut_short() -> None:
    with pytest.raises(UserError, match="Only networks take steps, and this probe is of kind selected"):
        shortened(next(iter(preset("hear2021").values())), 5)


KIND_OF: dict[str, Kind] = {
    **dict.fromkeys(("mtt", "jam50", "jam_all", "jam_mt", "msds", "msd50", "msd100", "amm"), "multilabel"),
    "emo": "regression",
    "giantsteps_key": "key",
    "nsynth_pitch": "pitch",
}
KEY_NAMES = ("C major", "A minor", "G major")


@pytest.mark.parametrize("name", list(presets()))
def test_every_preset_fits_and_predicts(name: str) -> None:
    rng = np.random.default_rng(0)
    n_rows, clips = 120, np.repeat(np.arange(60), 2)
    for probe in find(name).names:
        if probe == "msd500":  # 4,096 wide: its recipe is checked above
            continue
        kind = KIND_OF.get(probe, "multiclass")
        shape = (60, 3) if kind in ("multilabel", "regression") else (60,)
        drawn = rng.integers(0, 3 if len(shape) == 1 else 2, shape)
        targets = drawn.astype(np.float32) if len(shape) == 2 else drawn
        side = Examples(rng.standard_normal((n_rows, 2, 10), dtype=np.float32), targets, clips)
        given = Problem(kind, side, side, 3, KEY_NAMES if kind == "key" else ())
        short = find(f"{name}~6")
        own = f"{probe}~6" if short.grid else probe
        batch = {"batch_size": 50}  # mir_ref drops a batch that it cannot fill
        recipe = short.recipes([own], kind)[own]
        recipe = recipe if not isinstance(recipe, Recipe) else Recipe(**{**vars(recipe), **batch})
        [fitted] = fit(given, [Job(recipe, 1)])
        assert isinstance(fitted, Fitted)
        assert fitted.predict(side.embeddings, clips).shape == (60, 3)


def test_a_file_overrides_every_candidate_of_a_grid() -> None:
    (probe,) = only_block(with_probe("{preset: hear2021, epochs: 4, hidden_units: [8]}")).probes
    assert isinstance(probe.recipe, select.Recipe)
    assert {(one.epochs, one.hidden_units) for one in probe.recipe.recipes if isinstance(one, Recipe)} == {(4, (8,))}
    assert len({one.learning_rate for one in probe.recipe.recipes if isinstance(one, Recipe)}) == 4


def test_a_preset_that_does_not_go_with_a_task_is_refused_at_its_place() -> None:
    said = mistake(
        with_probe("{preset: mule2022, only: [gtzan]}").replace(
            "studio_family", "{name: t, label: x, kind: regression}"
        )
        + "    datasets: [a]\n"
    )
    assert "Expected the loss of a regression task to be squared, got binary" in said


def test_the_page_of_protocols_tells_every_preset_its_source_and_its_faults() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for name, one in presets().items():
        assert f"## {name} " in page
        assert one.cites in page
        assert one.description in page
        for fault, text in one.faults.items():
            assert f"**{fault}**: {text}" in page
        for fault in one.mends:
            assert fault in find(name.removesuffix("-fixed")).faults
            assert f"Mends: {', '.join(one.mends)}." in page
