"""Built-in data, rendered at first use: notes of 96 programs (`studio`) and pieces in 24 keys (`studio-pieces`).

2,304 notes of one second for instrument family, pitch and pitch class; 432 pieces of 6.5 seconds for key. Sounds
come from the sound font TimGM6mb that the package pretty_midi carries, or from FluidR3 where it is installed:
`studio:fluid` and `studio-pieces:fluid` are the same music on other samples, to train on one and test on the
other. FluidR3 has no sound for 22 notes of the training part, so `studio:fluid` has 2,282. All of it is drawn from
names (identity.generator): it is the same on every machine.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as RichProgress

from earmark import durable, identity
from earmark.datasets import _studio_notes, _studio_pieces
from earmark.datasets._studio_render import (
    Progress,
    Unit,
    file_size,
    lacking,
    packaged_font,
    render_all,
    versions,
)
from earmark.datasets.base import Dataset
from earmark.errors import MissingPart, UnknownName
from earmark.nouns import Clip, DataCard, LabelCard, Source, Split, SplitCard

RECIPE = "studio 1"
"""Raised whenever a sample changes: with the sound font and the renderer it names the folder of the audio."""

FLUID_FOLDER = Path("/usr/share/sounds/sf2")
FLUID_PLACE = "EARMARK_FLUID_SF2"
MANIFEST = "manifest.json"
PLAIN_STEPS = 10


_NOTE_LABELS = (
    LabelCard("family", "multiclass", 12, description="instrument family of the program"),
    LabelCard("pitch", "pitch", description="MIDI number of the note, which is detuned"),
    LabelCard("pitch_class", "multiclass", 12, description="its pitch class"),
)


@dataclass(frozen=True)
class Variant:
    """One of the four data sets of this file."""

    name: str
    is_pieces: bool
    is_fluid: bool

    @property
    def split(self) -> str:
        """Name of its split."""
        return "progression" if self.is_pieces else "program"

    @property
    def card(self) -> DataCard:
        """What is known before anything is rendered."""
        font = "MIT (FluidR3 sound font)" if self.is_fluid else "GPL-2.0 (TimGM6mb sound font)"
        what = "pieces in 24 keys" if self.is_pieces else "notes of 96 programs"
        n_notes = 2282 if self.is_fluid else 2304
        key = LabelCard("key", "key", 24, 432, "key of the piece")
        return DataCard(
            title=f"studio: {what}, rendered here" + (" with FluidR3" if self.is_fluid else ""),
            version=RECIPE.removeprefix("studio "),
            status="built-in",
            licence=f"rendered here with {font}",
            redistributable=self.is_fluid,  # GPL asks more of whoever passes audio on than a page can promise
            bibtex="",
            audio="WAV, 48 kHz, stereo",
            n_clips=432 if self.is_pieces else n_notes,
            hours=0.78 if self.is_pieces else 0.64,
            labels=(key,) if self.is_pieces else _NOTE_LABELS,
            splits=(
                SplitCard(self.split, f"earmark: whole {self.split}s are held out", used_by="README, docs/trust.md"),
            ),
            layout="made by this file",
            verified="real",
        )

    def units(self) -> tuple[Unit, ...]:
        """Return what is to be rendered."""
        if self.is_pieces:
            return _studio_pieces.units()
        return _studio_notes.units_of_fluid() if self.is_fluid else _studio_notes.units()


VARIANTS = {
    "": Variant("studio", is_pieces=False, is_fluid=False),
    "fluid": Variant("studio:fluid", is_pieces=False, is_fluid=True),
    "pieces": Variant("studio-pieces", is_pieces=True, is_fluid=False),
    "pieces-fluid": Variant("studio-pieces:fluid", is_pieces=True, is_fluid=True),
}
CARDS = {variant: one.card for variant, one in VARIANTS.items()}


def load(variant: str, root: Path, progress: Progress | None = None) -> Dataset:
    """Return `studio`, or its variant "pieces", "fluid" or "pieces-fluid", rendering it below `root` at first use.

    `progress` hears how many files of how many are done; without one they are shown on stderr. Splits: "program"
    (notes) holds out whole programs, "progression" (pieces) whole progressions and programs. Raises UnknownName
    for another variant and MissingPart where FluidR3 is not installed.
    """
    found = VARIANTS.get(variant.replace(":", "-").replace("_", "-"))
    if found is None:
        raise UnknownName("dataset", f"studio-{variant}", [known.name for known in VARIANTS.values()])
    font, source = _font(found)
    key = identity.key_of(recipe=RECIPE, pieces=found.is_pieces, font=_sha256(source), versions=versions())
    folder = root / f"{'pieces' if found.is_pieces else 'notes'}-{key[:12]}"
    made = _read(folder)
    if made is None:
        with _alone(folder):
            made = _read(folder) or _make(found, font, source, folder, progress)
    return _dataset(found, made, source, folder, key)


def _font(variant: Variant) -> tuple[Path, Source]:
    if not variant.is_fluid:
        path = packaged_font()
        licence = "GPL-2.0 (TimGM6mb sound font)"
        return path, Source(f"pypi:pretty_midi=={versions()['pretty_midi']}", licence, _checksum(path))
    path = Path(os.environ.get(FLUID_PLACE) or FLUID_FOLDER / "FluidR3_GM.sf2")
    if not path.is_file():
        raise MissingPart(
            f"'{variant.name}' is played by the sound font FluidR3, expected at {path}, and there is none. "
            f"Type: apt-get install fluid-soundfont-gm (or set {FLUID_PLACE} to the path of FluidR3_GM.sf2)"
        )
    return path, Source("debian:fluid-soundfont-gm", "MIT (FluidR3 sound font)", _checksum(path))


def _checksum(path: Path) -> str:
    return f"sha256:{identity.file_sha256(path)}"


def _sha256(source: Source) -> str:
    return source.checksum.removeprefix("sha256:")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process renders into `folder`; a killed one lets go of it."""
    durable.make_folder(folder)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        durable.clear(folder)
        yield


def _read(folder: Path) -> dict[str, Any] | None:
    """Return the manifest if it is there and every file has its size."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    is_whole = all(file_size(folder / name) == one["bytes"] for name, one in manifest["files"].items())
    return manifest if is_whole else None


def _make(variant: Variant, font: Path, source: Source, folder: Path, progress: Progress | None) -> dict[str, Any]:
    """Render what is not there yet, and write the manifest last."""
    units = variant.units()
    missing = lacking(units, folder)
    if progress:
        render_all(font, missing, folder, progress)
    else:
        with _shown(f"rendering {variant.name}") as shown:
            render_all(font, missing, folder, shown)
    manifest = {
        "dataset": variant.name,
        "recipe": RECIPE,
        "versions": versions(),
        "font": {"file": font.name, "sha256": _sha256(source), "licence": source.licence, "source": source.url},
        "files": {
            unit.file: {"sha256": identity.file_sha256(folder / unit.file), "bytes": unit.n_bytes} for unit in units
        },
        "clips": [clip for unit in units for clip in _described(unit)],
    }
    durable.write_file(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    return manifest


def _described(unit: Unit) -> Iterator[dict[str, Any]]:
    for number, sound in enumerate(unit.sounds):
        yield {
            "id": sound.id,
            "file": unit.file,
            "start_s": number * unit.duration_s,
            "end_s": (number + 1) * unit.duration_s,
            "role": unit.role,
            "group": unit.group,
            "targets": dict(sound.targets),
        }


@contextmanager
def _shown(title: str) -> Iterator[Progress]:
    """Show progress on stderr: a bar in a terminal, a few plain lines elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        with RichProgress(console=console) as bar:
            task = bar.add_task(title)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    said = -1

    def say(done: int, total: int) -> None:
        nonlocal said
        step = PLAIN_STEPS * done // max(total, 1)
        if step > said:
            said = step
            print(f"{title}: {done} of {total} files", file=sys.stderr, flush=True)

    yield say


def _dataset(variant: Variant, manifest: dict[str, Any], source: Source, folder: Path, key: str) -> Dataset:
    described = manifest["clips"]
    clips = tuple(
        Clip(one["id"], folder / one["file"], one["start_s"], one["end_s"], one["targets"], one["group"])
        for one in described
    )
    return Dataset(
        name=variant.name,
        version=f"{RECIPE.removeprefix('studio ')}-{key[:12]}",
        root=folder,
        clips=clips,
        splits={variant.split: (Split(*(_ids(described, role) for role in ("train", "valid", "test"))),)},
        card=replace(variant.card, sources=(source,)),
    )


def _ids(described: Sequence[dict[str, Any]], role: str) -> tuple[str, ...]:
    return tuple(one["id"] for one in described if one["role"] == role)
