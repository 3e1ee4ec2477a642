"""What the models of a run heard of a test clip: as samples, as a short Ogg Vorbis file, as a picture.

Paths are those of the machine that ran it. A clip that cannot be heard any more raises, and its message says why.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from earmark import audio, deformations, identity
from earmark.audio import Audio
from earmark.deformations import CLEAN, Chain
from earmark.errors import AudioError, DataError, UnknownName
from earmark.experiment import clips, ingredients, spec
from earmark.experiment.spec import Block
from earmark.representations._spectrogram import FilteredPower, decibels, mel_filters
from earmark.runs import png

EXPERIMENT = "experiment.yml"
SAMPLE_RATE = 22050
"""The most Hz that an excerpt is played at, and the rate it is drawn at: half of a CD's, for small files."""
LOWEST_RATE = 8000
MARGIN_S = 0.1
N_FFT, SHORTEST_HOP_SAMPLES, LONGEST_HOP_SAMPLES = 2048, 64, 512
RANGE_DB = 80.0
SILENCE_DB = -20.0
"""The loudest pixel of a picture counts as at least this, so that silence (-100 dB, see `decibels`) is darkest."""
N_SHADES = 32
COLOURS = ((8, 6, 28), (62, 18, 94), (142, 36, 106), (214, 70, 72), (248, 140, 40), (252, 244, 170))
"""Red, green and blue from dark to bright, each lighter than the one before, so that it reads without colours too."""


@dataclass(frozen=True)
class Heard:
    """Where the audio of a test clip lies; the region is in seconds, None: from the beginning, to the end."""

    dataset: str
    clip: str
    path: Path
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True)
class Rights:
    """What the card of a dataset says of its audio; what is not `redistributable` must not be passed on."""

    dataset: str
    title: str
    licence: str
    redistributable: bool


def heard(run_folder: Path) -> Mapping[tuple[str, str], Heard]:
    """Return where the test clips of a run lie, by dataset and clip id. Raises DataError where a run does not say."""
    lines = _content(run_folder, clips.CLIPS).splitlines()
    found = (Heard(**{**one, "path": Path(one["path"])}) for one in map(json.loads, lines))
    return {(one.dataset, one.clip): one for one in found}


def rights(run_folder: Path) -> Mapping[str, Rights]:
    """Return what may be done with the audio of each dataset. Raises DataError where a run does not say."""
    return {name: Rights(name, **one) for name, one in json.loads(_content(run_folder, clips.RIGHTS)).items()}


def _content(run_folder: Path, name: str) -> bytes:
    file = run_folder / name
    if not file.is_file():
        raise DataError(
            f"Expected {name} in '{run_folder}', to know where its audio is. It is unpacked from a bundle, or of an "
            "older earmark: run its experiment again, all of it is in the store."
        )
    return file.read_bytes()


def excerpt(run_folder: Path, one: Heard, deformation: str, seconds: float = 5.0, task: str | None = None) -> Audio:
    """Return the first seconds of what models heard of a clip under a deformation, at the rate of its file.

    All of the clip is deformed, with its own seed, and then cut, so that each sample is one that was heard; a
    representation resamples them to its own rate. `task` is needed where tasks call different chains by one name.
    Raises AudioError for a file that has moved, changed or cannot be read, UnknownName and DataError for a deformation
    that the run's experiment does not say, UserError or MissingPart for one that cannot be applied here.
    """
    chain = _chain(run_folder, deformation, task)
    samples, rate = audio.read(one.path, None, one.start_s, _end_s(one, seconds) if chain == CLEAN else one.end_s)
    _require_same(run_folder / ingredients.FILE, one)
    if chain.steps:
        seed = deformations.clip_seed(chain, one.dataset, one.clip, _files(chain))
        samples = deformations.apply(chain, samples, rate, seed)
    return Audio(samples[: max(1, round(seconds * rate))], rate)


def _end_s(one: Heard, seconds: float) -> float | None:
    """Return up to where a clean clip must be read: a little over what is wanted, for the cut is in samples."""
    wanted_s = (one.start_s or 0.0) + seconds + MARGIN_S
    end_s = audio.info(one.path).duration_s if one.end_s is None else one.end_s
    return wanted_s if wanted_s < end_s else one.end_s


def _require_same(file: Path, one: Heard) -> None:
    """Raise AudioError where the file of a clip is not the one that the run heard, as far as the run says which."""
    known = _checksums(file, file.stat().st_mtime_ns) if file.is_file() else {}
    said = known.get((one.dataset, one.clip), ingredients.MISSING)
    if said not in (ingredients.MISSING, _sha256(one.path, one.path.stat().st_mtime_ns)):
        raise AudioError(one.path, "it has changed since the run, which heard other audio. Run its experiment again.")


@functools.lru_cache(maxsize=4)
def _checksums(file: Path, changed_ns: int) -> Mapping[tuple[str, str], str]:
    found = ingredients.read(file.parent)
    every = found.clips.items() if found else ()
    return {(dataset, clip): one.audio for dataset, of_one in every for clip, one in of_one.items()}


@functools.lru_cache(maxsize=1024)
def _sha256(path: Path, changed_ns: int) -> str:
    return identity.file_sha256(path)


def _chain(run_folder: Path, name: str, task: str | None) -> Chain:
    if name == CLEAN.name:
        return CLEAN
    file = run_folder / EXPERIMENT
    if not file.is_file():
        raise DataError(f"Expected {EXPERIMENT} in '{run_folder}', to know what '{name}' is. Run its experiment again.")
    blocks = [one for one in _blocks(file, file.stat().st_mtime_ns) if task in (None, one.task.task.name)]
    known = [chain for block in blocks for chain in block.deformations]
    found = [chain for chain in known if chain.name == name]
    if not found:
        raise UnknownName("deformation of this run", name, {CLEAN.name, *(chain.name for chain in known)})
    if any(chain != found[0] for chain in found):
        raise DataError(f"The experiment of '{run_folder}' calls more than one chain '{name}'. Say of which task.")
    return found[0]


@functools.lru_cache(maxsize=4)  # a page asks for many clips of one run
def _blocks(file: Path, changed_ns: int) -> tuple[Block, ...]:
    return spec.load(file).blocks


def _files(chain: Chain) -> Mapping[str, str]:
    """Return the sha256 of each file that a chain reads, by its path, as keys of embeddings have it."""
    paths = deformations.files_of(chain)
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise DataError(f"The deformation '{chain.name}' reads '{missing[0]}', which is not there. Put it back.")
    return {path: identity.file_sha256(Path(path)) for path in paths}


def ogg(excerpt: Audio) -> bytes:
    """Return an excerpt as a mono Ogg Vorbis file of 8,000 to 22,050 Hz, clipped to [-1, 1]; about 5 kB a second.

    What a chain made louder than that, models heard unclipped.
    """
    rate = min(max(excerpt.sample_rate, LOWEST_RATE), SAMPLE_RATE)
    return audio.encode_ogg(audio.resample(excerpt.samples, excerpt.sample_rate, rate), rate)


def mel_png(excerpt: Audio, height_px: int = 96, width_px: int = 256) -> bytes:
    """Return the log-mel spectrogram of an excerpt as a PNG picture: a band a pixel, brighter is louder.

    Upward: 0 to 11,025 Hz on Slaney's mel scale, linear below 1 kHz. To the right: the excerpt's seconds, in frames of
    93 ms, one every 3 to 23 ms so that they fill the width; more than `width_px` are averaged in power. Colours go from
    80 dB below the loudest pixel up to it; silence is dark. Bands and decibels are those of `logmel`.
    """
    samples = audio.resample(excerpt.samples, excerpt.sample_rate, SAMPLE_RATE)
    padded = np.pad(samples, (0, max(0, N_FFT - len(samples))))
    hop_samples = min(max((len(padded) - N_FFT) // width_px + 1, SHORTEST_HOP_SAMPLES), LONGEST_HOP_SAMPLES)
    with torch.inference_mode():
        power = FilteredPower(_bands(height_px), N_FFT, hop_samples)(torch.from_numpy(padded)[None])[0]
        loudness_db = decibels(_narrowed(power, width_px)).numpy().T[::-1]
    top_db = max(float(loudness_db.max()), SILENCE_DB)
    shades = np.rint((loudness_db - top_db) / RANGE_DB * (N_SHADES - 1)) + N_SHADES - 1
    return png.picture(shades.clip(0, N_SHADES - 1).astype(np.uint8), _colours())


@functools.lru_cache(maxsize=4)
def _bands(n_bands: int) -> Float[torch.Tensor, "bins bands"]:
    return mel_filters(SAMPLE_RATE, N_FFT, n_bands)


def _narrowed(power: Float[torch.Tensor, "frames bands"], most: int) -> Float[torch.Tensor, "columns bands"]:
    """Return at most so many columns, each the mean of as many frames as its neighbours, but for one."""
    return torch.stack([part.mean(0) for part in power.tensor_split(min(most, len(power)))])


def _colours() -> UInt8[np.ndarray, "shades 3"]:
    """Return the colours of the shades, dark to bright: between those of `COLOURS`, in equal steps."""
    places = np.linspace(0, len(COLOURS) - 1, N_SHADES)
    channels = [np.interp(places, range(len(COLOURS)), channel) for channel in zip(*COLOURS, strict=True)]
    return np.asarray(np.rint(np.stack(channels, axis=1)), np.uint8)
