"""Named chains of audiomentations transforms: fixed, seeded by clip, in memory as float32, never clipped.

audiomentations draws from the global generators. They are seeded for each call and put back, under a lock,
so that neither order nor the number of workers changes a sample. An impulse response or a recorded noise it
reads from its path; whoever makes keys hashes `files_of` a chain for `identity_of` and `clip_seed`.
"""

import functools
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata

import numpy as np
from jaxtyping import Float32

from earmark import audio
from earmark.deformations import transforms
from earmark.deformations.transforms import both_ends, transform_names, translate
from earmark.errors import EarmarkError, MissingPart, UserError
from earmark.identity import seed_for

__all__ = [
    "CLEAN",
    "PRESETS",
    "Chain",
    "Samples",
    "Step",
    "apply",
    "both_ends",
    "check",
    "clip_seed",
    "files_of",
    "identity_of",
    "library_versions",
    "readable_name",
    "severity_of",
    "sweep_of",
    "swept_name",
    "transform_names",
    "translate",
]

LIBRARIES = ("audiomentations", "fast-mp3-augment", "python-stretch", "pyroomacoustics", "pyloudnorm", "cylimiter")
FILE_PARAMS = ("ir_path", "sounds_path")
SHORT = {"AddGaussianSNR": ("snr_db", "snr{}"), "Gain": ("gain_db", "gain{}"), "Mp3Compression": ("bitrate", "mp3-{}k")}
SWEPT = re.compile(r"(?P<sweep>.+)@(?P<severity>-?\d+(\.\d+)?(e[-+]?\d+)?)", re.DOTALL)
FREQUENCIES = ("cutoff_freq", "center_freq")
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MP3_SHORTEST_S = 0.1

_global_generators = threading.Lock()

Samples = Float32[np.ndarray, " samples"]


@dataclass(frozen=True)
class Step:
    """One transform by its name in audiomentations, with its parameters under audiomentations' names."""

    type: str
    params: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Chain:
    """Transforms in order under one name; `seed` is the deformation seed of the experiment.

    The chains of a severity sweep differ in what stands behind the last @ of their names: noise@20, noise@10.
    """

    name: str
    steps: tuple[Step, ...]
    seed: int = 0


CLEAN = Chain("clean", ())
# D1-D4 of the thesis.
PRESETS: Mapping[str, Chain] = {
    "snr15": Chain("snr15", (Step("AddGaussianSNR", {"min_snr_db": 15.0, "max_snr_db": 15.0}),)),
    "snr0": Chain("snr0", (Step("AddGaussianSNR", {"min_snr_db": 0.0, "max_snr_db": 0.0}),)),
    "mp3-32k": Chain("mp3-32k", (Step("Mp3Compression", {"min_bitrate": 32, "max_bitrate": 32}),)),
    "gain-12": Chain("gain-12", (Step("Gain", {"min_gain_db": -12.0, "max_gain_db": -12.0}),)),
}


def apply(chain: Chain, samples: Samples, sample_rate: int, seed: int) -> Samples:
    """Return the deformed samples: as many as came, float32, not clipped, the same for the same `seed`.

    `seed` comes from `clip_seed`; `sample_rate` is in Hz. Silence stays finite: noise at a given SNR over a
    silent clip is silent, because its level follows the clip's. MP3 at a rate it does not know goes through
    the next one it knows, and a clip below 0.1 s is coded with silence behind it; both keep time and length.

    Raises UserError when a step is wrong, cannot work at this sample rate, changes the length or makes
    samples that are not finite, and MissingPart when it needs a package that is not installed.
    """
    if not chain.steps or not len(samples):
        return samples
    built = [(step, transforms.built(step.type, step.params)) for step in chain.steps]
    deformed = samples.copy()
    with _seeded(seed):
        for step, transform in built:
            deformed = _transformed(step, transform, deformed, sample_rate)
    return deformed


def check(chain: Chain) -> None:
    """Raise a UserError that says what to write instead unless every step of a chain can be applied.

    Files that a step reads are not looked at; see `files_of`.
    """
    for step in chain.steps:
        if not any(name in FILE_PARAMS for name in transforms.checked(step.type, step.params)):
            transforms.built(step.type, step.params)


def clip_seed(chain: Chain, dataset: str, clip_id: str, sha256: Mapping[str, str] | None = None) -> int:
    """Return the seed of a clip under a chain. `sha256` as in `identity_of`."""
    return seed_for("deform", dataset, clip_id, identity_of(chain, sha256), chain.seed)


def identity_of(chain: Chain, sha256: Mapping[str, str] | None = None) -> list[dict[str, object]]:
    """Return types and parameters in order, for keys: not the name, not the seed, no path.

    Numbers are floats and names are today's, so that 15 and 15.0, 0 and -0.0, old name and new, are one chain.
    `sha256` maps each of `files_of(chain)` to its content's hash, which stands in for the path.
    """

    def plain(name: str, value: object) -> object:
        if isinstance(value, list | tuple):
            return [plain(name, item) for item in value]
        if name not in FILE_PARAMS:
            return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        if sha256 is None or str(value) not in sha256:
            raise EarmarkError(f"Chain '{chain.name}' reads '{value}': its key needs the sha256 of that file.")
        return sha256[str(value)]

    steps = ((step.type, transforms.without_p(step.type, step.params)) for step in chain.steps)
    return [{"type": kind, "params": {name: plain(name, params[name]) for name in params}} for kind, params in steps]


def files_of(chain: Chain) -> tuple[str, ...]:
    """Return the paths of the files that a chain reads, in order."""
    values = (step.params[name] for step in chain.steps for name in FILE_PARAMS if name in step.params)
    return tuple(str(path) for value in values for path in (value if isinstance(value, list | tuple) else [value]))


def readable_name(steps: Sequence[Step]) -> str:
    """Return a name made of content: "snr15", "mp3-32k", "gain-12+snr0"; "clean" for no steps."""
    return "+".join(_step_name(step) for step in steps) or CLEAN.name


def swept_name(sweep: str, severity: float) -> str:
    """Return the name of a chain of a sweep: "noise@20"."""
    return f"{sweep}@{_shown(severity)}"


def severity_of(name: str) -> float | None:
    """Return the severity in a chain's name, 20.0 of "noise@20"; None where it is of no sweep."""
    found = SWEPT.fullmatch(name)
    return float(found["severity"]) if found else None


def sweep_of(name: str) -> str | None:
    """Return which sweep a chain is of, "noise" of "noise@20"; None where it is of none."""
    found = SWEPT.fullmatch(name)
    return found["sweep"] if found else None


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of the libraries that deform, those that are installed, for keys."""
    # By our name for them: that in the metadata is spelt with - or _ depending on how a package was installed.
    found = {name: next(iter(metadata.distributions(name=name)), None) for name in LIBRARIES}
    return {name: package.version for name, package in found.items() if package is not None}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with _global_generators:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - audiomentations' own
        random.seed(seed)
        np.random.seed([seed & 0xFFFFFFFF, seed >> 32])  # noqa: NPY002 - audiomentations draws from it
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002 - as it was


def _transformed(step: Step, transform: Callable[..., Samples], samples: Samples, sample_rate: int) -> Samples:
    _require_heard(step, sample_rate)
    run = functools.partial(_mp3, transform) if step.type == "Mp3Compression" else transform
    try:
        deformed = np.asarray(run(samples, sample_rate), np.float32)
    except ImportError as error:
        package = (error.name or "audiomentations[extras]").replace("_", "-")
        raise MissingPart(f"{step.type} needs another package. Install it: pip install '{package}'") from error
    except (ValueError, AssertionError) as error:
        raise UserError(f"{step.type} with {dict(step.params)} fails at {sample_rate} Hz: {error}") from error
    if deformed.shape != samples.shape:
        raise UserError(f"{step.type} must keep the length, {len(samples)} samples, and returned {deformed.shape}.")
    if not np.isfinite(deformed).all():
        raise UserError(f"{step.type} with {dict(step.params)} made samples that are not finite.")
    return deformed


def _require_heard(step: Step, sample_rate: int) -> None:
    """Refuse a filter's frequency that audio of this rate cannot hold: audiomentations would move it without a word."""
    for name, value in transforms.without_p(step.type, step.params).items():
        if name.endswith(FREQUENCIES) and isinstance(value, int | float) and value >= sample_rate / 2:
            raise UserError(
                f"{step.type} with {name} = {value:g} Hz has nothing to work on: audio at {sample_rate} Hz ends at "
                f"{sample_rate / 2:g} Hz. Give a frequency below that, or leave the step out."
            )


def _mp3(transform: Callable[..., Samples], samples: Samples, sample_rate: int) -> Samples:
    rate = next((rate for rate in MP3_RATES if rate >= sample_rate), MP3_RATES[-1])
    lowest, highest = (32, 320) if rate >= 32000 else (8, 160) if rate >= 16000 else (8, 64)
    bitrate = getattr(transform, "min_bitrate")  # noqa: B009 - the type of a transform is not published
    if not lowest <= bitrate <= highest:
        raise ValueError(f"MP3 at {rate} Hz has {lowest} to {highest} kbit/s, not {bitrate}")
    coded = audio.resample(samples, sample_rate, rate)
    long_enough = np.pad(coded, (0, max(0, int(MP3_SHORTEST_S * rate) + 1 - len(coded))))
    return audio.resample(transform(long_enough, rate)[: len(coded)], rate, sample_rate)[: len(samples)]


def _step_name(step: Step) -> str:
    if swept := next((name for name, value in step.params.items() if isinstance(value, Mapping)), None):
        raise UserError(f"'{swept}' of {step.type} is swept, so its chain needs a name, such as noise: [{{type: …}}].")
    values = dict(transforms.without_p(step.type, step.params))
    for low in [name for name in values if name.startswith("min_")]:
        if "max" + low[3:] in values and values[low] == values["max" + low[3:]]:
            values[low[4:]] = values.pop(low)
            del values["max" + low[3:]]
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", step.type).lower()
    short, form = SHORT.get(step.type, ("", ""))
    if short in values:
        stem = form.format(_shown(values.pop(short)))
    return "-".join([stem, *(name.replace("_", "-") + _shown(values[name]) for name in sorted(values))])


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" + re.sub(r"[^\w.]+", "-", str(value).rpartition("/")[2]).strip("-").lower()
    return repr(_number(value)).removesuffix(".0")


def _number(value: float) -> float:
    return float(value) + 0.0  # -0.0, which JSON writes otherwise, is 0.0
