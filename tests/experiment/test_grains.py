"""What a probe sees of a clip: joined parts side by side, segments, frames, and the precision of the forward pass."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import earmark
from earmark import audio
from earmark.errors import SpecError
from earmark.experiment import work
from earmark.experiment.jobs import Fit, Shard
from earmark.experiment.keys import Want
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.study import study
from earmark.probes.select import Selected
from earmark.representations.embed import Loop, clip_embedding, frame_embeddings
from earmark.store import Store
from tests.experiment.layered import FRAME, NAME, RATE, Layered, choices, shard, stored, wav
from tests.test_run import EXPERIMENT, make_tones

JOINED = f"{NAME}+logmel"


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    make_tones(tmp_path / "audio", each=4)
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    return file


def written(file: Path, representations: str, aggregation: str = "embedding_mean") -> Path:
    text = file.read_text().replace("[{name: logmel, pool: [mean, std]}, {name: chroma}]", representations)
    file.write_text(text.replace("kind: multiclass}", f"kind: multiclass, aggregation: {aggregation}}}"))
    return file


def fits(file: Path) -> tuple[Store, list[Fit]]:
    """Embed, and return the store with every fit of the experiment."""
    earmark.run(file, stage="embed", quiet=True)
    prepared = study(file)
    return prepared.store, list(prepared.plan(force=("probe",)).fits)


def test_parts_of_other_rates_stand_side_by_side_and_are_those_that_are_embedded_alone(tones: Path) -> None:
    layers = "layers: [6, 2], pool: [mean, std]"
    file = written(
        tones, f"[{{name: '{NAME}', {layers}}}, {{name: logmel, pool: [mean, std]}}, {{name: '{JOINED}', {layers}}}]"
    )
    store, (deep, plain, both) = fits(file)
    assert both.pairing.train.embeddings == deep.pairing.train.embeddings | plain.pairing.train.embeddings
    parts = [work.examples(store, one.pairing.train, one.pairing).embeddings for one in (deep, plain)]
    found = work.examples(store, both.pairing.train, both.pairing).embeddings
    np.testing.assert_array_equal(found, np.concatenate(parts, axis=2))


def test_layers_that_are_kept_stand_beside_those_of_the_other_part(tones: Path) -> None:
    file = written(tones, f"[{{name: '{JOINED}', layers: [6, 2], reduce: concat}}]")
    store, (both,) = fits(file)
    found = work.examples(store, both.pairing.train, both.pairing).embeddings
    assert found.shape[1:] == (1, 2 * FRAME + 128)


def test_a_run_scores_joined_names_and_calls_them_unverified_when_a_part_is(tones: Path) -> None:
    run = earmark.run(written(tones, f"['{JOINED}', logmel]"), quiet=True)
    rows = run.frame.filter(pl.col("metric") == "accuracy", pl.col("seed").is_null(), pl.col("probe") != "constant")
    assert set(rows["representation"]) == {JOINED, "logmel"}
    assert rows["value"].null_count() == 0
    assert run.failures == ()


@pytest.mark.parametrize("name", ["logmel+", "logmel+logmel", "logmel+nothing"])
def test_a_joined_name_that_makes_no_sense_is_refused_at_its_place(tones: Path, name: str) -> None:
    with pytest.raises(SpecError, match=r"tones\.yml:7:\d+"):
        earmark.run(written(tones, f"['{name}']"), quiet=True)


def test_a_layer_that_a_part_lacks_is_refused_unless_that_part_has_one_layer(tones: Path) -> None:
    with pytest.raises(SpecError, match="'random:mert-tiny' has layers 0 to"):
        study(written(tones, "[{name: 'random:mert-tiny+logmel', layers: [40]}]"))


def test_segments_and_frames_are_those_of_the_loop_in_their_order(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", 0.35, rate=RATE)
    samples = audio.read(path, RATE).samples
    frames = list(frame_embeddings(Layered(), samples, (3, 1), 0.1, 0.1))
    for batch in (1, 2, 64):
        loop = Loop[None](Layered(), (3, 1), 0.1, 0.1, batch, "segments")
        (by_segment,) = [*loop.add(None, samples), *loop.rest()]
        expected = [np.stack([one.mean(1), one.std(1)], axis=1) for one in frames]
        assert isinstance(by_segment.answer, np.ndarray)
        np.testing.assert_allclose(by_segment.answer, expected, atol=1e-6)
        loop = Loop[None](Layered(), (3, 1), 0.1, 0.1, batch, "frames")
        (by_frame,) = [*loop.add(None, samples), *loop.rest()]
        np.testing.assert_array_equal(by_frame.answer, np.concatenate(frames, axis=1).swapaxes(0, 1))


def test_layer_sets_of_segments_share_a_pass_and_are_stored_as_if_alone(tmp_path: Path) -> None:
    made = shard([wav(tmp_path / "a.wav", 0.5, rate=RATE)], choices((4, 2), (2,)))
    cut = [
        Want(w.key, w.chain, w.seed, RepresentationChoice(NAME, w.choice.layers, segment_s=0.1), "segments")
        for w in made.works[0].wants
    ]
    made = Shard("cut", (type(made.works[0])(made.works[0].placed, "a", tuple(cut)),))
    Layered.calls.clear()
    work.embed_shard(made, tmp_path / "store")
    assert Layered.calls == [(2, 4)] * 5
    both, alone = stored(Store(tmp_path / "store"), made)
    assert both.shape == (5, 2, 2, FRAME)
    np.testing.assert_array_equal(both[:, 1:], alone)


def test_predictions_of_segments_are_averaged_and_every_test_clip_is_scored(tones: Path) -> None:
    cut = "[{name: logmel, segment_s: 0.1, pool: [mean, std]}]"
    run = earmark.run(written(tones, cut, "prediction"), quiet=True)
    rows = run.frame.filter(
        pl.col("metric") == "accuracy",
        pl.col("seed").is_null(),
        pl.col("label").is_null(),
        pl.col("probe") != "constant",
    )
    assert set(rows["pool"]) == {"segments, mean+std"}
    assert set(rows["n"]) == {3}
    assert min(rows.filter(pl.col("deformation") == "clean")["value"].to_list()) > 0.5
    store, (fit,) = fits(tones)
    seen = work.examples(store, fit.pairing.train, fit.pairing)
    assert seen.embeddings.shape[0] == 5 * len(seen.targets)
    assert seen.clips is not None
    np.testing.assert_array_equal(seen.clips, np.repeat(np.arange(len(seen.targets)), 5))


def test_bf16_is_another_embedding_near_the_first(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    network = earmark.load_representation("random:mert-tiny")
    exact = clip_embedding(network, samples)
    loop = Loop[None](network, bf16=True)
    (coarse,) = [*loop.add(None, samples), *loop.rest()]
    assert isinstance(coarse.answer, np.ndarray)
    assert not np.array_equal(coarse.answer, exact)
    cosine = torch.cosine_similarity(
        torch.from_numpy(coarse.answer).flatten(), torch.from_numpy(exact).flatten(), dim=0
    )
    assert float(cosine) > 0.99


def test_the_precision_is_part_of_the_key(tones: Path) -> None:
    file = written(tones, "[logmel]")
    exact = study(file).plan().shards[0].name
    coarse = study(file, ["experiments.0.representations.0={name: logmel, precision: bf16}"]).plan().shards[0].name
    assert exact != coarse


def test_each_layer_is_a_line_of_its_own_from_one_forward_pass(tones: Path) -> None:
    Layered.calls.clear()
    file = written(tones, f"[{{name: '{NAME}', layers: [5, 0, 3], reduce: each}}, {{name: '{NAME}', layers: [3]}}]")
    run = earmark.run(file, quiet=True)
    rows = run.frame.filter(pl.col("metric") == "accuracy", pl.col("seed").is_null(), pl.col("probe") != "constant")
    assert set(rows["layer"]) == {"0", "3", "5"}
    assert set(map(tuple, filter(None, Layered.calls))) == {(0, 3, 5)}
    again = study(run.folder / "experiment.yml")
    assert again.plan().jobs == 0


def test_each_of_all_layers_is_as_many_lines_as_the_card_has_layers(tones: Path) -> None:
    found = study(written(tones, f"[{{name: '{NAME}', reduce: each}}]")).experiment.blocks[0].representations
    assert [one.layers for one in found] == [(layer,) for layer in range(8)]


def with_key(file: Path, line: str) -> Path:
    file.write_text(file.read_text().replace("    seeds: [0, 1]\n", f"    seeds: [0, 1]\n    {line}\n"))
    return file


def test_the_best_layer_is_chosen_on_the_validation_clips_and_kept_with_what_was_tried(tones: Path) -> None:
    run = earmark.run(written(tones, f"[{{name: '{NAME}', layers: [5, 0, 3], reduce: best}}]"), quiet=True)
    rows = run.frame.filter(pl.col("metric") == "accuracy", pl.col("seed") == 0, pl.col("label").is_null())
    assert set(rows["layer"]) == {"best of 5,0,3"}
    probe = earmark.load_probe(run.folder / "probes" / rows["probe_key"][0])
    assert isinstance(probe, Selected)
    assert len(probe.trials) == 3
    assert probe.input_shape == (3, FRAME)
    assert probe.valid_score == max(one.valid_score for one in probe.trials)


def test_shares_of_the_training_clips_are_drawn_by_seed_and_scored_on_all_test_clips(tones: Path) -> None:
    run = earmark.run(with_key(written(tones, "[logmel]"), "train_shares: [0.5, 1]"), quiet=True)
    rows = run.frame.filter(pl.col("metric") == "accuracy", pl.col("deformation") == "clean", pl.col("label").is_null())
    assert set(rows["train_share"]) == {0.5, 1.0}
    assert set(rows["n"]) == {3}
    seeds = rows.filter(pl.col("probe") != "constant", pl.col("train_share") == 0.5, pl.col("seed").is_not_null())
    assert sorted(set(seeds["seed"])) == [0, 1]
    prepared = study(tones)
    halves = [fit for fit in prepared.plan(force=("probe",)).fits if len(fit.pairing.train.clips) < 6]
    assert [len(fit.pairing.train.clips) for fit in halves] == [3, 3]
    assert [set(halves[0].pairing.subject.targets(fit.pairing.train.clips)) for fit in halves] == [{0, 1, 2}] * 2
    assert earmark.run(tones, quiet=True).jobs_done == 0
    whole = earmark.run(
        written(with_key(tones, ""), "[logmel]"), quiet=True, overrides=["experiments.0.train_shares=null"]
    )
    assert whole.jobs_done == 0, "the whole is the same whether a half stands beside it"


@pytest.mark.parametrize("share", [1, 0.5])
def test_the_bits_that_all_targets_take_are_rows_of_their_own(tones: Path, share: float) -> None:
    keys = f"train_shares: [{share}]\n    codelength: true"
    run = earmark.run(with_key(written(tones, "[logmel]"), keys), quiet=True)
    rows = run.frame.filter(pl.col("metric") == "codelength_bits")
    assert rows["seed"].to_list() == [0, 1, None]
    assert rows["value"].to_list()[2] == pytest.approx(np.mean(rows["value"].to_list()[:2]))
    assert set(rows["n"]) == {6}
    table = earmark.table(run, metric="compression")
    assert "compression" in table
    assert earmark.run(tones, quiet=True).jobs_done == 0


def folded(file: Path, split_type: str) -> Path:
    file.write_text(file.read_text().replace("[0.5, 0.25, 0.25]", split_type))
    return file


def test_folds_are_averaged_and_every_clip_is_tested_once(tones: Path) -> None:
    run = earmark.run(folded(written(tones, "[logmel]"), "kfold-3"), quiet=True)
    rows = run.frame.filter(
        pl.col("metric") == "accuracy", pl.col("average") == "micro", pl.col("deformation") == "clean"
    )
    for seed in (0, 1, None):
        mine = rows.filter(pl.col("probe") != "constant", pl.col("seed").eq_missing(seed))
        (mean,) = mine.filter(pl.col("fold").is_null()).iter_rows(named=True)
        by_fold = mine.filter(pl.col("fold").is_not_null())
        assert len(by_fold) == 3
        assert mean["value"] == pytest.approx(by_fold["value"].mean())
        assert mean["n"] == by_fold["n"].sum() == 12
        assert mean["fold_deviation"] == pytest.approx(by_fold["value"].std(ddof=1))
        assert by_fold["fold_deviation"].null_count() == 3
    assert "mean of 3 folds" in rows.filter(pl.col("fold").is_null())["ci_method"][0]
    assert earmark.run(tones, quiet=True).jobs_done == 0
    assert earmark.table(run).count("**tone on") == 1


def test_the_interval_of_folds_is_that_of_their_clips_together(tones: Path) -> None:
    """Of folds of equal size the mean of accuracies is the accuracy of all clips, under every resample about so."""
    run = earmark.run(folded(written(tones, "[chroma]"), "kfold-3"), quiet=True)
    rows = run.frame.filter(pl.col("metric") == "accuracy", pl.col("average") == "micro", pl.col("fold").is_null())
    for row in rows.filter(pl.col("value") < 1).iter_rows(named=True):
        assert row["ci_low"] <= row["value"] <= row["ci_high"]


def test_a_search_of_the_first_fold_is_used_in_the_others_and_only_that_is_searched(tones: Path) -> None:
    among = "[{kind: mlp, hidden_units: [], epochs: 1, learning_rate: 0.0001}, {kind: logistic, c: 100.0}]"
    probe = f"probes: [{{kind: selected, name: chosen, among: {among}, first_fold_only: true}}]"
    file = folded(written(tones, "[{name: logmel, pool: [mean, std]}]"), "kfold-3")
    file.write_text(
        "\n".join(probe.join(["    ", ""]) if "probes:" in line else line for line in file.read_text().splitlines())
    )
    run = earmark.run(file, quiet=True)
    rows = run.frame.filter(pl.col("seed") == 0, pl.col("fold").is_not_null(), pl.col("metric") == "accuracy")
    found = {row["fold"]: row["probe_key"] for row in rows.iter_rows(named=True)}
    probes = {fold: earmark.load_probe(run.folder / "probes" / key) for fold, key in found.items()}
    first, *others = (probes[fold] for fold in sorted(probes))
    assert isinstance(first, Selected)
    assert len(first.trials) == 2
    for other in others:
        assert isinstance(other, Selected)
        assert [one.recipe for one in other.recipe.candidates] == [first.chosen.recipe]


def probing(file: Path, probe: str) -> Path:
    lines = file.read_text().splitlines()
    file.write_text("\n".join(f"    probes: [{probe}]" if "probes:" in line else line for line in lines) + "\n")
    return file


def test_a_probe_that_pools_frames_itself_sees_every_frame_of_every_clip(tones: Path) -> None:
    probe = "{kind: mlp, hidden_units: [], epochs: 20, learning_rate: 0.03, standardise: true, pool_frames: attention}"
    run = earmark.run(probing(written(tones, "[logmel]"), probe), quiet=True)
    rows = run.frame.filter(pl.col("metric") == "accuracy", pl.col("seed").is_null(), pl.col("label").is_null())
    assert set(rows.filter(pl.col("probe") != "constant")["pool"]) == {"frames"}
    prepared = study(tones)
    (fit,) = prepared.plan(force=("probe",)).fits
    seen = work.examples(prepared.store, fit.pairing.train, fit.pairing)
    (first,) = frame_embeddings(
        earmark.load_representation("logmel"), audio.read(fit.pairing.train.clips[0].clip.path, 22050).samples
    )
    assert seen.clips is not None
    np.testing.assert_array_equal(seen.embeddings[seen.clips == 0, 0], first[0])


def test_frames_and_predictions_of_segments_do_not_go_together(tones: Path) -> None:
    probe = "{kind: mlp, hidden_units: [], pool_frames: mean}"
    with pytest.raises(SpecError, match="pool_frames"):
        study(probing(written(tones, "[logmel]", "prediction"), probe))


def test_the_best_layer_is_of_one_representation(tones: Path) -> None:
    with pytest.raises(SpecError, match="best"):
        study(written(tones, f"[{{name: '{JOINED}', reduce: best}}]"))


@pytest.mark.parametrize("probe", ["{kind: knn, k: 7}", "{kind: ridge, pca: 7}", "{preset: mir_ref, only: [M2]}"])
def test_a_probe_that_needs_more_clips_than_there_are_is_refused_before_anything_is_embedded(
    tones: Path, probe: str
) -> None:
    with pytest.raises(SpecError, match=r"tones\.yml:8:\d+: .* needs at least \d+ training clips .* tone has 6"):
        study(probing(written(tones, "[logmel]"), probe))
