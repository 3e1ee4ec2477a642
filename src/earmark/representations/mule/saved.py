"""A checkpoint of our own pre-training: what a folder holds of a MULE, and the representation made of it.

The tensors are those of the whole objective, so that training can go on from it; the projector is left where it lies
when embeddings are wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from pydantic import TypeAdapter, ValidationError

from earmark.errors import UserError
from earmark.representations._saved import CONFIG, Saved
from earmark.representations.checkpoint import Contents, refuse_other_tensors
from earmark.representations.mule import CARD, HEARD, MODEL_TYPE, RELEASED, Mule, Released, config
from earmark.representations.mule.frontend import SAMPLE_RATE
from earmark.representations.mule.network import SfNfNet
from earmark.representations.mule.settings import Settings
from earmark.representations.objective import Objective

NETWORK = "network."
OVERLAP = 1.5
"""Of segments while evaluated: a length over a hop, as published (3 s every 2 s)."""


def contents(objective: Objective, settings: Settings, trained_by: Mapping[str, object], segment_s: float) -> Contents:
    """Return what is kept of an objective with this network; `segment_s` is how long segments were."""
    return Contents(
        objective.state_dict(), {**config(settings, segment_s), "trained_by": dict(trained_by)}, dict(HEARD)
    )


def of_folder(saved: Saved) -> Mule:
    """Return the network of a folder, without the projector.

    Raises UserError for settings that are not ours, and for tensors that are not those of the settings.
    """
    settings = _settings(saved)
    with torch.device("meta"):
        network = SfNfNet(settings)
    found = {name.removeprefix(NETWORK): one for name, one in saved.state().items() if name.startswith(NETWORK)}
    refuse_other_tensors(found, network.state_dict(), str(saved.folder))
    network.load_state_dict(found, assign=True)
    saved.require_rate(SAMPLE_RATE)
    is_released, segment_s = bool(saved.settings.get("is_released", False)), saved.settings.get("segment_s")
    like = replace(
        RELEASED if is_released else CARD,
        dim=settings.dim,
        architecture=f"log-mel (96 bands) → SF-NFNet: a slow and a fast path of {sum(settings.depths)} residual blocks",
        segment_s=segment_s,
        segment_hop_s=None if segment_s is None else segment_s / OVERLAP,
    )
    gain = float(saved.settings.get("gain", 1.0))
    return (Released if is_released else Mule)(saved.card(like, network), network, gain)


def begin(objective: Objective, saved: Saved, tags: Sequence[str] = ()) -> None:
    """Give an objective the weights of a folder, to learn on from; a projector of another shape or `tags` begins anew.

    Raises UserError for a folder of another kind or network, and for one that hears louder or fainter.
    """
    saved.require_kind(MODEL_TYPE, "MULE")
    if (gain := saved.settings.get("gain", 1.0)) != 1.0:
        raise UserError(
            f"'{saved.folder}' hears audio at a gain of {gain:g}, and pre-training at 1: its network would go on with "
            "sounds louder or fainter than its own. Start from a checkpoint without a gain."
        )
    theirs, ours = saved.state(), objective.state_dict()
    network, state = ({name: one for name, one in of.items() if name.startswith(NETWORK)} for of in (theirs, ours))
    refuse_other_tensors(network, state, str(saved.folder))
    same = {name: one.shape for name, one in theirs.items()} == {name: one.shape for name, one in ours.items()}
    trained_by = saved.settings.get("trained_by", {})
    objective.load_state_dict(theirs if same and trained_by.get("tags", []) == list(tags) else ours | network)


def _settings(saved: Saved) -> Settings:
    try:
        found: Settings = TypeAdapter(Settings).validate_python(saved.settings.get("network"))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"Expected 'network' in '{saved.folder / CONFIG}' to be the shape of an SF-NFNet: {first['msg']} at "
            f"{'.'.join(map(str, first['loc'])) or 'all'}. Load it with the version of earmark that wrote it."
        ) from error
    return found
