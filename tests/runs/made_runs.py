"""Folders of runs whose predictions are made up, as `experiment/answered.py` writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from earmark.experiment.results import Run
from earmark.nouns import Kind

Scores = Mapping[str, np.ndarray]
CLASSES = ("a", "b", "c")


def write(
    folder: Path,
    systems: Scores,
    targets: np.ndarray,
    *,
    kind: Kind = "multiclass",
    metrics: Sequence[str] = ("accuracy",),
    task: str = "made",
    fold: int = 0,
    groups: Sequence[str | None] | None = None,
    clips: Mapping[str, Sequence[str]] | None = None,
    train_share: float = 1.0,
) -> Run:
    """Add systems' (seeds, clips, outputs) scores to a run; a name is "representation/probe". `clips`: their ids."""
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    classes = CLASSES[: next(iter(systems.values())).shape[2]]
    for name, scores in systems.items():
        ids = (clips or {}).get(name) or [f"clip{number:04}" for number in range(scores.shape[1])]
        file = f"{task}-{fold}-{train_share}-{name.replace('/', '-')}.parquet"
        tables = [_table(ids, seed, groups, _named(kind, targets, classes), one) for seed, one in enumerate(scores)]
        pl.concat(tables).write_parquet(folder / "predictions" / file)
        entry = _entry(name) | {
            "file": file,
            "task": task,
            "fold": fold,
            "train_share": train_share,
            "classes": classes,
            "kind": kind,
            "metrics": metrics,
        }
        with (folder / "predictions" / "index.jsonl").open("a", encoding="utf-8") as index:
            index.write(json.dumps(entry) + "\n")
    (folder / "results.jsonl").write_text("")
    return Run(folder, (), ())


def _entry(name: str) -> dict[str, object]:
    representation, _, probe = name.partition("/")
    return {
        "dataset": "made",
        "split": "random",
        "representation": representation,
        "layer": "",
        "pool": "",
        "probe": probe,
        "deformation": "clean",
        "probes": {},
        "resamples": 400,
        "ci_level": 0.95,
    }


def _named(kind: Kind, targets: np.ndarray, classes: Sequence[str]) -> list[object]:
    if kind == "multilabel":
        return [[name for name, has in zip(classes, row, strict=True) if has] for row in targets]
    if kind == "regression":
        return [[repr(float(number)) for number in row] for row in targets]
    return [classes[target] for target in targets]


def _table(
    ids: Sequence[str], seed: int, groups: Sequence[str | None] | None, targets: list[object], scores: np.ndarray
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "dataset": ["made"] * len(ids),
            "clip": ids,
            "group": pl.Series(groups or [None] * len(ids), dtype=pl.String),
            "seed": pl.Series([seed] * len(ids), dtype=pl.Int64),
            "target": targets,
            "prediction": targets,
            "scores": pl.Series(scores.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
        }
    )


def answers(targets: np.ndarray, share_right: float, seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Return (seeds, clips, classes) scores whose best is the target for about a share of the clips, else the next."""
    is_right = rng.random((seeds, len(targets))) < share_right
    return np.eye(len(CLASSES), dtype=np.float32)[np.where(is_right, targets, (targets + 1) % len(CLASSES))]


TARGETS = np.random.default_rng(1).integers(0, 3, 200)


def three(seeds: int = 2) -> dict[str, np.ndarray]:
    """A good system, a bad one, and one as good as the bad one, on TARGETS."""
    draws = np.random.default_rng(2)
    shares = {"good/M1": 0.9, "bad/M1": 0.6, "other/M1": 0.6}
    return {name: answers(TARGETS, share, seeds, draws) for name, share in shares.items()}
