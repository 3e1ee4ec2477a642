"""`hubert-base`, `hubert-large`: HuBERT, trained on speech to predict clusters of masked frames."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from earmark.nouns import Card, Source
from earmark.representations import _speech
from earmark.representations._speech import Family, Published, Speech

REPOSITORY = "https://huggingface.co/facebook"

BASE = Card(
    name="hubert-base",
    version=1,
    sample_rate=16000,
    frame_rate_hz=16000 / _speech.HOP_SAMPLES,
    dim=768,
    layers=13,
    layer_0=_speech.LAYER_0,
    min_samples=_speech.MIN_SAMPLES,
    max_samples=None,
    padding_safe=False,
    architecture="7 convolutions (group norm) → 12 transformer blocks",
    n_parameters=94_370_944,
    trained_on="LibriSpeech, 960 h of read English",
    objective="predict k-means clusters of masked frames",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@article{hsu2021hubert,
  author = {Hsu, Wei-Ning and Bolte, Benjamin and Tsai, Yao-Hung Hubert and Lakhotia, Kushal and Salakhutdinov, Ruslan and Mohamed, Abdelrahman},
  title = {{HuBERT}: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing},
  volume = {29},
  pages = {3451--3460},
  year = {2021}
}""",  # noqa: E501 # an author list stays on one line
    verified="parity",
    sources=(
        Source(
            url=f"{REPOSITORY}/hubert-base-ls960/resolve/dba3bb02fda4248b6e082697eee756de8fe8aa8a/pytorch_model.bin",
            licence="Apache-2.0",
            checksum="sha256:062249fffb353eab67547a2fbc129f7c31a2f459faf641b19e8fb007cc5c48ad",
            path="pytorch_model.bin",
        ),
    ),
)
LARGE = replace(
    BASE,
    name="hubert-large",
    dim=1024,
    layers=25,
    layer_0=_speech.LAYER_0_STABLE,
    architecture="7 convolutions (layer norm) → 24 transformer blocks (stable layer norm)",
    n_parameters=315_437_696,
    trained_on="Libri-Light, 60,000 h of read English",
    sources=(
        Source(
            url=f"{REPOSITORY}/hubert-large-ll60k/resolve/b6bfc708ad6ffb313b02088cc68536ab32913a51/pytorch_model.bin",
            licence="Apache-2.0",
            checksum="sha256:45a299050945479a68cffe2ab7a63fd08931718ba18f05a42dbb86a5164178e0",
            path="pytorch_model.bin",
        ),
    ),
)
TINY = replace(
    BASE,
    name="hubert-tiny",
    dim=16,
    layers=4,
    architecture="7 convolutions (group norm) → 3 transformer blocks",
    n_parameters=25_120,
    trained_on="nothing",
    objective="none",
    sources=(),
)

SHAPE: Mapping[str, object] = {**_speech.FRONT, **_speech.GROUP_NORM, "feat_proj_layer_norm": True}

FAMILY = Family(
    partial(_speech.network, "Hubert"),
    {
        "base": Published(BASE, {**SHAPE, **_speech.BASE}),
        "large": Published(LARGE, {**SHAPE, **_speech.STABLE, **_speech.LARGE}),
        "tiny": Published(TINY, {**SHAPE, **_speech.TINY}),
    },
)
CARDS = {variant: one.card for variant, one in FAMILY.published.items()}


def load(variant: str) -> Speech:
    """Return HuBERT with its published weights. Raises as `_speech.load` does."""
    return _speech.load(FAMILY, variant)


def build(variant: str, seed: int) -> Speech:
    """Return HuBERT with random weights."""
    return _speech.build(FAMILY, variant, seed)
