"""Where the weights of a representation lie, and networks with random ones.

Weights are fetched by `earmark get weights NAME` alone, from the card's sources: nothing here reaches the network,
and nothing is unpickled (safetensors, or torch's loader with weights_only).
"""

import dataclasses
import hashlib
import pickle
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from earmark import identity, places
from earmark.errors import MissingPart, UserError
from earmark.nouns import Card


def need(card: Card) -> Path:
    """Return the folder of a card's weights. Raises MissingPart, with the line to type, when a file is not there."""
    folder = places.weights_folder(card.name)
    missing = [source.path for source in card.sources if source.path and not (folder / source.path).exists()]
    if missing or not folder.is_dir():
        raise MissingPart(
            f"The weights of '{card.name}' are not in '{folder}' (missing: {', '.join(missing) or 'all'}; licence: "
            f"{card.licence}). Type: earmark get weights {card.name}"
        )
    return folder


def sha256_of(*files: Path) -> str:
    """Return the sha256 of one file of weights, or of the list of those of several."""
    if len(files) == 1:
        return identity.file_sha256(files[0])
    return identity.key_of(weights=[identity.file_sha256(file) for file in files])


def sha256_of_state(network: torch.nn.Module) -> str:
    """Return a hash of a network's parameters and buffers, for networks that no file holds."""
    state = {name: _bytes(tensor) for name, tensor in sorted(network.state_dict().items())}
    return identity.key_of(state={name: hashlib.sha256(content).hexdigest() for name, content in state.items()})


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def random_card(card: Card, network: torch.nn.Module, seed: int) -> Card:
    """Return the card of a network that has the shape of `card` and random weights."""
    return dataclasses.replace(
        card,
        name=f"random:{card.name}" + (f"@{seed}" if seed else ""),
        trained_on="nothing",
        objective="none",
        licence="Apache-2.0",
        commercial=True,
        verified="parity" if card.verified == "real" else card.verified,  # no published weights ran
        sources=(),
        weights_sha256=sha256_of_state(network),
    )


def files_of(card: Card, alike: Iterable[Card] = ()) -> tuple[Path, ...]:
    """Return the files of a card's weights, each from its own folder or from that of a card in `alike` that has it.

    Raises MissingPart, with the line to type, and UserError for a miniature, which has none.
    """
    if not card.sources:
        raise UserError(f"'{card.name}' exists for tests and has no weights. Write 'random:{card.name}'.")
    folders = [places.weights_folder(one.name) for one in (card, *alike)]
    found = [next((one / of.path for one in folders if (one / of.path).is_file()), None) for of in card.sources]
    return tuple(one or need(card) / of.path for one, of in zip(found, card.sources, strict=True))


def file_of(card: Card, alike: Iterable[Card] = ()) -> Path:
    """Return the file of a card whose weights are in one. Raises as `files_of`."""
    return files_of(card, alike)[0]


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by their published names, on the CPU; nothing is unpickled.

    Of torch's own files only what is used of them is read from the disk, where their form (since 2020) allows it.
    Raises UserError when the file holds anything but tensors, or is damaged.
    """
    if path.suffix == ".safetensors":
        try:
            safe: dict[str, torch.Tensor] = load_file(path)
        except SafetensorError as error:
            raise UserError(f"'{path}' is damaged: {error}. Copy or fetch it again.") from error
        return safe
    try:
        state: dict[str, torch.Tensor] = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except pickle.UnpicklingError as error:
        raise UserError(f"Expected only tensors in '{path}', got more, which is never unpickled: {error}") from error
    return state


def remedy(name: str) -> str:
    """Return what to do about a file that does not hold the weights of `name`."""
    if name.startswith("path:"):
        return "Save settings and weights of one network together."
    return f"Delete the file and type: earmark get weights {name}"


def fill(network: torch.nn.Module, state: Mapping[str, torch.Tensor], card: Card, file: Path) -> None:
    """Give a network all its weights and nothing over. Raises UserError where names or shapes differ."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"'{file}' does not hold the weights of '{card.name}': {error} {remedy(card.name)}") from error


@contextmanager
def seeded(name: str, seed: int) -> Iterator[None]:
    """Seed torch's global generator while a library draws random weights from it, and restore it after.

    The same name and seed give the same weights on any machine with the same torch.
    """
    with forked(identity.seed_for("weights", name, seed), torch.device("cpu")):
        yield


@contextmanager
def forked(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, of the CPU and of one device, while a library draws from them; restore them."""
    is_cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if is_cuda else []):
        torch.default_generator.manual_seed(seed)
        if is_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
