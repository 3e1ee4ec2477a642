"""Write what the authors' SampleCNN makes of two windows with drawn weights, beside this file. See README.md."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent.parent))
weights: Any = importlib.import_module("drawn_weights")
sample_cnn: Any = importlib.import_module("sample_cnn")


def main() -> None:
    network = sample_cnn.SampleCNN([3] * 9, False, 50).eval()
    network.fc = torch.nn.Identity()
    named = {name: one for name, one in network.state_dict().items() if one.ndim}
    network.load_state_dict(
        {name: torch.from_numpy(weights.drawn(name, one.shape)) for name, one in named.items()}, strict=False
    )
    windows = torch.from_numpy(weights.sound(0, 2 * 59_049)).view(2, 1, 59_049)
    with torch.inference_mode():
        found: Any = {"embedding": network(windows).numpy()}
    np.savez_compressed(FOLDER / "sample_cnn.npz", **found)


if __name__ == "__main__":
    main()
