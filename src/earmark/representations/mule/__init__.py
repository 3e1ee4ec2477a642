"""`mule`, `mule-mono`, `mule-released`, `mule-released-mono`: SF-NFNet-F0, trained to tell tracks apart.

`mule` gives one embedding of each segment of 3 s, every 2 s, whatever the segment's length is told to be.
`mule-released` repeats the published extraction frame by frame: one spectrogram of the whole file, windows around every
second second, of which the first is left out. `…-mono` hears at half the amplitude: the published code sums channels
and divides by twice the full scale, so files with one channel come out 6 dB lower, and the spectrogram minds. Take it
for datasets of mono files (NSynth, GTZAN, MagnaTagATune …) where published numbers are to be met.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark import identity, places
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations.base import check_call
from earmark.representations.checkpoint import Contents
from earmark.representations.mule import published, settings
from earmark.representations.mule.frontend import HOP_SAMPLES, LEAST_SAMPLES, SAMPLE_RATE, LogMel, standardised
from earmark.representations.mule.network import SfNfNet
from earmark.representations.mule.settings import Settings
from earmark.representations.trainable import Noise

WINDOW_FRAMES, STEP_FRAMES, CHUNK_FRAMES = 300, 200, 8000
TOGETHER = 16
"""Windows that are given to the network at once."""
MONO_GAIN = 0.5
MODEL_TYPE = "earmark-mule"
HEARD = {"sampling_rate": SAMPLE_RATE}
"""What preprocessor_config.json says."""
FILE = "model.keras"

REPOSITORY = "https://github.com/PandoraMedia/music-audio-representations"

CARD = Card(
    name="mule",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=0.0,
    dim=1728,
    layers=1,
    layer_0="the mean over time and frequency of both paths, through GELU: what the projector was trained on",
    min_samples=LEAST_SAMPLES,
    max_samples=None,
    padding_safe=False,
    architecture="log-mel (96 bands) → SF-NFNet-F0: a slow and a fast path of 12 residual blocks each",
    n_parameters=62_345_742,
    trained_on="Musicset-ULarge: 117,497 h of labelled songs (1.8 million), not public",
    objective="contrastive (SimCLR): two pieces of one track among those of others",
    licence="CC-BY-NC-4.0",
    commercial=False,
    bibtex="""@inproceedings{mccallum2022supervised,
  author = {McCallum, Matthew C. and Korzeniowski, Filip and Oramas, Sergio and Gouyon, Fabien and Ehmann, Andreas F.},
  title = {Supervised and Unsupervised Learning of Audio Representations for Music Understanding},
  booktitle = {International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2022}
}""",
    verified="parity",
    sources=(
        Source(
            url=f"{REPOSITORY}/raw/main/supporting_data/model/{FILE}",
            licence="CC-BY-NC-4.0",
            checksum="sha256:1da111d619bac0d422e41f153cbfb903f7ec3c5d3b2768f5d68f04452ed18180",
            size_bytes=251_054_764,
            path=FILE,
        ),
    ),
    segment_s=3.0,
    segment_hop_s=2.0,
)


class Form(NamedTuple):
    """A variant: what it is called, the network's shape, and how it hears a file."""

    card: Card
    settings: Settings
    gain: float = 1.0
    is_released: bool = False


def _released(card: Card) -> Card:
    longest_s = STEP_FRAMES * HOP_SAMPLES / SAMPLE_RATE
    return replace(
        card,
        frame_rate_hz=1 / longest_s,
        min_samples=(WINDOW_FRAMES - 1) * HOP_SAMPLES,
        segment_s=None,
        segment_hop_s=None,
    )


RELEASED = replace(_released(CARD), name="mule-released")
TINY = replace(
    CARD,
    name="mule-tiny",
    dim=settings.TINY.dim,
    architecture="log-mel (96 bands) → SF-NFNet, a hundredth of F0: 5 residual blocks each",
    n_parameters=337_186,
    trained_on="nothing",
    objective="none",
    licence="Apache-2.0",
    commercial=True,
    sources=(),
)
FORMS: dict[str, Form] = {
    "": Form(CARD, settings.F0),
    "mono": Form(replace(CARD, name="mule-mono"), settings.F0, MONO_GAIN),
    "released": Form(RELEASED, settings.F0, is_released=True),
    "released-mono": Form(replace(RELEASED, name="mule-released-mono"), settings.F0, MONO_GAIN, is_released=True),
    "tiny": Form(TINY, settings.TINY),
    "tiny-released": Form(replace(_released(TINY), name="mule-tiny-released"), settings.TINY, is_released=True),
}
CARDS = {variant: form.card for variant, form in FORMS.items()}


class Mule(nn.Module):
    """One embedding of each segment, heard as a whole: a frame. Any length from 0.2 s works; it was trained on 3 s.

    It can go on learning (trainable.Trainable); there is no attention in it, and no frame that could be hidden.
    """

    is_released = False

    def __init__(self, card: Card, network: SfNfNet, gain: float = 1.0) -> None:
        super().__init__()
        self.card, self.front, self.network = card, LogMel(gain), network
        self.network.freeze()

    @property
    def front_end(self) -> nn.Module:
        """The convolutions before the first blocks, of both paths; the spectrogram has nothing to learn."""
        return nn.ModuleList((self.network.slow_stem, self.network.fast_stem))

    @property
    def projections(self) -> tuple[str, ...]:
        """None."""
        return ()

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the embeddings of the one layer. Raises UserError for wrong audio or layers."""
        wanted = check_call(audio, layers, self.card)
        return self._frames(audio, None)[:, None].repeat(1, len(wanted), 1, 1)

    def last_layer(
        self, audio: Float[Tensor, "batch samples"], noise: Noise | None = None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return the embeddings with gradient; in training mode branches are left out by chance, as in pre-training.

        Of the noise there is a generator to draw that by; without noise it is torch's own, as for dropouts elsewhere.
        """
        check_call(audio, None, self.card)
        return self._frames(audio, torch.default_generator if noise is None else noise.generator)

    def contents(self) -> Contents:
        """Return what a checkpoint of it holds: the network, and how it hears."""
        said = {"gain": self.front.gain, "is_released": self.is_released}
        state = self.network.state_dict(prefix="network.")
        return Contents(state, {**config(self.network.settings, self.card.segment_s), **said}, HEARD)

    def _frames(
        self, audio: Float[Tensor, "batch samples"], generator: torch.Generator | None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return one frame. The last one of the spectrogram is left out: a second has 100, as the network was given."""
        found: Tensor = self.network(standardised(self.front(audio)[:, :, :-1]), generator)
        return found[:, None]


class Released(Mule):
    """Embeddings of windows of 3 s around 2 s, 4 s, 6 s … of a file, the last ones moved to end with it.

    As published, the first (around 0 s) and every fortieth (at multiples of 80 s) are left out.
    *Differs:* published, a file above 41 min has a seam in its spectrogram every 41 min 20 s; here it has none.
    """

    is_released = True

    def _frames(
        self, audio: Float[Tensor, "batch samples"], generator: torch.Generator | None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return an embedding a window."""
        windows = [[self.network(standardised(some), generator) for some in _windows(row)] for row in self.front(audio)]
        return torch.stack([torch.cat(some) for some in windows])


def config(network: Settings, segment_s: float | None) -> dict[str, object]:
    """Return what config.json says of a network, and of the segments that it is to hear."""
    return {"model_type": MODEL_TYPE, "network": asdict(network), "segment_s": segment_s}


def centres(n_frames: int) -> tuple[int, ...]:
    """Return the frames around which a file has its windows."""
    half = WINDOW_FRAMES // 2
    wanted = (centre for centre in range(STEP_FRAMES, n_frames, STEP_FRAMES) if centre % CHUNK_FRAMES)
    return tuple(min(max(centre, half), n_frames - half) for centre in wanted)


def _windows(bands: Float[Tensor, "bands frames"]) -> Iterator[Float[Tensor, "windows bands 300"]]:
    """Yield the windows of a file, some at a time."""
    half, found = WINDOW_FRAMES // 2, centres(bands.shape[1])
    for first in range(0, len(found), TOGETHER):
        some = found[first : first + TOGETHER]
        yield torch.stack([bands[:, centre - half : centre + half] for centre in some])


def build(variant: str, seed: int) -> Mule:
    """Return the network with random weights; variants that only hear in another way have the same."""
    form = FORMS[variant]
    network = SfNfNet(form.settings)
    network.draw(torch.Generator().manual_seed(identity.seed_for("weights", _plain(form).name, seed)))
    return _made(form, network, _weights.random_card(form.card, network, seed))


def load(variant: str) -> Mule:
    """Return the network with its published weights; one file is for all variants.

    Raises MissingPart when the file or h5py is not here, UserError when the file holds another network.
    """
    form = FORMS[variant]
    file = _file(form.card)
    with torch.device("meta"):
        network = SfNfNet(form.settings)
    network.load_state_dict(published.read(file, network), assign=True)
    return _made(form, network, replace(form.card, weights_sha256=_weights.sha256_of(file)))


def _file(card: Card) -> Path:
    """Return the file of a card's weights, from the folder of any variant."""
    places_of_it = (places.weights_folder(one.name) / FILE for one in CARDS.values() if card.sources)
    return next((one for one in places_of_it if one.exists()), None) or _weights.file_of(card)


def _plain(form: Form) -> Card:
    """Return the card of the variant that has the same network and no ending."""
    return next(one.card for one in FORMS.values() if one.settings == form.settings)


def _made(form: Form, network: SfNfNet, card: Card) -> Mule:
    return (Released if form.is_released else Mule)(card, network, form.gain)
