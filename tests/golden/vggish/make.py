"""Write what torchvggish makes of a sound with drawn weights, beside this file. See README.md."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent.parent))
for absent in ("resampy", "soundfile"):  # imported there, and not used here
    sys.modules[absent] = ModuleType(absent)

weights: Any = importlib.import_module("drawn_weights")
torchvggish: Any = importlib.import_module("torchvggish.torchvggish")
vggish_input: Any = importlib.import_module("torchvggish.vggish_input")


def main() -> None:
    network = torchvggish.VGG(torchvggish.make_layers(), postprocess=False)
    network.load_state_dict(
        {name: torch.from_numpy(weights.drawn(name, one.shape)) for name, one in network.state_dict().items()}
    )
    patches = vggish_input.waveform_to_examples(weights.sound(0, 2 * 15_360 + 999).astype(np.float64), 16_000).detach()
    after = object.__new__(torchvggish.Postprocessor)
    after._pca_matrix = torch.from_numpy(weights.drawn("pca", (128, 128)))
    after._pca_means = torch.from_numpy(weights.drawn("means", (128,)))[:, None]
    with torch.inference_mode():
        embedding = network(patches)
        found: Any = {
            "log_mel": patches[:, 0].numpy(),
            "embedding": embedding.numpy(),
            "whitened": after.postprocess(embedding).numpy(),
        }
    np.savez_compressed(FOLDER / "torchvggish.npz", **found)


if __name__ == "__main__":
    main()
