"""Write what torchopenl3 makes of two seconds with drawn weights, beside this file. See README.md."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import librosa
import numpy as np
import torch

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent.parent))
for absent in ("resampy", "soundfile", "julius", "six"):  # imported there, and not used here
    sys.modules[absent] = ModuleType(absent)

weights: Any = importlib.import_module("drawn_weights")
models: Any = importlib.import_module("torchopenl3.models")


def main() -> None:
    found: dict[str, np.ndarray] = {}
    seconds = torch.from_numpy(weights.sound(0, 96_000)).view(2, 1, 48_000)
    for bands in (128, 256):
        for dim in (512, 6144):
            network = models.PytorchOpenl3("music", f"mel{bands}", dim).eval()
            own = {name: one for name, one in network.state_dict().items() if not name.startswith("speclayer")}
            drawn = {name: torch.from_numpy(weights.drawn(name, one.shape)) for name, one in own.items() if one.ndim}
            network.load_state_dict(drawn, strict=False)
            # What librosa called norm=1 when the network was trained. A newer one gives another thing by that name.
            basis = librosa.filters.mel(sr=48_000, n_fft=2048, n_mels=bands, htk=True, norm="slaney")
            network.speclayer.mel_basis.copy_(torch.from_numpy(basis))
            with torch.inference_mode():
                outputs = network(seconds, keep_all_outputs=True)
            found[f"{bands}/mel"] = outputs[0][1, 0, :, ::20].numpy()
            found[f"{bands}/{dim}"] = outputs[-1].numpy()
    arrays: Any = found
    np.savez_compressed(FOLDER / "torchopenl3.npz", **arrays)


if __name__ == "__main__":
    main()
