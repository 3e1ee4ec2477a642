"""`earmark corpus targets`, `gamma` and `codes`: fitted by a seed, recorded, put together, measured."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from earmark import cli
from earmark.errors import DataError, UserError
from earmark.representations import base, encodec
from earmark.representations.encodecmae import codebooks, front, inputs, targets
from earmark.representations.encodecmae.inputs import Mel128
from earmark.training import coded, coding, corpus, fronts, segments
from earmark.training.corpus import Corpus
from earmark.training.fronts import Fitted, Sample
from tests.training.made_codes import RATE, built_corpus

TINY = "random:encodec-tiny"
FEW = Sample(3, seed=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return built_corpus(tmp_path_factory.mktemp("built"))


def fitted(made: Corpus, sample: Sample = FEW, n_codes: int = 8, n_streams: int = 2) -> Fitted:
    heard = Mel128()
    return fronts.fit(made, heard, targets.of_inputs(heard, n_streams, n_codes), sample)


def frames_by_hand(made: Corpus, sample: Sample) -> tuple[Mel128, Tensor]:
    """All frames of the segments, standardised by themselves."""
    drawn = segments.random(made, 4.0, "duration", sample.n_segments, seed=sample.seed)
    heard, audio = Mel128(), torch.from_numpy(np.stack([drawn.at(0, index) for index in range(sample.n_segments)]))
    heard.prepare(audio)
    return heard, heard(audio).flatten(0, 1)


def test_codebooks_are_fitted_to_the_frames_of_segments_that_are_standardised_by_themselves(made: Corpus) -> None:
    found = fitted(made)
    heard, frames = frames_by_hand(made, FEW)
    part = found.front.parts[0]

    assert found.n_frames == len(frames) == 600
    assert torch.equal(found.front.inputs.get_buffer("mean"), heard.mean)
    assert torch.allclose(found.residuals.energies, codebooks.residuals(frames, part.codebooks).energies, rtol=1e-6)
    assert float(found.residuals.energies[0]) == pytest.approx(128, rel=1e-4), "one for each standardised band"


def test_the_same_seed_fits_the_same_and_another_others(made: Corpus) -> None:
    one, again, other = (fitted(made, sample).front.parts[0].codebooks for sample in (FEW, FEW, Sample(3, seed=6)))

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_only_some_of_the_frames_may_be_taken(made: Corpus) -> None:
    """With as many codes as frames, codebooks are the frames."""
    found = fitted(made, Sample(3, 20, seed=5), n_codes=20, n_streams=1)
    _, frames = frames_by_hand(made, FEW)
    first = found.front.parts[0].codebooks[0]

    assert found.n_frames == 20
    assert len({codebooks.nearest(one[None], frames).item() for one in first}) == 20
    assert float((frames[codebooks.nearest(first, frames)] - first).abs().max()) < 1e-4


def test_fewer_points_than_clusters_is_an_error(made: Corpus) -> None:
    with pytest.raises(UserError, match="got 20 vectors for 21 codes"):
        fitted(made, Sample(3, 20), n_codes=21)
    with pytest.raises(DataError, match=r"Expected 601 frames or more in 3 segments, got 600\. Take more"):
        fitted(made, Sample(3, 601))
    with pytest.raises(UserError, match="of at least 1, got 0 and None"):
        Sample(0)


def test_a_corpus_of_another_rate_is_refused(made: Corpus) -> None:
    with pytest.raises(UserError, match=r"a corpus at 16000 Hz for 'mel128', got 8000 Hz in .* --rate 16000"):
        fitted(replace(made, sample_rate=8000))


def test_a_folder_remembers_how_it_came_to_be(made: Corpus, tmp_path: Path) -> None:
    found = fitted(made)
    fronts.save(tmp_path / "rvq", found, made, FEW)
    card = json.loads((tmp_path / "rvq" / "card.json").read_text())

    assert card["seed"] == 5
    assert card["trained_on"] == f"600 frames of 3 segments of 4 s, corpus {made.key}"
    assert card["explained_variance"] == found.residuals.explained.tolist()
    assert torch.equal(front.load(tmp_path / "rvq").parts[0].codebooks, found.front.parts[0].codebooks)
    with pytest.raises(UserError, match="is there already"):
        fronts.save(tmp_path / "rvq", found, made, FEW)


class Loud:
    """A teacher with two numbers a frame of 4 s at most."""

    card = replace(
        encodec.CARD,
        name="tests.training.test_codebooks_of_a_corpus:Loud",
        sample_rate=RATE,
        frame_rate_hz=50.0,
        dim=2,
        layers=1,
        weights_sha256="b" * 64,
    )

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        assert audio.shape[1] <= 4 * RATE
        return 100 * audio.reshape(len(audio), -1, 2, 160).abs().mean(3)[:, None]


def test_a_teachers_codes_stand_beside_those_of_mel_frames(made: Corpus, tmp_path: Path) -> None:
    """Self-training by `add`: the streams of both; by `replace`: those of the teacher, on the same inputs."""
    rvq = fitted(made)
    fronts.save(tmp_path / "rvq", rvq, made, FEW)
    taught = targets.of_teacher(Loud(), 0, 1, 8)
    fronts.save(tmp_path / "taught", fronts.fit(made, rvq.front.inputs, taught, Sample(3, 50)), made, Sample(3, 50))
    add = fronts.assembled([tmp_path / "rvq", tmp_path / "taught"], None, None)
    replaced = fronts.assembled([tmp_path / "taught"], None, None)
    codes = {name: coding.code(made, one, tmp_path / name, alone_s=4.0) for name, one in (("a", add), ("r", replaced))}
    heard = coded.segments(segments.grid(made, 4.0, 4.0), codes["a"])

    assert len({tuple(entry) for entry in taught.codebooks[0].tolist()}) == 8
    assert [one.n_streams for one in codes.values()] == [3, 1]
    assert np.array_equal(codes["a"].codes[:, 2:], codes["r"].codes)
    assert np.array_equal(codes["a"].frames, codes["r"].frames)
    assert heard.at(0, 1).codes.shape == (3, 200)
    with pytest.raises(UserError, match="Write --alone 4"):
        coding.code(made, add, tmp_path / "whole")


def test_a_teacher_hears_the_rate_of_the_inputs_or_is_refused(made: Corpus, tmp_path: Path) -> None:
    """Else it would hear everything too fast, and give as many frames as they do."""
    at_24 = replace(made, sample_rate=24000)
    with pytest.raises(UserError, match=r"got .*Loud' at 16000 Hz and 'mel256' at 24000 Hz\. Take other inputs"):
        fronts.fit(at_24, inputs.Mel256(), targets.of_teacher(Loud(), 0, 1, 8), Sample(3, 50))
    rvq = fitted(made)
    taught = fronts.fit(made, rvq.front.inputs, targets.of_teacher(Loud(), 0, 1, 8), Sample(3, 50))
    fronts.save(tmp_path / "taught", taught, made, Sample(3, 50))
    with pytest.raises(UserError, match=r"at 16000 Hz and 'encodec' at 24000 Hz"):
        fronts.assembled([tmp_path / "taught"], TINY, None, 2)
    config = json.loads((tmp_path / "taught" / "config.json").read_text())
    (tmp_path / "taught" / "config.json").write_text(json.dumps(config | {"inputs": {"name": "mel256"}}))
    state = {name: one for name, one in taught.front.contents().tensors.items() if name.startswith("targets.")}
    save_file(state, tmp_path / "taught" / "model.safetensors")
    with pytest.raises(UserError, match=r"at 16000 Hz and 'mel256' at 24000 Hz"):
        front.load(tmp_path / "taught")


class Sparse(Loud):
    """One that gives half as many frames."""

    card = replace(Loud.card, name="tests.training.test_codebooks_of_a_corpus:Sparse")

    def __call__(self, audio: Tensor, layers: Sequence[int] | None = None) -> Tensor:
        return super().__call__(audio, layers)[:, :, ::2]


def test_a_teacher_with_other_frames_is_refused_before_anything_is_fitted(made: Corpus) -> None:
    with pytest.raises(UserError, match=r"frames to code as 'mel128' gives of 4 s, 200, got 100\. Take inputs"):
        fronts.fit(made, Mel128(), targets.of_teacher(Sparse(), 0, 1, 8), Sample(3, 50))


def test_codebooks_on_other_statistics_are_refused(made: Corpus, tmp_path: Path) -> None:
    for name, sample in (("one", FEW), ("other", Sample(2))):
        fronts.save(tmp_path / name, fitted(made, sample), made, sample)
    with pytest.raises(UserError, match=r"got '.*other', whose stand on other inputs or statistics"):
        fronts.assembled([tmp_path / "one", tmp_path / "other"], None, None)
    with pytest.raises(UserError, match=r"on the frames of 'encodec', got '.*one'"):
        fronts.assembled([tmp_path / "one"], TINY, None, 2)


@pytest.mark.parametrize("heard", [None, "encodec", "mel256"])
def test_a_codec_alone_is_its_own_inputs_unless_they_are_named(heard: str | None) -> None:
    made = fronts.assembled([], TINY, heard, 3)

    assert made.inputs.name == (heard or "encodec")
    assert (made.targets.n_streams, made.parts[0].source is None) == (3, heard != "mel256")


def test_what_a_codec_leaves_over_is_measured_on_its_frames(made: Corpus) -> None:
    at_24 = replace(made, sample_rate=24000)  # the same samples, heard faster
    codec = inputs.load_codec(TINY)
    found = fronts.residuals(at_24, fronts.assembled([], TINY, None, 3), Sample(2))
    drawn = segments.random(at_24, 4.0, "duration", 2)
    frames = codec(torch.from_numpy(np.stack([drawn.at(0, 0), drawn.at(0, 1)])))
    left = (frames[:, 0] - frames[:, 1]).double().square().sum(-1).mean()  # layer 1 is the first two codebooks

    assert found.energies.shape == (4,)
    assert float(found.energies[2]) == pytest.approx(float(left), rel=1e-5)


def test_joined_targets_are_measured_one_after_the_other(made: Corpus) -> None:
    one = fitted(made).front
    with pytest.raises(UserError, match="of one kind to measure, got 2"):
        fronts.residuals(made, front.Front(one.inputs, targets.Joined([*one.parts, *one.parts])), FEW)


def earmark(*arguments: object) -> str:
    done = CliRunner().invoke(cli.app, ["corpus", *map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_the_verbs_fit_measure_and_code(made: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rvq, where = tmp_path / "rvq", made.folder
    said = earmark("targets", where, "-o", rvq, "--streams", 2, "--codes", 8, "--segments", 3)
    weights = json.loads(earmark("gamma", where, "--targets", rvq, "--segments", 3, "--json"))
    table = earmark("gamma", where, "--targets", rvq, "--segments", 3)
    told = earmark("codes", where, "-o", tmp_path / "codes", "--targets", rvq, "--device", "cpu")
    again = earmark("codes", where, "-o", tmp_path / "codes", "--targets", rvq, "--device", "cpu")

    assert "2 x 8 codes, fitted to 600 frames" in said
    assert sum(weights["gamma"]) == pytest.approx(1)
    assert len(weights["explained_variance"]) == 2
    assert f"gamma: [{weights['gamma'][0]:.6f}, {weights['gamma'][1]:.6f}]" in table
    assert "frames of 128 at 50 Hz, 2 streams of 8 codes, whole tracks" in told
    assert again == told
    assert coded.open(tmp_path / "codes", corpus.open(where)).n_streams == 2


def test_the_verb_fits_one_codebook_to_a_teachers_last_layer(made: Corpus, tmp_path: Path) -> None:
    name = "random:encodecmae-tiny"
    earmark(
        "targets", made.folder, "-o", tmp_path / "taught", "--of", name, "--codes", 16, "--segments", 2, "--frames", 99
    )
    config = json.loads((tmp_path / "taught" / "config.json").read_text())
    teacher = base.load(name)

    assert config["inputs"] == {"name": "mel128"}
    assert config["targets"][0] | {"of": name, "layer": teacher.card.layers - 1} == config["targets"][0]
    assert front.load(tmp_path / "taught").parts[0].codebooks.shape == (1, 16, teacher.card.dim)
