"""`earmark pretrain` with labels, from a corpus to a representation, and what it refuses."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

import earmark
from earmark.errors import DataError, SpecError, UserError
from earmark.representations.mule.settings import TAGGINGS
from earmark.representations.mule.tagged import Labelled
from earmark.training import config, corpus, labels, segments, tagging
from earmark.training.corpus import Corpus
from earmark.training.pretrain import Pretrained, pretrain
from earmark.training.systems import MuleSystem
from earmark.training.tagging import LabelledSegments

CONFIG = """\
name: small
representation: mule-tiny
objective: {head: {hidden: [16]}}
labels: {labels}
segments: {kind: random, by: track, segment_s: 0.4}
steps: 4
batch_s: 3.2
portion_s: 1.6
schedule: {learning_rate: 1.0e-3, kind: constant}
save_every_steps: 2
"""
GENRES = ("rock", "jazz", "rock|live", "jazz|live", "", "rock")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of six tracks of two seconds, of which the fifth has no label."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(6):
        rng = earmark.identity.generator("made", number)
        soundfile.write(folder / f"{number}.wav", 0.1 * rng.standard_normal(32000), 16000)
    built = corpus.build([folder], folder / "corpus", 16000)
    rows = [f"{number}.wav,{genre}" for number, genre in enumerate(GENRES)]
    (folder / "genres.csv").write_text("\n".join(["id,genre", *rows]) + "\n")
    labels.write(labels.read(str(folder / "genres.csv"), built), folder / "genres.jsonl")
    return folder


@pytest.fixture
def file(music: Path, tmp_path: Path) -> Path:
    (tmp_path / "small.yml").write_text(CONFIG.replace("{labels}", str(music / "genres.jsonl")))
    return tmp_path / "small.yml"


def trained(file: Path, music: Path, folder: Path, *overrides: str, resume: bool = False) -> Pretrained:
    return pretrain(file, corpus_folder=music / "corpus", folder=folder, overrides=overrides, resume=resume)


def tensors(made: Pretrained) -> dict[str, torch.Tensor]:
    return load_file(made.checkpoint / "model.safetensors")


def test_every_segment_has_the_tags_of_its_track(music: Path) -> None:
    opened = corpus.open(music / "corpus")
    own = labels.open(music / "genres.jsonl", opened)
    part = tagging.labelled(opened, own)
    sampler = segments.random(part, 0.4, n=40, seed=2)
    heard = tagging.segments(sampler, own)

    assert [track.id for track in part.tracks] == ["0.wav", "1.wav", "2.wav", "3.wav", "5.wav"]
    assert (len(heard), heard.segment_s) == (40, 0.4)
    for index in range(40):
        start = sampler.start(1, index)
        track = next(one for one in opened.tracks if one.start <= start < one.end)
        found = heard.at(1, index)
        assert np.array_equal(found.audio, sampler.at(1, index))
        assert (
            tuple(tag for tag, is_on in zip(own.tags, found.tags.tolist(), strict=True) if is_on) == own.by_id[track.id]
        )


def test_what_comes_out_is_a_representation_that_says_what_it_learnt(file: Path, music: Path, tmp_path: Path) -> None:
    made = trained(file, music, tmp_path / "run", "validation={share: 0.3, segments: 4}")
    network = earmark.load_representation(f"path:{made.checkpoint}")
    card, kept = (json.loads((made.checkpoint / name).read_text()) for name in ("card.json", "config.json"))
    own = labels.open(music / "genres.jsonl", corpus.open(music / "corpus"))

    assert network(torch.randn(2, 16000)).shape == (2, 1, 1, TAGGINGS["mule-tiny"].network.dim)
    assert (card["labels"], card["label"], card["tags"]) == (own.key, "genre", ["jazz", "live", "rock"])
    assert kept["trained_by"]["tags"] == ["jazz", "live", "rock"]
    assert "in 3 tracks" in card["trained_on"]
    assert len(card["heard"].split()) == 5  # not the one without labels
    assert {"average_precision", "roc_auc", "base_rates"} <= card["monitors"].keys() & card["validation"][0].keys()
    assert card["objective"].startswith("that of mule-tiny with labels, 4 steps")


def test_a_loss_that_is_no_number_raises_an_alarm(file: Path, music: Path, tmp_path: Path) -> None:
    made = trained(file, music, tmp_path / "run", "schedule.learning_rate=1e30")
    assert [text.partition(" ")[0] for text in made.alarms] == ["not_finite"]


def test_who_starts_from_a_network_of_other_tags_has_its_network_and_a_new_projector(
    file: Path, music: Path, tmp_path: Path
) -> None:
    made = trained(file, music, tmp_path / "run")
    first = MuleSystem("mule-tiny", {"head": {"hidden": [16]}}, weights=made.checkpoint)
    kept = tensors(made)
    for tags, is_same in ((("jazz", "live", "rock"), True), (("brass", "keys", "voice"), False)):
        began = replace(first, tags=tags).build(0).state_dict()
        changed = {name.partition(".")[0] for name, one in began.items() if not torch.equal(one, kept[name])}
        assert changed == (set() if is_same else {"projector"})


class Interrupted(Exception):
    """Stands for whatever ends a run."""


def test_interrupted_and_resumed_it_ends_with_the_same_bits(
    file: Path, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(file, music, tmp_path / "whole")

    heard, at = list[int](), LabelledSegments.at

    def stop(self: LabelledSegments, epoch: int, index: int) -> Labelled:
        heard.append(index)
        if len(heard) > 28:  # eight before the first step, eight a step: in the third
            raise Interrupted
        return at(self, epoch, index)

    with monkeypatch.context() as patched:
        patched.setattr(LabelledSegments, "at", stop)
        with pytest.raises(Interrupted):
            trained(file, music, tmp_path / "cut")
    assert (tmp_path / "cut" / "checkpoints" / "small-step-2").is_dir()
    again = trained(file, music, tmp_path / "cut", resume=True)
    ours, theirs = tensors(again), tensors(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_labels_of_another_set_are_another_run(file: Path, music: Path, tmp_path: Path) -> None:
    trained(file, music, tmp_path / "run")
    opened = corpus.open(music / "corpus")
    other = labels.frequent(labels.open(music / "genres.jsonl", opened), 3)
    labels.write(other, tmp_path / "other.jsonl")
    with pytest.raises(UserError, match="holds a pre-training of other settings"):
        trained(file, music, tmp_path / "run", f"labels={tmp_path / 'other.jsonl'}", resume=True)


def test_a_tag_that_no_heard_track_has_is_an_error(file: Path, music: Path, tmp_path: Path) -> None:
    opened = corpus.open(music / "corpus")
    own = labels.open(music / "genres.jsonl", opened)
    rock = Corpus(opened.folder, 16000, tuple(opened.tracks[number] for number in (0, 5)), "part")
    with pytest.raises(
        UserError, match=r"of 2 tracks that are heard none has 'jazz' \(2 tags without\). Hold out less"
    ):
        tagging.segments(segments.random(rock, 0.4), own)
    with pytest.raises(UserError, match=r"Expected labels of '4.wav', got none. Take the labelled tracks alone"):
        tagging.segments(segments.random(opened, 0.4), own)
    with pytest.raises(UserError, match=r"that are heard none has"):
        trained(file, music, tmp_path / "run", "validation={share: 0.75}")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "representation=wav2vec2-tiny",
            "Expected one of mule, mule-tiny to learn by labels, got 'wav2vec2-tiny'. Take",
        ),
        ("segments.kind=pair", "Expected segments of kind random for 'mule-tiny', got pair"),
        ("objective={temperature: 0.1}", "There is no setting 'temperature'"),
    ],
)
def test_a_file_that_asks_for_what_is_not_learnt_by_labels_is_refused(file: Path, override: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        config.load(file, [override])


def test_labels_of_another_corpus_are_refused(file: Path, music: Path, tmp_path: Path) -> None:
    other = corpus.build([music], tmp_path / "other", 16000, excerpt_s=1.0)
    with pytest.raises(DataError, match=r"genres.jsonl' holds labels of another corpus"):
        pretrain(file, corpus_folder=other.folder, folder=tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "n_parameters"), [("mule_supervised", 62_345_742 + 42_693_108), ("mule_tags_tiny", 337_186 + 351_244)]
)
def test_shipped_ones_learn_by_labels_with_the_projector_of_the_paper(name: str, n_parameters: int) -> None:
    """Three times 4,096 between 1,728 and 500 tags; of the tiny one twice 512 between 160 and 12."""
    system = config.load(Path(name)).system
    assert isinstance(system, MuleSystem)
    n_tags = {"mule": 500, "mule-tiny": 12}[system.name]
    widths = (system.settings.network.dim, *system.settings.head.hidden, n_tags)
    projector = sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))
    assert n_parameters == {"mule": 62_345_742, "mule-tiny": 337_186}[system.name] + projector
