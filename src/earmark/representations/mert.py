"""`mert-v1-95m`, `mert-v1-330m`: MERT, a HuBERT trained on music, at 24 kHz.

Its weights go into transformers' HuBERT class; the code published beside them is not run. That code differs from
HuBERT only where its configuration asks for a CQT beside the convolutions (`feature_extractor_cqt`) or for DeepNorm
(`deepnorm`), and neither checkpoint does. `attention_relax` of 330M shifts logits before a softmax, which changes no
number, and is read only with DeepNorm. Source: config.json and modeling_MERT.py of both, as published in 2023.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from earmark.nouns import Source
from earmark.representations import _speech, _speech_shapes, hubert
from earmark.representations._speech import Family, published

LICENCE = "CC BY-NC 4.0"
REPOSITORY = "https://huggingface.co/m-a-p"

V1_95M = replace(
    _speech_shapes.CARD,
    name="mert-v1-95m",
    sample_rate=24000,
    architecture="7 convolutions (group norm) → 12 transformer blocks",
    n_parameters=94_370_944,
    trained_on="20,000 h of music in segments of 5 s; the recordings are not published",
    objective="predict codes of an RVQ-VAE and a CQT at masked frames",
    licence=LICENCE,
    commercial=False,
    bibtex="""@inproceedings{li2024mert,
  author = {Li, Yizhi and Yuan, Ruibin and Zhang, Ge and Ma, Yinghao and Chen, Xingran and Yin, Hanzhi and Xiao, Chenghao and Lin, Chenghua and Ragni, Anton and Benetos, Emmanouil and others},
  title = {{MERT}: Acoustic Music Understanding Model with Large-Scale Self-supervised Training},
  booktitle = {International Conference on Learning Representations},
  year = {2024},
  note = {arXiv:2306.00107}
}""",  # noqa: E501 # an author list stays on one line
    sources=(
        Source(
            url=f"{REPOSITORY}/MERT-v1-95M/resolve/12af15fef9d0ac838c3f475bfbbf26d2060dd4f5/pytorch_model.bin",
            licence=LICENCE,
            checksum="sha256:a2b8b747f72c06e0595aeae41ae5473f4364938c6b39b2c58be38c48e6bd3fcd",
            path="pytorch_model.bin",
        ),
    ),
)
V1_330M = replace(
    V1_95M,
    name="mert-v1-330m",
    architecture="7 convolutions (group norm) → 24 transformer blocks (stable layer norm)",
    n_parameters=315_427_968,
    trained_on="160,000 h of music in segments of 5 s; the recordings are not published",
    sources=(
        Source(
            url=f"{REPOSITORY}/MERT-v1-330M/resolve/6d2dcaa611e802fd0dc71adbd415e76a76223054/pytorch_model.bin",
            licence=LICENCE,
            checksum="sha256:0c03774d821a6ad972cb48220b128a10ebea2c790116bd0fd35e5a013f8017f6",
            path="pytorch_model.bin",
        ),
    ),
)
TINY = replace(
    _speech_shapes.tiny(V1_95M, "7 convolutions (group norm) → 3 transformer blocks", 25_120),
    licence="Apache-2.0",
    commercial=True,
)

IS_HUBERT: Mapping[str, object] = {"feature_extractor_cqt": False, "deepnorm": False, "sample_rate": 24000}

FAMILY = Family(
    hubert.FAMILY.network,
    {
        "v1-95m": published(V1_95M, hubert.SHAPE, _speech_shapes.BASE, also=IS_HUBERT),
        "v1-330m": published(
            V1_330M, hubert.SHAPE, _speech_shapes.LARGE, {"do_stable_layer_norm": True}, also=IS_HUBERT
        ),
        "tiny": published(TINY, hubert.SHAPE, _speech_shapes.TINY, also=IS_HUBERT),
    },
)
CARDS, load, build = FAMILY.cards, partial(_speech.load, FAMILY), partial(_speech.build, FAMILY)
