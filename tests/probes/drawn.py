"""Problems with a known truth, for the probes that are not networks."""

import numpy as np

from earmark.nouns import Kind
from earmark.probes.base import Examples, Problem

KINDS: tuple[Kind, ...] = ("multiclass", "key", "pitch", "multilabel", "regression")


def drawn(
    kind: Kind,
    dim: int = 12,
    n_outputs: int = 4,
    n_train: int = 150,
    layers: int = 1,
    noise: float = 0.3,
    seed: int = 7,
) -> Problem:
    """Return targets made from a random linear map of random embeddings, of uneven scales, with noise."""
    rng = np.random.default_rng(seed)
    embeddings = rng.standard_normal((n_train + 60, layers, dim), dtype=np.float32)
    flat = embeddings.reshape(len(embeddings), -1)
    values = flat @ rng.standard_normal((layers * dim, n_outputs), dtype=np.float32) / np.sqrt(layers * dim)
    values = (values + noise * rng.standard_normal(values.shape)).astype(np.float32)
    embeddings = embeddings * np.geomspace(0.1, 10, dim, dtype=np.float32) + np.float32(2)
    targets = {"multilabel": (values > 0.5).astype(np.float32), "regression": values}.get(kind, values.argmax(axis=1))
    train, valid = Examples(embeddings[:n_train], targets[:n_train]), Examples(embeddings[n_train:], targets[n_train:])
    return Problem(kind, train, valid, n_outputs)


def in_rows(examples: Examples, n_rows: int) -> Examples:
    """Return examples whose clips have each several rows, which lie around what was theirs."""
    noise = np.random.default_rng(1).standard_normal((len(examples.embeddings), n_rows, *examples.embeddings.shape[1:]))
    rows = (examples.embeddings[:, None] + 0.1 * noise).astype(np.float32)
    clips = np.repeat(np.arange(len(examples.embeddings)), n_rows)
    return Examples(rows.reshape(-1, *rows.shape[2:]), examples.targets, clips)
