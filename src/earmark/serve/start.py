"""Starting the service: workers first, then the address; who may ask is decided before anything listens."""

import contextlib
import ipaddress
import signal
import socket
import tempfile
from pathlib import Path

import uvicorn

from earmark.errors import UserError
from earmark.serve.gate import Gate
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer
from earmark.serve.service import service
from earmark.serve.worker import Worker

HOST, PORT = "127.0.0.1", 8000
SHORTEST_TOKEN = 16
IDLE_S, ENDS_WITHIN_S, MOST_HEADER_BYTES, BACKLOG = 5, 5, 16 << 10, 256


def start(
    offer: Offer, limits: Limits, *, host: str = HOST, port: int = PORT, token: str | None = None, quiet: bool = False
) -> None:
    """Serve until interrupted or told to end (SIGTERM); the address is printed when it answers. Port 0: a free one.

    Raises UserError for an address beyond this machine without a token, a token that is easily guessed, and a port that
    is taken; and what loading raises.
    """
    require_token(host, token)
    signal.signal(signal.SIGTERM, _end)  # it ends what is in flight, and clears up
    with _bound(host, port) as listening, tempfile.TemporaryDirectory(prefix="earmark-serve-") as folder:
        workers = [Worker(offer, limits) for _ in range(limits.workers)]
        gate = Gate(workers, limits)
        try:
            for worker in workers:
                worker.wait()
            if not quiet:
                named = f"[{host}]" if ":" in host else host
                print(f"http://{named}:{listening.getsockname()[1]}", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                _server(service(gate, Path(folder), token)).run(sockets=[listening])
        finally:
            gate.close()


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


def _server(app: object) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]  # an ASGI application
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,  # an address may hold what somebody wrote into it
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=ENDS_WITHIN_S,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        )
    )


def require_token(host: str, token: str | None) -> None:
    """Raise UserError where anybody on the network could ask, or a token could be guessed."""
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise UserError(
            f"Expected a token of {SHORTEST_TOKEN} or more letters and digits, got one of {len(token)}. Make one: "
            "python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if token is None and not is_loopback(host):
        raise UserError(
            f"'{host}' can be reached from other machines, so a token is needed: set EARMARK_TOKEN, which clients send "
            "as Authorization: Bearer TOKEN. Or serve this machine alone: --host 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Return whether an address is this machine's own and reached from no other."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise UserError(f"Cannot listen at {host}:{port}: {error.strerror}. Take another with --port.") from error
    return found
