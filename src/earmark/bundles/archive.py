"""A run in one zip file, for Zenodo or a colleague: what was asked, what came out, whom to cite. Never audio.

manifest.json   the run's id and, for each other file, its bytes and sha256
README.md       what this is, and how to compute it again
citations.bib   datasets, representations and tools, each with its licence

and of the run's folder what `FILES` names, with its predictions and the cards of the networks that were fine-tuned: no
weights. The same run gives the same bytes wherever zlib packs alike; the manifest, which knows what was packed, is the
same everywhere.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from earmark import __version__, citations, durable
from earmark.errors import DataError, UserError
from earmark.experiment import costs, finetune, finetune_file, ingredients, probe_folders, results
from earmark.runs import predictions

MANIFEST = "manifest.json"
SCHEMA = 1
ASKED = (results.EXPERIMENT, results.FINETUNING)
NEEDED = (results.ROWS, results.LEAKAGE, "environment.json")
PAGE = "report.html"
FILES = (*ASKED, *NEEDED, ingredients.FILE, costs.FILE, finetune.DATA, PAGE)
KEPT_BACK = {
    b"data:audio": "it holds audio. Make one without.",
    b"file:/": "it says where audio lies on this machine. Once unpacked, `earmark report FOLDER` makes one.",
}
"""What no page in a bundle may hold, and why: the licence of audio may forbid it, and places are nobody's business."""
SAFE = re.compile(r"((predictions|tuned/[\w-][\w.-]*)/)?[\w-][\w.-]*", re.ASCII)
OF_A_FOLDER = re.compile(r"(path|folder|manifest):")
EARLIEST = (1980, 1, 1, 0, 0, 0)
READABLE = 0o644 << 16
MOST_MANIFEST_BYTES = 64 * 2**20


class Packed(NamedTuple):
    """A file of a bundle: its name, size, and sha256."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk: the id of its run, the earmark that packed it, its files by name. `notes`: what to look at."""

    file: Path
    run: str
    earmark: str
    files: tuple[Packed, ...]
    notes: tuple[str, ...] = ()


def bundle(run: Path | str, output: Path | None = None) -> Bundle:
    """Pack a run, given by its folder, its id or "latest", and return what was packed.

    `output` None: `<run id>.zip` in the current folder. Raises UserError for a file of other content that is there
    already, DataError for a run that is not whole.
    """
    folder = results.find(run)
    found = _of_run(folder)
    held = dict(sorted({**found, **_made(folder, found)}.items()))
    files = tuple(Packed(name, len(one), hashlib.sha256(one).hexdigest()) for name, one in held.items())
    manifest = {"schema": SCHEMA, "earmark": __version__, "run": folder.name, "files": [one._asdict() for one in files]}
    packed = _zipped({MANIFEST: json.dumps(manifest, indent=1, ensure_ascii=False).encode(), **held})
    target = output or Path(f"{folder.name}.zip")
    if target.is_dir() or (target.exists() and target.read_bytes() != packed):
        raise UserError(f"There is something else at '{target}' already. Remove it, or give another name with -o.")
    durable.write_file(target, packed)
    notes = [note for name in ASKED if name in held for note in _places_of(name, held[name])]
    if reason := _kept_back(folder):
        notes.append(f"{PAGE} is left out, since {reason}")
    return Bundle(target, folder.name, __version__, files, tuple(notes))


def _of_run(folder: Path) -> dict[str, bytes]:
    """Return the files of a run's folder that go into a bundle, by name."""
    if lacking := _lacking(name for name in FILES if (folder / name).is_file()):
        raise DataError(f"Expected a finished run at '{folder}'; it lacks {lacking}. Run its experiment again.")
    found = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
    for card in folder.glob(f"{probe_folders.TUNED}/*/{probe_folders.CARD}"):
        found[card.relative_to(folder).as_posix()] = card.read_bytes()
    if _kept_back(folder):
        del found[PAGE]
    index = f"predictions/{predictions.INDEX}"
    for one in predictions.index(folder):
        found[f"predictions/{one.file.name}"] = one.file.read_bytes()
    return {**found, index: (folder / index).read_bytes(), results.FAILURES: _failures(folder)}


def _lacking(names: Iterable[str]) -> str:
    """Return which files that every run has are not among these, in words; "" where all are."""
    there = {*names}
    lacking = [name for name in NEEDED if name not in there]
    return ", ".join(lacking if there & {*ASKED} else (" or ".join(ASKED), *lacking))


def _kept_back(folder: Path) -> str:
    """Return why the page of a run must not be packed; "" where it may, or where there is none."""
    page = (folder / PAGE).read_bytes() if (folder / PAGE).is_file() else b""
    return next((reason for mark, reason in KEPT_BACK.items() if mark in page), "")


def _failures(folder: Path) -> bytes:
    """Return failures.jsonl with the names of files alone: where they lay is nobody's business."""
    file = folder / results.FAILURES
    entries = map(json.loads, file.read_bytes().splitlines()) if file.is_file() else ()
    named = ({**one, "path": PurePath(one["path"]).name} for one in entries)
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in named)


def _made(folder: Path, found: Collection[str]) -> dict[str, bytes]:
    """Return the files that no run's folder has."""
    is_experiment = results.EXPERIMENT in found
    file = folder / (results.EXPERIMENT if is_experiment else results.FINETUNING)
    cited = citations.bibliography(file) if is_experiment else _cited(file)
    more = "" if is_experiment else OF_NETWORKS
    readme = README.format(run=folder.name, version=__version__, asked=file.name, more=more)
    return {"citations.bib": cited.encode(), "README.md": readme.encode()}


def _cited(finetuning: Path) -> str:
    return citations.of_experiment(finetune_file.load(finetuning).experiment)


README = """\
# {run}

A run of earmark {version}: what was measured ({asked}), every number (results.jsonl), every prediction
(predictions/), what the parts of the data share (leakage.json), checksums of audio, labels and weights
(ingredients.json), software (environment.json), whom to cite, under which licences (citations.bib).{more} No audio.

Unpacked, it is read like any run (`earmark table FOLDER`, `earmark compare FOLDER`). To compute it again from the same
data:

    earmark reproduce {run}.zip
"""
OF_NETWORKS = """
Of each fine-tuned network its card (tuned/) with recipe and curve, what it learned from (data.jsonl). No weights."""


def _zipped(held: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in held.items():
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.create_system, entry.external_attr = 3, READABLE  # as on Unix, wherever it is made
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 6)
    return buffer.getvalue()


def _places_of(name: str, asked: bytes) -> Iterator[str]:
    """Yield a note for each place on this machine that the file of what was asked names."""
    for text in _texts(YAML(typ="safe").load(asked.decode())):
        place = OF_A_FOLDER.sub("", text)
        if PurePath(place).is_absolute() or PureWindowsPath(place).is_absolute() or place.startswith("~"):
            yield f"{name} names a place on this machine, '{text}': others have it elsewhere, and now know of it."


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def unpack(file: Path, folder: Path) -> Bundle:
    """Unpack a bundle into a folder, each file checked against the manifest.

    Raises DataError for a file that is no bundle, or whose content is not what its manifest says.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _manifest(file, archive)
            for one in manifest.files:
                durable.write_file(folder / one.name, _checked(file, archive, one))
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"Expected a bundle at '{file}', as `earmark bundle` makes it: {error}.") from error
    return manifest


def _manifest(file: Path, archive: zipfile.ZipFile) -> Bundle:
    sizes = {one.filename: one.file_size for one in archive.infolist()}
    if not 0 < sizes.get(MANIFEST, 0) <= MOST_MANIFEST_BYTES:
        raise DataError(f"'{file}' has no {MANIFEST}, so it is no bundle: `earmark bundle RUN` makes one.")
    try:
        read = json.loads(archive.read(MANIFEST))
        found = Bundle(file, str(read["run"]), str(read["earmark"]), tuple(Packed(**one) for one in read["files"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"The {MANIFEST} of '{file}' cannot be read ({error}). Fetch the bundle again.") from error
    listed = {one.name: one.n_bytes for one in found.files}
    if {**listed, MANIFEST: sizes[MANIFEST]} != sizes or len(listed) + 1 != len(archive.infolist()):
        raise DataError(f"'{file}' does not hold the files that its {MANIFEST} lists. Fetch the bundle again.")
    if unsafe := [name for name in (*listed, found.run) if not SAFE.fullmatch(name)]:
        raise DataError(f"'{file}' has a name that no bundle has: {unsafe[0]!r}. Nothing was unpacked.")
    if lacking := _lacking(listed):
        raise DataError(f"'{file}' lacks {lacking}, so it is no whole bundle. Fetch the bundle again.")
    return found


def _checked(file: Path, archive: zipfile.ZipFile, one: Packed) -> bytes:
    content = archive.read(one.name)
    if hashlib.sha256(content).hexdigest() != one.sha256:
        raise DataError(f"{one.name} in '{file}' is not what its {MANIFEST} says. Fetch the bundle again.")
    return content
