"""The metrics there are, by name, and those reported for each kind of task."""

from functools import partial
from typing import Literal

from earmark import lookup
from earmark.errors import UnknownName, UserError
from earmark.metrics import custom
from earmark.metrics.base import Metric
from earmark.metrics.classes import accuracy, f1, key_score, key_score_symmetric, top_k_accuracy
from earmark.metrics.pitch import chroma_accuracy, pitch_class_accuracy, raw_pitch_accuracy
from earmark.metrics.ranking import average_precision, d_prime, roc_auc
from earmark.metrics.regression import mean_absolute_error, r2
from earmark.nouns import Kind

_ONE_CLASS: frozenset[Kind] = frozenset({"multiclass", "pitch", "key"})
_RANKED: frozenset[Kind] = frozenset({"multilabel", "multiclass"})
_PITCH: frozenset[Kind] = frozenset({"pitch"})
_KEY: frozenset[Kind] = frozenset({"key"})
_NUMBERS: frozenset[Kind] = frozenset({"regression"})
_BOTH, _MACRO = ("micro", "macro"), ("macro",)


_OURS = (
    Metric("accuracy", accuracy, _ONE_CLASS, _BOTH, "share of clips whose class is right", is_proportion=True),
    Metric(
        "top3_accuracy",
        partial(top_k_accuracy, k=3),
        _ONE_CLASS,
        _BOTH,
        "share of clips whose class is among the 3 of greatest score",
        is_proportion=True,
    ),
    Metric(
        "top5_accuracy",
        partial(top_k_accuracy, k=5),
        _ONE_CLASS,
        _BOTH,
        "share of clips whose class is among the 5 of greatest score",
        is_proportion=True,
    ),
    Metric("f1", f1, _ONE_CLASS | {"multilabel"}, _BOTH, "harmonic mean of precision and recall"),
    Metric("key_score", key_score, _KEY, _BOTH, "mir_eval's weighted key score"),
    Metric("key_score_symmetric", key_score_symmetric, _KEY, _BOTH, "the same, with 0.5 for the fifth below too"),
    Metric("pitch_class_accuracy", pitch_class_accuracy, _PITCH, _BOTH, "right but for the octave", is_proportion=True),
    Metric(
        "raw_pitch_accuracy_50_cents",
        partial(raw_pitch_accuracy, tolerance_cents=50),
        _PITCH,
        _BOTH,
        "within a quarter tone",
        is_proportion=True,
        takes_hz=True,
    ),
    Metric(
        "raw_pitch_accuracy_100_cents",
        partial(raw_pitch_accuracy, tolerance_cents=100),
        _PITCH,
        _BOTH,
        "within a semitone",
        is_proportion=True,
        takes_hz=True,
    ),
    Metric(
        "chroma_accuracy_50_cents",
        partial(chroma_accuracy, tolerance_cents=50),
        _PITCH,
        _BOTH,
        "within a quarter tone, but for the octave",
        is_proportion=True,
        takes_hz=True,
    ),
    Metric(
        "chroma_accuracy_100_cents",
        partial(chroma_accuracy, tolerance_cents=100),
        _PITCH,
        _BOTH,
        "within a semitone, but for the octave",
        is_proportion=True,
        takes_hz=True,
    ),
    Metric("roc_auc", roc_auc, _RANKED, _MACRO, "area under the ROC curve"),
    Metric("average_precision", average_precision, _RANKED, _MACRO, "step-wise, mAP"),
    Metric("d_prime", d_prime, _RANKED, _MACRO, "√2·Φ⁻¹ of the area under the ROC curve"),
    Metric("r2", r2, _NUMBERS, _MACRO, "coefficient of determination"),
    Metric(
        "mean_absolute_error",
        mean_absolute_error,
        _NUMBERS,
        _MACRO,
        "in the unit of the targets",
        higher_is_better=False,
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _OURS}

_DEFAULTS: dict[Kind, tuple[str, ...]] = {
    "multiclass": ("accuracy", "f1"),
    "multilabel": ("roc_auc", "average_precision"),
    "regression": ("r2",),
    "pitch": ("accuracy", "pitch_class_accuracy"),
    "key": ("key_score", "accuracy"),
}


def find(name: str, kind: Kind | None = None) -> Metric:
    """Return the metric of that name: one of METRICS, or the user's own by "module:name".

    Raises UnknownName, or UserError for a metric that is not for tasks of `kind` and for what cannot be imported.
    """
    if ":" not in name and name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    metric = METRICS[name] if name in METRICS else custom.of_name(name)
    if kind is not None and kind not in metric.kinds:
        fitting = ", ".join(sorted(other.name for other in METRICS.values() if kind in other.kinds))
        raise UserError(
            f"Metric '{name}' is for {' or '.join(sorted(metric.kinds))} tasks, not {kind}. "
            f"Metrics of a {kind} task: {fitting}."
        )
    return metric


def code_sha256(name: str) -> str:
    """Return the sha256 of the file that a user's own metric stands in; "" for ours. Raises as `find`."""
    return lookup.code_sha256(name) if ":" in name else ""


def defaults(kind: Kind) -> tuple[str, ...]:
    """Return the metrics reported for a kind of task; the first is the primary one."""
    return _DEFAULTS[kind]


def primary_average(kind: Kind) -> Literal["micro", "macro"]:
    """Return the average that stands for the primary metric of a kind: over clips where there is one, else macro."""
    return "micro" if "micro" in METRICS[defaults(kind)[0]].averages else "macro"
