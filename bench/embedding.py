"""The embedding loop: against one file, one layer set, one deformation at a time; against the bare network; memory.

The naive way decodes, deforms and resamples a file for each layer set and deformation anew, takes all hidden layers
and chooses among them afterwards, and deforms every split. It stores nothing, which ours does in its time. The network
is a stand-in of twelve blocks; the layers are those that the thesis (Plachouras 2023, §3.1) averages of MERT.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.ratio import Ratio, compare
from earmark import audio, deformations, identity
from earmark.deformations import CLEAN, PRESETS, Chain
from earmark.experiment import costs, one_pass, work
from earmark.experiment.jobs import ClipWork, Shard
from earmark.experiment.keys import Facts, Keys
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.subjects import Placed
from earmark.nouns import Card, Clip
from earmark.representations import _weights, base

N_CLIPS, N_TEST, CLIP_S, FILE_RATE = 100, 10, 0.5, 44100
LAYER_SETS = ((9, 10, 11, 12), (0, 1, 2, 3), (4, 5, 6, 7, 8), (6,))
ROUNDS = 3
BASE_NAME, BASE_CLIPS, BASE_CLIP_S = "random:wav2vec2-base", 2, 5.0
HOURS, BOUND_GB = 2.0, 1.5
NAME = "bench.embedding:StandIn"


class StandIn(nn.Module):
    """Four convolutions to 75 frames a second and twelve transformer blocks, dim 256; stops at the deepest layer."""

    card = Card(
        name="stand-in",
        version=1,
        sample_rate=24000,
        frame_rate_hz=75.0,
        dim=256,
        layers=13,
        layer_0="input to the first block",
        min_samples=400,
        max_samples=None,
        padding_safe=False,
        architecture="4 convolutions → 12 transformer blocks",
        n_parameters=0,
        trained_on="nothing",
        objective="none",
        licence="Apache-2.0",
        commercial=True,
        bibtex="",
        verified="no",
    )

    def __init__(self) -> None:
        super().__init__()
        with _weights.seeded("stand-in", 0):
            shapes = ((1, 128, 10, 5), (128, 128, 8, 4), (128, 128, 4, 4), (128, 256, 4, 4))
            self.front = nn.Sequential(*(nn.Sequential(nn.Conv1d(*shape), nn.GELU()) for shape in shapes))
            self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True) for _ in range(12))
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for."""
        wanted = base.check_call(audio, layers, self.card)
        found = [self.front(audio[:, None]).transpose(1, 2)]
        for block in self.blocks[: max(wanted)]:
            found.append(block(found[-1]))
        return torch.stack([found[layer] for layer in wanted], dim=1)


def measure() -> list[Ratio]:
    """Return the ratios to the naive way and to the bare network, and what a two-hour file takes of its bound."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = [_clip(Path(folder) / f"{number}.wav", CLIP_S) for number in range(N_CLIPS)]
        fresh = (Path(folder) / f"store-{number}" for number in count())
        return [
            _against_naive(paths, LAYER_SETS[:1], fresh, 3.5),
            _against_naive(paths, LAYER_SETS, fresh, 12.0),
            _against_naive(paths, LAYER_SETS, fresh, None, stops=True),
            _against_bare(Path(folder), fresh),
            _memory(Path(folder)),
        ]


def _against_naive(
    paths: Sequence[Path],
    sets: Sequence[tuple[int, ...]],
    fresh: Iterator[Path],
    goal: float | None,
    *,
    stops: bool = False,
) -> Ratio:
    shard = _shard(paths, [RepresentationChoice(NAME, layers) for layers in sets])
    how = ", that stops at the deepest" if stops else ""
    return compare(
        f"{N_CLIPS} clips of {CLIP_S:g} s, {N_TEST} of them also under 4 deformations; layer sets: {len(sets)}",
        ("earmark's one pass, into the store", lambda: work.embed_shard(shard, next(fresh))),
        (f"one file, set, deformation at a time{how}", partial(_naive, paths, sets, stops)),
        goal=goal,
        rounds=ROUNDS,
    )


def _naive(paths: Sequence[Path], sets: Sequence[tuple[int, ...]], stops: bool) -> list[np.ndarray]:
    network, found = one_pass.representation(NAME, "cpu"), []
    for layers in sets:
        for chain in (CLEAN, *PRESETS.values()):
            for path in paths:
                samples, rate = audio.read(path)
                deformed = deformations.apply(chain, samples, rate, 0)
                heard = torch.from_numpy(audio.resample(deformed, rate, network.card.sample_rate))[None]
                frames = network(heard, layers) if stops else network(heard)[:, list(layers)]
                found.append(frames.mean(dim=(0, 2)).numpy())
    return found


def _against_bare(folder: Path, fresh: Iterator[Path]) -> Ratio:
    paths = [_clip(folder / f"long-{number}.wav", BASE_CLIP_S) for number in range(BASE_CLIPS)]
    shard = _shard(paths, [RepresentationChoice(BASE_NAME)], chains=())
    network = one_pass.representation(BASE_NAME, "cpu")
    heard = [torch.from_numpy(audio.read(path, network.card.sample_rate).samples)[None] for path in paths]
    return compare(
        f"{BASE_CLIPS} clips of {BASE_CLIP_S:g} s through {network.card.n_parameters / 1e6:.0f} M parameters",
        ("the loop: decode, resample, forward, pool, store", lambda: work.embed_shard(shard, next(fresh))),
        ("the bare forward", lambda: [network(one) for one in heard]),
        goal=0.95,
    )


def _memory(folder: Path) -> Ratio:
    """Return what a file of two hours takes above the network, measured in a process of its own, against its bound."""
    path = folder / "hours.wav"
    with soundfile.SoundFile(path, "w", FILE_RATE, 1, "PCM_16") as file:
        minute = _music(60.0)
        for _ in range(round(HOURS * 60)):
            file.write(minute)
    call = f"from bench import embedding; embedding.print_peak({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    gigabytes = float(done.stdout) / 1e9
    ratio = BOUND_GB / gigabytes
    question = f"{HOURS:g} h of {FILE_RATE / 1000:g} kHz in segments of 5 s, peak memory above the network: GB, not s"
    ours = f"earmark, at {StandIn.card.sample_rate / 1000:g} kHz"
    return Ratio(question, ours, "the bound", 1.0, ratio, ratio, ratio, gigabytes, BOUND_GB, 1)


def print_peak(path: str) -> None:
    """Embed one file and print by how many bytes that raised the peak of this process's memory."""
    torch.set_num_threads(1)
    choice = RepresentationChoice(NAME, (0,), segment_s=5.0)
    shard = _shard([Path(path)], [choice], chains=())
    network = one_pass.representation(NAME, "cpu")
    network(torch.zeros(1, 5 * network.card.sample_rate), [0])
    before = costs.peak_bytes()
    done = work.embed_shard(shard, Path(path).with_suffix(".store"))
    assert not done.failures
    print(costs.peak_bytes() - before)


def _shard(
    paths: Sequence[Path], choices: Sequence[RepresentationChoice], chains: Sequence[Chain] = tuple(PRESETS.values())
) -> Shard:
    """Return the work of a plan: every clip clean, the first ones, which are the test clips, under each chain too."""
    cards = {choice.name: Facts(one_pass.representation(choice.name, "cpu").card) for choice in choices}
    keys, works = Keys(cards, lambda placed: placed.clip.id), []
    for number, path in enumerate(paths):
        placed = Placed("bench", Clip(path.name, path))
        asked = (CLEAN, *chains) if number < N_TEST else (CLEAN,)
        wants = tuple(want for chain in asked for choice in choices for want in keys.wants(placed, chain, choice))
        works.append(ClipWork(placed, path.name, wants))
    return Shard("bench", tuple(works))


def _clip(path: Path, seconds: float) -> Path:
    soundfile.write(path, _music(seconds, path.name), FILE_RATE)
    return path


def _music(seconds: float, name: str = "") -> np.ndarray:
    rng, t = identity.generator("bench", "embedding", name), np.arange(round(seconds * FILE_RATE)) / FILE_RATE
    chord = np.sum([0.1 * np.sin(2 * np.pi * hz * t) for hz in rng.uniform(80, 1000, 4)], axis=0)
    return np.asarray(chord + 0.01 * rng.standard_normal(len(t)), np.float32)
