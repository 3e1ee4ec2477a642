"""A clip through everything wanted of it: what is done once, what is stored, and what it is said to have cost."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark import audio, deformations
from earmark.deformations import CLEAN, PRESETS, Chain, Step
from earmark.experiment import one_pass, work
from earmark.experiment.jobs import Shard
from earmark.experiment.keys import Facts, embedding_key
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.subjects import Placed
from earmark.representations.embed import BATCH_ON_GPU, clip_embedding
from earmark.representations.logmel import CARD
from earmark.store import Store
from tests.experiment.layered import FOUR_SETS, FRAME, NAME, RATE, Layered, choices, count, shard, stored, wav


@pytest.fixture(autouse=True)
def _counted_from_nothing() -> None:
    Layered.calls.clear()


def test_a_clip_is_decoded_once_for_all_representations_and_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*choices(*FOUR_SETS), *choices(None, name="logmel"), *choices(None, name="chroma")]
    made = shard([wav(tmp_path / "a.wav", rate=16000)], asked, (CLEAN, *PRESETS.values()))
    decoded, deformed = count(monkeypatch, audio, "read"), count(monkeypatch, deformations, "apply")
    resampled = count(monkeypatch, audio, "resample")
    work.embed_shard(made, tmp_path / "store")
    assert len(decoded.calls) == 1
    assert len(deformed.calls) == len(PRESETS)
    by_us = [call for call in resampled.calls if call in ((16000, RATE), (16000, 22050))]
    assert len(by_us) == 2 * (1 + len(PRESETS)), "once a rate and chain, though two representations hear 22,050 Hz"


def test_four_layer_sets_are_one_forward_pass_and_no_deeper_than_the_deepest(tmp_path: Path) -> None:
    made = shard([wav(tmp_path / "a.wav")], choices(*FOUR_SETS), (CLEAN, PRESETS["gain-12"]))
    work.embed_shard(made, tmp_path / "store")
    assert Layered.calls == [(0, 2, 4, 5, 6)] * 2, "one for each chain"


@pytest.mark.parametrize("sets", [FOUR_SETS, (*FOUR_SETS, None)])
def test_each_layer_set_is_stored_as_if_it_had_been_asked_for_alone(
    tmp_path: Path, sets: tuple[tuple[int, ...] | None, ...]
) -> None:
    made = shard([wav(tmp_path / "a.wav")], choices(*sets))
    work.embed_shard(made, tmp_path / "store")
    samples = audio.read(tmp_path / "a.wav", RATE).samples
    for layers, row in zip(sets, stored(Store(tmp_path / "store"), made), strict=True):
        np.testing.assert_array_equal(row, clip_embedding(Layered(), samples, layers))


def test_other_segments_are_another_pass(tmp_path: Path) -> None:
    cut = RepresentationChoice(NAME, (1,), segment_s=0.5, segment_hop_s=0.25)
    made = shard([wav(tmp_path / "a.wav")], [*choices((2,)), cut])
    work.embed_shard(made, tmp_path / "store")
    assert sorted(map(str, Layered.calls)) == ["(1,)"] * 3 + ["(2,)"]


def test_a_layer_that_is_not_there_fails_alone(tmp_path: Path) -> None:
    made = shard([wav(tmp_path / "a.wav")], choices((3,), (8,)))
    done = work.embed_shard(made, tmp_path / "store")
    (failure,) = done.failures
    assert failure.reason == "'layered' has layers 0 to 7; got [8]."
    good, bad = made.works[0].wants
    assert Store(tmp_path / "store").has([good.key, bad.key]) == {good.key}


def test_a_chain_that_cannot_be_applied_fails_alone(tmp_path: Path) -> None:
    shelf = Chain("shelf", (Step("HighShelfFilter", {"min_center_freq": 16000.0, "max_center_freq": 16000.0}),))
    made = shard([wav(tmp_path / "a.wav", rate=8000)], choices((3,)), (CLEAN, shelf))
    done = work.embed_shard(made, tmp_path / "store")
    assert len(done.failures) == 1
    assert len(Store(tmp_path / "store").has([want.key for want in made.works[0].wants])) == 1


@pytest.mark.parametrize("region", [(None, None), (0.25, None), (0.25, 0.9)])
def test_a_long_clip_is_read_in_blocks_at_each_rate_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: tuple[float | None, float | None]
) -> None:
    asked = [*choices((1,)), *choices(None, name="logmel")]
    made = shard([wav(tmp_path / "a.wav", rate=44100)], asked)
    clip = dataclasses.replace(made.works[0].placed.clip, start_s=region[0], end_s=region[1])
    made = Shard("shard", (dataclasses.replace(made.works[0], placed=Placed("here", clip)),))
    work.embed_shard(made, tmp_path / "short")
    monkeypatch.setattr(audio, "STREAMED_ABOVE_S", 0.5)
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 5000)
    decoded = count(monkeypatch, audio, "read")
    work.embed_shard(made, tmp_path / "long")
    assert [call[0] for call in decoded.calls] == [RATE, 22050]
    short, long = (stored(Store(tmp_path / name), made) for name in ("short", "long"))
    for one, other in zip(short, long, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_long_clip_that_is_deformed_is_decoded_once_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shard([wav(tmp_path / "a.wav")], choices((1,)), (CLEAN, PRESETS["gain-12"]))
    monkeypatch.setattr(audio, "STREAMED_ABOVE_S", 0.5)
    decoded = count(monkeypatch, audio, "read")
    work.embed_shard(made, tmp_path / "store")
    assert [call[0] for call in decoded.calls] == [None]


def test_a_long_file_that_is_broken_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(tmp_path / "a.wav", rate=44100)
    made = shard([path], [*choices((1,)), *choices(None, name="logmel")])
    monkeypatch.setattr(audio, "STREAMED_ABOVE_S", 0.5)
    monkeypatch.setattr(audio, "info", lambda path: audio.AudioInfo(44100, 44100, 1, "WAV", 1.0))  # its header is whole
    path.write_bytes(path.read_bytes()[:44100])
    done = work.embed_shard(made, tmp_path / "store")
    assert len(done.failures) == 2
    assert {failure.reason.split(":")[0] for failure in done.failures} == {"truncated or damaged"}
    assert done.costs == (), "nothing was heard to its end"


PEAK = """
import sys
from pathlib import Path
from earmark.experiment import costs, one_pass, work
from earmark.experiment.spec import RepresentationChoice
from tests.experiment.layered import shard
made = shard([Path(sys.argv[1])], [RepresentationChoice("chroma", segment_s=10.0)])
one_pass.representation("chroma", "cpu")
before = costs.peak_bytes()
done = work.embed_shard(made, Path(sys.argv[2]))
assert not done.failures, done.failures
print(costs.peak_bytes() - before, done.costs[0].audio_s)
"""


def test_a_long_clip_is_embedded_without_ever_holding_its_own_samples(tmp_path: Path) -> None:
    seconds = 600
    path, n_samples = tmp_path / "long.wav", seconds * 48000
    soundfile.write(path, np.zeros(0), 48000, subtype="PCM_16")
    header = bytearray(path.read_bytes())
    header[4:8], header[40:44] = (size.to_bytes(4, "little") for size in (36 + 2 * n_samples, 2 * n_samples))
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 2 * n_samples)
    command = [sys.executable, "-c", PEAK, str(path), str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak, heard_s = map(float, done.stdout.split())
    assert heard_s == seconds
    assert peak < 3 * seconds * 22050 * 4, (
        "blocks and their sum are twice what chroma hears; whole, at 48 kHz, 4.4 times"
    )


def test_the_keys_of_embeddings_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "library_versions", lambda: {"libsndfile": "1", "soxr": "2", "resampler": "HQ"})
    monkeypatch.setattr(deformations, "library_versions", lambda: {"audiomentations": "3"})
    card = dataclasses.replace(CARD, name="pinned", version=1, weights_sha256="w" * 64)
    clean = embedding_key("a" * 64, None, [], None, RepresentationChoice("pinned"), Facts(card))
    assert clean == "3abe977f5bb7abb0fd84a859a1426698"
    choice = RepresentationChoice("pinned", (4, 5), "mean", ("mean",), 5.0, 2.5)
    chain = deformations.identity_of(PRESETS["snr15"])
    deformed = embedding_key("a" * 64, (100, None), chain, 7, choice, Facts(card, "c" * 64))
    assert deformed == "47b1d0e2b3df8b2b8345fa184c834d4b"


def test_a_shard_says_what_each_pass_cost(tmp_path: Path) -> None:
    paths = [wav(tmp_path / name, seconds) for name, seconds in (("a.wav", 1.0), ("bb.wav", 0.5))]
    (tmp_path / "broken.wav").write_text("no audio")
    made = shard([*paths, tmp_path / "broken.wav"], [*choices(*FOUR_SETS), *choices(None, name="logmel")])
    done = work.embed_shard(made, tmp_path / "store")
    found = {one.representation: one for one in done.costs}
    assert done.audio_s == 1.5
    layered = found[NAME]
    assert (layered.audio_s, layered.layers, layered.dim, layered.batch, layered.device) == (1.5, 5, FRAME, 1, "cpu")
    rows = stored(Store(tmp_path / "store"), Shard("read", made.works[:2]))
    assert layered.n_bytes + found["logmel"].n_bytes == sum(row.nbytes for row in rows)
    assert layered.bytes_per_hour == pytest.approx(2 * 7 * 2 * FRAME * 4 / 1.5 * 3600), "two clips, seven layers"
    assert layered.x_realtime is not None
    assert layered.x_realtime > 1
    assert 30e6 < layered.peak_bytes < 64e9


def test_where_an_embedding_was_made_is_kept_with_it(tmp_path: Path) -> None:
    made = shard([wav(tmp_path / "a.wav")], choices((1,)))
    work.embed_shard(made, tmp_path / "store")
    store = Store(tmp_path / "store")
    assert store.provenance(made.works[0].wants[0].key)["device"] == "cpu"


def test_on_a_gpu_clips_of_one_length_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = {"a.wav": 1.0, "bb.wav": 1.0, "ccc.wav": 0.5, "dddd.wav": 1.0}
    made = shard([wav(tmp_path / name, seconds, RATE) for name, seconds in lengths.items()], choices(*FOUR_SETS))
    work.embed_shard(made, tmp_path / "alone")
    Layered.calls.clear()
    monkeypatch.setattr(one_pass, "device_of", lambda network: torch.device("cuda"))  # decides the batch; none is here
    done = work.embed_shard(made, tmp_path / "together")
    assert len(Layered.calls) == 2, "three clips of a second, and one of half"
    assert done.costs[0].batch == BATCH_ON_GPU
    alone, together = (stored(Store(tmp_path / name), made) for name in ("alone", "together"))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
