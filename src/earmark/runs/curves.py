"""Learning curves of a run's probes: what every check on the validation clips saw, and which one was kept.

They lie in the saved probes, so they can be asked for after any run: as one CSV file, a line a check, and for
TensorBoard.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from earmark import durable
from earmark.errors import MissingPart, UserError
from earmark.experiment import results
from earmark.experiment.probe_folders import WEIGHTS
from earmark.probes import fit as probes
from earmark.probes.network_probe import NetworkProbe, curves
from earmark.probes.select import Selected
from earmark.runs import predictions
from earmark.runs.predictions import Predicted

FOLDER, FILE = "curves", "curves.csv"
SHOWN = ("train_loss", "valid_loss", "valid_score", "learning_rate")


@dataclass(frozen=True)
class Curve:
    """The checks of one network, as rows by the names of `network_probe.Check`; `name` says which network it is."""

    name: str
    of: dict[str, object]
    rows: list[dict[str, float]]


def of_run(folder: Path) -> Iterator[Curve]:
    """Yield the curve of every network that was fitted in a run; of a choice among candidates, the winner's."""
    told = set()
    for one in predictions.index(folder):
        for seed, key in one.probes.items():
            if key not in told:
                told.add(key)
                yield from _curve(one, seed, (folder / "probes" / key / WEIGHTS).read_bytes())


def _curve(one: Predicted, seed: str, content: bytes) -> Iterator[Curve]:
    probe = probes.restore(content)
    while isinstance(probe, Selected):
        probe = probe.fitted
    if isinstance(probe, NetworkProbe):
        of: dict[str, object] = {
            **{name: getattr(one, name) for name in ("task", "dataset", "split", "fold", "train_share")},
            **{name: getattr(one, name) for name in ("representation", "layer", "pool", "probe")},
            "seed": int(seed),
        }
        yield Curve("/".join(str(value).replace("/", "_") for value in of.values() if value != ""), of, curves(probe))


def write(run: Path | str = "latest", tensorboard: bool = False) -> Path:
    """Write the curves of a run into the folder `curves` of the run; return the CSV file.

    With `tensorboard` also event files, a folder a network, for `tensorboard --logdir`. Raises MissingPart where
    TensorBoard is not installed, UserError when the run fitted no network.
    """
    folder = results.find(run)
    if tensorboard and find_spec("tensorboard") is None:
        raise MissingPart("Event files need TensorBoard. Type: pip install 'earmark[train]'")
    found = list(of_run(folder))
    if not found:
        raise UserError(f"The run '{folder.name}' fitted no network: only probes of kind mlp have curves.")
    table = pl.DataFrame([curve.of | row for curve in found for row in curve.rows])
    durable.make_folder(folder / FOLDER)
    durable.write_file(folder / FOLDER / FILE, table.write_csv().encode())
    if tensorboard:
        _write_events(folder / FOLDER, found)
    return folder / FOLDER / FILE


def _write_events(folder: Path, found: Iterable[Curve]) -> None:
    from torch.utils.tensorboard import SummaryWriter  # it imports tensorboard, which is an extra

    for curve in found:
        shutil.rmtree(folder / curve.name, ignore_errors=True)  # a writer adds to what is there
        with SummaryWriter(str(folder / curve.name)) as events:
            for row in curve.rows:
                for name in SHOWN:
                    events.add_scalar(name, row[name], int(row["epoch"]))
                if row["is_kept"]:
                    events.add_scalar("kept", row["valid_score"], int(row["epoch"]))
