"""Codes of vectors by residual codebooks, what each codebook leaves over, and codebooks fitted by k-means. Pure."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from earmark.errors import UserError

Error = Literal["energy", "length"]
When = Literal["before", "after"]
BLOCK_POINTS = 8192  # keeps the distances to 1024 entries within 32 MiB
N_ROUNDS = 15


class Residuals(NamedTuple):
    """What is left of vectors before the first codebook and after each: mean squared length, and mean length.

    `variance` is the mean squared distance of the vectors from their mean.
    """

    energies: Float[Tensor, " stages"]
    lengths: Float[Tensor, " stages"]
    variance: float

    @property
    def explained(self) -> Float[Tensor, " streams"]:
        """The share of the variance that codebooks explain, up to each."""
        return 1.0 - self.energies[1:] / self.variance

    def gamma(self, of: Error = "energy", when: When = "after") -> Float[Tensor, " streams"]:
        """Return a weight for each codebook, in proportion to what is left after it, or before; the sum is 1.

        Pepino et al. 2023, §3.1, weigh by "the average quantization error for the q-th codebook" and do not say which:
        we take the mean square of what the codebook leaves. Raises UserError where nothing is left.
        """
        errors = self.energies if of == "energy" else self.lengths
        chosen = errors[1:] if when == "after" else errors[:-1]
        if not chosen.sum() > 0:
            raise UserError(
                "Expected something left over by the codebooks to weigh them by, got nothing. Listen to it."
            )
        return chosen / chosen.sum()


def encode(
    vectors: Float[Tensor, "points dim"], codebooks: Float[Tensor, "streams codes dim"]
) -> Int[Tensor, "points streams"]:
    """Return the nearest entry of the first codebook, then that to what is left, and so on; the first of equal ones."""
    return torch.cat([_encoded(block, codebooks) for block in torch.split(vectors, BLOCK_POINTS)])


def residuals(vectors: Float[Tensor, "points dim"], codebooks: Float[Tensor, "streams codes dim"]) -> Residuals:
    """Return what is left of vectors, in double precision."""
    left, energies, lengths = vectors, [], []
    for entries in (None, *codebooks):
        if entries is not None:
            left = left - entries[nearest(left, entries)]
        squared = left.double().square().sum(1)
        energies.append(squared.mean())
        lengths.append(squared.sqrt().mean())
    variance = vectors.double().var(0, correction=0).sum()
    return Residuals(torch.stack(energies), torch.stack(lengths), float(variance))


def nearest(vectors: Float[Tensor, "points dim"], entries: Float[Tensor, "codes dim"]) -> Int[Tensor, " points"]:
    """Return the number of the nearest entry; the first of equal ones."""
    return torch.cat([_squared_distances(block, entries).argmin(1) for block in torch.split(vectors, BLOCK_POINTS)])


def fit(
    vectors: Float[Tensor, "points dim"],
    n_streams: int,
    n_codes: int,
    generator: torch.Generator,
    n_rounds: int = N_ROUNDS,
) -> Float[Tensor, "streams codes dim"]:
    """Return codebooks of which each is fitted to what the ones before leave over; the generator is of the CPU.

    Raises UserError where there are fewer vectors than codes, or too few that differ.
    """
    left, codebooks = vectors, []
    for _ in range(n_streams):
        entries = kmeans(left, first_entries(left, n_codes, generator), n_rounds)
        left = left - entries[nearest(left, entries)]
        codebooks.append(entries)
    return torch.stack(codebooks)


def kmeans(
    vectors: Float[Tensor, "points dim"], first: Float[Tensor, "codes dim"], n_rounds: int = N_ROUNDS
) -> Float[Tensor, "codes dim"]:
    """Return the means of the vectors nearest to each entry, again and again, at most `n_rounds` times.

    An entry that is nearest to none moves to one of the vectors that lie farthest from theirs. Source: Lloyd 1982.
    """
    entries = first
    for _ in range(n_rounds):
        moved = _means(vectors, entries)
        if torch.equal(moved, entries):
            break
        entries = moved
    return entries


def first_entries(
    vectors: Float[Tensor, "points dim"], n_codes: int, generator: torch.Generator
) -> Float[Tensor, "codes dim"]:
    """Return vectors to begin with: each drawn in proportion to its squared distance from those drawn before.

    Source: Arthur & Vassilvitskii 2007 (k-means++). Raises UserError for too few vectors, or too few that differ.
    """
    if len(vectors) < n_codes:
        raise UserError(
            f"Expected at least as many vectors as codes, got {len(vectors):,} vectors for {n_codes:,} codes. "
            "Take more audio, or fewer codes."
        )
    chosen = [vectors[int(torch.randint(len(vectors), (), generator=generator))]]
    distances, offsets = vectors.new_full((len(vectors),), torch.inf), torch.empty_like(vectors)
    while len(chosen) < n_codes:
        torch.sub(vectors, chosen[-1], out=offsets)  # a new one each time costs more than the arithmetic
        distances = torch.minimum(distances, offsets.square_().sum(1))
        sums = distances.double().cumsum(0)
        if not sums[-1] > 0:
            raise UserError(
                f"Expected at least {n_codes:,} vectors that differ, got {len(chosen):,} among {len(vectors):,}. "
                "Take more audio, or fewer codes."
            )
        place = torch.rand((), generator=generator, dtype=torch.float64).to(sums.device) * sums[-1]
        number = int(torch.searchsorted(sums, place, right=True))
        chosen.append(vectors[min(number, len(vectors) - 1)])
    return torch.stack(chosen)


def _encoded(
    left: Float[Tensor, "points dim"], codebooks: Float[Tensor, "streams codes dim"]
) -> Int[Tensor, "points streams"]:
    codes = []
    for entries in codebooks:
        codes.append(_squared_distances(left, entries).argmin(1))
        left = left - entries[codes[-1]]
    return torch.stack(codes, dim=1)


def _squared_distances(
    vectors: Float[Tensor, "points dim"], entries: Float[Tensor, "codes dim"]
) -> Float[Tensor, "points codes"]:
    # In the order of EnCodec's own sum: another one could turn a choice between entries that are equally near.
    return vectors.square().sum(1, keepdim=True) - 2.0 * vectors @ entries.T + entries.square().sum(1)


def _means(vectors: Float[Tensor, "points dim"], entries: Float[Tensor, "codes dim"]) -> Float[Tensor, "codes dim"]:
    codes = nearest(vectors, entries)
    counts = torch.bincount(codes, minlength=len(entries))
    sums = torch.zeros(entries.shape, dtype=torch.float64, device=entries.device)
    sums.index_add_(0, codes, vectors.double())
    means = (sums / counts.clamp_min(1)[:, None]).to(entries.dtype)
    unused = (counts == 0).nonzero()[:, 0]
    if len(unused):
        means[unused] = vectors[(vectors - entries[codes]).square().sum(1).topk(len(unused)).indices]
    return means
