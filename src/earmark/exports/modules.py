"""A representation as a Python package of somebody else's interface: HEAR 2021, X-ARES, mteb.

The package imports earmark, which computes; a network of yours (`path:FOLDER`) lies inside it. Signatures: Turian et
al. 2022 and HEAR's evaluation kit; xares 0.1.3, `audio_encoder_checker.py`; mteb 2.26, `models_protocols.py`.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from earmark import __version__
from earmark.errors import UserError
from earmark.exports.encoder import EarmarkEncoder
from earmark.exports.written import Exported, cited, facts, files_of, text
from earmark.nouns import Card
from earmark.representations.joined import Joined

NETWORK = "network"
OUTSIDE = ("worker:", "hear:")
"""Forms of names that say where something lies."""
HEAD = '''"""{name}, layer {layer}, for {whom}. Written by earmark {version}, which it needs.

Licence: {licence}
"""
'''
HEAR = (
    HEAD
    + '''
from pathlib import Path

from torch import Tensor

from earmark.exports.encoder import EarmarkEncoder

NAME = {where}
LAYER = {layer}


def load_model(model_file_path: str = "") -> EarmarkEncoder:
    """Return the network; a path is the folder of another checkpoint of its kind."""
    return EarmarkEncoder(f"path:{{model_file_path}}" if model_file_path else NAME, LAYER)


def get_timestamp_embeddings(audio: Tensor, model: EarmarkEncoder) -> tuple[Tensor, Tensor]:
    """Return (sounds, timestamps, dim), and the timestamps (sounds, timestamps) in milliseconds."""
    found = model.timed(audio)
    return found.embeddings, found.times_ms


def get_scene_embeddings(audio: Tensor, model: EarmarkEncoder) -> Tensor:
    """Return (sounds, dim)."""
    return model.scene(audio)
'''
)
XARES = (
    HEAD
    + '''
from pathlib import Path

from earmark.exports.encoder import EarmarkEncoder

NAME = {where}
LAYER = {layer}


class EarmarkNetworkEncoder(EarmarkEncoder):
    """(batch, samples) → (batch, frames, dim); made without arguments, as xares.run makes it."""

    def __init__(self) -> None:
        super().__init__(NAME, LAYER)
'''
)
MTEB = (
    HEAD
    + '''
from pathlib import Path

import numpy as np
import torch
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder

from earmark import audio
from earmark.exports.encoder import EarmarkEncoder

NAME = {where}
LAYER = {layer}


class EarmarkModel(AbsEncoder):
    """Mean over frames of each clip: (clips, dim)."""

    def __init__(self, model_name: str = "", revision: str | None = None, *, device: str | None = None, **_) -> None:
        self.encoder = EarmarkEncoder(NAME, LAYER).to(device or "cpu")

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **_) -> np.ndarray:
        """Return the embeddings of the clips under "audio", each {{"array", "sampling_rate"}}, mixed to mono."""
        found = [self._clip(one["array"], one["sampling_rate"]) for batch in inputs for one in batch["audio"]]
        return np.stack(found) if found else np.zeros((0, self.encoder.output_dim), np.float32)

    def _clip(self, array, sample_rate: int) -> np.ndarray:
        samples = np.asarray(array, np.float32)
        samples = samples if samples.ndim == 1 else samples.mean(axis=int(samples.shape[0] > samples.shape[1]))
        heard = audio.resample(samples, sample_rate, self.encoder.sample_rate)
        return self.encoder.scene(torch.from_numpy(np.ascontiguousarray(heard))[None])[0].cpu().numpy()


META = ModelMeta(
    loader=EarmarkModel,
    name={hub_name!r},
    revision={revision!r},
    release_date=None,
    languages=None,
    n_parameters={n_parameters},
    memory_usage_mb=None,
    max_tokens=None,
    embed_dim={dim},
    license=None,
    open_weights=None,
    public_training_code=None,
    public_training_data=None,
    framework=["PyTorch"],
    similarity_fn_name="cosine",
    use_instructions=False,
    training_datasets=None,
    modalities=["audio"],
)
EarmarkModel.mteb_model_meta = META
'''
)
TEMPLATES: Mapping[str, tuple[str, str, str]] = {
    "hear": ("HEAR", HEAR, "earmark embed AUDIO -r hear:{module}"),
    "xares": ("X-ARES", XARES, "python -m xares.run {folder}/__init__.py TASKS"),
    "mteb": ("mteb", MTEB, "from {module} import EarmarkModel; mteb.evaluate(EarmarkModel(), tasks=…)"),
}


def write(name: str, folder: Path, form: str, layer: int | None) -> Exported:
    """Write the package of a form. Raises UserError for a folder that Python cannot import by its name."""
    if not folder.name.isidentifier():
        raise UserError(
            f"Expected a folder whose name is a Python name, for it is imported by it; got '{folder.name}'. "
            f"Write, for example, {folder.with_name('my_network')}."
        )
    encoder = EarmarkEncoder(name, layer)  # it can be loaded, and has that layer
    whom, template, use = TEMPLATES[form]
    where = _placed(name, folder)
    text(folder / "__init__.py", template.format(whom=whom, where=where, **_values(encoder.card, encoder.layer)))
    text(folder / "README.md", f"# {encoder.card.name} for {whom}\n\n{facts(encoder.card)}{cited(encoder.card)}")
    return Exported(
        folder, files_of(folder), use.format(module=folder.name, folder=folder), tuple(_notes(name, encoder))
    )


def _values(card: Card, layer: int) -> dict[str, object]:
    plain = card.name.replace(":", "-").replace("/", "-")
    return {
        "name": card.name,
        "layer": layer,
        "version": __version__,
        "licence": card.licence,
        "hub_name": f"earmark/{plain}",
        "revision": card.weights_sha256[:12] or str(card.version),
        "n_parameters": card.n_parameters,
        "dim": card.dim,
    }


def _placed(name: str, folder: Path) -> str:
    """Return how the package names its network; one that lies in a folder is copied into it."""
    if not any(one.strip().startswith("path:") for one in name.split("+")):
        return repr(name)
    if "+" in name:
        raise UserError(f"A package can hold one network of yours; got '{name}'. Export each of its own.")
    shutil.copytree(Path(name.removeprefix("path:")).expanduser(), folder / NETWORK)
    return f'f"path:{{Path(__file__).parent / {NETWORK!r}}}"'


def _notes(name: str, encoder: EarmarkEncoder) -> Iterator[str]:
    """Yield what a package that names a representation needs besides, where it is used."""
    made = encoder.representation
    parts = made.parts if isinstance(made, Joined) else (made,)
    for spelt, part in zip(name.split("+"), parts, strict=True):
        names = f"The package names '{spelt.strip()}'"
        if spelt.strip().startswith(OUTSIDE):
            yield f"{names}, which must be there too, under that name, where it is used."
        elif part.card.sources:
            yield f"{names}, whose weights it does not hold: `earmark get weights` where it is used."
