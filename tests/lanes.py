"""The lanes: tests that scripts/test leaves to --all, and that --all leaves out where they cannot run."""

import importlib.util
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

LEFT_TO_ALL = "left to scripts/test --all"


class LeftOut(NamedTuple):
    """One test that did not run: its lane or file, and why."""

    where: str
    reason: str


def _lacks(*modules: str) -> str:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return f"no {', '.join(missing)}" if missing else ""


def _lacks_program(what: str, *names: str) -> str:
    return "" if any(shutil.which(name) for name in names) else f"no {what}"


def _lacks_device() -> str:
    import torch  # takes seconds, and few runs ask

    return "" if torch.cuda.is_available() else "no CUDA device"


# Lane → why it cannot run here, or an empty string.
LANES: dict[str, Callable[[], str]] = {
    "slow": lambda: "",
    "browser": lambda: _lacks_program("Chromium", "chromium", "chromium-browser") or _lacks("playwright"),
    "app": lambda: _lacks("streamlit"),
    "ray": lambda: _lacks("ray"),
    "slurm": lambda: _lacks("submitit"),
    "mirdata": lambda: _lacks("mirdata"),
    "onnx": lambda: _lacks("onnxruntime") or _lacks("onnx"),
    "worker": lambda: _lacks("ensurepip"),
    "tex": lambda: _lacks_program("TeX", "tectonic", "pdflatex"),
    "gpu": _lacks_device,
}


def reason_to_skip(lanes: Iterable[str], run_all: bool) -> str:
    """Return why a test that stands in these lanes does not run here, or an empty string."""
    names = list(lanes)
    if names and not run_all:
        return LEFT_TO_ALL
    return next((reason for reason in (LANES[name]() for name in names) if reason), "")


def closing_line(left_out: Iterable[LeftOut]) -> str:
    """Return "not run here: 14 browser (no Chromium), 3 gpu (no CUDA device)", or that everything ran."""
    counts = Counter(left_out)
    parts = [f"{number} {where} ({reason})" for (where, reason), number in sorted(counts.items())]
    return f"not run here: {', '.join(parts)}" if parts else "not run here: nothing"
