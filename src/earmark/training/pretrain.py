"""`earmark pretrain`: from a file and a corpus to a checkpoint that is a representation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from earmark import durable
from earmark.datasets._corpora import HEARD, marks
from earmark.errors import DataError, UserError
from earmark.training import _lineage, coded, config, corpus, labels, segments, tagging, trainer
from earmark.training.coded import Codes
from earmark.training.config import Pretraining, SegmentsShape
from earmark.training.corpus import Corpus
from earmark.training.job import Hardware, Say, Training, Validation
from earmark.training.labels import Labels
from earmark.training.segments import Grid, Pairs, Random
from earmark.training.stream import Segments
from earmark.training.systems import EncodecMAESystem, MuleSystem
from earmark.training.tagging import LabelledSegments

CONFIG = "config.yml"
FOLDER = Path("pretrained")

Beside = Codes | Labels | None
"""What is there of the tracks of a corpus besides their audio."""

UNTOUCHED_SEED = 0
"""Not the recipe's: networks of several seeds are compared on the same tracks."""


@dataclass(frozen=True)
class Pretrained:
    """What came out: the folder of the last checkpoint (`path:FOLDER` loads it), its steps, and its alarms."""

    checkpoint: Path
    steps: int
    audio_s: float
    seconds: float
    alarms: tuple[str, ...]


def pretrain(
    file: Path,
    *,
    corpus_folder: Path | None = None,
    folder: Path | None = None,
    resume: bool = False,
    overrides: Sequence[str] = (),
    hardware: Hardware | None = None,
    say: Say = print,
) -> Pretrained:
    """Pre-train as a file says, into a folder (default: pretrained/NAME); `resume` goes on after any interruption.

    Raises SpecError for a wrong file, DataError for a corpus that is none or too short, UserError for one of another
    rate and for a folder that holds another run.
    """
    asked, hardware = config.load(file, overrides), hardware or Hardware()
    where = corpus_folder or asked.corpus
    if where is None:
        raise UserError(f"Expected a corpus in '{file}' or by --corpus. Make one: earmark corpus build FOLDER -o OUT")
    training = _training(asked, corpus.open(where), folder or FOLDER / asked.name)
    heard = len(training.segments())
    what = "pairs" if asked.segments.kind == "pair" else "segments"
    say(
        f"{asked.name}: {asked.recipe.n_steps:,} steps of {asked.recipe.segments_per_step:,} {what}, "
        f"{asked.recipe.n_steps * asked.recipe.segments_per_step / heard:,.1f} epochs of {heard:,}"
    )
    training.ledger.begin(resume)
    durable.write_file(
        training.folder / CONFIG, asked.written.model_dump_json(indent=1, exclude_unset=True).encode() + b"\n"
    )
    last = trainer.fit(training, hardware, resume=True, say=say)
    state = training.ledger.state()
    return Pretrained(last, state.step, state.audio_s, state.seconds, tuple(one.text for one in state.alarms))


def _training(asked: Pretraining, opened: Corpus, folder: Path) -> Training:
    system = asked.system
    if opened.sample_rate != system.sample_rate:
        raise UserError(
            f"Expected a corpus at {system.sample_rate} Hz for '{system.name}', got {opened.sample_rate} Hz in "
            f"'{opened.folder}'. Build one: earmark corpus build FOLDER -o OUT --rate {system.sample_rate}"
        )
    beside = _beside(asked, opened)
    if isinstance(system, MuleSystem) and isinstance(beside, Labels):
        system = replace(system, tags=beside.tags)
    learnt, validation, untouched = opened, None, asked.written.untouched
    if untouched is not None:
        learnt, _ = corpus.held_out(opened, untouched, UNTOUCHED_SEED)
    if isinstance(beside, Labels):
        learnt = tagging.labelled(learnt, beside)
    heard_of = learnt.tracks
    if (held := asked.written.validation) is not None:
        learnt, left = corpus.held_out(learnt, held.share, asked.recipe.seed)
        validation = Validation(partial(_held_out, left, asked, beside, held.segments), held.segments, held.patience)
    heard = partial(_segments, learnt, asked, beside)
    about = _about(asked, opened, learnt, {HEARD: marks(heard_of), **_said(beside)})
    teachers = system.teachers if isinstance(system, EncodecMAESystem) else ()
    about = _lineage.after(about, system.weights, teachers)
    return Training(asked.name, system, asked.recipe, heard, folder, about, validation)


def _about(asked: Pretraining, opened: Corpus, learnt: Corpus, also: Mapping[str, object]) -> dict[str, object]:
    """Return what a card says of what is heard, and of how it is learnt."""
    system, held, untouched = asked.system, asked.written.validation, asked.written.untouched
    licences = Counter(track.licence or _lineage.UNKNOWN for track in learnt.tracks)
    hours = learnt.duration_s / 3600
    return {
        "representation": system.name,
        "objective": _objective(asked),
        "overrides": dict(system.overrides),
        "segments": asked.segments.said,
        "trained_on": f"{hours:.2f} h of audio in {len(learnt.tracks):,} tracks, corpus {learnt.key}",
        "corpus": opened.key,
        "held_out": None if held is None else held.model_dump(),
        **also,
        **({} if untouched is None else {"untouched": untouched}),
        **system.about,
        "licence": "; ".join(sorted(licences)),
        "licences": dict(sorted(licences.items())),
    }


def _said(beside: Beside) -> dict[str, object]:
    return {"labels": beside.key, "label": beside.label, "tags": beside.tags} if isinstance(beside, Labels) else {}


def _beside(asked: Pretraining, opened: Corpus) -> Beside:
    if asked.written.codes is not None:
        return coded.open(Path(asked.written.codes).expanduser(), opened)
    return None if asked.written.labels is None else labels.open(Path(asked.written.labels).expanduser(), opened)


def _held_out(left: Corpus, asked: Pretraining, beside: Beside, n: int) -> Segments:
    shape, seed = asked.segments, asked.recipe.seed
    if shape.kind == "pair":
        return _pairs(left, shape, "duration", n, seed)
    drawn = segments.random(left, shape.segment_s, "duration", n, seed=seed)
    if isinstance(beside, Labels):
        return LabelledSegments(drawn, beside)
    return drawn if beside is None else coded.segments(drawn, beside, snapped=True)


def _objective(asked: Pretraining) -> str:
    labelled = "" if asked.written.labels is None else " with labels"
    return f"that of {asked.system.name}{labelled}, {asked.recipe.n_steps:,} steps of {asked.written.batch_s:g} s"


def _segments(opened: Corpus, asked: Pretraining, beside: Beside) -> Segments:
    shape, seed = asked.segments, asked.recipe.seed
    if shape.kind == "pair":
        return _pairs(opened, shape, shape.by, None, seed)
    drawn = _sampler(opened, shape, seed)
    if isinstance(beside, Labels):
        return tagging.segments(drawn, beside)
    return drawn if beside is None else coded.segments(drawn, beside)


def _pairs(opened: Corpus, shape: SegmentsShape, by: segments.By, n: int | None, seed: int) -> Pairs:
    """Return pairs to tell apart. Raises DataError where there is nothing to be learnt from them."""
    made = segments.pair(opened, shape.segment_s, shape.max_gap_s, by, n, far=shape.hard_negatives, seed=seed)
    room = made.firsts.room
    if len(room.tracks) < 2:
        raise DataError(
            f"Expected at least two tracks to tell apart, got one long enough in '{opened.folder}': "
            f"{room.tracks[0].id}. Build a corpus of more tracks, or hold out less."
        )
    if room.n_places.max() < 2:
        raise DataError(
            f"Expected tracks longer than a segment of {shape.segment_s:g} s, but in the {len(room.tracks)} of "
            f"'{opened.folder}' there is room for one: both of a pair would be the same. Take shorter segments."
        )
    return made


def _sampler(opened: Corpus, shape: SegmentsShape, seed: int) -> Grid | Random:
    if shape.kind == "random":
        return segments.random(opened, shape.segment_s, shape.by, seed=seed)
    hop_s = shape.segment_s if shape.hop_s is None else shape.hop_s
    return segments.grid(opened, shape.window_s or shape.segment_s, hop_s, crop_s=shape.segment_s, seed=seed)
