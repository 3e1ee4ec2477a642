"""What an export leaves, and what its pages say of a representation."""

from dataclasses import dataclass
from pathlib import Path

from earmark import durable, licences
from earmark.counted import counted
from earmark.nouns import Card


@dataclass(frozen=True)
class Exported:
    """The files that were written, the line to use them by, and what should be known of them."""

    folder: Path
    files: tuple[Path, ...]
    use: str
    notes: tuple[str, ...] = ()


def files_of(folder: Path) -> tuple[Path, ...]:
    """Return the files of a folder in order."""
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


def text(path: Path, content: str) -> None:
    """Write a text file, and its folder where there is none."""
    durable.make_folder(path.parent)
    durable.write_file(path, content.encode())


def facts(card: Card) -> str:
    """Return what a reader must know of a representation, as Markdown."""
    rate = f"{card.frame_rate_hz:.4g} frames a second" if card.frame_rate_hz else "one frame a segment"
    hop = "" if card.segment_hop_s is None else f", one every {card.segment_hop_s:g} s"
    cut = "" if card.segment_s is None else f"; longer audio in segments of {card.segment_s:g} s{hop}"
    said = {
        "Hears": f"mono at {card.sample_rate:,} Hz, at least {card.min_samples / card.sample_rate:.3f} s{cut}",
        "Gives": f"{counted(card.layers, 'layer')} of {card.dim} numbers, {rate}; layer 0 is {card.layer_0}",
        "Architecture": f"{card.architecture}, {card.n_parameters:,} parameters",
        "Trained on": card.trained_on,
        "Objective": card.objective,
        "Licence": f"{card.licence} ({licences.terms(card.licence)})",
        "Weights": f"sha256 {card.weights_sha256}" if card.weights_sha256 else "none: made by arithmetic alone",
        "Verified": card.verified,
    }
    return "".join(f"- {name}: {one}\n" for name, one in said.items())


def cited(card: Card) -> str:
    """Return what to cite, as a block of Markdown; "" where nothing is given."""
    return f"\n## What to cite\n\n```bibtex\n{card.bibtex.strip()}\n```\n" if card.bibtex else ""


def plain(name: str) -> str:
    """Return a name in which a folder is written in one way, as an experiment may write it in another."""
    return f"path:{Path(name.removeprefix('path:')).expanduser().resolve()}" if name.startswith("path:") else name
