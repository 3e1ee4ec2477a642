"""Write what hear21passt makes of a sound with drawn weights, beside this file. See README.md."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER.parent), str(FOLDER.parent.parent)]
importlib.import_module("torchaudio_stand_ins").put()
for absent in ("timm", "timm.models", "timm.models._hub"):  # for a download that does not happen here
    sys.modules[absent] = ModuleType(absent)
vars(sys.modules["timm.models._hub"])["download_cached_file"] = None

weights: Any = importlib.import_module("drawn_weights")
passt: Any = importlib.import_module("hear21passt.models.passt")
preprocess: Any = importlib.import_module("hear21passt.models.preprocess")
wrapper: Any = importlib.import_module("hear21passt.wrapper")


def main() -> None:
    network = passt.PaSST(stride=(10, 10), img_size=(128, 998), distilled=True)
    drawn = {name: torch.from_numpy(weights.drawn(name, one.shape)) for name, one in network.state_dict().items()}
    network.load_state_dict(drawn)
    mel = preprocess.AugmentMelSTFT(fmin_aug_range=10, fmax_aug_range=2000)
    module = wrapper.PasstBasicWrapper(mel=mel, net=network, mode="all").eval()
    sounds = torch.from_numpy(np.stack([weights.sound(seed, 64_000) for seed in (0, 1)]))
    with torch.inference_mode():
        found: Any = {"mel": mel(sounds)[:, :, ::20].numpy(), "scene": module.get_scene_embeddings(sounds).numpy()}
    np.savez_compressed(FOLDER / "hear21passt.npz", **found)


if __name__ == "__main__":
    main()
