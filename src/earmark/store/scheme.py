"""Which layout a store has: `store.json` names its scheme. Older stores are brought up to ours where they are.

Scheme 0, before there was a store.json, has the layout of scheme 1: it is only given its name.
"""

import json
from pathlib import Path

from earmark import durable
from earmark.errors import UserError

FILE = "store.json"
SCHEME = 1


def of(root: Path) -> int:
    """Return the scheme of a store; 0 where nothing names it. Raises UserError for one that is not known here."""
    path = root / FILE
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return 0
    except (ValueError, RecursionError):
        found = None
    scheme = found.get("scheme") if isinstance(found, dict) else None
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
