"""Where the numbers of a run come from: date, software, data, checksums, licences, citations, how to run it again."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from earmark import citations
from earmark.errors import EarmarkError, UserError
from earmark.experiment import ingredients, results, spec
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.runs import listening

EXPERIMENT, ENVIRONMENT, LOG = "experiment.yml", "environment.json", "log.txt"
DATED = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
UNDEFINED = re.compile(r" \(\d+ undefined\)")
NONE = "none: made by arithmetic alone"


class Facts(NamedTuple):
    """Facts under a head, each with its name."""

    head: str
    facts: tuple[tuple[str, str], ...]


class Text(NamedTuple):
    """A file in full, with what it is."""

    name: str
    content: str


def title(run: Run) -> str:
    """Return the name of a run's experiment; that of its folder where the file is not there or not understood."""
    try:
        return spec.load(run.folder / EXPERIMENT).name
    except (OSError, UserError):
        return run.folder.name


def whole(run: Run) -> tuple[Result, ...]:
    """Return the rows of whole test sets, mean over seeds: what a page shows, and a small part of a large run."""
    return tuple(row for row in run.rows if row.seed is None and row.label is None)


def day(run: Run) -> str:
    """Return the day of a run in words: by its log, else by when its results were written."""
    log = run.folder / LOG
    found = DATED.match(log.read_text("utf-8").rstrip().rpartition("\n")[2]) if log.is_file() else None
    if found:
        when = date(*map(int, found.groups()))
    else:
        when = datetime.fromtimestamp((run.folder / results.ROWS).stat().st_mtime, UTC).date()
    return f"{when.day} {when:%B %Y}"


def commands(run: Run) -> str:
    """Return the lines that compute a run again."""
    name = run.folder.name
    return (
        "# from the experiment's file, printed below\nearmark run experiment.yml\n"
        "# what differs from this run, and whether by more than chance\n"
        f"earmark diff {name} latest\n"
        "# or: pack it here, compute it anew elsewhere, and have every number compared\n"
        f"earmark bundle {name}\nearmark reproduce {name}.zip"
    )


def facts(run: Run) -> tuple[Facts, ...]:
    """Return versions, seeds, data, representations and checksums, as far as the folder says them."""
    return tuple(one for one in (_numbers(run), _software(run), *_made_of(run), _checksums(run)) if one.facts)


def _numbers(run: Run) -> Facts:
    seeds = sorted({row.seed for row in run.rows if row.seed is not None})
    shown = [row for row in whole(run) if row.ci_low is not None]
    methods = dict.fromkeys(f"{row.ci_level:.0%}, {UNDEFINED.sub('', row.ci_method)}" for row in shown)
    found = {
        "seeds of the probes": ", ".join(map(str, seeds)) or "none are in the rows",
        "intervals": "; ".join(methods) or "none",
        "numbers": f"{len(run.rows):,}",
        "computed on": ", ".join(dict.fromkeys(row.device for row in run.rows)),
    }
    return Facts("Numbers", tuple(found.items()) if run.rows else ())


def _software(run: Run) -> Facts:
    file = run.folder / ENVIRONMENT
    if not file.is_file():
        return Facts("Software", ())
    found = json.loads(file.read_bytes())
    libraries = found.pop("libraries", {})
    said = ", ".join(f"{name} {version}" for name, version in libraries.items())
    return Facts("Software", (*((name, str(value)) for name, value in found.items()), ("libraries", said)))


def _made_of(run: Run) -> Iterator[Facts]:
    found = ingredients.read(run.folder)
    if found is None:
        return
    yield Facts("Data", tuple((name, _joined(parts)) for name, parts in found.parts.items()))
    yield Facts("Licences of the data", tuple(_licences(run)))
    terms = {row.representation: row.licence for row in run.rows if row.licence}
    yield Facts("Licences of the representations", tuple(sorted(terms.items())))
    yield Facts(
        "Representations",
        tuple(
            (name, f"version {one.get('version', 'unknown')}; weights sha256 {one.get('weights_sha256') or NONE}")
            for name, one in found.representations.items()
        ),
    )
    if found.files:
        yield Facts("Files that deformations read", tuple((Path(name).name, sha) for name, sha in found.files.items()))


def _joined(parts: object) -> str:
    return "; ".join(f"{name} {value}" for name, value in dict(parts).items()) if isinstance(parts, dict) else ""


def _licences(run: Run) -> Iterator[tuple[str, str]]:
    try:
        rights = listening.rights(run.folder)
    except EarmarkError:  # an older run, whose page says so where it would be heard
        return
    for name, one in rights.items():
        shared = "may be passed on" if one.redistributable else "its audio may not be passed on"
        yield name, f"{one.title}: {one.licence}; {shared}"


def _checksums(run: Run) -> Facts:
    names = (EXPERIMENT, results.ROWS, ingredients.FILE)
    there = (run.folder / name for name in names)
    return Facts(
        "Checksums (sha256)",
        tuple((one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in there if one.is_file()),
    )


def texts(run: Run) -> Iterator[Text]:
    """Yield the experiment's file and what to cite."""
    file = run.folder / EXPERIMENT
    if not file.is_file():
        return
    yield Text("The experiment's file, experiment.yml", file.read_text("utf-8"))
    try:
        yield Text("Citations and licences (BibTeX)", citations.bibliography(file))
    except EarmarkError as error:
        yield Text("Citations and licences: not known here", str(error))
