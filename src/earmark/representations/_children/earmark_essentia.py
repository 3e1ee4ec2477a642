"""Factories for `worker:` files in a Python that has essentia: `hpcp` and `mel_bands`, and its TensorFlow models.

The first two need no weights. The models need `essentia-tensorflow` and a file of essentia's, which the user brings:
`options: {graph: discogs-effnet-bs64-1.pb}`. None of them met its real weights here. Runs in Python 3.8 and newer.

Sources: Bogdanov et al. 2013, "Essentia: an audio analysis library for music information retrieval" (ISMIR); Gómez
2006, "Tonal description of music audio signals" (HPCP); Alonso-Jiménez et al. 2020, "TensorFlow audio models in
Essentia"; essentia's own descriptions of each algorithm for rates, patches and names of nodes. The frames that are made
here are not padded. Those of the models are essentia's, which centres them and fills both ends with zeros; the least
length of each is where 2.1b6.dev1389 gave a first patch of a graph made for that. Its CREPE is left out: a silent frame
gives NaN there, and `crepe-tiny` is here.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple  # noqa: UP035 - Python 3.8 has no other way

import essentia
import essentia.standard
import numpy as np

essentia.log.infoActive = False
essentia.log.warningActive = False

AGPL = "AGPL-3.0 (essentia)"
MODELS_LICENCE = "CC BY-NC-SA 4.0 (weights); " + AGPL
ESSENTIA = """@inproceedings{bogdanov2013essentia,
  title = {Essentia: an audio analysis library for music information retrieval},
  author = {Bogdanov, Dmitry and Wack, Nicolas and G{\\'o}mez, Emilia and Gulati, Sankalp and Herrera, Perfecto and
    Mayor, Oscar and Roma, Gerard and Salamon, Justin and Zapata, Jos{\\'e} and Serra, Xavier},
  booktitle = {International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2013}
}"""
MODELS = """@inproceedings{alonso2020tensorflow,
  title = {TensorFlow audio models in Essentia},
  author = {Alonso-Jim{\\'e}nez, Pablo and Bogdanov, Dmitry and Pons, Jordi and Serra, Xavier},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2020}
}"""
RATE, MUSICNN_WINDOW, MUSICNN_HOP = 16000, 512, 256


class Made:
    """What a factory returns: a card, the files of weights that it read, and how audio becomes embeddings."""

    def __init__(self, card: dict[str, Any], row: Callable[[Any], Any], weights: tuple[str, ...] = ()) -> None:
        self.card, self.weights, self._row = card, weights, row

    def __call__(self, audio: Any) -> Any:
        """Return (batch, layers, frames, dim) of audio (batch, samples)."""
        return np.stack([np.asarray(self._row(np.ascontiguousarray(one)), np.float32) for one in audio])


def _by_frame(window: int, hop: int, of_frame: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what gives (1, frames, dim): 1 + (samples - window) // hop frames, none of them padded."""

    def frames(audio: Any) -> Any:
        starts = range(0, len(audio) - window + 1, hop)
        return np.stack([of_frame(audio[start : start + window]) for start in starts])[None]

    return frames


def _handmade(window: int, hop: int, sample_rate: int, **said: Any) -> dict[str, Any]:
    return dict(
        sample_rate=sample_rate,
        frame_rate_hz=sample_rate / hop,
        min_samples=window,
        padding_safe=True,
        trained_on="nothing",
        objective="none",
        licence=AGPL,
        bibtex=ESSENTIA,
        **said,
    )


def hpcp(
    size: int = 12,
    sample_rate: int = 44100,
    window_samples: int = 4096,
    hop_samples: int = 2048,
    peaks: int = 60,
    harmonics: int = 8,
) -> Made:
    """Return harmonic pitch class profiles, the largest bin 1; bin 0 is A. Peaks are those from 40 to 5000 Hz."""
    standard = essentia.standard
    window = standard.Windowing(type="blackmanharris62", size=window_samples)
    spectrum = standard.Spectrum(size=window_samples)
    limits = {"minFrequency": 40, "maxFrequency": 5000, "sampleRate": sample_rate}
    find = standard.SpectralPeaks(maxPeaks=peaks, magnitudeThreshold=1e-5, orderBy="magnitude", **limits)
    # With bands (its default) the rest of one band weighs as much as the tones of the other.
    profile = standard.HPCP(size=size, harmonics=harmonics, bandPreset=False, **limits)
    card = _handmade(
        window_samples,
        hop_samples,
        sample_rate,
        dim=size,
        layer_0="the profile of a frame, from A upwards",
        architecture=f"essentia's HPCP of {size} bins, {peaks} peaks, {harmonics} harmonics",
        verified="own",
    )
    return Made(card, _by_frame(window_samples, hop_samples, lambda frame: profile(*find(spectrum(window(frame))))))


def mel_bands() -> Made:
    """Return the 96 compressed mel bands that essentia's MusiCNN, EffNet-Discogs and MAEST hear."""
    bands = essentia.standard.TensorflowInputMusiCNN()
    card = _handmade(
        MUSICNN_WINDOW,
        MUSICNN_HOP,
        RATE,
        dim=96,
        layer_0="the mel bands of a frame",
        architecture="essentia's TensorflowInputMusiCNN: 96 mel bands, log10(1 + 10000 x)",
        verified="parity",
    )
    return Made(card, _by_frame(MUSICNN_WINDOW, MUSICNN_HOP, bands))


class Model(NamedTuple):
    """A network of essentia's: its algorithm, the node that is read, and what its published description says."""

    algorithm: str
    output: str
    dim: int
    min_samples: int
    hop_samples: int
    said: dict[str, Any]


EFFNET = Model(
    "TensorflowPredictEffnetDiscogs",
    "PartitionedCall:1",
    1280,
    127 * MUSICNN_HOP + 1,
    62 * MUSICNN_HOP,
    {"trained_on": "Discogs: 2 million tracks, not public", "objective": "400 music styles", "licence": MODELS_LICENCE},
)
VGGISH = Model(
    "TensorflowPredictVGGish",
    "model/vggish/embeddings",
    128,
    94 * 160 + 1,
    93 * 160,
    {"trained_on": "YouTube-8M, a first form", "objective": "its labels", "licence": "Apache-2.0 (weights); " + AGPL},
)


def effnet_discogs(graph: str, output: str = EFFNET.output) -> Made:
    """Return EffNet-Discogs' 1280 dimensions of every patch of two seconds, about one a second."""
    return _model(EFFNET._replace(output=output), graph, rows=_two_axes)


def vggish(graph: str, output: str = VGGISH.output) -> Made:
    """Return VGGish's 128 dimensions of every patch of 0.96 s, about one a second."""
    return _model(VGGISH._replace(output=output), graph, rows=_two_axes)


def maest(graph: str, seconds: int = 30, output: str = "PartitionedCall/Identity_7") -> Made:
    """Return MAEST's tokens of a block: class, distillation and the mean of the others side by side, a patch a frame.

    Source: Alonso-Jiménez et al. 2023, "Efficient supervised training of audio transformers for music representation
    learning", section 4: 2304 = 3 × 768, of block 7. `seconds` is that of the network: 5, 10, 20 or 30.
    """
    n_frames = {5: 316, 10: 626, 20: 1251, 30: 1876}[seconds]
    said = {"trained_on": "Discogs20: 3.3 million tracks, not public", "objective": "400 music styles"}
    model = Model(
        "TensorflowPredictMAEST",
        output,
        2304,
        (n_frames - 2) * MUSICNN_HOP + 1,
        (n_frames - 1) * MUSICNN_HOP,
        dict(said, licence=MODELS_LICENCE),
    )
    return _model(model, graph, rows=_tokens, patchSize=n_frames, patchHopSize=n_frames - 1)


def _two_axes(answer: Any) -> Any:
    return np.asarray(answer).reshape(-1, np.shape(answer)[-1])


def _tokens(answer: Any) -> Any:
    tokens = np.asarray(answer)  # (patches, 1, tokens, 768)
    tokens = tokens.reshape(tokens.shape[0], tokens.shape[-2], tokens.shape[-1])
    return np.concatenate([tokens[:, 0], tokens[:, 1], tokens[:, 2:].mean(1)], axis=-1)


def _model(model: Model, graph: str, rows: Callable[[Any], Any], **parameters: Any) -> Made:
    with open(graph, "rb"):  # essentia says nothing of a file that is not there  # noqa: PTH123
        pass
    predict = getattr(essentia.standard, model.algorithm)(graphFilename=graph, output=model.output, **parameters)
    card = dict(
        model.said,
        sample_rate=RATE,
        frame_rate_hz=RATE / model.hop_samples,
        dim=model.dim,
        layer_0="the node " + model.output,
        min_samples=model.min_samples,
        architecture=f"essentia's {model.algorithm}",
        bibtex=MODELS,
        verified="no",
    )
    return Made(card, lambda audio: rows(predict(audio))[None], (graph,))
