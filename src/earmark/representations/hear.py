"""`hear:MODULE[@WEIGHTS][#scene]`: any module of the HEAR 2021 interface, wherever it is installed or lies.

`hear:package.module` gives its timestamp embeddings as frames, `hear:package.module#scene` its scene embedding as one
frame a segment. WEIGHTS is handed to the module's `load_model`. A module beside where you stand counts as installed.

Source: Turian et al. 2022, "HEAR: Holistic Evaluation of Audio Representations", and the interface that its evaluation
kit calls: `load_model(path)` → model with `sample_rate`, `timestamp_embedding_size` and `scene_embedding_size`;
`get_timestamp_embeddings(audio, model)` → (clips, frames, dim) and their times in milliseconds;
`get_scene_embeddings(audio, model)` → (clips, dim). Differs from the kit: a torch module is put into eval mode.
"""

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark import identity
from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations._weights import seeded
from earmark.representations.base import check_call

CARDS: Mapping[str, Card] = {}
FORM = "hear:MODULE[@WEIGHTS][#scene]"
NEEDED = ("load_model", "get_timestamp_embeddings", "get_scene_embeddings")
TOLD = ("sample_rate", "timestamp_embedding_size", "scene_embedding_size")
PROBED_S, LEAST_S = 1.0, 0.01
UNEVEN_MS = 1.0

# What somebody else's code ends in when it is wrong, or given what it was not made for: theirs to read, no bug of ours.
FAILURES = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, NameError),
    *(OSError, RuntimeError, TypeError, ValueError),
)


@dataclass(frozen=True)
class _Module:
    """A HEAR module with its model, and the name it was asked for by."""

    name: str
    module: ModuleType
    model: Any

    def frames(self, audio: Float[Tensor, "batch samples"]) -> "_Frames":
        """Return timestamp embeddings and their times in milliseconds. Raises UserError for other shapes."""
        answer, times = self._asked("get_timestamp_embeddings", audio)
        size = self.model.timestamp_embedding_size
        if not (isinstance(answer, Tensor) and answer.ndim == 3 and answer.shape[::2] == (len(audio), size)):
            raise self._wrong("timestamp embeddings", f"({len(audio)}, frames, {size})", answer)
        if not isinstance(times, Tensor) or times.shape != answer.shape[:2] or not answer.shape[1]:
            raise self._wrong("timestamps", f"({len(audio)}, {answer.shape[1]}), at least one,", times)
        return _Frames(answer, times)

    def scene(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch one dim"]:
        """Return scene embeddings as one frame each. Raises UserError for another shape."""
        answer, size = self._asked("get_scene_embeddings", audio), self.model.scene_embedding_size
        if not (isinstance(answer, Tensor) and answer.shape == (len(audio), size)):
            raise self._wrong("scene embeddings", f"({len(audio)}, {size})", answer)
        return answer[:, None]

    @torch.inference_mode()
    def _asked(self, function: str, audio: Tensor) -> Any:
        try:
            return getattr(self.module, function)(audio.clone(), self.model)  # a copy: it may write on what it is given
        except FAILURES as error:
            n_samples = audio.shape[1]
            raise UserError(f"'{self.name}' failed on {n_samples} samples: {type(error).__name__}: {error}") from error

    def _wrong(self, what: str, expected: str, got: object) -> UserError:
        said = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
        return UserError(f"Expected '{self.name}' to return {what} {expected} as a torch tensor, got {said}.")


class _Frames(NamedTuple):
    embeddings: Float[Tensor, "batch frames dim"]
    times_ms: Float[Tensor, "batch frames"]


class Hear:
    """A HEAR module as a representation of one layer."""

    def __init__(self, found: _Module, card: Card, is_scene: bool) -> None:
        self.found, self.card, self.is_scene = found, card, is_scene

    @torch.inference_mode()
    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the module's embeddings. Raises UserError when it fails, or returns what HEAR does not say."""
        wanted = check_call(audio, layers, self.card)
        frames = self.found.scene(audio) if self.is_scene else self.found.frames(audio).embeddings
        return frames[:, None].float().repeat(1, len(wanted), 1, 1)


def load(variant: str) -> Hear:
    """Return the module as a representation. Raises UserError when there is none, or it is no HEAR module."""
    plain, hash_sign, scene = variant.partition("#")
    if hash_sign and scene != "scene":
        raise UserError(f"Expected nothing or #scene after the module, got '#{scene}' in 'hear:{variant}'.")
    module_name, _, weights = plain.partition("@")
    # Weights in a file are known by its content, and not by where it lies.
    at = f"@{Path(weights).name if Path(weights).exists() else weights}" if weights else ""
    found = _Module(f"hear:{module_name}{at}{hash_sign}{scene}", _module(module_name), None)
    missing = [name for name in NEEDED if not callable(getattr(found.module, name, None))]
    if missing:
        raise UserError(f"'{found.name}' is no HEAR module: it has no {', '.join(missing)}.")
    model = _model(found, weights)
    if isinstance(model, nn.Module):
        model.eval()
    found = _Module(found.name, found.module, model)
    lacks = [name for name in TOLD if not isinstance(getattr(model, name, None), int)]
    if lacks:
        raise UserError(f"Expected the model of '{found.name}' to have whole numbers as {', '.join(lacks)}.")
    return Hear(found, _card(found, bool(scene), _identity(found.module, weights)), bool(scene))


def _module(name: str) -> ModuleType:
    """Import a module as `lookup.external` does: the current folder comes last."""
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise UserError(f"Expected a module after hear:, as in hear:hear21passt.base; got '{name}'.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except (ImportError, SyntaxError, *FAILURES) as error:
        raise UserError(
            f"Expected '{name}' to be importable, but: {type(error).__name__}: {error}. Looked among what is installed "
            f"and in '{here}', the current folder."
        ) from error


def _model(found: _Module, weights: str) -> Any:
    load_model = found.module.load_model
    try:
        inspect.signature(load_model).bind()
        needs_path = False
    except TypeError:
        needs_path = True  # HEAR's word for a module's own weights is ""
    try:
        with seeded(found.name, 0):  # it may draw what its weights do not hold
            return load_model(weights) if weights or needs_path else load_model()
    except FAILURES as error:
        raise UserError(f"'{found.name}' could not load its model: {type(error).__name__}: {error}") from error


def _card(found: _Module, is_scene: bool, weights_sha256: str) -> Card:
    """Return what a second of noise tells of a module, for it has no card of its own."""
    rate, model = found.model.sample_rate, found.model
    rng = identity.generator("hear", found.name)
    noise = torch.from_numpy((0.1 * rng.standard_normal((1, round(PROBED_S * rate)))).astype(np.float32))
    frame_rate_hz = 0.0 if is_scene else _frame_rate_hz(found, noise)
    least = _least_samples(found, is_scene, noise, round(rate / frame_rate_hz if frame_rate_hz else LEAST_S * rate))
    return Card(
        name=found.name,
        version=1,
        sample_rate=rate,
        frame_rate_hz=frame_rate_hz,
        dim=model.scene_embedding_size if is_scene else model.timestamp_embedding_size,
        layers=1,
        layer_0="the module's scene embedding" if is_scene else "the module's timestamp embeddings",
        min_samples=least,
        max_samples=None,
        padding_safe=False,
        architecture=f"{found.module.__name__}, by the HEAR 2021 interface",
        n_parameters=sum(one.numel() for one in model.parameters()) if isinstance(model, nn.Module) else 0,
        trained_on="unknown: see its page",
        objective="unknown: see its page",
        licence="unknown: see its page",
        commercial=False,
        bibtex="",
        verified="own",
        weights_sha256=weights_sha256,
    )


def _frame_rate_hz(found: _Module, noise: Float[Tensor, "1 samples"]) -> float:
    times_ms = found.frames(noise).times_ms[0].double()
    steps_ms = times_ms.diff()
    if not len(steps_ms) or steps_ms.min() <= 0 or steps_ms.max() - steps_ms.min() > UNEVEN_MS:
        raise UserError(
            f"Expected '{found.name}' to give timestamps at even steps, in milliseconds, got {times_ms[:4].tolist()}. "
            f"Its scene embedding can be had: {found.name}#scene."
        )
    return float(1000 * len(steps_ms) / (times_ms[-1] - times_ms[0]))


def _least_samples(found: _Module, is_scene: bool, noise: Float[Tensor, "1 samples"], hop_samples: int) -> int:
    """Return the shortest of one, two, four … hops that the module answers: HEAR has no word for its minimum."""
    n_samples = hop_samples
    while n_samples < noise.shape[1]:
        try:
            answer = found.scene(noise[:, :n_samples]) if is_scene else found.frames(noise[:, :n_samples]).embeddings
        except UserError:
            n_samples *= 2
            continue
        if torch.isfinite(answer).all():
            return n_samples
        n_samples *= 2
    return noise.shape[1]


def _identity(module: ModuleType, weights: str) -> str:
    """Return a hash of the module's code, of all of its package where it has one, and of the weights."""
    top = sys.modules[module.__name__.partition(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    code = {file.relative_to(folder).as_posix(): file for folder in folders for file in sorted(folder.rglob("*.py"))}
    if not folders and module.__file__ is not None:
        code = {Path(module.__file__).name: Path(module.__file__)}
    given = Path(weights)
    paths = ([given] if given.is_file() else [*given.rglob("*")]) if weights else []
    held = {path.relative_to(given).as_posix(): path for path in paths if path.is_file()}
    return identity.key_of(code=_hashes(code), weights=_hashes(held))


def _hashes(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: identity.file_sha256(path) for name, path in files.items()}
