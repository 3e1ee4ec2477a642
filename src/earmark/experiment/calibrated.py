"""The calibration of a saved probe as a file: kept in the store under the probe's key, and in the probe's folder."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from earmark.errors import DataError
from earmark.probes import calibration
from earmark.probes.base import Examples, Fitted
from earmark.probes.calibration import THRESHOLDS, Calibration, Quality
from earmark.store import Store

SCHEMA = 1
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


def read(folder: Path, probe: bytes, n_outputs: int) -> Calibration | None:
    """Return the calibration in a probe's folder; None where there is none. Raises DataError for one of another probe.

    `probe`: the bytes of the probe in that folder, which has so many outputs.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        said: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
        schema, sha256 = said.pop("schema"), said.pop("probe_sha256")
        lists = {name: tuple(value) for name, value in said.items() if isinstance(value, list)}
        found = Calibration(**said | lists | {name: Quality(**said[name]) for name in ("before", "after")})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"Expected a probe's calibration in '{folder / FILE}', got something else: {error}.") from error
    if schema != SCHEMA or sha256 != hashlib.sha256(probe).hexdigest():
        raise DataError(
            f"'{folder / FILE}' is of another probe than the one beside it, or of another earmark. Run the experiment "
            "again, or remove the file to see what the probe says by itself."
        )
    if len(found.slopes) not in (1, n_outputs) or len(found.coverage) != len(THRESHOLDS):
        raise DataError(f"'{folder / FILE}' does not fit a probe of {n_outputs} outputs. Run the experiment again.")
    return found
