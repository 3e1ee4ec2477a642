"""Inputs and targets together, and a folder that holds both: what a cache of codes, or a training, is made with.

The folder is a checkpoint of a kind of its own: statistics and codebooks as tensors, and in config.json the names of
what they stand on (a codec, a teacher), with the sha256 of its weights. Those weights are not in it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from earmark.errors import UserError
from earmark.representations import _weights, base, checkpoint
from earmark.representations.base import Representation
from earmark.representations.checkpoint import Contents
from earmark.representations.encodecmae import inputs as hearing
from earmark.representations.encodecmae import targets as seeking
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs
from earmark.representations.encodecmae.targets import Coded, Joined, Residual, Targets, Teacher

MODEL_TYPE = "earmark-encodecmae-front"


class Front(NamedTuple):
    """What turns audio into frames and codes."""

    inputs: Inputs
    targets: Targets

    def __call__(self, audio: seeking.Audio) -> Coded:
        """Return the frames and codes of audio at the inputs' rate."""
        frames = self.inputs(audio)
        return Coded(frames, self.targets(audio, frames))

    @property
    def parts(self) -> tuple[Residual, ...]:
        """The targets one by one."""
        return parts(self.targets)

    @property
    def hears_whole_tracks(self) -> bool:
        """Whether a track of any length may be coded in one piece: not by a teacher, nor in frames of two rates."""
        return all(_fits(one.source, self.inputs) for one in self.parts)

    def config(self) -> dict[str, object]:
        """Return the names and numbers that a folder says."""
        return {
            "model_type": MODEL_TYPE,
            "inputs": _about_inputs(self.inputs),
            "targets": [_about_targets(one, self.inputs) for one in self.parts],
        }

    def contents(self) -> Contents:
        """Return what a checkpoint of it holds: statistics, codebooks, names."""
        of_inputs = self.inputs.state_dict(prefix="inputs.")
        tensors = {name: one for name, one in of_inputs.items() if not name.startswith("inputs.encoder.")}
        tensors |= {f"targets.{number}": one.codebooks for number, one in enumerate(self.parts)}
        return Contents(tensors, self.config(), {"sampling_rate": self.inputs.sample_rate})


def parts(targets: Targets) -> tuple[Residual, ...]:
    """Return targets one by one."""
    match targets:
        case Joined():
            return tuple(one for part in targets.parts if isinstance(part, Targets) for one in parts(part))
        case Residual():
            return (targets,)
    raise UserError(f"Expected targets of codebooks, got {type(targets).__name__}.")


def load(folder: Path) -> Front:
    """Return what a folder holds. Raises UserError for a folder of another kind, or whose codec or teacher changed."""
    config = _read(folder)
    file = folder / checkpoint.WEIGHTS
    tensors = _weights.read_state(file)
    heard = _inputs(config["inputs"], tensors, file)
    made = [
        _targets(said, tensors.get(f"targets.{number}"), heard, file) for number, said in enumerate(config["targets"])
    ]
    for one in made:
        seeking.require_rate(one, heard)
    return Front(heard, made[0] if len(made) == 1 else Joined(made))


def teachers(folder: Path) -> tuple[str, ...]:
    """Return the names of the networks that codebooks of a folder stand on. Raises UserError for no such folder."""
    return tuple(str(said["of"]) for said in _read(folder)["targets"] if said["kind"] == "kmeans")


def _about_inputs(inputs: Inputs) -> dict[str, object]:
    if isinstance(inputs, EncodecFrames):
        return {"name": inputs.name, "codec": inputs.codec_name, "weights_sha256": inputs.weights_sha256}
    return {"name": inputs.name}


def _about_targets(targets: Residual, inputs: Inputs) -> dict[str, object]:
    numbers: dict[str, object] = {"n_streams": targets.n_streams, "n_codes": targets.n_codes}
    match targets.source:
        case Teacher(representation, layer, name):
            weights = representation.card.weights_sha256
            return {"kind": "kmeans", "of": name, "weights_sha256": weights, "layer": layer, **numbers}
        case EncodecFrames() as encoder:
            return {"kind": "codec", "codec": encoder.codec_name, "weights_sha256": encoder.weights_sha256, **numbers}
        case None if isinstance(inputs, EncodecFrames):
            return {"kind": "codec", "codec": inputs.codec_name, "weights_sha256": inputs.weights_sha256, **numbers}
    return {"kind": "mel_rvq", **numbers}


def _inputs(said: Mapping[str, Any], tensors: Mapping[str, Tensor], file: Path) -> Inputs:
    made = hearing.inputs(said["name"], said.get("codec", hearing.CODEC))
    if isinstance(made, EncodecFrames):
        _require_same(made.codec_name, made.weights_sha256, said, file)
        return made
    own = {name.removeprefix("inputs."): one for name, one in tensors.items() if name.startswith("inputs.")}
    checkpoint.refuse_other_tensors(own, made.state_dict(), str(file))
    made.load_state_dict(own)
    return made


def _targets(said: Mapping[str, Any], entries: Tensor | None, inputs: Inputs, file: Path) -> Residual:
    if entries is None or entries.shape[:2] != (said["n_streams"], said["n_codes"]):
        found = "none" if entries is None else str(tuple(entries.shape))
        raise UserError(
            f"Expected {said['n_streams']} codebooks of {said['n_codes']} codes in '{file}', found {found}. "
            "Restore the folder, or make it anew."
        )
    match said["kind"]:
        case "codec":
            codec = hearing.load_codec(said["codec"])
            _require_same(codec.card.name, EncodecFrames(codec).weights_sha256, said, file)
            made = seeking.of_codec(codec, inputs, said["n_streams"])
            if not torch.equal(made.codebooks, entries):
                raise UserError(
                    f"'{file}' was made with other codebooks of '{codec.card.name}' than are here. Restore those "
                    "weights, or make the folder anew."
                )
            return made
        case "kmeans":
            teacher: Representation = base.load(said["of"])
            _require_same(teacher.card.name, teacher.card.weights_sha256, said, file)
            return Residual(entries, Teacher(teacher, said["layer"], said["of"]))
    return Residual(entries)


def _fits(source: object, inputs: Inputs) -> bool:
    return source is None or (isinstance(source, EncodecFrames) and source.hop_samples == inputs.hop_samples)


def _require_same(name: str, weights_sha256: str, said: Mapping[str, Any], file: Path) -> None:
    if weights_sha256 != said["weights_sha256"]:
        raise UserError(
            f"'{file}' was made with other weights of '{name}' ({said['weights_sha256'][:12]}…) than are here "
            f"({weights_sha256[:12]}…). Restore those weights, or make the folder anew."
        )


def _read(folder: Path) -> dict[str, Any]:
    file = folder / checkpoint.CONFIG
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"Expected a folder of targets, got '{folder}', which holds no {checkpoint.CONFIG}. Make one: earmark "
            "corpus targets CORPUS -o FOLDER"
        ) from error
    except ValueError as error:
        raise UserError(f"Expected JSON in '{file}', but: {error}.") from error
    if config.get("model_type") != MODEL_TYPE:
        raise UserError(f"Expected a folder of targets, got '{folder}', which is a '{config.get('model_type')}'.")
    return config
