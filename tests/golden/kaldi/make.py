"""What Kaldi's own filter bank makes of a fixed sound: writes goldens.npz beside this file.

Type, in an environment of its own with kaldi-native-fbank 1.23.0 and numpy: python make.py
With the settings of EncodecMAE's version 2, but 128 bands: Kaldi refuses the 256, of which some hold no bin.
"""

from pathlib import Path

import kaldi_native_fbank  # type: ignore[import-not-found]  # not among what the tests install
import numpy as np

GOLDENS = Path(__file__).parent / "goldens.npz"
RATE, N_SAMPLES = 24000, 6000


def sound() -> np.ndarray:
    """Return a quarter of a second: a rising tone in noise, an offset that must not matter, and digital silence."""
    rng = np.random.Generator(np.random.PCG64(1))
    t = np.arange(N_SAMPLES) / RATE
    samples = 0.3 * np.sin(2 * np.pi * 440 * t * (1 + 4 * t)) + 0.05 * rng.standard_normal(N_SAMPLES) + 0.1
    samples[4000:5000] = 0
    return samples.astype(np.float32)


def options() -> kaldi_native_fbank.FbankOptions:
    """Return the settings, the rest being Kaldi's own."""
    chosen = kaldi_native_fbank.FbankOptions()
    chosen.frame_opts.samp_freq = RATE
    chosen.frame_opts.frame_length_ms, chosen.frame_opts.frame_shift_ms = 26.56, 13.28
    chosen.frame_opts.window_type = "hanning"
    chosen.frame_opts.dither = 0
    chosen.mel_opts.num_bins, chosen.mel_opts.low_freq = 128, 20
    chosen.use_energy, chosen.htk_compat = False, True
    return chosen


def main() -> None:
    heard = sound()
    bank = kaldi_native_fbank.OnlineFbank(options())
    bank.accept_waveform(RATE, heard.tolist())
    bank.input_finished()
    bands = np.stack([bank.get_frame(number) for number in range(bank.num_frames_ready)])
    np.savez_compressed(GOLDENS, audio=heard, bands=bands)
    print(bands.shape, bands.min(), bands.max())


if __name__ == "__main__":
    main()
