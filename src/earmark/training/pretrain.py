"""`earmark pretrain`: from a file and a corpus to a checkpoint that is a representation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from earmark import durable
from earmark.datasets._corpora import HEARD, marks
from earmark.errors import UserError
from earmark.representations import checkpoint
from earmark.training import coded, config, corpus, segments, trainer
from earmark.training.coded import Codes
from earmark.training.config import Pretraining, SegmentsShape
from earmark.training.corpus import Corpus
from earmark.training.job import Hardware, Say, Training, Validation
from earmark.training.segments import Grid, Random
from earmark.training.stream import Segments

CONFIG = "config.yml"
FOLDER = Path("pretrained")
UNKNOWN = "unknown"

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
    say(
        f"{asked.name}: {asked.recipe.n_steps:,} steps of {asked.recipe.segments_per_step:,} segments, "
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
    codes = None if asked.written.codes is None else coded.open(Path(asked.written.codes).expanduser(), opened)
    learnt, validation, untouched = opened, None, asked.written.untouched
    if untouched is not None:
        learnt, _ = corpus.held_out(opened, untouched, UNTOUCHED_SEED)
    heard_of = learnt.tracks
    if (held := asked.written.validation) is not None:
        learnt, left = corpus.held_out(learnt, held.share, asked.recipe.seed)
        validation = Validation(partial(_held_out, left, asked, codes, held.segments), held.segments, held.patience)
    licences = Counter(track.licence or UNKNOWN for track in learnt.tracks)
    hours = learnt.duration_s / 3600
    about: dict[str, object] = {
        "representation": system.name,
        "objective": _objective(asked),
        "overrides": dict(system.overrides),
        "segments": asked.segments.model_dump(),
        "trained_on": f"{hours:.2f} h of audio in {len(learnt.tracks):,} tracks, corpus {learnt.key}",
        "corpus": opened.key,
        "held_out": None if held is None else held.model_dump(),
        HEARD: marks(heard_of),
        **({} if untouched is None else {"untouched": untouched}),
        **system.about,
        "licence": "; ".join(sorted(licences)),
        "licences": dict(sorted(licences.items())),
    }
    heard = partial(_segments, learnt, asked, codes)
    about = _after(system.weights, about)
    return Training(asked.name, system, asked.recipe, heard, folder, about, validation)


def _after(weights: Path | None, about: dict[str, object]) -> dict[str, object]:
    """Add what the weights that it starts from were trained on; where a card does not say the tracks, none does."""
    if weights is None:
        return about
    found = checkpoint.origin(weights)
    before = {"trained_on": UNKNOWN, "licence": UNKNOWN} if found is None else dict(found.about)
    changed: dict[str, object] = {
        "trained_on": f"{about['trained_on']}; before: {before['trained_on']}",
        "licence": "; ".join(sorted({*str(about["licence"]).split("; "), *before["licence"].split("; ")})),
    }
    if HEARD in before:
        changed[HEARD] = " ".join(sorted({*str(about[HEARD]).split(), *before[HEARD].split()}))
    return {name: changed.get(name, one) for name, one in about.items() if name != HEARD or HEARD in before}


def _held_out(left: Corpus, asked: Pretraining, codes: Codes | None, n: int) -> Segments:
    drawn = segments.random(left, asked.segments.segment_s, "duration", n, seed=asked.recipe.seed)
    return drawn if codes is None else coded.segments(drawn, codes)


def _objective(asked: Pretraining) -> str:
    return f"that of {asked.system.name}, {asked.recipe.n_steps:,} steps of {asked.written.batch_s:g} s"


def _segments(opened: Corpus, asked: Pretraining, codes: Codes | None) -> Segments:
    drawn = _sampler(opened, asked.segments, asked.recipe.seed)
    return drawn if codes is None else coded.segments(drawn, codes)


def _sampler(opened: Corpus, shape: SegmentsShape, seed: int) -> Grid | Random:
    if shape.kind == "random":
        return segments.random(opened, shape.segment_s, shape.by, seed=seed)
    hop_s = shape.segment_s if shape.hop_s is None else shape.hop_s
    return segments.grid(opened, shape.window_s or shape.segment_s, hop_s, crop_s=shape.segment_s, seed=seed)
