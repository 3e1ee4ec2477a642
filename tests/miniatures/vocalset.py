"""VocalSet in small: 20 singers, six of the ten techniques each, and every oddity of names that is known.

Layout, misspelt and unprefixed names: MARBLE's benchmark/tasks/VocalSet/preprocess.py and mir_ref's vocalset.py (which
agree), a public list of renamed members (`FULL/male8/excerpts/vibrato/m9_caro_vibrato.wav`, the folder `vibrado`), the
sha256 audit that found the three copies marked "(1)", and a reader of the archive's own lists of singers ("female2", a
line each). What lies beside FULL: a public script that removes it.
"""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.datasets.vocalset import SINGERS, TECHNIQUES, TEN, TEST, TRAIN, VALID
from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 44100
SAMPLES = round(LENGTH_S * RATE)
# Path below FULL → the singer and the technique that are heard.
ODD = {
    "female2/arpeggios/vibrado/f2_arpeggios_vibrato_e.wav": ("f2", "vibrato"),
    "female2/arpeggios/vibrado/slow_vibrato_arps.wav": ("f2", "vibrato"),
    "female2/arpeggios/lip_trill/lip_trill_arps.wav": ("f2", "lip_trill"),
    "female2/scales/slow_piano/f2_scales_f_slow_piano_u.wav": ("f2", "slow_piano"),
    "female2/scales/straight/f2_scales_straight_u.wav": ("f2", "straight"),
    "female2/scales/vibrato/f2_scales_vibrato_a.wav": ("f2", "vibrato"),
    "female4/scales/fast_forte/f4_arepggios_c_fast_forte_a.wav": ("f4", "fast_forte"),
    "female4/scales/straight/scales_straight_a.wav": ("f4", "straight"),
    "female5/scales/slow_forte/f5_scales_f_sow_forte_o.wav": ("f5", "slow_forte"),
    "female6/long_tones/trillo/f6_ long_trillo_a.wav": ("f6", "trillo"),
    "female9/arpeggios/fast_forte/arps_fast_piano_c.wav": ("f9", "fast_forte"),
    "male1/scales/straight/m1_straight_tone_scales_u.wav": ("m1", "straight"),
    "male8/excerpts/vibrato/m9_caro_vibrato.wav": ("m8", "vibrato"),
    "male9/excerpts/vibrato/m9_caro_vibrato.wav": ("m9", "vibrato"),
    "male10/excerpts/vibrato/caro_vibrato.wav": ("m10", "vibrato"),
    "male10/scales/fast_piano/scales_c_fast_piano_a.wav": ("m10", "fast_piano"),
    "male11/excerpts/spoken/m11_row_spoken.wav": ("m11", "spoken"),
}
COPIES = ("slow_piano/f2_scales_f_slow_piano_u", "straight/f2_scales_straight_u", "vibrato/f2_scales_vibrato_a")


def make(root: Path) -> None:
    """Write FULL, the lists of singers and what else the archive of version 1.1 holds into `root`."""
    files = dict(ODD)
    for singers in (TRAIN, VALID, TEST):
        for number, singer in enumerate(singers):
            for place in range(6):
                technique = TEN[(4 * number + place) % len(TEN)]
                vowel = "aeiou"[place % 5]
                files[f"{folder_of(singer)}/scales/{technique}/{singer}_scales_{technique}_{vowel}.wav"] = (
                    singer,
                    technique,
                )
    for name, heard in files.items():
        path = root / "FULL" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, _voice(name, *heard), RATE, subtype="PCM_16")
    scales = root / "FULL" / "female2" / "scales"
    for name in COPIES:
        shutil.copyfile(scales / f"{name}.wav", scales / f"{name}(1).wav")
    fork = root / "__MACOSX" / "FULL" / "female1" / "scales" / "belt" / "._f1_scales_belt_a.wav"
    fork.parent.mkdir(parents=True)
    fork.write_bytes(b"\0\5\x16\7")
    (root / "FULL" / ".DS_Store").write_bytes(b"\0")
    for role, theirs in {"train": [*TRAIN, *VALID], "test": [*TEST]}.items():
        (root / f"{role}_singers_technique.txt").write_text("".join(f"{folder_of(one)}\n" for one in theirs))
    (root / "readme-anon.txt").write_text("")
    (root / "DataSetVocalises.pdf").write_bytes(b"")


def archive(root: Path) -> list[Path]:
    """Pack what `make` wrote into `root` as the publisher does, where the dataset's source says it lies."""
    packed = root / "archives" / "VocalSet11.zip"
    files = sorted(path for path in root.rglob("*") if path.is_file())
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(root).as_posix())
    return [packed]


def folder_of(singer: str) -> str:
    """Return the folder of a singer: "male10" of "m10"."""
    return {"f": "female", "m": "male"}[singer[0]] + singer[1:]


def _voice(name: str, singer: str, technique: str) -> np.ndarray:
    """Return a tone whose pitch is the singer's, and noise in a band above that is the technique's."""
    rng = generator("miniature", "vocalset", name)
    tone_hz, band_hz = 100 * 1.1 ** SINGERS.index(singer), 700 * 1.15 ** TECHNIQUES.index(technique)
    noise = rng.standard_normal(SAMPLES)
    spectrum, hz = np.fft.rfft(noise), np.fft.rfftfreq(SAMPLES, 1 / RATE)
    band = np.fft.irfft(np.where((hz >= band_hz) & (hz < 1.15 * band_hz), spectrum, 0), SAMPLES)
    tone = np.sin(2 * np.pi * (tone_hz * np.arange(SAMPLES) / RATE + rng.random()))
    voice: np.ndarray = 0.05 * tone + 0.2 * band / band.std() + 0.002 * noise
    return voice
