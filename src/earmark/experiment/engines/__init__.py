"""Engines schedule jobs and know nothing of what is in them: processes here, an array of SLURM, actors of Ray.

All of them leave the same in the store: a job runs on one thread, and what it makes has the name of its content.
"""

from pathlib import Path

from earmark.experiment.engines.choice import Engine, EngineChoice, EngineName, choice_of
from earmark.experiment.engines.local import Local
from earmark.experiment.engines.ray import Ray
from earmark.experiment.engines.slurm import OnPaper, Slurm

__all__ = ["Engine", "EngineChoice", "EngineName", "Local", "OnPaper", "choice_of", "start"]


def start(choice: EngineChoice, root: Path, processes: int, with_gpu: bool = False) -> Engine:
    """Return the engine that was chosen, for a store in `root`: so many workers of one thread, with a GPU each.

    Raises MissingPart where its library is not installed, UserError where there is no such cluster.
    """
    if choice.name == "ray":
        return Ray(root, processes, choice, with_gpu)
    if choice.name == "local":
        return Local(root, processes)
    return Slurm(root, processes, choice, with_gpu)
