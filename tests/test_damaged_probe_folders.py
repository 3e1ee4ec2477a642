"""A probe's folder of which a file is damaged, or of another probe, is refused by a sentence that says what to do."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.catalogue import prediction
from earmark.errors import DataError
from earmark.experiment.calibrated import FILE, SCHEMA
from earmark.experiment.probe_folders import CARD, WEIGHTS, ProbeCard, write_card
from earmark.experiment.spec import RepresentationChoice
from earmark.nouns import Kind
from earmark.probes import calibration, fit, logistic
from earmark.probes.base import Examples, Job, Problem

RNG = np.random.default_rng(2)
CLASSES = ("low", "middle", "high")
TARGETS: dict[Kind, np.ndarray] = {
    "multiclass": RNG.integers(3, size=60),
    "multilabel": RNG.integers(2, size=(60, 3)).astype(np.float32),
}
Change = dict[str, Any]


def saved(folder: Path, kind: Kind) -> Path:
    """Write the folder of a probe with its card and its calibration; return it."""
    both = Examples(RNG.standard_normal((60, 1, 4), dtype=np.float32), TARGETS[kind])
    (probe,) = fit.fit(Problem(kind, both, both, 3, CLASSES), [Job(logistic.Recipe(), 0)])
    said = {
        **{"key": "ab" * 16, "probe": "logistic", "preset": None, "seed": 0, "task": "tone", "label": "tone"},
        **{"dataset": "tones", "dataset_version": "1", "split": "folds", "fold": 0, "train_share": 1.0},
        **{"kind": kind, "classes": CLASSES, "representation": RepresentationChoice("logmel"), "grain": "clip"},
        "hears": {"logmel": FACT},
    }
    card = ProbeCard(**said)  # type: ignore[arg-type]  # of several kinds
    write_card(folder, card)
    (folder / WEIGHTS).write_bytes(probe.to_bytes())
    found = calibration.fit(kind, both.targets, probe.predict(both.embeddings))
    assert found is not None
    about = {"schema": SCHEMA, "probe_sha256": hashlib.sha256(probe.to_bytes()).hexdigest()}
    (folder / FILE).write_text(json.dumps(about | asdict(found)))
    return folder


def changed(folder: Path, file: str, change: Change) -> Path:
    """Return a copy of a folder in which some of a file's values are others."""
    copy = Path(shutil.copytree(folder, folder.parent / "copy", dirs_exist_ok=True))
    (copy / file).write_text(json.dumps(json.loads((folder / file).read_text()) | change))
    return copy


@pytest.mark.parametrize("kind", TARGETS)
def test_a_whole_folder_is_opened(tmp_path: Path, kind: Kind) -> None:
    found = prediction.open_probe(saved(tmp_path / "probe", kind))
    assert (found.card.classes, found.fitted.kind) == (CLASSES, kind)
    assert found.calibration is not None


OTHERS: list[Change] = [
    *({"classes": names} for names in (CLASSES[:2], CLASSES[::-1], (*CLASSES, "x"))),
    *({"kind": kind} for kind in ("multilabel", "regression", "pitch")),
]


@pytest.mark.parametrize("change", OTHERS, ids=str)
def test_a_card_of_another_probe_is_refused(tmp_path: Path, change: Change) -> None:
    folder = saved(tmp_path / "probe", "multiclass")
    with pytest.raises(DataError, match=r"card\.json' is of another probe than the probe\.safetensors beside it"):
        prediction.open_probe(changed(folder, CARD, change))


FACT = {"version": 1, "weights_sha256": "", "licence": "MIT"}
DAMAGES: dict[str, tuple[object, ...]] = {
    "classes": (5, None, [1], []),
    "kind": ("bogus", None, ["multiclass"]),
    "grain": ("bogus", None),
    "hears": (["logmel"], {}, None, {"logmel": {}}, {"logmel": 1}, {"nope": FACT}, {"logmel": FACT | {"version": "1"}}),
    "representation": (None, [], {"foo": 1}),
    "key": (1,),
    "another": (1,),
}
OF_CHOICE: dict[str, tuple[object, ...]] = {
    "pool": (["max"], [], None),
    "layers": ([], ["a"], 7),
    "segment_s": ("1", -1, 0),
    "precision": ("int8",),
    "reduce": ("sum",),
    "name": ("chroma", 1),
}


def test_a_card_that_is_damaged_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "probe", "multiclass")
    choice = json.loads((folder / CARD).read_text())["representation"]
    changes = [{name: value} for name, values in DAMAGES.items() for value in values]
    changes += [{"representation": choice | {name: value}} for name, values in OF_CHOICE.items() for value in values]
    for change in changes:
        with pytest.raises(DataError, match=r"card\.json"):
            prediction.open_probe(changed(folder, CARD, change))
    for content in (b"", b"\xff\xfe{}", b"[]", b"null", b"[" * 100_000, (folder / CARD).read_bytes()[:100]):
        (folder / CARD).write_bytes(content)
        with pytest.raises(DataError, match=r"Expected a probe's card in .*Copy the folder again, or run"):
            prediction.open_probe(folder)


NONE = float("nan")
WRONG: list[Change] = [
    *({"slopes": value} for value in ([NONE], [float("inf")], [-5.0], [0.0], [101.0], ["1"], [None], 1.0, [1, 1], [])),
    *({"offsets": value} for value in ([], [0, 0], [NONE], [10**400], 0.0)),
    *({"kind": value} for value in ("multilabel", "x", None)),
    *({"accuracy": value} for value in ([1.0], [None] * 101, ["a"] * 101, [NONE] * 101, 1, [2.0] * 101)),
    *({"coverage": value} for value in ([1.0], [0.0] * 101, [None] * 101, 1, "a" * 101)),
    *({"before": {"log_loss": value, "calibration_error": 0.1}} for value in (None, "a", NONE, -1)),
    *({"n_clips": value} for value in (0, None, "a")),
]


@pytest.mark.parametrize("change", WRONG, ids=lambda one: str(one)[:60])
def test_a_calibration_of_impossible_numbers_is_refused(tmp_path: Path, change: Change) -> None:
    folder = changed(saved(tmp_path / "probe", "multiclass"), FILE, change)
    (name,) = change
    with pytest.raises(DataError, match=rf"does not fit a multiclass probe of 3 outputs: .*{name}.*Run the experiment"):
        prediction.open_probe(folder)
    assert prediction.open_probe(folder, is_calibrated=False).calibration is None


def test_a_calibration_of_labels_has_a_slope_and_an_offset_of_each(tmp_path: Path) -> None:
    folder = saved(tmp_path / "probe", "multilabel")
    for change in ({"slopes": [1.0]}, {"offsets": [0.0]}, {"kind": "multiclass"}):
        with pytest.raises(DataError, match="does not fit a multilabel probe of 3 outputs"):
            prediction.open_probe(changed(folder, FILE, change))
