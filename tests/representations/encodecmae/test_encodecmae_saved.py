"""A checkpoint of ours holds all that its embeddings need, and says what it does not fit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import earmark
from earmark import conformance
from earmark.errors import UserError
from earmark.representations import checkpoint
from earmark.representations._saved import Saved
from earmark.representations.encodecmae import inputs, saved, targets
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import Settings
from tests.representations.encodecmae import reference

CARD = {"name": "one", "trained_on": "made-up sound", "objective": "EncodecMAE", "licence": "Apache-2.0"}


def made(settings: Settings) -> EncodecMAE:
    if settings.inputs == "encodec":
        codec = inputs.load_codec("random:encodec-tiny")
        heard: Any = inputs.EncodecFrames(codec)
        sought = targets.of_codec(codec, heard, settings.n_streams)
    else:
        heard = inputs.inputs(settings.inputs)
        sought = targets.of_inputs(heard, settings.n_streams, settings.n_codes)
    ours = EncodecMAE(settings, 3, heard, sought)
    ours.prepare(0.1 * reference.numbers(4, 9600))
    return ours


def written(folder: Path, settings: Settings) -> EncodecMAE:
    ours = made(settings)
    checkpoint.write(folder, saved.contents(ours), CARD)
    return ours


SHAPES = {
    "mel128": reference.miniature(),
    "mel256": reference.miniature(inputs="mel256", share_ffn=False, gamma=None),
    "encodec": reference.miniature(
        inputs="encodec", targets="codec", n_codes=1024, shared_positions=False, mask_token="learned"
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_checkpoint_gives_the_embeddings_of_the_encoder_that_was_trained(name: str, tmp_path: Path) -> None:
    ours = written(tmp_path / "one", SHAPES[name])
    loaded: Any = earmark.load_representation(f"path:{tmp_path / 'one'}")
    audio = 0.1 * reference.numbers(2, 9600, seed=5)
    assert ours.inputs is not None
    with torch.no_grad():
        expected = torch.stack(list(ours.network.encoder.layers(ours.inputs(audio), 3)), 1)
    torch.testing.assert_close(loaded(audio), expected, rtol=0, atol=0)
    card = loaded.card
    assert (card.name, card.trained_on, card.objective, card.licence) == (
        *("path:one", "made-up sound", "EncodecMAE"),
        "Apache-2.0",
    )
    assert (card.layers, card.dim, card.segment_s, card.sample_rate) == (4, 16, 4.0, ours.inputs.sample_rate)
    assert (card.frame_rate_hz, card.min_samples) == (ours.inputs.frame_rate_hz, ours.inputs.min_samples)
    assert card.n_parameters == sum(one.numel() for one in loaded.parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_a_checkpoint_keeps_every_law(name: str, tmp_path: Path) -> None:
    written(tmp_path / "one", SHAPES[name])
    assert conformance.broken_by_representation(earmark.load_representation(f"path:{tmp_path / 'one'}")) == ()


def test_training_goes_on_from_what_is_in_a_checkpoint(tmp_path: Path) -> None:
    ours = written(tmp_path / "one", SHAPES["mel128"])
    state = Saved("path:one", tmp_path / "one").state()
    other = EncodecMAE(SHAPES["mel128"], 9, inputs.inputs("mel128"), targets.of_inputs(inputs.inputs("mel128"), 3, 11))
    other.load_state_dict(state)
    audio = 0.1 * reference.numbers(2, 9600)
    one, same = (
        each(audio, torch.Generator().manual_seed(0)).loss.total.detach() for each in (ours.eval(), other.eval())
    )
    assert torch.equal(one, same)


def change(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def test_settings_and_tensors_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    folder, settings = tmp_path / "one", SHAPES["encodec"]
    written(folder, settings)
    kept = json.loads((folder / "config.json").read_text())
    change(folder, codec="random:dac-tiny")
    with pytest.raises(UserError, match=r"Expected 'codec' in .* with a name and .*; got 'random:dac-tiny'\. Load it"):
        earmark.load_representation(f"path:{folder}")
    change(folder, codec=kept["codec"], settings={**kept["settings"], "dim": 32})
    with pytest.raises(UserError, match=r"is of another architecture: .* differ in name or shape"):
        earmark.load_representation(f"path:{folder}")
    change(folder, settings={"dim": 32})
    with pytest.raises(UserError, match=r"Expected 'settings' in .*config\.json' with dec.*got {'dim': 32}\. Load it"):
        earmark.load_representation(f"path:{folder}")
    change(folder, settings=kept["settings"])
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": 16000}')
    with pytest.raises(UserError, match=r"says sampling_rate: 16000, but config\.json beside it says 24000"):
        earmark.load_representation(f"path:{folder}")


def test_an_objective_without_inputs_is_no_checkpoint() -> None:
    with pytest.raises(UserError, match="Expected an objective with inputs to keep"):
        saved.contents(EncodecMAE(replace(SHAPES["mel128"])))
