"""The weights that the authors of EncodecMAE published, under our names: both forms of their files.

Version 1 (`model.pt` of lpepino/encodecmae-base and others) and version 2 (the files of lpepino/encodecmae-v2) hold a
`state_dict` each, with EnCodec's encoder and quantiser in it. They differ in the names of the projections and in the
sinusoids: version 1 has one scale for encoder and decoder, version 2 one for each. In both every row of queries, keys
and values stands at dimension · heads + head, ours at head · dimensions + dimension. Nothing is unpickled.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from earmark.errors import UserError
from earmark.representations import _weights, encodec
from earmark.representations.encodecmae.settings import Settings

STATE = "state_dict"
NAMED_IN_ERRORS = 8

# Their prefix → ours. What begins with the same letters stands longest first.
FORMS: Mapping[str, Mapping[str, str]] = {
    "feat_projector.weight": {  # version 1
        "feat_projector.": "encoder.project.",
        "positional_encoder.": "encoder.positions.",
        "visible_encoder.": "encoder.stack.",
        "decoder_projector.": "into_decoder.",
        "decoder.": "decoder.",
        "head.layer.": "head.",
        "extra_head.layer.": "extra_head.",
        "wav_encoder.model.": "codec.encoder.",
        "target_encoder.model.": "codec.quantizer.",
    },
    "wav_encoder.post_net.weight": {  # version 2
        "wav_encoder.post_net.": "encoder.project.",
        "masker.positional_encoder.": "encoder.positions.",
        "visible_encoder.post_net.": "into_decoder.",
        "visible_encoder.": "encoder.stack.",
        "decoder.positional_encoder.": "positions.",
        "decoder.": "decoder.",
        "head.layer.": "head.",
        "wav_encoder.encoder.model.": "codec.encoder.",
        "target_encoder.encodec_encoder.": "codec.encoder.",
        "target_encoder.model.": "codec.quantizer.",
    },
}
IN_A_BLOCK: Mapping[str, str] = {
    **{"norm1.weight": "norm_1.weight", "norm1.bias": "norm_1.bias"},
    **{"norm2.weight": "norm_2.weight", "norm2.bias": "norm_2.bias"},
}
CODEC, BLOCKS, QUERIES, OUT, FEEDFORWARD = "codec.", "encoder_layers", "att_layer.w", "att_layer.wo.weight", "ff_layer."


class Parts(NamedTuple):
    """The tensors of `network.Network`, and those of `encodec.Encodec`, which are absent where the file has none."""

    network: Mapping[str, Tensor]
    codec: Mapping[str, Tensor]


def read(file: Path, settings: Settings) -> Parts:
    """Return the tensors of a published file under our names.

    Raises UserError for a file of neither form, for tensors that have no place in ours, and for feed-forward modules
    that differ where the settings share them.
    """
    held = cast(Mapping[str, Any], _weights.read_state(file))
    state = held.get(STATE)
    if not isinstance(state, Mapping):
        raise UserError(f"Expected '{STATE}' in '{file}', found {', '.join(map(str, held)) or 'nothing'}.")
    return renamed(state, settings, str(file))


def renamed(state: Mapping[str, Tensor], settings: Settings, file: str) -> Parts:
    """Return the same of what stands under `state_dict`; `file` is named in errors. Raises as `read` does."""
    form = next((prefixes for mark, prefixes in FORMS.items() if mark in state), None)
    if form is None:
        raise UserError(
            f"Expected the weights of an EncodecMAE in '{file}', with one of {', '.join(FORMS)}; found "
            f"{_listed(sorted(state))}."
        )
    ours, left_over = dict[str, Tensor](), list[str]()
    for name, tensor in state.items():
        placed = next((to + name.removeprefix(theirs) for theirs, to in form.items() if name.startswith(theirs)), None)
        if placed is None or placed in ours:
            left_over.append(name)
        else:
            ours[placed] = tensor
    if left_over:
        raise UserError(f"'{file}' holds tensors that no EncodecMAE of earmark has: {_listed(left_over)}.")
    codec = {in_codec(name.removeprefix(CODEC)): ours.pop(name) for name in list(ours) if name.startswith(CODEC)}
    return Parts(dict(_network(ours, settings, file)), codec)


def _network(state: dict[str, Tensor], settings: Settings, file: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the network's tensors; `state` has our prefixes, and their names within a stack."""
    for kind in ("weight", "bias"):
        extra = state.pop(f"extra_head.{kind}", None)
        if extra is not None:  # the stream of k-means, after those of the codec
            state[f"head.{kind}"] = torch.cat([state[f"head.{kind}"], extra])
    stacks = {"encoder.stack.": settings.encoder_layers, "decoder.": settings.decoder_layers}
    for prefix, n_blocks in stacks.items():
        own = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
        for name, tensor in _stack(own, n_blocks, settings, file):
            yield prefix + name, tensor
    yield from state.items()


def _stack(state: dict[str, Tensor], n_blocks: int, settings: Settings, file: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a stack, one feed-forward module for all blocks where the settings share it."""
    shared: dict[str, Tensor] = {}
    for number in range(n_blocks):
        prefix = f"{BLOCKS}.{number}."
        own = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
        parts = [own.pop(f"{QUERIES}{which}.weight", None) for which in "qkv"]
        out = own.pop(OUT, None)
        if out is None or any(one is None for one in parts):
            raise UserError(f"'{file}' lacks the attention of block {number} of {n_blocks}.")
        rows = [_head_major(cast(Tensor, one), settings.heads) for one in parts]
        yield f"blocks.{number}.attention.into.weight", torch.cat(rows)
        yield f"blocks.{number}.attention.out.weight", _head_major(out.T, settings.heads).T.contiguous()
        for name, tensor in own.items():
            if not name.startswith(FEEDFORWARD):
                yield f"blocks.{number}.{IN_A_BLOCK.get(name, name)}", tensor
                continue
            place = name.removeprefix(FEEDFORWARD)
            if not settings.share_ffn:
                yield f"feedforwards.{number}.{place}", tensor
            elif not torch.equal(shared.setdefault(place, tensor), tensor):
                raise UserError(
                    f"'{file}' has another feed-forward module in block {number} than in block 0. Set share_ffn: false."
                )
    yield from ((f"feedforwards.0.{place}", tensor) for place, tensor in shared.items())
    yield from ((name.replace("final_norm.", "last_norm."), tensor) for name, tensor in state.items())


def _head_major(rows: Tensor, heads: int) -> Tensor:
    """Return rows that stand dimension by dimension head by head."""
    if len(rows) % heads:
        raise UserError(f"Expected attention of {heads} heads of one size, got {len(rows)} rows.")
    return rows.reshape(-1, heads, rows.shape[1]).transpose(0, 1).flatten(0, 1)


def in_codec(name: str) -> str:
    """Return transformers' name of what the encodec package calls so."""
    if name.startswith("quantizer."):
        return name.replace("quantizer.vq.", "quantizer.").replace("._codebook.", ".codebook.")
    stem, _, last = name.replace("encoder.model.", "encoder.layers.").replace(".conv.conv.", ".conv.").rpartition(".")
    return f"{stem}.{encodec.RENAMED.get(last, last)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_IN_ERRORS} more" if len(names) > NAMED_IN_ERRORS else ""
    return ", ".join(names[:NAMED_IN_ERRORS]) + more or "nothing"
