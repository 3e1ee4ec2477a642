"""What is heard and seen of a clip is what the models of the run heard, or a reason why not."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import earmark
from earmark import audio, deformations
from earmark.audio import Audio
from earmark.deformations import CLEAN, Chain, Step
from earmark.errors import AudioError, DataError, UnknownName
from earmark.experiment import clips, one_pass, spec
from earmark.experiment.jobs import ClipWork
from earmark.experiment.keys import Want
from earmark.experiment.results import Run
from earmark.experiment.spec import Block, RepresentationChoice
from earmark.experiment.subjects import Placed
from earmark.nouns import Clip
from earmark.runs import listening, predictions
from earmark.runs.confusions import confusion
from earmark.runs.listening import Heard

RATE = 22050
EXPERIMENT = """\
name: heard
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: manifest, dir: {manifest}, split_type: [0.5, 0.25, 0.25]}}]
    deformations:
      snr0: [{{type: AddGaussianSNR, params: {{min_snr_db: 0, max_snr_db: 0}}}}]
      both: [{{type: Gain, params: {{min_gain_db: -12, max_gain_db: -12}}}},
             {{type: AddGaussianSNR, params: {{min_snr_db: 15, max_snr_db: 15}}}}]
    representations: [chroma]
    probes: [{{kind: mlp, hidden_units: [], epochs: 2}}]
    seeds: [0, 1]
resamples: 20
"""
NAMES = ['a "quoted".wav', "new\nline.wav", "<b>&amp;.wav", "line\u2028.wav", "ö🎺\u202e.wav", "plain.wav"]
TONE = Audio(np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE).astype(np.float32), RATE)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on regions of files with hostile names, half of which are a second and half of them 7,001 samples long."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    rng = np.random.default_rng(0)
    lines = []
    for place, name in enumerate(NAMES * 2):
        path = tmp_path / f"{place // len(NAMES)}{name}"
        sound = 0.2 * np.sin(np.arange(3 * RATE) * (0.05 + 0.05 * (place % 2))) + 0.01 * rng.standard_normal(3 * RATE)
        soundfile.write(path, np.column_stack([sound, -0.5 * sound]).astype(np.float32), RATE)
        for start_s, end_s in ((0.25, 1.25), (1.0, 1.0 + 7001 / RATE)):
            at = {"path": path.name, "start_s": start_s, "end_s": end_s}
            lines.append(json.dumps({**at, "label": f"<i>{place % 2}</i>"}))
    (tmp_path / "clips.jsonl").write_text("\n".join(lines) + "\n")
    file = tmp_path / "heard.yml"
    file.write_text(EXPERIMENT.format(manifest=json.dumps(str(tmp_path / "clips.jsonl"))))
    return earmark.run(file, run_id="heard", quiet=True)


def as_models_hear(one: Heard, chain: Chain) -> np.ndarray:
    """Return what a pass over a clip hands to a representation at the rate of the file."""
    placed = Placed(one.dataset, Clip(one.clip, one.path, one.start_s, one.end_s))
    seed = deformations.clip_seed(chain, one.dataset, one.clip) if chain.steps else None
    work = ClipWork(placed, "", (Want("", chain, seed, RepresentationChoice("chroma")),))
    return one_pass._open(work).under(chain, seed)(RATE)


def test_every_predicted_clip_is_found_by_its_id_and_can_be_heard(run: Run) -> None:
    found = listening.heard(run.folder)
    for predicted in predictions.index(run.folder):
        table = confusion(predicted)
        said = [one for row in range(2) for column in range(2) for one in table.cell(row, column)]
        assert {(one.dataset, one.clip) for one in said} == set(found)
    assert any("\n" in one.clip for one in found.values()) or any("\u2028" in one.clip for one in found.values())
    for one in found.values():
        assert len(listening.excerpt(run.folder, one, "both").samples) in (RATE, 7001)


@pytest.mark.parametrize("deformation", ["clean", "snr0", "both"])
def test_an_excerpt_is_the_beginning_of_what_models_heard_to_the_sample(run: Run, deformation: str) -> None:
    [block] = spec.load(run.folder / "experiment.yml").blocks
    chains = {chain.name: chain for chain in (CLEAN, *block.deformations)}
    for one in listening.heard(run.folder).values():
        expected = as_models_hear(one, chains[deformation])
        for seconds in (0.2, 1.0, 60.0):
            samples, rate = listening.excerpt(run.folder, one, deformation, seconds)
            assert rate == RATE
            np.testing.assert_array_equal(samples, expected[: round(seconds * RATE)])


def test_the_diagonal_of_a_real_run_is_its_accuracy(run: Run) -> None:
    rows = {
        (row.representation, row.probe, row.deformation): row.value
        for row in run.rows
        if (row.metric, row.average, row.seed, row.label) == ("accuracy", "micro", None, None)
    }
    for predicted in predictions.index(run.folder):
        counts = confusion(predicted).counts
        name = predicted.representation, predicted.probe, predicted.deformation
        assert np.trace(counts) / counts.sum() == pytest.approx(rows[name], abs=1e-12)


def test_the_rights_are_those_of_the_datasets_card(run: Run) -> None:
    [dataset] = {one.dataset for one in listening.heard(run.folder).values()}
    [rights] = listening.rights(run.folder).values()
    assert (rights.dataset, rights.redistributable, rights.licence) == (dataset, False, "unknown")
    assert rights.title


def test_a_run_made_twice_says_the_same_of_its_clips(run: Run, tmp_path: Path) -> None:
    before = [(run.folder / name).read_bytes() for name in (clips.CLIPS, clips.RIGHTS)]
    earmark.run(tmp_path / "heard.yml", run_id="heard", quiet=True)
    assert [(run.folder / name).read_bytes() for name in (clips.CLIPS, clips.RIGHTS)] == before


@pytest.mark.parametrize("name", [clips.CLIPS, clips.RIGHTS])
def test_a_run_that_does_not_say_where_its_audio_is_says_what_to_do(run: Run, name: str) -> None:
    (run.folder / name).unlink()
    read = listening.heard if name == clips.CLIPS else listening.rights
    with pytest.raises(DataError, match=rf"Expected {name} in '.*run its experiment again, all of it is in the store"):
        read(run.folder)


def test_a_file_that_has_moved_is_a_reason_and_no_crash(run: Run) -> None:
    one = next(iter(listening.heard(run.folder).values()))
    one.path.rename(one.path.with_suffix(".elsewhere"))
    for deformation in ("clean", "snr0"):
        with pytest.raises(AudioError) as caught:
            listening.excerpt(run.folder, one, deformation)
        assert caught.value.reason == "no such file."


def test_a_file_that_has_become_something_else_is_a_reason_too(run: Run) -> None:
    one = next(iter(listening.heard(run.folder).values()))
    one.path.write_text("no audio")
    with pytest.raises(AudioError, match="what libsndfile cannot read"):
        listening.excerpt(run.folder, one, "clean")


def test_audio_that_has_changed_since_the_run_is_not_passed_off_as_what_was_heard(run: Run) -> None:
    one = next(iter(listening.heard(run.folder).values()))
    samples, rate = soundfile.read(one.path)
    soundfile.write(one.path, 0.5 * samples, rate)
    for deformation in ("clean", "snr0"):
        with pytest.raises(
            AudioError, match=r"has changed since the run, which heard other audio\. Run its experiment"
        ):
            listening.excerpt(run.folder, one, deformation)


def test_a_deformation_that_the_run_has_not_is_named_with_those_it_has(run: Run) -> None:
    one = next(iter(listening.heard(run.folder).values()))
    with pytest.raises(UnknownName, match=r"Did you mean 'snr0'\? Known: both, clean, snr0\."):
        listening.excerpt(run.folder, one, "snr")


def rewritten(run: Run, *blocks: Block) -> None:
    """Write an experiment of other blocks into the folder of a run."""
    file = run.folder / "experiment.yml"
    file.write_text(spec.to_yaml(replace(spec.load(file), blocks=blocks)), "utf-8")


def noise(snr_db: float) -> Chain:
    return Chain("snr0", (Step("AddGaussianSNR", {"min_snr_db": snr_db, "max_snr_db": snr_db}),))


def test_one_name_for_two_chains_needs_the_task(run: Run) -> None:
    [block] = spec.load(run.folder / "experiment.yml").blocks
    other = replace(block.task, task=replace(block.task.task, name="other"))
    _, both = block.deformations
    rewritten(run, block, replace(block, task=other, deformations=(noise(30.0), both)))
    one = next(iter(listening.heard(run.folder).values()))
    with pytest.raises(DataError, match=r"calls more than one chain 'snr0'\. Say of which task"):
        listening.excerpt(run.folder, one, "snr0")
    loud, quiet = (listening.excerpt(run.folder, one, "snr0", task=task).samples for task in ("tone", "other"))
    assert np.abs(loud - quiet).max() > 0.1
    same = [listening.excerpt(run.folder, one, "both", task=task).samples for task in (None, "tone", "other")]
    np.testing.assert_array_equal(same[0], same[1], "the same chain under one name is no question")
    np.testing.assert_array_equal(same[0], same[2])


def test_a_chain_whose_impulse_response_is_gone_says_so(run: Run, tmp_path: Path) -> None:
    [block] = spec.load(run.folder / "experiment.yml").blocks
    params = {"ir_path": str(tmp_path / "gone.wav"), "leave_length_unchanged": True}
    rewritten(run, replace(block, deformations=(Chain("hall", (Step("ApplyImpulseResponse", params),)),)))
    one = next(iter(listening.heard(run.folder).values()))
    with pytest.raises(DataError, match=r"The deformation 'hall' reads '.*gone.wav', which is not there"):
        listening.excerpt(run.folder, one, "hall")


def test_a_name_that_is_no_text_goes_through(tmp_path: Path) -> None:
    name = os.fsdecode(b"latin-\xe4.wav")
    line = {"dataset": "made", "clip": name, "path": str(tmp_path / name), "start_s": None, "end_s": None}
    (tmp_path / clips.CLIPS).write_text(json.dumps(line) + "\n")
    assert listening.heard(tmp_path)["made", name].path == tmp_path / name


def test_an_excerpt_as_ogg_is_mono_and_as_long_and_sounds_alike() -> None:
    content = listening.ogg(TONE)
    samples, rate = soundfile.read(io.BytesIO(content))
    assert (samples.shape, rate) == ((RATE,), RATE)
    assert np.corrcoef(samples, TONE.samples)[0, 1] > 0.99


@pytest.mark.parametrize(("rate", "expected"), [(4000, 8000), (16000, 16000), (96000, RATE)])
def test_an_excerpt_as_ogg_has_a_rate_that_players_know(rate: int, expected: int) -> None:
    content = listening.ogg(Audio(np.zeros(rate, np.float32), rate))
    assert soundfile.info(io.BytesIO(content)).samplerate == expected


def picture(excerpt: Audio) -> np.ndarray:
    """Return the brightness of a picture's pixels, as another program reads it."""
    with Image.open(io.BytesIO(listening.mel_png(excerpt))) as image:
        image.load()
        assert image.mode == "P"
        return np.asarray(image.convert("L"), float)


@pytest.mark.parametrize(("n_samples", "width"), [(1, 1), (2048, 1), (RATE, 254), (5 * RATE, 256), (90 * RATE, 256)])
def test_a_picture_is_96_pixels_high_and_at_most_256_wide(n_samples: int, width: int) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(n_samples)
    assert picture(Audio(noise.astype(np.float32), RATE)).shape == (96, width)


def test_low_is_below_high_is_above_and_time_goes_to_the_right() -> None:
    steps = np.arange(RATE) / RATE
    low_then_high = np.concatenate([np.sin(2 * np.pi * 200 * steps), np.sin(2 * np.pi * 8000 * steps)])
    brightest = picture(Audio(low_then_high.astype(np.float32), RATE)).argmax(axis=0)
    assert (brightest[:100] > 80).all(), "200 Hz is near the bottom"
    assert (brightest[-100:] < 20).all(), "8 kHz is near the top"


@pytest.mark.parametrize("rate", [8000, 44100])
def test_a_tone_stands_where_it_does_at_any_rate(rate: int) -> None:
    tone = np.sin(np.arange(2 * rate) * 2 * np.pi * 1000 / rate).astype(np.float32)
    at = picture(Audio(tone, rate))[:, 60].argmax()
    assert at == picture(Audio(audio.resample(tone, rate, RATE), RATE))[:, 60].argmax()


def test_louder_is_brighter_and_silence_is_dark() -> None:
    rising = picture(Audio(TONE.samples * np.linspace(0.001, 1, RATE, dtype=np.float32), RATE))
    peaks = rising.max(axis=0)
    assert (np.diff(peaks) >= 0).all()
    assert peaks[-1] > peaks[0] + 50
    silent = picture(Audio(np.zeros(RATE, np.float32), RATE))
    assert silent.max() == rising.min()


def test_a_picture_of_five_seconds_of_noise_is_small() -> None:
    noise = Audio(0.1 * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32), RATE)
    assert len(listening.mel_png(noise)) < 10_000
    assert len(listening.ogg(noise)) < 40_000


def test_the_same_excerpt_gives_the_same_bytes() -> None:
    assert listening.mel_png(TONE) == listening.mel_png(TONE)
    assert listening.ogg(TONE) == listening.ogg(TONE)
