"""NT-Xent and its gradient as lightly 1.6.0 has them. Run in an environment of its own; see README.md."""

import importlib
import importlib.machinery
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

TEMPERATURES = (0.1, 0.5)
PRETENDED = ("torchvision", "pytorch_lightning", "hydra", "omegaconf", "aenum")


class Pretended:
    """Finds what lightly imports beside its losses, and they do not use: torchvision wants a torch of its own."""

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        loader: Any = self
        is_wanted = name.partition(".")[0] in PRETENDED
        return importlib.machinery.ModuleSpec(name, loader, is_package=True) if is_wanted else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        made = MagicMock(name=spec.name)
        made.__path__, made.__spec__, made.__name__ = [], spec, spec.name
        return made

    def exec_module(self, module: ModuleType) -> None:
        pass


sys.meta_path.append(Pretended())
loss_of: Any = importlib.import_module("lightly.loss.ntx_ent_loss").NTXentLoss
rows = torch.randn(6, 2, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
found: dict[str, Any] = {"rows": rows.numpy()}
for temperature in TEMPERATURES:
    live = rows.clone().requires_grad_()
    loss = loss_of(temperature=temperature)(live[:, 0], live[:, 1])
    (gradient,) = torch.autograd.grad(loss, live)
    found |= {f"loss_{temperature}": np.array(loss.item()), f"gradient_{temperature}": gradient.numpy()}
np.savez(Path(__file__).with_name("lightly.npz"), **found)
