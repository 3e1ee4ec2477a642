"""Experiment files: YAML in, typed and frozen choices out. Every mistake has its file, line and column.

    name: robust-instruments
    experiments:
      - task: studio_family
        representations: [logmel, {name: mfcc, pool: [mean, std]}]
        probes: [{preset: mir_ref-fixed, only: [M1, M3]}]

Old names of the thesis and of mir_ref are translated (`_synonyms`), the shape is checked (`_shape`), and what fits
is given its meaning (`_build`). Folders are relative to the current folder, files beside the experiment.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ruamel.yaml import YAML

from earmark import deformations, lookup, metrics
from earmark.datasets import names
from earmark.deformations import Chain, Step
from earmark.errors import UserError
from earmark.experiment import _build, _shape, _synonyms
from earmark.experiment._choices import (
    Block,
    DatasetChoice,
    Experiment,
    Precision,
    ProbeChoice,
    RepresentationChoice,
    ShareOf,
    TaskChoice,
)
from earmark.nouns import Kind
from earmark.probes import kinds
from earmark.representations import base
from earmark.written import misfit, places
from earmark.written.misfit import Form

__all__ = [
    "EXAMPLE_CHAINS",
    "Block",
    "Chain",
    "DatasetChoice",
    "Experiment",
    "Precision",
    "ProbeChoice",
    "RepresentationChoice",
    "ShareOf",
    "Step",
    "TaskChoice",
    "check_names",
    "json_schema",
    "load",
    "of_item",
    "parse",
    "to_yaml",
]

EXAMPLE_CHAINS = deformations.PRESETS
SHIPPED = Path(__file__).parents[1] / "experiments"
# Datasets that are the user's own: their folder or file must be there.
OWN_DATA = ("folder", "manifest", "recording")

FORM = Form(
    _shape.ExperimentShape,
    "experiments: [{task: studio_family, representations: [logmel], probes: [mir_ref-fixed]}]",
    named=("task", "datasets", "representations", "probes"),
)

json_schema = _shape.json_schema


def load(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of a file. `overrides` are "path.to.key=value", each value YAML.

    That names of datasets and representations exist is asked by `check_names`: a file may speak of more than is
    installed. A bare name, such as "demo", that is no file is one of the experiments that earmark ships.
    Raises SpecError with file:line:column ("--set" for an override), UserError when there is no file.
    """
    file = SHIPPED / f"{path.stem}.yml" if not path.exists() and path.name in _shipped_names() else path
    return _experiment(places.read(file, _synonyms.LISTS), file, overrides)


def _shipped_names() -> set[str]:
    return {name for file in SHIPPED.glob("*.yml") for name in (file.stem, file.name)}


def parse(text: str, path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of a text; `path` is what errors name, and where WORD.yml files are looked for."""
    return _experiment(places.parse(text, path, _synonyms.LISTS), path, overrides)


def _experiment(root: places.Item, path: Path, overrides: Sequence[str]) -> Experiment:
    for number, text in enumerate(overrides, start=1):
        places.override(root, text, number, _synonyms.NEW_NAMES)
    return of_item(root, path)


def of_item(root: places.Item, path: Path) -> Experiment:
    """Return the experiment of what was read of a file, each part of which knows its place. Raises SpecError."""
    notes = _synonyms.translate(root)
    shape = misfit.fitted(root, FORM)
    items = root.fields["experiments"].entries
    blocks: list[Block] = []
    for one, item in zip(shape.experiments, items, strict=True):
        block = _build.build(one, item)
        if block in blocks:
            raise item.error("This experiment is the same as one above it. Keep one of the two.")
        blocks.append(block)
    return Experiment(
        name=shape.name or path.stem,
        blocks=tuple(blocks),
        resamples=shape.resamples,
        ci_level=shape.ci_level,
        commercial=shape.commercial,
        unverified=shape.unverified,
        source=path,
        notes=notes,
        positions={where: item.place for where, item in root.walk()},
    )


def check_names(experiment: Experiment) -> None:
    """Raise at its place for the first name that no room knows, or that cannot be used.

    Asks datasets, representations, metrics, transforms with their parameters, and whether the user's own data is there.
    """
    for index, block in enumerate(experiment.blocks):
        for path, check in _checks(block):
            # A chain that was written out of a sweep stands under the sweep's name.
            if (("experiments", index, *path[:2]) not in experiment.positions) and path[0] == "deformations":
                path = ("deformations", deformations.sweep_of(str(path[1])) or path[1], *path[2:])
            try:
                check()
            except UserError as error:
                raise experiment.error(("experiments", index, *path), str(error)) from error


def _checks(block: Block) -> Iterator[tuple[tuple[str | int, ...], Callable[[], None]]]:
    for index, dataset in enumerate(block.datasets):
        crossed = dataset.train != dataset.test
        for key, name in (("train", dataset.train), ("test", dataset.test)):
            yield ("datasets", index, key if crossed else "name"), partial(_require_dataset, name)
        yield ("datasets", index, "dir"), partial(_require_own_data, dataset)
    for chain in block.deformations:
        for index, step in enumerate(chain.steps):
            yield ("deformations", chain.name, index), partial(_require_step, Chain(chain.name, (step,)))
    for index, choice in enumerate(block.representations):
        yield ("representations", index, "name"), partial(_require_representation, choice)
        yield ("representations", index, "name"), partial(_require_one_frame_rate, choice, block)
    yield ("codelength",), partial(_require_probabilities, block)
    for index, name in enumerate(block.metrics):
        yield ("metrics", index), partial(_require_metric, name, block.task.task.kind)


def _require_probabilities(block: Block) -> None:
    task = block.task.task
    if block.codelength and task.kind == "regression":
        raise UserError(f"A codelength is of classes or labels, and '{task.name}' is regression. Leave codelength out.")
    for choice in block.probes if block.codelength else ():
        if not kinds.is_fitted(choice.recipe):
            raise UserError(f"'{choice.name}' learns nothing, so there is no codelength. Leave one out.")
        if any(recipe.probe == "ridge" for recipe in kinds.candidates(choice.recipe)):
            raise UserError(
                f"'{choice.name}' is a ridge regression, which gives no probabilities to code by. Leave one out."
            )
        # A loss that the kind of task has anyway is auto by now.
        if any(getattr(recipe, "loss", "auto") == "binary" for recipe in kinds.candidates(choice.recipe)):
            raise UserError(
                f"'{choice.name}' has loss: binary, each class by itself, and a codelength needs probabilities that "
                "sum to 1. Leave one out."
            )


def _require_dataset(name: str) -> None:
    names.card(name)


def _require_own_data(dataset: DatasetChoice) -> None:
    if lookup.external(dataset.train) is None and names.find(dataset.train).file_name in OWN_DATA:
        if dataset.dir is None:
            raise UserError(f"'{dataset.train}' is your own data, so it needs a place, such as dir: data/my_audio.")
        if not dataset.dir.exists():
            raise UserError(
                f"There is nothing at '{dataset.dir}' (seen from '{Path.cwd()}', the current folder). Correct dir, or "
                "go to where it is right."
            )


def _require_step(chain: Chain) -> None:
    deformations.check(chain)
    for file in deformations.files_of(chain):
        if not Path(file).exists():
            raise UserError(f"There is nothing at '{file}', which {chain.steps[0].type} reads. Correct the path.")


def _require_representation(choice: RepresentationChoice) -> None:
    if len(choice.parts) > 1:
        base.card(choice.name)  # says how names are joined, where they are not
    for part in choice.parts:
        card = None if base.is_not_yet(part.name) else base.card(part.name)
        wrong = [layer for layer in choice.layers or () if card is not None and not 0 <= layer < card.layers]
        # Of a joined name, a part with one layer stands beside any layer of the others.
        if card is not None and wrong and not (card.layers == 1 and len(choice.parts) > 1):
            raise UserError(f"'{part.name}' has layers 0 to {card.layers - 1}; got {list(choice.layers or ())}.")


def _require_one_frame_rate(choice: RepresentationChoice, block: Block) -> None:
    """Refuse frames side by side of which one part has more than another, where both cards are known."""
    cards = [base.card(part.name) for part in choice.parts if not base.is_not_yet(part.name)]
    rates = sorted({card.frame_rate_hz for card in cards if card is not None})
    if len(rates) > 1 and (probe := _pooling(block)):
        raise UserError(
            f"'{probe}' pools frames, and the parts of '{choice.name}' have {' and '.join(map(str, rates))} "
            "a second, so they cannot stand side by side. Leave pool_frames out, or use one part alone."
        )


def _pooling(block: Block) -> str | None:
    """Return the name of a probe that sees frames, if there is one."""
    among = ((probe.name, recipe) for probe in block.probes for recipe in kinds.candidates(probe.recipe))
    return next((name for name, recipe in among if getattr(recipe, "pool_frames", "none") != "none"), None)


def _require_metric(name: str, kind: Kind) -> None:
    metrics.find(name, kind)


def to_yaml(experiment: Experiment) -> str:
    """Return the experiment as a file that says everything, under today's names; loading it gives an equal one."""
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 120
    out = io.StringIO()
    yaml.dump(experiment.plain(), out)
    return out.getvalue()
