"""`data2vec-base`: data2vec for audio, trained on speech to predict its own averaged layers behind a mask."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from earmark.nouns import Source
from earmark.representations import _speech, _speech_shapes
from earmark.representations._speech import Family, published

BASE = replace(
    _speech_shapes.CARD,
    name="data2vec-base",
    architecture="7 convolutions (layer norm) → 5 positional convolutions → 12 transformer blocks",
    n_parameters=93_163_520,
    trained_on="LibriSpeech, 960 h of read English",
    objective="predict a moving average of its own upper layers at masked frames",
    bibtex="""@inproceedings{baevski2022data2vec,
  author = {Baevski, Alexei and Hsu, Wei-Ning and Xu, Qiantong and Babu, Arun and Gu, Jiatao and Auli, Michael},
  title = {data2vec: A General Framework for Self-supervised Learning in Speech, Vision and Language},
  booktitle = {Proceedings of the 39th International Conference on Machine Learning},
  year = {2022}
}""",
    sources=(
        Source(
            url="https://huggingface.co/facebook/data2vec-audio-base/resolve/main/pytorch_model.bin",
            licence="Apache-2.0",
            path="pytorch_model.bin",
        ),
    ),
)
TINY = _speech_shapes.tiny(
    BASE, "7 convolutions (layer norm) → 2 positional convolutions → 3 transformer blocks", 26_912
)

# Its convolutions always have layer norm, its blocks never a stable one: the class has no setting for either.
SHAPE: Mapping[str, object] = {**_speech_shapes.FRONT, "conv_pos_kernel_size": 19, "num_conv_pos_embeddings": 5}

FAMILY = Family(
    partial(_speech.network, "Data2VecAudio"),
    {
        "base": published(BASE, SHAPE, _speech_shapes.BASE),
        "tiny": published(TINY, SHAPE, _speech_shapes.TINY, {"num_conv_pos_embeddings": 2}),
    },
    prefix="data2vec_audio.",
)
CARDS, load, build = FAMILY.cards, partial(_speech.load, FAMILY), partial(_speech.build, FAMILY)
