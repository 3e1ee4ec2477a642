"""Names made of other names and of places: `A+B`, `hf:…`, `path:…`; `hear:…` has a file of its own."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark import conformance, identity, places
from earmark.errors import MissingPart, UserError
from earmark.representations import _folder, base, joined, logmel


def noise(n_samples: int, clips: int = 1) -> torch.Tensor:
    rng = identity.generator("test", "forms", n_samples)
    return torch.from_numpy((0.1 * rng.standard_normal((clips, n_samples))).astype(np.float32))


def test_joined_embeddings_are_those_of_the_parts_side_by_side() -> None:
    audio = noise(30000, clips=2)
    both = base.load("logmel+mfcc")
    parts = [base.load(name)(audio) for name in ("logmel", "mfcc")]
    assert torch.equal(both(audio), torch.cat(parts, dim=-1))
    assert both.card.dim == 148
    assert conformance.broken_by_representation(both) == ()


def test_the_order_of_the_parts_is_that_of_the_name() -> None:
    audio = noise(30000)
    turned = base.load("mfcc+logmel")
    assert turned.card.name == "mfcc+logmel"
    assert torch.equal(turned(audio)[..., :20], base.load("mfcc")(audio))


class Deep:
    """Three layers of the frames of logmel, each louder; its child has a window of its own."""

    card = replace(logmel.CARD, name="deep", layers=3)
    window = 2048

    def __call__(self, audio: torch.Tensor, layers: Sequence[int] | None = None) -> torch.Tensor:
        wanted = base.check_call(audio, layers, self.card)
        frames = audio.unfold(1, self.window, 512)[..., :128]
        return torch.stack([(layer + 1) * frames for layer in wanted], dim=1)


class Short(Deep):
    """The same frames a second from a shorter window: more frames."""

    window = 1024


def test_a_part_with_one_layer_stands_beside_every_layer_of_the_other() -> None:
    audio = noise(30000)
    both = joined.Joined([Deep(), base.load("mfcc")])
    answer = both(audio, [2, 0])
    assert both.card.layers == 3
    assert torch.equal(answer[:, 0, :, :128], 3 * answer[:, 1, :, :128])
    assert torch.equal(answer[:, 0, :, 128:], answer[:, 1, :, 128:])


def test_parts_that_do_not_fit_are_refused_with_what_differs_and_what_to_do() -> None:
    with pytest.raises(UserError, match=r"same frame_rate_hz .*'logmel' has 43\.0664 frames .*earmark embed"):
        base.load("logmel+chroma")
    uneven = joined.Joined([Short(), base.load("mfcc")])
    with pytest.raises(UserError, match=r"one to one; of 30000 samples 'deep' 57, 'mfcc' 55"):
        uneven(noise(30000))


@pytest.mark.parametrize("name", ["logmel+", "+logmel", "logmel+logmel"])
def test_a_name_that_joins_nothing_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"Expected different names with \+ between them"):
        base.load(name)


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(UserError, match=r"Unknown representation 'mfc'\. Did you mean 'mfcc'"):
        base.load("logmel+mfc")


def test_the_key_of_a_joined_name_changes_with_its_parts() -> None:
    hashes = {joined.Joined(parts).card.weights_sha256 for parts in ((Deep(), Short()), (Short(), Deep()))}
    assert len({*hashes, base.load("logmel+mfcc").card.weights_sha256}) == 2, "Deep and Short are of one file and name"


def saved(
    kind: str, folder: Path, *, with_head: bool = False, safe: bool = True, **settings: object
) -> torch.nn.Module:
    """Save a tiny network of transformers, as transformers saves it, and return it."""
    import transformers

    config_class, model_class, head_class = {
        "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model", "Wav2Vec2ForCTC"),
        "hubert": ("HubertConfig", "HubertModel", "HubertForCTC"),
        "data2vec-audio": ("Data2VecAudioConfig", "Data2VecAudioModel", "Data2VecAudioForCTC"),
        "wavlm": ("WavLMConfig", "WavLMModel", "WavLMForCTC"),
        "unispeech": ("UniSpeechConfig", "UniSpeechModel", "UniSpeechForCTC"),
        "unispeech-sat": ("UniSpeechSatConfig", "UniSpeechSatModel", "UniSpeechSatForPreTraining"),
    }[kind]
    config = getattr(transformers, config_class)(
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
        **{"conv_dim": [8, 8], "conv_kernel": [10, 4], "conv_stride": [5, 4], "num_feat_extract_layers": 2},
        **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "vocab_size": 5},
        **settings,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = getattr(transformers, head_class if with_head else model_class)(config).eval()
    network.save_pretrained(folder)
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": 16000, "do_normalize": false}')
    return getattr(network, network.base_model_prefix) if with_head else network  # type: ignore[no-any-return]


SPEECH = ("wav2vec2", "hubert", "data2vec-audio", "wavlm", "unispeech", "unispeech-sat")
STABLE = [kind for kind in SPEECH if kind != "data2vec-audio"]  # its class has no such blocks


@pytest.mark.parametrize("kind", SPEECH)
@pytest.mark.parametrize("with_head", [False, True])
@pytest.mark.parametrize("safe", [False, True])
def test_a_saved_folder_gives_the_hidden_states_of_its_class(
    kind: str, with_head: bool, safe: bool, tmp_path: Path
) -> None:
    network = saved(kind, tmp_path, with_head=with_head, safe=safe)
    found = base.load(f"path:{tmp_path}")
    assert (found.card.min_samples, found.card.frame_rate_hz, found.card.layers) == (25, 800.0, 3)
    for n_samples in (25, 26, 1000):
        audio = noise(n_samples)
        with torch.inference_mode():
            naive = torch.stack(network(audio, output_hidden_states=True).hidden_states, dim=1)
        assert (found(audio) - naive).abs().max() < 1e-5
    assert found.card.name == f"path:{tmp_path.name}", "where it lies is no part of what it is"


@pytest.mark.parametrize("kind", STABLE)
def test_a_network_with_stable_layer_norm_ends_with_its_norm(kind: str, tmp_path: Path) -> None:
    network = saved(kind, tmp_path, do_stable_layer_norm=True, feat_extract_norm="layer")
    audio = noise(1000, clips=2)
    found = base.load(f"path:{tmp_path}")(audio)
    with torch.inference_mode():
        naive = network(audio, output_hidden_states=True)
    assert (found[:, -1] - naive.last_hidden_state).abs().max() < 1e-5
    assert (found[:, :-1] - torch.stack(naive.hidden_states[:-1], dim=1)).abs().max() < 1e-5


def test_kinds_that_earmark_has_under_other_names_are_names_it_has() -> None:
    cards = base.every()
    assert set(_folder.ELSEWHERE.values()) <= cards.keys()


@pytest.mark.parametrize("kind", ["hubert", "wavlm", "unispeech", "unispeech-sat"])
def test_a_saved_folder_keeps_every_law(kind: str, tmp_path: Path) -> None:
    saved(kind, tmp_path)
    assert conformance.broken_by_representation(base.load(f"path:{tmp_path}")) == ()


def test_an_id_of_the_hub_is_read_from_the_home_and_says_what_to_type_when_it_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    with pytest.raises(MissingPart, match="Type: earmark get weights hf:some-org/Small_net"):
        base.load("hf:some-org/Small_net")
    saved("hubert", places.weights_folder("hf:some-org/Small_net"))
    found = base.load("hf:some-org/Small_net")
    assert (found.card.name, found.card.licence) == ("hf:some-org/Small_net", "unknown: see its page")


@pytest.mark.parametrize("name", ["hf:", "hf:one", "hf:../x", "hf:a/b/c", "hf:a/.."])
def test_what_is_no_id_of_the_hub_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="Expected hf:ORG/NAME"):
        base.load(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "huberth"}, r"'path:net' is of the kind 'huberth'; known here: .* Did you mean 'hubert'\?"),
        ({"model_type": "mert_model"}, r"earmark has it as 'mert-v1-95m'"),
        (
            {"model_type": "bloom"},
            r"known here: wav2vec2, .*, clap, .*\. Another kind is a class of yours .*package\.module",
        ),
        ({"num_hidden_layers": 3}, r"missing: encoder\.layers\.2\."),
        ({"hidden_size": 8}, "of another shape: "),
    ],
)
def test_a_folder_that_is_not_as_it_says_is_told(change: dict[str, object], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    saved("hubert", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=message):
        base.load(f"path:{folder}")


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    saved("hubert", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(UserError, match="Expected sampling_rate and do_normalize in"):
        base.load(f"path:{tmp_path}")
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match=r"Expected preprocessor_config\.json in"):
        base.load(f"path:{tmp_path}")
    with pytest.raises(UserError, match="Expected a folder after path:, there is none at"):
        base.load("path:no/where")


class Bomb:
    """Unpickled, it would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_that_is_more_than_tensors_is_never_executed(tmp_path: Path) -> None:
    saved("hubert", tmp_path / "net", safe=False)
    torch.save({"encoder.x": Bomb(tmp_path / "trace")}, tmp_path / "net" / "pytorch_model.bin")
    with pytest.raises(UserError, match="never unpickled"):
        base.load(f"path:{tmp_path / 'net'}")
    assert not (tmp_path / "trace").exists()
