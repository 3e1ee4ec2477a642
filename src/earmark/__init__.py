"""earmark: learn, embed, probe, compare and understand music audio representations."""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_FACE = {
    "run": "earmark.experiment.run:run",
    "plan": "earmark.experiment.estimate:plan",
    "embed": "earmark.catalogue.embedding:embed",
    "predict": "earmark.catalogue.prediction:predict",
    "table": "earmark.experiment.results:table",
    "pretrain": "earmark.training.pretrain:pretrain",
    "finetune": "earmark.experiment.finetune:finetune",
    "export": "earmark.exports:export",
    "report": "earmark.reports.page:report",
    "load_representation": "earmark.representations.base:load",
    "load_dataset": "earmark.datasets.names:load",
    "load_probe": "earmark.catalogue.prediction:load_probe",
    "Clip": "earmark.nouns:Clip",
    "Result": "earmark.nouns:Result",
    "EarmarkError": "earmark.errors:EarmarkError",
}

__all__ = ["Clip", "EarmarkError", "Result", "embed", "export", "finetune", "load_dataset", "load_probe"]
__all__ += ["load_representation", "plan", "predict", "pretrain", "report", "run", "table"]

if TYPE_CHECKING:
    from earmark.catalogue.embedding import embed
    from earmark.catalogue.prediction import load_probe, predict
    from earmark.datasets.names import load as load_dataset
    from earmark.errors import EarmarkError
    from earmark.experiment.estimate import plan
    from earmark.experiment.finetune import finetune
    from earmark.experiment.results import table
    from earmark.experiment.run import run
    from earmark.exports import export
    from earmark.nouns import Clip, Result
    from earmark.reports.page import report
    from earmark.representations.base import load as load_representation
    from earmark.training.pretrain import pretrain


def __getattr__(name: str) -> object:
    """Resolve a public name on first use, so that `import earmark` and `earmark --help` stay quick."""
    if name not in _FACE:
        raise AttributeError(f"module 'earmark' has no attribute '{name}'")
    module, _, attribute = _FACE[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
