"""From the shape of a file to typed choices: names of tasks and presets resolved, impossible combinations refused."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from earmark.deformations import CLEAN, Chain, Step
from earmark.errors import UserError, hint
from earmark.experiment._choices import Block, DatasetChoice, ProbeChoice, RepresentationChoice, SplitType, TaskChoice
from earmark.experiment._shape import BlockShape, DatasetShape, ProbeShape, RepresentationShape, TaskShape, example_of
from earmark.experiment._yaml import Item
from earmark.metrics import METRICS
from earmark.probes.presets import preset
from earmark.probes.recipe import Recipe
from earmark.tasks import TASKS, Task

OWN_TASK = "{name: my_task, label: instrument, kind: multiclass}"
# A field of a recipe in the name of a probe, when it is not the default.
SHORT = {
    "learning_rate": "lr",
    "weight_decay": "wd",
    "batch_size": "batch",
    "standardise": "standardised",
}

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
    return Block(
        task=task,
        datasets=datasets,
        deformations=chains,
        representations=representations,
        probes=_probes(shape.probes, parts["probes"]),
        metrics=_metrics(shape.metrics, task.task, parts.get("metrics", item)),
        seeds=_seeds(shape.seeds, parts.get("seeds", item)),
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
        return TaskChoice(replace(TASKS[shape.name], **given), shape.aggregation)
    if missing:
        near = hint(shape.name, TASKS)
        known = f"; or one of earmark's: {', '.join(TASKS)}" if len(missing) == 2 else ""
        raise item.error(
            f"Task '{shape.name}' is none of earmark's, so it must say its {' and its '.join(missing)}.{near} "
            f"Write, for example, {OWN_TASK}{known}."
        )
    return TaskChoice(Task(name=shape.name, **given), shape.aggregation)


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
    chains = []
    for name, steps in shape.deformations.items():
        if name == CLEAN.name:
            raise item.fields[name].key.error("Clean audio is always scored. Leave 'clean' out, or rename the chain.")
        chain = Chain(name, tuple(Step(step.type, dict(step.params)) for step in steps), shape.deformation_seed)
        for step, one in zip(chain.steps, item.fields[name].entries, strict=True):
            _fixed(step, one)
        chains.append(chain)
    steps_of = [chain.steps for chain in chains]
    for index, chain in enumerate(chains):
        if chain.steps in steps_of[:index]:
            twin = chains[steps_of.index(chain.steps)].name
            raise item.fields[chain.name].key.error(
                f"Chain '{chain.name}' is the same as '{twin}'. Keep one of the two."
            )
    return tuple(chains)


def _fixed(step: Step, item: Item) -> None:
    for low in [name for name in step.params if name.startswith("min_")]:
        high = "max_" + low[4:]
        if high in step.params and step.params[low] != step.params[high]:
            raise (
                item.fields["params"]
                .fields[high]
                .error(
                    f"Expected {high} to equal {low}, {step.params[low]}, got {step.params[high]}: "
                    "a range belongs to a severity sweep. Write one value for both, or one chain for each severity."
                )
            )


def _representation(shape: RepresentationShape) -> RepresentationChoice:
    layers = None if shape.layers is None else tuple(shape.layers)
    return RepresentationChoice(
        shape.name, layers, shape.reduce, tuple(shape.pool), shape.segment_s, shape.segment_hop_s
    )


def _probes(shapes: Sequence[ProbeShape], item: Item) -> tuple[ProbeChoice, ...]:
    choices: list[ProbeChoice] = []
    for shape, one in zip(shapes, item.entries, strict=True):
        for choice in _from_preset(shape, one) if shape.preset is not None else _own(shape, one):
            if choice.name in [other.name for other in choices]:
                raise one.error(
                    f"Probe '{choice.name}' stands here a second time. Leave it out, or name it: "
                    "{kind: mlp, name: another, hidden_units: [128]}."
                )
            choices.append(choice)
    return tuple(choices)


def _from_preset(shape: ProbeShape, item: Item) -> list[ProbeChoice]:
    for key in ("kind", "name"):
        if getattr(shape, key) is not None:
            raise item.fields[key].key.error(
                f"A preset has its own {key}s. Leave '{key}' out, or 'preset': {{kind: mlp, hidden_units: [128]}}."
            )
    assert shape.preset is not None
    with item.fields.get("preset", item).blamed():
        recipes = preset(shape.preset)
    with item.fields.get("only", item).blamed():
        recipes = preset(shape.preset, shape.only)
    return [ProbeChoice(name, shape.preset, _recipe(recipe, shape, item)) for name, recipe in recipes.items()]


def _own(shape: ProbeShape, item: Item) -> list[ProbeChoice]:
    if shape.kind is None:
        raise item.error(
            "Expected a preset or a kind of probe. Write {preset: mir_ref-fixed}, or {kind: mlp, hidden_units: [128]}."
        )
    if shape.only is not None:
        raise item.fields["only"].key.error("'only' chooses from a preset, and there is none here. Leave it out.")
    recipe = _recipe(Recipe(), shape, item)
    return [ProbeChoice(shape.name or probe_name(recipe), None, recipe)]


def _recipe(recipe: Recipe, shape: ProbeShape, item: Item) -> Recipe:
    """Return a recipe with what the file says in place of its own; an error stands at the value it is about."""
    for each in fields(Recipe):
        value = getattr(shape, each.name)
        if value is not None:
            try:
                change: dict[str, Any] = {each.name: tuple(value) if isinstance(value, list) else value}
                recipe = replace(recipe, **change)
            except UserError as error:
                example = example_of(ProbeShape, each.name)
                raise item.fields[each.name].error(f"{error} Write, for example, {example}.") from error
    return recipe


def probe_name(recipe: Recipe) -> str:
    """Return a name made of a recipe's content: "linear", "mlp-256-128", "mlp-infer-lr0.0001"."""
    parts = ["-".join(["mlp", *map(str, recipe.hidden_units)]) if recipe.hidden_units else "linear"]
    for each in fields(Recipe):
        value = getattr(recipe, each.name)
        if each.name != "hidden_units" and value != each.default:
            shown = "" if isinstance(value, bool) else f"{value:g}"
            parts.append(SHORT.get(each.name, each.name) + shown)
    return "-".join(parts)


def _metrics(names: str | list[str], task: Task, item: Item) -> tuple[str, ...]:
    if isinstance(names, str):
        return ()
    fitting = [name for name, metric in METRICS.items() if task.kind in metric.kinds]
    listed = f"For {task.kind}: {', '.join(fitting)}; or write metrics: auto."
    for name, one in zip(names, item.entries, strict=True):
        if name not in METRICS:
            raise one.error(f"Unknown metric '{name}'.{hint(name, METRICS)} {listed}")
        if name not in fitting:
            kinds = ", ".join(sorted(METRICS[name].kinds))
            raise one.error(f"Metric '{name}' is for {kinds} tasks, and '{task.name}' is {task.kind}. {listed}")
    _unique(names, item.entries, "Metric '{}' stands here a second time. Keep one of the two.")
    return tuple(names)


def _seeds(seeds: Sequence[int], item: Item) -> tuple[int, ...]:
    _unique(seeds, item.entries, "Seed {} stands here a second time: it would give the same numbers. Keep one.")
    return tuple(seeds)
