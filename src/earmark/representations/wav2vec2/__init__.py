"""`wav2vec2-base`, `wav2vec2-large`, `wav2vec2-xlsr-53`: wav2vec 2.0, trained on speech to tell masked frames apart."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from earmark.nouns import Source
from earmark.representations import _speech, _speech_shapes
from earmark.representations._speech import Family, published
from earmark.representations.wav2vec2 import mel

REPOSITORY = "https://huggingface.co/facebook"

BASE = replace(
    _speech_shapes.CARD,
    name="wav2vec2-base",
    architecture="7 convolutions (group norm) → 12 transformer blocks",
    n_parameters=94_370_944,
    trained_on="LibriSpeech, 960 h of read English",
    objective="contrastive, over codes of masked frames",
    bibtex="""@inproceedings{baevski2020wav2vec,
  author = {Baevski, Alexei and Zhou, Yuhao and Mohamed, Abdelrahman and Auli, Michael},
  title = {wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  pages = {12449--12460},
  year = {2020}
}""",
    sources=(
        Source(
            url=f"{REPOSITORY}/wav2vec2-base/resolve/0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8/pytorch_model.bin",
            licence="Apache-2.0",
            checksum="sha256:3249fe98bfc62fcbc26067f724716a6ec49d12c4728a2af1df659013905dff21",
            size_bytes=380_267_417,
            path="pytorch_model.bin",
        ),
    ),
)
LARGE = replace(
    BASE,
    name="wav2vec2-large",
    architecture="7 convolutions (group norm) → 24 transformer blocks",
    n_parameters=315_427_968,
    sources=(
        Source(
            url=f"{REPOSITORY}/wav2vec2-large/resolve/85c73b1a7c1ee154fd7b06634ca7f42321db94db/pytorch_model.bin",
            licence="Apache-2.0",
            path="pytorch_model.bin",
        ),
    ),
)
XLSR_53 = replace(
    LARGE,
    name="wav2vec2-xlsr-53",
    architecture="7 convolutions (layer norm) → 24 transformer blocks (stable layer norm)",
    n_parameters=315_437_696,
    trained_on="56,000 h of speech in 53 languages (Multilingual LibriSpeech, Common Voice, BABEL)",
    bibtex="""@article{conneau2020unsupervised,
  author = {Conneau, Alexis and Baevski, Alexei and Collobert, Ronan and Mohamed, Abdelrahman and Auli, Michael},
  title = {Unsupervised Cross-lingual Representation Learning for Speech Recognition},
  journal = {arXiv preprint arXiv:2006.13979},
  year = {2020}
}""",
    sources=(
        Source(
            url=f"{REPOSITORY}/wav2vec2-large-xlsr-53/resolve/c3f9d884181a224a6ac87bf8885c84d1cff3384f/pytorch_model.bin",
            licence="Apache-2.0",
            path="pytorch_model.bin",
        ),
    ),
)
TINY = _speech_shapes.tiny(BASE, "7 convolutions (group norm) → 3 transformer blocks", 25_120)
MEL_TINY = replace(
    TINY,
    name="wav2vec2-mel-tiny",
    architecture="log-mel (128 bands) → 2 convolutions → 3 transformer blocks",
    n_parameters=1_573_472,
)

SHAPE: Mapping[str, object] = {**_speech_shapes.FRONT, **_speech_shapes.GROUP_NORM}

FAMILY = Family(
    mel.network,
    {
        "base": published(BASE, SHAPE, _speech_shapes.BASE),
        "large": published(LARGE, SHAPE, _speech_shapes.LARGE),
        "xlsr-53": published(XLSR_53, SHAPE, _speech_shapes.STABLE, _speech_shapes.LARGE),
        "tiny": published(TINY, SHAPE, _speech_shapes.TINY),
        "mel-tiny": published(MEL_TINY, SHAPE, mel.FRONT, mel.BODY),
    },
    prefix="wav2vec2.",
    heads=("quantizer.", "project_q.", "project_hid."),  # the contrastive objective of Wav2Vec2ForPreTraining
)
CARDS, load, build = FAMILY.cards, partial(_speech.load, FAMILY), partial(_speech.build, FAMILY)
