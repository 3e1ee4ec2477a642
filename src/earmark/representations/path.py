"""`path:FOLDER`: what transformers saved of a wav2vec2, hubert, data2vec-audio, wavlm, unispeech, encodec, dac or clap.

The folder, as transformers saves it, holds config.json, preprocessor_config.json (which only codecs can do without) and
safetensors or pytorch_model.bin. It is read where it lies. `_folder.KINDS` lists the kinds, unispeech-sat among them.
"""

from collections.abc import Mapping
from pathlib import Path

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations import _folder
from earmark.representations._saved import CONFIG
from earmark.representations.base import Representation

CARDS: Mapping[str, Card] = {}
FORM = "path:FOLDER"


def load(variant: str) -> Representation:
    """Return the network of a folder. Raises UserError when there is none, or none of a known kind."""
    folder = Path(variant).expanduser()
    if not variant or not folder.is_dir():
        raise UserError(f"Expected a folder after path:, there is none at '{folder}'.")
    if not (folder / CONFIG).is_file() and (below := _saved_below(folder)):
        raise UserError(f"'{folder}' holds no network itself, but folders of them. Write path:{below}")
    # Known by what is in it, and not by where it lies: its name is part of the keys of embeddings.
    return _folder.load(f"path:{folder.resolve().name}", folder)


def _saved_below(folder: Path) -> Path | None:
    """Return the newest network below a folder, such as the last checkpoint of a training; None for none."""
    found = [one.parent for depth in ("*", "checkpoints/*") for one in folder.glob(f"{depth}/{CONFIG}")]
    return max(found, key=lambda one: (one / CONFIG).stat().st_mtime_ns, default=None)
