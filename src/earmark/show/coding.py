"""What the command line says of codes, of codebooks, and of what they leave over."""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path

from rich.table import Table

from earmark.analysis import escapes
from earmark.experiment import devices
from earmark.experiment.progress import bar
from earmark.representations import base
from earmark.representations.encodecmae import inputs as hearing
from earmark.representations.encodecmae import targets as seeking
from earmark.representations.encodecmae.codebooks import Residuals
from earmark.representations.encodecmae.inputs import Inputs
from earmark.show.runs import console
from earmark.show.said import remark
from earmark.training import coding, corpus, fronts
from earmark.training.fronts import GAMMA, KMEANS, MEL_RVQ, Sample

MEL_STREAMS, MEL_CODES, TEACHER_CODES = 4, 256, 1024


def coded(
    folder: Path,
    output: Path,
    targets: Sequence[Path],
    codec: str | None,
    inputs: str | None,
    n_streams: int,
    alone_s: float | None,
    device: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Code a corpus with a progress bar, and say what there is."""
    chosen = devices.choose(device)
    devices.prepare(chosen)
    front = fronts.assembled(targets, codec, inputs, n_streams)
    opened = corpus.open(folder)
    show = partial(bar, quiet=quiet)
    made = coding.code(opened, front, output, alone_s=alone_s, device=chosen, overwrite=overwrite, bar=show)
    short = [track.id for track in made.tracks if not track.n_frames]
    if short:
        remark(f"note: too short to be coded: {len(short)} of {len(made.tracks)} tracks, such as {short[0]}")
    cut = "whole tracks" if made.pieces is None else f"pieces of {made.pieces.n_samples / made.sample_rate:g} s"
    rate_hz = made.sample_rate / made.hop_samples
    n_bytes = made.frames.nbytes + made.codes.nbytes
    print(
        f"{output}: {made.n_frames:,} frames of {made.dim} at {rate_hz:g} Hz, {made.n_streams} streams of "
        f"{made.n_codes:,} codes, {cut}, {n_bytes / 1e6:,.1f} MB"
    )
    print(f"key: {made.key}")


def fitted(
    folder: Path,
    output: Path,
    of: str | None,
    layer: int | None,
    inputs: str | None,
    n_streams: int | None,
    n_codes: int | None,
    n_segments: int | None,
    n_frames: int | None,
    seed: int,
) -> None:
    """Fit codebooks to a corpus and write them; say how much they explain."""
    usual = MEL_RVQ if of is None else KMEANS
    sample = Sample(n_segments or usual.n_segments, n_frames or usual.n_frames, seed)
    if of is None:
        heard = hearing.inputs(inputs or "mel128")
        wanted = seeking.of_inputs(heard, n_streams or MEL_STREAMS, n_codes or MEL_CODES)
    else:
        teacher = base.load(of)
        own = getattr(teacher, "inputs", None)
        # A copy: what it may measure of a corpus would change what the teacher hears.
        heard = deepcopy(own) if inputs is None and isinstance(own, Inputs) else hearing.inputs(inputs or "encodec")
        deepest = teacher.card.layers - 1
        wanted = seeking.of_teacher(
            teacher, deepest if layer is None else layer, n_streams or 1, n_codes or TEACHER_CODES, of
        )
    opened = corpus.open(folder)
    made = fronts.fit(opened, heard, wanted, sample)
    fronts.save(output, made, opened, sample)
    print(f"{output}: {wanted.n_streams} x {wanted.n_codes:,} codes, fitted to {made.n_frames:,} frames")
    _print(made.residuals)


def weighed(
    folder: Path,
    targets: Path | None,
    codec: str | None,
    n_streams: int,
    n_segments: int,
    seed: int,
    as_json: bool,
) -> None:
    """Print what codebooks leave over of a corpus."""
    front = fronts.assembled([targets] if targets else [], codec, None, n_streams)
    found = fronts.residuals(corpus.open(folder), front, Sample(n_segments, GAMMA.n_frames, seed))
    if as_json:
        print(escapes.json(_numbers(found), indent=1))
    else:
        _print(found)


def _numbers(found: Residuals) -> dict[str, object]:
    return {
        "gamma": found.gamma().tolist(),
        "gamma_of_lengths_before": found.gamma("length", "before").tolist(),
        "explained_variance": found.explained.tolist(),
        "energies": found.energies.tolist(),
        "lengths": found.lengths.tolist(),
    }


def _print(found: Residuals) -> None:
    table = Table()
    for column in ("codebook", "explained", "energy left", "length left", "gamma", "by length before"):
        table.add_column(column, justify="right")
    rows = zip(
        found.explained,
        found.energies[1:],
        found.lengths[1:],
        found.gamma(),
        found.gamma("length", "before"),
        strict=True,
    )
    for number, row in enumerate(rows, start=1):
        table.add_row(str(number), *(f"{float(value):.4g}" for value in row))
    console().print(table)
    print(f"gamma: [{', '.join(f'{float(one):.6f}' for one in found.gamma())}]")
