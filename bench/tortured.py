"""What bench.torture kills: commands that write, what each has acknowledged on the disk, and what each comes to."""

import hashlib
import json
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from earmark import identity
from earmark.catalogue import form, reader
from earmark.store import Store, lines
from earmark.store.shards import list_shards
from earmark.training import corpus

RATE = 16000
Digests = Mapping[str, str]

EXPERIMENT = """\
name: tortured
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: folder, dir: {folder}, split_type: [0.5, 0.25, 0.25]}}]
    deformations:
      snr0: [{{type: AddGaussianSNR, params: {{min_snr_db: 0, max_snr_db: 0}}}}]
    representations: [{{name: logmel, pool: [mean, std]}}, {{name: chroma}}]
    probes: [{{kind: mlp, hidden_units: [], epochs: 60, patience: 60, learning_rate: 0.03, batch_size: 4}}]
    seeds: [0, 1]
resamples: 50
"""

ADDING = ("--segment", "0.25", "--keep", "both", "--jobs", "2", "-q")

PRETRAINING = """\
name: tortured
representation: wav2vec2-tiny
objective:
  network:
    {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32,
     conv_dim: [8, 8, 8, 8, 8, 8, 8], num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 4}
segments: {kind: random, segment_s: 0.5}
steps: 60
batch_s: 4
portion_s: 2
schedule: {learning_rate: 1.0e-3, warm_up_steps: 2}
save_every_steps: 3
keep_checkpoints: 100
"""


@dataclass(frozen=True)
class Subject:
    """A command that writes. Each of its functions is given a folder of its own; what it reads lies in the one above.

    `acknowledged` returns what is told to be on the disk, by name, with the digest of what is there; `answer` all that
    the finished command came to, but for what tells the time. `prepare` is given the folder above.
    """

    name: str
    told: str
    weight: float
    prepare: Callable[[Path], object]
    command: Callable[[Path], list[str]]
    acknowledged: Callable[[Path], Digests]
    answer: Callable[[Path], Digests]


def make_sounds(folder: Path, n_tracks: int, seconds: float = 0.5) -> None:
    """Write noises about a tone, 16 bits, in one folder a tone."""
    for number in range(n_tracks):
        name, frequency_hz = (("low", 220.0), ("middle", 330.0), ("high", 554.4))[number % 3]
        rng = identity.generator("bench", "torture", number)
        samples = 0.2 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)
        samples += 0.02 * rng.standard_normal(len(samples))
        (folder / name).mkdir(parents=True, exist_ok=True)
        with wave.open(str(folder / name / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((samples * 32767).astype("<i2").tobytes())


def digest_of(content: bytes) -> str:
    """Return enough of a content's sha256."""
    return hashlib.sha256(content).hexdigest()[:16]


def rows_of(store: Path) -> dict[str, str]:
    """Return the acknowledged rows of a store, each read with its checksum."""
    keys = sorted({key for shard in list_shards(store / "embeddings") for key, _ in shard.read_index().items})
    if not keys:
        return {}
    return {key: digest_of(row.tobytes()) for key, row in zip(keys, Store(store).get_each(keys), strict=True)}


def _prepare_run(folder: Path) -> None:
    make_sounds(folder / "audio", 48)
    (folder / "tortured.yml").write_text(EXPERIMENT.format(folder=folder / "audio"))


def _run(folder: Path) -> list[str]:
    return ["run", str(folder.parent / "tortured.yml"), "--jobs", "2", "--run-id", "tortured"]


def _rows_and_probes(folder: Path) -> Digests:
    store = folder / "home" / "store"
    probes = {path.name: digest_of(path.read_bytes()) for path in store.glob("probes/[!.]*.safetensors")}
    return {**rows_of(store), **probes}


def _results(folder: Path) -> Digests:
    run = folder / "runs" / "tortured"
    results = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    scores = [{name: value for name, value in row.items() if name != "seconds"} for row in results]
    kept = [*run.glob("predictions/[!.]*"), *run.glob("probes/*/[!.]*"), run / "experiment.yml"]
    files = {path.relative_to(run).as_posix(): digest_of(path.read_bytes()) for path in kept}
    return {**_rows_and_probes(folder), **files, "scores": json.dumps(scores)}


def _build(folder: Path) -> list[str]:
    return ["corpus", "build", str(folder.parent / "audio"), "-o", str(folder / "corpus"), "--jobs", "2", "-q"]


def _tracks(folder: Path) -> Digests:
    made = folder / "corpus"
    told = [item["track"] for item in lines.read(made / "building.jsonl", dict[str, Any]).items if "track" in item]
    tracks = told or lines.read(made / "tracks.jsonl", dict[str, Any]).items
    if not tracks:
        return {}
    samples = np.memmap(made / "samples.i16", "<i2", "r")
    return {one["id"]: digest_of(samples[one["start"] :][: one["n_samples"]].tobytes()) for one in tracks}


def _files(folder: Path) -> Digests:
    made = (path for path in (folder / "corpus").iterdir() if path.name != ".lock")
    return {path.name: digest_of(path.read_bytes()) for path in made}


def _prepare_pretrain(folder: Path) -> None:
    make_sounds(folder / "audio", 12, 1.0)
    (folder / "tortured.yml").write_text(PRETRAINING)
    corpus.build([folder / "audio"], folder / "corpus", jobs=1)


def _pretrain(folder: Path) -> list[str]:
    made = ["pretrain", str(folder.parent / "tortured.yml"), "--corpus", str(folder.parent / "corpus"), "--resume"]
    return [*made, "-o", str(folder / "out"), "-q"]


def _steps(folder: Path) -> Digests:
    state = folder / "out" / "state.pt"
    if not state.is_file():
        return {}
    done = torch.load(state, map_location="cpu", weights_only=True)["step"]
    steps = {f"step {number}": "done" for number in range(done + 1)}
    checkpoints = (folder / "out" / "checkpoints").glob("tortured-step-[0-9]*")
    made = [path for path in checkpoints if int(path.name.rpartition("-")[2]) <= done]
    return steps | {path.name: digest_of((path / "model.safetensors").read_bytes()) for path in made}


def _steps_and_curve(folder: Path) -> Digests:
    return {**_steps(folder), "curve": digest_of((folder / "out" / "curve.jsonl").read_bytes())}


def _add(folder: Path) -> list[str]:
    return ["catalogue", "add", str(folder / "cat"), str(folder.parent / "audio"), "-r", "logmel", *ADDING]


def _catalogued(folder: Path) -> Digests:
    if not (folder / "cat" / form.FILE).is_file():
        return {}
    found, held = reader.load(folder / "cat"), {}
    for level in get_args(reader.Level):
        for block in found.blocks(level):
            for key, times_s, row in zip(block.keys, block.times_s.tolist(), block.rows, strict=True):
                held[f"{level} {key} {times_s}"] = digest_of(row.tobytes())
    return held


def _catalogued_and_listed(folder: Path) -> Digests:
    told = reader.load(folder / "cat").files.select("path", "key", "state", "duration_s").rows()
    return {**_catalogued(folder), **{Path(path).name: str(said) for path, *said in told}}


SUBJECTS: Mapping[str, Subject] = {
    one.name: one
    for one in (
        Subject(
            "run",
            "48 clips, 2 representations, clean and deformed, 2 probes of 2 seeds each, 2 processes",
            5.0,
            _prepare_run,
            _run,
            _rows_and_probes,
            _results,
        ),
        Subject(
            "corpus build",
            "2,500 tracks, acknowledged by 256",
            3.0,
            lambda folder: make_sounds(folder / "audio", 2_500, 0.25),
            _build,
            _tracks,
            _files,
        ),
        Subject(
            "pretrain",
            "60 steps of a small wav2vec 2.0, a state and a checkpoint every 3",
            2.0,
            _prepare_pretrain,
            _pretrain,
            _steps,
            _steps_and_curve,
        ),
        Subject(
            "catalogue add",
            "600 files, tracks and segments, 2 processes",
            3.0,
            lambda folder: make_sounds(folder / "audio", 600, 0.5),
            _add,
            _catalogued,
            _catalogued_and_listed,
        ),
    )
}
