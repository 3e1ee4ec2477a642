"""The calibration of a saved probe as a file: kept in the store under the probe's key, and in the probe's folder."""

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earmark.errors import DataError
from earmark.nouns import Kind
from earmark.probes import calibration
from earmark.probes.base import Examples, Fitted
from earmark.probes.calibration import THRESHOLDS, Calibration, Quality
from earmark.store import Store

SCHEMA, LARGEST = 1, sys.float_info.max
AGAIN = "Run the experiment again, or remove the file to see what the probe says by itself."
KIND, SUFFIX, FILE = "calibrations", ".json", "calibration.json"


def keep(store: Store, key: str, saved: bytes, probe: Fitted, valid: Examples) -> None:
    """Calibrate a probe, saved as these bytes, on its validation clips; what gives no probabilities has none."""
    if probe.recipe.probe == "reading" or not len(valid.targets):
        return
    found = calibration.fit(probe.kind, valid.targets, probe.predict(valid.embeddings, valid.clips))
    if found is not None:
        told = {"schema": SCHEMA, "probe_sha256": hashlib.sha256(saved).hexdigest(), **asdict(found)}
        store.put_file(KIND, key, SUFFIX, json.dumps(told, indent=1).encode())


def kept(store: Store, key: str, probe: bytes) -> bytes | None:
    """Return the file of a probe's calibration; None where there is none, or one of another probe or earmark."""
    if store.file(KIND, key, SUFFIX) is None:
        return None
    content = store.read_file(KIND, key, SUFFIX)
    said = json.loads(content)
    is_its_own = (said["schema"], said["probe_sha256"]) == (SCHEMA, hashlib.sha256(probe).hexdigest())
    return content if is_its_own else None


def read(folder: Path, probe: bytes, kind: Kind, n_outputs: int) -> Calibration | None:
    """Return the calibration in a probe's folder; None where there is none.

    `probe`: the bytes of the probe in that folder, which is of this kind of task and has so many outputs. Raises
    DataError for one of another probe, or whose numbers `calibration.fit` cannot have given.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        said: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
        schema, sha256 = said.pop("schema"), said.pop("probe_sha256")
        lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
        found = Calibration(**said | lists | {name: Quality(**said[name]) for name in ("before", "after")})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"Expected a probe's calibration in '{folder / FILE}', got something else: {error}. {AGAIN}"
        ) from error
    if schema != SCHEMA or sha256 != hashlib.sha256(probe).hexdigest():
        raise DataError(f"'{folder / FILE}' is of another probe than the one beside it, or of another earmark. {AGAIN}")
    if wrong := [name for name, is_fine in _judged(found, kind, n_outputs).items() if not is_fine]:
        raise DataError(
            f"'{folder / FILE}' does not fit a {kind} probe of {n_outputs} outputs: {', '.join(wrong)}. {AGAIN}"
        )
    return found


def _judged(found: Calibration, kind: Kind, n_outputs: int) -> dict[str, bool]:
    """Return of each part whether it can be of such a probe."""
    n_lines = n_outputs if kind == "multilabel" else 1
    coverage, accuracy = found.coverage, found.accuracy
    is_curve = _are(coverage, len(THRESHOLDS), 0, 1) and coverage[0] == 1
    losses = [one for quality in (found.before, found.after) for one in vars(quality).values()]
    return {
        "kind": found.kind == kind != "regression",
        "slopes": _are(found.slopes, n_lines, 1 / calibration.STEEPEST, calibration.STEEPEST),
        "offsets": _are(found.offsets, n_lines, -LARGEST, LARGEST),
        "n_clips": _are([found.n_clips], 1, 1, LARGEST),
        "before, after": _are(losses, len(losses), 0, LARGEST),
        "coverage": is_curve,
        "accuracy": is_curve
        and isinstance(accuracy, tuple)
        and _are([0 if one is None else one for one in accuracy], len(THRESHOLDS), 0, 1)
        and [one is None for one in accuracy] == [one == 0 for one in coverage],
    }


def _are(numbers: object, n: int, least: float, most: float) -> bool:
    """Say whether these are so many finite numbers within bounds."""
    return (
        isinstance(numbers, list | tuple)
        and len(numbers) == n
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers)
        and all(least <= one <= most for one in numbers)
    )
