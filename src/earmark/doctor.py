"""What is installed here and whether it can work: versions, folders, traps."""

import importlib.util
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from earmark import __version__, places
from earmark.errors import EarmarkError
from earmark.representations import _worker_file
from earmark.representations._worker_file import WorkerFile
from earmark.representations._worker_process import Process

CORE = ("numpy", "torch", "soundfile", "soxr", "audiomentations", "fast-mp3-augment", "mir_eval", "polars")
POISON = ("torchaudio", "torchcodec")
NEEDED_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing looked at: "ok", "warning" or "error", and what to do about it."""

    level: Literal["ok", "warning", "error"]
    what: str


def examine() -> tuple[Finding, ...]:
    """Look at this machine."""
    return (
        Finding("ok", f"earmark {__version__}, Python {platform.python_version()}, {os.cpu_count()} CPUs"),
        *map(_library, CORE),
        *(found for name in POISON if (found := _poison(name))),
        _device(),
        *map(_folder, (places.home(), places.runs_folder())),
        _ffmpeg(),
        *map(_worker, _worker_file.every_shipped()),
    )


def _library(name: str) -> Finding:
    try:
        return Finding("ok", f"{name} {metadata.version(name)}")
    except metadata.PackageNotFoundError:
        return Finding("error", f"{name} is missing. Install it: pip install '{name}'")


def _poison(name: str) -> Finding | None:
    """Name what breaks torch without CUDA: its wheels want CUDA libraries, and transformers imports them if present."""
    if importlib.util.find_spec(name) is None:
        return None
    culprits = sorted(
        package.metadata["Name"]
        for package in metadata.distributions()
        if any(need.replace("_", "-").lower().startswith(name) for need in package.requires or ())
    )
    because = f" It came with: {', '.join(culprits)}." if culprits else ""
    return Finding("warning", f"{name} is installed; earmark never uses it and it can break imports.{because}")


def _device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("error", "torch is missing")
    import torch

    if torch.cuda.is_available():
        return Finding("ok", f"GPU: {torch.cuda.get_device_name(0)}")
    return Finding("ok", "no GPU: everything runs on the CPU")


def _folder(path: Path) -> Finding:
    nearest = next(one for one in (path, *path.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            free = shutil.disk_usage(nearest).free
    except OSError as error:
        return Finding("error", f"{path} cannot be written: {error.strerror}. Set EARMARK_HOME or EARMARK_RUNS.")
    level: Literal["ok", "warning"] = "ok" if free > NEEDED_BYTES else "warning"
    return Finding(level, f"{path} can be written, {free / 2**30:.1f} GiB free")


def _ffmpeg() -> Finding:
    if shutil.which("ffmpeg"):
        return Finding("ok", "ffmpeg is there: M4A, AAC and WMA can be read")
    return Finding("ok", "no ffmpeg: WAV, FLAC, OGG, Opus, MP3 and AIFF can be read; M4A, AAC and WMA need it")


def _worker(file: WorkerFile) -> Finding:
    """Say what another Python has that a shipped worker's file asks for; of one that is not there, how it is made."""
    environment, name = file.environment, f"worker {file.stem}"
    if not environment.is_here:
        recipe = environment.recipe
        return Finding("ok", f"{name}: not made here; it needs a Python of its own. Type:\n  {recipe}")
    try:
        process = Process(name, environment, file.folder, file.memory_bytes)
    except EarmarkError as error:
        return Finding("warning", f"{name}: {error}")
    process.close()
    versions = ", ".join(f"{package} {version}" for package, version in process.hello["packages"].items())
    return Finding("ok", f"{name}: {process.hello['python']}, {versions}")
