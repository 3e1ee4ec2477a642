"""Pre-training as a file: YAML in, typed choices out. Every mistake has its file, line and column.

    name: music-tiny
    representation: wav2vec2-mel-tiny
    corpus: corpora/music
    segments: {kind: random, segment_s: 3}
    steps: 400
    batch_s: 48
    portion_s: 48
    schedule: {learning_rate: 5.0e-4, warm_up_steps: 40}

Folders are relative to the current one. Presets that earmark ships are found by their bare names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from earmark.representations.mule.settings import CONTRASTS
from earmark.training import systems
from earmark.training.coded import FRONT
from earmark.training.recipe import Adam, Precision, Recipe
from earmark.training.schedules import Kind, Schedule
from earmark.training.systems import EncodecMAESystem, MuleSystem, System
from earmark.written import misfit, places, shipped
from earmark.written.misfit import Form
from earmark.written.shapes import Shape

SHIPPED = Path(__file__).parents[1] / "experiments" / "pretrain"
WHAT = "a pre-training"
KEYS_OF = {"hop_s": ("grid",), "window_s": ("grid",), "by": ("random", "pair"), "max_gap_s": ("pair",)} | {
    "hard_negatives": ("pair",)
}
"""The kinds of segments that a key is of, where it is not of all."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class SegmentsShape(Shape):
    """Which pieces of the corpus are heard."""

    kind: Literal["grid", "random", "pair"] = Field(examples=["random"])
    """grid: windows at equal distances; random: anywhere; pair: two and two of one track, as MULE hears them."""
    segment_s: Positive = Field(examples=[3])
    """Length in seconds."""
    hop_s: Positive | None = Field(None, examples=[10])
    """grid: from one window to the next."""
    window_s: Positive | None = Field(None, examples=[20])
    """grid: length of a window, of which a segment is a random piece; segment_s when left out."""
    by: Literal["track", "duration", "windows"] = Field("duration", examples=["track"])
    """random, pair: each track is as likely, each moment, or a track comes once for each whole segment that fits in."""
    max_gap_s: Positive | None = Field(None, examples=[5])
    """pair: how far apart two may start; anywhere in the track when left out."""
    hard_negatives: bool = Field(False, examples=[True])
    """pair: with a third piece of the track, further away, that the two are told apart from as from other tracks."""

    @property
    def heard_s(self) -> float:
        """Seconds of audio in one of them; of a pair, in all its pieces."""
        return self.segment_s * (2 + self.hard_negatives if self.kind == "pair" else 1)

    @property
    def said(self) -> dict[str, object]:
        """What a card says of them, and the identity of a run; a run of before there were pairs goes on."""
        return self.model_dump(exclude=set() if self.kind == "pair" else {"max_gap_s", "hard_negatives"})


class ScheduleShape(Shape):
    """The learning rate."""

    learning_rate: Positive = Field(examples=[5e-4])
    """At its highest."""
    warm_up_steps: Annotated[int, Field(ge=0)] = Field(0, examples=[32000])
    """Steps in which it rises to that."""
    kind: Kind = Field("linear", examples=["linear"])
    """What it does after: fall to 0 in a straight line, by half a turn of a cosine, or stay."""


class OptimiserShape(Shape):
    """Adam with decoupled weight decay."""

    betas: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(list(Adam.betas), examples=[[0.9, 0.98]])
    """Of the running means of gradient and square."""
    epsilon: Positive = Field(Adam.epsilon, examples=[1e-6])
    """Added to the root of the mean square."""
    weight_decay: Annotated[float, Field(ge=0)] = Field(Adam.weight_decay, examples=[0.01])
    """Share of a weight, times the learning rate, that a step takes off it."""
    clip_norm: Positive | None = Field(None, examples=[5])
    """The highest norm of a step's gradient; left out: none."""


class ValidationShape(Shape):
    """Tracks that nothing is learnt from; their loss is measured at every save, on the same segments each time."""

    share: Annotated[float, Field(gt=0, lt=1)] = Field(examples=[0.05])
    """How much of the corpus, by whole groups of tracks."""
    segments: Count = Field(64, examples=[64])
    """How many segments of it."""
    patience: Count | None = Field(None, examples=[10])
    """Stop after so many saves without a lower loss; never when left out."""


class PretrainShape(Shape):
    """A pre-training."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", examples=["music-tiny"])
    """What its checkpoints are called."""
    representation: str = Field(examples=["wav2vec2-mel-tiny"])
    """What is trained."""
    weights: str | None = Field(None, examples=["pretrained/first/checkpoints/first-step-400"])
    """The checkpoint whose weights it starts from; random ones when left out."""
    objective: dict[str, object] = Field({}, examples=[{"negatives": 50}])
    """Settings of the objective that are to be otherwise than the preset's."""
    corpus: str | None = Field(None, examples=["corpora/music"])
    """The folder of a corpus; `--corpus` says it too."""
    targets: list[str] = Field([], examples=[["corpora/music-targets"]])
    """encodecmae: folders of `earmark corpus targets` that it seeks, beside a codec where it wants one."""
    codec: str | None = Field(None, examples=["encodec-24khz"])
    """encodecmae: the EnCodec that it hears or seeks by; encodec-24khz when left out."""
    codes: str | None = Field(None, examples=["corpora/music-codes"])
    """encodecmae: the folder of `earmark corpus codes`, which says all of that; left out: made while it trains."""
    labels: str | None = Field(None, examples=["corpora/music-genres.jsonl"])
    """mule: the file of `earmark corpus labels` whose tags are learnt; left out: it learns without."""
    segments: SegmentsShape = Field(examples=[{"kind": "random", "segment_s": 3}])
    """Which pieces of it."""
    steps: Count = Field(examples=[400])
    """Of the optimiser."""
    batch_s: Positive = Field(examples=[5600])
    """Seconds of audio in a step, over all devices and portions."""
    portion_s: Positive = Field(examples=[87.5])
    """Seconds of audio that a device takes at once: decides its memory, and hardly anything else."""
    schedule: ScheduleShape = Field(examples=[{"learning_rate": 5e-4, "warm_up_steps": 32000}])
    """The learning rate of a step."""
    optimiser: OptimiserShape = Field(
        default_factory=lambda: OptimiserShape.model_validate({}), examples=[{"weight_decay": 0.01}]
    )
    """How a gradient becomes a step."""
    precision: Precision = Field("float32", examples=["bf16"])
    """Of the forward pass; losses are float32 at least."""
    seed: int = Field(0, examples=[0])
    """Of weights, order, segments and masks."""
    validation: ValidationShape | None = Field(None, examples=[{"share": 0.05}])
    """Tracks that are held out; none when left out."""
    untouched: Annotated[float, Field(gt=0, lt=1)] | None = Field(None, examples=[0.25])
    """How much of the corpus, by whole groups of tracks, is left for the task `recording`: the same for every seed."""
    save_every_steps: Count = Field(1000, examples=[1000])
    """Steps between states and checkpoints on the disk."""
    keep_checkpoints: Count = Field(2, examples=[2])
    """How many of the latest checkpoints stay; that of step 0 stays besides."""


@dataclass(frozen=True)
class Pretraining:
    """A file that fits, given its meaning. `corpus` is None where the file leaves it open."""

    name: str
    system: System
    corpus: Path | None
    segments: SegmentsShape
    recipe: Recipe
    written: PretrainShape


FORM = Form(PretrainShape, "schedule: {learning_rate: 5.0e-4, warm_up_steps: 40}")


def load(path: Path, overrides: Sequence[str] = ()) -> Pretraining:
    """Return the pre-training of a file, or of a shipped one by its bare name; `overrides` are "path.to.key=value".

    Raises SpecError with file:line:column ("--set" for an override), UserError when there is no file.
    """
    root = shipped.read(path, SHIPPED, overrides, WHAT)
    return _meant(misfit.fitted(root, FORM), root)


def _meant(shape: PretrainShape, root: places.Item) -> Pretraining:
    items = root.fields
    with items["representation"].blamed():
        systems.find(shape.representation, {})
    by_labels = shape.labels is not None
    with items.get("labels", root).blamed():
        systems.find(shape.representation, {}, by_labels=by_labels)
    with items.get("objective", root).blamed():
        system = _fronted(systems.find(shape.representation, shape.objective, by_labels=by_labels), shape, root)
    if shape.weights is not None:
        system = replace(system, weights=Path(shape.weights.removeprefix("path:")).expanduser())
    if isinstance(system, MuleSystem):
        system = replace(system, segment_s=shape.segments.segment_s)
    _require_sense(shape, root)
    _require_length(system, shape, root)
    optimiser = shape.optimiser
    with root.blamed():
        recipe = Recipe(
            n_steps=shape.steps,
            segments_per_step=round(shape.batch_s / shape.segments.heard_s),
            segments_at_once=round(shape.portion_s / shape.segments.heard_s),
            schedule=Schedule(shape.schedule.learning_rate, shape.schedule.warm_up_steps, shape.schedule.kind),
            adam=Adam((optimiser.betas[0], optimiser.betas[1]), optimiser.epsilon, optimiser.weight_decay),
            clip_norm=optimiser.clip_norm,
            precision=shape.precision,
            seed=shape.seed,
            save_every_steps=shape.save_every_steps,
            keep_checkpoints=shape.keep_checkpoints,
        )
    corpus = None if shape.corpus is None else Path(shape.corpus).expanduser()
    return Pretraining(shape.name, system, corpus, shape.segments, recipe, shape)


def _fronted(system: System, shape: PretrainShape, root: places.Item) -> System:
    """Return a system with what it hears and seeks by. Raises SpecError where it can make no use of that."""
    given = [key for key in ("targets", "codec", "codes") if key in root.fields]
    if not isinstance(system, EncodecMAESystem):
        if given:
            raise root.fields[given[0]].key.error(
                f"'{given[0]}' is for encodecmae, not for '{system.name}'. Take it out."
            )
        return system
    if shape.codes is not None:
        if len(given) > 1:
            raise root.fields[given[0]].key.error(f"'codes' says what they were made with. Take out '{given[0]}'.")
        return replace(system, front=Path(shape.codes).expanduser() / FRONT)
    targets = tuple(Path(one).expanduser() for one in shape.targets)
    return replace(system, targets=targets, codec=shape.codec or system.codec)


def _require_sense(shape: PretrainShape, root: places.Item) -> None:
    """Raise SpecError for what fits the shape and yet cannot be meant."""
    segments, items = shape.segments, root.fields
    given = items["segments"].fields
    is_contrast = shape.representation in CONTRASTS and shape.labels is None
    if is_contrast != (segments.kind == "pair"):
        wanted = "pair" if is_contrast else "random"
        raise given["kind"].error(
            f"Expected segments of kind {wanted} for '{shape.representation}', got {segments.kind}. Write kind: "
            f"{wanted}."
        )
    if segments.kind == "grid" and segments.hop_s is None:
        raise items["segments"].error("Missing key 'hop_s': a grid needs it. Write, for example, hop_s: 10.")
    for key, kinds in KEYS_OF.items():
        if key in given and segments.kind not in kinds:
            raise given[key].key.error(f"'{key}' is not of {segments.kind} segments. Take it out.")
    if segments.window_s is not None and segments.window_s < segments.segment_s:
        raise given["window_s"].error(
            f"Expected a window of at least segment_s, {segments.segment_s:g} s, got {segments.window_s:g} s."
        )
    for key in ("batch_s", "portion_s"):
        if round(getattr(shape, key) / segments.heard_s) < 1:
            what = "a pair" if segments.kind == "pair" else "a segment"
            raise items[key].error(
                f"Expected '{key}' to hold {what} of {segments.heard_s:g} s, got {getattr(shape, key):g} s."
            )


def _require_length(system: System, shape: PretrainShape, root: places.Item) -> None:
    """Raise SpecError for segments that are too short for a system to learn from."""
    wanted, segment_s = system.least_samples, shape.segments.segment_s
    if round(segment_s * system.sample_rate) < wanted:
        raise (
            root.fields["segments"]
            .fields["segment_s"]
            .error(
                f"Expected segments of at least {wanted / system.sample_rate:.3f} s ({wanted:,} samples) for "
                f"'{system.name}', got {segment_s:g} s. Take longer ones."
            )
        )
