"""What the command line prints of a store: what is damaged, what was dropped, what may go."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from earmark import places
from earmark.analysis import escapes
from earmark.catalogue import form
from earmark.counted import counted, sized
from earmark.errors import UserError
from earmark.runs.kept import kept
from earmark.show.said import said
from earmark.store import Store, scheme
from earmark.store.things import ROWS, things, unwanted
from earmark.store.upkeep import HARMLESS, Repair

DAY_S = 86_400
MOST_NAMED = 10


def opened(folder: Path | None) -> Store:
    """Return the store in a folder, by default ours. Raises UserError where a folder that was named is none."""
    # Asked first: a catalogue has a lock too.
    if folder is not None and (folder / form.FILE).exists():
        raise UserError(f"Expected the folder of a store; '{folder}' is a catalogue: earmark catalogue verify")
    if folder is not None and not scheme.is_store(folder):
        raise UserError(f"Expected the folder of a store, with the file '{scheme.FILE}', got '{folder}'.")
    return Store(folder or places.store_folder())


def verified(folder: Path | None, as_json: bool) -> bool:
    """Print what is not as it was written; return whether all that was acknowledged is."""
    store = opened(folder)
    found = store.verify()
    harmless = [one for one in found if one.endswith(HARMLESS)]
    damaged = [one for one in found if one not in harmless]
    if as_json:
        print(escapes.json({"store": str(store.root), "damaged": damaged, "harmless": harmless}))
        return not damaged
    for one in found:
        print(said(one))
    verdict = f"{counted(len(damaged), 'thing')} damaged: `earmark store repair`" if damaged else "nothing is damaged"
    print(f"{said(str(store.root))}: {verdict}; {counted(len(harmless), 'leftover')} of crashes.")
    return not damaged


def repaired(folder: Path | None, as_json: bool) -> None:
    """Drop what is damaged and say what it was, and how it comes back."""
    store = opened(folder)
    done = store.repair()
    if as_json:
        rows = [{"key": key, **origin} for key, origin in done.rows.items()]
        print(escapes.json({"store": str(store.root), "rows": rows, "files": done.files}))
        return
    _dropped(done)
    before, after = done.compaction.n_shards_before, done.compaction.n_shards_after
    print(f"{said(str(store.root))}: {counted(before, 'shard')} before, {after:,} now; what crashes left is gone.")


def compacted(folder: Path | None, as_json: bool) -> None:
    """Merge all shards in the order of keys, and say how many there were."""
    store = opened(folder)
    before, after, dropped = store.compact(everything=True)
    if as_json:
        done = {"store": str(store.root), "shards_before": before, "shards": after, "dropped": dropped}
        print(escapes.json(done))
        return
    for key in dropped[:MOST_NAMED]:
        print(said(f"dropped the damaged row {key}"))
    damaged = f"; {counted(len(dropped), 'damaged row')} dropped, to be computed again" if dropped else ""
    print(f"{said(str(store.root))}: {counted(before, 'shard')} before, {after:,} now{damaged}.")


def _dropped(done: Repair) -> None:
    for key, origin in list(done.rows.items())[:MOST_NAMED]:
        of = " of ".join(str(origin[one]) for one in ("representation", "clip") if one in origin)
        print(said(f"dropped the row {key}" + f" ({of})" * bool(of)))
    if len(done.rows) > MOST_NAMED:
        print(f"… and {counted(len(done.rows) - MOST_NAMED, 'row')} more (--json names them all)")
    for name in done.files:
        print(said(f"dropped the file {name}"))
    if done.rows or done.files:
        n_rows, n_files = counted(len(done.rows), "row"), counted(len(done.files), "file")
        print(f"{n_rows} and {n_files} dropped: `earmark run` of the same experiment computes them again.")


def collected(
    folder: Path | None,
    runs: Sequence[str],
    older_days: float | None,
    until_bytes: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Say what may go, and remove it where `yes`."""
    if not runs and older_days is None and until_bytes is None:
        raise UserError("Expected what may go: --keep-runs RUN, --older-than DAYS, --until SIZE, or several of them.")
    store = opened(folder)
    before_s = None if older_days is None else time.time() - older_days * DAY_S
    held = list(things(store.root))
    chosen = unwanted(held, kept(runs), before_s, until_bytes)
    if yes:
        store.drop(chosen)
    n_all, n_chosen = (sum(one.n_bytes for one in some) for some in (held, chosen))
    if as_json:
        named = [{"kind": one.kind, "name": one.name, "n_bytes": one.n_bytes} for one in chosen]
        print(escapes.json({"store": str(store.root), "n_bytes": n_all, "removed": yes, "things": named}))
        return
    for kind, count in sorted(Counter(one.kind for one in chosen).items()):
        n_bytes = sum(one.n_bytes for one in chosen if one.kind == kind)
        print(said(f"{kind}: {counted(count, 'row' if kind == ROWS else 'file')}, {sized(n_bytes)}"))
    what = "removed" if yes else "would go: the same with --yes removes them"
    print(f"{sized(n_chosen)} of {sized(n_all)} in {said(str(store.root))} {what}.")
