"""`earmark pretrain` of MULE without labels, from a corpus to a representation, on one process and on two."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

import earmark
from earmark.errors import DataError, SpecError, UserError
from earmark.identity import generator
from earmark.representations.mule.objective import SimClr
from earmark.representations.mule.settings import CONTRASTS, F0, TINY, Contrast, Mixing
from earmark.training import config, corpus
from earmark.training.job import Hardware
from earmark.training.pretrain import Pretrained, pretrain
from earmark.training.recipe import Adam
from earmark.training.schedules import Schedule
from earmark.training.systems import MuleSystem

CONFIG = """\
name: small
representation: mule-tiny
objective: {head: {hidden: [16], deviation: 0.2}, n_out: 8}
segments: {kind: pair, by: track, segment_s: 0.25, max_gap_s: 0.5}
steps: 6
batch_s: 4
portion_s: 4
schedule: {learning_rate: 3.0e-3, kind: constant}
optimiser: {epsilon: 1.0e-8, weight_decay: 0}
save_every_steps: 3
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of eight tracks of three seconds, each a chord of its own with noise."""
    folder = tmp_path_factory.mktemp("music")
    time_s = np.arange(48_000) / 16_000
    for number in range(8):
        rng = generator("made", number)
        tones = [np.sin(2 * np.pi * hz * time_s) for hz in rng.uniform(100, 4000, 3)]
        soundfile.write(folder / f"{number}.wav", 0.1 * sum(tones) + 0.02 * rng.standard_normal(48_000), 16000)
    corpus.build([folder], folder / "corpus", 16000)
    return folder / "corpus"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "small.yml").write_text(CONFIG)
    return tmp_path / "small.yml"


def trained(file: Path, heard: Path, folder: Path, *overrides: str, hardware: Hardware | None = None) -> Pretrained:
    return pretrain(file, corpus_folder=heard, folder=folder, overrides=overrides, hardware=hardware)


def curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def largest_difference(one: Path, other: Path) -> float:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_what_comes_out_hears_and_says_what_it_learnt(file: Path, music: Path, tmp_path: Path) -> None:
    made = trained(file, music, tmp_path / "run", "steps=20", "validation={share: 0.4, segments: 4}")
    network = earmark.load_representation(f"path:{made.checkpoint}")
    card = json.loads((made.checkpoint / "card.json").read_text())
    audio = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))

    assert network(audio).shape == (2, 1, 1, 160)
    assert (network.card.sample_rate, network.card.segment_s) == (16000, 0.25)
    assert (card["corpus"], card["segments"]["max_gap_s"]) == (corpus.open(music).key, 0.5)
    assert {"accuracy", "alignment", "uniformity", "chance", "spread", "spread_embedding"} <= card["monitors"].keys()
    assert curve(tmp_path / "run")[-1]["loss"] < curve(tmp_path / "run")[0]["loss"]
    assert card["audio_s"] == 20 * 4
    assert np.isfinite([one["loss"] for one in card["validation"]]).all()


def test_what_is_said_counts_pairs(file: Path, music: Path, tmp_path: Path) -> None:
    said = list[str]()
    pretrain(file, corpus_folder=music, folder=tmp_path / "run", overrides=["steps=1"], say=said.append)
    assert said[0] == "small: 1 steps of 8 pairs, 1.0 epochs of 8"


def test_two_processes_are_one_with_the_joint_batch(file: Path, music: Path, tmp_path: Path) -> None:
    exact = ("precision=float64", "objective.network={skip_rate: 0.0}", "steps=3")
    one = trained(file, music, tmp_path / "one", *exact)
    parts = (*exact, "portion_s=1.5")
    two = trained(file, music, tmp_path / "two", *parts, hardware=Hardware(n_devices=2))

    for single, double in zip(curve(tmp_path / "one"), curve(tmp_path / "two"), strict=True):
        assert single == pytest.approx(double, rel=1e-10)
    assert largest_difference(one.checkpoint, two.checkpoint) < 1e-10


def test_a_run_goes_on_where_it_was(file: Path, music: Path, tmp_path: Path) -> None:
    settings = ("objective.mixing={way: convex}", "portion_s=2")
    whole = trained(file, music, tmp_path / "whole", *settings)
    trained(file, music, tmp_path / "cut", *settings)
    last = tmp_path / "cut" / "checkpoints" / "small-step-6"
    again = pretrain(file, corpus_folder=music, folder=tmp_path / "cut", overrides=settings, resume=True)

    assert again.checkpoint == last
    assert largest_difference(whole.checkpoint, last) == 0.0


def test_training_goes_on_from_weights_and_a_head_of_another_shape_begins_anew(
    file: Path, music: Path, tmp_path: Path
) -> None:
    first = trained(file, music, tmp_path / "first").checkpoint
    same = MuleSystem("mule-tiny", {"head": {"hidden": (16,)}, "n_out": 8}, weights=first).build(1)
    other = MuleSystem("mule-tiny", {"head": {"hidden": (16,)}, "n_out": 9}, weights=first).build(1)
    saved = load_file(first / "model.safetensors")

    assert all(torch.equal(one, saved[name]) for name, one in same.state_dict().items())
    assert all(torch.equal(one, saved[f"network.{name}"]) for name, one in other.network.state_dict().items())  # type: ignore[union-attr]
    with pytest.raises(UserError, match="is of another architecture"):
        MuleSystem("mule-tiny", {"network": {"depths": (1, 1, 1, 1)}}, weights=first).build(1)


def test_weights_of_another_kind_are_refused(file: Path, music: Path, tmp_path: Path) -> None:
    first = trained(file, music, tmp_path / "first").checkpoint
    settings = json.loads((first / "config.json").read_text())
    (first / "config.json").write_text(json.dumps({**settings, "model_type": "wav2vec2"}))
    with pytest.raises(UserError, match=r"Expected a checkpoint of MULE to start from, got .* which is a 'wav2vec2'"):
        MuleSystem("mule-tiny", weights=first).build(0)


def test_weights_that_hear_fainter_are_refused(file: Path, music: Path, tmp_path: Path) -> None:
    first = trained(file, music, tmp_path / "first").checkpoint
    settings = json.loads((first / "config.json").read_text())
    (first / "config.json").write_text(json.dumps({**settings, "gain": 0.5}))
    with pytest.raises(UserError, match=r"hears audio at a gain of 0\.5, and pre-training at 1"):
        MuleSystem("mule-tiny", weights=first).build(0)


def test_a_folder_with_other_settings_is_refused(file: Path, music: Path, tmp_path: Path) -> None:
    first = trained(file, music, tmp_path / "first").checkpoint
    settings = json.loads((first / "config.json").read_text())
    settings["network"]["slow"]["channels"] = [1, 2]
    (first / "config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"to be the shape of an SF-NFNet: .* at slow\.channels"):
        earmark.load_representation(f"path:{first}")


def test_the_first_embeddings_are_spread_and_step_0_is_a_network_of_random_weights(
    file: Path, music: Path, tmp_path: Path
) -> None:
    trained(file, music, tmp_path / "run")
    loaded = earmark.load_representation(f"path:{tmp_path / 'run' / 'checkpoints' / 'small-step-0'}")
    drawn = SimClr(CONTRASTS["mule-tiny"], 0).network
    assert all(torch.equal(one, loaded.network.state_dict()[name]) for name, one in drawn.state_dict().items())  # type: ignore[attr-defined]
    assert curve(tmp_path / "run")[0]["spread"] > 0.3


def test_hard_negatives_are_heard_and_counted(file: Path, music: Path, tmp_path: Path) -> None:
    made = trained(file, music, tmp_path / "run", "segments.hard_negatives=true", "batch_s=6", "portion_s=6")

    assert made.audio_s == pytest.approx(6 * 8 * 0.75)
    assert curve(tmp_path / "run")[0]["chance"] == pytest.approx(np.log(8 * 3 - 1))


@pytest.mark.parametrize("name", ["mule_ularge", "mule_usmall", "mule_audioset"])
def test_presets_have_the_paper_s_numbers(name: str) -> None:
    asked = config.load(Path(name))
    recipe, system = asked.recipe, asked.system
    assert isinstance(system, MuleSystem)
    assert isinstance(system.settings, Contrast)

    assert recipe.segments_per_step == (1920 if name == "mule_ularge" else 256)
    assert (recipe.n_steps, recipe.schedule) == (200_000, Schedule(2e-4, 5000, "cosine"))
    assert (recipe.adam, recipe.clip_norm) == (Adam((0.9, 0.999), 1e-7, 0.0), None)
    assert (asked.segments.segment_s, asked.segments.max_gap_s) == (3, None if name == "mule_audioset" else 5)
    assert (system.settings.network, system.settings.mixing) == (F0, Mixing("convex", "before", 5.0, 2.0))
    assert (system.settings.head.hidden, system.settings.n_out) == ((4096,) * 3, 1024)


def test_the_tiny_preset_has_128_pairs_of_one_second_and_mixes_nothing() -> None:
    asked = config.load(Path("mule_tiny"))
    assert isinstance(asked.system, MuleSystem)

    assert (asked.recipe.segments_per_step, asked.recipe.segments_at_once) == (128, 128)
    assert (asked.segments.segment_s, asked.segments.max_gap_s, asked.system.settings.mixing.way) == (1, 2, "none")
    assert (asked.system.segment_s, asked.system.settings.network) == (1, TINY)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: pair", "kind: random", "Expected segments of kind pair for 'mule-tiny', got random. Write kind: pair."),
        ("batch_s: 4", "batch_s: 0.2", "Expected 'batch_s' to hold a pair of 0.5 s, got 0.2 s."),
        ("max_gap_s: 0.5", "hop_s: 0.5", "'hop_s' is not of pair segments. Take it out."),
        ("mule-tiny", "wav2vec2-tiny", "Expected segments of kind random for 'wav2vec2-tiny', got pair."),
    ],
)
def test_what_cannot_be_meant_is_answered_at_its_place(file: Path, old: str, new: str, said: str) -> None:
    text = (
        CONFIG
        if "wav2vec2" not in new
        else CONFIG.replace("objective: {head: {hidden: [16], deviation: 0.2}, n_out: 8}\n", "")
    )
    file.write_text(text.replace(old, new))
    with pytest.raises(SpecError) as caught:
        config.load(file)
    assert said in str(caught.value)


def corpus_of(folder: Path, *seconds: float) -> Path:
    for number, length_s in enumerate(seconds):
        samples = 0.1 * generator("made", number).standard_normal(round(length_s * 16_000))
        soundfile.write(folder / f"{number}.wav", samples, 16000)
    corpus.build([folder], folder / "corpus", 16000)
    return folder / "corpus"


@pytest.mark.parametrize(
    ("seconds", "overrides", "kind", "said"),
    [
        ((0.2, 0.15), (), DataError, "Expected tracks of at least 0.25 s, but the longest of 2"),
        ((2.0,), (), DataError, "Expected at least two tracks to tell apart, got one long enough"),
        ((2.0, 0.2), (), DataError, r"got one long enough in .*: 0.wav. Build a corpus of more tracks"),
        ((0.25, 0.25), (), DataError, "there is room for one: both of a pair would be the same. Take shorter segments"),
        ((2.0, 2.0), ("batch_s=0.5", "portion_s=0.5"), UserError, "Expected at least two pairs in a step, got one"),
        ((0.9, 0.9), ("segments.hard_negatives=true",), DataError, "Expected tracks of at least 1.24"),
        ((2.0, 2.0), ("validation={share: 0.4}",), DataError, "got one long enough in .* or hold out less"),
    ],
)
def test_a_corpus_that_teaches_nothing_is_refused(
    seconds: tuple[float, ...], overrides: tuple[str, ...], kind: type[Exception], said: str, file: Path, tmp_path: Path
) -> None:
    (tmp_path / "audio").mkdir()
    with pytest.raises(kind, match=said):
        trained(file, corpus_of(tmp_path / "audio", *seconds), tmp_path / "run", *overrides)


def test_tracks_shorter_than_the_gap_are_heard(file: Path, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    heard = corpus_of(tmp_path / "audio", 0.3, 0.4)
    assert trained(file, heard, tmp_path / "run", "steps=1").steps == 1
