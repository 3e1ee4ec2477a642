"""`path:FOLDER`: a network of a known kind in a folder of yours, as transformers saves it.

The folder holds config.json, preprocessor_config.json and safetensors or pytorch_model.bin. It is read where it lies.
"""

from collections.abc import Mapping
from pathlib import Path

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations import _folder
from earmark.representations._speech import Speech

CARDS: Mapping[str, Card] = {}
FORM = "path:FOLDER"


def load(variant: str) -> Speech:
    """Return the network of a folder. Raises UserError when there is none, or none of a known kind."""
    folder = Path(variant).expanduser()
    if not variant or not folder.is_dir():
        raise UserError(f"Expected a folder after path:, there is none at '{folder}'.")
    # Known by what is in it, and not by where it lies: its name is part of the keys of embeddings.
    return _folder.load(f"path:{folder.resolve().name}", folder)
