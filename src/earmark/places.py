"""Where things lie on this machine. Nothing is ever written elsewhere, least of all beside the user's audio."""

import os
from pathlib import Path

import platformdirs

from earmark import durable
from earmark.errors import UserError


def home() -> Path:
    """Return EARMARK_HOME, or the platform's cache folder: holds data/, weights/, environments/ and store/."""
    given = os.environ.get("EARMARK_HOME")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("earmark"))


def data_folder(name: str) -> Path:
    """Return the folder that holds the audio of one dataset."""
    return home() / "data" / name


def weights_folder(name: str) -> Path:
    """Return the folder that holds the weights of one representation."""
    return home() / "weights" / name


def environment_folder(name: str) -> Path:
    """Return the folder of another Python's virtual environment, which a user makes for a worker."""
    return home() / "environments" / name


def store_folder() -> Path:
    """Return the folder of the content-addressed store. Raises UserError where nothing can be written."""
    return writable(home() / "store")


def writable(folder: Path) -> Path:
    """Return a folder of ours, made where it is missing. Raises UserError where nothing can be written into it."""
    try:
        durable.make_folder(folder)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
        reason = "it is there and may not be written"
    raise UserError(
        f"Expected to write into '{folder}', but: {reason}. Set EARMARK_HOME to a folder that you may write."
    )


def runs_folder() -> Path:
    """Return EARMARK_RUNS, or ./runs: one folder a run."""
    return Path(os.environ.get("EARMARK_RUNS", "runs")).expanduser()
