"""`worker:FILE[#NAME]`: a representation made in another Python, by packages that cannot share this one.

FILE is YAML (see `_worker_file`): which interpreter, what must be installed there, and what is made, by name. A bare
name is a file that earmark ships: `worker:essentia#hpcp`. A factory is any function of the other Python that returns a
callable: audio (batch, samples), float32, to (batch, layers, frames, dim), with `card`, a mapping of what `CardShape`
lists, and if it read any, `weights`, the paths of the files.

The process is started once, asked one thing at a time, and ends with this one. Where it dies it is started again, once
for a clip: a clip that ends it twice has failed, and others go on. What makes the numbers is part of every key: the
versions of the interpreter and the packages, the factory's code where it is no package's, options, weights.
"""

import functools
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from pydantic import Field, ValidationError
from torch import Tensor

from earmark import identity
from earmark.errors import MissingPart, UserError
from earmark.nouns import Card
from earmark.representations import _worker_file
from earmark.representations._worker_file import Asked
from earmark.representations._worker_process import SERVER, Answer, Died, Process, Slow
from earmark.representations.base import check_call
from earmark.written.shapes import Shape

CARDS: Mapping[str, Card] = {}
FORM = _worker_file.FORM
UNKNOWN = "unknown: made in another Python"
OURS = "earmark_"
MOST_LOST = 5


class CardShape(Shape):
    """What a factory's `card` says."""

    sample_rate: int = Field(gt=0)
    dim: int = Field(gt=0)
    licence: str
    version: int = 1
    frame_rate_hz: float = 0.0
    layers: int = Field(1, gt=0)
    layer_0: str = "the first layer of its answer"
    min_samples: int = Field(1, gt=0)
    max_samples: int | None = None
    padding_safe: bool = False
    architecture: str = UNKNOWN
    n_parameters: int = 0
    trained_on: str = UNKNOWN
    objective: str = UNKNOWN
    commercial: bool = False
    bibtex: str = ""
    verified: Literal["parity", "real", "no", "own"] = "own"
    segment_s: float | None = None
    segment_hop_s: float | None = None


class Worker:
    """A representation whose numbers another process makes, so that its time is not this one's CPU time."""

    is_elsewhere = True

    def __init__(self, asked: Asked) -> None:
        self._asked, self._lost = asked, 0
        self._process = self._begin()
        self.card = _card(asked, self._process, self._made)

    def _begin(self) -> Process:
        """Start the process and have it make what it is asked for."""
        asked = self._asked
        process = Process(asked.name, asked.environment, asked.folder, asked.memory_bytes)
        module = asked.factory.partition(":")[0]
        is_ours = module.startswith(OURS) and (SERVER.parent / f"{module}.py").is_file()
        answer = process.ask(
            {
                "do": "make",
                "factory": asked.factory,
                "options": json.loads(asked.options),
                "folders": [str(SERVER.parent)] if is_ours else [str(asked.folder)],
                "is_ours": is_ours,
            },
            b"",
            asked.time_limit_s,
        )
        self._made = _succeeded(asked, answer, f"make {asked.factory}").said
        return process

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return what the other process answers.

        Raises UserError when it fails, dies twice or takes too long on this audio; MissingPart when it has ended again
        and again, or is no longer the one that it was.
        """
        wanted = check_call(audio, layers, self.card)
        out = io.BytesIO()
        np.save(out, audio.cpu().numpy().astype(np.float32), allow_pickle=False)
        answer = _succeeded(self._asked, self._answer(out.getvalue()), f"embed {audio.shape[1]} samples")
        return torch.from_numpy(self._array(answer, len(audio))[:, list(wanted)])

    def _answer(self, content: bytes) -> Answer:
        try:
            try:
                found = self._again_alive().ask({"do": "embed"}, content, self._asked.time_limit_s)
            except Died:
                found = self._again_alive().ask({"do": "embed"}, content, self._asked.time_limit_s)
        except (Died, Slow) as error:
            self._lost += 1
            if self._lost >= MOST_LOST:
                raise MissingPart(
                    f"{error}. It ended on {self._lost} inputs in a row, so the fault is hardly theirs. Mend what runs "
                    f"in '{self._asked.environment.python}', and run this again: what is done stays done."
                ) from error
            raise
        self._lost = 0
        return found

    def _again_alive(self) -> Process:
        """Return the process, started again where it has ended. Raises MissingPart when it is another one now."""
        if not self._process.is_alive:
            self._process = self._begin()
            if _card(self._asked, self._process, self._made) != self.card:
                raise MissingPart(
                    f"What makes '{self.card.name}' has changed since this began: its packages, code or weights in "
                    f"'{self._asked.environment.python}'. Run this again."
                )
        return self._process

    def _array(self, answer: Answer, n_rows: int) -> Float32[np.ndarray, "batch layers frames dim"]:
        try:
            found: np.ndarray = np.load(io.BytesIO(answer.content), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise UserError(f"Expected an array from '{self.card.name}', but: {error}.") from error
        wanted = n_rows, self.card.layers, self.card.dim
        if found.dtype.kind != "f" or found.ndim != 4 or (*found.shape[:2], found.shape[3]) != wanted:
            raise UserError(
                f"Expected '{self.card.name}' to return float32 (batch, layers, frames, dim), here "
                f"({n_rows}, {self.card.layers}, frames, {self.card.dim}), got {found.dtype} {found.shape}. Mend "
                f"{self._asked.factory} or its card."
            )
        return found.astype(np.float32)


def load(variant: str) -> Worker:
    """Return the representation. Raises MissingPart for an interpreter or packages that are not there, UserError."""
    asked = _worker_file.asked(variant)
    asked.environment.require()
    return _load(asked, asked.environment.python.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)  # a run loads a name many times: once for its plan, and once a shard
def _load(asked: Asked, changed_ns: int) -> Worker:
    return Worker(asked)


def _succeeded(asked: Asked, answer: Answer, what: str) -> Answer:
    """Return an answer that is none of a failure. Raises UserError with what went wrong over there."""
    failed = answer.said.get("failed")
    if failed is None:
        return answer
    where = f" ({failed['where']})" if failed["where"] else ""
    remedy = ""
    if failed["missing"]:
        remedy = f" If it is a package, name it under packages in the worker's file, and type: {asked.environment.pip}"
    raise UserError(f"'{asked.name}' could not {what}: {failed['kind']}: {failed['said']}{where}.{remedy}")


def _card(asked: Asked, process: Process, made: Mapping[str, Any]) -> Card:
    """Return what a factory says of what it made, known by all that makes its numbers."""
    try:
        said = CardShape.model_validate(made["card"]).model_dump()
    except ValidationError as error:
        wrong = error.errors()[0]
        raise UserError(
            f"Expected the card of '{asked.name}' to be a mapping with sample_rate, dim, licence and what else a card "
            f"has; '{'.'.join(map(str, wrong['loc']))}': {wrong['msg']}. Mend {asked.factory}."
        ) from error
    weights = [Path(one) for one in made["weights"]]
    # A file of weights is known by its content, and not by where it lies.
    places = {str(one) for one in weights}
    options = {
        name: one
        for name, one in json.loads(asked.options).items()
        if str((asked.folder / str(one)).resolve()) not in places
    }
    python, packages = process.hello["python"], process.hello["packages"]
    sha256 = identity.key_of(
        factory=asked.factory,
        options=options,
        python=python,
        packages=packages,
        code=made["code"],
        weights=[identity.file_sha256(one) for one in weights],
    )
    others = ", ".join(f"{name} {version}" for name, version in packages.items())
    architecture = f"{said.pop('architecture')} ({python}: {others})"
    return Card(name=asked.name, architecture=architecture, weights_sha256=sha256, **said)
