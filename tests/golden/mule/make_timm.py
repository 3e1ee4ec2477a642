"""Write what timm's convolutions with standardised weights make of inputs of odd and even sizes, beside this file.

Run in an environment of its own (README.md). timm adds 1e-6 to the variance, ours takes at least 1e-4 of n · variance.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent
CASES = {
    "odd": ((4, 6, 3, (2, 2), 1), (9, 13)),
    "even": ((4, 6, 3, (2, 2), 1), (8, 12)),
    "grouped": ((8, 8, 3, (1, 1), 4), (5, 6)),
    "long": ((3, 5, 7, (1, 4), 1), (6, 22)),
}


def standardised_convolution() -> Any:
    """Return timm's class, without the rest of timm, which wants torchvision."""
    found = importlib.util.find_spec("timm")
    assert found is not None
    assert found.submodule_search_locations is not None
    (root,) = found.submodule_search_locations
    for name, folder in (("timm", Path(root)), ("timm.layers", Path(root) / "layers")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return importlib.import_module("timm.layers.std_conv").ScaledStdConv2dSame


def main() -> None:
    made = standardised_convolution()
    generator = torch.Generator().manual_seed(0)
    found: dict[str, np.ndarray] = {}
    for name, ((n_in, n_out, kernel, stride, groups), size) in CASES.items():
        layer = made(n_in, n_out, kernel, stride=stride, groups=groups, gamma=1.0, gain_init=1.0, eps=1e-6)
        with torch.no_grad():
            for parameter in (layer.weight, layer.gain, layer.bias):
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        x = torch.randn(2, n_in, *size, generator=generator)
        answer = layer(x).detach()
        held = {"weight": layer.weight, "gain": layer.gain, "bias": layer.bias, "x": x, "answer": answer}
        found |= {f"{name}/{of}": one.detach().numpy() for of, one in held.items()}
    arrays: Any = found
    np.savez_compressed(FOLDER / "timm.npz", **arrays)


if __name__ == "__main__":
    main()
