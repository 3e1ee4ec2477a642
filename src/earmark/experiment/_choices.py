"""What an experiment file says, typed: names and numbers only, frozen, each block hashable."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from earmark import identity
from earmark.deformations import Chain
from earmark.errors import UserError
from earmark.probes import own_recipe, select
from earmark.probes.base import AnyRecipe
from earmark.tasks import Task
from earmark.written.places import Place

Aggregation = Literal["embedding_mean", "prediction"]
Statistic = Literal["mean", "std"]
Precision = Literal["float32", "bf16"]
SplitType = str | tuple[float, ...]  # "single", "all", "kfold-5", or ratios
# Their order changes no number and no name; the order of everything else does, as of steps and layers.
# What a field of a recipe, by its kind, is called in a file, where that is another word.
FILE_KEYS: Mapping[str, Mapping[str, str]] = {"own": {"name": "class_path"}, "selected": {"recipes": "among"}}
NO_PART = ("name", "commercial", "unverified")  # of what is measured
UNORDERED = ("experiments", "datasets", "representations", "probes", "metrics", "seeds", "per")


@dataclass(frozen=True)
class RepresentationChoice:
    """A representation and how its frames become one vector per clip. `layers` None: all of them.

    `reduce`: several layers become their mean, or stand side by side, or are a choice each, or of them the probe
    chooses the best by the validation clips.
    `precision` is that of the forward pass; what comes out of it is float32.
    """

    name: str
    layers: tuple[int, ...] | None = None
    reduce: Literal["mean", "concat", "each", "best"] = "mean"
    pool: tuple[Statistic, ...] = ("mean",)
    segment_s: float | None = None
    segment_hop_s: float | None = None
    precision: Precision = "float32"

    @property
    def parts(self) -> "tuple[RepresentationChoice, ...]":
        """What is embedded for it: itself; of a joined name (`a+b`) each part, under the same settings."""
        return tuple(replace(self, name=name.strip()) for name in self.name.split("+"))

    @property
    def layer_name(self) -> str:
        """The layers as tables say them: "all", "6", "4-8", "0,6,12", "concat 4-8", "best of 4-8"."""
        layers = self.layers
        if layers is None:
            said = "all"
        elif len(layers) > 2 and layers == tuple(range(layers[0], layers[-1] + 1)):
            said = f"{layers[0]}-{layers[-1]}"
        else:
            said = ",".join(map(str, layers))
        before = {"mean": "", "concat": "concat ", "each": "each of ", "best": "best of "}
        return before[self.reduce] + said


@dataclass(frozen=True)
class ProbeChoice:
    """A probe under the name that tables show; `preset` is where its recipe comes from.

    The name of a preset's probe is M1, or mir_ref/M1 where two presets have one or where the preset is cut short.
    """

    name: str
    preset: str | None
    recipe: AnyRecipe


@dataclass(frozen=True)
class DatasetChoice:
    """The dataset to fit on and the one to score, most often the same.

    `dir` is as written: relative to the current folder, like the thesis' data/tinysol.
    """

    train: str
    test: str
    dir: Path | None = None
    split_type: SplitType = "single"
    subset: int | None = None


@dataclass(frozen=True)
class TaskChoice:
    """A task, and whether segments are averaged before the probe or its predictions after."""

    task: Task
    aggregation: Aggregation = "embedding_mean"


ShareOf = Literal["clips", "groups"]


@dataclass(frozen=True)
class Block:
    """One task and what it is crossed with. Clean is always scored and is not among `deformations`.

    `metrics` () means auto: those of the task's kind. `per` names attributes of the clips: what is scored is also
    scored for each of their values alone.
    """

    task: TaskChoice
    datasets: tuple[DatasetChoice, ...]
    deformations: tuple[Chain, ...]
    representations: tuple[RepresentationChoice, ...]
    probes: tuple[ProbeChoice, ...]
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    per: tuple[str, ...] = ()
    train_shares: tuple[float, ...] = ()
    share_of: ShareOf = "clips"
    codelength: bool = False


@dataclass(frozen=True)
class Experiment:
    """A whole file. `source`, `notes` and `positions` are no part of what it is.

    `commercial` and `unverified` say what may run, and change no number: `permitted`.
    `notes` are lines for the user on what was translated; `positions` maps a path such as
    ("experiments", 0, "task") to its place in the file.
    """

    name: str
    blocks: tuple[Block, ...]
    resamples: int = 1000
    ci_level: float = 0.95
    commercial: bool = False
    unverified: bool = False
    source: Path | None = field(default=None, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)
    positions: Mapping[tuple[str | int, ...], Place] = field(default_factory=dict, compare=False, repr=False)

    @property
    def spec_hash(self) -> str:
        """The key of what is measured: the same under any name and in any order of the file."""
        return identity.key_of(
            **{key: _sorted(value, key) for key, value in self.plain().items() if key not in NO_PART}
        )

    def error(self, path: Sequence[str | int], message: str) -> UserError:
        """Return an error at the place of `path` or the nearest above it; without a place if made of no file."""
        for end in range(len(path), -1, -1):
            if place := self.positions.get(tuple(path[:end])):
                return place.error(message)
        return UserError(message)

    def plain(self) -> dict[str, object]:
        """Return the content as plain values, under today's keys and without anything left to defaults."""
        return {
            "name": self.name,
            "experiments": [_plain_block(block) for block in self.blocks],
            "resamples": self.resamples,
            "ci_level": self.ci_level,
            **_given(commercial=self.commercial or None, unverified=self.unverified or None),
        }


def _plain_block(block: Block) -> dict[str, object]:
    task = block.task.task
    seeds = {chain.seed for chain in block.deformations}
    return {
        "task": _given(
            name=task.name,
            label=task.label,
            kind=task.kind,
            aggregation=block.task.aggregation,
            split=task.split,
            n_train=task.n_train,
        ),
        "datasets": [_plain_dataset(one) for one in block.datasets],
        "deformations": {
            chain.name: [{"type": step.type, "params": dict(step.params)} for step in chain.steps]
            for chain in block.deformations
        },
        "deformation_seed": next(iter(seeds), Chain.seed),
        "representations": [_given(**asdict(one)) for one in block.representations],
        "probes": [_plain_probe(one) for one in block.probes],
        "metrics": block.metrics or "auto",
        "seeds": block.seeds,
        **_given(
            per=block.per or None,
            train_shares=block.train_shares or None,
            share_of=None if block.share_of == "clips" else block.share_of,
            codelength=block.codelength or None,
        ),
    }


def _given(**values: object) -> dict[str, object]:
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in values.items() if value is not None
    }


def _plain_dataset(one: DatasetChoice) -> dict[str, object]:
    names = {"name": one.train} if one.train == one.test else {"train": one.train, "test": one.test}
    folder = None if one.dir is None else one.dir.as_posix()
    return names | _given(dir=folder, split_type=one.split_type, subset=one.subset)


def _plain_probe(one: ProbeChoice) -> dict[str, object]:
    said = _plain_recipe(one.recipe)
    if one.preset is None:
        return {"kind": one.recipe.probe, "name": one.name, **said}
    return {"preset": one.preset, "only": [one.name.removeprefix(f"{one.preset}/")], **said}


def _plain_recipe(recipe: AnyRecipe) -> dict[str, object]:
    keys = FILE_KEYS.get(recipe.probe, {})
    said = _given(**{keys.get(each.name, each.name): getattr(recipe, each.name) for each in fields(recipe)})
    if isinstance(recipe, select.Recipe):
        said["among"] = [{"kind": other.probe, **_plain_recipe(other)} for other in recipe.recipes]
        return {key: value for key, value in said.items() if value != []}
    if isinstance(recipe, own_recipe.Recipe):
        said["params"] = recipe.arguments
    return said


def _sorted(value: object, key: str | None = None) -> object:
    """Return plain values with the lists whose order means nothing in one order, and parameters as floats."""
    if isinstance(value, dict):
        # What stands below these is named by the user or by audiomentations, not by us.
        below = {"deformations": "chain", "params": "parameter"}.get(str(key))
        return {name: _sorted(one, below or name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        items = [_sorted(one) for one in value]
        return sorted(items, key=identity.canonical_json) if key in UNORDERED else items
    return float(value) if key == "parameter" and isinstance(value, int) and not isinstance(value, bool) else value
