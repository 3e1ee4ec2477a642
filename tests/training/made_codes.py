"""A corpus at 16 kHz and a front of few codes, to make codes of."""

from pathlib import Path

import numpy as np
import torch

from earmark import identity
from earmark.representations.encodecmae import targets
from earmark.representations.encodecmae.front import Front
from earmark.representations.encodecmae.inputs import Mel128
from earmark.training import coded, corpus, fronts
from earmark.training._journal import LOCK
from earmark.training.corpus import Corpus
from earmark.training.fronts import Sample
from tests.training.made_corpora import audio_folder

RATE = 16000
LENGTHS_S = (0.9, 1.3, 2.05, 0.01, 3.0)


def noisy_corpus(folder: Path, sample_rate: int = RATE, name: str = "noise") -> Corpus:
    """Return a corpus of tracks of noise that swells and fades, one of them too short to be heard."""
    samples = []
    for number, length_s in enumerate(LENGTHS_S):
        rng = identity.generator("test", name, number)
        t = np.arange(round(length_s * sample_rate)) / sample_rate
        samples.append(np.rint(9000 * np.sin(3 * t + number) ** 2 * rng.standard_normal(len(t))).astype("<i2"))
    folder.mkdir(parents=True)
    np.concatenate(samples).tofile(folder / "samples.i16")
    ends = np.cumsum([len(one) for one in samples]).tolist()
    tracks = [
        corpus.Track(f"{number}.wav", end - len(one), len(one), f"{number:064}", number)
        for number, (one, end) in enumerate(zip(samples, ends, strict=True))
    ]
    return Corpus(folder, sample_rate, tuple(tracks), identity.key_of(name=name, sample_rate=sample_rate))


def built_corpus(root: Path, n_files: int = 4, seconds: float = 6.5) -> Corpus:
    """Build a corpus of a folder of audio; its rate is that of the made files, resampled."""
    return corpus.build([audio_folder(root / "sounds", n_files, seconds)], root / "corpus", RATE)


def small_front(n_streams: int = 2, n_codes: int = 6) -> Front:
    """Return mel frames with statistics and codebooks that were fitted to nothing in particular."""
    heard = Mel128()
    made = Front(heard, targets.of_inputs(heard, n_streams, n_codes))
    noise = 0.1 * torch.randn(1, 2 * RATE, generator=torch.Generator().manual_seed(1))
    heard.prepare(noise)
    made.targets.prepare(noise, heard(noise))
    return made


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder of codes, by path."""
    found = (one for one in folder.rglob("*") if one.is_file() and one.name != LOCK)
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in found}


def is_whole(folder: Path) -> bool:
    """Say whether the folder says that it is whole."""
    return (folder / coded.HEAD).exists()


def made_targets(opened: Path, folder: Path, seed: int = 0) -> Path:
    """Fit two codebooks of 6 codes to some mel frames of a corpus of tracks of 4 s or more, into a folder."""
    heard, sample, music = Mel128(), Sample(4, 200, seed), corpus.open(opened)
    fronts.save(folder, fronts.fit(music, heard, targets.of_inputs(heard, 2, 6), sample), music, sample)
    return folder
