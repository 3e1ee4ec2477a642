"""Experiment files to test with, and the shortest ways to read them."""

from pathlib import Path

import pytest

from earmark.errors import SpecError
from earmark.experiment import spec

EXPERIMENTS = Path(__file__).parent.parent.parent / "experiments"
NOWHERE = Path("x.yml")

LEAST = """\
name: least
experiments:
  - task: studio_family
    representations: [logmel]
    probes: [{preset: mir_ref-fixed, only: [M1]}]
"""


# A value for every key, and none that the tests of single keys set.
WHOLE = """\
name: whole
experiments:
  - task: {name: mine, label: family, kind: multiclass, aggregation: embedding_mean}
    datasets: [{name: a, dir: d, split_type: single}, {train: b, test: c}]
    deformations:
      one: [{type: Gain, params: {min_gain_db: 1, max_gain_db: 1}}]
      few: [{type: Gain, params: {gain_db: {sweep: {first: 2, last: 6, step: 2}}}}]
    deformation_seed: 0
    representations: [{name: logmel, layers: [1, 2], reduce: mean, pool: [mean], segment_s: 2, segment_hop_s: 1}]
    probes:
      - {preset: mir_ref-fixed, only: [M2]}
      - {kind: mlp, name: own, hidden_units: [4], learning_rate: 0.1, weight_decay: 0.1, batch_size: 9, epochs: 9}
      - {kind: mlp, name: slowing, schedule: plateau}
      - {kind: logistic, name: smooth}
      - {kind: ridge, name: ridge}
      - {kind: knn, name: near}
      - {kind: own, name: mine, class_path: "sklearn.svm:SVC", params: {C: 2}}
      - {kind: selected, name: best, among: [{kind: logistic, c: 0.1}, {kind: knn}], search: random, n_drawn: 1}
    metrics: [accuracy]
    seeds: [0]
    per: [singer]
    train_shares: [0.1, 1]
  - {task: studio_pitch, representations: [chroma], probes: [{kind: reading, name: as it is}]}
resamples: 10
ci_level: 0.9
commercial: true
unverified: true
"""


def parse(text: str, *overrides: str) -> spec.Experiment:
    return spec.parse(text, NOWHERE, overrides)


def only_block(text: str, *overrides: str) -> spec.Block:
    (block,) = parse(text, *overrides).blocks
    return block


def with_deformations(value: str) -> str:
    return LEAST + f"    deformations: {value}\n"


def with_probe(value: str) -> str:
    return LEAST.replace("{preset: mir_ref-fixed, only: [M1]}", value)


def mistake(text: str, *overrides: str) -> str:
    """The message that a wrong file gets."""
    with pytest.raises(SpecError) as caught:
        spec.check_names(parse(text, *overrides))
    return str(caught.value)
