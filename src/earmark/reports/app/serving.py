"""Starting the app: a server of Streamlit's on this machine alone, and a browser that opens it."""

import contextlib
import socket
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from streamlit.web import cli as streamlit_cli

from earmark.errors import EarmarkError, UserError
from earmark.experiment import results
from earmark.experiment.results import Run
from earmark.reports.app import frame, held, view_tables

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 8501, 8599
LONGEST_START_S = 30.0
SCRIPT = Path(frame.__file__).with_name("main.py")
# The page is imported above, so that the first view need not wait for it.
OPTIONS = {
    "server.address": HOST,
    "server.headless": "true",  # else it asks for an e-mail address, and opens the browser itself
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
    "client.showErrorLinks": "false",
    "logger.hideWelcomeMessage": "true",
    "logger.level": "warning",
    "theme.font": "sans-serif",
    "theme.light.primaryColor": "#005a8c",
    "theme.dark.primaryColor": "#6cb8e6",
}
"""Of `streamlit run`: only this machine can reach it, and it sends nothing anywhere."""


def app(runs: Run | Path | str | Sequence[Run | Path | str], port: int | None = None, browser: bool = True) -> None:
    """Serve the app for runs, their ids or folders until it is interrupted; its address is printed.

    `port` None: the first free one from 8501. `browser`: open the page. Raises UnknownName for a run that is not
    there, UserError for a port that is taken.
    """
    each = [runs] if isinstance(runs, Run | Path | str) else runs
    folders = [one.folder if isinstance(one, Run) else results.find(one) for one in each]
    at = _free_port() if port is None else _checked(port)
    url = f"http://{HOST}:{at}"
    threading.Thread(target=_prepare, args=(folders,), daemon=True).start()
    threading.Thread(target=_announce, args=(url, at, browser), daemon=True).start()
    options = [f"--{name}={value}" for name, value in {**OPTIONS, "server.port": str(at)}.items()]
    arguments = ["run", str(SCRIPT), *options, "--", *(str(folder.resolve()) for folder in folders)]
    streamlit_cli.main(arguments, standalone_mode=False)


def _prepare(folders: Sequence[Path]) -> None:
    """Make the first view while the server and the browser start."""
    with contextlib.suppress(EarmarkError, OSError):  # the page itself says what is wrong with a run
        view_tables.prepare(tuple(held.opened(folder.resolve()) for folder in folders))


def _announce(url: str, port: int, browser: bool) -> None:
    """Say the address once the server answers."""
    until = time.monotonic() + LONGEST_START_S
    while time.monotonic() < until:
        with socket.socket() as tried:
            tried.settimeout(1.0)
            if tried.connect_ex((HOST, port)) == 0:
                print(f"{url}  (stop it with Ctrl-C)", flush=True)
                if browser:
                    webbrowser.open(url)
                return
        time.sleep(0.05)


def _free_port() -> int:
    for port in range(FIRST_PORT, LAST_PORT + 1):
        if _is_free(port):
            return port
    raise UserError(f"The ports {FIRST_PORT} to {LAST_PORT} are all taken. Name another one: --port 9000.")


def _checked(port: int) -> int:
    if not _is_free(port):
        raise UserError(f"Port {port} is taken. Name another one, or leave --port out for the first that is free.")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was just left is free again
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
        return True
