"""How many parameters the probes of a run were fitted with: the honest axis of how complex a probe is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from earmark.experiment.probe_folders import WEIGHTS
from earmark.probes import logistic, recipe, ridge, select
from earmark.probes.saved import Saved, unpack

WATCHED = (".mean", ".variance")
LINEAR = (logistic.Recipe.probe, ridge.Recipe.probe)


def of_run(folder: Path) -> dict[str, int]:
    """Return the fitted parameters of a run's probes by their keys, those of kinds that have a number of them.

    Weights and biases, without what standardises inputs. Of a choice among candidates: the winner's. Nearest
    neighbours keep the training clips instead, and what a user's own probe keeps is not known.
    """
    files = {file.parent.name: file for file in sorted((folder / "probes").glob(f"*/{WEIGHTS}"))}
    counts = {key: _count(unpack(file.read_bytes())) for key, file in files.items()}
    return {key: count for key, count in counts.items() if count}


def _count(saved: Saved) -> int:
    if saved.probe == select.Recipe.probe:
        return _count(unpack(saved.arrays["winner"].tobytes()))
    if saved.probe == recipe.Recipe.probe:
        return _size({name: one for name, one in saved.arrays.items() if name.startswith("network.")})
    return _size({name: saved.arrays[name] for name in ("weight", "bias")}) if saved.probe in LINEAR else 0


def _size(arrays: Mapping[str, np.ndarray]) -> int:
    """Count what was fitted; the running averages of batch normalisation were only watched."""
    return sum(array.size for name, array in arrays.items() if not name.endswith(WATCHED))
