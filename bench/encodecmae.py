"""One training step of EncodecMAE Base from cached frames against the same computation written the public way.

The public way: EnCodec and its first 8 codebooks run on every crop, hidden frames are drawn span by span in Python,
sinusoids are made anew in each pass, attention is a softmax spelt out with a mask added to it, and codebooks are scored
one by one. Written here from the facts that earmark is made from, over our own parameters, so that both give one loss;
no code of the authors is in it. Both step by AdamW, ours fused as the trainer's, with the codec's weights random.

In float32 both must do the same matrix products, and these are nearly all of our step: what is left cannot make 1.4.
In bf16, the precision of the shipped presets, they are shorter, and all else weighs more. The codec stays in float32 in
either way, for both to seek the same codes.
"""

import math
import random
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from bench.ratio import Cost, Ratio, compare
from earmark.representations import encodec
from earmark.representations.encodecmae import masking, targets
from earmark.representations.encodecmae.inputs import EncodecFrames
from earmark.representations.encodecmae.masking import Frames
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import BASE, Settings
from earmark.representations.encodecmae.targets import Coded

CROPS, CROP_SAMPLES, CODEC = 2, 96_000, "24khz"
GOAL, NO_MORE_THAN = 1.4, 1e-4
ROUNDS = 5
OURS, THEIRS = "earmark, cached", "the public way"


class Sides:
    """Both ways of one step, on one network of `settings` and on crops of noise."""

    def __init__(self, settings: Settings, codec: str = CODEC, n_crops: int = CROPS) -> None:
        self.codec = encodec.build(codec, 0)
        self.audio = 0.1 * torch.randn(n_crops, CROP_SAMPLES, generator=torch.Generator().manual_seed(0))
        inputs = EncodecFrames(self.codec)
        self.objective = EncodecMAE(settings, 0, inputs)
        frames = inputs(self.audio)
        codes = targets.of_codec(self.codec, inputs, settings.n_streams)(self.audio, frames)
        self.cached = Coded(frames.half(), codes.short())
        self.generator = torch.Generator().manual_seed(0)
        self.random = random.Random(0)

    def our_loss(self, frames: Frames | None = None) -> Tensor:
        """Return the loss of cached frames, with what is hidden given or drawn."""
        coded = self.objective.coded(Coded(self.cached.frames.float(), self.cached.codes))
        drawn = frames or self.objective.draw(coded.codes, self.generator)
        loss = self.objective.measure(coded, drawn).loss
        return loss.total / loss.count

    def their_loss(self, frames: Frames | None = None) -> Tensor:
        """Return the loss of audio, with what is hidden given or drawn."""
        heard, codes = self.coded()
        ours = self.objective.settings
        drawn = frames or drawn_in_turn(heard.shape[0], heard.shape[1], ours, self.random)
        hidden = torch.zeros(heard.shape[:2]).scatter_(1, drawn.hidden, 1.0)
        return loss_of(logits(self.objective.network, ours, heard, drawn), codes, hidden, ours)

    @torch.no_grad()
    def coded(self) -> Coded:
        """Return frames and codes of the crops by the codec itself, as every step of the public way does."""
        with torch.autocast("cpu", enabled=False):
            frames = self.codec.encoder(self.audio[:, None])
            codes, left = [], frames
            for stage in self.codec.quantizer.layers[: self.objective.settings.n_streams]:
                codes.append(stage.encode(left))
                left = left - stage.decode(codes[-1])
        return Coded(frames.transpose(1, 2), torch.stack(codes, dim=1))

    def step(self, loss: Callable[[], Tensor], fused: bool = False, bf16: bool = False) -> Callable[[], object]:
        """Return what takes one step by a loss, its forward pass in float32 or bf16."""
        network = self.objective.network
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-7, betas=(0.9, 0.95), weight_decay=0.05, fused=fused)

        def taken() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                found = loss()
            torch.autograd.backward(found)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        return taken


def measure() -> list[Ratio | Cost]:
    """Return the ratio of a step, that of the network's part alone, and what the codec takes."""
    torch.set_num_threads(1)
    sides = Sides(BASE)
    apart = difference(sides)
    if apart > NO_MORE_THAN:
        raise ValueError(f"Expected one loss of both ways, got {apart:.2g} between them.")
    ours, theirs = sides.step(sides.our_loss, fused=True), sides.step(sides.their_loss)
    question = f"a step of Base, {CROPS} × 4 s, CPU"
    whole = compare(question, (OURS, ours), (THEIRS, theirs), goal=GOAL, rounds=ROUNDS)
    short = [sides.step(sides.our_loss, fused=True, bf16=True), sides.step(sides.their_loss, bf16=True)]
    in_bf16 = compare(f"{question}, bf16", (OURS, short[0]), (THEIRS, short[1]), goal=GOAL, rounds=ROUNDS)
    rounded = difference(sides, bf16=True)
    with FlopCounterMode(display=False) as counted:
        torch.autograd.backward(sides.our_loss())
    products_s = counted.get_total_flops() / speed()
    codec = compare(
        "the codec alone, against the whole public step",
        ("EnCodec, 8 codebooks", sides.coded),
        (THEIRS, theirs),
        None,
        3,
    )
    share = f"{codec.ours_s / codec.theirs_s:.0%} of the public step; with cached frames there is none of it"
    known = sides.coded()
    sides.coded = lambda: known  # type: ignore[method-assign]  # as if theirs were cached too
    rest = compare(f"{question}, without the codec", (OURS, ours), ("the public way, cached", theirs), rounds=ROUNDS)
    return [
        Cost(f"EnCodec and its codes, {CROPS} × 4 s", codec.ours_s, share),
        Cost(
            "the losses of both ways",
            0.0,
            f"differ by {apart:.1g}, frames in 16 bits included; in bf16 by {rounded:.1g}",
        ),
        Cost(
            "matrix products of a step, alone",
            products_s,
            f"{products_s / whole.ours_s:.0%} of ours; were all else free, the ratio would be "
            f"{whole.theirs_s / products_s:.2f}",
        ),
        whole,
        in_bf16,
        rest,
    ]


def speed() -> float:
    """Return products and sums a second of the largest matrix product of a step, as fast as it was in five."""
    rows, entries, dim = CROPS * 300, BASE.n_streams * BASE.n_codes, BASE.dim
    left, right, took = torch.randn(rows, dim), torch.randn(entries, dim), []
    for _ in range(5):
        started = time.process_time()
        _ = left @ right.T
        took.append(time.process_time() - started)
    return 2 * rows * entries * dim / min(took)


def difference(sides: Sides, bf16: bool = False) -> float:
    """Return how far the losses of both ways are apart, relative to theirs, with the same frames hidden."""
    frames = sides.objective.draw(sides.cached.codes, torch.Generator().manual_seed(1))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        ours, theirs = sides.our_loss(frames), sides.their_loss(frames)
    return float((ours - theirs).abs() / theirs)


def drawn_in_turn(n_clips: int, n_frames: int, settings: Settings, rng: random.Random) -> Frames:
    """Return hidden frames, clip by clip and span by span."""
    quota, rows = int(settings.mask_share * n_frames), []
    for _ in range(n_clips):
        hidden, first = [False] * n_frames, None
        while sum(hidden) < quota:
            start = rng.randint(0, n_frames - settings.mask_frames)
            first = start if first is None else first
            for frame in range(start, start + settings.mask_frames):
                hidden[frame] = True
        for frame in range(first or 0, n_frames):
            if sum(hidden) > quota:
                hidden[frame] = False
        rows.append(hidden)
    return masking.split(torch.tensor(rows), quota)


def logits(network: Any, settings: Settings, inputs: Tensor, frames: Frames) -> Tensor:
    """Return logits (clips, frames, streams, codes)."""
    own, dim = network.encoder, settings.dim
    places = sinusoids(inputs.shape[1], dim)
    placed = own.project(inputs) + own.positions.scale * places
    visible = torch.stack([clip[chosen] for clip, chosen in zip(placed, frames.visible, strict=True)])
    encoded = network.into_decoder(stack(own.stack, visible, settings))
    spread = torch.zeros(len(inputs), inputs.shape[1], dim)
    for number, chosen in enumerate(frames.visible):
        spread = spread.index_put((torch.tensor(number), chosen), encoded[number].to(spread.dtype))
    decoded = stack(network.decoder, spread + own.positions.scale * places, settings)
    return torch.unflatten(network.head(decoded), 2, (settings.n_streams, settings.n_codes))


def sinusoids(n_frames: int, dim: int) -> Tensor:
    """Return the table of positions, place by place of each frame's wave."""
    table = torch.zeros(n_frames, dim)
    time = torch.arange(n_frames, dtype=torch.float64)[:, None]
    waves = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64) * (-math.log(10_000.0) / dim))
    table[:, 0::2], table[:, 1::2] = torch.sin(time * waves), torch.cos(time * waves)
    return table


def stack(own: Any, frames: Tensor, settings: Settings) -> Tensor:
    """Return the answer of a stack of ResiDual blocks."""
    a, b = frames, frames
    for number, block in enumerate(own.blocks):
        said = attention(block.attention, a, settings)
        a, b = block.norm_1(a + said), b + said
        said = own.feedforwards[number % len(own.feedforwards)](a)
        a, b = block.norm_2(a + said), b + said
    answer: Tensor = a + own.last_norm(b)
    return answer


def attention(own: Any, frames: Tensor, settings: Settings) -> Tensor:
    """Return what frames gather: products, mask, softmax, sum, each a tensor of its own."""
    shape = (*frames.shape[:2], settings.heads, settings.head_dim)
    queries, keys, values = (functional.linear(frames, weight).reshape(shape) for weight in own.into.weight.chunk(3))
    alike = torch.einsum("bthd,bshd->bhts", queries, keys) / math.sqrt(settings.head_dim)
    padded = torch.zeros(frames.shape[:2])
    weights = torch.softmax(alike - 1e9 * padded[:, None, None], dim=-1)
    gathered: Tensor = own.out(torch.einsum("bhts,bshd->bthd", weights, values).flatten(2))
    return gathered


def loss_of(said: Tensor, codes: Tensor, hidden: Tensor, settings: Settings) -> Tensor:
    """Return the weighted sum over codebooks of the means over hidden and over seen frames."""
    total = torch.zeros(())
    for stream, gamma in enumerate(settings.weights):
        nats = functional.cross_entropy(said[:, :, stream].float().transpose(1, 2), codes[:, stream], reduction="none")
        of_hidden, of_seen = ((nats * one).sum() / one.sum() for one in (hidden, 1 - hidden))
        total = total + gamma * (settings.delta * of_hidden + (1 - settings.delta) * of_seen)
    return total
