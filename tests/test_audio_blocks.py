"""Audio in blocks: the same samples as at once, whatever the format, the rate and the region."""

from pathlib import Path

import numpy as np
import pytest

from earmark import audio
from earmark.errors import AudioError
from tests.audio_files import RATE, sound, written


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("rate", [RATE, 16000, 48000])
@pytest.mark.parametrize("region", [(None, None), (0.5, 2.25)])
def test_blocks_are_what_read_returns_to_the_bit(
    tmp_path: Path,
    name: str,
    rate: int,
    region: tuple[float | None, float | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = written(tmp_path / name, sound())
    whole = audio.read(path, rate, *region).samples
    np.testing.assert_array_equal(np.concatenate(list(audio.blocks(path, rate, *region))), whole)
    monkeypatch.setattr(audio, "STREAMED_ABOVE_S", 0.1)
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 7001)
    blocks = list(audio.blocks(path, rate, *region))
    assert len(blocks) > 5
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_a_block_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    samples = sound()
    samples[-1] = np.nan
    with pytest.raises(AudioError, match="expected finite samples, got NaN"):
        list(audio.blocks(written(tmp_path / "a.wav", samples, subtype="FLOAT"), RATE))
