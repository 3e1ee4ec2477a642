"""Pre-training that starts from the weights of a checkpoint, and with it EncodecMAE that teaches itself."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.errors import UserError
from earmark.training import corpus
from earmark.training.pretrain import Pretrained, pretrain
from tests.training.made_codes import made_targets

MAE = """\
name: small
representation: encodecmae-tiny
objective:
  {dim: 16, heads: 2, head_dim: 8, encoder_layers: 2, decoder_layers: 1, ffn_dim: 24,
   n_streams: 2, n_codes: 6, gamma: [0.7, 0.3]}
segments: {kind: grid, segment_s: 4, hop_s: 4}
steps: 2
batch_s: 16
portion_s: 16
schedule: {learning_rate: 1.0e-2, kind: constant}
save_every_steps: 2
"""
WAV2VEC2 = """\
name: small
representation: wav2vec2-mel-tiny
objective: {network: {hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32}}
segments: {kind: random, segment_s: 0.5}
steps: 2
batch_s: 2
portion_s: 2
schedule: {learning_rate: 1.0e-3, kind: constant}
save_every_steps: 2
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of four tracks of five seconds, its codebooks, and a network of each kind that learnt for two steps."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(4):
        rng = earmark.identity.generator("made", number)
        swelling = np.abs(np.sin(np.arange(80_000) / 6000 + number))
        soundfile.write(folder / f"{number}.wav", 0.1 * swelling * rng.standard_normal(80_000), 16000)
    corpus.build([folder], folder / "corpus")
    made_targets(folder / "corpus", folder / "rvq")
    (folder / "mae.yml").write_text(MAE)
    (folder / "wav2vec2.yml").write_text(WAV2VEC2)
    trained(folder, "mae", folder / "teacher", f"targets=[{folder / 'rvq'}]")
    trained(folder, "wav2vec2", folder / "first")
    return folder


def trained(music: Path, name: str, folder: Path, *overrides: str, resume: bool = False) -> Pretrained:
    given = music / f"{name}.yml"
    return pretrain(given, corpus_folder=music / "corpus", folder=folder, overrides=overrides, resume=resume)


def checkpoint(folder: Path, step: int) -> Path:
    return folder / "checkpoints" / f"small-step-{step}"


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def said(*words: object) -> str:
    done = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def taught(music: Path) -> Path:
    """Codebooks of k-means on the teacher's last layer."""
    teacher = f"path:{checkpoint(music / 'teacher', 2)}"
    numbers = ("--codes", 6, "--segments", 4, "--frames", 300)
    assert "1 x 6 codes, fitted to 300 frames" in said(
        "corpus", "targets", music / "corpus", "-o", music / "taught", "--of", teacher, *numbers
    )
    return music / "taught"


def test_wav2vec2_goes_on_from_the_weights_and_statistics_of_a_checkpoint(music: Path, tmp_path: Path) -> None:
    """Of another seed, so that other segments would give other statistics; and the optimiser is new."""
    before = checkpoint(music / "first", 2)
    trained(music, "wav2vec2", tmp_path / "on", f"weights=path:{before}", "seed=1")
    ours, theirs = tensors(checkpoint(tmp_path / "on", 0)), tensors(before)
    card = json.loads((checkpoint(tmp_path / "on", 2) / "card.json").read_text())

    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(name.endswith("feature_extractor.mean") and one.any() for name, one in theirs.items())
    assert any(not torch.equal(one, ours[name]) for name, one in tensors(checkpoint(tmp_path / "on", 2)).items())
    assert card["begun_from"] == earmark.representations.checkpoint.sha256_of(before)
    assert card["trained_on"].count("h of audio in 4 tracks") == 2


def test_other_weights_are_another_run(music: Path, tmp_path: Path) -> None:
    trained(music, "wav2vec2", tmp_path / "on", f"weights={checkpoint(music / 'first', 2)}")

    with pytest.raises(UserError, match="holds a pre-training of other settings"):
        trained(music, "wav2vec2", tmp_path / "on", f"weights={checkpoint(music / 'first', 0)}", resume=True)
    with pytest.raises(UserError, match="holds a pre-training of other settings"):
        trained(music, "wav2vec2", tmp_path / "on", resume=True)


def test_the_tracks_that_the_first_network_heard_are_the_second_s_too(music: Path, tmp_path: Path) -> None:
    """And where nobody knows them, the card does not say any."""
    first, known, unknown = checkpoint(music / "first", 2), tmp_path / "known", tmp_path / "unknown"
    card = json.loads((first / "card.json").read_text())
    silent = {name: one for name, one in card.items() if name != "heard"}
    for folder, said_there in ((known, {**card, "heard": "0123456789ab"}), (unknown, silent)):
        folder.mkdir()
        for name in ("model.safetensors", "config.json", "preprocessor_config.json"):
            (folder / name).write_bytes((first / name).read_bytes())
        (folder / "card.json").write_text(json.dumps(said_there))
    cards = []
    for folder in (known, unknown):
        made = trained(music, "wav2vec2", tmp_path / f"on-{folder.name}", f"weights={folder}")
        cards.append(json.loads((made.checkpoint / "card.json").read_text()))

    assert cards[0]["heard"].split() == sorted([*card["heard"].split(), "0123456789ab"])
    assert "heard" not in cards[1]


def test_what_a_teacher_heard_its_pupil_heard_by_the_codes(music: Path, tmp_path: Path) -> None:
    """Without its weights, from codes as from audio; and where the teacher's card is silent, so is the pupil's."""
    teacher, folder = checkpoint(music / "teacher", 2), tmp_path / "teacher"
    shutil.copytree(teacher, folder)
    card = json.loads((teacher / "card.json").read_text()) | {"licence": "CC0", "heard": "0123456789ab"}
    (folder / "card.json").write_text(json.dumps(card))
    fitted = ("--codes", 6, "--segments", 4, "--frames", 300)
    said("corpus", "targets", music / "corpus", "-o", tmp_path / "st", "--of", f"path:{folder}", *fitted)
    said(
        "corpus", "codes", music / "corpus", "--targets", tmp_path / "st", "--alone", 4, "-o", tmp_path / "codes", "-q"
    )
    alone = [f"objective.{one}" for one in ("targets=kmeans", "n_streams=1", "gamma=null")]
    heard = (f"targets=[{tmp_path / 'st'}]", f"codes={tmp_path / 'codes'}")
    pupils = [trained(music, "mae", tmp_path / f"on-{number}", one, *alone) for number, one in enumerate(heard)]
    del card["heard"]
    (folder / "card.json").write_text(json.dumps(card))
    pupils.append(trained(music, "mae", tmp_path / "silent", heard[0], *alone))
    cards = [json.loads((one.checkpoint / "card.json").read_text()) for one in pupils]
    own = json.loads((teacher / "card.json").read_text())["heard"]

    assert [one.get("heard", "").split() for one in cards[:2]] == 2 * [sorted([*own.split(), "0123456789ab"])]
    assert "heard" not in cards[2]
    assert all(one["licence"] == "CC0; unknown" for one in cards)
    assert all(f"; taught by what learnt from: {card['trained_on']}" in one["trained_on"] for one in cards)


def test_a_teacher_that_is_the_start_too_is_told_once(music: Path, taught: Path, tmp_path: Path) -> None:
    alone = [f"objective.{one}" for one in ("targets=kmeans", "n_streams=1", "gamma=null")]
    given = (f"targets=[{taught}]", f"weights={checkpoint(music / 'teacher', 2)}")
    made = trained(music, "mae", tmp_path / "on", *given, *alone)
    card = json.loads((made.checkpoint / "card.json").read_text())

    assert card["trained_on"].count("h of audio in 4 tracks") == 2
    assert "; before: " in card["trained_on"]


def test_a_pupil_is_validated_on_pieces_that_were_coded_alone(music: Path, taught: Path, tmp_path: Path) -> None:
    said("corpus", "codes", music / "corpus", "--targets", taught, "--alone", 4, "-o", tmp_path / "codes", "-q")
    alone = [f"objective.{one}" for one in ("targets=kmeans", "n_streams=1", "gamma=null")]
    held_out = ("validation={share: 0.3, segments: 3}",)
    made = trained(music, "mae", tmp_path / "on", f"codes={tmp_path / 'codes'}", *alone, *held_out)

    assert json.loads((made.checkpoint / "card.json").read_text())["validation"][-1]["loss"] > 0


def test_weights_of_another_shape_are_refused_by_name(music: Path, tmp_path: Path) -> None:
    before = checkpoint(music / "first", 2)
    with pytest.raises(UserError, match=r"'.*small-step-2' is of another architecture: .* differ in name or shape"):
        trained(music, "wav2vec2", tmp_path / "on", f"weights={before}", "objective.network.hidden_size=32")
    with pytest.raises(UserError, match=r"'.*small-step-2' is of another architecture"):
        trained(
            music,
            "mae",
            tmp_path / "on",
            f"targets=[{music / 'rvq'}]",
            f"weights={checkpoint(music / 'teacher', 2)}",
            "objective.ffn_dim=32",
        )
    with pytest.raises(
        UserError, match=r"and config.json in 'nowhere', but: .*\. Name a folder that earmark wrote: RUN"
    ):
        trained(music, "wav2vec2", tmp_path / "on", "weights=nowhere")
    with pytest.raises(UserError, match=r"Expected a checkpoint of EncodecMAE to start from, got .* 'wav2vec2-mel'"):
        trained(music, "mae", tmp_path / "on", f"targets=[{music / 'rvq'}]", f"weights={before}")


def test_a_network_that_hears_by_other_statistics_is_refused(music: Path, tmp_path: Path) -> None:
    made_targets(music / "corpus", tmp_path / "louder")
    state = tensors(tmp_path / "louder")
    save_file({**state, "inputs.mean": state["inputs.mean"] + 1}, tmp_path / "louder" / "model.safetensors")

    with pytest.raises(UserError, match=r"hears by other numbers than are here: inputs.mean differ"):
        trained(
            music,
            "mae",
            tmp_path / "on",
            f"targets=[{tmp_path / 'louder'}]",
            f"weights={checkpoint(music / 'teacher', 2)}",
        )


def test_self_training_beside_the_first_targets_keeps_their_heads(music: Path, taught: Path, tmp_path: Path) -> None:
    """The paper's: a stream of k-means is added, whose head is new, and which weighs as much as all the others."""
    teacher = checkpoint(music / "teacher", 2)
    both = (f"targets=[{music / 'rvq'}, {taught}]", "objective.targets=mel_rvq+kmeans", "objective.n_streams=3")
    made = trained(music, "mae", tmp_path / "st", *both, f"weights={teacher}")
    start, before = tensors(checkpoint(tmp_path / "st", 0)), tensors(teacher)
    network = {name: one for name, one in start.items() if name.startswith("network.") and ".head." not in name}

    assert network
    assert all(torch.equal(one, before[name]) for name, one in network.items())
    assert torch.equal(start["network.head.weight"][:12], before["network.head.weight"])
    assert start["network.head.weight"].shape == (18, 16)
    assert start["network.head.weight"][12:].std() > 0
    assert torch.equal(start["network.head.bias"], torch.cat([before["network.head.bias"], torch.zeros(6)]))
    assert earmark.load_representation(f"path:{made.checkpoint}")(torch.randn(1, 16000)).shape == (1, 3, 50, 16)
    assert json.loads((made.checkpoint / "config.json").read_text())["settings"]["targets"] == "mel_rvq+kmeans"


def test_self_training_in_the_place_of_the_first_targets_has_a_new_head(
    music: Path, taught: Path, tmp_path: Path
) -> None:
    """Version 2's, by hand and from cached codes: the same start either way."""
    teacher = checkpoint(music / "teacher", 2)
    said("corpus", "codes", music / "corpus", "--targets", taught, "--alone", 4, "-o", tmp_path / "codes", "-q")
    alone = [f"objective.{one}" for one in ("targets=kmeans", "n_streams=1", "gamma=null")]
    starts, losses = [], []
    for name, heard in (("audio", f"targets=[{taught}]"), ("codes", f"codes={tmp_path / 'codes'}")):
        trained(music, "mae", tmp_path / name, heard, *alone, f"weights={teacher}", "seed=3")
        starts.append(tensors(checkpoint(tmp_path / name, 0)))
        curve = (tmp_path / name / "curve.jsonl").read_text().splitlines()
        losses.append(json.loads(curve[0])["loss"])
    before = tensors(teacher)

    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    assert starts[0]["network.head.weight"].shape == (6, 16)
    assert not torch.equal(starts[0]["network.head.weight"], before["network.head.weight"][:6])
    assert torch.equal(starts[0]["network.encoder.project.weight"], before["network.encoder.project.weight"])


def test_codebooks_that_changed_take_their_head_with_them(music: Path, tmp_path: Path) -> None:
    """The code that a row of the head named is another one now."""
    teacher, other = checkpoint(music / "teacher", 2), tmp_path / "other"
    made_targets(music / "corpus", other)
    state = tensors(other)
    state["targets.0"][1] += 1
    save_file(state, other / "model.safetensors")
    trained(music, "mae", tmp_path / "on", f"targets=[{other}]", f"weights={teacher}", "seed=9")
    start, before = (tensors(one)["network.head.weight"] for one in (checkpoint(tmp_path / "on", 0), teacher))

    assert torch.equal(start[:6], before[:6])
    assert not (start[6:] == before[6:]).any()


def test_a_network_on_a_codec_teaches_itself_by_that_codec(music: Path, tmp_path: Path) -> None:
    """Its checkpoint holds the codec's encoder, and the codebooks that are fitted to it name the codec."""
    corpus.build([music], tmp_path / "corpus", 24000)
    given = ("codec=random:encodec-tiny", "objective.inputs=encodec", "objective.n_codes=1024")
    teacher = pretrain(
        music / "mae.yml",
        corpus_folder=tmp_path / "corpus",
        folder=tmp_path / "teacher",
        overrides=(*given, "objective.targets=codec"),
    ).checkpoint
    sampled = ("--segments", 4, "--frames", 1100)
    said("corpus", "targets", tmp_path / "corpus", "-o", tmp_path / "st", "--of", f"path:{teacher}", *sampled)
    words = ("--codec", "random:encodec-tiny", "--streams", 2, "--targets", tmp_path / "st", "--alone", 4, "-q")
    said("corpus", "codes", tmp_path / "corpus", "-o", tmp_path / "codes", *words)
    both = ("objective.targets=codec+kmeans", "objective.n_streams=3", *given[1:])
    made = pretrain(
        music / "mae.yml",
        corpus_folder=tmp_path / "corpus",
        folder=tmp_path / "on",
        overrides=(*both, f"codes={tmp_path / 'codes'}", f"weights=path:{teacher}"),
    )
    start, before = tensors(checkpoint(tmp_path / "on", 0)), tensors(teacher)

    assert torch.equal(start["network.head.weight"][:2048], before["network.head.weight"])
    assert start["network.head.weight"].shape == (3072, 16)
    assert earmark.load_representation(f"path:{made.checkpoint}")(torch.randn(1, 24000)).shape == (1, 3, 75, 16)
