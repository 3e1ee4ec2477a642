"""A file that a user names: one of his own, or one that earmark ships, by its bare name."""

from collections.abc import Sequence
from pathlib import Path

from earmark.errors import UserError, hint
from earmark.written import places


def read(path: Path, shipped: Path, overrides: Sequence[str], what: str) -> places.Item:
    """Return the content of a file, or of NAME.yml in the folder `shipped`; `overrides` are "path.to.key=value".

    Raises SpecError with file:line:column ("--set" for an override), UserError when there is no file.
    """
    ours = shipped / f"{path.stem}.yml"
    is_bare = not path.is_file() and path.name == str(path) and ours.is_file()
    if not path.is_file() and not is_bare:
        names = sorted(one.stem for one in shipped.glob("*.yml"))
        raise UserError(
            f"Expected {what} file at '{path}', there is none.{hint(path.stem, names)} Shipped: {', '.join(names)}."
        )
    root = places.read(ours if is_bare else path, (), what)
    for number, text in enumerate(overrides, start=1):
        places.override(root, text, number, {})
    return root
