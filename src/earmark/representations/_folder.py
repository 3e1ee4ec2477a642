"""A network in a folder as transformers saves it: read by its settings and its tensors, without code of its own.

Kinds are the `model_type` of config.json. A file with a head (for speech recognition, for pre-training) keeps the
network under a prefix; what stands outside it is the head, and is not loaded.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from earmark.errors import MissingPart, UserError, hint
from earmark.nouns import Card
from earmark.representations import _speech, _weights, data2vec, hubert, wav2vec2
from earmark.representations._speech import Family, Speech

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
UNKNOWN = "unknown: see its page"

# Of the file and not of the network; masks, which `_speech` switches off; an adapter, which comes after the blocks.
IGNORED = (
    *("model_type", "architectures", "auto_map", "torch_dtype", "dtype", "transformers_version", "attn_implementation"),
    *("mask_time_prob", "mask_feature_prob", "add_adapter"),
)
ADAPTER = "adapter."
ELSEWHERE = {
    "mert_model": "mert-v1-95m",
    "clap": "clap-htsat-unfused",
    "encodec": "encodec-24khz",
    "dac": "dac-44khz",
}


class Kind(NamedTuple):
    """How a kind of network is made, and what stands before its parameters' names in a file with a head."""

    network: Callable[[Mapping[str, object]], nn.Module]
    prefix: str


KINDS: Mapping[str, Kind] = {
    "wav2vec2": Kind(wav2vec2.network, "wav2vec2."),
    "hubert": Kind(hubert.network, "hubert."),
    "data2vec-audio": Kind(data2vec.network, "data2vec_audio."),
}


def load(name: str, folder: Path) -> Speech:
    """Return the network of a folder, under a name.

    Raises UserError for a kind that is not known, settings that are missing, and weights that are not those of the
    settings; MissingPart for a folder without weights.
    """
    settings, heard = _settings(folder, CONFIG), _settings(folder, PREPROCESSOR)
    kind = _kind(settings.get("model_type"), name)
    rate, normalised = heard.get("sampling_rate"), heard.get("do_normalize")
    if not isinstance(rate, int) or not isinstance(normalised, bool):
        raise UserError(
            f"Expected sampling_rate and do_normalize in '{folder / PREPROCESSOR}', got {rate, normalised}."
        )
    files = _files(folder, name)
    shape = {key: value for key, value in settings.items() if key not in IGNORED and not key.startswith("_")}
    with _weights.seeded(name, 0), torch.device("meta"):
        network = kind.network(shape)
    sha256 = _weights.sha256_of(folder / CONFIG, folder / PREPROCESSOR, *files)
    card = _card(name, network, rate, sha256)
    state = _speech.own_names(_state(files, kind), Family(kind.network, {}, kind.prefix))
    _speech.refuse_other_parameters(state, network, files[0], card)
    network.load_state_dict(state, assign=True)
    return Speech(network, card, normalised)


def _settings(folder: Path, file: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"Expected {file} in '{folder}': without it nobody knows how the network hears.") from error
    except ValueError as error:
        raise UserError(f"Expected JSON in '{folder / file}', but: {error}.") from error
    return found


def _kind(model_type: object, name: str) -> Kind:
    if model_type not in KINDS:
        ours = ELSEWHERE.get(str(model_type))
        instead = f" earmark has it as '{ours}'." if ours else hint(str(model_type), KINDS)
        raise UserError(f"'{name}' is of the kind {model_type!r}; known here: {', '.join(KINDS)}.{instead}")
    return KINDS[str(model_type)]


def _files(folder: Path, name: str) -> list[Path]:
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not found:
        raise MissingPart(f"'{folder}' holds no weights of '{name}': neither *.safetensors nor pytorch_model.bin.")
    return found


def _state(files: list[Path], kind: Kind) -> dict[str, Tensor]:
    """Return the tensors of all files that belong to the network."""
    state: dict[str, Tensor] = {}
    for file in files:
        state |= load_file(file) if file.suffix == ".safetensors" else _speech.read_state(file)
    has_head = any(name.startswith(kind.prefix) for name in state)
    own = {name: one for name, one in state.items() if name.startswith(kind.prefix) or not has_head}
    return {name: one for name, one in own.items() if not name.removeprefix(kind.prefix).startswith(ADAPTER)}


def _card(name: str, network: nn.Module, sample_rate: int, weights_sha256: str) -> Card:
    """Return what the settings tell; what the network learnt, and under which licence, they do not."""
    config: Any = network.config
    is_stable = "StableLayerNorm" in type(network.get_submodule("encoder")).__name__
    return Card(
        name=name,
        version=1,
        sample_rate=sample_rate,
        frame_rate_hz=sample_rate / math.prod(config.conv_stride),
        dim=config.hidden_size,
        layers=config.num_hidden_layers + 1,
        layer_0=_speech.LAYER_0_STABLE if is_stable else _speech.LAYER_0,
        min_samples=_receptive_field(config.conv_kernel, config.conv_stride),
        max_samples=None,
        padding_safe=False,
        architecture=f"{len(config.conv_dim)} convolutions → {config.num_hidden_layers} transformer blocks "
        f"({config.model_type})",
        n_parameters=sum(one.numel() for one in network.parameters()),
        trained_on=UNKNOWN,
        objective=UNKNOWN,
        licence=UNKNOWN,
        commercial=False,
        bibtex="",
        verified="parity",
        weights_sha256=weights_sha256,
    )


def _receptive_field(kernels: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Return how many samples one frame needs: each layer from the last needs (n − 1) strides and one kernel."""
    n_samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        n_samples = (n_samples - 1) * stride + kernel
    return n_samples
