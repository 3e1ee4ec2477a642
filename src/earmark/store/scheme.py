"""Which layout a store has: `store.json` names its scheme. Older stores are brought up to ours where they are.

Scheme 0, before there was a store.json, has the layout of scheme 1: it is only given its name.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from earmark import durable
from earmark.errors import UserError

FILE = "store.json"
SCHEME = 1
ROWS, HASHES = "embeddings", "hashes"
KINDS = (
    "calibrations",
    "codelengths",
    "devices",
    "drifts",
    "failures",
    "graphs",
    "leakage",
    "probes",
    "scores",
    "verdicts",
)
"""The folders of whole files. What lies elsewhere in the folder is not ours: it is neither read nor removed."""
FOLDERS = (ROWS, HASHES, *KINDS)


def is_store(root: Path) -> bool:
    """Return whether a folder is a store: store.json stands in it, or the lock and shards of one that is older."""
    return (root / FILE).is_file() or ((root / "lock").is_file() and any((root / ROWS).glob("shard-*")))


def found(root: Path, pattern: str, folders: Sequence[str] = KINDS) -> list[Path]:
    """Return the paths of a pattern in some folders of a store, in order."""
    return sorted(path for folder in folders for path in (root / folder).glob(pattern))


def of(root: Path) -> int:
    """Return the scheme of a store; 0 where nothing names it. Raises UserError for one that is not known here."""
    path = root / FILE
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        return 0
    except (ValueError, RecursionError):
        said = None
    scheme = said.get("scheme") if isinstance(said, dict) else None
    if type(scheme) is not int or scheme < 1:
        raise UserError(
            f"Expected '{path}' to hold {json.dumps({'scheme': SCHEME})}, but it is damaged. Remove it if the store "
            "was written by this version of earmark or an older one; it is then written again."
        )
    if scheme > SCHEME:
        raise UserError(
            f"Expected a store of scheme {SCHEME} or older in '{root}', got {scheme}: a newer earmark has written it. "
            "Update earmark, or set EARMARK_HOME to another folder."
        )
    return scheme


def settle(root: Path) -> None:
    """Bring a store that may be written to up to our scheme."""
    if of(root) < SCHEME:
        durable.write_file(root / FILE, json.dumps({"scheme": SCHEME}).encode() + b"\n")
