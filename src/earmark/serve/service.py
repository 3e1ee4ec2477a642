"""The addresses of the service, and what stands before them: who may ask, how many, how much."""

import hmac
import json
import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark import __version__
from earmark.errors import MissingPart, UserError
from earmark.serve import intake
from earmark.serve.counts import MEDIA_TYPE, Counts
from earmark.serve.gate import Full, Gate
from earmark.serve.intake import Refused
from earmark.serve.worker import Answer, Died, Slow, refusal

ANSWERED: Mapping[str, tuple[str, ...]] = {
    "/embed": (),
    "/predict": ("probe", "unsure", "accuracy"),
    "/search": ("k", "level"),
}
"""What can be asked, and the parameters of each."""
OPEN = ("/health",)
ROUTES = (*ANSWERED, *OPEN, "/metrics")
HERE = re.compile(rb"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?", re.IGNORECASE)
"""The names of this machine in the header Host: another's name may have been made to lead here."""

log = logging.getLogger("earmark.serve")


def service(gate: Gate, folder: Path, token: str | None) -> ASGIApp:
    """Return the service as an ASGI application; `folder` keeps uploads while they are heard.

    `token` None: anybody may ask who reaches it by a name of this machine, and no page of another site.
    """
    # Pages that would load scripts from elsewhere, and a description that nobody was asked for.
    app, counts = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), Counts()

    async def answered(request: Request) -> Response:
        return _response(await _heard(request, gate, folder, counts))

    for path in ANSWERED:
        app.add_api_route(path, answered, methods=["POST"], response_model=None)

    @app.get("/health")
    async def health() -> Response:
        return Response(json.dumps({"status": "ok", "version": __version__}), media_type="application/json")

    @app.get("/metrics")
    async def metrics() -> Response:
        now = {"requests_in_flight": gate.in_flight, "workers": gate.n_workers, "requests_most": gate.limits.at_once}
        return Response(counts.text(now, gate.n_lost), media_type=MEDIA_TYPE)

    @app.exception_handler(HTTPException)
    async def none_such(request: Request, error: HTTPException) -> Response:
        expected = f"Expected POST {', '.join(ANSWERED)} or GET /health, /metrics."
        word = "wrong_method" if error.status_code == 405 else "no_such_address"
        response = _response(refusal(error.status_code, word, expected))
        response.headers.update(error.headers or {})  # of a wrong method: Allow
        return response

    return _Guard(app, token, counts)


async def _heard(request: Request, gate: Gate, folder: Path, counts: Counts) -> Answer:
    """Take an upload in, have it answered, and say in JSON what was wrong where something was."""
    try:
        with gate.admitted(), intake.room(folder) as file:
            await intake.receive(request, file, gate.limits)
            counts.uploaded_bytes += file.tell()
            path = request.scope["path"]  # by which it came here
            _require_known(path, request.query_params)
            return await gate.ask(path[1:], Path(file.name), dict(request.query_params))
    except Full as error:
        sentence = f"Expected fewer requests at once. Try again in {error.again_s} s."
        return refusal(429, "busy", sentence, error.again_s)
    except Refused as error:
        return refusal(error.status, error.code, error.message)
    except Slow as error:
        counts.slow += 1
        return refusal(422, "too_slow", f"The upload was given up: {error}.")
    except Died as error:
        counts.died += 1
        return refusal(422, "undecodable", f"The upload was given up: {error}.")
    except (MissingPart, UserError) as error:
        log.error("no worker: %s", error)
        return refusal(503, "no_worker", "The service lost what it was started with; its own log says what.")


def _require_known(path: str, asked: Mapping[str, str]) -> None:
    """Raise Refused for a parameter that an address does not have: a wish that is misspelt must not go unheard."""
    if set(asked).difference(ANSWERED[path]):
        known = ", ".join(f"?{name}=" for name in ANSWERED[path]) or "none"
        raise Refused(400, "unknown_parameter", f"Expected parameters among: {known}. Got another.")


def _response(answer: Answer) -> Response:
    again = {} if answer.again_s is None else {"Retry-After": str(answer.again_s)}
    return Response(answer.body, answer.status, again, media_type="application/json")


class _Guard:
    """Stands before the application: lets in who may ask, and counts how every request ended."""

    def __init__(self, app: ASGIApp, token: str | None, counts: Counts) -> None:
        self._app, self._counts = app, counts
        self._wanted = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        refused = self._refused(scope)
        try:
            await (_response(refused) if refused else self._app)(scope, receive, counted)
        finally:
            route = scope["path"] if scope["path"] in ROUTES else "other"
            self._counts.ended(route, status, time.perf_counter() - started)

    def _refused(self, scope: Scope) -> Answer | None:
        """Return why a request may not come in, if so. A wrong token takes as long to refuse as a right one to take."""
        if scope["path"] in OPEN:
            return None
        headers = dict(scope["headers"])
        if self._wanted is not None:
            is_known = hmac.compare_digest(headers.get(b"authorization", b""), self._wanted)
            return None if is_known else refusal(401, "who", "Expected the header Authorization: Bearer TOKEN.")
        if (
            HERE.fullmatch(headers.get(b"host", b"")) is None or b"origin" in headers
        ):  # a page of another site, which a browser here opened
            return refusal(403, "not_here", "Expected a program of this machine: without a token no other is answered.")
        return None
