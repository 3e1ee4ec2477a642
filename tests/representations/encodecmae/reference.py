"""EncodecMAE written the long way: one head, one frame, one codebook at a time, on tensors under the published names.

Written from the equations of the facts that earmark is made from, and not from its code: published files keep row
(dimension · heads + head) of queries, keys and values for that dimension of that head.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from earmark.representations.encodecmae.masking import Frames
from earmark.representations.encodecmae.settings import TINY, Settings
from earmark.representations.encodecmae.targets import Coded

State = Mapping[str, Tensor]
CLIPS, FRAMES = 6, 20


def miniature(**changes: Any) -> Settings:
    """A shape of milliseconds: 16 dimensions, 2 heads of 6, 3 + 2 blocks, 3 streams of 11 codes."""
    shape: dict[str, Any] = {
        **{"dim": 16, "heads": 2, "head_dim": 6, "encoder_layers": 3, "decoder_layers": 2, "ffn_dim": 24},
        **{"mask_frames": 3, "n_streams": 3, "n_codes": 11, "gamma": (0.5, 0.3, 0.2)},
    }
    return replace(TINY, **(shape | changes))


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal random numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def coded(settings: Settings, n_clips: int = CLIPS, n_frames: int = FRAMES, seed: int = 0, padded: int = 0) -> Coded:
    """Random frames and codes; clip i has its last i · padded frames padded."""
    codes = torch.randint(settings.n_codes, (n_clips, settings.n_streams, n_frames), generator=seeded(seed))
    for clip in range(n_clips):
        codes[clip, :, n_frames - clip * padded :] = -1
    return Coded(numbers(n_clips, n_frames, settings.input_dim, seed=seed, dtype=torch.float64), codes)


def attention(frames: Tensor, state: State, prefix: str, heads: int) -> Tensor:
    """Of one clip: each head on its own, each frame on its own."""
    queries, keys, values = (frames @ state[f"{prefix}w{which}.weight"].T for which in "qkv")
    gathered = torch.zeros_like(queries)
    for head in range(heads):
        rows = torch.arange(head, queries.shape[1], heads)
        for frame in range(len(frames)):
            alike = torch.stack([queries[frame, rows] @ keys[other, rows] for other in range(len(frames))])
            weights = (alike / math.sqrt(len(rows))).softmax(0)
            gathered[frame, rows] = sum((weight * value[rows] for weight, value in zip(weights, values, strict=True)))
    return gathered @ state[f"{prefix}wo.weight"].T


def norm(frames: Tensor, state: State, name: str) -> Tensor:
    """Layer norm with epsilon 1e-5, spelt out."""
    centred = frames - frames.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


def stack(frames: Tensor, state: State, prefix: str, n_blocks: int, heads: int) -> list[Tensor]:
    """Of one clip: the normed stream after each block, then the answer."""
    a, b, found = frames, frames, []
    for number in range(n_blocks):
        block = f"{prefix}encoder_layers.{number}."
        y = attention(a, state, f"{block}att_layer.", heads)
        a, b = norm(a + y, state, f"{block}norm1"), b + y
        hidden = (a @ state[f"{block}ff_layer.0.weight"].T + state[f"{block}ff_layer.0.bias"]).clamp_min(0)
        y = hidden @ state[f"{block}ff_layer.2.weight"].T + state[f"{block}ff_layer.2.bias"]
        a, b = norm(a + y, state, f"{block}norm2"), b + y
        found.append(a)
    return [*found, a + norm(b, state, f"{prefix}final_norm")]


def positions(n_frames: int, dim: int) -> Tensor:
    """Sines and cosines, place by place."""
    rows = [
        [math.sin(t * 10000 ** (-2 * i / dim)) if not odd else math.cos(t * 10000 ** (-2 * i / dim))]
        for t in range(n_frames)
        for i in range(dim // 2)
        for odd in (0, 1)
    ]
    return torch.tensor(rows, dtype=torch.float64).reshape(n_frames, dim)


class Names:
    """What the two releases call the parts that they call differently."""

    def __init__(self, version: int) -> None:
        first = version == 1
        self.project = "feat_projector" if first else "wav_encoder.post_net"
        self.into_decoder = "decoder_projector" if first else "visible_encoder.post_net"
        self.scale = "positional_encoder.scale" if first else "masker.positional_encoder.scale"
        self.decoder_scale = self.scale if first else "decoder.positional_encoder.scale"
        self.codec = "wav_encoder.model." if first else "wav_encoder.encoder.model."


def linear(frames: Tensor, state: State, name: str) -> Tensor:
    """A linear layer with bias."""
    return frames @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def encoder_layers(inputs: Tensor, state: State, settings: Settings, version: int) -> list[Tensor]:
    """Of one clip, all frames seen: the input of the first block, the normed streams, and the answer."""
    names = Names(version)
    placed = linear(inputs, state, names.project) + state[names.scale] * positions(len(inputs), settings.dim).to(inputs)
    return [placed, *stack(placed, state, "visible_encoder.", settings.encoder_layers, settings.heads)]


def logits(inputs: Tensor, state: State, settings: Settings, version: int, visible: Sequence[int]) -> Tensor:
    """Of one clip, (frames, streams, codes): only the visible frames are encoded, the others are zeros after."""
    names, n_frames = Names(version), len(inputs)
    places = positions(n_frames, settings.dim).to(inputs)
    placed = linear(inputs, state, names.project) + state[names.scale] * places
    encoded = stack(placed[list(visible)], state, "visible_encoder.", settings.encoder_layers, settings.heads)[-1]
    spread = torch.zeros(n_frames, settings.dim, dtype=inputs.dtype)
    spread[list(visible)] = linear(encoded, state, names.into_decoder)
    spread = spread + state[names.decoder_scale] * places
    decoded = stack(spread, state, "decoder.", settings.decoder_layers, settings.heads)[-1]
    said = linear(decoded, state, "head.layer")
    if "extra_head.layer.weight" in state:
        said = torch.cat([said, linear(decoded, state, "extra_head.layer")], -1)
    return said.reshape(n_frames, settings.n_streams, settings.n_codes)


def state_of(
    settings: Settings, version: int, input_dim: int, seed: int = 0, extra_codes: int = 0
) -> dict[str, Tensor]:
    """Random tensors under the names of a release, feed-forward modules shared as there; no codec."""
    names, dim, inner = Names(version), settings.dim, settings.heads * settings.head_dim
    rng = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return 0.4 * torch.randn(*shape, generator=rng)

    def layer(name: str, n_in: int, n_out: int) -> dict[str, Tensor]:
        return {f"{name}.weight": drawn(n_out, n_in), f"{name}.bias": drawn(n_out)}

    state: dict[str, Tensor] = {}
    for prefix, n_blocks in (("visible_encoder", settings.encoder_layers), ("decoder", settings.decoder_layers)):
        shared = layer("0", dim, settings.ffn_dim) | layer("2", settings.ffn_dim, dim)
        for number in range(n_blocks):
            block = f"{prefix}.encoder_layers.{number}"
            state |= {f"{block}.att_layer.w{which}.weight": drawn(inner, dim) for which in "qkv"}
            state |= {f"{block}.att_layer.wo.weight": drawn(dim, inner)}
            own = (
                shared if settings.share_ffn else layer("0", dim, settings.ffn_dim) | layer("2", settings.ffn_dim, dim)
            )
            state |= {f"{block}.ff_layer.{name}": tensor for name, tensor in own.items()}
            for which in ("norm1", "norm2"):
                state |= {f"{block}.{which}.weight": 1 + drawn(dim), f"{block}.{which}.bias": drawn(dim)}
        state |= {f"{prefix}.final_norm.weight": 1 + drawn(dim), f"{prefix}.final_norm.bias": drawn(dim)}
    n_outputs = settings.n_streams * settings.n_codes - extra_codes
    state |= layer(names.project, input_dim, dim) | layer(names.into_decoder, dim, dim)
    state |= layer("head.layer", dim, n_outputs)
    if extra_codes:
        state |= layer("extra_head.layer", dim, extra_codes)
    return state | {names.scale: torch.tensor(0.7), names.decoder_scale: torch.tensor(0.7 if version == 1 else 1.3)}


def hidden_by(starts: Sequence[int], n_frames: int, quota: int, span: int) -> list[bool]:
    """Runs in turn until the quota is met, then what is too many off the beginning of the first that can give it."""
    hidden, used = [False] * n_frames, []
    for start in starts:
        if sum(hidden) >= quota:
            break
        used.append(start)
        hidden[start : start + span] = [True] * span
    assert sum(hidden) >= quota
    giving = next((start for start in used if start < n_frames - span), used[0])
    for frame in range(giving, giving + sum(hidden) - quota):
        hidden[frame] = False
    return hidden


def loss(logits: Tensor, codes: Tensor, frames: Frames, settings: Settings) -> Tensor:
    """The mean over the batch of hidden frames and that of visible ones, frame by frame and codebook by codebook."""
    terms: dict[bool, list[Tensor]] = {True: [], False: []}
    for clip in range(len(logits)):
        for frame in range(logits.shape[1]):
            if codes[clip, :, frame].min() < 0:
                continue
            nats = [
                settings.weights[stream]
                * -functional.log_softmax(logits[clip, frame, stream], 0)[codes[clip, stream, frame]]
                for stream in range(settings.n_streams)
            ]
            terms[frame in frames.hidden[clip].tolist()].append(torch.stack(nats).sum())
    masked, visible = (torch.stack(terms[kind]).mean() for kind in (True, False))
    return settings.delta * masked + (1 - settings.delta) * visible
