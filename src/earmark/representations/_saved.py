"""A network in a folder as transformers saves it: its settings, how it hears, and its tensors, without code of its own.

The folder holds config.json, safetensors or pytorch_model*.bin, and mostly preprocessor_config.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from earmark import licences
from earmark.errors import MissingPart, UserError
from earmark.nouns import Card
from earmark.representations import _weights, checkpoint

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
UNKNOWN = "unknown: see its page"

# Of the file and not of the network; masks, which are of training; an adapter, which comes after the blocks.
IGNORED = (
    *("model_type", "architectures", "auto_map", "torch_dtype", "dtype", "transformers_version", "attn_implementation"),
    *("mask_time_prob", "mask_feature_prob", "add_adapter"),
)


@dataclass(frozen=True)
class Saved:
    """A folder, and the name that a representation made of it has.

    What is read of it raises UserError where a file or a setting is not there or wrong, and MissingPart where there
    are no weights.
    """

    name: str
    folder: Path

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """What config.json says, whole."""
        return self._read(CONFIG)

    @cached_property
    def shape(self) -> Mapping[str, Any]:
        """What config.json says of the network's shape."""
        return {key: one for key, one in self.settings.items() if key not in IGNORED and not key.startswith("_")}

    @cached_property
    def heard(self) -> Mapping[str, Any]:
        """What preprocessor_config.json says of the audio."""
        return self._read(PREPROCESSOR)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files of weights: safetensors, else the pickled ones."""
        found = sorted(self.folder.glob("*.safetensors")) or sorted(self.folder.glob("pytorch_model*.bin"))
        if not found:
            raise MissingPart(
                f"'{self.folder}' holds no weights of '{self.name}': neither *.safetensors nor pytorch_model.bin."
            )
        return tuple(found)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors of all files, by their names there."""
        state: dict[str, Tensor] = {}
        for file in self.files:
            state |= _weights.read_state(file)
        return state

    def card(self, like: Card, network: nn.Module) -> Card:
        """Return the card of a network that hears and answers as `like` says.

        What it learnt, and under which licence, only a checkpoint of ours tells.
        """
        origin = checkpoint.origin(self.folder)
        read = [one for one in (self.folder / CONFIG, self.folder / PREPROCESSOR) if one.is_file()]
        return replace(
            like,
            name=self.name,
            version=1,
            n_parameters=sum(one.numel() for one in network.parameters()),
            trained_on=origin.trained_on if origin else UNKNOWN,
            objective=origin.objective if origin else UNKNOWN,
            licence=origin.licence if origin else UNKNOWN,
            commercial=origin is not None and not licences.why_not(origin.licence),
            bibtex="",
            verified="parity",
            sources=(),
            weights_sha256=_weights.sha256_of(*read, *self.files),
        )

    def require_kind(self, model_type: str, called: str) -> None:
        """Raise UserError when config.json is of another kind of network than the one that is to start from it."""
        if (found := self.settings.get("model_type")) != model_type:
            raise UserError(
                f"Expected a checkpoint of {called} to start from, got '{self.folder}', which is a '{found}'."
            )

    def require_rate(self, sample_rate: int) -> None:
        """Raise UserError when preprocessor_config.json is there and says another sample rate than config.json."""
        if (self.folder / PREPROCESSOR).is_file() and self.heard.get("sampling_rate") != sample_rate:
            raise UserError(
                f"'{self.folder / PREPROCESSOR}' says sampling_rate: {self.heard.get('sampling_rate')}, but {CONFIG} "
                f"beside it says {sample_rate}. Expected both files of one network."
            )

    def _read(self, file: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / file).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise UserError(
                f"Expected {file} in '{self.folder}': without it nobody knows how the network hears."
            ) from error
        except ValueError as error:
            raise UserError(f"Expected JSON in '{self.folder / file}', but: {error}.") from error
        return found
