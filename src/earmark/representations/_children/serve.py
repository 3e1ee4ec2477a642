"""The far end of `worker:FILE#NAME`: runs in another Python (3.8 or newer) that knows nothing of earmark.

Requests come on stdin, answers go to stdout: one line of JSON, whose `n_bytes` says how many bytes follow it. Whatever
prints meanwhile prints to stderr. `hello` gives the versions here, `make` calls a factory and gives the card of what it
made, `embed` takes audio (batch, samples) as .npy and gives what that returns. It ends with its stdin, or with the
process that started it.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import platform
import sys
import threading
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple  # noqa: UP035 - Python 3.8 has no other way

PROTOCOL = 1
WATCHED_EVERY_S = 1.0

Said = Dict[str, Any]  # noqa: UP006


class Server:
    """What was made, and how requests are answered."""

    def __init__(self) -> None:
        self.model: Optional[Callable[[Any], Any]] = None  # noqa: UP045

    def answer(self, asked: Said, content: bytes) -> Tuple[Said, bytes]:  # noqa: UP006
        """Return what is said to a request, and the bytes that go with it."""
        if asked["do"] == "embed":
            return {}, self._embed(content)
        return (_hello(asked) if asked["do"] == "hello" else self._make(asked)), b""

    def _make(self, asked: Said) -> Said:
        module_name, _, name = asked["factory"].partition(":")
        sys.path += asked["folders"]  # last: a file there never stands for a library of that name
        module = importlib.import_module(module_name)
        self.model = getattr(module, name)(**asked["options"])
        weights = [str(Path(one).resolve()) for one in getattr(self.model, "weights", ())]
        code = {} if asked["is_ours"] else _code(module)
        return {"card": self.model.card, "weights": weights, "code": code}  # type: ignore[union-attr]

    def _embed(self, content: bytes) -> bytes:
        import numpy  # an environment without it must still be able to say so

        if self.model is None:
            raise RuntimeError("nothing was made")
        audio = numpy.load(io.BytesIO(content), allow_pickle=False)
        out = io.BytesIO()
        numpy.save(out, numpy.asarray(self.model(audio)), allow_pickle=False)
        return out.getvalue()


def _hello(asked: Said) -> Said:
    _bound(asked["memory_bytes"])
    return {
        "protocol": PROTOCOL,
        "python": platform.python_implementation() + " " + platform.python_version(),
        "packages": {name: _version(name) for name in asked["packages"]},
    }


def _bound(memory_bytes: int) -> None:
    """Give this process a limit of memory, where the system knows one."""
    try:
        import resource
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or memory_bytes <= most:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, most))


def _version(package: str) -> Optional[str]:  # noqa: UP045
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _code(module: Any) -> Dict[str, str]:  # noqa: UP006
    """Return the sha256 of a module's file, and of all files of its package where it has one."""
    top = sys.modules[module.__name__.partition(".")[0]]
    folders = [Path(one) for one in getattr(top, "__path__", ())]
    found = {file.relative_to(one).as_posix(): file for one in folders for file in sorted(one.rglob("*.py"))}
    if not folders and module.__file__:
        found = {Path(module.__file__).name: Path(module.__file__)}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in found.items()}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests, one after another, until there are no more."""
    server = Server()
    for line in iter(requests.readline, b""):
        asked = json.loads(line.decode())
        content = requests.read(asked["n_bytes"])
        try:
            said, out = server.answer(asked, content)
            head = json.dumps(dict(said, n_bytes=len(out)))
        except Exception as error:  # whatever somebody else's code raises is for whoever asked to read
            head, out = json.dumps({"failed": _failure(error), "n_bytes": 0}), b""
        answers.write(head.encode() + b"\n" + out)
        answers.flush()


def _failure(error: Exception) -> Said:
    """Return what went wrong, and the last line of it that is not of this file."""
    frames: List[Any] = traceback.extract_tb(error.__traceback__)  # noqa: UP006
    theirs = [one for one in frames if one.filename != __file__ and "importlib" not in one.filename]
    where = "{}, line {}".format(Path(theirs[-1].filename).name, theirs[-1].lineno) if theirs else ""  # noqa: UP032
    missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
    return {"kind": type(error).__name__, "said": str(error), "where": where, "missing": missing}


def _end_with(parent: int) -> None:
    """End this process once the one that started it is gone, also in the middle of a request."""
    while os.getppid() == parent:
        time.sleep(WATCHED_EVERY_S)
    os._exit(1)


def main() -> None:
    """Keep stdin and stdout for requests and answers, and serve them."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - its number is wanted
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    own = str(Path(__file__).parent)
    sys.path[:] = [one for one in sys.path if one != own]  # asked for by name, and then after what is installed
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    serve(requests, answers)


if __name__ == "__main__":
    main()
