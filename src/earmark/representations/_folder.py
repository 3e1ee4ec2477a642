"""Kinds of networks that transformers saves, by the `model_type` of their config.json, each with what reads it.

A file with a head (for speech recognition, for pre-training) keeps the network under a prefix; what stands outside it
is the head. Of heads the quantiser of pre-training alone is loaded, for codes.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from earmark.errors import UserError, hint
from earmark.nouns import Card
from earmark.representations import _speech, _speech_shapes, _weights, clap, dac, encodec
from earmark.representations._saved import PREPROCESSOR, Saved
from earmark.representations._speech import Family, Speech
from earmark.representations.base import Representation
from earmark.representations.encodecmae import frames as encodecmae
from earmark.representations.encodecmae import saved as saved_encodecmae
from earmark.representations.mule import MODEL_TYPE as MULE
from earmark.representations.mule import saved as saved_mule
from earmark.representations.wav2vec2 import mel

ADAPTER = "adapter."
ELSEWHERE = {"mert_model": "mert-v1-95m"}
YOUR_OWN = " Another kind is a class of yours that calls it: package.module:Name."


def _speech_of(stem: str, prefix: str, saved: Saved) -> Speech:
    """Return a network of the wav2vec 2.0 family; `stem` and `prefix` are how transformers names its class and it."""
    rate, normalised = saved.heard.get("sampling_rate"), saved.heard.get("do_normalize")
    if not isinstance(rate, int) or not isinstance(normalised, bool):
        raise UserError(
            f"Expected sampling_rate and do_normalize in '{saved.folder / PREPROCESSOR}', got {rate, normalised}."
        )
    has_mel = mel.FRONT_END in saved.shape
    family = Family(mel.network if has_mel else partial(_speech.network, stem), {}, prefix)
    everything = saved.state()
    state = _speech.own_names(_without_heads(everything, prefix), family)
    with _weights.seeded(saved.name, 0), torch.device("meta"):
        network = family.network(saved.shape)
    card = saved.card(_shaped(network, rate), network)
    _speech.refuse_other_parameters(state, network, saved.files[0], card)
    network.load_state_dict(state, assign=True)
    return Speech(network, card, normalised, _speech.quantiser(everything, network))


def _without_heads(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors that belong to the network."""
    has_head = any(name.startswith(prefix) for name in state)
    own = {name: one for name, one in state.items() if name.startswith(prefix) or not has_head}
    return {name: one for name, one in own.items() if not name.removeprefix(prefix).startswith(ADAPTER)}


def _shaped(network: nn.Module, sample_rate: int) -> Card:
    """Return a card of the family with what follows from a network's settings."""
    config: Any = network.config
    architecture = (
        f"{len(config.conv_dim)} convolutions → {config.num_hidden_layers} transformer blocks ({config.model_type})"
    )
    card = replace(_speech_shapes.CARD, sample_rate=sample_rate, architecture=architecture)
    return _speech_shapes.shaped(card, config.to_dict())


KINDS: Mapping[str, Callable[[Saved], Representation]] = {
    "wav2vec2": partial(_speech_of, "Wav2Vec2", "wav2vec2."),
    mel.MODEL_TYPE: partial(_speech_of, "Wav2Vec2", "wav2vec2."),
    "hubert": partial(_speech_of, "Hubert", "hubert."),
    "data2vec-audio": partial(_speech_of, "Data2VecAudio", "data2vec_audio."),
    "wavlm": partial(_speech_of, "WavLM", "wavlm."),
    "unispeech": partial(_speech_of, "UniSpeech", "unispeech."),
    "unispeech-sat": partial(_speech_of, "UniSpeechSat", "unispeech_sat."),
    "encodec": encodec.of_folder,
    "dac": dac.of_folder,
    "clap": clap.of_folder,
    encodecmae.MODEL_TYPE: saved_encodecmae.of_folder,
    MULE: saved_mule.of_folder,
}


def load(name: str, folder: Path) -> Representation:
    """Return the network of a folder, under a name.

    Raises UserError for a kind that is not known, settings that are missing or that earmark cannot follow, and weights
    that are not those of the settings; MissingPart for a folder without weights.
    """
    saved = Saved(name, folder)
    kind = str(saved.settings.get("model_type"))
    if kind not in KINDS:
        ours = ELSEWHERE.get(kind)
        instead = f" earmark has it as '{ours}'." if ours else hint(kind, KINDS) or YOUR_OWN
        raise UserError(f"'{name}' is of the kind '{kind}'; known here: {', '.join(KINDS)}.{instead}")
    return KINDS[kind](saved)
