"""A checkpoint: a folder with tensors, settings as transformers writes them, and a card of how it came to be.

`path:FOLDER` loads it, and so does transformers where the class is theirs. Nothing in it is unpickled.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from earmark import durable, identity
from earmark.errors import UserError

WEIGHTS, CONFIG, PREPROCESSOR, CARD = "model.safetensors", "config.json", "preprocessor_config.json", "card.json"
SCHEMA = 1


@dataclass(frozen=True)
class Contents:
    """What a network is made of again: its tensors by name, what shapes it, and how it hears."""

    tensors: Mapping[str, Tensor]
    config: Mapping[str, object]
    preprocessor: Mapping[str, object]


@dataclass(frozen=True)
class Origin:
    """What a card says of where a network comes from. `about` is the whole card."""

    trained_on: str
    objective: str
    licence: str
    about: Mapping[str, Any]


def contents_of(network: nn.Module, sample_rate: int, normalised: bool) -> Contents:
    """Return one of transformers' networks as transformers saves it, with the feature extractor of wav2vec 2.0.

    One whose settings name a `front_end` that transformers has not is of a kind of its own: "wav2vec2-mel".
    """
    of: Any = network
    config = json.loads(of.config.to_json_string()) | {"architectures": [type(network).__name__]}
    if front_end := config.get("front_end"):
        config |= {"model_type": f"{config['model_type']}-{front_end}", "architectures": []}
    heard = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "sampling_rate": sample_rate,
        "do_normalize": normalised,
        "feature_size": 1,
        "padding_value": 0.0,
        "padding_side": "right",
        "return_attention_mask": False,
    }
    return Contents(network.state_dict(), config, heard)


def write(folder: Path, contents: Contents, card: Mapping[str, object]) -> None:
    """Write a checkpoint: after any crash the folder is absent or whole. One that is there already stays as it is.

    The card gets the schema and the sha256 of the weights. Raises UserError where the folder cannot be written.
    """
    if folder.exists():
        return
    tensors = {name: one.detach().cpu().contiguous() for name, one in contents.tensors.items()}
    weights: bytes = save(tensors, metadata={"format": "pt"})
    said = {"schema": SCHEMA, **card, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    files = {
        WEIGHTS: weights,
        CONFIG: _json(contents.config),
        PREPROCESSOR: _json(contents.preprocessor),
        CARD: _json(said),
    }
    unfinished = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        for name, content in files.items():
            durable.write_file(unfinished / name, content)
        durable.replace(unfinished, folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise UserError(
            f"Expected to write the checkpoint '{folder}', but: {error.strerror}. Make room, and go on with --resume."
        ) from error


def origin(folder: Path) -> Origin | None:
    """Return what a folder's card says; None where it has none. Raises UserError for one that cannot be read."""
    file = folder / CARD
    if not file.is_file():
        return None
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
        return Origin(str(card["trained_on"]), str(card["objective"]), str(card["licence"]), card)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Expected '{file}' to be a card with trained_on, objective and licence, but: {error!r}. "
            "Take it out of the folder, or restore it."
        ) from error


def sha256_of(folder: Path) -> str:
    """Return one hash of a folder's tensors and settings. Raises UserError where it holds none."""
    try:
        return identity.key_of(files=[identity.file_sha256(folder / name) for name in (WEIGHTS, CONFIG)])
    except OSError as error:
        raise UserError(
            f"Expected {WEIGHTS} and {CONFIG} in '{folder}', but: {error.strerror}. Name a folder that earmark wrote: "
            "RUN/checkpoints/NAME-step-N of a pre-training, or that of `earmark corpus targets`."
        ) from error


def refuse_other_tensors(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], what: str) -> None:
    """Raise UserError, naming some, where the tensors of a file are not those of the network that is to be filled."""
    wrong = sorted(
        name
        for name in theirs.keys() | ours.keys()
        if name not in theirs or name not in ours or theirs[name].shape != ours[name].shape
    )
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise UserError(
            f"'{what}' is of another architecture: {', '.join(wrong[:5])}{more} differ in name or shape. "
            "Go on with the settings that it was made with, or begin in a new folder."
        )


def _json(value: Mapping[str, object]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
