"""What the command line says of catalogues: what an add will take and did, what was found, what is held."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table
from rich.text import Text

from earmark.analysis import escapes
from earmark.analysis.escapes import plain
from earmark.catalogue import adding, approximate, exporting, form, planning, reader, searching, upkeep
from earmark.catalogue.adding import Added
from earmark.catalogue.form import Wish
from earmark.catalogue.listing import HEARD
from earmark.catalogue.planning import Estimate
from earmark.catalogue.reader import Level
from earmark.counted import counted, sized
from earmark.experiment.engines import EngineChoice
from earmark.show.runs import console
from earmark.show.said import remark

FAILURES_SHOWN = 5


def planned(
    store: Path, sources: Sequence[Path], wish: Wish, prune: bool, retry: bool, jobs: int, as_json: bool
) -> None:
    """Print what an add would take; of a new catalogue its form is written."""
    form.open_or_make(store, wish)
    found = planning.plan(store, sources, jobs=jobs, retry=retry, prune=prune)
    if as_json:
        print(escapes.json(asdict(found), indent=1))
    else:
        print(_estimate(found))


def _estimate(found: Estimate) -> str:
    parts = [f"{counted(found.n_files, 'file')} to hear, {found.n_same:,} as they were"]
    parts += [f"{found.n_failed_before:,} that failed before"] * (found.n_failed_before > 0)
    parts += [f"{found.n_removed:,} no longer there"] * (found.n_removed > 0)
    lines = [", ".join(parts)]
    if found.audio_hours is not None and found.n_bytes is not None and found.seconds is not None:
        took = f"{counted(found.jobs, 'process')}, by {counted(found.n_timed, 'file')} timed"
        lines.append(
            f"about {found.audio_hours:,.1f} h of audio, {sized(found.n_bytes)} of embeddings, "
            f"{_duration(found.seconds)} with {took}"
        )
    if found.n_failing:
        lines.append(f"of those timed {found.n_failing} could not be heard")
    return "\n".join(lines)


def added(
    store: Path,
    sources: Sequence[Path],
    wish: Wish,
    prune: bool,
    retry: bool,
    jobs: int,
    engine: EngineChoice,
    device: str,
    as_json: bool,
    quiet: bool,
) -> bool:
    """Add with a progress bar, say what was done; return whether nothing failed."""
    done = adding.add(
        store,
        sources,
        wish.representation,
        layers=wish.layers,
        pool=wish.pool,
        segment_s=wish.segment_s,
        segment_hop_s=wish.segment_hop_s,
        keeps=wish.keeps,
        prune=prune,
        retry=retry,
        jobs=jobs,
        engine=engine,
        device=device,
        tell=None if quiet else lambda found: remark(_estimate(found)),
        quiet=quiet,
    )
    if as_json:
        numbers = {name: value for name, value in asdict(done).items() if name.startswith("n_")}
        print(escapes.json({**numbers, "audio_s": done.audio_s, "failed": done.kinds}, indent=1))
    else:
        _say(done)
    if done.failures:
        _say_failures(store, done)
    return not done.failures


def _say(done: Added) -> None:
    print(
        f"{plain(str(done.folder))}: {done.n_heard:,} heard ({done.n_changed:,} changed), "
        f"{done.n_there:,} there already (copies, or another add), "
        f"{done.n_same:,} as they were, {done.audio_s / 3600:,.2f} h of audio"
    )
    if done.n_moved:
        print(f"{counted(done.n_moved, 'file')} moved")
    if done.n_removed:
        what = "dropped" if done.pruned else "no longer there, still in the catalogue; --prune drops them"
        print(f"{counted(done.n_removed, 'file')} {what}")
    if done.n_other:
        remark(f"skipped, not audio by their names: {done.n_other:,}")
    speeds = [one.times_real_time for one in done.workers.values() if one.audio_s]
    if speeds:
        each = f"{min(speeds):,.0f} to {max(speeds):,.0f}" if len(speeds) > 1 else f"{speeds[0]:,.0f}"
        remark(f"{counted(len(speeds), 'worker')}, {each} times real time each")


def _say_failures(store: Path, done: Added) -> None:
    remark(f"{counted(len(done.failures), 'file')} could not be heard:")
    for kind, count in done.kinds.items():
        of_kind = [one for one in done.failures if one.state == kind]
        remark(f"  {count:,} {kind}, such as {of_kind[0].path}: {of_kind[0].reason}")
    remark(f"All are in {store / upkeep.FAILURES}. To try them again: {retry_command(store)}")


def retry_command(store: Path) -> str:
    """Return the line that tries what failed again."""
    return f"earmark catalogue add {shlex.quote(str(store))} --retry"


def found(
    store: Path,
    query: str,
    k: int,
    level: Level | None,
    where: Sequence[str],
    between_s: tuple[float, float] | None,
    approximately: bool,
    as_json: bool,
) -> None:
    """Print the nearest tracks."""
    answer = searching.search(
        store, query, k, level=level, where=where, between_s=between_s, approximately=approximately
    )
    if as_json:
        print(escapes.json(asdict(answer), indent=1))
        return
    grid = Table(box=None, pad_edge=False)
    for column in ("cosine", "from", "to", "track", "labels"):
        grid.add_column(column, justify="left" if column in ("track", "labels") else "right", overflow="fold")
    for hit in answer.hits:
        labels = ", ".join(f"{name}={value}" for name, value in hit.labels.items())
        more = f" (+{len(hit.paths) - 1})" if len(hit.paths) > 1 else ""
        cells = (f"{hit.score:.4f}", _clock(hit.start_s), _clock(hit.end_s), plain(hit.id) + more, plain(labels))
        grid.add_row(*map(Text, cells))
    console().print(grid)
    how = "compared; approximate: nearer ones may have been missed" if answer.approximate else "compared, exactly"
    remark(f"{counted(answer.n_searched, answer.level)} {how}")


def indexed(store: Path, level: Level | None) -> None:
    """Make an index for approximate search, and say so."""
    opened = reader.load(store)
    chosen = level or opened.form.level
    opened.require(chosen)
    path = approximate.build(opened, chosen)
    print(f"{plain(str(path))}: {counted(opened.n_rows(chosen), chosen)}, {sized(path.stat().st_size)}")


def exported(store: Path, out: Path, level: Level | None) -> None:
    """Write a file and say so."""
    done = exporting.export(store, out, level=level)
    print(f"{plain(str(done.path))}: {counted(done.n_rows, 'row')}")


def described(store: Path, as_json: bool) -> None:
    """Print what a catalogue holds."""
    opened = reader.load(store)
    failed = opened.files.filter(pl.col("state") != HEARD)
    kinds = dict(Counter(failed["state"].to_list()).most_common())
    n_files = len(opened.files) - len(failed)
    told: dict[str, Any] = {
        **asdict(opened.form),
        "files": n_files,
        "tracks": opened.n_tracks,
        "rows": {"tracks": opened.n_rows("track"), "segments": opened.n_rows("segment")},
        "audio_hours": opened.audio_s / 3600,
        "parts": len(opened.parts),
        "bytes": sum(part.rows.nbytes + part.records.nbytes for part in opened.parts),
        "failed": kinds,
    }
    if as_json:
        print(escapes.json(told, indent=1))
        return
    for name, value in told.items():
        print(f"{name:>16}: {plain(sized(value) if name == 'bytes' else _fact(value))}")


def _fact(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{count:,} {kind}" for kind, count in value.items()) or "none"
        case tuple():
            return ", ".join(map(str, value))
        case None | "":
            return "none"
        case float():
            return f"{value:,.2f}"
    return str(value)


def verified(store: Path) -> bool:
    """Print what is not as it was written; return whether nothing is lost."""
    problems = upkeep.verify(store)
    harmful = [one for one in problems if "harmless" not in one]
    print(*map(plain, [*problems, f"{store}: {len(harmful) or 'nothing'} damaged"]), sep="\n")
    return not harmful


def compacted(store: Path) -> None:
    """Merge parts, and say what came of it."""
    done = upkeep.compact(store)
    print(f"{plain(str(store))}: {counted(done.n_parts_before, 'part')} before, {done.n_parts_after:,} now")
    for path in done.dropped:
        remark(f"it has no sound rows; the next add hears it again: {path}")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:05.2f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
