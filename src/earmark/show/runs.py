"""What the command line prints of experiments and their runs, and how it speaks."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from earmark import places
from earmark.analysis import escapes
from earmark.analysis import tables as tabling
from earmark.counted import counted, sized
from earmark.errors import UnknownName
from earmark.experiment import costs, leaks, results, spec
from earmark.experiment.estimate import Estimate
from earmark.experiment.presets import presets
from earmark.experiment.results import Run
from earmark.metrics import METRICS
from earmark.nouns import Failure, Result
from earmark.reports import protocols as page
from earmark.show.grids import grids
from earmark.show.said import remark, said

WIDE = 200
MOST_NAMED, FEW = 10, 3
LINES = {"probe": "{name}: {probes}", "metric": "{name:<28} {kinds:<23} {description}"}


def console() -> Console:
    """Return the console of stdout; in a pipe it is wide enough that no table breaks."""
    return Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=WIDE)


def run(done: Run) -> None:
    """Print the tables of a run, how much it did, what failed, and where the files are."""
    for note in done.notes:
        remark(f"note: {note}")
    for one in done.unfitted:
        remark(f"could not be fitted, the rest went on: {one}")
    tables(done.rows)
    scored = [row for row in done.rows if row.seed is None and row.label is None and row.probe != "constant"]
    systems = {(row.task, row.dataset, row.representation, row.layer, row.pool, row.probe) for row in scored}
    conditions = {row.deformation for row in scored}
    seeds = max((row.n_seeds for row in scored), default=0)
    print(
        f"{counted(len(systems), 'system')} × {counted(len(conditions), 'condition')} × {counted(seeds, 'seed')}, "
        f"{counted(len(done.rows), 'number')}; {counted(done.jobs_done, 'job')} run, the rest was in the store."
    )
    print(leaks.summary(done.audits))
    spent(done.folder)
    failures(done.failures, done.folder / results.FAILURES)
    print(f"Results: {done.folder}")


def spent(folder: Path) -> None:
    """Say what each representation cost, as far as this run computed it."""
    for one in costs.read(folder):
        if one.x_realtime is not None and one.bytes_per_hour is not None:
            print(
                f"cost: {one.representation}: {one.x_realtime:,.0f}× real time on one {one.device}, "
                f"{one.n_parameters:,} parameters, dim {one.dim}, {one.bytes_per_hour / 1e6:.1f} MB an hour of audio, "
                f"peak {one.peak_bytes / 1e9:.2f} GB a worker"
            )


def failures(found: Sequence[Failure], all_in: Path | None = None) -> None:
    """Name the clips that could not be used, and why; of many with one reason a few, where a file names them all."""
    if found:
        remark(f"{counted(len(found), 'clip')} could not be used:")
    paths: dict[str, list[str]] = {}
    for failure in found:
        paths.setdefault(failure.reason, []).append(failure.path)
    for reason, of in paths.items():
        if all_in is None or len(of) <= MOST_NAMED:
            for path in of:
                remark(f"  {path}: {reason}")
        else:
            few = ", ".join(list(dict.fromkeys(of))[:FEW])
            remark(f"  {counted(len(of), 'clip')}, such as of {few} (all: {all_in}): {reason}")


def tables(rows: Iterable[Result], metric: str | None = None, average: str | None = None, folds: bool = False) -> None:
    """Print one table a task."""
    grids(one.grid for one in tabling.tables(rows, metric, average, folds))


def estimate(found: Estimate, as_json: bool) -> None:
    """Print what a run would do."""
    if as_json:
        print(escapes.json(asdict(found), indent=1))
        return
    for note in found.notes:
        remark(f"note: {note}")
    for missing in found.missing:
        size = f" ({sized(missing.size_bytes)} to fetch)" if missing.size_bytes else ""
        print(f"{'missing':>11}: {missing.noun} {missing.name}{size}: {missing.remedy}")
    for name, count in (("embeddings", found.embeddings), ("probes", found.probes), ("scores", found.scores)):
        print(f"{name:>11}: {count.missing:>6,} to make, {count.total - count.missing:,} of {count.total:,} are there")
    if found.failed:
        print(f"{'failed':>11}: {found.failed:>6,} embeddings of clips that could not be read before")
    print(f"{'audio':>11}: {found.audio_hours:.2f} h to hear, about {found.embed_seconds:.0f} s on one core")
    print(f"{'probes':>11}: at most {found.probe_seconds:.0f} s on one core")
    print(f"{'disk':>11}: {found.bytes_to_store / 1e6:.1f} MB")
    print(f"{'licences':>11}: {'; '.join(found.licences)}")
    rest = ", counting only what is here: a run needs the missing parts too" if found.missing else ""
    print(f"{found.jobs} jobs{rest}. Run: {found.run}")


def names(noun: str, as_markdown: bool = False, as_json: bool = False) -> None:
    """Print the names that a noun has; of probes, as Markdown, all that the presets say."""
    known: dict[str, Callable[[], Iterable[Mapping[str, Any]]]] = {
        "deformation": lambda: [{"name": name} for name in sorted(spec.EXAMPLE_CHAINS)],
        "probe": lambda: [{"name": name, "probes": one.names} for name, one in presets().items()],
        "metric": lambda: [
            {"name": name, "kinds": sorted(one.kinds), "description": one.description} for name, one in METRICS.items()
        ],
        "run": lambda: [{"name": one.parent.name} for one in sorted(places.runs_folder().glob(f"*/{results.ROWS}"))],
    }
    single = noun.removesuffix("s")
    if single not in known:
        raise UnknownName("noun", noun, (*known, "dataset", "task", "representation"))
    if as_markdown and single == "probe":
        print(page.markdown(), end="")
        return
    if single == "deformation":
        remark("every transform of audiomentations, by its name; for example:")
    for one in known[single]():
        print(escapes.json(one) if as_json else said(LINES.get(single, "{name}").format_map(_words(one))))


def _words(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else ", ".join(value) for name, value in facts.items()}


def experiment_verdict(file: str) -> bool:
    """Print what is wrong with an experiment file; return whether nothing is."""
    spec.check_names(spec.load(Path(file)))
    print(f"{file}: nothing wrong")
    return True
