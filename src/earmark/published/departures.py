"""Where an experiment means something else by a name than the protocol of that name, which its rows cannot say."""

from collections.abc import Iterator, Mapping

from earmark.deformations import PRESETS as CHAINS
from earmark.experiment import presets
from earmark.experiment.spec import Block, Experiment, ProbeChoice
from earmark.tasks import TASKS

Departures = Mapping[tuple[str, str], str]
"""(task, the name of a probe, or of a deformation, or "") → what is different; "" speaks of the whole task."""


def departures(experiment: Experiment) -> Departures:
    """Return every name of an experiment that does not stand for what the protocol of that name says."""
    return {(block.task.task.name, name): reason for block in experiment.blocks for name, reason in _of_block(block)}


def _of_block(block: Block) -> Iterator[tuple[str, str]]:
    task = block.task.task
    if task.name in TASKS and task != TASKS[task.name]:
        yield "", f"the experiment changes the task '{task.name}'"
    for choice in block.datasets:
        if choice.subset is not None:
            yield "", f"only {choice.subset} clips of {choice.train} were used"
    for chain in block.deformations:
        if chain.name in CHAINS and chain.steps != CHAINS[chain.name].steps:
            yield chain.name, f"the experiment means other transforms by '{chain.name}'"
    for probe in block.probes:
        if _is_changed(probe, block):
            yield probe.name, f"the experiment changes probe '{probe.name}' of preset '{probe.preset}'"


def _is_changed(probe: ProbeChoice, block: Block) -> bool:
    """Say whether a probe under a name of its preset has another recipe than the preset gives it."""
    if probe.preset is None:
        return False
    preset = presets.find(probe.preset)
    name = probe.name.removeprefix(f"{probe.preset}/")
    return name in preset.names and preset.recipes([name], block.task.task.kind)[name] != probe.recipe
