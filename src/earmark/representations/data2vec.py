"""`data2vec-base`: data2vec for audio, trained on speech to predict its own averaged layers behind a mask."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from earmark.nouns import Card, Source
from earmark.representations import _speech
from earmark.representations._speech import Family, Published, Speech

BASE = Card(
    name="data2vec-base",
    version=1,
    sample_rate=16000,
    frame_rate_hz=16000 / _speech.HOP_SAMPLES,
    dim=768,
    layers=13,
    layer_0=_speech.LAYER_0,
    min_samples=_speech.MIN_SAMPLES,
    max_samples=None,
    padding_safe=False,
    architecture="7 convolutions (layer norm) → 5 positional convolutions → 12 transformer blocks",
    n_parameters=93_163_520,
    trained_on="LibriSpeech, 960 h of read English",
    objective="predict a moving average of its own upper layers at masked frames",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@inproceedings{baevski2022data2vec,
  author = {Baevski, Alexei and Hsu, Wei-Ning and Xu, Qiantong and Babu, Arun and Gu, Jiatao and Auli, Michael},
  title = {data2vec: A General Framework for Self-supervised Learning in Speech, Vision and Language},
  booktitle = {Proceedings of the 39th International Conference on Machine Learning},
  year = {2022}
}""",
    verified="parity",
    sources=(
        Source(
            url="https://huggingface.co/facebook/data2vec-audio-base/resolve/main/pytorch_model.bin",
            licence="Apache-2.0",
            path="pytorch_model.bin",
        ),
    ),
)
TINY = replace(
    BASE,
    name="data2vec-tiny",
    dim=16,
    layers=4,
    architecture="7 convolutions (layer norm) → 2 positional convolutions → 3 transformer blocks",
    n_parameters=26_912,
    trained_on="nothing",
    objective="none",
    sources=(),
)

# Its convolutions always have layer norm, its blocks never a stable one: the class has no setting for either.
SHAPE: Mapping[str, object] = {**_speech.FRONT, "conv_pos_kernel_size": 19, "num_conv_pos_embeddings": 5}

FAMILY = Family(
    partial(_speech.network, "Data2VecAudio"),
    {
        "base": Published(BASE, {**SHAPE, **_speech.BASE}),
        "tiny": Published(TINY, {**SHAPE, **_speech.TINY, "num_conv_pos_embeddings": 2}),
    },
    prefix="data2vec_audio.",
)
CARDS = {variant: one.card for variant, one in FAMILY.published.items()}


def load(variant: str) -> Speech:
    """Return data2vec with its published weights. Raises as `_speech.load` does."""
    return _speech.load(FAMILY, variant)


def build(variant: str, seed: int) -> Speech:
    """Return data2vec with random weights."""
    return _speech.build(FAMILY, variant, seed)
