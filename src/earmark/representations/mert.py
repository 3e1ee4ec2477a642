"""`mert-v1-95m`, `mert-v1-330m`: MERT, a HuBERT trained on music, at 24 kHz.

Its weights go into transformers' HuBERT class; the code published beside them is not run. That code differs from
HuBERT only where its configuration asks for a CQT beside the convolutions (`feature_extractor_cqt`) or for DeepNorm
(`deepnorm`), and neither checkpoint does. `attention_relax` of 330M shifts logits before a softmax, which changes no
number, and is read only with DeepNorm. Source: config.json and modeling_MERT.py of both, as published in 2023.
"""

from collections.abc import Mapping
from dataclasses import replace

from earmark.nouns import Card, Source
from earmark.representations import _speech, hubert
from earmark.representations._speech import Family, Published, Speech

LICENCE = "CC BY-NC 4.0"
REPOSITORY = "https://huggingface.co/m-a-p"

V1_95M = Card(
    name="mert-v1-95m",
    version=1,
    sample_rate=24000,
    frame_rate_hz=24000 / _speech.HOP_SAMPLES,
    dim=768,
    layers=13,
    layer_0=_speech.LAYER_0,
    min_samples=_speech.MIN_SAMPLES,
    max_samples=None,
    padding_safe=False,
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
    verified="parity",
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
    dim=1024,
    layers=25,
    layer_0=_speech.LAYER_0_STABLE,
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
    V1_95M,
    name="mert-tiny",
    dim=16,
    layers=4,
    architecture="7 convolutions (group norm) → 3 transformer blocks",
    n_parameters=25_120,
    trained_on="nothing",
    objective="none",
    licence="Apache-2.0",
    commercial=True,
    sources=(),
)

IS_HUBERT: Mapping[str, object] = {"feature_extractor_cqt": False, "deepnorm": False, "sample_rate": 24000}

FAMILY = Family(
    hubert.FAMILY.network,
    {
        "v1-95m": Published(V1_95M, {**hubert.SHAPE, **_speech.BASE}, also=IS_HUBERT),
        "v1-330m": Published(V1_330M, {**hubert.SHAPE, **_speech.LARGE, "do_stable_layer_norm": True}, also=IS_HUBERT),
        "tiny": Published(TINY, {**hubert.SHAPE, **_speech.TINY}, also=IS_HUBERT),
    },
)
CARDS = {variant: one.card for variant, one in FAMILY.published.items()}


def load(variant: str) -> Speech:
    """Return MERT with its published weights. Raises as `_speech.load` does."""
    return _speech.load(FAMILY, variant)


def build(variant: str, seed: int) -> Speech:
    """Return MERT with random weights."""
    return _speech.build(FAMILY, variant, seed)
