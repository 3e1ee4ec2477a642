"""What the command line prints of datasets and tasks: lists, descriptions, verdicts, what was fetched."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from earmark import conformance, listings, tasks
from earmark.analysis import escapes
from earmark.counted import sized
from earmark.datasets import check, names, records
from earmark.datasets.check import Description, Finding
from earmark.datasets.get import Got, Only, get
from earmark.errors import MissingPart, UserError
from earmark.experiment import audit
from earmark.listings import DatasetLine, TaskLine
from earmark.reports import datasets as page
from earmark.reports import figures
from earmark.representations.get import require_online
from earmark.show.representations import fetched
from earmark.show.runs import console
from earmark.show.said import remark
from earmark.sources.bars import bars


def datasets(as_json: bool, as_markdown: bool = False) -> None:
    """Print every dataset with status, licence, size, clips, hours; as Markdown, all that their cards say."""
    if as_markdown:
        print(page.markdown(), end="")
        return
    found = listings.datasets()
    if as_json:
        _json_lines(found)
        return
    columns = ("dataset", "status", "licence", "to fetch", "clips", "hours", "loader ran on", "labels", "here")
    _print(_grid(columns, (_dataset_cells(one) for one in found)))


def task_list(as_json: bool) -> None:
    """Print every task with its dataset, split, metrics and what its dataset takes."""
    found = listings.tasks()
    if as_json:
        _json_lines(found)
        return
    columns = ("task", "kind", "classes", "split", "dataset", "status", "licence", "to fetch", "clips", "hours")
    _print(_grid(columns, (_task_cells(one) for one in found)))


def _dataset_cells(one: DatasetLine) -> tuple[str, ...]:
    ran_on = "" if one.status == "your own" else {"real": "real files", "miniature": "a miniature"}[one.verified]
    here = "yes" if one.is_here else ""
    return one.name, one.status, one.licence, *_extent(one), ran_on, ", ".join(one.labels), here


def _task_cells(one: TaskLine) -> tuple[str, ...]:
    start = one.name, one.kind, _number(one.n_classes), one.split
    if one.dataset is None:
        return *start, "crossed with yours", *("",) * 5
    return *start, one.dataset.name, one.dataset.status, one.dataset.licence, *_extent(one.dataset)


def _extent(one: DatasetLine) -> tuple[str, str, str]:
    unknown = "?" if one.status == "open" else ""
    size = unknown if one.size_bytes is None else sized(one.size_bytes)
    return size, _number(one.n_clips), "" if one.hours is None else f"{one.hours:,.1f}"


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _grid(columns: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Table:
    grid = Table(box=None, pad_edge=False)
    for column in columns:
        is_number = column in ("to fetch", "clips", "hours", "classes")
        grid.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


def _print(grid: Table) -> None:
    console().print(grid)


def _json_lines(found: Iterable[DatasetLine | TaskLine]) -> None:
    for one in found:
        print(escapes.json(asdict(one)))


def description(noun: str, name: str, folder: Path | None, label: str | None, plot: Path | None, as_json: bool) -> None:
    """Print a dataset, or a task on its dataset, in numbers; draw the counts of its label into `plot`."""
    task = tasks.find_task(name) if noun == "task" else None
    if task is not None and label is not None:
        raise UserError(f"A task has its own label: '{task.name}' has '{task.label}'. Leave out --label.")
    if task is not None and task.dataset is None:
        print(escapes.json(asdict(task)) if as_json else f"{task.name}: {task.description}, crossed with any dataset")
        return
    of = task.dataset if task is not None and task.dataset else name
    try:
        dataset = names.load(of, folder)
    except MissingPart:
        _print_card(of, as_json)  # what is known without its files
        raise
    label, split = (task.label, task.split) if task is not None else (label, None)
    found = check.describe(dataset, label, split=split)
    if plot is not None:
        _draw(found, plot)
    print(escapes.json(asdict(found), indent=1)) if as_json else console().print(check.render_description(found))


def _print_card(name: str, as_json: bool) -> None:
    card = names.card(name)
    if as_json:
        print(escapes.json(asdict(card)))
        return
    facts = ("title", "version", "status", "licence", "homepage", "audio", "n_clips", "hours", "instructions")
    for fact in facts:
        if value := getattr(card, fact):
            print(f"{fact:>13}: {value}")
    for label in card.labels:
        print(f"{'label':>13}: {label.name} ({label.kind}, {label.n_classes or '?'} classes): {label.description}")
    for split in card.splits:
        print(f"{'split':>13}: {split.name}, for {', '.join(split.labels) or 'all labels'}: {split.origin}")


def _draw(found: Description, plot: Path) -> None:
    drawable = [one for one in found.labels if one.classes]
    if len(drawable) != 1:
        known = ", ".join(one.name for one in drawable) or "none"
        raise UserError(f"A plot is of one label of classes: add --label. Labels with classes: {known}.")
    figures.save(figures.label_counts(found, drawable[0]), plot)
    remark(f"plot: {plot}")


def dataset_verdict(
    name: str, folder: Path | None, label: str | None, as_json: bool, with_audit: bool, jobs: int
) -> bool:
    """Print what is wrong with a dataset; keep the record when a published one is whole. Return whether nothing is.

    `with_audit` embeds every clip, and asks of each split what its parts share.
    """
    dataset = names.load(name, folder)
    report = check.examine(dataset, label, jobs)
    if with_audit and dataset.labels:
        # Groups are in the report already; here come stretches of the same audio and near-duplicates.
        shared = audit.findings(audit.of_dataset(dataset, jobs=jobs, label=label, quiet=as_json), ["audio", "near"])
        report = report.joined_by(shared)
    if report.ok:  # a broken law that no finding tells of, if there is one
        laws = conformance.broken_by_dataset(dataset)
        report = report.joined_by(Finding("error", law, (), "Correct the dataset's file.") for law in laws)
    if as_json:
        print(escapes.json(_without_stamps(asdict(report)), indent=1))
    else:
        console().print(check.render_report(report))
    if report.record is not None and report.ok:
        remark(f"{name}: as published, every file read. Record: {records.write(report.record)}")
    return report.ok


def _without_stamps(report: dict[str, Any]) -> dict[str, Any]:
    """Return a plain report without what its record keeps of each file: that is for the record alone."""
    if report["record"] is not None:
        del report["record"]["files"]
    return report


def got(
    name: str,
    folder: Path | None,
    only: Only | None,
    subset: int | None,
    stratify: bool,
    jobs: int,
    verify: bool,
    offline: bool,
    quiet: bool,
) -> None:
    """Fetch a dataset with a progress bar, and say what is there now."""
    require_online(f"dataset '{name}'", offline)
    with bars(quiet) as watch:
        found: Got = get(
            name, folder, only=only, subset=subset, stratify=stratify, jobs=jobs, verify=verify, watch=watch
        )
    fetched(found.files)
    if found.dataset is not None:
        print(f"{found.dataset.name}: {len(found.dataset.clips):,} clips, version {found.dataset.version}")
        print(f"Next: earmark check dataset {name}" + (f" --dir {folder}" if folder else ""))
