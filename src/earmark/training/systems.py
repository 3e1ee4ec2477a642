"""What can be pre-trained, by name: how its objective is made of a preset and of overrides, and what is kept of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from earmark.errors import UnknownName, UserError, hint
from earmark.representations import wav2vec2
from earmark.representations.checkpoint import Contents
from earmark.representations.objective import Objective
from earmark.representations.wav2vec2 import mel
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import PRESETS, Settings

T = TypeVar("T")

KNOWN = tuple(f"wav2vec2-{variant}" for variant in PRESETS)


@dataclass(frozen=True)
class Wav2Vec2System:
    """wav2vec 2.0: a preset of its settings by name, and what is to be otherwise."""

    name: str
    overrides: Mapping[str, object] = field(default_factory=dict)

    @property
    def variant(self) -> str:
        """The preset's name."""
        return self.name.removeprefix("wav2vec2-")

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return wav2vec2.CARDS[self.variant].sample_rate

    @property
    def settings(self) -> Settings:
        """Its settings. Raises UserError for an override of what there is not, or of another kind."""
        return overridden(PRESETS[self.variant], self.overrides)

    def build(self, seed: int) -> Objective:
        """Return the objective with random weights."""
        return Wav2Vec2(self.settings, seed)

    def contents(self, objective: Objective) -> Contents:
        """Return the network as transformers saves it; a front end that transformers has not gets a kind of its own."""
        network = cast(Any, objective).network
        config = json.loads(network.config.to_json_string()) | {"architectures": [type(network).__name__]}
        if mel.FRONT_END in config:
            config |= {"model_type": mel.MODEL_TYPE, "architectures": []}
        heard = {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "sampling_rate": self.sample_rate,
            "do_normalize": self.settings.normalised,
            "feature_size": 1,
            "padding_value": 0.0,
            "padding_side": "right",
            "return_attention_mask": False,
        }
        return Contents(network.state_dict(), config, heard)


def find(name: str, overrides: Mapping[str, object]) -> Wav2Vec2System:
    """Return a system by the name of its representation. Raises UnknownName, or UserError for a wrong override."""
    if name not in KNOWN:
        raise UnknownName("pre-training", name, KNOWN)
    system = Wav2Vec2System(name, overrides)
    asdict(replace(system.settings, network={}))
    return system


def overridden(preset: T, overrides: Mapping[str, object]) -> T:
    """Return a frozen dataclass with some values replaced; a mapping replaces keys of a mapping or of a dataclass.

    Raises UserError for a key that there is not, and for a value of another kind than the preset's.
    """
    known = {one.name for one in fields(cast(Any, preset))}
    changed: dict[str, object] = {}
    for key, value in overrides.items():
        if key not in known:
            raise UserError(f"There is no setting '{key}'.{hint(key, known)} Settings: {', '.join(sorted(known))}.")
        changed[key] = _replaced(key, getattr(preset, key), value)
    return cast(T, replace(cast(Any, preset), **changed))


def _replaced(key: str, old: object, new: object) -> object:
    if isinstance(new, Mapping) and is_dataclass(old):
        return overridden(old, new)
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {**old, **new}
    is_number = isinstance(old, float) and isinstance(new, int) and not isinstance(new, bool)
    if type(new) is not type(old) and not is_number:
        raise UserError(f"Expected '{key}' to be of the kind of {old!r}, got {new!r}.")
    return float(cast(int, new)) if is_number else new
