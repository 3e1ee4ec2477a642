"""The content of an experiment file: written and read back the same, in any order, every key of it read."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.experiment import _shape, spec
from earmark.written.shapes import Shape
from tests.experiment.specimens import EXPERIMENTS, LEAST, WHOLE, parse, with_deformations

SHIPPED = sorted(EXPERIMENTS.glob("*.yml"))
LOOSE = ("datasets", "representations", "probes", "seeds", "per")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_is_written_is_read_back_the_same(path: Path) -> None:
    experiment = spec.load(path)
    again = spec.parse(spec.to_yaml(experiment), path)
    assert again == experiment
    assert again.spec_hash == experiment.spec_hash
    assert again.notes == (), "everything has today's name"


def shuffled(value: object, rng: random.Random) -> object:
    """The same content in another order, wherever order means nothing."""
    if isinstance(value, dict):
        keys = rng.sample(sorted(value), len(value))
        return {
            key: rng.sample(list(value[key]), len(value[key])) if key in LOOSE else shuffled(value[key], rng)
            for key in keys
        }
    if isinstance(value, list):
        return [shuffled(one, rng) for one in value]
    return value


def test_shuffling_keeps_the_content() -> None:
    plain = {"seeds": [0, 1, 2], "experiments": [{"layers": [3, 1]}]}
    found = {json.dumps(shuffled(plain, random.Random(seed))) for seed in range(50)}
    assert len(found) == 12, "6 orders of the seeds × 2 of the keys; layers keep theirs"


@settings(max_examples=30)
@given(st.integers(0, 2**32))
def test_the_order_of_a_file_changes_no_hash(seed: int) -> None:
    experiment = spec.load(EXPERIMENTS / "demo.yml")
    plain = shuffled(json.loads(json.dumps(experiment.plain())), random.Random(seed))
    assert isinstance(plain, dict)
    random.Random(seed).shuffle(plain["experiments"])
    assert parse(json.dumps(plain)).spec_hash == experiment.spec_hash


def test_the_name_of_a_file_is_not_its_content() -> None:
    assert parse(LEAST.replace("least", "other")).spec_hash == parse(LEAST).spec_hash
    assert parse(LEAST.replace("least", "other")) != parse(LEAST)


def test_order_that_means_something_changes_the_hash() -> None:
    steps = ["{type: Reverse}", "{type: PolarityInversion}"]
    there, back = (with_deformations(f"{{both: [{', '.join(order)}]}}") for order in (steps, steps[::-1]))
    assert parse(there).spec_hash != parse(back).spec_hash


def test_fifteen_is_fifteen_point_zero() -> None:
    whole = with_deformations("[{type: Gain, params: {min_gain_db: 6, max_gain_db: 6}}]")
    assert parse(whole.replace("6", "6.0")).spec_hash == parse(whole).spec_hash


# Every key of the file's shape, with an override that gives it a value that it does not have in WHOLE.
AT: dict[type[Shape], dict[str, str]] = {
    _shape.ExperimentShape: {
        "name": "name=other",
        "experiments": "experiments.0.seeds=[1]",
        "resamples": "resamples=11",
        "ci_level": "ci_level=0.8",
        "commercial": "commercial=false",
        "unverified": "unverified=false",
    },
    _shape.BlockShape: {
        "task": "experiments.0.task=studio_key",
        "datasets": "experiments.0.datasets=[z]",
        "deformations": "experiments.0.deformations={}",
        "deformation_seed": "experiments.0.deformation_seed=1",
        "representations": "experiments.0.representations=[mfcc]",
        "probes": "experiments.0.probes=[mir_ref-fixed]",
        "metrics": "experiments.0.metrics=auto",
        "seeds": "experiments.0.seeds=[1]",
        "per": "experiments.0.per=[z]",
        "train_shares": "experiments.0.train_shares=[0.5]",
        "share_of": "experiments.0.share_of=groups",
        "codelength": "experiments.0.codelength=true",
    },
    _shape.TaskShape: {
        key: f"experiments.0.task.{key}={value}"
        for key, value in {
            "name": "other",
            "label": "pitch",
            "kind": "pitch",
            "aggregation": "prediction",
            "split": "program",
            "n_train": "9",
        }.items()
    },
    _shape.DatasetShape: {
        "name": "experiments.0.datasets.0.name=z",
        "train": "experiments.0.datasets.1.train=z",
        "test": "experiments.0.datasets.1.test=z",
        "dir": "experiments.0.datasets.0.dir=z",
        "split_type": "experiments.0.datasets.0.split_type=all",
        "subset": "experiments.0.datasets.0.subset=9",
    },
    _shape.StepShape: {
        "type": "experiments.0.deformations.one.0.type=GainTransition",
        "params": "experiments.0.deformations.one.0.params={}",
    },
    _shape.SweptShape: {"sweep": "experiments.0.deformations.few.0.params.gain_db.sweep=[2, 4]"},
    _shape.RangeShape: {
        key: f"experiments.0.deformations.few.0.params.gain_db.sweep.{key}={value}"
        for key, value in {"first": "4", "last": "8", "step": "4"}.items()
    },
    _shape.RepresentationShape: {
        key: f"experiments.0.representations.0.{key}={value}"
        for key, value in {
            "name": "mfcc",
            "layers": "[2, 1]",
            "reduce": "concat",
            "pool": "[mean, std]",
            "segment_s": "3",
            "segment_hop_s": "2",
            "precision": "bf16",
        }.items()
    },
    _shape.ProbeShape: {
        "preset": "experiments.0.probes.0={kind: mlp, name: M2, hidden_units: [128]}",
        "only": "experiments.0.probes.0.only=[M3]",
        "kind": "experiments.0.probes.1={preset: mir_ref-fixed, only: [M1]}",
        **{
            key: f"experiments.0.probes.1.{key}={value}"
            for key, value in {
                "name": "other",
                "hidden_units": "[]",
                "learning_rate": "0.2",
                "weight_decay": "0.2",
                "batch_size": "8",
                "epochs": "8",
                "patience": "8",
                "standardise": "true",
                "dropout": "0.1",
                "pca": "3",
                "activation": "tanh",
                "batch_norm": "true",
                "initialisation": "torch",
                "layer_weights": "true",
                "pool_frames": "mean",
                "loss": "binary",
                "epsilon": "0.1",
                "decay_biases": "false",
                "schedule": "cosine",
                "warm_up_steps": "2",
                "drop_last": "true",
                "train_sampling": "fixed",
                "steps": "8",
                "check_every": "2",
                "stop_criterion": "never",
                "save_criterion": "f1",
                "ties": "first",
                "keep": "last",
                "average": "logits",
                "standardise_targets": "false",
                "power_rule": "mir_ref",
            }.items()
        },
        "penalised_loss": "experiments.0.probes.1={kind: mlp, name: own, stop_criterion: loss, penalised_loss: true}",
        "plateau_factor": "experiments.0.probes.2.plateau_factor=0.7",
        "plateau_patience": "experiments.0.probes.2.plateau_patience=7",
        "c": "experiments.0.probes.3.c=2",
        "alpha": "experiments.0.probes.4.alpha=2",
        "k": "experiments.0.probes.5.k=2",
        "metric": "experiments.0.probes.5.metric=euclidean",
        "weights": "experiments.0.probes.5.weights=distance",
        "unit": "experiments.1.probes.0.unit=hz",
        "class_path": "experiments.0.probes.6.class_path=sklearn.svm:LinearSVC",
        "params": "experiments.0.probes.6.params={C: 3}",
        "among": "experiments.0.probes.7.among=[{kind: ridge}, {kind: knn}]",
        "layers": "experiments.0.probes.7.layers=[0, 1]",
        "search": "experiments.0.probes.7={kind: selected, name: best, among: [{kind: logistic, c: 0.1}, {kind: knn}]}",
        "n_drawn": "experiments.0.probes.7.n_drawn=2",
        "first_fold_only": "experiments.0.probes.7.first_fold_only=true",
    },
}


def shapes(shape: type[Shape] = Shape) -> Iterator[type[Shape]]:
    """Yield what an experiment file is made of; other files have shapes of their own."""
    for below in shape.__subclasses__():
        if below.__module__ == _shape.__name__:
            yield below
        yield from shapes(below)


@pytest.mark.parametrize("shape", sorted(shapes(), key=str), ids=lambda shape: shape.__name__)
def test_every_key_is_read(shape: type[Shape]) -> None:
    assert set(AT[shape]) == set(shape.model_fields) - {"shared"}, "each key has its line above"
    before = parse(WHOLE)
    unread = [key for key, override in AT[shape].items() if parse(WHOLE, override) == before]
    assert unread == []


@pytest.mark.parametrize("shape", sorted(shapes(), key=str), ids=lambda shape: shape.__name__)
def test_every_key_says_what_it_is_and_shows_a_value(shape: type[Shape]) -> None:
    assert [key for key, one in shape.model_fields.items() if not (one.description and one.examples)] == []


def test_the_whole_file_is_written_and_read_back() -> None:
    assert parse(spec.to_yaml(parse(WHOLE))) == parse(WHOLE)


def test_the_schema_knows_every_key_and_both_forms_of_a_name() -> None:
    schema = json.loads(json.dumps(spec.json_schema()))
    assert set(schema["properties"]) == set(_shape.ExperimentShape.model_fields)
    names = schema["$defs"]["BlockShape"]["properties"]["representations"]["items"]["anyOf"]
    assert {"type": "string"} in names
    assert schema["$defs"]["ProbeShape"]["additionalProperties"] is False
