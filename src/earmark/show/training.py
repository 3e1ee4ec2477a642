"""What the command line prints of corpora."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.table import Table
from rich.text import Text

from earmark.analysis import escapes
from earmark.counted import counted
from earmark.experiment.progress import bar
from earmark.show.runs import console, failures
from earmark.show.said import remark
from earmark.training import corpus as corpora
from earmark.training import description, labels


def built(
    sources: Sequence[str],
    output: Path,
    sample_rate: int,
    jobs: int,
    data_folder: Path | None,
    excerpt_s: float | None,
    overwrite: bool,
    quiet: bool,
) -> bool:
    """Build a corpus with a progress bar, and say what became of it; return whether every clip is in it."""
    made = corpora.build(
        sources,
        output,
        sample_rate,
        jobs,
        data_folder=data_folder,
        excerpt_s=excerpt_s,
        overwrite=overwrite,
        bar=partial(bar, quiet=quiet),
    )
    for note in made.notes:
        remark(f"note: {note}")
    clipped = [track.n_clipped for track in made.tracks if track.n_clipped]
    if clipped:
        remark(f"note: {sum(clipped):,} samples of {len(clipped)} tracks were beyond ±1 and are clipped")
    failures(made.failures)
    n_all = len(made.tracks) + len(made.failures)
    print(f"{output}: {len(made.tracks):,} of {n_all:,} tracks, {made.duration_s / 3600:.2f} h at {sample_rate} Hz")
    print(f"key: {made.key}")
    return not made.failures


def labelled(folder: Path, source: str, output: Path, label: str | None, least: int, data_folder: Path | None) -> None:
    """Write the labels of a corpus, and say what is labelled."""
    opened = corpora.open(folder)
    everything = labels.read(source, opened, label, data_folder=data_folder)
    made = labels.frequent(everything, least)
    labels.write(made, output)
    unlabelled = [track.id for track in opened.tracks if track.id not in made.by_id]
    if unlabelled:
        remark(f"note: {len(unlabelled):,} of {len(opened.tracks):,} tracks have no label, such as {unlabelled[0]}")
    if rare := [tag for tag in everything.tags if tag not in made.tags]:
        remark(f"note: {counted(len(rare), 'tag')} on fewer than {least} tracks left out, such as {rare[0]}")
    if untagged := sum(not tags for tags in made.by_id.values()):
        remark(f"note: {untagged:,} labelled tracks have none of the tags")
    counts = Counter(tag for tags in made.by_id.values() for tag in tags)
    rarest, most = min(made.tags, key=counts.__getitem__), max(made.tags, key=counts.__getitem__)
    print(
        f"{output}: {counted(len(made.tags), 'tag')} of '{made.label}' on {len(made.by_id):,} of "
        f"{len(opened.tracks):,} tracks, from {counts[rarest]:,} ({rarest}) to {counts[most]:,} ({most})"
    )
    print(f"key: {made.key}")


def corpus_description(folder: str, as_json: bool) -> None:
    """Print a corpus in numbers."""
    found = description.describe(folder)
    if as_json:
        print(escapes.json(asdict(found), indent=1))
        return
    facts = Table.grid(padding=(0, 2))
    least, median, greatest = found.lengths_s
    rows = [
        ("corpus", f"{found.folder} (key {found.key})"),
        ("tracks", f"{found.n_tracks:,}" + (f", {found.n_groups:,} groups" if found.n_groups else "")),
        ("audio", f"{found.hours:,.2f} h at {found.sample_rate} Hz, {found.bytes / 1e6:,.1f} MB"),
        ("lengths", f"{least:.2f} – {greatest:.2f} s, median {median:.2f} s"),
        *(("licence", f"{name}: {hours:,.2f} h") for name, hours in found.licences.items()),
        ("clipped", f"{found.n_clipped:,} samples of {found.n_clipped_tracks:,} tracks"),
        ("twice", f"{found.n_twice:,} tracks are copies of another"),
        ("left out", f"{len(found.left_out):,} clips"),
        *(("", f"{clip}: {reason}") for clip, reason in found.left_out.items()),
        *(("note", note) for note in found.notes),
    ]
    for name, value in rows:
        facts.add_row(name, Text(value))
    console().print(facts)
