"""The shape of an experiment file: what pydantic checks and what editors complete.

These models hold what the file says, after old names are translated. None means "not given": then the task, the
recipe or the preset decides.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from earmark.deformations import PRESETS, Chain
from earmark.experiment._choices import Block, Experiment, RepresentationChoice, ShareOf, TaskChoice
from earmark.nouns import Kind
from earmark.probes.kinds import RECIPES
from earmark.written.shapes import Shape


def _short(key: str) -> Callable[[object], object]:
    return lambda value: {key: value} if isinstance(value, str) else value


Number = Annotated[int | float, Field(allow_inf_nan=False)]


class RangeShape(Shape):
    """Values at equal steps."""

    first: Number = Field(examples=[40])
    """The first value."""
    last: Number = Field(examples=[0])
    """The last one, above or below the first."""
    step: Annotated[Number, Field(gt=0)] = Field(examples=[10])
    """From one to the next."""


class SweptShape(Shape):
    """A parameter that takes several values: a chain for each, named NAME@VALUE."""

    sweep: RangeShape | Annotated[list[Number], Field(min_length=1)] = Field(examples=[[40, 30, 20, 10, 0]])
    """The values, or their first, last and step."""


class StepShape(Shape):
    """One transform of audiomentations."""

    type: str = Field(examples=["AddGaussianSNR"])
    """Its name in audiomentations."""
    params: dict[str, bool | int | float | str | list[bool | int | float | str] | SweptShape] = Field(
        {}, examples=[{"snr_db": 15}]
    )
    """Its parameters; x stands for both min_x and max_x, which must be equal; no p; one of a chain may be swept."""


class RepresentationShape(Shape):
    """What maps audio to the vectors that probes see."""

    name: str = Field(examples=["logmel"])
    """A name from `earmark list representation`, or package.module:Name."""
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = Field(None, examples=[[4, 5, 6]])
    """Which layers, from 0; all of them when left out."""
    reduce: Literal["mean", "concat", "each", "best"] = Field(RepresentationChoice.reduce, examples=["mean"])
    """How several layers become one; each: on a line of its own; best: the probe chooses by the validation clips."""
    pool: list[Literal["mean", "std"]] = Field(
        list(RepresentationChoice.pool), min_length=1, examples=[["mean", "std"]]
    )
    """How frames become one vector."""
    segment_s: float | None = Field(None, gt=0, allow_inf_nan=False, examples=[5])
    """Length in seconds of the segments that a clip is cut into; the whole clip when left out."""
    segment_hop_s: float | None = Field(None, gt=0, allow_inf_nan=False, examples=[5])
    """Distance in seconds from one segment to the next; segment_s when left out."""
    precision: Literal["float32", "bf16"] = Field(RepresentationChoice.precision, examples=["bf16"])
    """Of the forward pass: bf16 is coarser, and quicker on a GPU that has it; it is part of what a number is."""


class ProbeShape(Shape):
    """A preset, or a probe of your own; the other keys override the recipe."""

    preset: str | None = Field(None, examples=["mir_ref-fixed"])
    """A name from `earmark list probe`; `name~200` is the same cut to 200 steps."""
    only: Annotated[list[str], Field(min_length=1)] | None = Field(None, examples=[["M1", "M3"]])
    """Some of the preset's probes; all of them when left out."""
    kind: Literal[tuple(RECIPES)] | None = Field(None, examples=["mlp"])  # type: ignore[valid-type]  # a list of names
    """mlp: dense layers; reading: none, the pitch is given; own: a class of yours; selected: the best of several."""
    name: str | None = Field(None, examples=["small"])
    """What tables call it; made of its content when left out."""
    standardise: bool | None = Field(None, examples=[True])
    """Scale inputs by the training set's mean and standard deviation."""
    pca: int | float | None = Field(None, examples=[128])
    """Keep so many principal components of the inputs, or, below 1, those that hold that share of the variance."""
    hidden_units: list[int | str] | None = Field(None, examples=[[256, 128]])
    """mlp: units of each hidden layer, infer or power_infer; [] is a linear probe."""
    activation: str | None = Field(None, examples=["relu"])
    """mlp: relu, leaky_relu, tanh, gelu or sigmoid, of hidden units."""
    batch_norm: bool | None = Field(None, examples=[True])
    """mlp: normalise hidden units over a batch, before the activation."""
    dropout: float | None = Field(None, examples=[0.2])
    """mlp: probability that a hidden unit is silenced in training."""
    initialisation: str | None = Field(None, examples=["glorot_uniform"])
    """mlp: glorot_uniform (Keras), hear_uniform, hear_normal or torch."""
    layer_weights: bool | None = Field(None, examples=[True])
    """mlp: sum the layers of a representation under learned weights, instead of laying them side by side."""
    pool_frames: str | None = Field(None, examples=["attention"])
    """mlp: see every frame of a clip, and pool them inside: mean, mean_std or attention."""
    loss: str | None = Field(None, examples=["auto"])
    """mlp: auto, by the kind of task; cross_entropy, binary or squared."""
    learning_rate: float | None = Field(None, examples=[0.001])
    """mlp, own: Adam's step."""
    epsilon: float | None = Field(None, examples=[1e-7])
    """mlp: Adam's epsilon."""
    weight_decay: float | None = Field(None, examples=[0.00001])
    """mlp: Keras' L2."""
    decay_biases: bool | None = Field(None, examples=[False])
    """mlp: whether the L2 is over biases too."""
    schedule: str | None = Field(None, examples=["cosine"])
    """mlp: constant, cosine or plateau, of the learning rate."""
    warm_up_steps: int | None = Field(None, examples=[1000])
    """mlp: steps over which the learning rate rises from 0."""
    plateau_factor: float | None = Field(None, examples=[0.5])
    """mlp: what the learning rate is multiplied by when checks get no better."""
    plateau_patience: int | None = Field(None, examples=[5])
    """mlp: after more than so many checks."""
    batch_size: int | None = Field(None, examples=[100])
    """mlp, own: clips in a batch."""
    drop_last: bool | None = Field(None, examples=[True])
    """mlp: leave out the last batch of an epoch where it is not full."""
    train_sampling: str | None = Field(None, examples=["random"])
    """mlp: random, balanced (every class equally often) or fixed (one order for all epochs)."""
    epochs: int | None = Field(None, examples=[100])
    """mlp, own: at most so many."""
    steps: int | None = Field(None, examples=[30000])
    """mlp: end after so many batches, in place of epochs."""
    patience: int | None = Field(None, examples=[10])
    """mlp, own: checks without a better validation score before it stops."""
    check_every: int | None = Field(None, examples=[3])
    """mlp: epochs from one look at the validation clips to the next."""
    stop_criterion: str | None = Field(None, examples=["loss"])
    """mlp: what patience watches: auto, loss, a metric's name, or never."""
    save_criterion: str | None = Field(None, examples=["accuracy"])
    """mlp: what chooses the epoch: auto, loss or a metric's name."""
    ties: str | None = Field(None, examples=["first"])
    """mlp: of equal scores the one of the lower validation loss (loss), or the first."""
    keep: str | None = Field(None, examples=["best"])
    """mlp: the best epoch or the last."""
    average: str | None = Field(None, examples=["logits"])
    """mlp: average the probabilities or the logits of a clip's segments."""
    penalised_loss: bool | None = Field(None, examples=[True])
    """mlp: the criterion loss has the penalty of weight_decay in it, as in Keras."""
    power_rule: str | None = Field(None, examples=["geometric"])
    """mlp: what power_infer means: geometric, from wide to narrow, or mir_ref, as that toolkit's code has it."""
    standardise_targets: bool | None = Field(None, examples=[False])
    """mlp: learn the values of a regression in standard deviations from their mean."""
    c: float | None = Field(None, examples=[1.0])
    """logistic: scikit-learn's C; smaller is smoother."""
    alpha: float | None = Field(None, examples=[1.0])
    """ridge: the penalty on squared weights."""
    k: int | None = Field(None, examples=[5])
    """knn: how many neighbours."""
    metric: Literal["cosine", "euclidean"] | None = Field(None, examples=["cosine"])
    """knn: the distance."""
    weights: Literal["uniform", "distance"] | None = Field(None, examples=["uniform"])
    """knn: all neighbours alike, or by 1 / distance."""
    unit: Literal["midi", "hz"] | None = Field(None, examples=["hz"])
    """reading: what the one number of a clip is."""
    class_path: str | None = Field(None, examples=["my_probes:MyProbe"])
    """own: package.module:Name of a torch module or a scikit-learn estimator."""
    params: dict[str, Any] | None = Field(None, examples=[{"n_estimators": 100}])
    """own: what the class is made with."""
    among: Annotated[list["ProbeShape"], Field(min_length=1)] | None = Field(
        None, examples=[[{"kind": "logistic", "c": 0.1}, {"kind": "logistic", "c": 1.0}]]
    )
    """selected: the candidates."""
    layers: list[Annotated[int, Field(ge=0)]] | None = Field(None, examples=[[0, 6, 12]])
    """selected: try every candidate on each of these layers alone, by their place among those embedded."""
    search: Literal["grid", "random", "halving"] | None = Field(None, examples=["grid"])
    """selected: try all; some, drawn; or all for a short while and the best of them longer."""
    n_drawn: int | None = Field(None, examples=[20])
    """selected: how many candidates search: random draws."""
    first_fold_only: bool | None = Field(None, examples=[True])
    """selected: search in the first fold of a split, and use its winner in the others."""


Folds = Annotated[str, Field(pattern=r"^kfold-([3-9]|[1-9]\d+)$")]


class DatasetShape(Shape):
    """Where clips come from."""

    name: str | None = Field(None, examples=["studio"])
    """A name from `earmark list dataset`; the task's own dataset when left out."""
    train: str | None = Field(None, examples=["studio"])
    """With `test`, in place of `name`: fit on this one …"""
    test: str | None = Field(None, examples=["studio:fluid"])
    """… and score on that one, which has the same labels."""
    dir: str | None = Field(None, examples=["data/tinysol"])
    """Its folder (a manifest: its file), relative to the current folder; the data home when left out."""
    split_type: Literal["single", "all"] | Folds | list[float] | None = Field(None, examples=[[0.8, 0.1, 0.1]])
    """The first official fold, all, kfold-5 or ratios of train, valid and test to draw; single when left out."""
    subset: int | None = Field(None, ge=1, examples=[200])
    """Keep so many clips, drawn by class with a fixed seed."""


class TaskShape(Shape):
    """What is predicted."""

    name: str = Field(examples=["studio_family"])
    """A name from `earmark list task`, or your own with label and kind."""
    label: str | None = Field(None, examples=["instrument"])
    """Which label of the dataset, or one that is computed from the audio, such as audio.level."""
    kind: Kind | None = Field(None, examples=["multiclass"])
    """Decides output, loss, metrics and what an epoch is chosen by."""
    aggregation: Literal["embedding_mean", "prediction"] = Field(TaskChoice.aggregation, examples=["embedding_mean"])
    """Average segments before the probe, or its predictions after."""
    split: str | None = Field(None, examples=["progression"])
    """An official split of the dataset; its default when left out."""
    n_train: int | None = Field(None, ge=1, examples=[240])
    """Keep so many training clips, drawn by class with a fixed seed."""


Steps = Annotated[list[StepShape], Field(min_length=1)]
_ChainForms = StepShape | Steps


class BlockShape(Shape):
    """One task: every dataset × representation × probe × seed, scored clean and deformed."""

    task: Annotated[TaskShape, BeforeValidator(_short("name"), json_schema_input_type=str | TaskShape)] = Field(
        examples=["studio_family"]
    )
    """A task's name, or a mapping."""
    datasets: list[
        Annotated[DatasetShape, BeforeValidator(_short("name"), json_schema_input_type=str | DatasetShape)]
    ] = Field([], min_length=1, examples=[["tinysol"]])
    """What the task is crossed with; the task's own when left out."""
    # By now a list has become a mapping; editors are told of both.
    deformations: Annotated[
        dict[str, Steps],
        BeforeValidator(
            lambda value: value,
            json_schema_input_type=dict[str, _ChainForms] | list[Literal[tuple(PRESETS)] | _ChainForms],
        ),
    ] = Field({}, examples=[["snr15", "gain-12"]])
    """Chains of transforms by name, or a list: names of built-in ones, or chains named by their content.

    A chain with a swept parameter is a chain for each of its values.
    """
    deformation_seed: int = Field(Chain.seed, ge=0, examples=[0])
    """Another seed gives other noise; not the probes' seeds."""
    representations: list[
        Annotated[
            RepresentationShape, BeforeValidator(_short("name"), json_schema_input_type=str | RepresentationShape)
        ]
    ] = Field(min_length=1, examples=[["logmel", "mfcc"]])
    """What is compared."""
    probes: list[Annotated[ProbeShape, BeforeValidator(_short("preset"), json_schema_input_type=str | ProbeShape)]] = (
        Field(min_length=1, examples=[["mir_ref-fixed"]])
    )
    """What is fitted on the vectors."""
    metrics: Literal["auto"] | Annotated[list[str], Field(min_length=1)] = Field("auto", examples=["auto"])
    """auto, by the kind of task; or names from `earmark list metric`."""
    train_shares: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] | None = Field(
        None, examples=[[0.01, 0.1, 1]]
    )
    """Fit on these shares of the training clips too, drawn by class, anew for each seed: how few labels are enough?"""
    share_of: ShareOf = Field(Block.share_of, examples=["groups"])
    """What train_shares are drawn of: single clips, or whole groups (tracks, artists, singers)."""
    codelength: bool = Field(False, examples=[True])
    """Also measure how many bits the training targets take, given the embeddings (online coding)."""
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1, examples=[[0, 1, 2]])
    """Of the probes."""
    per: list[str] = Field([], examples=[["singer", "gender"]])
    """Other labels of the dataset: the scores are also given for each of their values alone."""


class ExperimentShape(Shape):
    """An experiment of earmark: what is compared on what."""

    name: str | None = Field(None, examples=["demo"])
    """What the run is called; the file's name when left out."""
    experiments: list[BlockShape] = Field(min_length=1, examples=[["{task: studio_family, …}"]])
    """One entry a task."""
    resamples: int = Field(Experiment.resamples, ge=1, examples=[1000])
    """Of the bootstrap."""
    ci_level: float = Field(Experiment.ci_level, gt=0, lt=1, examples=[0.95])
    """Confidence level of the intervals."""
    commercial: bool = Field(Experiment.commercial, examples=[True])
    """Refuse representations whose licence does not permit commercial use, as --commercial does."""
    unverified: bool = Field(Experiment.unverified, examples=[True])
    """Also run representations that were never checked against anything, as --unverified does."""
    shared: Any = Field(None, examples=[{"chains": "&chains [snr15]"}])
    """Read by nobody: a place to give values an anchor (&name) that the rest repeats (*name)."""


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of experiment files under today's names."""
    schema = ExperimentShape.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "earmark experiment"}
