"""`hf:ORG/NAME`: a network by its id on Hugging Face, of a kind that `path:FOLDER` knows, without code of its own.

`earmark get weights hf:ORG/NAME` fetches its settings and its weights: safetensors where there are any, else the
pickled ones, which are read without executing them; Python files never. What is here is then used offline.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from urllib.parse import quote

from earmark import places
from earmark.errors import DataError, MissingPart, UserError
from earmark.nouns import Card, Source
from earmark.representations import _folder
from earmark.representations._saved import CONFIG
from earmark.representations.base import Representation

CARDS: Mapping[str, Card] = {}
FORM = "hf:ORG/NAME"
ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
SETTINGS, SAFE, PICKLED = "*.json", "*.safetensors", "pytorch_model*.bin"


def load(variant: str) -> Representation:
    """Return the network. Raises MissingPart when it was not fetched, UserError for a kind that is not known."""
    name = f"hf:{_id(variant)}"
    folder = places.weights_folder(name)
    if not (folder / CONFIG).is_file():
        raise MissingPart(f"The weights of '{name}' are not in '{folder}'. Type: earmark get weights {name}")
    return _folder.load(name, folder)


def weights(variant: str) -> tuple[str, str, tuple[Source, ...]]:
    """Ask the hub for a network's files: its name, licence, and where they come from, fixed to today's revision.

    Raises DataError when the hub has no such network, it is not free to fetch, or it holds no weights.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined] # of whichever library it asks by

    repo = _id(variant)
    hub = HfApi(token=False)
    try:
        found = hub.model_info(repo, files_metadata=True)
    except (HTTPError, OSError) as error:
        raise DataError(
            f"'{repo}' could not be asked for at {hub.endpoint}: {error}\n"
            "If it needs an account, fetch it with your own, and name the folder: path:FOLDER."
        ) from error
    licence = getattr(found.card_data, "license", None) or "unknown: see its page"
    files = {one.rfilename: one for one in found.siblings or ()}
    sources = tuple(
        Source(
            f"{hub.endpoint}/{repo}/resolve/{found.sha}/{quote(one.rfilename)}",
            str(licence),
            f"sha256:{one.lfs.sha256}" if one.lfs else "",
            size_bytes=one.size,
            path=one.rfilename,
        )
        for one in map(files.__getitem__, chosen(tuple(files), repo))
    )
    return f"hf:{repo}", str(licence), sources


def chosen(names: Sequence[str], repo: str) -> tuple[str, ...]:
    """Return which files of a network are fetched: settings, and one form of the weights, from its top folder alone."""
    top = [name for name in names if "/" not in name]
    held = [name for name in top if fnmatch(name, SAFE)] or [name for name in top if fnmatch(name, PICKLED)]
    settings = [name for name in top if fnmatch(name, SETTINGS)]
    if not held or CONFIG not in settings:
        raise DataError(
            f"'{repo}' holds no network that transformers can read: expected {CONFIG} and {SAFE} or {PICKLED}, "
            f"found {', '.join(top) or 'nothing'}."
        )
    return (*settings, *held)


def _id(variant: str) -> str:
    if not ID.fullmatch(variant):
        raise UserError(f"Expected hf:ORG/NAME, such as hf:facebook/hubert-base-ls960; got 'hf:{variant}'.")
    return variant
