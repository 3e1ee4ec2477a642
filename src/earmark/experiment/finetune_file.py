"""Fine-tuning as a file: YAML in, typed choices out. Every mistake has its file, line and column.

    name: family
    representation: path:pretrained/music/checkpoints/music-step-400
    task: studio_family
    modes: [linear, full]
    seeds: [0, 1, 2]

Task, datasets, deformations, metrics and attributes are those of an experiment, in the same words. The first dataset is
learned from; others, {train: the first, test: another}, are scored too. Presets that earmark ships are found by their
bare names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from earmark.experiment import spec
from earmark.experiment._choices import Experiment
from earmark.training.finetune import recipe as recipes
from earmark.training.finetune.recipe import Keep, Precision, Recipe
from earmark.written import misfit, shipped
from earmark.written.misfit import Form
from earmark.written.places import Item
from earmark.written.shapes import Shape

SHIPPED = Path(__file__).parents[1] / "experiments" / "finetune"
WHAT = "a fine-tuning"
# What stands in an experiment's block as it stands here.
OF_BLOCK = ("task", "datasets", "deformations", "deformation_seed", "metrics", "per", "seeds")
OF_EXPERIMENT = ("resamples", "ci_level")
LINEAR = "linear"

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class MaskShape(Shape):
    """Frames that the blocks do not see while they learn."""

    probability: Share = Field(examples=[0.65])
    """Of a frame to begin a hidden span, times the span's length."""
    frames: Count = Field(Recipe.mask_frames, examples=[10])
    """Length of a span."""


class LoraShape(Shape):
    """Low-rank weights."""

    rank: Count = Field(Recipe.rank, examples=[8])
    """Rows of the thin matrices."""
    alpha: Rate = Field(Recipe.alpha, examples=[16])
    """Their product counts alpha / rank."""


class FinetuneShape(Shape):
    """A fine-tuning."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", examples=["family"])
    """What its run and its networks are called."""
    representation: str = Field(examples=["path:pretrained/music/checkpoints/music-step-400"])
    """The network that it starts from."""
    task: Any = Field(examples=["studio_family"])
    """What is learned and scored: a task's name, or a mapping, as in an experiment."""
    datasets: Any = Field(None, examples=[["studio"]])
    """As in an experiment; the first is learned from."""
    deformations: Any = Field(None, examples=[["snr15"]])
    """As in an experiment: of the test clips alone."""
    deformation_seed: Any = Field(None, examples=[0])
    """As in an experiment."""
    metrics: Any = Field(None, examples=[["accuracy"]])
    """As in an experiment."""
    per: Any = Field(None, examples=[["singer"]])
    """As in an experiment."""
    seeds: Any = Field(None, examples=[[0, 1, 2]])
    """Of the head's first weights, of order, pieces and dropouts; 0 when left out."""
    resamples: Any = Field(None, examples=[1000])
    """As in an experiment."""
    ci_level: Any = Field(None, examples=[0.95])
    """As in an experiment."""
    modes: Annotated[list[str], Field(min_length=1)] = Field(["full"], examples=[["linear", "full"]])
    """full, frozen_cnn, linear or lora; FT2, FT1 and FE are full, frozen_cnn and linear."""
    body_learning_rate: Rate = Field(Recipe.body_learning_rate, examples=[1e-5])
    """Of all that moves but the head."""
    head_learning_rate: Rate = Field(Recipe.head_learning_rate, examples=[1e-4])
    """Of the head, where more than it moves."""
    linear_learning_rate: Rate = Field(1e-3, examples=[1e-3])
    """Of the head where it alone moves."""
    batch_size: Count = Field(Recipe.batch_size, examples=[32])
    """Clips in a step."""
    clips_at_once: Count | None = Field(None, examples=[8])
    """Clips that go through the network together: decides its memory; the batch when left out."""
    epochs: Count = Field(Recipe.epochs, examples=[100])
    """At most so many."""
    patience: Count = Field(Recipe.patience, examples=[10])
    """Stop after so many epochs without a lower validation loss."""
    keep: Keep = Field(Recipe.keep, examples=["score"])
    """Which epoch: of the lowest validation loss, of the best validation score, or the last."""
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        list(Recipe.betas), examples=[[0.9, 0.999]]
    )
    """Adam's."""
    epsilon: Rate = Field(Recipe.epsilon, examples=[1e-8])
    """Adam's."""
    segment_s: Rate | None = Field(None, examples=[4])
    """Of a longer clip an epoch hears a piece of so many seconds; scored are all such pieces. All of it if left out."""
    precision: Precision = Field(Recipe.precision, examples=["bf16"])
    """Of the forward pass."""
    dropout: bool = Field(Recipe.dropout, examples=[True])
    """Whether the network's own dropouts run, in the parts that learn."""
    mask: MaskShape | None = Field(None, examples=[{"probability": 0.65}])
    """Hide frames while it learns; not the paper's."""
    layerdrop: Share = Field(Recipe.layerdrop, examples=[0.05])
    """Probability that a block is left out while it learns; not the paper's."""
    lora: LoraShape | None = Field(None, examples=[{"rank": 8}])
    """Of mode lora."""


@dataclass(frozen=True)
class Asked:
    """A file that fits, given its meaning: one recipe a mode. `experiment` holds the one block that is scored."""

    name: str
    representation: str
    recipes: tuple[Recipe, ...]
    experiment: Experiment
    text: str


FORM = Form(FinetuneShape, "modes: [linear, full]")


def load(path: Path, overrides: Sequence[str] = ()) -> Asked:
    """Return the fine-tuning of a file, or of a shipped one by its bare name; `overrides` are "path.to.key=value".

    Raises SpecError with file:line:column ("--set" for an override), UserError when there is no file.
    """
    root = shipped.read(path, SHIPPED, overrides, WHAT)
    shape = misfit.fitted(root, FORM)
    found = _recipes(shape, root)
    asked = spec.of_item(_experiment(shape, root), path)
    _require_one_vector(asked, root)
    return Asked(shape.name, shape.representation, found, asked, shape.model_dump_json(indent=1, exclude_unset=True))


def _experiment(shape: FinetuneShape, root: Item) -> Item:
    """Return an experiment of one block, whose parts keep their places in the file."""
    here, fields = root.place, root.fields

    def item(value: object) -> Item:
        return Item(value, here, here)

    heard = {"name": fields["representation"], "precision": item(shape.precision)}
    if shape.segment_s is not None:
        heard["segment_s"] = fields["segment_s"]
    # What is fitted is a head and no probe, but one of its shape: as many clips are enough.
    head = item({"kind": item("mlp"), "name": item("head"), "hidden_units": item([])})
    block = {name: fields[name] for name in OF_BLOCK if name in fields}
    block |= {"representations": item([item(heard)]), "probes": item([head])}
    whole = {name: fields[name] for name in OF_EXPERIMENT if name in fields}
    return item({"name": item(shape.name), "experiments": item([item(block)]), **whole})


def _recipes(shape: FinetuneShape, root: Item) -> tuple[Recipe, ...]:
    found: dict[str, Recipe] = {}
    modes = root.fields["modes"].entries if "modes" in root.fields else [root] * len(shape.modes)
    for name, item in zip(shape.modes, modes, strict=True):
        with item.blamed():
            mode = recipes.mode_of(name)
        if mode in found:
            raise item.error(f"'{name}' stands here a second time: FT2 is full, FT1 frozen_cnn, FE linear. Keep one.")
        found[mode] = _recipe(shape, mode)
    for key, of in (("lora", {"lora"}), ("mask", {*found} - {LINEAR}), ("layerdrop", {*found} - {LINEAR})):
        if key in root.fields and not of & found.keys():
            raise root.fields[key].key.error(f"'{key}' is not of the modes {', '.join(found)}. Take it out.")
    return tuple(found.values())


def _recipe(shape: FinetuneShape, mode: recipes.Mode) -> Recipe:
    return Recipe(
        mode=mode,
        body_learning_rate=shape.body_learning_rate,
        head_learning_rate=shape.linear_learning_rate if mode == LINEAR else shape.head_learning_rate,
        batch_size=shape.batch_size,
        clips_at_once=shape.clips_at_once or shape.batch_size,
        epochs=shape.epochs,
        patience=shape.patience,
        keep=shape.keep,
        betas=(shape.betas[0], shape.betas[1]),
        epsilon=shape.epsilon,
        segment_s=shape.segment_s,
        precision=shape.precision,
        dropout=shape.dropout,
        mask_probability=0.0 if shape.mask is None else shape.mask.probability,
        mask_frames=Recipe.mask_frames if shape.mask is None else shape.mask.frames,
        layerdrop=shape.layerdrop,
        rank=Recipe.rank if shape.lora is None else shape.lora.rank,
        alpha=Recipe.alpha if shape.lora is None else shape.lora.alpha,
    )


def _require_one_vector(asked: Experiment, root: Item) -> None:
    """Raise SpecError where a head would hear anything but the mean of one network's last layer."""
    (block,) = asked.blocks
    if block.task.aggregation != "embedding_mean":
        raise root.fields["task"].error("A head hears the mean over time. Leave aggregation out.")
    if len(block.representations[0].parts) > 1:
        raise root.fields["representation"].error("Expected one network to fine-tune, got several joined by +.")
