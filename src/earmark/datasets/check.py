"""Look before you run: `examine` a dataset for faults, `describe` it in numbers, `render_…` either for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from earmark.counted import counted
from earmark.datasets._description import Counts, Description, LabelDescription, describe
from earmark.datasets._finding import Finding, Report, Severity, by_severity, listed
from earmark.datasets._published import card_findings, record_of
from earmark.datasets._sound import duplicate_findings, listen, sound_findings
from earmark.datasets._stamps import stamps_of
from earmark.datasets._targets import label_findings, split_findings
from earmark.datasets.base import Dataset
from earmark.datasets.folder import others, skipped_line

__all__ = [
    "Description",
    "Finding",
    "LabelDescription",
    "Report",
    "describe",
    "examine",
    "render_description",
    "render_report",
]

ORDER: tuple[Severity, ...] = ("error", "warning", "info")
COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}
TITLE = "table.title"  # rich's own style of it
BAR_CELLS = 30
EIGHTHS = " ▏▎▍▌▋▊▉█"
MOST_CLASSES = 30


def examine(dataset: Dataset, label: str | None = None, jobs: int = 1) -> Report:
    """Read every clip of a dataset and return what is wrong with audio, labels (or the one `label`) and splits.

    A clip is silent below a peak of −80 dB, clipped when 0.1 % of its samples lie in runs of full scale, too short
    below 0.1 s. Duplicates have the same bytes. `jobs` threads read; the report is the same for any number.
    Raises DataError when no clip carries the label.
    """
    if label is not None:
        dataset.require_label(label)
    labels = [label] if label is not None else list(dataset.labels)
    # Looked at before they are heard: a file that changes meanwhile is not vouched for.
    stamps = stamps_of(dataset.root, (clip.path for clip in dataset.clips))
    sounds = listen(dataset.clips, jobs)
    findings = sound_findings(sounds) + duplicate_findings(dataset, sounds)
    if not labels:
        findings.append(Finding("warning", "no clip has a label", (), "It can be embedded, not learnt from."))
    for name in labels:
        findings += label_findings(dataset, name)
    findings += split_findings(dataset, labels) + _skipped(dataset)
    findings += [Finding("info", note, (), "Know it when you read a number.") for note in dataset.notes]
    differs = card_findings(dataset, sounds)
    is_whole = is_published(dataset) and not differs and all(one.reason is None for one in sounds.values())
    record = record_of(dataset, sounds, stamps) if is_whole else None
    return Report(dataset.name, dataset.version, len(dataset.clips), by_severity(findings + differs), record)


def is_published(dataset: Dataset) -> bool:
    """Say whether a dataset is somebody else's, so that there is something to compare it with."""
    return dataset.card.status not in ("your own", "built-in") and dataset.card.n_clips is not None


def render_report(report: Report) -> RenderableType:
    """Return what was found as a table for `rich.console.Console.print`, errors first."""
    # As Text, since rich draws a train for ":train:", and takes "[/b]" for an order.
    table = Table(title=Text(f"{report.dataset}: {counted(report.n_clips, 'clip')}", TITLE), title_justify="left")
    for column in ("", "found", "where", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in report.findings:
        severity = Text(finding.severity, style=COLOURS[finding.severity])
        table.add_row(severity, Text(finding.what), Text(listed(finding.about)), Text(finding.remedy))
    n_of = {severity: sum(f.severity == severity for f in report.findings) for severity in ORDER}
    verdict = f"{counted(n_of['error'], 'error')}, {counted(n_of['warning'], 'warning')}."
    return Group(*([table] if report.findings else []), Text(f"{report.dataset}: {verdict}"))


def render_description(found: Description) -> RenderableType:
    """Return a description as tables and bars for `rich.console.Console.print`."""
    facts = Table.grid(padding=(0, 2))
    groups = f", {counted(found.n_groups, 'group')}" if found.n_groups else ""
    facts.add_row("clips", f"{found.n_clips}{groups}")
    facts.add_row("audio", f"{found.hours:.2f} h" if found.hours >= 1 else f"{60 * found.hours:.1f} min")
    for name, counts in (("rates", found.rates), ("channels", found.channels), ("formats", found.formats)):
        facts.add_row(name, _line(counts))
    for name, fold, parts in found.parts:
        facts.add_row("split", Text(f"{name} {fold}: {_line(parts)}"))
    facts.add_row("licence", Text(found.licence))
    if found.unreadable:
        facts.add_row("unreadable", Text(listed(found.unreadable)))
    for note in found.notes:
        facts.add_row("note", Text(note))
    return Group(
        Text(f"{found.name} (version {found.version})", style="bold"),
        facts,
        _durations(found),
        *map(_label, found.labels),
    )


def bar(fraction: float) -> str:
    """Return a bar of up to 30 cells, exact to an eighth of one; never empty for a fraction above 0."""
    eighths = max(round(fraction * BAR_CELLS * 8), 1 if fraction > 0 else 0)
    return EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _skipped(dataset: Dataset) -> list[Finding]:
    """Return the files of a folder dataset that are no clips; other datasets list what they mean."""
    skipped = others(dataset.root) if dataset.name.startswith("folder:") else ()
    if not skipped:
        return []
    names = tuple(path.relative_to(dataset.root).as_posix() for path in skipped)
    return [Finding("info", skipped_line(skipped), names, "Nothing to do, unless one is audio: rename or convert it.")]


def _line(counts: Counts) -> Text:
    return Text(", ".join(f"{name} {count}" for name, count in counts.items()))


def _durations(found: Description) -> Table:
    table = Table(title="durations", title_justify="left", box=None)
    table.add_column("seconds", justify="right")
    table.add_column("clips", justify="right")
    table.add_column("")
    most = max((count for *_, count in found.durations), default=0)
    for start_s, end_s, count in found.durations:
        table.add_row(f"{start_s:.2f} – {end_s:.2f}", str(count), bar(count / most))
    return table


def _label(label: LabelDescription) -> Table:
    kind = counted(len(label.classes), "class") if label.classes else counted(len(label.ranges), "number")
    title = f"{label.name}: {kind}, {counted(label.n_clips, 'clip')}" + (
        f", split {label.split}" if label.split else ""
    )
    table = Table(title=Text(title, TITLE), title_justify="left", box=None)
    if label.ranges:
        for column in ("least", "mean", "greatest"):
            table.add_column(column, justify="right")
        for row in label.ranges:
            table.add_row(*(f"{number:g}" for number in row))
        return table
    roles = list(label.classes[0][2]) if label.classes else []
    for column in ("class", "clips", *roles):
        table.add_column(column, justify="left" if column == "class" else "right")
    table.add_column("")
    for name, count, parts in label.classes[:MOST_CLASSES]:
        numbers = (str(parts[role]) for role in roles)
        table.add_row(Text(name), str(count), *numbers, bar(count / label.classes[0][1]))
    if len(label.classes) > MOST_CLASSES:
        table.add_row(f"and {len(label.classes) - MOST_CLASSES} more")
    return table
