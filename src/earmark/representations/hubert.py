"""`hubert-base`, `hubert-large`: HuBERT, trained on speech to predict clusters of masked frames."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from earmark.nouns import Source
from earmark.representations import _speech, _speech_shapes
from earmark.representations._speech import Family, published

REPOSITORY = "https://huggingface.co/facebook"

BASE = replace(
    _speech_shapes.CARD,
    name="hubert-base",
    architecture="7 convolutions (group norm) → 12 transformer blocks",
    n_parameters=94_370_944,
    trained_on="LibriSpeech, 960 h of read English",
    objective="predict k-means clusters of masked frames",
    bibtex="""@article{hsu2021hubert,
  author = {Hsu, Wei-Ning and Bolte, Benjamin and Tsai, Yao-Hung Hubert and Lakhotia, Kushal and Salakhutdinov, Ruslan and Mohamed, Abdelrahman},
  title = {{HuBERT}: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing},
  volume = {29},
  pages = {3451--3460},
  year = {2021}
}""",  # noqa: E501 # an author list stays on one line
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
TINY = _speech_shapes.tiny(BASE, "7 convolutions (group norm) → 3 transformer blocks", 25_120)

SHAPE: Mapping[str, object] = {**_speech_shapes.FRONT, **_speech_shapes.GROUP_NORM, "feat_proj_layer_norm": True}

FAMILY = Family(
    partial(_speech.network, "Hubert"),
    {
        "base": published(BASE, SHAPE, _speech_shapes.BASE),
        "large": published(LARGE, SHAPE, _speech_shapes.STABLE, _speech_shapes.LARGE),
        "tiny": published(TINY, SHAPE, _speech_shapes.TINY),
    },
)
CARDS, load, build = FAMILY.cards, partial(_speech.load, FAMILY), partial(_speech.build, FAMILY)
