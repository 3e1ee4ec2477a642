"""What a worker's process does: load what is offered, once, and answer about uploads. Nothing else here decodes."""

import contextlib
import json
import math
import multiprocessing
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from earmark import audio
from earmark.catalogue import prediction, reader, searching
from earmark.catalogue.prediction import Said, SavedProbe
from earmark.catalogue.reader import Level
from earmark.catalogue.searching import Hit
from earmark.errors import AudioError, EarmarkError, MissingPart, UserError
from earmark.experiment import devices, one_pass
from earmark.experiment.engines.local import one_thread
from earmark.representations import base
from earmark.representations.base import Representation
from earmark.representations.embed import STATISTICS, clip_embedding
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer
from earmark.serve.worker import Answer, refusal

MOST_FOUND = 1000
Asked = Mapping[str, str]
"""What a request asks for beside its audio, as its address says it."""


@dataclass(frozen=True)
class Heard:
    """A probe with the networks that it hears by."""

    saved: SavedProbe
    networks: tuple[Representation, ...]


class Loaded:
    """An offer with everything loaded. Raises what loading raises."""

    def __init__(self, offer: Offer, limits: Limits) -> None:
        self.limits = limits
        self.probes = dict[str, Heard]()
        for folder in offer.probes:
            saved = prediction.open_probe(folder)
            self.probes[Path(folder).name] = Heard(saved, prediction.heard_by(saved))
        self.network = base.load(offer.representation) if offer.representation else None
        self.catalogue = reader.load(offer.catalogue) if offer.catalogue else None
        if self.catalogue:  # kept by the room that hears: the first search need not wait for it
            self.catalogue.form.require_here(one_pass.representation(self.catalogue.form.representation, devices.CPU))

    def reason(self, error: UserError, path: Path) -> str:
        """Return what an error about an upload says, without the paths of this machine: names stand for them."""
        said = error.reason if isinstance(error, AudioError) else str(error)
        said = said.replace(str(path), "the upload")
        for name, heard in self.probes.items():
            said = said.replace(str(heard.saved.folder), name)
        return said if self.catalogue is None else said.replace(str(self.catalogue.folder), "the catalogue")

    def answer(self, what: str, path: Path, asked: Asked) -> Mapping[str, Any]:
        """Return what is asked of an uploaded file. Raises UserError for what cannot be answered."""
        found = audio.info(path)
        if found.duration_s > self.limits.duration_s:
            raise AudioError(
                path, f"expected at most {self.limits.duration_s:g} s of audio, got {found.duration_s:.1f} s. Cut it."
            )
        heard = {"duration_s": round(found.duration_s, 6)}
        match what:
            case "embed":
                return heard | self._embedded(path)
            case "predict":
                return heard | self._predicted(path, asked)
        return heard | self._found(path, asked)

    def _embedded(self, path: Path) -> dict[str, Any]:
        if self.network is None:
            raise UserError("Expected a service that embeds; this one was started without --representation.")
        card = self.network.card
        vectors = clip_embedding(self.network, audio.read(path, card.sample_rate).samples, range(card.layers))
        if not np.isfinite(vectors).all():
            raise UserError(f"'{card.name}' gave numbers that are not finite for this audio.")
        return {
            "representation": card.name,
            "version": card.version,
            "weights_sha256": card.weights_sha256,
            "statistics": STATISTICS,
            "vectors": vectors.tolist(),
        }

    def _predicted(self, path: Path, asked: Asked) -> dict[str, Any]:
        name = asked.get("probe") or (next(iter(self.probes)) if len(self.probes) == 1 else "")
        if name not in self.probes:
            raise UserError(f"Expected ?probe= one of {', '.join(self.probes) or 'none: no --probe was given'}.")
        heard = self.probes[name]
        unsure, accuracy = (_number(asked, one) for one in ("unsure", "accuracy"))
        unsure_below = heard.saved.unsure_below(unsure, accuracy)
        scores = prediction.listen(heard.saved, heard.networks, path)
        calibration = heard.saved.calibration
        said = Said(calibration.of(scores) if calibration else scores, heard.saved.card, calibration, unsure_below)
        return {"probe": name, "task": heard.saved.card.task, **said.answers[0]}

    def _found(self, path: Path, asked: Asked) -> dict[str, Any]:
        if self.catalogue is None:
            raise UserError("Expected a service that searches; this one was started without --catalogue.")
        k, level = _number(asked, "k"), asked.get("level")
        if k is not None and not (k.is_integer() and 1 <= k <= MOST_FOUND):
            raise UserError(f"Expected ?k= a whole number from 1 to {MOST_FOUND}.")
        if level not in (None, *get_args(Level)):
            raise UserError(f"Expected ?level= one of {', '.join(get_args(Level))}.")
        if not self.catalogue.is_current:
            self.catalogue = reader.load(self.catalogue.folder)
        found = searching.search(self.catalogue, path, int(k or 10), level=cast(Level | None, level))
        return {"level": found.level, "searched": found.n_searched, "found": [_shown(one) for one in found.hits]}


def _shown(hit: Hit) -> dict[str, Any]:
    """Return what is told of a track: where its file lies is nobody's business."""
    return {name: value for name, value in vars(hit).items() if name not in ("path", "paths")}


def _number(asked: Asked, name: str) -> float | None:
    if name not in asked:
        return None
    try:
        found = float(asked[name])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise UserError(f"Expected ?{name}= a number, got something else.")
    return found


def work(pipe: Connection, offer: Offer, limits: Limits) -> None:
    """Load what is offered, then answer until the pipe closes: the body of a worker's process.

    An error that is none of ours ends the process: the service sees that it died.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    threading.Thread(target=_end_with_service, daemon=True).start()
    one_thread()
    with contextlib.suppress(EOFError, BrokenPipeError):  # the service has ended
        try:
            loaded = Loaded(offer, limits)
        except EarmarkError as error:
            pipe.send_bytes(json.dumps({"wrong": str(error), "is_missing": isinstance(error, MissingPart)}).encode())
            return
        pipe.send_bytes(json.dumps({"wrong": ""}).encode())
        _bound(limits.memory_bytes)
        with _seen_at_once(pipe):
            while True:
                what, path, asked = json.loads(pipe.recv_bytes())
                answer = _answer(loaded, what, Path(path), asked)
                pipe.send_bytes(str(answer.status).encode() + answer.body)


@contextlib.contextmanager
def _seen_at_once(pipe: Connection) -> Iterator[None]:
    """Close the pipe at the end of the block, its error printed: a process of many libraries takes seconds to end."""
    try:
        yield
    finally:
        if not isinstance(sys.exception(), EOFError | BrokenPipeError):
            traceback.print_exc()
        pipe.close()


def _end_with_service() -> None:
    # A pipe that closed is seen between two uploads only, and one may take for ever.
    service = multiprocessing.parent_process()
    if service is not None:
        service.join()
        os._exit(1)


def _answer(loaded: Loaded, what: str, path: Path, asked: Mapping[str, str]) -> Answer:
    try:
        return Answer(200, json.dumps(loaded.answer(what, path, asked), ensure_ascii=False, allow_nan=False).encode())
    except UserError as error:
        return refusal(422, "unusable", loaded.reason(error, path))


def _bound(memory_bytes: int) -> None:
    """Let this process take so much memory more than it has, where that can be asked for."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
