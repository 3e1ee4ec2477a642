"""Adding files to a catalogue: what is new or changed is heard, what moved is told, what failed is kept, with why.

Files are shards, and an engine schedules them; nothing remembers where an `add` was: what a shard has acknowledged is
done, the rest is not, and the same command goes on.
"""

import fcntl
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.catalogue import finding, form, planning, reader, upkeep
from earmark.catalogue.embedding import Paths
from earmark.catalogue.finding import Todo
from earmark.catalogue.form import Form, Keeps, Wish
from earmark.catalogue.listing import Entry
from earmark.catalogue.planning import Estimate
from earmark.catalogue.working import Done, Shard, hear_shard
from earmark.errors import UserError
from earmark.experiment import devices, engines, one_pass
from earmark.experiment.engines import EngineChoice
from earmark.experiment.progress import bar

MOST_FILES, MOST_BYTES, LEAST_FILES = 64, 256 * 2**20, 4

log = logging.getLogger("earmark.catalogue")


@dataclass(frozen=True)
class Speed:
    """What one worker did: files, seconds of audio, and the seconds that it took."""

    n_files: int = 0
    audio_s: float = 0.0
    seconds: float = 0.0

    @property
    def times_real_time(self) -> float:
        """How many times faster than the audio lasts."""
        return self.audio_s / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Added:
    """What `add` did. `n_heard` contents have rows now that had none, `n_changed` of them in place of another.

    `n_there`: new files of which the content was there, such as copies, and files that moved (`n_moved`). `n_removed`
    are no longer where they were found; they stay in the catalogue unless `pruned`. `failures`: the files of these
    sources that failed, now or before. `workers`: what each did.
    """

    folder: Path
    form: Form
    n_heard: int
    n_changed: int
    n_there: int
    n_same: int
    n_moved: int
    n_removed: int
    pruned: bool
    n_other: int
    audio_s: float
    failures: tuple[Entry, ...]
    workers: Mapping[str, Speed]

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many failed, by kind, the most first."""
        return dict(Counter(one.state for one in self.failures).most_common())


def add(
    folder: Path | str,
    sources: Paths = (),
    representation: str | None = None,
    *,
    layers: Sequence[int] | None = None,
    pool: Sequence[str] | None = None,
    segment_s: float | None = None,
    segment_hop_s: float | None = None,
    keeps: Keeps | None = None,
    prune: bool = False,
    retry: bool = False,
    jobs: int = 1,
    engine: EngineChoice | str = "local",
    device: str = devices.CPU,
    tell: Callable[[Estimate], None] | None = None,
    quiet: bool = True,
) -> Added:
    """Add the audio of folders, manifests and single files to the catalogue in `folder`, which is made where none is.

    A new catalogue needs a `representation`; `layers` None: its deepest, `pool` None: the mean over frames,
    `segment_s` None: as its card says, else each file whole; `keeps` None: a row a track, with segments both. What a
    catalogue has need not be said again, and another form is refused. Only new and changed content is heard; a file
    that failed before is passed over unless `retry`, which without sources tries all of those. `prune` drops what the
    sources no longer have. `jobs` processes of one thread each change no number. `tell` is given what it will take,
    from a short timing, before a large `add` begins.
    """
    root, given = Path(folder), finding.given(sources)
    if not given and not retry:
        raise UserError(
            "Nothing to add: give a folder of audio, a manifest or files; or try what failed again (--retry)."
        )
    if jobs < 1:
        raise UserError(f"Expected one process or more (jobs), got {jobs}.")
    how = form.open_or_make(root, Wish(representation, layers, pool, segment_s, segment_hop_s, keeps))
    choice = engines.choice_of(engine)
    where = devices.choose(device, elsewhere=choice.is_elsewhere)
    how.require_here(one_pass.representation(how.representation, devices.CPU if choice.is_elsewhere else where))
    with upkeep.locked(root, fcntl.LOCK_SH):
        catalogue = reader.load(root)
        what = finding.todo(catalogue, given, retry=retry, prune=prune)
        if tell is not None and len(what.files) >= planning.TOLD_FROM:
            tell(planning.estimated(how, what, jobs))
        shards = _shards(root, how, catalogue.next_turn, where, what, jobs)
        with (
            bar("add", len(what.files), quiet) as shown,
            engines.start(choice, root, jobs, where != devices.CPU) as running,
        ):
            done = list[Done]()
            for one in running.map(shards, hear_shard):
                shown.advance(one.n_files, one.audio_s)
                done.append(one)
    settled = upkeep.settle(root, what.removed, prune)
    told = {finding.source_of(one) for one in given}
    return _summed(root, how, what, done, settled, [one for one in settled.failures if not told or one.source in told])


def _shards(root: Path, how: Form, turn: int, device: str, what: Todo, jobs: int) -> list[Shard]:
    most = max(LEAST_FILES, min(MOST_FILES, len(what.files) // (4 * jobs)))
    folder = str(root.absolute())
    shards = [Shard(folder, how, turn, device, one) for one in finding.in_shards(what.files, most, MOST_BYTES)]
    # Two `add` of the same files would else meet at each shard, and one of them wait.
    random.Random(os.getpid()).shuffle(shards)
    return shards


def _summed(
    root: Path, how: Form, what: Todo, done: Sequence[Done], settled: upkeep.Settled, failures: Sequence[Entry]
) -> Added:
    workers = dict[str, Speed]()
    for one in done:
        was = workers.get(one.worker, Speed())
        workers[one.worker] = Speed(was.n_files + one.n_files, was.audio_s + one.audio_s, was.seconds + one.seconds)
    return Added(
        folder=root,
        form=how,
        n_heard=sum(one.n_heard for one in done),
        n_changed=sum(one.n_changed for one in done),
        n_there=sum(one.n_there for one in done),
        n_same=what.n_same,
        n_moved=settled.n_moved,
        n_removed=settled.n_removed,
        pruned=settled.pruned,
        n_other=what.n_other,
        audio_s=sum(one.audio_s for one in done),
        failures=tuple(failures),
        workers=workers,
    )
