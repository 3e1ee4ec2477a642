"""What repsim says of two fixed views: writes golden.json beside this file.

Type, in an environment of its own with repsim 0.1.5 (BSD, its arithmetic is C++): python make.py
Its PWCCA is the mean of that weighted by x and that weighted by y. The views are sines: no generator is asked.
"""

import importlib
import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden.json"


def sines(n: int, dim: int, step: float) -> np.ndarray:
    """Return n frames of dim sines of incommensurable frequencies."""
    frames, columns = np.arange(n)[:, None], np.arange(dim)[None, :]
    return np.asarray(np.sin(step * (frames + 1.0) * (columns + 1.0) ** 0.5 + 0.3 * columns))


def views() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 frames of 5 and of 8 dimensions that share six directions."""
    shared = sines(200, 6, 0.731)
    x = shared @ sines(6, 5, 1.1) + 0.5 * sines(200, 5, 1.7)
    y = shared @ sines(6, 8, 0.9) + 0.5 * sines(200, 8, 2.3)
    return x, y


if __name__ == "__main__":
    repsim = importlib.import_module("repsim")
    both = list(views())
    found = {"pwcca": repsim.pwcca(both)[0, 1], "cka": repsim.cka(both, kernel_type="linear")[0, 1]}
    GOLDEN.write_text(json.dumps({name: float(value) for name, value in found.items()}, indent=1) + "\n")
