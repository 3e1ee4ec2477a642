"""What can be pre-trained, by name: how its objective is made of a preset and of overrides, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from earmark.errors import UnknownName, UserError
from earmark.representations import checkpoint, wav2vec2
from earmark.representations._saved import Saved
from earmark.representations.checkpoint import Contents, contents_of
from earmark.representations.encodecmae import front, saved
from earmark.representations.encodecmae import inputs as hearing
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.inputs import EncodecFrames
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import PRESETS as ENCODECMAE
from earmark.representations.encodecmae.settings import SAMPLE_RATES
from earmark.representations.encodecmae.settings import Settings as EncodecMAESettings
from earmark.representations.mule import frontend
from earmark.representations.mule import saved as mule
from earmark.representations.mule.objective import SimClr
from earmark.representations.mule.settings import CONTRASTS, TAGGINGS, Contrast, Tagging
from earmark.representations.mule.tagged import Tagged
from earmark.representations.objective import Objective
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import PRESETS as WAV2VEC2
from earmark.representations.wav2vec2.settings import Settings as Wav2Vec2Settings
from earmark.training import fronts
from earmark.training.overrides import overridden


@dataclass(frozen=True)
class Wav2Vec2System:
    """wav2vec 2.0: a preset of its settings by name, and what is to be otherwise.

    `weights` is the folder of a checkpoint to start from; None: random weights.
    """

    name: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    weights: Path | None = None

    @property
    def variant(self) -> str:
        """The preset's name."""
        return self.name.removeprefix("wav2vec2-")

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return wav2vec2.CARDS[self.variant].sample_rate

    @property
    def settings(self) -> Wav2Vec2Settings:
        """Its settings. Raises UserError for an override of what there is not, or of another kind."""
        return overridden(WAV2VEC2[self.variant], self.overrides)

    @property
    def least_samples(self) -> int:
        """The shortest segment that it can learn from."""
        return self.settings.least_samples

    @property
    def about(self) -> Mapping[str, object]:
        """What else decides what is learnt: the weights it starts from. Raises UserError where there are none."""
        return begun_from(self.weights)

    def build(self, seed: int) -> Objective:
        """Return the objective before its first step. Raises UserError for weights of another shape."""
        objective = Wav2Vec2(self.settings, seed)
        if self.weights is not None:
            found, network = Saved(self.name, self.weights).state(), objective.network
            checkpoint.refuse_other_tensors(found, network.state_dict(), str(self.weights))
            network.load_state_dict(found)
        return objective

    def contents(self, objective: Objective) -> Contents:
        """Return the network as transformers saves it; a front end that transformers has not gets a kind of its own."""
        network = cast(Wav2Vec2, objective).network
        return contents_of(network, self.sample_rate, self.settings.normalised)


@dataclass(frozen=True)
class EncodecMAESystem:
    """EncodecMAE: a preset of its settings by name, what is to be otherwise, and what it hears and seeks.

    `targets` are folders of `earmark corpus targets`, beside the `codec` where the settings want one; `front` is what
    the codes of a corpus were made with, which says all of it. `weights` is the folder of a checkpoint to start from;
    None: random weights.
    """

    name: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    targets: tuple[Path, ...] = ()
    codec: str = hearing.CODEC
    front: Path | None = None
    weights: Path | None = None

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return SAMPLE_RATES[self.settings.inputs]

    @property
    def settings(self) -> EncodecMAESettings:
        """Its settings. Raises UserError for an override of what there is not, or of another kind."""
        return overridden(ENCODECMAE[self.name.removeprefix("encodecmae-")], self.overrides)

    @property
    def least_samples(self) -> int:
        """The shortest segment that it can learn from, as far as is known without its codec."""
        is_published = self.settings.inputs != "encodec" or (self.front is None and self.codec == hearing.CODEC)
        return self.settings.least_samples if is_published else 1

    @property
    def about(self) -> Mapping[str, object]:
        """What it hears and seeks by: folders by what is in them, a codec by its name. Raises UserError for none."""
        folders = self.targets if self.front is None else (self.front,)
        fitted = {"fitted": [checkpoint.sha256_of(one) for one in folders]} if folders else {}
        heard = fitted if self.front is not None else {"codec": _codec(self.codec), **fitted}
        return {**heard, **begun_from(self.weights)}

    def build(self, seed: int) -> Objective:
        """Return the objective before its first step. Raises UserError where targets are missing, or do not fit."""
        made = self._front()
        self._refuse_other_codec(made)
        objective = EncodecMAE(self.settings, seed, made.inputs, made.targets)
        if self.weights is not None:
            saved.begin(objective, Saved(self.name, self.weights))
        return objective

    def contents(self, objective: Objective) -> Contents:
        """Return all that the objective holds."""
        return saved.contents(cast(EncodecMAE, objective))

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the networks whose layers it seeks codes of."""
        folders = self.targets if self.front is None else (self.front,)
        return tuple(name for one in folders for name in front.teachers(one))

    def _refuse_other_codec(self, made: Front) -> None:
        inputs = made.inputs
        if inputs.sample_rate != self.sample_rate:
            raise UserError(
                f"Expected inputs at {self.sample_rate} Hz, got '{inputs.name}' at {inputs.sample_rate} Hz. Name a "
                f"codec of that rate, such as {hearing.CODEC}."
            )
        is_named = self.front is None and self.codec != hearing.CODEC
        if is_named and isinstance(inputs, EncodecFrames) and inputs.codec_name != self.codec:
            raise UserError(
                f"Expected targets that hear '{self.codec}', got those of '{inputs.codec_name}'. Fit targets to that "
                "codec, or leave out codec."
            )

    def _front(self) -> Front:
        if self.front is not None:
            return front.load(self.front)
        settings = self.settings
        is_codec = settings.targets.startswith("codec")
        if settings.targets != "codec" and not self.targets:
            raise UserError(
                f"'{self.name}' seeks '{settings.targets}', which are fitted to a corpus first. Make them: earmark "
                "corpus targets CORPUS -o FOLDER, and write targets: FOLDER."
            )
        n_of_codec = settings.n_streams - settings.n_beside
        return fronts.assembled(self.targets, self.codec if is_codec else None, settings.inputs, n_of_codec)


@dataclass(frozen=True)
class MuleSystem:
    """MULE: a preset of its settings by name, what is to be otherwise, and how long its segments are.

    `weights` is the folder of a checkpoint to start from; None: random weights. `tags` are those that it learns by;
    None: it learns by SimCLR.
    """

    name: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    segment_s: float = 3.0
    weights: Path | None = None
    tags: tuple[str, ...] | None = None

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return frontend.SAMPLE_RATE

    @property
    def settings(self) -> Contrast | Tagging:
        """Its settings. Raises UserError for an override of what there is not, or of another kind."""
        if self.tags is not None:
            return overridden(TAGGINGS[self.name], self.overrides)
        return overridden(CONTRASTS[self.name], self.overrides)

    @property
    def least_samples(self) -> int:
        """The shortest segment that it can learn from."""
        return frontend.LEAST_SAMPLES

    @property
    def about(self) -> Mapping[str, object]:
        """What else decides what is learnt: the weights it starts from. Raises UserError where there are none."""
        return begun_from(self.weights)

    def build(self, seed: int) -> Objective:
        """Return the objective before its first step. Raises UserError for weights of another shape."""
        settings, tags = self.settings, self.tags or ()
        objective = SimClr(settings, seed) if isinstance(settings, Contrast) else Tagged(settings, len(tags), seed)
        if self.weights is not None:
            mule.begin(objective, Saved(self.name, self.weights), tags)
        return objective

    def contents(self, objective: Objective) -> Contents:
        """Return all that the objective holds, and what its outputs are called."""
        settings = self.settings
        trained_by = {name: one for name, one in asdict(settings).items() if name != "network"}
        trained_by |= {} if self.tags is None else {"tags": self.tags}
        return mule.contents(objective, settings.network, trained_by, self.segment_s)


def _codec(name: str) -> str:
    """Return what tells a codec apart: its name, and the weights of one in a folder, which may change under it."""
    return f"{name} {hearing.load_codec(name).card.weights_sha256}" if name.startswith("path:") else name


def begun_from(weights: Path | None) -> dict[str, object]:
    """Return what a card says of the weights that a network starts from. Raises UserError where there are none."""
    return {} if weights is None else {"begun_from": checkpoint.sha256_of(weights)}


System = Wav2Vec2System | EncodecMAESystem | MuleSystem
KNOWN: Mapping[str, type[System]] = {
    **{f"wav2vec2-{variant}": Wav2Vec2System for variant in WAV2VEC2},
    **{f"encodecmae-{variant}": EncodecMAESystem for variant in ENCODECMAE},
    **dict.fromkeys(CONTRASTS, MuleSystem),
}


def find(name: str, overrides: Mapping[str, object], *, by_labels: bool = False) -> System:
    """Return a system by the name of its representation. `by_labels`: one that learns tags, which are told it later.

    Raises UnknownName, or UserError for a wrong override, and for what learns no labels.
    """
    if name not in KNOWN:
        raise UnknownName("pre-training", name, KNOWN)
    if by_labels and name not in TAGGINGS:
        raise UserError(f"Expected one of {', '.join(TAGGINGS)} to learn by labels, got '{name}'. Take 'labels' out.")
    system: System = MuleSystem(name, overrides, tags=()) if by_labels else KNOWN[name](name, overrides)
    _ = system.settings  # raises where they make no sense
    return system
