"""The page of a run: one HTML file that needs no server and asks no host for anything.

It says in words what came out, shows every table and figure of the run, lets one see and hear what was confused with
what, and says where each number comes from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from earmark import __version__, durable, published
from earmark.analysis.grid import Grid, notes_of
from earmark.counted import counted
from earmark.errors import DataError, UserError
from earmark.experiment import leaks, results
from earmark.experiment.results import Run
from earmark.reports import _provenance, _scores, _template
from earmark.reports._listening import Listening, listening
from earmark.reports._pictures import Section, sections
from earmark.runs import compare, words
from earmark.runs.comparison import Comparison

FILE = "report.html"
CLIPS = 60
MOST_CELLS = 3000
MOST_FAILURES = 200


@dataclass(frozen=True)
class Page:
    """A page on disk, its size in bytes, and what it leaves out and why."""

    file: Path
    n_bytes: int
    notes: tuple[str, ...]


def report(
    run: Run | Path | str = "latest", embed_audio: bool = False, clips: int = CLIPS, output: Path | None = None
) -> Page:
    """Write the page of a run, given by its folder, its id, "latest" or itself, and return where it lies.

    `output` None: `report.html` in the run's folder. At most `clips` test clips get a picture of what the models
    heard. `embed_audio` puts the first seconds of these into the page, where their dataset's card lets its audio be
    passed on; all other sound is linked by its path, and plays on this machine. Raises UserError for a run that is not
    there or a number of clips below 0, MissingPart where the page cannot be drawn.
    """
    if clips < 0:
        raise UserError(f"Expected how many clips the page may show, 0 or more, got {clips}.")
    found = run if isinstance(run, Run) else results.read(results.find(run))
    file = Path(output) if output is not None else found.folder / FILE
    if file.is_dir():
        raise UserError(f"Expected the name of a file for the page, got the folder '{file}'. Add {FILE} to it.")
    heard = listening(found.folder, clips, embed_audio, file)
    content = _template.page(_values(found, heard)).encode()
    durable.make_folder(file.absolute().parent)
    durable.write_file(file, content)
    return Page(file, len(content), heard.notes)


def _values(run: Run, heard: Listening) -> dict[str, object]:
    """Return what the template shows, by name."""
    grids, n_left_out = _scores.within(_tables(run), MOST_CELLS)
    beside = published.beside(replace(run, rows=_provenance.whole(run)))
    comparison, reason = _compared(run)
    parts = sections(run, comparison)
    refused = [str(one) for one in beside.refused]
    return {
        "title": _provenance.title(run),
        "run": run.folder.name,
        "date": _provenance.day(run),
        "version": run.rows[0].code_version if run.rows else __version__,
        "contents": tuple(_contents(parts, has_published=bool(beside.grids or refused))),
        "words": words.summary(comparison, _provenance.whole(run)) if comparison else (reason,),
        "sizes": _sizes(run),
        "warnings": tuple(_warnings(run, n_left_out)),
        "tables": [_scores.scores(one) for one in grids],
        "sections": parts,
        "listening": heard,
        "published": {"grids": [_scores.scores(one) for one in beside.grids], "refused": refused},
        "failures": [(one.clip, one.dataset, one.reason) for one in run.failures[:MOST_FAILURES]],
        "n_failures": len(run.failures),
        "audit": leaks.summary(run.audits) or "This run was not audited.",
        "leaks": leaks.notes(run.audits),
        "commands": _provenance.commands(run),
        "provenance": _provenance.facts(run),
        "files": tuple(_provenance.texts(run)),
    }


def _tables(run: Run) -> tuple[Grid, ...]:
    """Return the tables of a run; () where it has no score of a whole test set."""
    try:
        return results.grids(run)
    except DataError:
        return ()


def _compared(run: Run) -> tuple[Comparison | None, str]:
    """Return the comparison of a run's systems; None and the reason where there is nothing to compare."""
    try:
        return compare.compare(run), ""
    except UserError as error:  # one system alone, or predictions that are not there
        return None, str(error)


def _contents(parts: Sequence[Section], has_published: bool) -> Iterator[tuple[str, str]]:
    """Yield the sections of the page by their ids, in its order."""
    yield "summary", "Summary"
    yield "scores", "Scores"
    yield from ((one.name, one.head) for one in parts)
    yield "listen", "Listen to the errors"
    if has_published:
        yield "published", "Published numbers"
    yield "trust", "What to know"
    yield "provenance", "Where it comes from"


def _sizes(run: Run) -> list[tuple[str, str]]:
    """Return how much was compared, in numbers."""
    rows = [row for row in _provenance.whole(run) if row.probe != compare.CONSTANT]
    tests = {(row.task, row.dataset, row.split): row.n for row in rows}
    counts = {
        "task": len({(row.task, row.dataset) for row in rows}),
        "representation": len({row.representation for row in rows}),
        "system": len({(row.representation, row.layer, row.pool, row.probe) for row in rows}),
        "condition": len({row.deformation for row in rows}),
        "seed": max((row.n_seeds for row in rows), default=0),
        "test clip": sum(tests.values()),
    }
    said = [counted(count, noun).split(" ", 1) for noun, count in counts.items()]
    return [(f"{noun}, over tasks" if noun.startswith("test clip") else noun, number) for number, noun in said]


def _warnings(run: Run, n_left_out: int) -> Iterator[str]:
    """Yield what a reader must know first."""
    if run.failures:
        yield f"{counted(len(run.failures), 'clip')} could not be scored: see below."
    yield from (note for note in notes_of(run.rows) if note.startswith("UNVERIFIED"))
    if any(check.tallies and any(one.leaks for one in check.tallies) for audit in run.audits for check in audit.checks):
        yield "The leakage audit found test clips that training clips may give away: see below."
    if n_left_out:
        left_out = counted(n_left_out, "table")
        yield f"Left out of this page, which would be too long: {left_out}. `earmark table` prints all."
