"""The folder of a run: what was asked, what came out, what failed, and where every number is from.

The store is the memory; this folder is the answer, put together from it. Making it twice makes the same files.
"""

import io
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import get_args, get_type_hints

import polars as pl

from earmark import __version__, durable, places
from earmark.analysis import attributes, tables, writers
from earmark.analysis.grid import Grid
from earmark.errors import DataError, UnknownName
from earmark.experiment import leaks, probe_folders
from earmark.experiment.jobs import PREDICTIONS, PROBE
from earmark.experiment.keys import Facts
from earmark.experiment.leaks import Audit
from earmark.experiment.plan import Plan
from earmark.nouns import Failure, Result
from earmark.store import Store

ROWS, TABLE, FAILURES, LEAKAGE = "results.jsonl", "results.parquet", "failures.jsonl", "leakage.json"
LIBRARIES = ("numpy", "torch", "soundfile", "soxr", "audiomentations", "fast-mp3-augment", "scikit-learn", "mir_eval")


@dataclass(frozen=True)
class Run:
    """A run: folder, rows, clips that could not be scored, how many jobs it had to do, what its leakage audit says.

    `unfitted` names the probes that could not be fitted this time, each with the reason.
    """

    folder: Path
    rows: tuple[Result, ...]
    failures: tuple[Failure, ...]
    jobs_done: int = 0
    notes: tuple[str, ...] = ()
    audits: tuple[Audit, ...] = ()
    unfitted: tuple[str, ...] = ()

    @property
    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame."""
        return frame(self.rows)

    def _repr_html_(self) -> str:
        return str(self.frame._repr_html_())


def frame(found: Sequence[Result]) -> pl.DataFrame:
    """Return rows as a frame with the columns of schema 1, in order, whatever they hold."""
    types = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
    schema = {name: types[(get_args(kind) or (kind,))[0]] for name, kind in get_type_hints(Result).items()}
    return pl.DataFrame([vars(row) for row in found], schema=schema)


def read(folder: Path) -> Run:
    """Return a finished run from its folder."""
    if not (folder / ROWS).is_file():
        raise DataError(f"Expected a run with {ROWS} in it, found none at '{folder}'. `earmark list runs` names yours.")
    found = tuple(Result(**json.loads(line)) for line in (folder / ROWS).read_text("utf-8").splitlines())
    failures = (folder / FAILURES).read_text("utf-8").splitlines() if (folder / FAILURES).is_file() else []
    audits = leaks.from_json((folder / LEAKAGE).read_bytes()) if (folder / LEAKAGE).is_file() else ()
    return Run(folder, found, tuple(Failure(**json.loads(line)) for line in failures), audits=audits)


def find(name: Path | str) -> Path:
    """Return the folder of a run, by its path or its id; "latest" is the newest."""
    folders = [Path(name), places.runs_folder() / name]
    if str(name) == "latest":
        runs = [one.parent for one in places.runs_folder().glob(f"*/{ROWS}")]
        folders = sorted(runs, key=lambda one: (one / ROWS).stat().st_mtime)[-1:]
    found = next((one for one in folders if (one / ROWS).is_file()), None)
    if found is None:
        known = sorted(one.parent.name for one in places.runs_folder().glob(f"*/{ROWS}"))
        raise UnknownName("run", str(name), known or ["none yet"])
    return found


def table(
    run: Run | Path | str,
    metric: str | None = None,
    average: str | None = None,
    per: str | None = None,
    folds: bool = False,
) -> str:
    """Return the tables of a run, or of a run's id or folder, as Markdown.

    `per`: for each value of an attribute; `folds`: also a table of each fold.
    """
    return writers.markdown(grids(run if isinstance(run, Run) else read(find(run)), metric, average, per, folds))


def grids(
    run: Run, metric: str | None = None, average: str | None = None, per: str | None = None, folds: bool = False
) -> tuple[Grid, ...]:
    """Return the tables of a run as grids: a line a representation and probe, a column a condition."""
    if per is not None:
        return tuple(one.grid for one in attributes.by_attribute(run.rows, per, metric, average))
    return tuple(one.grid for one in tables.tables(run.rows, metric, average, folds))


def write(
    folder: Path,
    plan: Plan,
    store: Store,
    facts: Mapping[str, Facts],
    found: Sequence[Result],
    failures: Sequence[Failure],
    audits: Sequence[Audit],
) -> None:
    """Put the answer of a run into its folder: rows, failures, leakage, predictions, probes, environment."""
    for name in ("predictions", "probes"):
        durable.make_folder(folder / name)
    write_rows(folder, found)
    durable.write_file(folder / FAILURES, _lines(vars(one) for one in failures))
    durable.write_file(folder / LEAKAGE, leaks.to_json(audits))
    durable.write_file(folder / "environment.json", json.dumps(environment(), indent=1).encode())
    durable.write_file(folder / "predictions" / "index.jsonl", _lines(_export(folder, plan, store, facts)))


def write_rows(folder: Path, found: Sequence[Result]) -> None:
    """Put rows into the folder of a run, as JSON lines and as Parquet."""
    durable.write_file(folder / ROWS, _lines(vars(row) for row in found))
    buffer = io.BytesIO()
    frame(found).write_parquet(buffer)
    durable.write_file(folder / TABLE, buffer.getvalue())


def _export(folder: Path, plan: Plan, store: Store, facts: Mapping[str, Facts]) -> Iterator[Mapping[str, object]]:
    """Link predictions and probes into the folder; yield what each file of predictions is of."""
    for scoring in plan.asked.answers:
        for card in probe_folders.cards_of(scoring, facts):
            weights = store.file("probes", card.key, PROBE)
            if weights is not None:
                probe_folders.write_card(folder / "probes" / card.key, card)
                _link(weights, folder / "probes" / card.key / probe_folders.WEIGHTS)
        for chain, key in scoring.conditions.items():
            found = store.file("scores", key, PREDICTIONS)
            if found is None:
                continue
            _link(found, folder / "predictions" / f"{key}{PREDICTIONS}")
            subject, choice = scoring.pairing.subject, scoring.pairing.choice
            yield {
                "file": f"{key}{PREDICTIONS}",
                "task": subject.task.name,
                "dataset": subject.dataset,
                "split": subject.split,
                "fold": subject.fold,
                "train_share": scoring.train_share,
                "representation": choice.name if scoring.probe else "constant",
                "layer": choice.layer_name if scoring.probe else "",
                "pool": scoring.pairing.pool_name if scoring.probe else "",
                "probe": scoring.probe.name if scoring.probe else "constant",
                "probes": dict(zip(map(str, scoring.seeds), scoring.probe_keys, strict=False)),
                "deformation": chain,
                "classes": subject.classes,
                "kind": subject.task.kind,
                "metrics": scoring.metrics,
                "resamples": scoring.resamples,
                "ci_level": scoring.ci_level,
            }


def _link(source: Path | None, target: Path) -> None:
    """Give a file of the store a second name in the run's folder; copy where the disk cannot."""
    if source is None or target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        durable.write_file(target, source.read_bytes())


def _lines(values: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def environment() -> dict[str, object]:
    """Return what a number may depend on besides its content: versions and the machine."""
    return {
        "earmark": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
