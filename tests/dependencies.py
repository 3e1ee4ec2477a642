"""What is installed for earmark: whole, pinned, and under licences that it may rest on. Run this file for a verdict.

`--list` prints every distribution with its licence. No network: what a distribution says of itself is believed, so a
library that a wheel carries within it is not seen. Known faults of versions are not looked up: no client that is
here tells them offline.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
OURS = "earmark"

FREE = r"MIT|BSD|Apache|ISC|PSF|Python Software|Zlib|0BSD|CC0|BSL-1\.0|CNRI|Unlicense|Public Domain"
"""What asks for no more than to be named."""

WEAK = re.compile(r"\bLGPL|Lesser General|\bMPL\b|Mozilla Public")
STRONG = re.compile(r"(?<!L)\bA?GPL|(?<!Lesser )(Affero )?General Public|\bSSPL|Non-?Commercial|\bCC[- ]BY[- ]NC")

ALLOWED: Mapping[str, str] = {
    "certifi": "MPL: a list of certificates, unchanged",
    "fast-mp3-augment": "LGPL: called as it is installed, and can be replaced; carries LAME, LGPL too",
    "soxr": "LGPL: called as it is installed, and can be replaced",
    "tqdm": "MPL for a part: unchanged",
    "hypothesis": "MPL: runs our tests, and is no part of earmark",
    "pathspec": "MPL: unchanged, of mkdocs and mypy",
    "paramiko": "LGPL: of ray alone, called as it is installed",
    "axe-playwright-python": "says nothing in its metadata; its LICENSE file is MIT. Runs our tests",
    "pyroomacoustics": "gives the text of MIT without its name",
}
"""What is neither free of conditions nor refused, and why it may be there."""


class Installed(NamedTuple):
    """A distribution: its name, version and licence, in its own words; whether the core needs it, without an extra."""

    name: str
    version: str
    licence: str
    is_core: bool


def needed(extras: frozenset[str]) -> set[str]:
    """Return the names of what is installed and needed by earmark with some extras, and by that in turn."""
    found: dict[str, frozenset[str]] = {}
    waiting = [(OURS, extras)]
    while waiting:
        name, asked = waiting.pop()
        if name in found and asked <= found[name]:
            continue
        try:
            requires = metadata.distribution(name).requires or ()
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed: pip check tells of the others
        found[name] = found.get(name, frozenset()) | asked
        for one in map(Requirement, requires):
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in {"", *found[name]}):
                waiting.append((canonicalize_name(one.name), frozenset(one.extras)))
    return set(found) - {OURS}


def installed() -> list[Installed]:
    """Return what earmark and its extras rest on here, by name."""
    extras = frozenset(metadata.metadata(OURS).get_all("Provides-Extra") or ())
    core = needed(frozenset())
    return [
        Installed(name, metadata.version(name), licence_of(metadata.metadata(name)), name in core)
        for name in sorted(needed(extras))
    ]


def licence_of(said: metadata.PackageMetadata) -> str:
    """Return the licence in a distribution's own words: the expression, else the classifiers, else the first line."""

    def first(name: str) -> str:
        return str((said.get_all(name) or [""])[0]).strip().partition("\n")[0]

    classifiers = [
        one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or () if one.startswith("License ::")
    ]
    return first("License-Expression") or "; ".join(classifiers) or first("License")


def of_licences(found: list[Installed]) -> Iterator[str]:
    """Yield what may not be there, by its licence, and what nobody has judged."""
    for one in found:
        strong, weak = STRONG.search(one.licence), WEAK.search(one.licence)
        if strong and (one.is_core or one.name not in ALLOWED):
            yield f"{one.name} {one.version}: '{one.licence}' is refused" + " in the core" * one.is_core
        elif (weak or not re.search(FREE, one.licence)) and one.name not in ALLOWED:
            yield f"{one.name} {one.version}: '{one.licence}' is not judged yet. Say why it may be there, in ALLOWED."


def of_pins(found: list[Installed], constraints: str) -> Iterator[str]:
    """Yield what is not installed as it is pinned."""
    pins = dict(re.findall(r"^([^#=\s]+)==(\S+)", constraints, re.M))
    pinned: Mapping[str, str] = {canonicalize_name(name): version for name, version in pins.items()}
    for one in found:
        if one.name not in pinned:
            yield f"{one.name} {one.version}: not pinned in constraints.txt"
        elif pinned[one.name] != one.version.partition("+")[0]:
            yield f"{one.name} {one.version}: pinned as {pinned[one.name]}"


def main() -> int:
    """Print what is wrong; return 1 where something is."""
    found = installed()
    if "--list" in sys.argv:
        for one in found:
            print(f"{one.name} {one.version}{' (core)' if one.is_core else ''}: {one.licence or ALLOWED[one.name]}")
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    wrong = checked.stdout.splitlines() if checked.returncode else []
    wrong += [*of_licences(found), *of_pins(found, (ROOT / "constraints.txt").read_text())]
    print("\n".join(wrong) or f"{len(found)} distributions, {sum(one.is_core for one in found)} of them in the core.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
