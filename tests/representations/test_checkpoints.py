"""Checkpoints: folders that are whole or absent, that transformers reads, and that say where they come from."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

import earmark
from earmark.errors import UserError
from earmark.representations import checkpoint
from earmark.representations.checkpoint import Contents
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.training.systems import Wav2Vec2System

CARD = {"trained_on": "0.1 h of noise", "objective": "to tell codes apart", "licence": "CC0-1.0"}
SMALL = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    **{"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4},
}


def written(folder: Path, name: str = "wav2vec2-tiny") -> Wav2Vec2:
    """Write a checkpoint of random weights, and return its objective."""
    network = SMALL if name == "wav2vec2-tiny" else {key: SMALL[key] for key in SMALL if key != "conv_dim"}
    system = Wav2Vec2System(name, {"network": network})
    objective = system.build(0)
    assert isinstance(objective, Wav2Vec2)
    checkpoint.write(folder, system.contents(objective), CARD)
    return objective


def test_transformers_reads_what_was_written(tmp_path: Path) -> None:
    objective = written(tmp_path / "one")
    theirs = transformers.AutoModelForPreTraining.from_pretrained(tmp_path / "one").state_dict()

    ours = objective.network.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)
    heard = transformers.Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "one")
    assert (heard.sampling_rate, heard.do_normalize) == (16000, True)


def test_a_representation_is_loaded_by_path_and_answers_as_the_network_does(tmp_path: Path) -> None:
    objective = written(tmp_path / "one").eval()
    loaded = earmark.load_representation(f"path:{tmp_path / 'one'}")
    audio = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    normalised = (audio - audio.mean(1, keepdim=True)) / torch.sqrt(audio.var(1, correction=0, keepdim=True) + 1e-7)
    with torch.no_grad():
        theirs = objective.network.get_submodule("wav2vec2")(normalised, output_hidden_states=True).hidden_states

    torch.testing.assert_close(loaded(audio), torch.stack(theirs, 1), rtol=0, atol=1e-5)
    assert loaded.card.trained_on == "0.1 h of noise"
    assert loaded.card.licence == "CC0-1.0"


def test_a_front_end_that_transformers_has_not_is_refused_there_and_read_here(tmp_path: Path) -> None:
    written(tmp_path / "one", "wav2vec2-mel-tiny")

    with pytest.raises(ValueError, match="model type `wav2vec2-mel`"):
        transformers.AutoModel.from_pretrained(tmp_path / "one")
    loaded = earmark.load_representation(f"path:{tmp_path / 'one'}")
    assert loaded(torch.zeros(1, 4000)).shape == (1, 3, 10, 16)


def test_the_card_holds_the_hash_of_the_weights(tmp_path: Path) -> None:
    written(tmp_path / "one")
    card = json.loads((tmp_path / "one" / "card.json").read_text())

    assert card["weights_sha256"] == earmark.identity.file_sha256(tmp_path / "one" / "model.safetensors")
    assert card["schema"] == 1


def test_a_checkpoint_that_is_there_stays(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "one", Contents({"a": torch.zeros(1)}, {}, {}), CARD)
    checkpoint.write(tmp_path / "one", Contents({"a": torch.ones(1)}, {}, {}), CARD)

    assert load_file(tmp_path / "one" / "model.safetensors")["a"] == 0


DYING = """
import sys
from pathlib import Path
import torch
from earmark.representations import checkpoint
checkpoint.write(Path(sys.argv[1]), checkpoint.Contents({"a": torch.ones(9)}, {}, {}), {"name": "dies"})
"""


def test_killed_at_any_step_the_folder_is_absent_or_whole(tmp_path: Path) -> None:
    outcomes = []
    for k in (1, 3, 6, 9, 12, 15, 100):
        folder = tmp_path / f"at-{k}"
        dying = subprocess.run(
            [sys.executable, "-c", DYING, str(folder)], env={**os.environ, "EARMARK_DIE_AT": str(k)}, check=False
        )
        outcomes.append((dying.returncode, folder.exists()))
        if folder.exists():
            assert sorted(one.name for one in folder.iterdir()) == sorted(
                ["card.json", "config.json", "model.safetensors", "preprocessor_config.json"]
            )
        checkpoint.write(folder, Contents({"a": torch.ones(9)}, {}, {}), CARD)
        assert load_file(folder / "model.safetensors")["a"].sum() == 9
    assert outcomes[0] == (137, False)
    assert outcomes[-1] == (0, True)
    assert (137, False) in outcomes[1:]


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device\. Make room"):
        checkpoint.write(tmp_path / "one", Contents({"a": torch.ones(9)}, {}, {}), CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_is_none_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "one")
    (tmp_path / "one" / "card.json").write_text("{}")

    with pytest.raises(UserError, match="to be a card with trained_on, objective and licence"):
        earmark.load_representation(f"path:{tmp_path / 'one'}")


def test_weights_of_another_architecture_are_refused_by_name(tmp_path: Path) -> None:
    written(tmp_path / "one")
    settings = json.loads((tmp_path / "one" / "config.json").read_text())
    (tmp_path / "one" / "config.json").write_text(json.dumps({**settings, "intermediate_size": 48}))

    with pytest.raises(UserError, match=r"of another shape: encoder\.layers\.0\.feed_forward"):
        earmark.load_representation(f"path:{tmp_path / 'one'}")


def test_tensors_of_another_network_are_named() -> None:
    theirs, ours = {"a": torch.zeros(2), "b": torch.zeros(1)}, {"a": torch.zeros(3), "c": torch.zeros(1)}

    with pytest.raises(UserError, match="'x' is of another architecture: a, b, c differ in name or shape"):
        checkpoint.refuse_other_tensors(theirs, ours, "x")
    checkpoint.refuse_other_tensors(ours, ours, "x")


def test_a_folder_of_checkpoints_names_the_newest(tmp_path: Path) -> None:
    for number in (0, 300):
        written(tmp_path / "run" / "checkpoints" / f"small-step-{number}")
    for named in (tmp_path / "run", tmp_path / "run" / "checkpoints"):
        with pytest.raises(
            UserError, match=r"holds no network itself, but .* Write path:.*checkpoints/small-step-300$"
        ):
            earmark.load_representation(f"path:{named}")


def test_weights_that_were_cut_off_are_said_to_be_damaged(tmp_path: Path) -> None:
    written(tmp_path / "one")
    whole = (tmp_path / "one" / "model.safetensors").read_bytes()
    (tmp_path / "one" / "model.safetensors").write_bytes(whole[:1000])
    with pytest.raises(UserError, match=r"model\.safetensors' is damaged: .* Copy or fetch it again"):
        earmark.load_representation(f"path:{tmp_path / 'one'}")
