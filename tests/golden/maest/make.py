"""Write what maest-infer makes of a sound with drawn weights, beside this file. See README.md."""

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER.parent), str(FOLDER.parent.parent)]
importlib.import_module("torchaudio_stand_ins").put()

weights: Any = importlib.import_module("drawn_weights")
maest_infer: Any = importlib.import_module("maest_infer")
BLOCKS = (0, 6, 11)


def main() -> None:
    module = maest_infer.get_maest("discogs-maest-30s-pw-129e", pretrained=False).eval()
    drawn = {name: torch.from_numpy(weights.drawn(name, one.shape)) for name, one in module.state_dict().items()}
    module.load_state_dict(drawn)
    sound = torch.from_numpy(weights.sound(0, 48_000))
    with torch.inference_mode():
        found: Any = {f"block {block}": module(sound, transformer_block=block)[1].numpy() for block in BLOCKS}
        logits, answer = module(sound)
        found |= {
            "logits": logits.numpy(),
            "answer": answer.numpy(),
            "mel": module.melspectrogram(sound)[..., ::10].numpy(),
        }
    np.savez_compressed(FOLDER / "maest_infer.npz", **found)


if __name__ == "__main__":
    main()
