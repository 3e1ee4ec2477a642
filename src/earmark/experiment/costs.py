"""What the representations of a run cost: time, memory, room. Measured where they are computed, kept with the run.

costs.json      one entry for each representation, way of cutting segments, and device
"""

import json
import resource
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from earmark import durable

FILE = "costs.json"
SCHEMA = 1
LINUX_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """What one representation took for the audio it was given.

    `audio_s` counts each clip once for every chain that it was heard under; where segments overlap, the network
    heard more. `seconds` are of its forward passes: CPU time, on a GPU time that went by. `peak_bytes` is the most
    memory a worker held, with all else it had done. `batch` is how many segments went through together at most,
    `layers` how many were computed, `n_bytes` what the embeddings take in the store.
    """

    representation: str
    segment_s: float | None
    segment_hop_s: float | None
    device: str
    audio_s: float
    seconds: float
    peak_bytes: int
    batch: int
    n_parameters: int
    dim: int
    layers: int
    n_bytes: int

    @property
    def x_realtime(self) -> float | None:
        """Seconds of audio a second of computing; None before anything was timed."""
        return self.audio_s / self.seconds if self.seconds else None

    @property
    def bytes_per_hour(self) -> float | None:
        """Bytes of embeddings an hour of audio; the shorter the clips, the more."""
        return self.n_bytes / self.audio_s * 3600 if self.audio_s else None


def total(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """Return the sums of shards, or of runs: one of each representation, segments and device, by name."""
    sums: dict[tuple[object, ...], Cost] = {}
    for cost in costs:
        name = cost.representation, cost.segment_s, cost.segment_hop_s, cost.device
        sums[name] = _sum(sums[name], cost) if name in sums else cost
    return tuple(sums[name] for name in sorted(sums, key=str))


def _sum(one: Cost, other: Cost) -> Cost:
    return replace(
        one,
        audio_s=one.audio_s + other.audio_s,
        seconds=one.seconds + other.seconds,
        peak_bytes=max(one.peak_bytes, other.peak_bytes),
        batch=min(one.batch, other.batch),
        layers=max(one.layers, other.layers),
        n_bytes=one.n_bytes + other.n_bytes,
    )


def add(folder: Path, costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """Add what was measured to a run's costs.json, and return all of it. Nothing new: nothing is written."""
    new, before = total(costs), read(folder)
    if not new:
        return before
    found = total((*before, *new))
    entries = [{**asdict(one), "x_realtime": one.x_realtime, "bytes_per_hour": one.bytes_per_hour} for one in found]
    durable.write_file(folder / FILE, json.dumps({"schema": SCHEMA, "costs": entries}, indent=1).encode())
    return found


def read(folder: Path) -> tuple[Cost, ...]:
    """Return the costs of a run; none where it computed no embedding."""
    if not (folder / FILE).exists():
        return ()
    entries = json.loads((folder / FILE).read_bytes())["costs"]
    return tuple(Cost(**{name: entry[name] for name in Cost.__dataclass_fields__}) for entry in entries)


def peak_bytes() -> int:
    """Return the most memory this process has held since it started, in bytes.

    On Linux not getrusage's, which begins with what the parent held when it started this process.
    """
    if LINUX_STATUS.exists():
        (line,) = (one for one in LINUX_STATUS.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
