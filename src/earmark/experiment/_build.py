"""From the shape of a file to typed choices: names of tasks and presets resolved, impossible combinations refused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from earmark.analysis.descriptors import DESCRIPTORS, PREFIX
from earmark.deformations import CLEAN, Chain, sweep_of
from earmark.errors import UnknownName, hint
from earmark.experiment import _sweeps
from earmark.experiment._choices import (
    Block,
    DatasetChoice,
    ProbeChoice,
    RepresentationChoice,
    ShareOf,
    SplitType,
    TaskChoice,
)
from earmark.experiment._probes import probes
from earmark.experiment._shape import BlockShape, DatasetShape, RepresentationShape, TaskShape
from earmark.metrics import METRICS
from earmark.probes.kinds import candidates
from earmark.tasks import TASKS, Task
from earmark.written.places import Item

OWN_TASK = "{name: my_task, label: instrument, kind: multiclass}"
RIVAL = (
    "Representation '{}' stands here a second time with the same layers and pool: a table could not tell them apart. "
    "Leave it out, or move it to another file."
)


def build(shape: BlockShape, item: Item) -> Block:
    """Return one block of a file; `item` is where it stands. Raises SpecError."""
    parts = item.fields
    task = _task(shape.task, parts["task"])
    datasets = _datasets(shape.datasets, task.task, parts.get("datasets"), parts["task"])
    chains = _chains(shape, parts.get("deformations", item))
    representations = tuple(_representation(one) for one in shape.representations)
    _unique([(one.name, one.layer_name, one.pool) for one in representations], parts["representations"].entries, RIVAL)
    for one, place in zip(representations, parts["representations"].entries, strict=True):
        if one.reduce == "best" and len(one.parts) > 1:
            raise place.error(f"reduce: best chooses a layer of one representation, and '{one.name}' joins several.")
    found = probes(shape.probes, parts["probes"], task.task.kind)
    for choice in found:
        _require_grain(choice, task.aggregation, parts["probes"])
    return Block(
        task=task,
        datasets=datasets,
        deformations=chains,
        representations=representations,
        probes=found,
        metrics=_metrics(shape.metrics, task.task, parts.get("metrics", item)),
        seeds=_seeds(shape.seeds, parts.get("seeds", item)),
        train_shares=tuple(sorted(set(shape.train_shares or ()))),
        share_of=_share_of(shape, parts),
        codelength=shape.codelength,
        per=_per(shape.per, task.task, parts.get("per", item)),
    )


def _share_of(shape: BlockShape, parts: Mapping[str, Item]) -> ShareOf:
    if "share_of" in parts and not shape.train_shares:
        raise parts["share_of"].key.error(
            "share_of says what train_shares are of, and there are none. Add them, or leave it out."
        )
    return shape.share_of


def _require_grain(choice: ProbeChoice, aggregation: str, item: Item) -> None:
    """Refuse a probe of which it is unclear what it sees of a clip."""
    pools = {getattr(recipe, "pool_frames", "none") != "none" for recipe in candidates(choice.recipe)}
    if len(pools) > 1:
        raise item.error(
            f"'{choice.name}' chooses between probes that pool_frames and probes that do not. Set all alike."
        )
    if pools == {True} and aggregation == "prediction":
        raise item.error(
            f"'{choice.name}' pools the frames of a clip (pool_frames), so there are no predictions of segments to "
            "average. Leave aggregation out."
        )


def _unique(names: Sequence[object], items: Sequence[Item], message: str) -> None:
    """Refuse a second of the same name at its place."""
    for index, name in enumerate(names):
        if name in names[:index]:
            raise items[index].error(message.format(name[0] if isinstance(name, tuple) else name))


def _task(shape: TaskShape, item: Item) -> TaskChoice:
    given = {key: value for key, value in shape if value is not None and key not in ("aggregation", "name")}
    missing = [key for key in ("label", "kind") if key not in given]
    if shape.name in TASKS:
        return TaskChoice(_heard(replace(TASKS[shape.name], **given), item), shape.aggregation)
    if missing:
        near = hint(shape.name, TASKS)
        known = f"; or one of earmark's: {', '.join(TASKS)}" if len(missing) == 2 else ""
        raise item.error(
            f"Task '{shape.name}' is none of earmark's, so it must say its {' and its '.join(missing)}.{near} "
            f"Write, for example, {OWN_TASK}{known}."
        )
    return TaskChoice(_heard(Task(name=shape.name, **given), item), shape.aggregation)


def _heard(task: Task, item: Item) -> Task:
    """Return a task, whose label, where it is computed from the audio, must be a known one and a number."""
    if task.label.startswith(PREFIX):
        with item.fields.get("label", item).blamed():
            if task.label not in DESCRIPTORS:
                raise UnknownName("label that is computed from the audio", task.label, DESCRIPTORS)
        if task.kind != "regression":
            raise item.fields.get("kind", item).error(
                f"'{task.label}' is a number ({DESCRIPTORS[task.label].unit}), so a task of it is regression, not "
                f"{task.kind}. Write kind: regression."
            )
    return task


def _datasets(
    shapes: Sequence[DatasetShape], task: Task, item: Item | None, task_item: Item
) -> tuple[DatasetChoice, ...]:
    if item is None:
        if task.dataset is None:
            raise task_item.error(
                f"Task '{task.name}' brings no dataset. Write, beside it, for example, "
                "datasets: [{name: folder, dir: data/my_audio}]."
            )
        return (DatasetChoice(task.dataset, task.dataset),)
    choices = tuple(_dataset(shape, task, one) for shape, one in zip(shapes, item.entries, strict=True))
    # Rows of a table are named by the datasets, and the folder tells one user's folder from another.
    names = [(f"{one.train} → {one.test}" if one.train != one.test else one.train, one.dir) for one in choices]
    _unique(names, item.entries, "Dataset '{}' stands here a second time. Keep one of the two.")
    return choices


def _dataset(shape: DatasetShape, task: Task, item: Item) -> DatasetChoice:
    train, test = shape.train or shape.name or task.dataset, shape.test or shape.name or task.dataset
    if (shape.train is None) != (shape.test is None) or (shape.train is not None and shape.name is not None):
        raise item.error("Expected a name, or train and test together. Write {name: studio}, or {train: A, test: B}.")
    if train is None or test is None:
        raise item.error(f"Task '{task.name}' brings no dataset, so this one needs a name, such as name: folder.")
    split_type: SplitType = DatasetChoice.split_type
    if isinstance(shape.split_type, list):
        ratios = shape.split_type
        if len(ratios) not in (2, 3) or min(ratios) <= 0 or abs(sum(ratios) - 1) > 1e-6:
            raise item.fields["split_type"].error(
                f"Expected ratios above 0 that sum to 1, as [train, valid, test] or [train, test], got {ratios}. "
                "Write, for example, split_type: [0.8, 0.1, 0.1]."
            )
        split_type = tuple(ratios)
    elif shape.split_type is not None:
        split_type = shape.split_type
    return DatasetChoice(train, test, None if shape.dir is None else Path(shape.dir), split_type, shape.subset)


def _chains(shape: BlockShape, item: Item) -> tuple[Chain, ...]:
    found: dict[str, Chain] = {}
    makers: dict[str, str] = {}
    for name, steps in shape.deformations.items():
        place = item.fields[name].key
        if name == CLEAN.name:
            raise place.error("Clean audio is always scored. Leave 'clean' out, or rename the chain.")
        for chain in _sweeps.chains(name, steps, item.fields[name], shape.deformation_seed):
            if chain.name in found:
                raise place.error(f"Chain '{chain.name}' stands here a second time. Keep one of the two.")
            if twin := next((other.name for other in found.values() if other.steps == chain.steps), None):
                raise place.error(f"Chain '{chain.name}' is the same as '{twin}'. Keep one of the two.")
            sweep, maker = sweep_of(chain.name), "" if chain.name == name else name
            if sweep is not None and makers.setdefault(sweep, maker) != maker:
                raise place.error(
                    f"By its name '{chain.name}' is a point of the curve '{sweep}', to which other chains of this file "
                    "belong: a sweep, or such as are written out. Call one of the two something else."
                )
            found[chain.name] = chain
    return tuple(found.values())


def _representation(shape: RepresentationShape) -> RepresentationChoice:
    layers = None if shape.layers is None else tuple(shape.layers)
    return RepresentationChoice(
        shape.name, layers, shape.reduce, tuple(shape.pool), shape.segment_s, shape.segment_hop_s, shape.precision
    )


def _metrics(names: str | list[str], task: Task, item: Item) -> tuple[str, ...]:
    if isinstance(names, str):
        return ()
    fitting = [name for name, metric in METRICS.items() if task.kind in metric.kinds]
    listed = f"For {task.kind}: {', '.join(fitting)}; or write metrics: auto."
    for name, one in zip(names, item.entries, strict=True):
        if ":" in name:  # the user's own: imported when names are asked, not when a file is read
            continue
        if name not in METRICS:
            raise one.error(f"Unknown metric '{name}'.{hint(name, METRICS)} {listed}")
        if name not in fitting:
            kinds = ", ".join(sorted(METRICS[name].kinds))
            raise one.error(f"Metric '{name}' is for {kinds} tasks, and '{task.name}' is {task.kind}. {listed}")
    _unique(names, item.entries, "Metric '{}' stands here a second time. Keep one of the two.")
    return tuple(names)


def _per(names: Sequence[str], task: Task, item: Item) -> tuple[str, ...]:
    _unique(names, item.entries, "Attribute '{}' stands here a second time. Keep one.")
    if task.label in names:
        raise item.entries[names.index(task.label)].error(
            f"'{task.label}' is what '{task.name}' predicts, and results hold the scores of each of its classes. "
            "Write other labels of the dataset, such as per: [singer]."
        )
    return tuple(names)


def _seeds(seeds: Sequence[int], item: Item) -> tuple[int, ...]:
    _unique(seeds, item.entries, "Seed {} stands here a second time: it would give the same numbers. Keep one.")
    return tuple(seeds)
