"""A checkpoint of our own pre-training: what a folder holds of an EncodecMAE, and the representation made of it.

The tensors are those of the whole objective, under its names: network, what inputs standardise by (or EnCodec's
encoder), and the codebooks of the targets. So a folder needs nothing beside it, and training can go on from it.
"""

from collections.abc import Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations import encodec
from earmark.representations._saved import CONFIG, Saved
from earmark.representations.checkpoint import Contents, refuse_other_tensors
from earmark.representations.encodecmae import card_of, frames, network
from earmark.representations.encodecmae import inputs as heard
from earmark.representations.encodecmae.frames import CODEC, ENCODER, INPUTS, MODEL_TYPE, SETTINGS, EncodecMAEFrames
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import Settings

NETWORK, TARGETS = "network.", "targets."
HEAD = ("network.head.weight", "network.head.bias")


def contents(objective: EncodecMAE) -> Contents:
    """Return what is kept of an objective. Raises UserError for one without inputs: nobody could hear by it."""
    inputs = objective.inputs
    if inputs is None:
        raise UserError("Expected an objective with inputs to keep, got one of cached frames alone. Give it inputs.")
    config = frames.config(objective.settings, inputs)
    return Contents(objective.state_dict(), config, {"sampling_rate": inputs.sample_rate})


def of_folder(saved: Saved) -> EncodecMAEFrames:
    """Return the encoder of a folder, with its inputs.

    Raises UserError for settings that are not ours, and for tensors that are not those of the settings.
    """
    settings, state = _settings(saved), saved.state()
    inputs = _inputs(settings, saved)
    with torch.device("meta"):
        encoder = network.Encoder(settings, inputs.dim)
    for module, prefix in ((encoder, ENCODER), (inputs, INPUTS)):
        _fill(module, {name.removeprefix(prefix): one for name, one in state.items() if name.startswith(prefix)}, saved)
    like = replace(card_of(settings), sample_rate=inputs.sample_rate, frame_rate_hz=inputs.frame_rate_hz)
    made = EncodecMAEFrames(inputs, encoder, replace(like, min_samples=inputs.min_samples), settings)
    made.card = saved.card(made.card, made)
    saved.require_rate(inputs.sample_rate)
    return made


def begin(objective: EncodecMAE, saved: Saved) -> None:
    """Give an objective the weights of a folder, to learn on from; of the head, those of streams that stay.

    A stream stays where its codebook is the folder's at the same place: what named other codes begins anew. Raises
    UserError for a folder of another kind or shape, and for one that hears by other inputs or statistics.
    """
    saved.require_kind(MODEL_TYPE, "EncodecMAE")
    theirs, ours = saved.state(), objective.state_dict()
    heard, sought = ({name: one for name, one in state.items() if name.startswith(INPUTS)} for state in (theirs, ours))
    refuse_other_tensors(heard, sought, str(saved.folder))
    if other := [name for name, one in sought.items() if not torch.equal(one, heard[name])]:
        raise UserError(
            f"'{saved.folder}' hears by other numbers than are here: {', '.join(other[:3])} differ. Take targets that "
            "were fitted with its own inputs: earmark corpus targets CORPUS --of path:CHECKPOINT, or its first ones."
        )
    found = {name: one for name, one in theirs.items() if name.startswith(NETWORK)}
    stays = _staying(theirs, ours)
    n_codes = objective.settings.n_codes
    for name in HEAD:
        rows = ours[name].clone().unflatten(0, (-1, n_codes))
        for stream in stays:
            rows[stream] = found[name][stream * n_codes : (stream + 1) * n_codes]
        found[name] = rows.flatten(0, 1)
    refuse_other_tensors(
        found, {name: one for name, one in ours.items() if name.startswith(NETWORK)}, str(saved.folder)
    )
    objective.load_state_dict(ours | found)


def _staying(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[int]:
    """Return the streams whose codebooks are the same in both."""
    old, new = (
        [entries for name in sorted(state) if name.startswith(TARGETS) for entries in state[name]]
        for state in (theirs, ours)
    )
    pairs = enumerate(zip(old, new, strict=False))
    return [stream for stream, (before, after) in pairs if torch.equal(before, after)]


def _settings(saved: Saved) -> Settings:
    given = saved.settings.get(SETTINGS)
    known = {one.name for one in fields(Settings)}
    if not isinstance(given, Mapping) or set(given) != known:
        raise UserError(
            f"Expected '{SETTINGS}' in '{saved.folder / CONFIG}' with {', '.join(sorted(known))}; got {given!r}. "
            "Load it with the version of earmark that wrote it."
        )
    gamma = given["gamma"]
    return Settings(**{**given, "gamma": None if gamma is None else tuple(gamma)})


def _inputs(settings: Settings, saved: Saved) -> Inputs:
    """Return the inputs; of a codec its shape, which the folder's tensors then fill."""
    if settings.inputs != "encodec":
        return heard.inputs(settings.inputs)
    said = saved.settings.get(CODEC)
    if not isinstance(said, Mapping) or not said.keys() >= {"name", *encodec.PUBLISHED}:
        raise UserError(
            f"Expected '{CODEC}' in '{saved.folder / CONFIG}' with a name and {', '.join(encodec.PUBLISHED)}; got "
            f"{said!r}. Load it with the version of earmark that wrote it."
        )
    codec = encodec.shaped({name: said[name] for name in encodec.PUBLISHED})
    codec.card = replace(codec.card, name=str(said["name"]))
    return EncodecFrames(codec)


def _fill(module: nn.Module, state: Mapping[str, Tensor], saved: Saved) -> None:
    refuse_other_tensors(state, module.state_dict(), str(saved.folder))
    module.load_state_dict(dict(state), assign=True)
