"""What the severities of a run's sweeps are counted in, by its experiment's file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from earmark.deformations import Chain, severity_of, sweep_of
from earmark.errors import UserError
from earmark.experiment import spec

EXPERIMENT = "experiment.yml"
UNITS = {
    "snr_db": "signal to noise, dB",
    "gain_db": "dB",
    "bitrate": "kbit/s",
    "semitones": "semitones",
    "rate": "times faster",
    "cutoff_freq": "Hz",
    "percentile_threshold": "% of the samples",
    "target_rt60": "s",
}
"""Of audiomentations' parameters, by their names without "min_" and "max_"."""


def chains(folder: Path) -> tuple[Chain, ...]:
    """Return every chain that the experiment of a run says; () where its file is gone or not understood any more."""
    try:
        return tuple(chain for block in spec.load(folder / EXPERIMENT).blocks for chain in block.deformations)
    except (UserError, OSError):
        return ()


def units(found: Iterable[Chain]) -> Mapping[str, str]:
    """Return the unit of each sweep of which one parameter alone has the severity as its value in every chain."""
    known: dict[str, set[str]] = {}
    for chain in found:
        sweep, severity = sweep_of(chain.name), severity_of(chain.name)
        if sweep is not None:
            swept = {
                name.removeprefix("min_").removeprefix("max_")
                for step in chain.steps
                for name, value in step.params.items()
                if value == severity
            }
            known[sweep] = known.get(sweep, swept) & swept
    return {sweep: UNITS[next(iter(names))] for sweep, names in known.items() if len(names) == 1 and names <= {*UNITS}}
